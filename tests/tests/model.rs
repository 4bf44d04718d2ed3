//! The whole engine against a `BTreeMap`: random writes, batches, snapshots,
//! flushes, compactions, reopens; gets, scans in both directions, prefixes.
//!
//! A thousand cases; more by `PROPTEST_CASES=n`.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::{Db, Durability, Range, Read, Result, Snapshot};
use tests::model::{Contents, Write};
use tests::script::{batch_of, tiny};

#[derive(Debug, Clone)]
enum Operation {
    Write(Vec<Write>, bool),
    Flush,
    Compact,
    CompactRange(u8, u8),
    RunJob,
    TakeSnapshot,
    DropSnapshot(usize),
    CheckSnapshot(usize),
    Get(u8),
    Scan(u8, u8),
    BothEnds(Vec<bool>),
    Prefix(u8),
    Reopen,
}

/// Keys of one, two or three bytes of a small alphabet, so that they collide and
/// are prefixes of one another; the empty key too.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..5, 0..4)
}

fn a_write() -> impl Strategy<Value = Write> {
    let value = prop_oneof![
        1 => Just(None),
        3 => (proptest::num::u8::ANY, 0usize..200).prop_map(|(byte, length)| Some(vec![byte; length])),
    ];
    (key(), value)
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        30 => (proptest::collection::vec(a_write(), 1..6), proptest::bool::ANY).prop_map(|(w, sync)| Write(w, sync)),
        3 => Just(Flush),
        1 => Just(Compact),
        1 => (0u8..5, 0u8..5).prop_map(|(a, b)| CompactRange(a.min(b), a.max(b))),
        6 => Just(RunJob),
        2 => Just(TakeSnapshot),
        1 => (0usize..4).prop_map(DropSnapshot),
        3 => (0usize..4).prop_map(CheckSnapshot),
        4 => (0u8..5).prop_map(Get),
        3 => (0u8..5, 0u8..6).prop_map(|(a, b)| Scan(a, b)),
        2 => proptest::collection::vec(proptest::bool::ANY, 1..30).prop_map(BothEnds),
        2 => (0u8..5).prop_map(Prefix),
        1 => Just(Reopen),
    ]
}

/// A database and what it should hold.
struct Pair {
    vfs: SimVfs,
    db: Db,
    model: Contents,
    snapshots: Vec<(Snapshot, Contents)>,
}

fn entries(
    range: impl Iterator<Item = Result<(stage6_engine::Key, stage6_engine::Value)>>,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    range.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

fn pairs<'a>(contents: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    contents.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Takes from either end as `ends` says, and then the rest.
fn from_both_ends<I: DoubleEndedIterator>(mut iterator: I, ends: &[bool]) -> Vec<I::Item> {
    let mut taken: Vec<I::Item> =
        ends.iter().map_while(|front| if *front { iterator.next() } else { iterator.next_back() }).collect();
    taken.extend(iterator);
    taken
}

impl Pair {
    fn new() -> Pair {
        let vfs = SimVfs::without_trace();
        let db = tiny().open_vfs(Arc::new(vfs.clone())).expect("an empty directory");
        Pair { vfs, db, model: BTreeMap::new(), snapshots: Vec::new() }
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Write(writes, sync) => {
                let durability = if *sync { Durability::Sync } else { Durability::Buffer };
                self.db.write_opt(&batch_of(writes), durability)?;
                for (key, value) in writes {
                    match value {
                        Some(value) => self.model.insert(key.clone(), value.clone()),
                        None => self.model.remove(key),
                    };
                }
            }
            Operation::Flush => self.db.flush()?,
            Operation::Compact => drop(self.db.compact_range(..)?),
            Operation::CompactRange(from, to) => drop(self.db.compact_range([*from]..=[*to])?),
            Operation::RunJob => {
                if let Some(job) = self.db.pending_jobs().first() {
                    self.db.run_job(*job)?;
                }
            }
            Operation::TakeSnapshot if self.snapshots.len() < 4 => {
                self.snapshots.push((self.db.snapshot()?, self.model.clone()));
            }
            Operation::TakeSnapshot => {}
            Operation::DropSnapshot(index) if *index < self.snapshots.len() => {
                self.snapshots.swap_remove(*index);
            }
            Operation::DropSnapshot(_) => {}
            Operation::CheckSnapshot(index) => {
                if let Some((snapshot, past)) = self.snapshots.get(*index) {
                    prop_assert_eq!(entries(snapshot.range(..))?, pairs(past.iter()));
                    prop_assert_eq!(entries(snapshot.range(..).rev())?, pairs(past.iter().rev()));
                }
            }
            Operation::Get(byte) => {
                for key in [vec![], vec![*byte], vec![*byte, 1], vec![*byte, 2, 3]] {
                    let found = self.db.get(&key)?.map(|value| value.to_vec());
                    prop_assert_eq!(found.as_ref(), self.model.get(&key), "key {:?}", key);
                }
            }
            Operation::Scan(from, to) => {
                let (from, to) = (vec![*from], vec![*to]);
                let found = self.db.range(from.clone()..to.clone());
                if from > to {
                    prop_assert!(entries(found).is_err(), "a reversed range is an error");
                } else {
                    let expected = pairs(self.model.range(from.clone()..to.clone()));
                    prop_assert_eq!(entries(found)?, expected);
                    let backward = entries(self.db.range(from.clone()..=to.clone()).rev())?;
                    prop_assert_eq!(backward, pairs(self.model.range(from..=to).rev()));
                }
            }
            Operation::BothEnds(ends) => {
                let range: Range = self.db.range(..);
                let found = entries(from_both_ends(range, ends).into_iter())?;
                prop_assert_eq!(found, pairs(from_both_ends(self.model.iter(), ends).into_iter()));
            }
            Operation::Prefix(byte) => {
                let expected = pairs(self.model.iter().filter(|(key, _)| key.first() == Some(byte)));
                prop_assert_eq!(entries(self.db.prefix([*byte]))?, expected);
            }
            Operation::Reopen => {
                self.snapshots.clear();
                self.db.close()?;
                self.db = tiny().open_vfs(Arc::new(self.vfs.clone()))?;
            }
        }
        Ok(())
    }

    fn check_all(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(entries(self.db.range(..))?, pairs(self.model.iter()));
        prop_assert_eq!(entries(self.db.range(..).rev())?, pairs(self.model.iter().rev()));
        for (key, value) in &self.model {
            let found = self.db.get(key)?.map(|found| found.to_vec());
            prop_assert_eq!(found.as_ref(), Some(value));
        }
        self.db.check_invariants()?;
        Ok(())
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000)
}

#[test]
fn the_engine_is_a_btreemap_that_outlives_its_process() {
    let cases = cases();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let (mut flushes, mut compactions) = (0, 0);
    let counted = std::cell::RefCell::new((&mut flushes, &mut compactions));
    runner
        .run(&proptest::collection::vec(operation(), 1..150), |operations| {
            let mut pair = Pair::new();
            for operation in &operations {
                pair.apply(operation)?;
            }
            pair.check_all()?;
            let stats = pair.db.stats();
            let mut counted = counted.borrow_mut();
            *counted.0 += stats.flushes;
            *counted.1 += stats.compactions + stats.moved_tables;
            Ok(())
        })
        .expect("the engine answers as the model does");
    println!("model: {cases} cases, {flushes} flushes, {compactions} compactions, 0 differences");
    assert!(flushes > u64::from(cases) && compactions > u64::from(cases) / 4, "the cases reach too little");
}
