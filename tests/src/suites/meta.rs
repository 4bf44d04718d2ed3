//! The same operations under eight sets of options give the same answers.
//!
//! ```text
//!   operations ──▶ leveled, LZ4, no filter …   ──▶ answers ─┐
//!              ──▶ tiered, blocks of one entry ──▶ answers ─┼─ all the same
//!              ──▶ …                           ──▶ answers ─┘
//! ```
//!
//! Each reopen takes up other options than those before it, and other ones in each
//! of the eight.

use crate::dice::Dice;
use crate::operation::{Operation, spell};
use crate::session::{Answer, Session, Trouble};
use crate::shrink::shrink;
use crate::suite::{Course, Failure, Outcome, Suite, Tally, caught};

/// The same operations under other options.
pub const SUITE: Suite = Suite {
    name: "meta",
    about: "the same operations under eight sets of options, each reopened under others",
    targets: &[("lists", 2_000), ("runs", 16_000)],
    run: torture,
};

const SETS: u64 = 8;

const OPERATIONS: usize = 200;

fn torture(course: &Course) -> Outcome {
    course.cases(40, 2_000, |seed| {
        let mut dice = Dice::new(seed);
        let operations: Vec<Operation> = (0..OPERATIONS).map(|_| Operation::drawn(&mut dice)).collect();
        compare(seed, &operations).map_err(|mut failure| {
            failure.shrunk = Some(spell(&shrink(&operations, |part| compare(seed, part).is_err())));
            failure
        })
    })
}

/// Runs the operations under each set, and compares what they answer.
fn compare(seed: u64, operations: &[Operation]) -> Outcome {
    let mut tally = Tally::of("lists", 1).and("runs", SETS);
    let mut first: Option<Vec<Answer>> = None;
    for set in 0..SETS {
        let mut run = Run { place: 0, options: String::new() };
        let outcome = caught(|| {
            let through = run.through(seed * SETS + set, operations);
            through.map_err(|trouble| Failure::new(trouble.to_string()))
        });
        let (answers, done) = outcome.map_err(|failure| run.explain(failure, operations))?;
        tally.merge(done);
        tally.add("answers", answers.len() as u64);
        let first = first.get_or_insert_with(|| answers.clone());
        if let Some(place) = first.iter().zip(&answers).position(|(one, other)| one != other) {
            run.place = place;
            return Err(run.explain(Failure::new("two sets of options answer differently"), operations));
        }
    }
    Ok(tally)
}

/// Where a run is.
struct Run {
    place: usize,
    options: String,
}

impl Run {
    fn through(&mut self, seed: u64, operations: &[Operation]) -> Result<(Vec<Answer>, Tally), Trouble> {
        let mut session = Session::begin_without_trace(seed)?;
        let mut answers = Vec::with_capacity(operations.len());
        for (place, operation) in operations.iter().enumerate() {
            (self.place, self.options) = (place, session.options().to_string());
            answers.push(session.apply(operation)?);
        }
        let (tally, _) = session.end()?;
        Ok((answers, tally))
    }

    fn explain(&self, mut failure: Box<Failure>, operations: &[Operation]) -> Box<Failure> {
        let operation = operations.get(self.place).map_or("the end".to_owned(), Operation::to_string);
        failure.operation = Some(format!("operation {}: {operation}", self.place));
        failure.policy = Some(self.options.clone());
        failure
    }
}
