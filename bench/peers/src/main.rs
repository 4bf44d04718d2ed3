//! Side by side with the peers: the same work with the same settings, in one run.
//!
//! ```text
//!   plan ──► run ──► one child for each cell ──► results ──► comparison ──► report, plots
//!            │        cell: open, work, measure     a line        ratios
//!            └─ engines in turn, round by round      each
//! ```
//!
//! What is compared is fair in three ways, each of which is law: all engines have
//! the same settings ([`engine`], INV-PEERS-1), do the same work ([`workload`]), and
//! take turns on the same machine ([`run`]).
//!
//! Modules, in reading order:
//!
//! - [`random`], [`keys`]: chance that repeats; keys and values.
//! - [`measure`]: what is measured of a process.
//! - [`engine`]: one trait, and a file for each engine.
//! - [`workload`]: what is done.
//! - [`cell`]: one measurement, in a child.
//! - [`results`]: a file of lines that can be resumed; medians.
//! - [`run`]: the parent.
//! - [`comparison`]: side by side, and ratios.
//! - [`limits`], [`machine`]: what the machine can do; which one it was.
//! - [`plot`], [`report`]: pictures, tables, JSON.
//! - [`profile`]: where the time of a cell goes.

mod random;
mod keys;
mod measure;
mod engine;
mod workload;
mod cell;
mod results;
mod run;
mod comparison;
mod limits;
mod machine;
mod plot;
mod report;
mod profile;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cell::Errand;
use crate::engine::{EngineId, Outcome};
use crate::keys::KeyKind;
use crate::machine::{HAS_BASELINE, Machine};
use crate::run::{Limits, Plan};
use crate::workload::Workload;

/// For every engine, in Rust, C and C++: else the allocators would be compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares this engine with RocksDB, LevelDB, fjall, LMDB and redb.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures every workload with every engine, and goes on where it was broken off
    All {
        #[command(flatten)]
        common: Common,
        /// Records in a database
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..))]
        keys: u64,
        /// Begins no cell after so many minutes; the same command goes on with the rest
        #[arg(long, default_value_t = 38.0)]
        minutes: f64,
    },
    /// Measures chosen cells
    Run {
        #[command(flatten)]
        common: Common,
        /// Engines, such as stage6,rocksdb@16: all of them otherwise
        #[arg(long, value_delimiter = ',')]
        engines: Vec<EngineId>,
        /// Workloads: all of them otherwise
        #[arg(long, value_enum, value_delimiter = ',')]
        workloads: Vec<Workload>,
        /// What keys look like
        #[arg(long, value_enum, value_delimiter = ',', default_value = "decimal")]
        kinds: Vec<KeyKind>,
        /// Records in a database; several sizes, separated by commas
        #[arg(long, value_delimiter = ',', default_value = "1000000", value_parser = clap::value_parser!(u64).range(100..))]
        keys: Vec<u64>,
    },
    /// Measures how the figures grow from 1 to 10 million records, or as many as are given
    Growth {
        #[command(flatten)]
        common: Common,
        /// Engines: all that are log-structured otherwise
        #[arg(long, value_delimiter = ',')]
        engines: Vec<EngineId>,
        /// Workloads: six of them otherwise
        #[arg(long, value_enum, value_delimiter = ',')]
        workloads: Vec<Workload>,
        /// Sizes in records, separated by commas
        #[arg(long, value_delimiter = ',', default_value = "1000000,10000000", value_parser = clap::value_parser!(u64).range(100..))]
        keys: Vec<u64>,
    },
    /// Takes samples of chosen cells with `perf`, and writes where their time goes to OUT/profiles
    Profile {
        /// Where the profiles stand and, meanwhile, databases
        #[arg(long, default_value = "target/peers")]
        out: PathBuf,
        /// Engines, such as stage6,leveldb
        #[arg(long, value_delimiter = ',', required = true)]
        engines: Vec<EngineId>,
        /// Workloads
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        workloads: Vec<Workload>,
        /// Records in a database
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..))]
        keys: u64,
        /// Cuts a workload short after so many seconds, or so many for each million records
        #[arg(long, default_value_t = 4.0)]
        seconds: f64,
    },
    /// Writes the report of a directory with results anew
    Report {
        /// The directory
        directory: PathBuf,
    },
    /// Measures what the machine itself can do
    Limits {
        /// Where its file is written and removed
        #[arg(long, default_value = "target/peers")]
        out: PathBuf,
    },
    /// What a child is started with
    #[command(hide = true)]
    Errand {
        /// As JSON
        errand: String,
    },
}

#[derive(Args)]
struct Common {
    /// Where results, report and, meanwhile, databases stand
    #[arg(long, default_value = "target/peers")]
    out: PathBuf,
    /// How often each cell is measured; its figures are the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Cuts a workload short after so many seconds, or so many for each million records
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Outcome<()> {
    match command {
        Command::All { common, keys, minutes } => {
            write_limits(&common.out)?;
            let plan = Plan {
                engines: EngineId::all(),
                workloads: all_workloads(),
                records: vec![keys],
                rounds: common.rounds,
            };
            compare(&plan, &common, Some(minutes))
        }
        Command::Run { common, engines, workloads, kinds, keys } => {
            let workloads = or_all(workloads, || Workload::value_variants().to_vec());
            let workloads =
                workloads.iter().flat_map(|&workload| kinds.iter().map(move |&kind| (workload, kind)));
            let plan = Plan {
                engines: or_all(engines, EngineId::all),
                workloads: workloads.collect(),
                records: keys,
                rounds: common.rounds,
            };
            compare(&plan, &common, None)
        }
        Command::Growth { common, engines, workloads, keys } => {
            let worth =
                || Workload::value_variants().iter().copied().filter(|w| w.is_worth_growth()).collect();
            let log_structured =
                || EngineId::all().into_iter().filter(|e| e.is_ours() || e.is_lsm_peer()).collect();
            let plan = Plan {
                engines: or_all(engines, log_structured),
                workloads: or_all(workloads, worth).into_iter().map(|w| (w, KeyKind::Decimal)).collect(),
                records: keys,
                rounds: common.rounds,
            };
            compare(&plan, &common, None)
        }
        Command::Profile { out, engines, workloads, keys, seconds } => {
            let workloads = workloads.into_iter().map(|workload| (workload, KeyKind::Decimal)).collect();
            let plan = Plan { engines, workloads, records: vec![keys], rounds: 1 };
            check_build(&plan)?;
            run::profile(&plan, Limits { cell_seconds: seconds, minutes: None }, &out)
        }
        Command::Report { directory } => report::write(&directory),
        Command::Limits { out } => {
            print!("{}", limits::table(&limits::measure(&out)?));
            Ok(())
        }
        Command::Errand { errand } => cell::run(&serde_json::from_str::<Errand>(&errand)?),
    }
}

/// Each workload with decimal keys, and those where it matters with random ones.
fn all_workloads() -> Vec<(Workload, KeyKind)> {
    let all = Workload::value_variants();
    let decimal = all.iter().map(|&workload| (workload, KeyKind::Decimal));
    let random = all.iter().filter(|workload| workload.is_worth_random_keys());
    decimal.chain(random.map(|&workload| (workload, KeyKind::Random))).collect()
}

fn or_all<T>(chosen: Vec<T>, all: impl FnOnce() -> Vec<T>) -> Vec<T> {
    if chosen.is_empty() { all() } else { chosen }
}

/// Measures, and writes the report even where the time was not enough for all.
fn compare(plan: &Plan, common: &Common, minutes: Option<f64>) -> Outcome<()> {
    check_build(plan)?;
    write_json(&common.out, report::MACHINE, &Machine::here())?;
    let limits = Limits { cell_seconds: common.seconds, minutes };
    let is_whole = run::run(plan, limits, &common.out)?;
    report::write(&common.out)?;
    println!("{}", common.out.join("REPORT.md").display());
    if !is_whole {
        println!("The time was up before all was measured: the same command goes on with the rest.");
    }
    Ok(())
}

/// Errs when this program cannot measure all engines of `plan`, or not fairly.
fn check_build(plan: &Plan) -> Outcome<()> {
    if let Some(engine) = plan.engines.iter().find(|engine| !engine.is_compiled_in()) {
        return Err(format!("{engine} is not compiled in; build with its feature").into());
    }
    if !HAS_BASELINE {
        return Err(
            "built without the baseline of bench/.cargo/config.toml: start it as `cargo peers` at the \
                    root of the workspace"
                .into(),
        );
    }
    Ok(())
}

/// The limits of the machine, once for each directory.
fn write_limits(out: &Path) -> Outcome<()> {
    if out.join(report::LIMITS).exists() {
        return Ok(());
    }
    let limits = limits::measure(out)?;
    write_json(out, report::LIMITS, &limits)
}

fn write_json(out: &Path, name: &str, value: &impl serde::Serialize) -> Outcome<()> {
    fs::create_dir_all(out)?;
    Ok(fs::write(out.join(name), serde_json::to_string_pretty(value)?)?)
}
