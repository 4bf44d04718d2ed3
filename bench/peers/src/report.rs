//! The comparison as tables, and as JSON.
//!
//! ```text
//!   DIR/results.jsonl ──► medians ──► DIR/REPORT.md  DIR/report.json  DIR/plots/*.svg
//! ```
//!
//! One table for each figure, kind of keys and size: workloads downwards, engines
//! across. Nothing is left out because it looks bad: where the goal is missed, the
//! ratio stands there with the others.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::cell::Figures;
use crate::comparison::{Comparison, Ratio, Row};
use crate::engine::Outcome;
use crate::keys::KeyKind;
use crate::limits::{self, Limit};
use crate::machine::Machine;
use crate::plot;
use crate::results::{self, Median};
use crate::workload::Workload;

/// Writes the report of the results in `directory` beside them.
pub(crate) fn write(directory: &Path) -> Outcome<()> {
    let comparison = Comparison::new(results::medians(&results::read(directory)?));
    let machine: Option<Machine> = read_json(directory, MACHINE)?;
    let limits: Vec<Limit> = read_json(directory, LIMITS)?.unwrap_or_default();
    fs::write(directory.join("REPORT.md"), text(&comparison, machine.as_ref(), &limits))?;
    let json = json(&comparison, machine, limits);
    fs::write(directory.join("report.json"), serde_json::to_string_pretty(&json)?)?;
    let plots = directory.join("plots");
    fs::create_dir_all(&plots)?;
    for (name, svg) in plot::all(&comparison) {
        fs::write(plots.join(name), svg)?;
    }
    Ok(())
}

/// Where the machine and its limits stand, beside the results.
pub(crate) const MACHINE: &str = "machine.json";
pub(crate) const LIMITS: &str = "limits.json";

fn read_json<T: serde::de::DeserializeOwned>(directory: &Path, name: &str) -> Outcome<Option<T>> {
    let path = directory.join(name);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&fs::read_to_string(path)?)?))
}

/// The whole report, for programs.
#[derive(Serialize)]
struct Json<'a> {
    machine: Option<Machine>,
    limits: Vec<Limit>,
    cells: &'a [Median],
    ratios: Vec<JsonRatio>,
}

#[derive(Serialize)]
struct JsonRatio {
    workload: Workload,
    keys: KeyKind,
    records: u64,
    #[serde(flatten)]
    ratio: Ratio,
    reaches_its_goal: bool,
}

fn json(comparison: &Comparison, machine: Option<Machine>, limits: Vec<Limit>) -> Json<'_> {
    let ratio_of = |row: Row| {
        let ratio = comparison.ratio(row)?;
        let Row { workload, keys, records } = row;
        Some(JsonRatio { workload, keys, records, ratio, reaches_its_goal: ratio.reaches_its_goal() })
    };
    let ratios = comparison.rows().into_iter().filter_map(ratio_of).collect();
    Json { machine, limits, cells: comparison.medians(), ratios }
}

fn text(comparison: &Comparison, machine: Option<&Machine>, limits: &[Limit]) -> String {
    let mut text = "# Side by side\n".to_owned();
    if let Some(machine) = machine {
        text += &setting(machine);
    }
    text += &verdict(comparison);
    for group in groups(comparison) {
        text += &section(comparison, group);
    }
    if !limits.is_empty() {
        let _ = write!(text, "\n## Limits of the machine\n\n{}", limits::table(limits));
    }
    text
}

fn setting(machine: &Machine) -> String {
    format!(
        "\n{}\nMedians of interleaved rounds; every engine in a process of its own.\n",
        machine.in_words()
    )
}

fn verdict(comparison: &Comparison) -> String {
    let rows = comparison.rows();
    let ratios: Vec<Ratio> = rows.iter().filter_map(|&row| comparison.ratio(row)).collect();
    let reached = ratios.iter().filter(|ratio| ratio.reaches_its_goal()).count();
    let mut text = format!("\nThe goal is reached in {reached} of {} rows.\n", ratios.len());
    for row in comparison.disagreements() {
        let (workload, keys) = (row.workload.name(), row.keys.name());
        let _ =
            writeln!(text, "\n**Engines saw different entries: {workload}, {keys} keys, {}.**", row.records);
    }
    text
}

/// A kind of keys and a size.
type Group = (u64, KeyKind);

fn groups(comparison: &Comparison) -> Vec<Group> {
    let mut groups: Vec<Group> = comparison.rows().into_iter().map(|row| (row.records, row.keys)).collect();
    groups.dedup();
    groups
}

fn section(comparison: &Comparison, (records, keys): Group) -> String {
    let rows: Vec<Row> =
        comparison.rows().into_iter().filter(|row| (row.records, row.keys) == (records, keys)).collect();
    let mut text = format!("\n## {} records, {} keys\n", thousands(records), keys.name());
    for figure in FIGURES {
        text += &table(comparison, &rows, figure);
    }
    text
}

/// A figure as a table shows it; nothing where it says nothing.
struct Figure {
    title: &'static str,
    show: fn(&Figures) -> Option<String>,
    compared: Compared,
}

/// What stands behind the engines.
enum Compared {
    /// Nothing.
    No,
    /// How many times as fast as the best peers; they are bold.
    Speed,
    /// How much against the log-structured peer that needs least.
    Need(fn(&Figures) -> f64),
}

impl Compared {
    fn headings(&self) -> &'static [&'static str] {
        match self {
            Compared::No => &[],
            Compared::Speed => &["÷ best LSM peer", "÷ best peer", "goal"],
            Compared::Need(_) => &["÷ least LSM peer"],
        }
    }

    fn columns(&self, comparison: &Comparison, row: Row) -> String {
        match *self {
            Compared::No => String::new(),
            Compared::Speed => ratio_columns(comparison.ratio(row)),
            Compared::Need(need) => format!(" {} |", ratio_or_dash(comparison.share(row, need))),
        }
    }
}

const fn plain(title: &'static str, show: fn(&Figures) -> Option<String>) -> Figure {
    Figure { title, show, compared: Compared::No }
}

const fn need(
    title: &'static str,
    show: fn(&Figures) -> Option<String>,
    need: fn(&Figures) -> f64,
) -> Figure {
    Figure { title, show, compared: Compared::Need(need) }
}

const FIGURES: &[Figure] = &[
    Figure {
        title: "Operations per second (`*`: cut short; bold: the best log-structured peer)",
        show: speed,
        compared: Compared::Speed,
    },
    plain("CPU per operation, ns, background included", |f| Some(format!("{:.0}", f.cpu_nanos_per_unit))),
    plain("Latency p50 · p99 · p99.9, µs", percentiles),
    plain("Worst stall, ms", |f| (f.latency_nanos.worst > 0).then(|| millis(f.latency_nanos.worst))),
    need("Write amplification: bytes written for each byte put", amplification, |f| f.written_bytes as f64),
    need("Disk size at rest, MiB", |f| Some(mebibytes(f.disk_bytes)), |f| f.disk_bytes as f64),
    need("Peak memory, MiB", |f| Some(mebibytes(f.peak_memory_bytes)), |f| f.peak_memory_bytes as f64),
    plain("Open, ms", |f| Some(format!("{:.1}", f.open_seconds * 1e3))),
    plain("Lost records after a kill", |f| Some(f.lost_records?.to_string())),
];

fn speed(figures: &Figures) -> Option<String> {
    let mark = if figures.is_cut_short { "*" } else { "" };
    let beside = figures.beside_per_second.map_or_else(String::new, |beside| format!(" / {}", count(beside)));
    Some(format!("{}{mark}{beside}", count(figures.per_second)))
}

fn percentiles(figures: &Figures) -> Option<String> {
    let latency = figures.latency_nanos;
    let micros = |nanos: u64| digits(nanos as f64 / 1e3);
    (latency.worst > 0).then(|| [latency.p50, latency.p99, latency.p999].map(micros).join(" · "))
}

fn amplification(figures: &Figures) -> Option<String> {
    (figures.user_bytes > 0).then(|| digits(figures.written_bytes as f64 / figures.user_bytes as f64))
}

fn table(comparison: &Comparison, rows: &[Row], figure: &Figure) -> String {
    let engines = comparison.engines();
    let mut body = String::new();
    for &row in rows {
        let mut is_empty = true;
        let mut line = format!("| {} |", row.workload.name());
        for &engine in &engines {
            let shown = comparison.median(row, engine).and_then(|median| (figure.show)(&median.figures));
            is_empty &= shown.is_none();
            let is_best =
                matches!(figure.compared, Compared::Speed) && comparison.best_lsm_peer(row) == Some(engine);
            let _ = match shown {
                None => write!(line, " – |"),
                Some(shown) if is_best => write!(line, " **{shown}** |"),
                Some(shown) => write!(line, " {shown} |"),
            };
        }
        line += &figure.compared.columns(comparison, row);
        if !is_empty {
            body += &line;
            body.push('\n');
        }
    }
    if body.is_empty() {
        return String::new();
    }
    let names = engines.iter().map(ToString::to_string);
    let headings: Vec<String> =
        names.chain(figure.compared.headings().iter().map(|h| (*h).to_owned())).collect();
    let line = "---:|".repeat(headings.len());
    format!("\n### {}\n\n| | {} |\n|---|{line}\n{body}", figure.title, headings.join(" | "))
}

fn ratio_columns(ratio: Option<Ratio>) -> String {
    match ratio {
        None => " – | – | – |".to_owned(),
        Some(ratio) => format!(
            " {} | {} | {} |",
            ratio_or_dash(ratio.to_best_lsm_peer),
            ratio_or_dash(ratio.to_best_peer),
            if ratio.reaches_its_goal() { "reached" } else { "missed" }
        ),
    }
}

fn ratio_or_dash(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// Three digits that matter, and a unit.
fn count(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{} M", digits(n / 1e6)),
        n if n >= 1e3 => format!("{} k", digits(n / 1e3)),
        n => digits(n),
    }
}

fn digits(number: f64) -> String {
    match number {
        n if n >= 99.95 => format!("{n:.0}"),
        n if n >= 9.995 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

fn millis(nanos: u64) -> String {
    digits(nanos as f64 / 1e6)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 20))
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| str::from_utf8(g).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::comparison;

    #[test]
    fn the_best_log_structured_peer_is_bold_and_the_ratios_stand_behind() {
        let text = text(&comparison(&[("stage6", 900.0), ("leveldb", 450.0), ("lmdb", 1_800.0)]), None, &[]);
        assert!(text.contains("| readrandom | 900 | **450** | 1.80 k | 2.00 | 0.50 | missed |"), "{text}");
        assert!(text.contains("reached in 0 of 1 rows"));
    }

    #[test]
    fn a_figure_that_nobody_has_makes_no_table() {
        let text = text(&comparison(&[("stage6", 1.0)]), None, &[]);
        assert!(!text.contains("Write amplification") && !text.contains("Lost records"), "{text}");
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!([0.5, 12.34, 456.7, 99.97].map(digits), ["0.50", "12.3", "457", "100"]);
        assert_eq!([999.0, 24_300_000.0, 1_500.0].map(count), ["999", "24.3 M", "1.50 k"]);
        assert_eq!([7, 1_000, 50_000_000].map(thousands), ["7", "1,000", "50,000,000"]);
    }

    #[test]
    fn an_empty_directory_has_an_empty_report() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        assert!(directory.path().join("REPORT.md").exists() && directory.path().join("report.json").exists());
    }
}
