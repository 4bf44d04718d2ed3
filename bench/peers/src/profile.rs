//! Where the time of a cell goes: `perf` beside the child that measures it.
//!
//! ```text
//!   perf record ── child: open, work ──► samples ──► perf report ──► profiles/WORKLOAD.ENGINE.txt
//!                  1,999 times a second                               by thread, by function
//! ```
//!
//! The law: **a profile is of the same child that a measurement is of**, with the same errand, and of
//! all of its threads. What it does before the workload begins, such as reading everything once, is in
//! the samples too; the image was loaded by another child and is not.
//!
//! Samples are taken by the clock of the processor's time (`cpu-clock`), which every machine has, also
//! where the counters of the hardware are missing. So they say where time goes, and not why: a load that
//! waits for memory counts for the function that waits.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cell::{Cell, Figures};
use crate::engine::Outcome;
use crate::machine::Machine;

const PERF: &str = "perf";

/// Below this share of the samples a function is left out.
const LEAST_PERCENT: f64 = 0.8;

/// Names of more characters are cut: generic ones fill lines.
const LONGEST_NAME: usize = 100;

/// `perf record`, and what it is to run behind it.
pub(crate) fn recorder(samples: &Path) -> Command {
    let mut command = Command::new(PERF);
    command.args(["record", "--quiet", "--event", "cpu-clock", "--freq", "1999", "--output"]).arg(samples);
    command.arg("--");
    command
}

/// Errs with what to do when there is no `perf`.
pub(crate) fn check() -> Outcome<()> {
    let version = Command::new(PERF).arg("version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err("profiles are taken by `perf`, which does not run here: install it (Debian: linux-perf)".into())
}

/// A share of the samples, in percent, and whose it is.
#[derive(Debug, PartialEq)]
struct Share {
    percent: f64,
    name: String,
}

/// Writes the profile of `cell`, of which `samples` were taken, and says where.
pub(crate) fn write(cell: Cell, figures: &Figures, samples: &Path, out: &Path) -> Outcome<PathBuf> {
    let (threads, functions) = (shares(samples, "comm")?, shares(samples, "symbol")?);
    let directory = out.join("profiles");
    fs::create_dir_all(&directory)?;
    let path = directory.join(format!("{}.{}.txt", cell.workload.name(), cell.engine));
    fs::write(&path, text(cell, figures, &threads, &functions)?)?;
    Ok(path)
}

fn text(cell: Cell, figures: &Figures, threads: &[Share], functions: &[Share]) -> Outcome<String> {
    let (workload, keys, engine) = (cell.workload.name(), cell.keys.name(), cell.engine);
    let mut text = format!("{workload}, {} {keys} keys, {engine}\n", cell.records);
    writeln!(text, "{}", Machine::here().in_words())?;
    writeln!(
        text,
        "beside perf: {:.0} a second, {:.0} ns of CPU each, all threads\n",
        figures.per_second, figures.cpu_nanos_per_unit
    )?;
    for (title, shares) in
        [("samples by thread, %", threads), ("samples by function, % ([k]: in the kernel)", functions)]
    {
        writeln!(text, "{title}")?;
        for share in shares.iter().filter(|share| share.percent >= LEAST_PERCENT) {
            writeln!(text, "{:6.1}  {}", share.percent, share.name)?;
        }
        text.push('\n');
    }
    let kernel: f64 = functions.iter().filter(|share| share.name.starts_with("[k]")).map(|s| s.percent).sum();
    writeln!(text, "in the kernel, all together: {kernel:.0} %")?;
    Ok(text)
}

/// The shares of the samples, the greatest first.
fn shares(samples: &Path, by: &str) -> Outcome<Vec<Share>> {
    let mut command = Command::new(PERF);
    command.args(["report", "--stdio", "--no-children", "--call-graph", "none", "--sort", by, "--input"]);
    let output = command.arg(samples).output()?;
    if !output.status.success() {
        return Err(format!("perf report: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(share).collect())
}

/// A line such as `    11.65%  [k] clear_page_erms      -      -`.
fn share(line: &str) -> Option<Share> {
    let (percent, name) = line.trim().split_once('%')?;
    let percent = percent.trim().parse().ok()?;
    let name = name.trim().trim_end_matches(['-', ' ']).replace("[.]", "   ");
    let name = name.chars().take(LONGEST_NAME).collect::<String>().trim_end().to_owned();
    Some(Share { percent, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_perf_is_a_share_and_its_remarks_are_none() {
        let kernel = share("    11.65%  [k] clear_page_erms            -      -     ");
        assert_eq!(kernel, Some(Share { percent: 11.65, name: "[k] clear_page_erms".to_owned() }));
        let ours =
            share("     8.91%  [.] stage1_memtable::memtable::MemTable::insert ").map(|share| share.name);
        assert_eq!(ours.as_deref(), Some("    stage1_memtable::memtable::MemTable::insert"));
        let remarks = ["", "# Samples: 4K of event 'cpu-clock'", "# Overhead  Symbol", "# 100% of nothing"];
        assert!(remarks.into_iter().all(|line| share(line).is_none()));
    }
}
