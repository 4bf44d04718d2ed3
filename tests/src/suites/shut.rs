//! The order in which threads go on: shuttle runs small programs over the real
//! engine, one thread at a time, and decides at each lock and atomic whose turn it is.
//!
//! ```text
//!   this process ──cargo run, --cfg shuttle──▶ target/shuttle/…/shut
//!                                                seeds × programs × 200 schedules
//!        Tally, Failure ◀──lines── count, at, what ──┘
//! ```
//!
//! Locks of another kind are another build: it lies in a target directory of its own,
//! beside this one's. The programs, and three that are wrong on purpose, stand in
//! `src/bin/shut/`; what is exchanged under them is the module `sync` of stage 1.
//!
//! It finds wrong orders of steps and sleeps without end, not wrong memory orderings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Schedules by the million.
pub const SUITE: Suite = Suite {
    name: "shut",
    about: "small programs of several threads, in every order that two schedulers think of",
    targets: &[("schedules", 1_000_000), ("scenarios", 6), ("planted bugs found", 3)],
    run: torture,
};

/// What the child counts.
const COUNTS: [&str; 3] = ["schedules", "scenarios", "planted bugs found"];

fn torture(course: &Course) -> Outcome {
    let output = child(course).output();
    let output = output.map_err(|error| Failure::new(format!("cargo cannot be run: {error}")))?;
    if output.status.success() { Ok(tally(&output)) } else { Err(failure(&output)) }
}

/// Builds and runs `shut`.
fn child(course: &Course) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["run", "--quiet", "--locked", "--package", "tests", "--no-default-features"])
        .args(["--profile", "shut", "--bin", "shut", "--", "--seed", &course.seed.to_string()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target_directory().join("shuttle"))
        .env("RUSTFLAGS", with_shuttle(std::env::var_os("RUSTFLAGS")))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    match (course.cases, course.seconds) {
        (None, Some(seconds)) => command.args(["--seconds", &seconds.to_string()]),
        (cases, _) => command.args(["--cases", &cases.unwrap_or_else(|| course.pick(20, 2_000)).to_string()]),
    };
    command.args(course.at.iter().flat_map(|at| ["--at", at]));
    command
}

fn with_shuttle(flags: Option<OsString>) -> OsString {
    let mut flags = flags.unwrap_or_default();
    flags.push(" --cfg shuttle");
    flags
}

/// The target directory that this program was built in, by the mark that cargo
/// leaves there.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_path_buf)
}

/// What stands behind `key` on a line of its own.
fn lines<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '))
}

fn tally(output: &Output) -> Tally {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut tally = Tally::default();
    for (count, what) in lines(&text, "count").filter_map(|line| line.split_once(' ')) {
        if let (Ok(count), Some(what)) = (count.parse(), COUNTS.into_iter().find(|name| *name == what)) {
            tally.add(what, count);
        }
    }
    tally
}

/// What it reports, or else what it or cargo said last.
fn failure(output: &Output) -> Box<Failure> {
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let part = |key| lines(&text, key).next().map(str::to_owned);
    Box::new(Failure {
        seed: part("seed").and_then(|seed| seed.parse().ok()),
        at: part("at"),
        operation: part("operation"),
        what: part("what").unwrap_or_else(|| format!("shut ended with {}: {said}", output.status)),
        ..Failure::default()
    })
}
