//! The command: plans, supervises, reports. Two further verbs are for the processes
//! that it starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flips::engine::{Engine, Outcome};
use flips::image::Image;
use flips::report::{self, Parameters};
use flips::scenario::{self, Scenario};
use flips::supervise::{self, Setup};
use flips::tally::{self, Row};
use flips::{engines, judge, plan};
use indicatif::{ProgressBar, ProgressStyle};

/// Flips one bit at a time in the files of a small database, opens it with the engine
/// that wrote it, and counts what a reader is told.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Only these engines: stage6, fjall, redb, sled.
    #[arg(long = "engine", value_name = "NAME", value_parser = engine_named)]
    engines: Vec<&'static dyn Engine>,
    /// How many bits are flipped for each engine and scenario; every bit if there are
    /// fewer. A tenth more goes to sectors of zeros.
    #[arg(long, default_value_t = 20_000)]
    flips: u64,
    /// The seed of the samples.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds after which an engine counts as hung.
    #[arg(long, default_value_t = 10)]
    time_limit: u64,
    /// A directory for the copies. By default in memory, where the system has a
    /// directory for that.
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Where RESULTS.md and RESULTS.json are written.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR")))]
    out: PathBuf,
    #[command(subcommand)]
    inner: Option<Inner>,
}

/// What the processes do that this program starts.
#[derive(Debug, Subcommand)]
enum Inner {
    /// Writes a database and leaves it.
    #[command(hide = true)]
    Write {
        #[arg(value_parser = engine_named)]
        engine: &'static dyn Engine,
        #[arg(value_parser = scenario_named)]
        scenario: Scenario,
        directory: PathBuf,
    },
    /// Obeys orders from its standard input.
    #[command(hide = true)]
    Judge {
        #[arg(value_parser = engine_named)]
        engine: &'static dyn Engine,
        image: PathBuf,
        scratch: PathBuf,
    },
}

fn engine_named(name: &str) -> Result<&'static dyn Engine, String> {
    engines::named(name).ok_or_else(|| "the engines are stage6, fjall, redb and sled".to_owned())
}

fn scenario_named(name: &str) -> Result<Scenario, String> {
    scenario::named(name).ok_or_else(|| "there is no such scenario".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.inner {
        Some(Inner::Write { engine, scenario, directory }) => scenario::write(engine, scenario, &directory),
        Some(Inner::Judge { engine, image, scratch }) => judge::obey(engine, &image, &scratch),
        None => compare(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("flips: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    let chosen = if arguments.engines.is_empty() { &engines::all()[..] } else { &arguments.engines };
    let scratch = tempfile::Builder::new().prefix("flips-").tempdir_in(scratch_root(arguments))?;
    let mut rows = Vec::new();
    for &engine in chosen {
        for scenario in scenario::ALL {
            rows.extend(compare_one(arguments, scratch.path(), engine, scenario)?);
        }
    }
    let parameters = Parameters { seed: arguments.seed, flips: arguments.flips };
    let page = report::markdown(parameters, &rows);
    fs::create_dir_all(&arguments.out)?;
    fs::write(arguments.out.join("RESULTS.md"), &page)?;
    let numbers = serde_json::to_string_pretty(&report::numbers(parameters, &rows))?;
    fs::write(arguments.out.join("RESULTS.json"), numbers + "\n")?;
    println!("{page}");
    Ok(())
}

/// One engine in one scenario: write, look whether it is sound, flip.
fn compare_one(
    arguments: &Arguments,
    scratch: &Path,
    engine: &'static dyn Engine,
    scenario: Scenario,
) -> Outcome<Vec<Row>> {
    let setup = Setup {
        program: std::env::current_exe()?,
        image: scratch.join(format!("{}-{}", engine.name(), scenario.name)),
        scratch: scratch.to_path_buf(),
        time_limit: Duration::from_secs(arguments.time_limit),
    };
    supervise::write_image(&setup, engine, scenario)?;
    supervise::check_undamaged(&setup, engine)?;
    let image = Image::load(&setup.image)?;
    let planned = plan::plan(&image, arguments.flips, arguments.seed);
    let bar = progress(planned.len() as u64, &format!("{}, {}", engine.name(), scenario.name));
    let findings = supervise::judge_all(&setup, engine, planned, &|| bar.inc(1))?;
    bar.finish();
    fs::remove_dir_all(&setup.image)?;
    Ok(tally::rows(engine, scenario.name, &image, &findings))
}

fn scratch_root(arguments: &Arguments) -> PathBuf {
    let in_memory = Path::new("/dev/shm");
    let default = if in_memory.is_dir() { in_memory.to_path_buf() } else { std::env::temp_dir() };
    arguments.scratch.clone().unwrap_or(default)
}

fn progress(flips: u64, what: &str) -> ProgressBar {
    let template = "{msg:24} {bar:30} {pos}/{len} {per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(flips).with_style(style).with_message(what.to_owned())
}
