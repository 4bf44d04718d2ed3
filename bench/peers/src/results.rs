//! The results of a comparison: a file of lines, one for each cell and round.
//!
//! ```text
//!   DIR/results.jsonl   {"cell":{"engine":"stage6",…},"round":0,"figures":{…}}
//!                       {"cell":{"engine":"fjall",…},"round":0,"error":"…"}
//!                       {"cell":{"engi                        ◄── broken off
//! ```
//!
//! **INV-PEERS-3** A line is appended whole behind its measurement, and never
//! changed. So a comparison that was broken off goes on where it was: what has
//! figures is not measured again, what failed is. A line that was torn counts as not
//! there.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Figures};
use crate::measure::Latency;

/// One measurement, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) cell: Cell,
    pub(crate) round: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) figures: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The lines so far, and the file that the next ones go to.
#[derive(Debug)]
pub(crate) struct Results {
    file: File,
    done: HashSet<(Cell, u32)>,
}

impl Results {
    /// Takes up the results in `directory`, or begins them.
    pub(crate) fn resume(directory: &Path) -> io::Result<Results> {
        fs::create_dir_all(directory)?;
        let path = directory.join(FILE);
        let done = read(directory)?.into_iter().filter(|line| line.figures.is_some());
        let done = done.map(|line| (line.cell, line.round)).collect();
        let is_torn = fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|&last| last != b'\n'));
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if is_torn {
            file.write_all(b"\n")?;
        }
        Ok(Results { file, done })
    }

    pub(crate) fn is_done(&self, cell: Cell, round: u32) -> bool {
        self.done.contains(&(cell, round))
    }

    pub(crate) fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        if line.figures.is_some() {
            self.done.insert((line.cell, line.round));
        }
        Ok(())
    }
}

const FILE: &str = "results.jsonl";

/// Every whole line in `directory`.
pub(crate) fn read(directory: &Path) -> io::Result<Vec<Line>> {
    let text = match fs::read_to_string(directory.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// A cell's figures over all its rounds: the median of each.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Median {
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) rounds: usize,
    /// The slowest and the fastest round.
    pub(crate) per_second_range: (f64, f64),
    pub(crate) figures: Figures,
}

/// One median for each cell that has figures, in the order of cells.
pub(crate) fn medians(lines: &[Line]) -> Vec<Median> {
    let mut rounds: BTreeMap<Cell, Vec<Figures>> = BTreeMap::new();
    for line in lines {
        if let Some(figures) = line.figures {
            rounds.entry(line.cell).or_default().push(figures);
        }
    }
    rounds.into_iter().map(|(cell, rounds)| median_of(cell, &rounds)).collect()
}

fn median_of(cell: Cell, rounds: &[Figures]) -> Median {
    let float = |figure: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let whole = |figure: fn(&Figures) -> u64| {
        let mut values: Vec<u64> = rounds.iter().map(figure).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let speeds = || rounds.iter().map(|figures| figures.per_second);
    let first = rounds[0];
    let figures = Figures {
        units: whole(|figures| figures.units),
        seconds: float(|figures| figures.seconds),
        per_second: float(|figures| figures.per_second),
        beside_per_second: first.beside_per_second.map(|_| float(|f| f.beside_per_second.unwrap_or(0.0))),
        cpu_nanos_per_unit: float(|figures| figures.cpu_nanos_per_unit),
        latency_nanos: Latency {
            p50: whole(|figures| figures.latency_nanos.p50),
            p90: whole(|figures| figures.latency_nanos.p90),
            p99: whole(|figures| figures.latency_nanos.p99),
            p999: whole(|figures| figures.latency_nanos.p999),
            p9999: whole(|figures| figures.latency_nanos.p9999),
            worst: whole(|figures| figures.latency_nanos.worst),
        },
        user_bytes: whole(|figures| figures.user_bytes),
        written_bytes: whole(|figures| figures.written_bytes),
        disk_bytes: whole(|figures| figures.disk_bytes),
        peak_memory_bytes: whole(|figures| figures.peak_memory_bytes),
        open_seconds: float(|figures| figures.open_seconds),
        // A single lost record is one too many: the worst round counts.
        lost_records: rounds.iter().filter_map(|figures| figures.lost_records).max(),
        seen: first.seen,
        is_cut_short: rounds.iter().any(|figures| figures.is_cut_short),
    };
    let range = (speeds().fold(f64::INFINITY, f64::min), speeds().fold(0.0, f64::max));
    Median { cell, rounds: rounds.len(), per_second_range: range, figures }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineId;
    use crate::keys::KeyKind;
    use crate::workload::Workload;

    const CELL: Cell = Cell {
        engine: EngineId::OURS,
        workload: Workload::Fillrandom,
        keys: KeyKind::Decimal,
        records: 1_000,
    };

    fn line(round: u32, per_second: f64) -> Line {
        let figures = Some(Figures { per_second, ..Figures::default() });
        Line { cell: CELL, round, figures, error: None }
    }

    #[test]
    fn what_was_measured_is_done_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut results = Results::resume(directory.path()).unwrap();
        assert!(!results.is_done(CELL, 0));
        results.append(&line(0, 1.0)).unwrap();
        drop(results);
        let results = Results::resume(directory.path()).unwrap();
        assert!(results.is_done(CELL, 0));
        assert!(!results.is_done(CELL, 1));
    }

    #[test]
    fn what_failed_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let failure = Line { figures: None, error: Some("no space".to_owned()), ..line(0, 0.0) };
        Results::resume(directory.path()).unwrap().append(&failure).unwrap();
        assert!(!Results::resume(directory.path()).unwrap().is_done(CELL, 0));
        assert_eq!(read(directory.path()).unwrap(), [failure]);
    }

    #[test]
    fn a_torn_line_is_not_there_and_hides_none_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        Results::resume(directory.path()).unwrap().append(&line(0, 1.0)).unwrap();
        let path = directory.path().join(FILE);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, [&bytes[..], &bytes[..bytes.len() / 2]].concat()).unwrap();

        let mut results = Results::resume(directory.path()).unwrap();
        results.append(&line(1, 2.0)).unwrap();
        assert_eq!(read(directory.path()).unwrap(), [line(0, 1.0), line(1, 2.0)]);
    }

    #[test]
    fn one_strange_round_does_not_move_the_median() {
        let medians = medians(&[line(0, 100.0), line(1, 5.0), line(2, 110.0)]);
        assert_eq!(medians.len(), 1);
        assert_eq!(medians[0].figures.per_second, 100.0);
        assert_eq!(medians[0].per_second_range, (5.0, 110.0));
        assert_eq!(medians[0].rounds, 3);
    }
}
