//! The engine on one thread, driven from one seed.
//!
//! ```text
//!   seed ──▶ options
//!        ──▶ put, scan, run job 3, flush, the disk breaks, put, mend, crash, get, …
//!              │ each answer                             │ one disk of those that
//!              ▼ as the model says                       ▼ a crash here may leave
//! ```
//!
//! Background work is data: which job is run when, and whether at all, is drawn as
//! everything else is. So all of a run follows from its seed, and the same seed twice
//! makes the same calls to the disk.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use stage6_engine::wal::vfs::{Fault, FaultKind};

use crate::dice::Dice;
use crate::operation::{Operation, spell};
use crate::session::{Session, Trouble};
use crate::shrink::shrink;
use crate::suite::{Course, Failure, Outcome, Suite, Tally, caught};

/// Everything at once, from one seed.
pub const SUITE: Suite = Suite {
    name: "sim",
    about: "operations, jobs, crashes and faults on one thread, drawn from one seed",
    targets: &[("seeds", 1 << 14), ("operations", 8_000_000), ("crashes", 50_000), ("struck", 10_000)],
    run: torture,
};

const EVENTS: usize = 500;

/// After so many events everything is read.
const CHECK_EVERY: usize = 100;

/// Of so many seeds of the full form, one is run twice.
const TWICE_EVERY: u64 = 16;

/// What happens to a database.
#[derive(Debug, Clone)]
enum Event {
    /// Its user asks for something.
    Operation(Operation),
    /// The power is lost.
    Crash(u64),
    /// The disk begins to fail, so many calls from now.
    Break(Fault),
    /// The disk is well again.
    Mend,
}

impl Event {
    fn drawn(dice: &mut Dice) -> Event {
        match dice.roll(200) {
            0..2 => Event::Crash(dice.roll(1 << 32)),
            2..4 => Event::Break(Fault {
                kind: FaultKind::ALL[dice.roll(FaultKind::ALL.len() as u64) as usize],
                at_call: dice.roll(30),
                is_sticky: dice.roll(2) == 0,
            }),
            4..14 => Event::Mend,
            _ => Event::Operation(Operation::drawn(dice)),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Operation(operation) => operation.fmt(f),
            Event::Crash(draw) => write!(f, "crash by {draw}"),
            Event::Break(fault) => {
                let how_long = if fault.is_sticky { "for good" } else { "once" };
                write!(f, "after {} calls {:?} {how_long}", fault.at_call, fault.kind)
            }
            Event::Mend => write!(f, "mend"),
        }
    }
}

fn torture(course: &Course) -> Outcome {
    course.cases(100, 1 << 14, |seed| {
        let mut dice = Dice::new(seed);
        let events: Vec<Event> = (0..EVENTS).map(|_| Event::drawn(&mut dice)).collect();
        let (tally, hash) = run(seed, &events).map_err(|failure| shrunk(seed, &events, failure))?;
        let is_twice = !course.is_full || seed.is_multiple_of(TWICE_EVERY);
        if is_twice && run(seed, &events)?.1 != hash {
            let differs = |part: &[Event]| {
                matches!((run(seed, part), run(seed, part)),
                (Ok((_, one)), Ok((_, other))) if one != other)
            };
            let mut failure = Failure::new("the same seed makes other calls to the disk the second time");
            failure.shrunk = Some(spell(&shrink(&events, differs)));
            return Err(failure);
        }
        Ok(tally.and("seeds", 1).and("run twice", u64::from(is_twice)))
    })
}

fn shrunk(seed: u64, events: &[Event], mut failure: Box<Failure>) -> Box<Failure> {
    let part = shrink(events, |part| run(seed, part).is_err());
    let then = run(seed, &part).map_or_else(|failure| failure.what, |_| failure.what.clone());
    failure.shrunk = Some(format!("{}: {then}", spell(&part)));
    failure
}

/// Goes through `events`. Returns what was done, and a number that stands for
/// every call to the disk and every answer.
fn run(seed: u64, events: &[Event]) -> Result<(Tally, u64), Box<Failure>> {
    let mut run = Run { place: 0, policy: String::new(), options: String::new() };
    let outcome = caught(|| run.through(seed, events).map_err(|trouble| Failure::new(trouble.to_string())));
    outcome.map_err(|mut failure| {
        let event = events.get(run.place).map_or("the end".to_owned(), Event::to_string);
        failure.operation = Some(format!("operation {}: {event}", run.place));
        failure.policy = Some([run.policy, run.options].concat());
        failure
    })
}

/// Where a run is.
struct Run {
    place: usize,
    /// How the last crash was chosen.
    policy: String,
    /// Under which options it failed.
    options: String,
}

impl Run {
    fn through(&mut self, seed: u64, events: &[Event]) -> Result<(Tally, u64), Trouble> {
        let mut session = Session::begin(seed)?;
        let mut answers = DefaultHasher::new();
        let mut tally = Tally::of("operations", events.len() as u64);
        for (place, event) in events.iter().enumerate() {
            self.place = place;
            let outcome = match event {
                Event::Operation(operation) => {
                    session.apply(operation).map(|answer| answer.hash(&mut answers))
                }
                Event::Crash(draw) => {
                    session.crash(*draw).map(|policy| self.policy = format!("the last crash {policy}; "))
                }
                Event::Mend => session.mend(),
                Event::Break(fault) => {
                    session.break_disk(*fault);
                    Ok(())
                }
            };
            let is_check_due = place % CHECK_EVERY == CHECK_EVERY - 1;
            let outcome = outcome.and_then(|()| if is_check_due { session.check_all() } else { Ok(()) });
            let refused = tolerate(&session, outcome).inspect_err(|_| {
                self.options = session.options().to_string();
            })?;
            tally.add("crashes", u64::from(matches!(event, Event::Crash(_))));
            tally.add("refused", u64::from(refused));
        }
        self.place = events.len();
        let (done, calls) = session.end()?;
        tally.merge(done);
        calls.hash(&mut answers);
        Ok((tally, answers.finish()))
    }
}

/// A disk that fails is a reason to refuse, and never one to answer wrong.
/// Returns whether it did refuse.
fn tolerate(session: &Session, outcome: Result<(), Trouble>) -> Result<bool, Trouble> {
    match outcome {
        Ok(()) => Ok(false),
        Err(Trouble::Refused(_)) if session.is_broken() => Ok(true),
        Err(trouble) => Err(trouble),
    }
}
