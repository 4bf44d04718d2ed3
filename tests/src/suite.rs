//! What a suite is: cases from seeds, a tally of what was done, or the failure of
//! one case with all that is needed to see it again.
//!
//! ```text
//!   Course: seed 1, so many cases, so long ──▶ Suite::run ──▶ Ok(Tally)
//!                                                │            crash: 1,204,332 images, …
//!              seed 1 ─ case ─▶ Tally ─┐         │
//!              seed 2 ─ case ─▶ Tally ─┼─ sum    └─────────▶ Err(Failure)
//!              seed 3 ─ case ─▶ Tally ─┘                      seed, place, operation,
//!                                                             policy, the shrunk case,
//!                                                             the command that replays it
//! ```
//!
//! **INV-SUITE-1** A case follows from its seed alone. So the command in a failure
//! replays it, whatever ran beside it.
//!
//! **INV-SUITE-2** A tally counts what was judged, and a count that stays below its
//! target is a failure of the full form: a suite that shrank does not pass.
//!
//! The short form of a suite runs in `cargo test`, its full form in `cargo torture`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar};

/// One kind of torture.
#[derive(Debug)]
pub struct Suite {
    /// What `--suite` calls it.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What its full form must count, at least.
    pub targets: &'static [(&'static str, u64)],
    /// Runs it.
    pub run: fn(&Course) -> Outcome,
}

/// What was done, or the first case that failed.
pub type Outcome = Result<Tally, Box<Failure>>;

/// How much of a suite is run, and from which seed.
#[derive(Debug)]
pub struct Course {
    /// The seed of the first case; the next have the next.
    pub seed: u64,
    /// Whether it is the full form.
    pub is_full: bool,
    /// How many cases, if not what the form says.
    pub cases: Option<u64>,
    /// The place within the one case that is replayed.
    pub at: Option<String>,
    /// How long cases are drawn, if not until their number is reached.
    pub seconds: Option<u64>,
    /// Where progress is shown.
    pub bar: ProgressBar,
}

impl Course {
    /// What `cargo test` runs.
    pub fn short() -> Course {
        Course { seed: 1, is_full: false, cases: None, at: None, seconds: None, bar: ProgressBar::hidden() }
    }

    /// What `cargo torture` runs, with its progress on stderr.
    pub fn full() -> Course {
        Course { is_full: true, ..Course::short() }
    }

    /// One number for the short form, one for the full.
    pub fn pick(&self, short: u64, full: u64) -> u64 {
        if self.is_full { full } else { short }
    }

    /// Runs cases of `short` or `full` number on all cores, each from its own
    /// seed, and sums up their tallies. With `seconds` given, cases are drawn until
    /// the time is over. A panic is the failure of its case.
    ///
    /// # Errors
    /// The first failure; the cases under way are finished, and no more begun.
    pub fn cases(&self, short: u64, full: u64, case: impl Fn(u64) -> Outcome + Sync) -> Outcome {
        let count = match (self.cases, self.seconds) {
            (Some(cases), _) => cases,
            (None, Some(_)) => u64::MAX,
            (None, None) => self.pick(short, full),
        };
        self.each(count, |index| case(self.seed.wrapping_add(index)))
    }

    /// Runs the cases numbered 0 to `count` on all cores, as [`Course::cases`]
    /// does.
    ///
    /// # Errors
    /// The first failure.
    pub fn each(&self, count: u64, case: impl Fn(u64) -> Outcome + Sync) -> Outcome {
        let end = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let is_over = || end.is_some_and(|end| Instant::now() >= end);
        self.bar.set_length(if count == u64::MAX { 0 } else { count });
        self.bar.set_position(0);
        let (next, is_failed) = (AtomicU64::new(0), AtomicBool::new(false));
        let sum = Mutex::new(Ok(Tally::default()));
        let work = || {
            while !is_failed.load(Ordering::Relaxed) && !is_over() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let outcome = caught(|| case(index)).map_err(|failure| self.seeded(failure, index));
                is_failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                add(&mut locked(&sum), outcome);
                self.bar.inc(1);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
                scope.spawn(work);
            }
        });
        sum.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure that does not say its seed was found by that of its case.
    fn seeded(&self, mut failure: Box<Failure>, index: u64) -> Box<Failure> {
        failure.seed.get_or_insert(self.seed.wrapping_add(index));
        failure
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sum so far and one more outcome; the first failure stays.
fn add(sum: &mut Outcome, outcome: Outcome) {
    match (sum.as_mut(), outcome) {
        (Ok(sum), Ok(tally)) => sum.merge(tally),
        (Ok(_), Err(failure)) => *sum = Err(failure),
        (Err(_), _) => {}
    }
}

/// What `case` comes to; its panic is a failure too.
///
/// # Errors
/// The failure.
pub fn caught<T>(case: impl FnOnce() -> Result<T, Box<Failure>>) -> Result<T, Box<Failure>> {
    catch_unwind(AssertUnwindSafe(case)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Failure::new(format!("a panic: {}", words.unwrap_or("without words"))))
    })
}

/// What a suite has done: numbers with their names, in the order of their first
/// mention.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: Vec<(&'static str, u64)>,
}

impl Tally {
    /// One number.
    pub fn of(what: &'static str, count: u64) -> Tally {
        Tally { counts: vec![(what, count)] }
    }

    /// This and one number more.
    #[must_use]
    pub fn and(mut self, what: &'static str, count: u64) -> Tally {
        self.add(what, count);
        self
    }

    /// Adds to the number of that name.
    pub fn add(&mut self, what: &'static str, count: u64) {
        match self.counts.iter_mut().find(|(name, _)| *name == what) {
            Some((_, sum)) => *sum += count,
            None => self.counts.push((what, count)),
        }
    }

    /// The number of that name, which is no longer part of the tally.
    pub fn take(&mut self, what: &str) -> u64 {
        let count = self.get(what);
        self.counts.retain(|(name, _)| *name != what);
        count
    }

    /// Adds all numbers of another.
    pub fn merge(&mut self, other: Tally) {
        other.counts.into_iter().for_each(|(what, count)| self.add(what, count));
    }

    /// All numbers with their names.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().copied()
    }

    /// The number of that name; 0 if there is none.
    pub fn get(&self, what: &str) -> u64 {
        self.counts.iter().find(|(name, _)| *name == what).map_or(0, |(_, count)| *count)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            write!(f, "{} {what}, ", HumanCount(*count))?;
        }
        write!(f, "0 violations")
    }
}

/// A law that was broken, and how to see it again.
#[derive(Clone, Default)]
pub struct Failure {
    /// Of which suite; filled in by whoever runs it.
    pub suite: &'static str,
    /// The seed of its case.
    pub seed: Option<u64>,
    /// The place within the case, as `--at` takes it.
    pub at: Option<String>,
    /// What was being done.
    pub operation: Option<String>,
    /// Under which policy of crash or fault.
    pub policy: Option<String>,
    /// What is wrong.
    pub what: String,
    /// The smallest case found that fails as well.
    pub shrunk: Option<String>,
}

impl Failure {
    /// A failure of which only this is known yet.
    pub fn new(what: impl Into<String>) -> Box<Failure> {
        Box::new(Failure { what: what.into(), ..Failure::default() })
    }

    /// The command that runs just this case again.
    pub fn replay(&self) -> String {
        let seed = self.seed.map_or(String::new(), |seed| format!(" --seed {seed} --cases 1"));
        let at = self.at.as_ref().map_or(String::new(), |at| format!(" --at {at}"));
        format!("cargo torture --suite {}{seed}{at}", self.suite)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.suite, self.what)?;
        let lines = [
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("operation", self.operation.clone()),
            ("policy", self.policy.clone()),
            ("shrunk to", self.shrunk.clone()),
            ("replay", Some(self.replay())),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                writeln!(f, "  {name:<10} {value}")?;
            }
        }
        Ok(())
    }
}

/// A test that returns a failure prints it by this.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        fmt::Display::fmt(self, f)
    }
}

impl Suite {
    /// Runs it, and prints its closing line.
    ///
    /// # Errors
    /// The first failure; of a full form also a count below its target.
    pub fn conclude(&self, course: &Course) -> Outcome {
        let tally = (self.run)(course).map_err(|mut failure| {
            failure.suite = self.name;
            failure
        })?;
        println!("{}: {tally}", self.name);
        let is_whole = course.is_full && course.seconds.is_none() && course.cases.is_none();
        match self.targets.iter().find(|(what, target)| is_whole && tally.get(what) < *target) {
            Some((what, target)) => {
                let (target, reached) = (HumanCount(*target), HumanCount(tally.get(what)));
                let mut failure =
                    Failure::new(format!("{target} {what} are the target, {reached} were reached"));
                failure.suite = self.name;
                Err(failure)
            }
            None => Ok(tally),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(cases: u64) -> Course {
        Course { cases: Some(cases), seed: 10, ..Course::short() }
    }

    #[test]
    fn every_case_runs_once_with_its_own_seed() {
        let outcome = course(50).cases(1, 1, |seed| Ok(Tally::of("cases", 1).and("seeds", seed)));
        let seeds = (10..60).sum();
        assert_eq!(outcome.unwrap(), Tally::of("cases", 50).and("seeds", seeds));
    }

    #[test]
    fn a_failure_names_the_seed_and_the_command_that_replays_it() {
        let case = |seed| if seed == 13 { Err(Failure::new("wrong")) } else { Ok(Tally::default()) };
        let mut failure = course(50).cases(1, 1, case).unwrap_err();
        failure.suite = "crash";
        assert_eq!(failure.replay(), "cargo torture --suite crash --seed 13 --cases 1");
    }

    #[test]
    fn a_panic_is_the_failure_of_its_case() {
        let failure = course(3).cases(1, 1, |seed| {
            assert!(seed != 11, "broken");
            Ok(Tally::default())
        });
        let failure = failure.unwrap_err();
        assert_eq!((failure.seed, failure.what.as_str()), (Some(11), "a panic: broken"));
    }

    #[test]
    fn a_full_form_that_shrank_does_not_pass() {
        fn run(course: &Course) -> Outcome {
            course.cases(1, 3, |_| Ok(Tally::of("cases", 1)))
        }
        let suite = |target| Suite { name: "small", about: "", targets: target, run };
        assert!(suite(&[("cases", 4)]).conclude(&Course::full()).is_err());
        assert!(suite(&[("cases", 3)]).conclude(&Course::full()).is_ok());
        assert!(suite(&[("cases", 4)]).conclude(&Course::short()).is_ok());
    }
}
