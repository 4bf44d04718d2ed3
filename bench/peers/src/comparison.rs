//! Medians side by side, and the ratios between them.
//!
//! ```text
//!                  stage6   rocksdb   leveldb   fjall     lmdb   redb
//!   readrandom       900       350       490     300       920    500
//!                     └── ÷ best log-structured peer: 1.84
//!                     └── ÷ best of any kind:                    0.98
//! ```
//!
//! The goal of a workload is a ratio to the best log-structured peer
//! ([`Workload::goal`]), and nobody faster. Reopening compares log-structured engines
//! alone: the others have no log to read.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cell::Figures;
use crate::engine::EngineId;
use crate::keys::KeyKind;
use crate::results::Median;
use crate::workload::Workload;

/// What one workload is, for all engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) records: u64,
    pub(crate) keys: KeyKind,
    pub(crate) workload: Workload,
}

/// How this engine stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) to_best_lsm_peer: Option<f64>,
    pub(crate) to_best_peer: Option<f64>,
    pub(crate) goal: f64,
}

impl Ratio {
    /// Whether the goal is reached, as far as it was measured.
    pub(crate) fn reaches_its_goal(self) -> bool {
        self.to_best_lsm_peer.is_none_or(|ratio| ratio >= self.goal)
            && self.to_best_peer.is_none_or(|ratio| ratio >= 1.0)
    }
}

/// All medians of a comparison.
#[derive(Debug)]
pub(crate) struct Comparison {
    medians: Vec<Median>,
}

impl Comparison {
    pub(crate) fn new(medians: Vec<Median>) -> Comparison {
        Comparison { medians }
    }

    pub(crate) fn medians(&self) -> &[Median] {
        &self.medians
    }

    /// The rows that were measured: by size, keys and workload.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let rows: BTreeSet<Row> = self.medians.iter().map(Median::row).collect();
        rows.into_iter().collect()
    }

    /// The engines that were measured, this one first.
    pub(crate) fn engines(&self) -> Vec<EngineId> {
        let engines: BTreeSet<EngineId> = self.medians.iter().map(|median| median.cell.engine).collect();
        engines.into_iter().collect()
    }

    pub(crate) fn median(&self, row: Row, engine: EngineId) -> Option<&Median> {
        self.row(row).find(|median| median.cell.engine == engine)
    }

    fn row(&self, row: Row) -> impl Iterator<Item = &Median> {
        self.medians.iter().filter(move |median| median.row() == row)
    }

    /// The fastest in `row` among the engines that are `chosen`.
    fn best(&self, row: Row, chosen: fn(EngineId) -> bool) -> Option<&Median> {
        let candidates = self.row(row).filter(|median| chosen(median.cell.engine));
        candidates.max_by(|a, b| a.figures.per_second.total_cmp(&b.figures.per_second))
    }

    /// The fastest log-structured peer in `row`.
    pub(crate) fn best_lsm_peer(&self, row: Row) -> Option<EngineId> {
        Some(self.best(row, EngineId::is_lsm_peer)?.cell.engine)
    }

    /// How this engine stands in `row`, if it was measured.
    pub(crate) fn ratio(&self, row: Row) -> Option<Ratio> {
        let ours = self.median(row, EngineId::OURS)?.figures.per_second;
        let to = |best: Option<&Median>| Some(ours / best?.figures.per_second);
        Some(Ratio {
            to_best_lsm_peer: to(self.best(row, EngineId::is_lsm_peer)),
            to_best_peer: match row.workload {
                Workload::Reopen => None,
                _ => to(self.best(row, |engine| !engine.is_ours())),
            },
            goal: row.workload.goal(),
        })
    }

    /// What this engine needs of something, against the log-structured peer that needs
    /// least of it. Whoever was cut short has less to keep, and is not compared.
    pub(crate) fn share(&self, row: Row, need: fn(&Figures) -> f64) -> Option<f64> {
        let whole = |median: &&Median| !median.figures.is_cut_short;
        let ours = self.median(row, EngineId::OURS).filter(whole)?;
        let peers = self.row(row).filter(whole).filter(|median| median.cell.engine.is_lsm_peer());
        let least = peers.map(|median| need(&median.figures)).min_by(f64::total_cmp)?;
        (least > 0.0).then(|| need(&ours.figures) / least)
    }

    /// Rows in which engines that did all of the same work did not see the same
    /// entries: one of them answers wrongly.
    pub(crate) fn disagreements(&self) -> Vec<Row> {
        let disagree = |&row: &Row| {
            // Beside a writer, what is read depends on when.
            let whole = self.row(row).filter(|median| !median.figures.is_cut_short);
            let seen: BTreeSet<_> = whole.map(|m| (m.figures.seen.entries, m.figures.seen.digest)).collect();
            seen.len() > 1 && row.workload != Workload::Readwhilewriting
        };
        self.rows().into_iter().filter(disagree).collect()
    }
}

impl Median {
    pub(crate) fn row(&self) -> Row {
        Row { records: self.cell.records, keys: self.cell.keys, workload: self.cell.workload }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cell::Cell;
    use crate::engine::Seen;
    use crate::results::{Line, medians};

    pub(crate) const ROW: Row =
        Row { records: 1_000, keys: KeyKind::Decimal, workload: Workload::Readrandom };

    fn line(engine: &str, workload: Workload, per_second: f64) -> Line {
        let cell = Cell { engine: engine.parse().unwrap(), workload, keys: ROW.keys, records: ROW.records };
        let figures = Some(Figures { per_second, ..Figures::default() });
        Line { cell, round: 0, figures, error: None }
    }

    pub(crate) fn comparison(speeds: &[(&str, f64)]) -> Comparison {
        let lines: Vec<Line> = speeds.iter().map(|&(name, speed)| line(name, ROW.workload, speed)).collect();
        Comparison::new(medians(&lines))
    }

    #[test]
    fn a_ratio_is_to_the_best_of_each_kind() {
        let comparison = comparison(&[
            ("stage6", 900.0),
            ("rocksdb", 350.0),
            ("rocksdb@16", 400.0),
            ("leveldb", 450.0),
            ("lmdb", 1_800.0),
        ]);
        let ratio = comparison.ratio(ROW).unwrap();
        assert_eq!(ratio.to_best_lsm_peer, Some(2.0));
        assert_eq!(ratio.to_best_peer, Some(0.5));
        assert!(!ratio.reaches_its_goal());
        assert_eq!(comparison.best_lsm_peer(ROW), "leveldb".parse().ok());
    }

    #[test]
    fn the_goal_is_twice_the_best_log_structured_peer_and_nobody_faster() {
        let reaches = |speeds: &[(&str, f64)]| comparison(speeds).ratio(ROW).unwrap().reaches_its_goal();
        assert!(reaches(&[("stage6", 900.0), ("leveldb", 450.0), ("lmdb", 900.0)]));
        assert!(!reaches(&[("stage6", 899.0), ("leveldb", 450.0)]));
        assert!(!reaches(&[("stage6", 900.0), ("lmdb", 901.0)]));
    }

    #[test]
    fn without_this_engine_there_is_no_ratio() {
        assert_eq!(comparison(&[("leveldb", 1.0)]).ratio(ROW), None);
        assert_eq!(comparison(&[("stage6", 1.0)]).ratio(ROW).unwrap().to_best_peer, None);
    }

    #[test]
    fn another_size_of_this_engine_is_no_peer() {
        let ratio = comparison(&[("stage6", 1.0), ("stage6@64", 8.0)]).ratio(ROW).unwrap();
        assert_eq!((ratio.to_best_lsm_peer, ratio.to_best_peer), (None, None));
    }

    #[test]
    fn a_share_is_of_the_peer_that_needs_least_among_those_that_did_all() {
        let disk = |engine: &str, disk_bytes: u64, is_cut_short: bool| {
            let mut line = line(engine, ROW.workload, 1.0);
            line.figures = line.figures.map(|figures| Figures { disk_bytes, is_cut_short, ..figures });
            line
        };
        let share =
            |lines: &[Line]| Comparison::new(medians(lines)).share(ROW, |figures| figures.disk_bytes as f64);
        let lines = [disk("stage6", 120, false), disk("fjall", 150, false), disk("leveldb", 100, false)];
        assert_eq!(share(&lines), Some(1.2));
        let lines = [disk("stage6", 120, false), disk("fjall", 150, false), disk("leveldb", 100, true)];
        assert_eq!(share(&lines), Some(0.8));
        assert_eq!(share(&[disk("stage6", 120, true), disk("fjall", 150, false)]), None);
    }

    #[test]
    fn engines_that_saw_different_entries_disagree() {
        let mut lines = vec![line("stage6", ROW.workload, 1.0), line("leveldb", ROW.workload, 1.0)];
        assert!(Comparison::new(medians(&lines)).disagreements().is_empty());
        lines[1].figures.as_mut().unwrap().seen = Seen { entries: 1, digest: 1 };
        assert_eq!(Comparison::new(medians(&lines)).disagreements(), [ROW]);
        lines[1].figures.as_mut().unwrap().is_cut_short = true;
        assert!(Comparison::new(medians(&lines)).disagreements().is_empty());
    }
}
