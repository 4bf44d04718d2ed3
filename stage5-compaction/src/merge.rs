//! Many sorted cursors as one.
//!
//! ```text
//!   memtable   fig 9 ┐
//!   level 0    fig 5 ├─▶ the smallest wins ─▶ fig 9, fig 5, fig 2, kiwi 4, …
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
//! **INV-MERGE-4** `runner_up` is the place of the first of all others: one of the two
//! right below the first, and always the same one while the first stays first.
//!
//! A step changes only the first. One comparison, with the runner-up, says whether it
//! stays, as most do where one source holds most of the entries. If not, the two change
//! places; it sinks on from there, by two comparisons for each layer, and one more finds
//! the new runner-up. A heap that knew no runner-up would need as many where the first
//! sinks, and one more where it stays. The heap keeps the heads of the keys beside one
//! another, so a comparison seldom touches a source.
//!
//! What the current entry is (all but a long key's end, and the value) stands in the
//! heap: a scan that decides about versions asks no source. With that, keys of up to 16
//! bytes are neither copied nor compared by it. That, and the runner-up asked first,
//! brought an entry of a scan from 489 instructions to 355 over one source, and from
//! 607 to 421 over three.
//!
//! Measured without a runner-up, against a look at all sources, for each entry of warm
//! tables (thread time, medians, random keys): alike up to 8 sources (60 and 64 ns at
//! 2, 70 and 69 at 4, 99 and 95 at 8); 120 and 138 ns at 16, 160 and 200 at 32; and
//! where one source holds nine tenths 111 and 140 at 16, 100 and 200 at 32. A form of
//! its own for two sources gained nothing: with two, the heap is one comparison.

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
    /// The place of what comes next unless the current source has it (INV-MERGE-4).
    runner_up: usize,
    direction: Direction,
    failure: Option<Error>,
}

/// A source that stands on an entry, and what that entry is.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The first 16 bytes of its user key.
    pub heads: KeyHeads,
    /// The length of its user key: what a scan needs beside the heads to tell two short
    /// keys apart.
    pub key_bytes: usize,
    /// Its sequence.
    pub sequence: Sequence,
    /// What it says about its key.
    pub kind: Kind,
    /// Which source it is.
    source: usize,
}

impl Standing {
    #[inline]
    fn on(key: InternalKey<'_>, kind: Kind, source: usize) -> Standing {
        let (heads, key_bytes) = (KeyHeads::of(key.user_key), key.user_key.len());
        Standing { heads, key_bytes, sequence: key.sequence, kind, source }
    }
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
        let direction = Direction::Forward;
        MergingCursor { sources: cursors, standing, runner_up: 1, direction, failure: None }
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
        let Some(first) = self.standing.first_mut() else { return };
        let source = &mut self.sources[first.source];
        step(source);
        match source.standing() {
            Some((key, kind)) => {
                *first = Standing::on(key, kind, first.source);
                if self.is_passed() {
                    self.pass();
                }
            }
            None => self.end_current(),
        }
        debug_assert!((0..self.standing.len()).all(|place| self.first_below(place).is_none()), "INV-MERGE-3");
        debug_assert!(self.runner_up == self.place_of_runner_up(), "INV-MERGE-4");
    }

    /// Takes the current source, which stands nowhere, out of the heap.
    #[cold]
    fn end_current(&mut self) {
        let ended = self.standing.swap_remove(0);
        self.note_failure(ended.source);
        self.stop_after_failure();
        self.order_first();
    }

    /// Where a source stands; takes note of its failure if it stands nowhere.
    fn stand(&mut self, source: usize) -> Option<Standing> {
        let standing = self.sources[source].standing().map(|(key, kind)| Standing::on(key, kind, source));
        if standing.is_none() {
            self.note_failure(source);
        }
        standing
    }

    fn note_failure(&mut self, source: usize) {
        if let Err(failure) = self.sources[source].status() {
            self.failure.get_or_insert(failure);
        }
    }

    /// Makes a heap of what stands, in any order.
    fn order_all(&mut self) {
        self.stop_after_failure();
        (1..self.standing.len() / 2).rev().for_each(|place| self.sift_down(place));
        self.order_first();
    }

    /// Whether the current source has moved to where another one comes first.
    #[inline]
    fn is_passed(&self) -> bool {
        match (self.standing.first(), self.standing.get(self.runner_up)) {
            (Some(first), Some(runner_up)) => self.precedes(runner_up, first),
            _ => false,
        }
    }

    /// Lets the runner-up take the first place, and the current source sink from where that stood:
    /// which of the two below comes first, and that it comes before the first, is known.
    fn pass(&mut self) {
        self.standing.swap(0, self.runner_up);
        self.sift_down(self.runner_up);
        self.runner_up = self.place_of_runner_up();
    }

    /// Lets the first sink to its place, and finds out who is behind the one that is first then.
    fn order_first(&mut self) {
        self.sift_down(0);
        self.runner_up = self.place_of_runner_up();
    }

    fn place_of_runner_up(&self) -> usize {
        match (self.standing.get(1), self.standing.get(2)) {
            (Some(left), Some(right)) if self.precedes(right, left) => 2,
            _ => 1,
        }
    }

    /// After a failure no source counts: what the others hold is not the whole.
    fn stop_after_failure(&mut self) {
        if self.failure.is_some() {
            self.standing.clear();
        }
    }

    /// Lets what stands at `place` sink until nothing below it comes first.
    fn sift_down(&mut self, mut place: usize) {
        while let Some(child) = self.first_below(place) {
            self.standing.swap(child, place);
            place = child;
        }
    }

    /// Of what stands right below `place`, the place of the first, if that comes before
    /// what stands at `place`.
    #[inline]
    fn first_below(&self, place: usize) -> Option<usize> {
        let child = 2 * place + 1;
        let left = self.standing.get(child)?;
        let (first, at) = match self.standing.get(child + 1) {
            Some(right) if self.precedes(right, left) => (right, child + 1),
            _ => (left, child),
        };
        self.precedes(first, &self.standing[place]).then_some(at)
    }

    /// Whether the entry of one comes before that of the other.
    #[inline]
    fn precedes(&self, one: &Standing, other: &Standing) -> bool {
        let (one_word, other_word) = (one.heads.as_word(), other.heads.as_word());
        let is_less = match one_word == other_word {
            true => self.is_key_less(one, other),
            false => one_word < other_word,
        };
        is_less == (self.direction == Direction::Forward)
    }

    /// Whether the key of one is less than that of the other, where the heads do not tell.
    fn is_key_less(&self, one: &Standing, other: &Standing) -> bool {
        self.sources[one.source].key() < self.sources[other.source].key()
    }

    /// Whether two entries are of different user keys.
    #[inline]
    fn have_other_keys(&self, one: &Standing, other: &Standing) -> bool {
        let user_key = |standing: &Standing| self.sources[standing.source].key().user_key;
        one.heads != other.heads || user_key(one) != user_key(other)
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

    /// Going backward, every other source stands before the current entry, and on a version
    /// of its key only if the runner-up does.
    #[inline]
    fn is_surely_newest(&self) -> bool {
        let Some(current) = self.standing.first() else { return false };
        let runner_up = self.standing.get(self.runner_up);
        self.direction == Direction::Backward
            && runner_up.is_none_or(|runner_up| self.have_other_keys(current, runner_up))
            && self.sources[current.source].is_surely_newest()
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
