//! A campaign: every target, with coverage, for as many executions as were asked for.
//!
//! ```text
//!   build with coverage ─▶ corpus + seeds ─▶ libFuzzer, two targets at a time
//!                                                 │
//!          RESULTS.md ◀── counts, crashes ◀───────┤
//!          tests/corpus/ ◀── the smallest set ◀───┘  with --keep
//! ```
//!
//! ```sh
//! cargo run --release --manifest-path fuzz/Cargo.toml --bin campaign -- --executions 24000000
//! ```
//!
//! The corpora begin where the last campaign left them, so every campaign goes on.
//! Work lies in `fuzz/work/`; an input that crashes a target is left there, and its
//! path is printed.

mod machine;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use tests::fuzz::{Target, TARGETS};

use crate::machine::Machine;
use crate::report::{write_table, Row};

/// How many targets run at a time.
const AT_A_TIME: usize = 2;

/// How the executions are shared out, in thousandths: a batch takes microseconds,
/// a log of two blocks or a whole database milliseconds.
const SHARES: [(&str, u64); 7] = [
    ("batch", 330),
    ("block", 220),
    ("filter", 200),
    ("table", 170),
    ("manifest", 65),
    ("log", 14),
    ("operations", 1),
];

struct Arguments {
    executions: u64,
    only: Option<String>,
    keeps: bool,
}

fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        eprintln!("campaign [--executions NUMBER] [--target NAME] [--keep]");
        return ExitCode::FAILURE;
    };
    let machine = match Machine::build(PathBuf::from(env!("CARGO_MANIFEST_DIR"))) {
        Ok(machine) => machine,
        Err(error) => {
            eprintln!("the targets cannot be built: {error}");
            return ExitCode::FAILURE;
        }
    };
    let rows = run_all(&machine, &arguments);
    let crashes: u64 = rows.iter().map(|row| row.crashes).sum();
    if arguments.only.is_none() {
        write_table(&machine.fuzz.join("RESULTS.md"), &rows);
    }
    print!("{}", report::table(&rows));
    if crashes == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { executions: 24_000_000, only: None, keeps: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--executions" => arguments.executions = words.next()?.parse().ok()?,
            "--target" => arguments.only = Some(words.next()?),
            "--keep" => arguments.keeps = true,
            _ => return None,
        }
    }
    Some(arguments)
}

/// The targets in the order of their shares' cost, [`AT_A_TIME`] at a time.
fn run_all(machine: &Machine, arguments: &Arguments) -> Vec<Row> {
    let is_wanted = |target: &Target| arguments.only.as_ref().is_none_or(|only| only == target.name);
    let mut targets: Vec<Target> = TARGETS.into_iter().filter(is_wanted).collect();
    // The slowest first, so that the last to end is a quick one.
    targets.sort_by_key(|target| share_of(target.name));
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let executions = (arguments.executions * share_of(target.name)).div_ceil(1_000);
                    let row = machine.run(*target, executions, arguments.keeps);
                    rows.lock().expect("no other thread panicked").push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("no thread panicked");
    rows.sort_by_key(|row: &Row| TARGETS.iter().position(|target| target.name == row.name));
    rows
}

fn share_of(name: &str) -> u64 {
    SHARES.iter().find(|(other, _)| *other == name).map_or(1, |(_, share)| *share)
}
