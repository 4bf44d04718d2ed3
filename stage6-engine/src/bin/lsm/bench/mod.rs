//! How fast it is here: fills and reads, measured from the outside.
//!
//! ```text
//!   fill ──▶ a new database ──settle──▶ read, read, read ──▶ removed
//!   every operation: clock, call, clock ──▶ histogram ──▶ p50, p99, p99.9
//! ```
//!
//! Keys are 16 decimal digits, all even numbers from 0 on, so that an absent key
//! (an odd one) lies between two that are there and only a filter can tell. One
//! seed gives the same keys, values and orders in every run.
//!
//! A figure that was made by wrong answers is worth nothing, so each read is
//! checked, and a wrong answer ends the benchmark.

mod report;
mod workload;

use std::io::Write;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hdrhistogram::Histogram;
use stage6_engine::Db;
use tempfile::TempDir;

use crate::args::{self, Workload};
use crate::database::{settle, tuned};
use crate::failure::Failure;
use crate::progress;
use workload::Input;

/// Latencies are kept to three digits, in nanoseconds, up to a minute.
const LONGEST_NANOS: u64 = 60_000_000_000;

/// What one workload took.
struct Measurement {
    workload: Workload,
    operations: u64,
    elapsed: Duration,
    latencies: Histogram<u64>,
    /// Bytes that went to the log and to tables, until nothing was due any more.
    written_bytes: u64,
}

pub(crate) fn bench(args: &args::Bench, out: &mut dyn Write) -> Result<(), Failure> {
    let workloads = match args.workloads.is_empty() {
        true => Workload::value_variants(),
        false => &args.workloads[..],
    };
    report::settings(args, out)?;
    report::head(out)?;
    let mut bench = Bench { input: Input::new(args.keys, args.value_bytes as usize), args, filled: None };
    for workload in workloads {
        let measurement = bench.run(*workload)?;
        report::row(&measurement, out)?;
    }
    Ok(())
}

struct Bench<'a> {
    args: &'a args::Bench,
    input: Input,
    /// The database that the last fill left.
    filled: Option<Filled>,
}

/// A database in a directory that goes with it. The fields are dropped in their
/// order: first the database closes.
struct Filled {
    db: Db,
    _directory: TempDir,
}

impl Bench<'_> {
    fn run(&mut self, workload: Workload) -> Result<Measurement, Failure> {
        match workload {
            Workload::Fillseq | Workload::Fillrandom => self.fill(workload),
            _ => {
                if self.filled.is_none() {
                    self.fill(Workload::Fillrandom)?;
                }
                self.read(workload)
            }
        }
    }

    fn fill(&mut self, workload: Workload) -> Result<Measurement, Failure> {
        self.filled = None;
        let filled = self.new_database()?;
        let mut measured = Stopwatch::new(workload, self.args);
        match workload {
            Workload::Fillseq => workload::fill(&filled.db, &self.input, 0..self.args.keys, &mut measured)?,
            _ => workload::fill(&filled.db, &self.input, self.input.shuffled(), &mut measured)?,
        }
        let mut measurement = measured.stop();
        settle(&filled.db)?;
        let stats = filled.db.stats();
        measurement.written_bytes =
            stats.bytes_written + stats.flushed_bytes + stats.compaction_bytes_written;
        self.filled = Some(filled);
        Ok(measurement)
    }

    fn read(&self, workload: Workload) -> Result<Measurement, Failure> {
        let db = &self.filled.as_ref().expect("a read follows a fill").db;
        let mut measured = Stopwatch::new(workload, self.args);
        match workload {
            Workload::Readmissing => workload::read_missing(db, &self.input, &mut measured)?,
            Workload::Readseq => workload::read_in_order(db, &self.input, &mut measured)?,
            _ => workload::read_random(db, &self.input, &mut measured)?,
        }
        Ok(measured.stop())
    }

    fn new_database(&self) -> Result<Filled, Failure> {
        let parent = self.args.dir.clone().unwrap_or_else(std::env::temp_dir);
        let directory = tempfile::Builder::new().prefix("lsm-bench-").tempdir_in(&parent);
        let directory = directory.map_err(Failure::file("create a directory in", &parent))?;
        Ok(Filled { db: tuned(&self.args.tuning).open(directory.path())?, _directory: directory })
    }
}

/// Times each operation of a workload.
struct Stopwatch {
    workload: Workload,
    latencies: Histogram<u64>,
    progress: indicatif::ProgressBar,
    /// When the first operation began: making its input does not count.
    begin: Option<Instant>,
}

/// The bar moves so often, in operations: often enough to be seen, seldom enough
/// not to be felt.
const OPERATIONS_PER_TICK: u64 = 4_096;

impl Stopwatch {
    fn new(workload: Workload, args: &args::Bench) -> Stopwatch {
        let progress = match args.tuning.watch {
            true => progress::hidden(),
            false => progress::of_entries(report::name(workload), args.keys),
        };
        Stopwatch {
            workload,
            latencies: Histogram::new_with_max(LONGEST_NANOS, 3).expect("the bounds are sound"),
            progress,
            begin: None,
        }
    }

    fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        self.begin.get_or_insert(begin);
        let outcome = operation();
        self.latencies.saturating_record(begin.elapsed().as_nanos() as u64);
        if self.latencies.len().is_multiple_of(OPERATIONS_PER_TICK) {
            self.progress.inc(OPERATIONS_PER_TICK);
        }
        outcome
    }

    fn stop(self) -> Measurement {
        let elapsed = self.begin.map_or(Duration::ZERO, |begin| begin.elapsed());
        self.progress.finish_and_clear();
        Measurement {
            workload: self.workload,
            operations: self.latencies.len(),
            elapsed,
            latencies: self.latencies,
            written_bytes: 0,
        }
    }
}
