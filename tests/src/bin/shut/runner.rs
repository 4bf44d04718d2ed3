//! Chunks of schedules, and what is printed of them.
//!
//! ```text
//!   seed ──▶ a chunk of 200 schedules      even: chosen at random
//!            of each program               odd: by priorities that change d times
//!                 │ one fails
//!                 ▼
//!   program, seed, schedule, message       the chunk again, and it fails again
//! ```
//!
//! A chunk depends on nothing but its program and its seed. The priorities are those
//! of Burckhardt et al., "A randomized scheduler with probabilistic guarantees of
//! finding bugs", 2010; d goes from 1 to 4.

use std::any::Any;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};
use tests::suite::{Course, Failure, Outcome, Tally};

use crate::planted::PLANTED;
use crate::scenarios::SCENARIOS;

/// How many schedules of each program a seed stands for.
const CHUNK: usize = 200;

/// A planted bug has to be found in so many chunks.
const PLANTED_CHUNKS: u64 = 20;

/// Opening a database goes deeper than a thread of shuttle is given.
const STACK_BYTES: usize = 256 << 10;

/// A program that is to hold, or to fail, in whatever order its threads go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// How it is called for.
    pub(crate) name: &'static str,
    /// One run of it. Panics when a law is broken.
    pub(crate) run: fn(),
}

pub(crate) fn main() -> ExitCode {
    let course = match course(std::env::args().skip(1)) {
        Ok(course) => course,
        Err(what) => {
            eprintln!("shut: {what}");
            return ExitCode::FAILURE;
        }
    };
    // A panic is a finding here, and is printed as one.
    std::panic::set_hook(Box::new(|_| {}));
    match run(&course) {
        Ok(tally) => {
            tally.counts().for_each(|(what, count)| println!("count {count} {what}"));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            report(&failure);
            ExitCode::FAILURE
        }
    }
}

fn course(mut arguments: impl Iterator<Item = String>) -> Result<Course, String> {
    let mut course = Course::short();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} wants a number, not {value:?}"));
        match name.as_str() {
            "--seed" => course.seed = number()?,
            "--cases" => course.cases = Some(number()?),
            "--seconds" => course.seconds = Some(number()?),
            "--at" => course.at = Some(value),
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(course)
}

/// One line for each part that is known.
fn report(failure: &Failure) {
    failure.seed.iter().for_each(|seed| println!("seed {seed}"));
    failure.at.iter().for_each(|at| println!("at {at}"));
    failure.operation.iter().for_each(|operation| println!("operation {operation}"));
    println!("what {}", failure.what.replace('\n', " "));
}

fn run(course: &Course) -> Outcome {
    if let Some(name) = &course.at {
        let scenario = SCENARIOS.into_iter().chain(PLANTED).find(|scenario| scenario.name == name);
        let scenario = scenario.ok_or_else(|| Failure::new(format!("--at {name}: no such program")))?;
        return course.cases(1, 1, |seed| chunk(scenario, seed));
    }
    let found = find_planted()?;
    let tally = course.cases(1, 1, |seed| {
        let mut tally = Tally::default();
        for scenario in SCENARIOS {
            tally.merge(chunk(scenario, seed)?);
        }
        Ok(tally)
    })?;
    Ok(tally.and("scenarios", SCENARIOS.len() as u64).and("planted bugs found", found))
}

/// Programs that are wrong on purpose: each must be found out.
fn find_planted() -> Result<u64, Box<Failure>> {
    for scenario in PLANTED {
        if (1..=PLANTED_CHUNKS).all(|seed| chunk(scenario, seed).is_ok()) {
            let schedules = PLANTED_CHUNKS * CHUNK as u64;
            return Err(Failure::new(format!("{}: not found in {schedules} schedules", scenario.name)));
        }
    }
    Ok(PLANTED.len() as u64)
}

/// Runs the chunk of a program that `seed` stands for.
fn chunk(scenario: Scenario, seed: u64) -> Outcome {
    let begun = Arc::new(AtomicU64::new(0));
    let program = {
        let begun = Arc::clone(&begun);
        move || {
            begun.fetch_add(1, Ordering::Relaxed);
            (scenario.run)();
        }
    };
    let outcome = catch_unwind(|| match seed % 2 {
        0 => Runner::new(RandomScheduler::new_from_seed(seed, CHUNK), config()).run(program),
        _ => {
            let depth = 2 + (seed / 2 % 4) as usize;
            Runner::new(PctScheduler::new_from_seed(seed, depth, CHUNK), config()).run(program)
        }
    });
    let failed = |panic: Box<dyn Any + Send>| {
        let schedule = begun.load(Ordering::Relaxed);
        Box::new(Failure {
            seed: Some(seed),
            at: Some(scenario.name.to_owned()),
            operation: Some(format!("schedule {schedule} of {CHUNK}")),
            what: words(&*panic),
            ..Failure::default()
        })
    };
    outcome.map(|schedules| Tally::of("schedules", schedules as u64)).map_err(failed)
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config
}
