//! The whole engine against a `BTreeMap`: random operations, whose failures shrink
//! by value and not only by leaving out.
//!
//! ```text
//!   seed ──▶ 50 cases of proptest ──▶ options, 1 to 150 operations ──▶ model
//! ```

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use stage6_engine::Durability;

use crate::model::Write;
use crate::operation::{ALPHABET, LONGEST_KEY, Operation, ordered, spell};
use crate::session::{Session, Trouble};
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Random operations, shrunk by proptest.
pub const SUITE: Suite = Suite {
    name: "model",
    about: "random operations against a sorted map, shrunk by value",
    targets: &[("cases", 20_000), ("flushes", 20_000), ("compactions", 5_000)],
    run: torture,
};

/// How many cases a seed gives.
const CASES: u32 = 50;

/// So often a failing case is made smaller, and then what has been reached will do.
const SHRINKS: u32 = 5_000;

fn torture(course: &Course) -> Outcome {
    let sum = course.cases(20, 500, chunk)?;
    let (cases, flushes, compactions) = (sum.get("cases"), sum.get("flushes"), sum.get("compactions"));
    match flushes > cases && compactions > cases / 4 {
        true => Ok(sum),
        false => Err(Failure::new(format!("the cases reach too little: {sum}"))),
    }
}

fn chunk(seed: u64) -> Outcome {
    let config = ProptestConfig {
        cases: CASES,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tally = RefCell::new(Tally::default());
    let case = (0u64..1 << 32, proptest::collection::vec(operation(), 1..150));
    let outcome = TestRunner::new_with_rng(config, random).run(&case, |(options, operations)| {
        let done =
            through(options, &operations).map_err(|trouble| TestCaseError::fail(trouble.to_string()))?;
        tally.borrow_mut().merge(done);
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(tally.into_inner()),
        Err(TestError::Fail(reason, (options, operations))) => Err(explain(&reason, options, &operations)),
        Err(TestError::Abort(reason)) => Err(Failure::new(format!("proptest gave up: {reason}"))),
    }
}

fn explain(reason: &impl ToString, options: u64, operations: &[Operation]) -> Box<Failure> {
    let mut failure = Failure::new(reason.to_string());
    failure.policy = Some(format!("options {options}"));
    failure.shrunk = Some(spell(operations));
    failure
}

fn through(options: u64, operations: &[Operation]) -> Result<Tally, Trouble> {
    let mut session = Session::begin_without_trace(options)?;
    for operation in operations {
        session.apply(operation)?;
    }
    session.check_all()?;
    let (tally, _) = session.end()?;
    Ok(tally.and("cases", 1).and("operations", operations.len() as u64))
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..ALPHABET, 0..=LONGEST_KEY)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    (proptest::num::u8::ANY, 0usize..200).prop_map(|(byte, length)| vec![byte; length])
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let value = prop_oneof![1 => Just(None), 3 => value().prop_map(Some)];
    proptest::collection::vec((key(), value), 1..6)
}

fn choices() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(proptest::bool::ANY, 1..30)
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let durability = prop_oneof![Just(Durability::Buffer), Just(Durability::Sync)];
    let pair = (key(), key()).prop_map(|(one, other)| ordered(one, other));
    prop_oneof![
        6 => (key(), value()).prop_map(|(key, value)| Put(key, value)),
        3 => key().prop_map(Delete),
        24 => (writes(), durability).prop_map(|(writes, durability)| Batch(writes, durability)),
        1 => Just(Persist),
        4 => key().prop_map(Get),
        3 => (key(), key()).prop_map(|(from, to)| Scan(from, to)),
        2 => key().prop_map(Prefix),
        2 => choices().prop_map(BothEnds),
        2 => (key(), choices()).prop_map(|(key, steps)| Walk(key, steps)),
        2 => Just(TakeSnapshot),
        1 => (0usize..4).prop_map(DropSnapshot),
        3 => (0usize..4).prop_map(ReadSnapshot),
        6 => (0usize..5).prop_map(RunJob),
        3 => Just(Flush),
        1 => proptest::option::of(pair).prop_map(Compact),
        1 => (0u64..1 << 32).prop_map(Reopen),
    ]
}
