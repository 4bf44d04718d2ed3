//! The README's figures of speed are those of the committed run.
//!
//! ```text
//!   cargo peers all ──▶ bench/peers/results/report.json ──▶ the table here ──▶ README.md
//! ```
//!
//! Nothing is measured here. Whoever measures anew puts the report into that directory,
//! and the table that this test prints into the README.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const LSM_PEERS: [&str; 4] = ["rocksdb", "rocksdb@16", "leveldb", "fjall"];
const TREE_PEERS: [&str; 2] = ["lmdb", "redb"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn report() -> Value {
    let path = root().join("bench/peers/results/report.json");
    serde_json::from_str(&fs::read_to_string(path).expect("the report is committed")).expect("it is JSON")
}

/// The table of a million records with decimal keys.
fn table(report: &Value) -> String {
    let cells: Vec<&Value> = array(&report["cells"])
        .filter(|cell| cell["keys"] == "decimal" && cell["records"] == 1_000_000)
        .collect();
    let ours = cells.iter().filter(|cell| cell["engine"] == "stage6");
    let head =
        "| | this engine | best LSM peer | × | best of LMDB, redb | × |\n|---|---:|---:|---:|---:|---:|\n";
    let rows = ours.map(|cell| row(cell, &cells));
    head.to_owned() + &rows.collect::<String>()
}

fn row(ours: &Value, cells: &[&Value]) -> String {
    let (workload, speed) = (text(&ours["workload"]), per_second(ours));
    let beside = |peers: &[&str]| {
        let of_peers = cells.iter().filter(|cell| cell["workload"] == ours["workload"]);
        let of_peers = of_peers.filter(|cell| peers.contains(&text(&cell["engine"])));
        let best = of_peers.max_by(|a, b| per_second(a).total_cmp(&per_second(b)));
        best.filter(|_| is_comparable(workload, peers)).map_or_else(
            || "– | –".to_owned(),
            |best| {
                let name = text(&best["engine"]);
                format!("{} ({name}) | {:.2}", count(per_second(best)), speed / per_second(best))
            },
        )
    };
    format!("| {workload} | {} | {} | {} |\n", count(speed), beside(&LSM_PEERS), beside(&TREE_PEERS))
}

/// Who has no log has none to read when it is opened.
fn is_comparable(workload: &str, peers: &[&str]) -> bool {
    workload != "reopen" || peers == LSM_PEERS
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn per_second(cell: &Value) -> f64 {
    cell["figures"]["per_second"].as_f64().expect("a number")
}

fn count(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e5 => format!("{:.0} k", n / 1e3),
        n if n >= 1e3 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[test]
fn the_table_of_the_readme_is_that_of_the_committed_run() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let table = table(&report());
    assert!(readme.contains(&table), "the README should have this table:\n\n{table}");
}

#[test]
fn the_machine_that_the_readme_names_is_that_of_the_committed_run() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let machine = &report()["machine"];
    let named = format!(
        "{}, {} processors, Linux {}",
        text(&machine["processor"]),
        machine["processors"],
        text(&machine["kernel"]).split('.').take(2).collect::<Vec<_>>().join(".")
    );
    assert!(readme.contains(&named), "the README should name this machine: {named}");
}
