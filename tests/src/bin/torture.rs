//! `cargo torture`: every suite in its full form, with progress and a closing
//! line each.
//!
//! ```text
//!   cargo torture                            all suites, about forty minutes
//!   cargo torture --suite crash --suite sim  these
//!   cargo torture --seconds 60               each for a minute
//!   cargo torture --suite crash --seed 12 --cases 1 --at 132/7   one failure again
//! ```

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tests::suite::{Course, Suite};
use tests::suites::{SUITES, by_name, kill};

/// Tries to break the database, in every way that its promises forbid.
///
/// Runs each suite in its full form: ends with a line per suite, and with exit code
/// 1 if a law was broken or a suite did less than its target. A failure names the
/// command that replays just it.
#[derive(Debug, Parser)]
#[command(name = "cargo torture", version, after_help = suites_in_words())]
struct Arguments {
    /// Run this suite (repeat it for several) instead of all.
    #[arg(long, value_name = "NAME", value_parser = parse_suite)]
    suite: Vec<&'static Suite>,

    /// Draw cases for so many seconds a suite, instead of a fixed number.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,

    /// The seed of the first case; the following cases have the following seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Run so many cases.
    #[arg(long, value_name = "N")]
    cases: Option<u64>,

    /// Replay only this place within a case, as a failure names it.
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,

    /// The short form, as `cargo test` runs it.
    #[arg(long)]
    short: bool,
}

fn suites_in_words() -> String {
    let rows = SUITES.iter().map(|suite| format!("  {:<9} {}", suite.name, suite.about));
    format!("Suites:\n{}", rows.collect::<Vec<_>>().join("\n"))
}

fn parse_suite(name: &str) -> Result<&'static Suite, String> {
    let names = || SUITES.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    by_name(name).ok_or_else(|| format!("there is no such suite; there are {}", names()))
}

impl Arguments {
    fn course(&self, suite: &Suite) -> Course {
        Course {
            seed: self.seed,
            is_full: !self.short,
            cases: self.cases,
            at: self.at.clone(),
            seconds: self.seconds,
            bar: bar(suite.name),
        }
    }
}

/// It draws to stderr, and hides by itself when that is no terminal.
fn bar(label: &'static str) -> ProgressBar {
    let template = "{msg:9} [{bar:40}] {human_pos} of {human_len} cases, {elapsed}, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is ours").progress_chars("█ ");
    let bar = ProgressBar::new(0).with_style(style).with_message(label);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

fn main() -> ExitCode {
    kill::become_child_if_asked();
    let arguments = Arguments::parse();
    let all: Vec<&Suite> = SUITES.iter().collect();
    let suites = if arguments.suite.is_empty() { &all } else { &arguments.suite };
    let begin = Instant::now();
    let broken = suites.iter().filter(|suite| !holds(suite, &arguments)).count();
    println!("{} suites, {broken} broken, after {}.", suites.len(), HumanDuration(begin.elapsed()));
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn holds(suite: &Suite, arguments: &Arguments) -> bool {
    let (course, begin) = (arguments.course(suite), Instant::now());
    let outcome = suite.conclude(&course);
    course.bar.finish_and_clear();
    match &outcome {
        Ok(_) => eprintln!("  in {}", HumanDuration(begin.elapsed())),
        Err(failure) => println!("{failure}"),
    }
    outcome.is_ok()
}
