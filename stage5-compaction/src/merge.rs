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
//! The smallest is found by a linear scan over cached key heads: for the handful
//! of sources that a database has, that beats a heap, whose pointer chasing costs
//! more than the comparisons it saves.

use std::cmp::Ordering;

use bytes::Bytes;
use stage4_bloom::memtable::cursor::Cursor;
use stage4_bloom::memtable::error::{Error, Result};
use stage4_bloom::memtable::key::{InternalKey, KeyHeads, Kind, OwnedKey};

/// A cursor over all entries of its sources, in the one order.
#[derive(Debug)]
pub struct MergingCursor<C> {
    sources: Vec<C>,
    /// The sources that stand on an entry; the one that stands on the current entry
    /// first.
    standing: Vec<Standing>,
    direction: Direction,
    form: Form,
    failure: Option<Error>,
}

/// A source that stands on an entry.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// The heads of that entry's key.
    heads: KeyHeads,
    /// Which source it is.
    source: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// How the next source is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By one comparison: there are two.
    TwoWay,
    /// By asking all of them.
    Linear,
    /// By a binary heap.
    Heap,
}

impl<C: Cursor> MergingCursor<C> {
    /// Merges `cursors`, in any order. Stands on no entry yet.
    pub fn new(cursors: Vec<C>) -> MergingCursor<C> {
        MergingCursor::with_form(cursors, Form::Linear)
    }

    /// Merges `cursors` in one of the forms.
    pub fn with_form(cursors: Vec<C>, form: Form) -> MergingCursor<C> {
        let standing = Vec::with_capacity(cursors.len());
        MergingCursor { sources: cursors, standing, direction: Direction::Forward, form, failure: None }
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
    fn step(&mut self, step: impl FnOnce(&mut C)) {
        let Some(source) = self.current() else { return };
        step(&mut self.sources[source]);
        match self.stand(source) {
            Some(standing) => self.standing[0] = standing,
            None => drop(self.standing.swap_remove(0)),
        }
        self.order_front();
    }

    /// Where a source stands; takes note of its failure if it stands nowhere.
    #[inline]
    fn stand(&mut self, source: usize) -> Option<Standing> {
        let cursor = &self.sources[source];
        if cursor.is_valid() {
            return Some(Standing { heads: KeyHeads::of(cursor.key().user_key), source });
        }
        if let Err(failure) = cursor.status() {
            self.failure.get_or_insert(failure);
        }
        None
    }

    fn order_all(&mut self) {
        if self.failure.is_some() {
            self.standing.clear();
        }
        match self.form {
            Form::Heap => (0..self.standing.len() / 2).rev().for_each(|place| self.sift_down(place)),
            _ => self.order_front(),
        }
    }

    /// Brings the source with the next entry to the front, after the one there has
    /// changed. After a failure there is none: what the others hold is not the whole.
    #[inline]
    fn order_front(&mut self) {
        if self.failure.is_some() {
            self.standing.clear();
        }
        match self.form {
            Form::TwoWay => {
                if self.standing.len() == 2 && self.precedes(1, 0) {
                    self.standing.swap(0, 1);
                }
            }
            Form::Linear => self.scan(),
            Form::Heap => self.sift_down(0),
        }
    }

    #[inline]
    fn scan(&mut self) {
        let mut next = 0;
        for place in 1..self.standing.len() {
            if self.precedes(place, next) {
                next = place;
            }
        }
        if next != 0 {
            self.standing.swap(0, next);
        }
    }

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
    fn turn(&mut self, direction: Direction) {
        let Some(current) = self.current().filter(|_| self.direction != direction) else { return };
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

    fn current(&self) -> Option<usize> {
        self.standing.first().map(|standing| standing.source)
    }

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

    fn next(&mut self) {
        self.turn(Direction::Forward);
        self.step(C::next);
    }

    fn prev(&mut self) {
        self.turn(Direction::Backward);
        self.step(C::prev);
    }

    fn is_valid(&self) -> bool {
        !self.standing.is_empty()
    }

    fn key(&self) -> InternalKey<'_> {
        self.entry().key()
    }

    fn kind(&self) -> Kind {
        self.entry().kind()
    }

    fn value(&self) -> &[u8] {
        self.entry().value()
    }

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
    fn merged(
        entries: &[(u8, u8)],
        sources: u8,
        form: Form,
    ) -> (MergingCursor<MemTableCursor>, Vec<(Vec<u8>, u64)>) {
        let memtables: Vec<Arc<MemTable>> = (0..sources).map(|_| Arc::new(MemTable::new())).collect();
        let mut model = BTreeMap::new();
        for (index, (key, source)) in entries.iter().enumerate() {
            let sequence = index as u64 + 1;
            memtables[usize::from(source % sources)].insert(sequence, Kind::Value, &[*key], b"v");
            model.insert((*key, u64::MAX - sequence), ());
        }
        let order = model.keys().map(|(key, inverted)| (vec![*key], u64::MAX - inverted)).collect();
        (MergingCursor::with_form(memtables.iter().map(MemTable::cursor).collect(), form), order)
    }

    fn here(cursor: &impl Cursor) -> Option<(Vec<u8>, u64)> {
        cursor.is_valid().then(|| (cursor.key().user_key.to_vec(), cursor.key().sequence))
    }

    proptest! {
        #[test]
        fn a_merge_moves_like_one_sorted_list(
            entries in proptest::collection::vec((0u8..20, proptest::num::u8::ANY), 1..120),
            sources in prop_oneof![1u8..6, 6u8..40],
            form in prop_oneof![Just(Form::Linear), Just(Form::Heap)],
            steps in proptest::collection::vec((0u8..6, 0u8..22), 1..60),
        ) {
            let (mut cursor, order) = merged(&entries, sources, form);
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
                    4 => { cursor.next(); place = place.map(|at| at + 1).filter(|at| *at < order.len()); }
                    _ => { cursor.prev(); place = place.and_then(|at| at.checked_sub(1)); }
                }
                prop_assert_eq!(here(&cursor), place.map(|at| order[at].clone()));
            }
        }
    }
}
