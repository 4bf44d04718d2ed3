//! A run: what logs hold, in the one order, where it lies.
//!
//! ```text
//!   logs, as read   │ kiwi 1 │ fig 2 │ lemon 3 │ fig 4 │
//!                        ▲       ▲        ▲        ▲
//!   run             fig 4 ───────┼────────┼────────┘
//!                   fig 2 ───────┘        │
//!                   kiwi 1    lemon 3 ────┘
//! ```
//!
//! **INV-RUN-1** A run copies no key and no value: it borrows the logs in memory. What it
//! takes beside them is 64 bytes an entry.
//!
//! **INV-RUN-2** Sorted, it holds every entry that was added, in the one order.
//!
//! A table asks for sorted entries, and for nothing else that a memtable gives. A log whose
//! keys ascend is in order as it is, and its sort is one look at each entry.
//!
//! ```text
//!   added         fig 2   kiwi 1   lemon 3   fig 4   apple 5   plum 6
//!   parted        fig 2   fig 4   apple 5 │ kiwi 1   lemon 3   plum 6
//!   sorted, each  apple 5  fig 4   fig 2  │ kiwi 1   lemon 3   plum 6
//! ```
//!
//! A large run is parted *before* it is sorted, by the middle of some of its keys. So two
//! threads sort and write a half each from the beginning to the end, and neither waits for
//! the other.
//!
//! Whoever walks along a run goes to and fro in the logs, and would wait for each entry
//! until memory has brought it. So a cursor touches some entries ahead together, and waits
//! once for all of them.

use std::hint::black_box;

use bytes::Bytes;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::Result;
use stage5_compaction::memtable::key::{InternalKey, KeyHeads, Kind};
use stage5_compaction::wal::batch::Entry;

/// How many entries are touched together: about as many as a processor asks memory for
/// at the same time.
const TOUCHED_TOGETHER: usize = 16;

/// The logs of small entries hold one for so many bytes. Room for them is asked for at once,
/// because to grow is to copy; room that nobody uses is never given by the system.
const SMALL_ENTRY_BYTES: u64 = 64;

/// A run of so many bytes of keys and values is worth the work of two threads.
const LARGE_BYTES: usize = 16 << 20;

/// Of so many entries the middle one is taken for that of all.
const SAMPLE: usize = 1000;

/// Entries of logs, as they were added until they are sorted.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    entries: Vec<Placed<'a>>,
    /// What their keys and values take in the logs.
    bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Placed<'a> {
    heads: KeyHeads,
    entry: Entry<'a>,
}

impl<'a> Placed<'a> {
    fn key(&self) -> InternalKey<'a> {
        InternalKey::new(self.entry.key, self.entry.sequence)
    }

    /// The heads tell nearly all keys apart.
    fn user_key(&self) -> (KeyHeads, &'a [u8]) {
        (self.heads, self.entry.key)
    }
}

/// Brings `entries` into the one order.
fn sort(entries: &mut [Placed<'_>]) {
    entries
        .sort_unstable_by(|one, other| one.heads.cmp(&other.heads).then_with(|| one.key().cmp(&other.key())));
}

impl<'a> Run<'a> {
    /// A run without an entry, for logs of `log_bytes`.
    pub(crate) fn for_bytes(log_bytes: u64) -> Run<'a> {
        Run { entries: Vec::with_capacity((log_bytes / SMALL_ENTRY_BYTES) as usize), bytes: 0 }
    }

    /// Adds `entries`, in any order.
    pub(crate) fn add(&mut self, entries: impl Iterator<Item = Entry<'a>>) {
        let bytes = &mut self.bytes;
        self.entries.extend(entries.map(|entry| {
            *bytes += entry.key.len() + entry.value.len();
            Placed { heads: KeyHeads::of(entry.key), entry }
        }));
    }

    /// Whether it holds no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it is worth the work of two threads.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes >= LARGE_BYTES
    }

    /// Brings its entries into the one order.
    pub(crate) fn sort(&mut self) {
        sort(&mut self.entries);
    }

    /// The entries as they stand.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().map(|placed| &placed.entry)
    }

    /// A cursor over it, once it is sorted; stands on no entry yet.
    pub(crate) fn cursor(&self) -> RunCursor<'_> {
        RunCursor::over(&self.entries)
    }

    /// Parts it between two user keys, so that what hides another entry is found beside it.
    /// Each part has about half of the entries; how far from a half, is a matter of luck.
    pub(crate) fn halves(&mut self) -> [Half<'_, 'a>; 2] {
        let begin = self.middle().map_or(0, |middle| self.part_before(middle.user_key()));
        let (lower, upper) = self.entries.split_at_mut(begin);
        [Half(lower), Half(upper)]
    }

    fn middle(&self) -> Option<Placed<'a>> {
        let step = (self.entries.len() / SAMPLE).max(1);
        let mut sample: Vec<_> = self.entries.iter().step_by(step).copied().collect();
        sort(&mut sample);
        sample.get(sample.len() / 2).copied()
    }

    /// Brings the entries of all keys before `middle` to the front, and returns how many they
    /// are. If all of them stand there, nothing moves: what was in order stays so.
    fn part_before(&mut self, middle: (KeyHeads, &[u8])) -> usize {
        let mut before = 0;
        for place in 0..self.entries.len() {
            if self.entries[place].user_key() < middle {
                self.entries.swap(before, place);
                before += 1;
            }
        }
        before
    }
}

/// About half of a run, not yet sorted.
#[derive(Debug)]
pub(crate) struct Half<'r, 'a>(&'r mut [Placed<'a>]);

impl<'r> Half<'r, '_> {
    /// Sorts it. A cursor over it stands on no entry yet.
    pub(crate) fn sorted(self) -> RunCursor<'r> {
        sort(self.0);
        RunCursor::over(self.0)
    }
}

/// A cursor over a sorted [`Run`].
#[derive(Debug)]
pub(crate) struct RunCursor<'a> {
    entries: &'a [Placed<'a>],
    /// Where it stands: behind the last, if on no entry.
    place: usize,
}

impl<'a> RunCursor<'a> {
    fn over(entries: &'a [Placed<'a>]) -> RunCursor<'a> {
        debug_assert!(entries.is_sorted_by_key(Placed::key), "INV-RUN-2");
        RunCursor { entries, place: entries.len() }
    }

    fn entry(&self) -> &'a Entry<'a> {
        &self.entries[self.place].entry
    }

    /// Has memory bring what the entries behind the next `TOUCHED_TOGETHER` refer to.
    fn touch_ahead(&self) {
        let ahead = self.entries.iter().skip(self.place + TOUCHED_TOGETHER).take(TOUCHED_TOGETHER);
        let touched = ahead.fold(0, |touched, Placed { entry, .. }| {
            touched ^ entry.key.first().unwrap_or(&0) ^ entry.value.last().unwrap_or(&0)
        });
        black_box(touched);
    }
}

impl Cursor for RunCursor<'_> {
    fn seek_to_first(&mut self) {
        self.place = 0;
    }

    fn seek_to_last(&mut self) {
        self.place = self.entries.len().saturating_sub(1);
    }

    fn seek(&mut self, target: InternalKey<'_>) {
        self.place = self.entries.partition_point(|placed| placed.key() < target);
    }

    #[inline]
    fn next(&mut self) {
        if self.place.is_multiple_of(TOUCHED_TOGETHER) {
            self.touch_ahead();
        }
        self.place = self.entries.len().min(self.place + 1);
    }

    fn prev(&mut self) {
        if self.is_valid() {
            self.place = self.place.checked_sub(1).unwrap_or(self.entries.len());
        }
    }

    #[inline]
    fn is_valid(&self) -> bool {
        self.place < self.entries.len()
    }

    #[inline]
    fn key(&self) -> InternalKey<'_> {
        self.entries[self.place].key()
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.entry().kind
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.entry().value
    }

    fn value_owned(&self) -> Bytes {
        Bytes::copy_from_slice(self.value())
    }

    fn status(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use stage5_compaction::memtable::memtable::MemTable;

    use super::*;

    fn here(cursor: &impl Cursor) -> Option<(Vec<u8>, u64, Kind, Vec<u8>)> {
        let InternalKey { user_key, sequence } = cursor.is_valid().then(|| cursor.key())?;
        Some((user_key.to_vec(), sequence, cursor.kind(), cursor.value().to_vec()))
    }

    /// Short and long, many alike, and alike in their first bytes.
    fn keys() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(0u8..3, 0..4),
            proptest::collection::vec(0u8..2, 15..19).prop_map(|tail| [&[7; 13], &tail[13..]].concat()),
        ]
    }

    fn all(cursor: &mut RunCursor<'_>) -> Vec<(Vec<u8>, u64, Kind, Vec<u8>)> {
        cursor.seek_to_first();
        std::iter::from_fn(|| here(cursor).inspect(|_| cursor.next())).collect()
    }

    #[test]
    fn an_entry_of_a_run_takes_64_bytes_and_lies_where_the_log_has_it() {
        assert_eq!(size_of::<Placed<'_>>(), 64);
        let log = b"kiwi is green, and so is fig".to_vec();
        let mut run = Run::for_bytes(0);
        run.add([Entry { sequence: 1, kind: Kind::Value, key: &log[..4], value: &log[8..13] }].into_iter());
        run.sort();
        let entry = run.entries().next().unwrap();
        assert_eq!((entry.key.as_ptr(), entry.value.as_ptr()), (log.as_ptr(), log[8..].as_ptr()));
    }

    #[test]
    fn a_run_that_is_in_order_is_parted_where_it_stands_into_equal_halves() {
        let keys: Vec<[u8; 4]> = (0..5_000u32).map(u32::to_be_bytes).collect();
        let mut run = Run::for_bytes(0);
        let entry = |(key, sequence)| Entry { sequence, kind: Kind::Value, key, value: b"" };
        run.add(keys.iter().map(|key| &key[..]).zip(1..).map(entry));
        assert_eq!(run.halves().map(|half| half.0.len()), [2_500; 2]);
        assert!(run.entries().is_sorted_by_key(|entry| entry.key));
    }

    proptest! {
        #[test]
        fn halves_hold_all_entries_and_share_no_user_key(
            written in proptest::collection::vec(keys(), 0..60),
        ) {
            let mut run = Run::for_bytes(0);
            let entry = |(key, sequence)| Entry { sequence, kind: Kind::Value, key, value: b"" };
            run.add(written.iter().map(Vec::as_slice).zip(1..).map(entry));
            let [lower, upper] = run.halves().map(|half| all(&mut half.sorted()));
            if let (Some(last), Some(first)) = (lower.last(), upper.first()) {
                prop_assert!(last.0 < first.0);
            }
            run.sort();
            prop_assert_eq!([lower, upper].concat(), all(&mut run.cursor()));
        }

        #[test]
        fn a_run_moves_like_a_memtable_of_the_same_entries(
            written in proptest::collection::vec((keys(), proptest::bool::ANY), 0..120),
            steps in proptest::collection::vec((0u8..6, keys(), 1u64..120), 1..60),
        ) {
            let memtable = Arc::new(MemTable::new());
            let mut run = Run::for_bytes(0);
            for ((key, is_put), sequence) in written.iter().zip(1..) {
                let kind = if *is_put { Kind::Value } else { Kind::Deletion };
                let value = if *is_put { &key[..key.len() / 2] } else { b"" };
                memtable.insert(sequence, kind, key, value);
                run.add([Entry { sequence, kind, key, value }].into_iter());
            }
            run.sort();
            let (mut one, mut other) = (run.cursor(), memtable.cursor());
            prop_assert_eq!(here(&one), None);
            for (step, key, sequence) in steps {
                let target = InternalKey::new(&key, sequence);
                match step {
                    0 => { one.seek_to_first(); other.seek_to_first(); }
                    1 => { one.seek_to_last(); other.seek_to_last(); }
                    2 => { one.seek(target); other.seek(target); }
                    3 => { one.seek_before(target); other.seek_before(target); }
                    4 => { one.next(); other.next(); }
                    _ => { one.prev(); other.prev(); }
                }
                prop_assert_eq!(here(&one), here(&other));
            }
        }
    }
}
