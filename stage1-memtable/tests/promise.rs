//! The promise of this stage: a memtable equals a `BTreeMap` at every sequence,
//! and a cursor over it moves like one over a sorted list.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{InternalKey, Kind, MAX_SEQUENCE, Sequence};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

type Key = Vec<u8>;

/// What was written, in order; the first write has sequence 1. `None` deletes.
type History = Vec<(Key, Option<Vec<u8>>)>;

/// Keys that are easy to take for one another: the empty one, those that differ
/// only in zeros behind them, and those that differ only behind their heads.
fn key() -> impl Strategy<Value = Key> {
    let few = || vec(select(&[0u8, 1, b'a', 0xff][..]), 0..3);
    let shared = select(vec![vec![0; 15], vec![0; 16], b"a_prefix_of_16_b".to_vec(), vec![0xff; 24]]);
    prop_oneof![
        1 => Just(Vec::new()),
        3 => few(),
        4 => (shared, few()).prop_map(|(shared, rest)| [shared, rest].concat()),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let value = prop_oneof![2 => Just(Some(Vec::new())), 5 => vec(any::<u8>(), 1..20).prop_map(Some), 3 => Just(None)];
    vec((key(), value), 0..60)
}

fn memtable_of(history: &History) -> Arc<MemTable> {
    memtable_of_writes(history.iter().zip(1..))
}

/// With a sieve and a shortcut so small that keys share their places.
fn memtable_of_writes<'a>(
    writes: impl Iterator<Item = (&'a (Key, Option<Vec<u8>>), Sequence)>,
) -> Arc<MemTable> {
    let memtable = Arc::new(MemTable::for_bytes(2_000));
    for ((key, value), sequence) in writes {
        let kind = if value.is_some() { Kind::Value } else { Kind::Deletion };
        memtable.insert(sequence, kind, key, value.as_deref().unwrap_or_default());
    }
    memtable
}

fn expected(write: Option<&(Sequence, Option<Vec<u8>>)>) -> Answer {
    match write {
        None => Answer::Absent,
        Some((sequence, None)) => Answer::Deleted { sequence: *sequence },
        Some((sequence, Some(value))) => Answer::Value { value: value.clone().into(), sequence: *sequence },
    }
}

/// Every position of the memtable, in the one order, by a plain sort.
fn sorted(history: &History) -> Vec<(Key, Sequence)> {
    let mut order: Vec<(Key, Sequence)> = history.iter().map(|(key, _)| key.clone()).zip(1..).collect();
    order.sort_by(|(a, newer), (b, older)| a.cmp(b).then(older.cmp(newer)));
    order
}

fn here(cursor: &impl Cursor) -> Option<(Key, Sequence)> {
    cursor.is_valid().then(|| (cursor.key().user_key.to_vec(), cursor.key().sequence))
}

#[derive(Debug, Clone)]
enum Move {
    First,
    Last,
    Seek(Key, Sequence),
    SeekBefore(Key, Sequence),
    Next,
    Prev,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let target = || (key(), prop_oneof![0u64..62, Just(MAX_SEQUENCE)]);
    let step = prop_oneof![
        1 => Just(Move::First),
        1 => Just(Move::Last),
        3 => target().prop_map(|(key, sequence)| Move::Seek(key, sequence)),
        3 => target().prop_map(|(key, sequence)| Move::SeekBefore(key, sequence)),
        5 => Just(Move::Next),
        5 => Just(Move::Prev),
    ];
    vec(step, 1..60)
}

proptest! {
    #[test]
    fn a_memtable_equals_a_btreemap_at_every_sequence(history in history(), strangers in vec(key(), 0..4)) {
        let memtable = memtable_of(&history);
        let mut keys: Vec<&Key> = history.iter().map(|(key, _)| key).chain(&strangers).collect();
        keys.sort();
        keys.dedup();

        let mut model: BTreeMap<&Key, (Sequence, Option<Vec<u8>>)> = BTreeMap::new();
        for sequence in 0..=history.len() as Sequence + 1 {
            if let Some((key, value)) = sequence.checked_sub(1).and_then(|at| history.get(at as usize)) {
                model.insert(key, (sequence, value.clone()));
            }
            for key in &keys {
                let answer = memtable.lookup(&LookupKey::new(key, sequence), &mut ())?;
                prop_assert_eq!(answer, expected(model.get(*key)), "{:?} at {}", key, sequence);
            }
        }
    }

    #[test]
    fn the_order_of_inserts_is_not_seen(history in history(), share in 0.0f64..=1.0) {
        let in_order = memtable_of(&history);
        let mut writes: Vec<_> = history.iter().zip(1..).collect();
        writes.rotate_left((share * history.len() as f64) as usize);
        let rotated = memtable_of_writes(writes.iter().copied());
        let reversed = memtable_of_writes(writes.iter().rev().copied());
        for (key, _) in &history {
            for sequence in 0..=history.len() as Sequence {
                let asked = |memtable: &Arc<MemTable>| {
                    memtable.lookup(&LookupKey::new(key, sequence), &mut ()).expect("a memtable never fails")
                };
                prop_assert_eq!(asked(&rotated), asked(&in_order));
                prop_assert_eq!(asked(&reversed), asked(&in_order));
            }
        }
    }

    #[test]
    fn a_scan_at_any_sequence_lists_the_map_as_it_was(history in history(), share in 0.0f64..=1.0) {
        let sequence = (share * history.len() as f64) as Sequence;
        let mut model = BTreeMap::new();
        for (key, value) in &history[..sequence as usize] {
            model.insert(key.clone(), value.clone());
        }
        model.retain(|_, value| value.is_some());

        let mut seen = BTreeMap::new();
        let mut last_key: Option<Key> = None;
        let mut cursor = memtable_of(&history).cursor();
        cursor.seek_to_first();
        while cursor.is_valid() {
            let key = cursor.key();
            if key.sequence <= sequence && last_key.as_deref() != Some(key.user_key) {
                last_key = Some(key.user_key.to_vec());
                if cursor.kind() == Kind::Value {
                    seen.insert(key.user_key.to_vec(), Some(cursor.value_owned().to_vec()));
                }
            }
            cursor.next();
        }
        prop_assert_eq!(seen, model);
    }

    #[test]
    fn a_cursor_moves_like_one_over_a_sorted_list(history in history(), moves in moves()) {
        let order = sorted(&history);
        let at_or_behind = |key: &Key, sequence: Sequence| {
            let target = InternalKey::new(key, sequence);
            order.partition_point(|(key, sequence)| InternalKey::new(key, *sequence) < target)
        };
        let mut cursor = memtable_of(&history).cursor();
        let mut place: Option<usize> = None;
        for step in moves {
            match &step {
                Move::First => { cursor.seek_to_first(); place = Some(0); }
                Move::Last => { cursor.seek_to_last(); place = order.len().checked_sub(1); }
                Move::Seek(key, sequence) => {
                    cursor.seek(InternalKey::new(key, *sequence));
                    place = Some(at_or_behind(key, *sequence));
                }
                Move::SeekBefore(key, sequence) => {
                    cursor.seek_before(InternalKey::new(key, *sequence));
                    place = at_or_behind(key, *sequence).checked_sub(1);
                }
                Move::Next => { cursor.next(); place = place.map(|at| at + 1); }
                Move::Prev => { cursor.prev(); place = place.and_then(|at| at.checked_sub(1)); }
            }
            place = place.filter(|at| *at < order.len());
            prop_assert_eq!(here(&cursor), place.map(|at| order[at].clone()), "after {:?}", step);
        }
    }

    #[test]
    fn sizes_grow_with_every_entry_and_nothing_is_merged(history in history()) {
        let memtable = memtable_of(&history);
        let bytes: usize = history.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        prop_assert_eq!(memtable.len(), history.len());
        prop_assert_eq!(memtable.is_empty(), history.is_empty());
        prop_assert_eq!(memtable.last_sequence(), history.len() as Sequence);
        prop_assert!(memtable.size_bytes() >= bytes + 64 * history.len());
    }
}

/// INV-CURSOR-2, at both ends.
#[test]
fn only_a_seek_brings_a_cursor_back_from_behind_an_end() {
    let memtable = memtable_of(&vec![(b"fig".to_vec(), None)]);
    let mut cursor = memtable.cursor();
    for (go_to_end, leave) in [
        (Cursor::seek_to_last as fn(&mut _), Cursor::next as fn(&mut _)),
        (Cursor::seek_to_first as fn(&mut _), Cursor::prev as fn(&mut _)),
    ] {
        go_to_end(&mut cursor);
        assert!(cursor.is_valid());
        leave(&mut cursor);
        assert!(!cursor.is_valid());
        cursor.next();
        cursor.prev();
        assert!(!cursor.is_valid(), "only a seek may bring it back");
        assert!(cursor.status().is_ok());
    }
}

#[test]
fn a_cursor_keeps_its_memtable_alive() {
    let memtable = memtable_of(&vec![(b"fig".to_vec(), Some(b"green".to_vec()))]);
    let mut cursor = memtable.cursor();
    drop(memtable);
    cursor.seek_to_first();
    let value = cursor.value_owned();
    drop(cursor);
    assert_eq!(value, "green", "and a value outlives even the cursor");
}
