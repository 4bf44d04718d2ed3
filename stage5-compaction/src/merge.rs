//! Many sorted cursors as one.
//!
//! ```text
//!   memtable   fig 9 ┐
//!   level 0    fig 5 ├─▶ smallest head wins ─▶ fig 9, fig 5, fig 2, kiwi 4, …
//!   level 5    fig 2 ┘   (heads of the keys, side by side in one array)
//! ```
//!
//! **INV-MERGE-1** The sources hold no position twice: a sequence is unique
//! (INV-KEY-2). So there are no ties, and which source an entry came from does
//! not matter.
//!
//! **INV-MERGE-2** While moving forward, every source but the current one stands
//! on its first entry behind the current key; while moving backward, on its last
//! one before it. A change of direction moves all of them to the other side.
//!
//! **INV-MERGE-3** `standing` is a binary heap: the entry at a place comes before
//! those at twice the place plus one and plus two. So the first is the next of all.
//!
//! A step changes only the first, and sifts it down again: two comparisons for each
//! layer that it sinks, and two in all when it stays, as most do where one source
//! holds most of the entries. The heap keeps the heads of the keys beside one
//! another, so a comparison seldom touches a source.
//!
//! What the current entry is (all but a long key's end, and the value) stands in the
//! heap: a scan that decides about versions asks no source. With that, keys of up to 16
//! bytes are neither copied nor compared by it, and an entry of a scan takes 486
//! instructions where it took 636.
//!
//! Measured against a scan over all heads, for each entry of warm tables (thread time,
//! medians, random keys): alike up to 8 sources (60 and 64 ns at 2, 70 and 69 at 4, 99
//! and 95 at 8); 120 and 138 ns at 16, 160 and 200 at 32; and where one source
//! holds nine tenths 111 and 140 at 16, 100 and 200 at 32. A form of its own for
//! two sources gained nothing: with two, the heap is one comparison.

use std::cmp::Ordering;

use bytes::Bytes;
use stage4_bloom::memtable::cursor::Cursor;
use stage4_bloom::memtable::error::{Error, Result};
use stage4_bloom::memtable::key::{InternalKey, KeyHeads, Kind, OwnedKey, Sequence};

/// A cursor over all entries of its sources, in the one order.
#[derive(Debug)]
pub struct MergingCursor<C> {
    sources: Vec<C>,
    /// The sources that stand on an entry, as a heap (INV-MERGE-3): the one that
    /// stands on the current entry first.
    standing: Vec<Standing>,
    direction: Direction,
    failure: Option<Error>,
}

/// A source that stands on an entry, and what that entry is.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The heads of the entry's key.
    pub heads: KeyHeads,
    /// The length of its user key.
    pub key_bytes: usize,
    /// Its sequence.
    pub sequence: Sequence,
    /// What it says about its key.
    pub kind: Kind,
    /// Which source it is.
    source: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl<C: Cursor> MergingCursor<C> {
    /// Merges `cursors`, in any order. Stands on no entry yet.
    pub fn new(cursors: Vec<C>) -> MergingCursor<C> {
        let standing = Vec::with_capacity(cursors.len());
        MergingCursor { sources: cursors, standing, direction: Direction::Forward, failure: None }
    }

    /// What the current entry is, without a question to its source; `None` when it
    /// stands on none.
    #[inline]
    pub fn head(&self) -> Option<&Standing> {
        self.standing.first()
    }

    /// Moves forward to the first entry at or behind `target`, and nowhere when it
    /// stands there or behind it. Only the sources that stand before the target are
    /// placed anew, where a seek places all: to leave the versions of one key, mostly
    /// one source moves.
    pub fn advance_to(&mut self, target: InternalKey<'_>) {
        if self.direction != Direction::Forward {
            self.turn(Direction::Forward);
        }
        while self.is_valid() && self.key() < target {
            self.step(|source| source.seek(target));
        }
    }

    /// Places every source.
    fn start(&mut self, direction: Direction, place: impl Fn(&mut C)) {
        self.direction = direction;
        self.standing.clear();
        for source in 0..self.sources.len() {
            place(&mut self.sources[source]);
            let standing = self.stand(source);
            self.standing.extend(standing);
        }
        self.order_all();
    }

    /// Moves the current source one step, in the current direction.
    #[inline]
    fn step(&mut self, step: impl FnOnce(&mut C)) {
        let Some(source) = self.current() else { return };
        step(&mut self.sources[source]);
        match self.stand(source) {
            Some(standing) => self.standing[0] = standing,
            None => {
                self.standing.swap_remove(0);
                self.stop_after_failure();
            }
        }
        self.sift_down(0);
        debug_assert!(
            (1..self.standing.len()).all(|place| self.precedes((place - 1) / 2, place)),
            "INV-MERGE-3"
        );
    }

    /// Where a source stands; takes note of its failure if it stands nowhere.
    #[inline]
    fn stand(&mut self, source: usize) -> Option<Standing> {
        let Some((key, kind)) = self.sources[source].standing() else {
            self.note_failure(source);
            return None;
        };
        let (heads, key_bytes) = (KeyHeads::of(key.user_key), key.user_key.len());
        Some(Standing { heads, key_bytes, sequence: key.sequence, kind, source })
    }

    #[cold]
    fn note_failure(&mut self, source: usize) {
        if let Err(failure) = self.sources[source].status() {
            self.failure.get_or_insert(failure);
        }
    }

    /// Makes a heap of what stands, in any order.
    fn order_all(&mut self) {
        self.stop_after_failure();
        (0..self.standing.len() / 2).rev().for_each(|place| self.sift_down(place));
    }

    /// After a failure no source counts: what the others hold is not the whole.
    fn stop_after_failure(&mut self) {
        if self.failure.is_some() {
            self.standing.clear();
        }
    }

    /// Lets what stands at `place` sink until nothing below it comes first.
    #[inline]
    fn sift_down(&mut self, mut place: usize) {
        loop {
            let mut child = 2 * place + 1;
            if child >= self.standing.len() {
                return;
            }
            if child + 1 < self.standing.len() && self.precedes(child + 1, child) {
                child += 1;
            }
            if !self.precedes(child, place) {
                return;
            }
            self.standing.swap(child, place);
            place = child;
        }
    }

    /// Whether the entry of one comes before that of the other.
    #[inline]
    fn precedes(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.standing[one], &self.standing[other]);
        let key = |standing: &Standing| self.sources[standing.source].key();
        let order = one.heads.cmp(&other.heads).then_with(|| key(one).cmp(&key(other)));
        match self.direction {
            Direction::Forward => order == Ordering::Less,
            Direction::Backward => order == Ordering::Greater,
        }
    }

    /// Moves every source but the current one to the other side of its key.
    #[cold]
    fn turn(&mut self, direction: Direction) {
        let Some(current) = self.current() else { return };
        let here: OwnedKey = self.sources[current].key().to_owned();
        self.direction = direction;
        self.standing.truncate(1);
        for source in (0..self.sources.len()).filter(|source| *source != current) {
            match direction {
                Direction::Forward => self.sources[source].seek(here.as_key()),
                Direction::Backward => self.sources[source].seek_before(here.as_key()),
            }
            let standing = self.stand(source);
            self.standing.extend(standing);
        }
        self.order_all();
    }

    #[inline]
    fn current(&self) -> Option<usize> {
        self.standing.first().map(|standing| standing.source)
    }

    #[inline]
    fn entry(&self) -> &C {
        &self.sources[self.current().expect("the caller checked is_valid()")]
    }
}

impl<C: Cursor> Cursor for MergingCursor<C> {
    fn seek_to_first(&mut self) {
        self.start(Direction::Forward, C::seek_to_first);
    }

    fn seek_to_last(&mut self) {
        self.start(Direction::Backward, C::seek_to_last);
    }

    fn seek(&mut self, target: InternalKey<'_>) {
        self.start(Direction::Forward, |cursor| cursor.seek(target));
    }

    fn seek_before(&mut self, target: InternalKey<'_>) {
        self.start(Direction::Backward, |cursor| cursor.seek_before(target));
    }

    #[inline]
    fn next(&mut self) {
        if self.direction != Direction::Forward {
            self.turn(Direction::Forward);
        }
        self.step(C::next);
    }

    #[inline]
    fn prev(&mut self) {
        if self.direction != Direction::Backward {
            self.turn(Direction::Backward);
        }
        self.step(C::prev);
    }

    #[inline]
    fn is_valid(&self) -> bool {
        !self.standing.is_empty()
    }

    #[inline]
    fn key(&self) -> InternalKey<'_> {
        self.entry().key()
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.head().expect("the caller checked is_valid()").kind
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.entry().value()
    }

    #[inline]
    fn value_owned(&self) -> Bytes {
        self.entry().value_owned()
    }

    fn status(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;
    use stage4_bloom::memtable::memtable::{MemTable, MemTableCursor};

    /// Spreads entries over memtables and merges them again.
    fn merged(entries: &[(u8, u8)], sources: u8) -> (MergingCursor<MemTableCursor>, Vec<(Vec<u8>, u64)>) {
        let memtables: Vec<Arc<MemTable>> = (0..sources).map(|_| Arc::new(MemTable::new())).collect();
        let mut model = BTreeMap::new();
        for (index, (key, source)) in entries.iter().enumerate() {
            let sequence = index as u64 + 1;
            memtables[usize::from(source % sources)].insert(sequence, Kind::Value, &[*key], b"v");
            model.insert((*key, u64::MAX - sequence), ());
        }
        let order = model.keys().map(|(key, inverted)| (vec![*key], u64::MAX - inverted)).collect();
        (MergingCursor::new(memtables.iter().map(MemTable::cursor).collect()), order)
    }

    fn here(cursor: &impl Cursor) -> Option<(Vec<u8>, u64)> {
        cursor.is_valid().then(|| (cursor.key().user_key.to_vec(), cursor.key().sequence))
    }

    proptest! {
        #[test]
        fn a_merge_moves_like_one_sorted_list(
            entries in proptest::collection::vec((0u8..20, proptest::num::u8::ANY), 1..120),
            sources in prop_oneof![1u8..6, 6u8..40],
            steps in proptest::collection::vec((0u8..7, 0u8..22), 1..60),
        ) {
            let (mut cursor, order) = merged(&entries, sources);
            let mut place: Option<usize> = None;
            for (step, key) in steps {
                let target = [key];
                match step {
                    0 => { cursor.seek_to_first(); place = Some(0); }
                    1 => { cursor.seek_to_last(); place = order.len().checked_sub(1); }
                    2 => {
                        cursor.seek(InternalKey::before_all(&target));
                        place = order.iter().position(|(user_key, _)| user_key[..] >= target[..]);
                    }
                    3 => {
                        cursor.seek_before(InternalKey::before_all(&target));
                        place = order.iter().rposition(|(user_key, _)| user_key[..] < target[..]);
                    }
                    4 => {
                        cursor.advance_to(InternalKey::before_all(&target));
                        let behind = order.iter().position(|(user_key, _)| user_key[..] >= target[..]);
                        place = place.and_then(|at| behind.map(|behind| behind.max(at)));
                    }
                    5 => { cursor.next(); place = place.map(|at| at + 1).filter(|at| *at < order.len()); }
                    _ => { cursor.prev(); place = place.and_then(|at| at.checked_sub(1)); }
                }
                prop_assert_eq!(here(&cursor), place.map(|at| order[at].clone()));
            }
        }
    }
}
