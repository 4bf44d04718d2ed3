//! The tables and the file of numbers.
//!
//! ```text
//!   rows ──▶ RESULTS.md     by engine · by scenario · by kind of file · method
//!        ──▶ RESULTS.json   every row, with the first flip of each verdict
//! ```

use serde_json::{Value, json};

use crate::engines;
use crate::tally::{Counts, Row, grouped};
use crate::verdict::Verdict;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    /// The seed of the samples.
    pub seed: u64,
    /// Flips in live bytes, for each engine and scenario.
    pub flips: u64,
}

const METHOD: &str = include_str!("../METHOD.md");

/// The versions that were compiled in.
const LOCK_FILE: &str = include_str!("../../Cargo.lock");

/// The page with the tables.
pub fn markdown(parameters: Parameters, rows: &[Row]) -> String {
    let Parameters { seed, flips } = parameters;
    let flipped: u64 = rows.iter().map(|row| row.counts.flips()).sum();
    let sections = [
        "# One bit flipped in a database at rest\n".to_owned(),
        format!(
            "`cargo run --release --manifest-path bench/Cargo.toml -p flips -- --flips {flips} --seed {seed}`: \
             {flipped} flips. Written by the program; the columns are explained below the tables.\n"
        ),
        format!("## The engines\n\n{}", engine_table(rows)),
        format!("## In all\n\n{}", table(&["engine"], &grouped(rows, |row| [row.engine.to_owned()]))),
        format!(
            "## By scenario\n\n{}",
            table(&["engine", "scenario"], &grouped(rows, |row| [row.engine.into(), row.scenario.into()]))
        ),
        format!(
            "## By kind of file\n\n{}",
            table(&["engine", "file"], &grouped(rows, |row| [row.engine.to_owned(), row.kind.clone()]))
        ),
        METHOD.to_owned(),
    ];
    sections.join("\n")
}

/// The file of numbers.
pub fn numbers(parameters: Parameters, rows: &[Row]) -> Value {
    let engines: Vec<Value> = compared(rows)
        .map(|engine| {
            json!({ "engine": engine.name(), "version": version(engine.package()), "usage": engine.usage() })
        })
        .collect();
    let rows: Vec<Value> = rows.iter().map(row_numbers).collect();
    json!({ "seed": parameters.seed, "flips": parameters.flips, "engines": engines, "rows": rows })
}

fn row_numbers(row: &Row) -> Value {
    let of = |verdict: &Verdict| (verdict.name().to_owned(), json!(row.counts.of(*verdict)));
    let example = |(verdict, text): (&Verdict, &String)| (verdict.name().to_owned(), json!(text));
    let verdicts: serde_json::Map<_, _> = Verdict::ALL.iter().map(of).collect();
    let examples: serde_json::Map<_, _> = row.counts.examples.iter().map(example).collect();
    json!({
        "engine": row.engine, "scenario": row.scenario, "file": row.kind, "bits": row.counts.bits,
        "flips": row.counts.flips(),         "verdicts": verdicts, "told_by_check": row.counts.told_by_check, "first_of_each": examples,
    })
}

fn compared(rows: &[Row]) -> impl Iterator<Item = &'static dyn crate::engine::Engine> {
    engines::all().into_iter().filter(|engine| rows.iter().any(|row| row.engine == engine.name()))
}

fn engine_table(rows: &[Row]) -> String {
    let mut text = "| engine | package | how it is used |\n|---|---|---|\n".to_owned();
    for engine in compared(rows) {
        let (name, package) = (engine.name(), engine.package());
        text += &format!("| {name} | {package} {} | {} |\n", version(package), engine.usage());
    }
    text
}

/// The version of a package in the lock file: the line behind its name.
fn version(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK_FILE.lines().skip_while(|line| *line != name).skip(1);
    let quoted = lines.next().and_then(|line| line.strip_prefix("version = "));
    quoted.map_or("unknown", |version| version.trim_matches('"'))
}

fn table<const N: usize>(keys: &[&str; N], groups: &[([String; N], Counts)]) -> String {
    let verdicts = Verdict::ALL.map(Verdict::name).join(" | ");
    let rule = "---|".repeat(N) + &"--:|".repeat(Verdict::ALL.len() + 3);
    let mut text = format!("| {} | bits | flips | {verdicts} | told by check |\n|{rule}\n", keys.join(" | "));
    for (key, counts) in groups {
        let cells = Verdict::ALL.map(|verdict| counts.of(verdict).to_string()).join(" | ");
        let (key, bits, flips, told) = (key.join(" | "), counts.bits, counts.flips(), told(counts));
        text += &format!("| {key} | {bits} | {flips} | {cells} | {told} |\n");
    }
    text
}

fn told(counts: &Counts) -> String {
    let lost: u64 = Verdict::ALL.iter().filter(|it| it.is_silent_loss()).map(|it| counts.of(*it)).sum();
    match counts.told_by_check {
        _ if lost == 0 => "–".to_owned(),
        Some(told) => format!("{told} of {lost}"),
        None => "no check".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_every_engine_is_known() {
        for engine in engines::all() {
            assert!(version(engine.package()).starts_with(char::is_numeric), "{}", engine.name());
        }
    }
    #[test]
    fn the_committed_results_are_explained_by_the_method_as_it_stands() {
        assert!(include_str!("../RESULTS.md").ends_with(METHOD));
    }
}
