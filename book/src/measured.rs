//! The committed comparison with other engines, for the pages that tell of it.
//!
//! ```text
//!   bench/peers/results/report.json          every workload, a million records ─┐
//!   bench/peers/results/growth/report.json   more records, if it is there ──────┴▶ figures, tables
//! ```
//!
//! **INV-MEASURED-1** No result of a measurement is written on a page: pictures, tables and
//! the sentences that name what is ahead and what is behind are made from these files when
//! the book is built. So a new run changes all of them, and nothing else.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// What it gives, or in words why it cannot.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The engine of this workspace.
pub const OURS: &str = "stage6";

/// Other engines with a log and tables.
pub const LSM_PEERS: [&str; 4] = ["rocksdb", "rocksdb@16", "leveldb", "fjall"];

/// Engines that are trees on pages.
pub const TREES: [&str; 2] = ["lmdb", "redb"];

/// How many records the databases of the main comparison hold.
pub const RECORDS: u64 = 1_000_000;

/// One engine at one workload: the medians of its rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Which engine.
    pub engine: String,
    /// What it did.
    pub workload: String,
    /// In a database of so many records.
    pub records: u64,
    /// So often.
    pub rounds: u64,
    /// Operations, records or entries, whichever is counted.
    pub units: u64,
    /// So many of them in a second.
    pub per_second: f64,
    /// Of all threads, for one of them, until the background is at rest.
    pub cpu_nanos: f64,
    /// Bytes that were put.
    pub user_bytes: u64,
    /// Bytes that were written for them.
    pub written_bytes: u64,
    /// Records that were not there after a kill.
    pub lost: Option<u64>,
    /// What was read: how many entries, and a digest of them.
    pub seen: (u64, u64),
    /// The time was up before the work was done.
    pub is_cut_short: bool,
}

/// A run of the comparison.
#[derive(Debug)]
pub struct Measured {
    /// Where.
    pub machine: Value,
    /// What the machine takes for the parts of an operation, in ns.
    pub limits: Vec<(String, f64)>,
    cells: Vec<Cell>,
    growth: Vec<Cell>,
}

impl Measured {
    /// The run that is committed.
    ///
    /// # Errors
    /// When a report cannot be read.
    pub fn committed() -> Outcome<Measured> {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/peers/results");
        let read = |name: &str| -> Outcome<Value> {
            Ok(serde_json::from_str(&fs::read_to_string(results.join(name))?)?)
        };
        let growth = results.join("growth/report.json").exists().then(|| read("growth/report.json"));
        Measured::of(&read("report.json")?, growth.transpose()?.as_ref())
    }

    /// What these reports say.
    ///
    /// # Errors
    /// When one is no report.
    pub fn of(report: &Value, growth: Option<&Value>) -> Outcome<Measured> {
        let cells = cells(report)?;
        let mut grown = growth.map_or_else(|| Ok(Vec::new()), self::cells)?;
        for cell in &cells {
            let is_same = |other: &Cell| place(other) == place(cell);
            if !grown.iter().any(is_same) {
                grown.push(cell.clone());
            }
        }
        grown.sort_by_key(|cell| cell.records);
        let limits = array(&report["limits"])?.iter();
        let limits =
            limits.filter_map(|limit| Some((limit["what"].as_str()?.to_owned(), limit["nanos"].as_f64()?)));
        Ok(Measured {
            machine: report["machine"].clone(),
            limits: limits.collect(),
            cells: cells.into_iter().filter(|cell| cell.records == RECORDS).collect(),
            growth: grown,
        })
    }

    /// The engines that were measured, this one first.
    pub fn engines(&self) -> Vec<&'static str> {
        let is_measured = |engine: &&str| self.cells.iter().any(|cell| cell.engine == **engine);
        [OURS].into_iter().chain(LSM_PEERS).chain(TREES).filter(is_measured).collect()
    }

    /// The workloads that were measured, in the order of the report.
    pub fn workloads(&self) -> Vec<&str> {
        self.cells.iter().filter(|cell| cell.engine == OURS).map(|cell| cell.workload.as_str()).collect()
    }

    /// What `engine` did at `workload`. Who has no log has none to read when it is opened.
    pub fn cell(&self, engine: &str, workload: &str) -> Option<&Cell> {
        let is_comparable = workload != "reopen" || !TREES.contains(&engine);
        self.cells
            .iter()
            .find(|cell| cell.engine == engine && cell.workload == workload)
            .filter(|_| is_comparable)
    }

    /// What this engine did.
    ///
    /// # Errors
    /// When it is not in the report.
    pub fn ours(&self, workload: &str) -> Outcome<&Cell> {
        self.cell(OURS, workload).ok_or_else(|| format!("the report has no {workload}").into())
    }

    /// The fastest of `engines`.
    pub fn fastest(&self, workload: &str, engines: &[&str]) -> Option<&Cell> {
        let measured = engines.iter().filter_map(|engine| self.cell(engine, workload));
        measured.max_by(|a, b| a.per_second.total_cmp(&b.per_second))
    }

    /// The one of `engines` that takes least processor time.
    pub fn thriftiest(&self, workload: &str, engines: &[&str]) -> Option<&Cell> {
        let measured = engines.iter().filter_map(|engine| self.cell(engine, workload));
        measured.min_by(|a, b| a.cpu_nanos.total_cmp(&b.cpu_nanos))
    }

    /// What the machine takes for this part.
    ///
    /// # Errors
    /// When it was not measured.
    pub fn limit(&self, what: &str) -> Outcome<f64> {
        let found = self.limits.iter().find(|(name, _)| name == what);
        found.map(|(_, nanos)| *nanos).ok_or_else(|| format!("the report has no limit {what:?}").into())
    }

    /// Workloads that were measured with more than one number of records, smallest first.
    pub fn growth(&self) -> Vec<Grown<'_>> {
        let grown = self.workloads().into_iter().map(|workload| self.sizes(workload));
        grown.filter(|sizes| sizes.len() > 1).flatten().collect()
    }

    fn sizes<'a>(&'a self, workload: &'a str) -> Vec<Grown<'a>> {
        let of_workload = || self.growth.iter().filter(move |cell| cell.workload == workload);
        let at = |ours: &Cell| {
            let records = ours.records;
            Grown { workload, records, cells: of_workload().filter(|cell| cell.records == records).collect() }
        };
        of_workload().filter(|cell| cell.engine == OURS).map(at).collect()
    }
}

/// A workload on so many records.
#[derive(Debug)]
pub struct Grown<'a> {
    /// Which.
    pub workload: &'a str,
    /// On how many.
    pub records: u64,
    /// What each engine did.
    pub cells: Vec<&'a Cell>,
}

fn place(cell: &Cell) -> (&str, &str, u64) {
    (&cell.engine, &cell.workload, cell.records)
}

/// Those with decimal keys.
fn cells(report: &Value) -> Outcome<Vec<Cell>> {
    array(&report["cells"])?.iter().filter(|cell| cell["keys"] == "decimal").map(cell).collect()
}

fn cell(value: &Value) -> Outcome<Cell> {
    let figures = &value["figures"];
    let text = |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(|| missing(name));
    let whole = |of: &Value, name: &str| of[name].as_u64().ok_or_else(|| missing(name));
    let float = |name: &str| figures[name].as_f64().ok_or_else(|| missing(name));
    Ok(Cell {
        engine: text("engine")?,
        workload: text("workload")?,
        records: whole(value, "records")?,
        rounds: whole(value, "rounds")?,
        units: whole(figures, "units")?,
        per_second: float("per_second")?,
        cpu_nanos: float("cpu_nanos_per_unit")?,
        user_bytes: whole(figures, "user_bytes")?,
        written_bytes: whole(figures, "written_bytes")?,
        lost: figures["lost_records"].as_u64(),
        seen: (whole(&figures["seen"], "entries")?, whole(&figures["seen"], "digest")?),
        is_cut_short: figures["is_cut_short"].as_bool().unwrap_or(false),
    })
}

fn missing(name: &str) -> String {
    format!("a cell of the report has no {name}")
}

fn array(value: &Value) -> Outcome<&Vec<Value>> {
    value.as_array().ok_or_else(|| "the report has no list where one was".into())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A cell as the tool writes it.
    pub(crate) fn told(engine: &str, workload: &str, records: u64, per_second: f64) -> Value {
        json!({
            "engine": engine, "workload": workload, "keys": "decimal", "records": records, "rounds": 3,
            "figures": {
                "units": records, "per_second": per_second, "cpu_nanos_per_unit": 1e9 / per_second,
                "user_bytes": 0, "written_bytes": 0, "lost_records": null,
                "seen": {"entries": records, "digest": 7}, "is_cut_short": false
            }
        })
    }

    pub(crate) fn report(cells: &[Value]) -> Value {
        json!({"machine": {}, "limits": [{"what": "read the clock", "nanos": 23.7}], "cells": cells})
    }

    #[test]
    fn sizes_of_one_report_and_of_two_are_growth_alike() {
        let small = || [told(OURS, "readseq", RECORDS, 9.0), told("lmdb", "readseq", RECORDS, 5.0)];
        let large = [told(OURS, "readseq", 10 * RECORDS, 8.0)];
        let sizes = |measured: &Measured| -> Vec<u64> {
            measured.growth().iter().map(|grown| grown.records).collect()
        };
        let together = Measured::of(&report(&[&small()[..], &large].concat()), None).unwrap();
        let apart = Measured::of(&report(&small()), Some(&report(&large))).unwrap();
        for measured in [together, apart] {
            assert_eq!(sizes(&measured), [RECORDS, 10 * RECORDS]);
            assert_eq!(measured.ours("readseq").unwrap().per_second, 9.0);
        }
        assert!(Measured::of(&report(&small()), None).unwrap().growth().is_empty());
    }

    #[test]
    fn the_fastest_and_the_thriftiest_are_chosen_among_those_asked_for() {
        let cells = [("leveldb", 4.0), ("fjall", 5.0), ("lmdb", 6.0)];
        let cells = cells.map(|(engine, speed)| told(engine, "readseq", RECORDS, speed));
        let measured = Measured::of(&report(&cells), None).unwrap();
        assert_eq!(measured.fastest("readseq", &LSM_PEERS).unwrap().engine, "fjall");
        assert_eq!(measured.thriftiest("readseq", &TREES).unwrap().engine, "lmdb");
        assert!(measured.fastest("reopen", &LSM_PEERS).is_none());
        assert_eq!(measured.limit("read the clock").unwrap(), 23.7);
    }

    #[test]
    fn the_committed_run_is_a_report() {
        let measured = Measured::committed().unwrap();
        assert!(measured.workloads().len() > 20 && measured.engines().len() > 5);
    }
}
