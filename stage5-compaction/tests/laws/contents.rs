//! The promise of this stage: contents are unchanged by any compaction.
//!
//! Random writes are flushed and compacted until the tree has settled, while
//! snapshots come and go. After every step each key reads the same at every
//! protected sequence as in a map of all versions, by lookup and by scan, both
//! ways; and the tree keeps its invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use stage5_compaction::compaction::{self, DropRule, Full, Leveled, Never, Tiered, merge_into_tables};
use stage5_compaction::file::LEVELS;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::key::{InternalKey, Kind, Sequence};
use stage5_compaction::memtable::lookup::{Answer, Lookup, LookupKey};
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::merge::MergingCursor;
use stage5_compaction::version::Version;

use crate::workshop::Workshop;

const KEYS: u8 = 48;

/// What a reader gets: by key, the sequence that wrote its value.
type Contents = BTreeMap<Vec<u8>, Sequence>;

/// Every strategy, so small that a few hundred entries stand on several levels.
fn strategies() -> [Box<dyn compaction::Strategy>; 4] {
    [
        Box::new(Never),
        Box::new(Full { level0_files: 2, target_file_bytes: 500 }),
        Box::new(Tiered {
            runs: 4,
            size_ratio_percent: 10,
            space_amplification_percent: 300,
            target_file_bytes: 500,
        }),
        Box::new(Leveled { level0_files: 2, base_level_bytes: 900, size_ratio: 3, target_file_bytes: 500 }),
    ]
}

/// Compressible and not, short and long, by the sequence that wrote it.
fn value_of(sequence: Sequence) -> Vec<u8> {
    (0..sequence % 70).map(|index| (sequence.wrapping_mul(index * index + 1) >> (index % 5)) as u8).collect()
}

/// Some keys are prefixes of others, one is empty.
fn key_of(key: u8) -> Vec<u8> {
    if key == 0 {
        Vec::new()
    } else {
        format!("key {}{}", key / 4, "\0".repeat(usize::from(key % 4))).into_bytes()
    }
}

/// One memtable's worth of writes, and what becomes of snapshots behind it.
#[derive(Debug, Clone)]
struct Round {
    /// A key, and whether it is put.
    writes: Vec<(u8, bool)>,
    takes_snapshot: bool,
    releases: Option<prop::sample::Index>,
}

fn round() -> impl Strategy<Value = Round> {
    let write = (0..KEYS, prop::bool::weighted(0.75));
    let release = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (vec(write, 1..50), prop::bool::weighted(0.4), release)
        .prop_map(|(writes, takes_snapshot, releases)| Round { writes, takes_snapshot, releases })
}

/// The tree, beside a map that forgets nothing.
struct Tree {
    strategy: Box<dyn compaction::Strategy>,
    shop: Workshop,
    model: BTreeMap<(Vec<u8>, std::cmp::Reverse<Sequence>), bool>,
    snapshots: Vec<Sequence>,
    visible: Sequence,
    levels_seen: BTreeSet<usize>,
    compactions: usize,
    /// Entries that came to level 0, and those that compactions dropped.
    flushed: u64,
    dropped: u64,
}

impl Tree {
    fn new(strategy: Box<dyn compaction::Strategy>) -> Tree {
        Tree {
            strategy,
            shop: Workshop::new(),
            model: BTreeMap::new(),
            snapshots: Vec::new(),
            visible: 0,
            levels_seen: BTreeSet::new(),
            compactions: 0,
            flushed: 0,
            dropped: 0,
        }
    }

    fn play(&mut self, round: &Round) {
        self.write_and_flush(&round.writes);
        if round.takes_snapshot {
            self.snapshots.push(self.visible);
        }
        if let Some(index) = round.releases.filter(|_| !self.snapshots.is_empty()) {
            self.snapshots.swap_remove(index.index(self.snapshots.len()));
        }
        self.settle();
    }

    fn write_and_flush(&mut self, writes: &[(u8, bool)]) {
        let memtable = Arc::new(MemTable::new());
        for (key, is_put) in writes {
            self.visible += 1;
            let kind = if *is_put { Kind::Value } else { Kind::Deletion };
            let value = if *is_put { value_of(self.visible) } else { Vec::new() };
            memtable.insert(self.visible, kind, &key_of(*key), &value);
            self.model.insert((key_of(*key), std::cmp::Reverse(self.visible)), *is_put);
        }
        let before = entries(self.shop.set.version());
        self.shop.flush(&memtable, &self.snapshots, self.visible);
        self.flushed += entries(self.shop.set.version()) - before;
        self.check();
    }

    /// Compacts until nothing is due, and checks after every step.
    fn settle(&mut self) {
        for steps in 0.. {
            assert!(steps < 1_000, "it does not settle");
            let before = entries(self.shop.set.version());
            let rule = DropRule::new(&self.snapshots, self.visible);
            let Some((plan, outcome)) = self.shop.compact(&*self.strategy, rule) else { break };
            let work = outcome.work;
            self.shop.install(outcome);
            let after = entries(self.shop.set.version());
            assert_eq!(before - after, work.entries_hidden + work.deletions_spent, "{}", plan.reason);
            self.compactions += 1;
            self.dropped += before - after;
            drop(plan);
            self.shop.sweep();
            self.check();
        }
        assert_eq!(self.strategy.debt_bytes(self.shop.set.version()), 0, "settled, and nothing is owed");
    }

    /// So many memtables, of which every eighth is kept readable by a snapshot.
    fn play_history(&mut self, rounds: usize) {
        let mut state = self.visible + 1;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for number in 0..rounds {
            let writes = (0..40).map(|_| (draw(u64::from(KEYS)) as u8, draw(10) < 8)).collect();
            self.play(&Round { writes, takes_snapshot: number % 8 == 3, releases: None });
        }
    }

    /// One merge of all there is into the last level.
    fn merge_everything(&mut self) {
        let version = self.shop.version();
        let cursors = version.cursors().expect("every table is sound");
        let rule = DropRule::new(&self.snapshots, self.visible);
        let factory = &self.shop.factory;
        let mut outcome =
            merge_into_tables(cursors, &version, LEVELS - 1, 500, rule, factory).expect("sound");
        outcome.edit.removed = version.files().map(|(level, file)| (level, file.meta().number)).collect();
        self.shop.install(outcome);
        drop(version);
        self.shop.sweep();
        self.check();
    }

    fn check(&mut self) {
        let version = self.shop.version();
        version.check_invariants().expect("every version keeps the laws");
        self.levels_seen.extend(version.files().map(|(level, _)| level));
        assert_eq!(self.shop.tables_on_disk().len(), version.files().count(), "no table more, none less");
        for sequence in self.snapshots.iter().copied().chain([self.visible]) {
            let expected = self.contents(sequence);
            assert_eq!(looked_up(&version, sequence), expected, "lookups at {sequence}");
            assert_eq!(scanned(&version, sequence), expected, "a scan at {sequence}");
        }
        assert_backward_is_forward_reversed(&version);
    }

    /// What a reader at `sequence` must see.
    fn contents(&self, sequence: Sequence) -> Contents {
        let mut newest: BTreeMap<&[u8], (Sequence, bool)> = BTreeMap::new();
        for ((key, written), is_put) in &self.model {
            if written.0 <= sequence {
                newest.entry(key).or_insert((written.0, *is_put));
            }
        }
        let live = newest.into_iter().filter(|(_, (_, is_put))| *is_put);
        live.map(|(key, (sequence, _))| (key.to_vec(), sequence)).collect()
    }
}

fn entries(version: &Version) -> u64 {
    version.files().map(|(_, file)| file.meta().entries).sum()
}

fn looked_up(version: &Version, at: Sequence) -> Contents {
    let mut contents = Contents::new();
    for key in (0..KEYS).map(key_of) {
        let answer = version.lookup(&LookupKey::new(&key, at), &mut ()).expect("every table is sound");
        if let Answer::Value { value, sequence } = answer {
            assert_eq!(value, value_of(sequence));
            contents.insert(key, sequence);
        }
    }
    contents
}

/// Of each key the newest entry at or below `at`, unless it is a deletion.
fn scanned(version: &Version, at: Sequence) -> Contents {
    let mut contents = Contents::new();
    let mut answered: Option<Vec<u8>> = None;
    let mut cursor = MergingCursor::new(version.cursors().expect("every table is sound"));
    cursor.seek_to_first();
    while cursor.is_valid() {
        let InternalKey { user_key, sequence } = cursor.key();
        if sequence <= at && answered.as_deref() != Some(user_key) {
            answered = Some(user_key.to_vec());
            if cursor.kind() == Kind::Value {
                assert_eq!(cursor.value(), value_of(sequence));
                contents.insert(user_key.to_vec(), sequence);
            }
        }
        cursor.next();
    }
    cursor.status().expect("every table is sound");
    contents
}

fn assert_backward_is_forward_reversed(version: &Version) {
    let walk = |start: fn(&mut MergingCursor<_>), step: fn(&mut MergingCursor<_>)| {
        let mut cursor = MergingCursor::new(version.cursors().expect("every table is sound"));
        let mut seen = Vec::new();
        start(&mut cursor);
        while cursor.is_valid() {
            seen.push(cursor.key().to_owned());
            step(&mut cursor);
        }
        seen
    };
    let forward = walk(Cursor::seek_to_first, Cursor::next);
    let mut backward = walk(Cursor::seek_to_last, Cursor::prev);
    backward.reverse();
    assert_eq!(forward, backward);
    assert!(forward.is_sorted());
}

/// As many cases as the warm test has time for; more by `PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 40, ..config } }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn contents_are_unchanged_by_any_compaction(rounds in vec(round(), 1..14)) {
        for strategy in strategies() {
            let mut tree = Tree::new(strategy);
            rounds.iter().for_each(|round| tree.play(round));
        }
    }
}

/// The same with a history that is long enough for several levels.
#[test]
fn a_long_history_settles_on_several_levels_and_forgets_what_it_may() {
    for (strategy, fewest_levels) in strategies().into_iter().zip([1, 2, 3, 3]) {
        let mut tree = Tree::new(strategy);
        tree.play_history(40);
        let kept = entries(&tree.shop.version());
        println!(
            "{:?}: {} writes, {} snapshots: {} compactions over levels {:?}, {} entries dropped, {kept} kept",
            tree.strategy,
            tree.model.len(),
            tree.snapshots.len(),
            tree.compactions,
            tree.levels_seen,
            tree.dropped
        );
        assert!(tree.levels_seen.len() >= fewest_levels, "{:?}", tree.levels_seen);
        assert_eq!(kept + tree.dropped, tree.flushed, "no entry is lost but by the rule");

        // With the snapshots gone, one merge of everything leaves one entry a key.
        tree.snapshots.clear();
        tree.merge_everything();
        assert_eq!(entries(&tree.shop.version()) as usize, tree.contents(tree.visible).len());
    }
}

/// The laws do not ask who chose: the strategies take turns on one tree.
#[test]
fn a_strategy_takes_over_what_another_one_left() {
    let mut tree = Tree::new(Box::new(Never));
    for _ in 0..2 {
        for strategy in strategies() {
            tree.strategy = strategy;
            tree.play_history(10);
        }
        tree.snapshots.clear();
    }
}
