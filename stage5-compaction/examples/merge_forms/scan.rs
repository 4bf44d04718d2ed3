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
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::{Error, Result};
use stage5_compaction::memtable::key::{InternalKey, KeyHeads, Kind, OwnedKey};

/// A cursor over all entries of its sources, in the one order.
#[derive(Debug)]
pub struct MergingCursor<C> {
    sources: Vec<Source<C>>,
    /// The source that stands on the current entry.
    current: Option<usize>,
    direction: Direction,
    failure: Option<Error>,
}

#[derive(Debug)]
struct Source<C> {
    cursor: C,
    /// The heads of the key that the cursor stands on, while it stands on one.
    heads: KeyHeads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl<C: Cursor> MergingCursor<C> {
    /// Merges `cursors`, in any order. Stands on no entry yet.
    pub fn new(cursors: Vec<C>) -> MergingCursor<C> {
        let sources =
            cursors.into_iter().map(|cursor| Source { cursor, heads: KeyHeads::default() }).collect();
        MergingCursor { sources, current: None, direction: Direction::Forward, failure: None }
    }

    fn start(&mut self, direction: Direction, place: impl Fn(&mut C)) {
        self.direction = direction;
        for index in 0..self.sources.len() {
            self.place(index, &place);
        }
        self.choose();
    }

    /// Moves one source and takes note of where it stands, or of its failure.
    fn place(&mut self, index: usize, place: impl FnOnce(&mut C)) {
        let source = &mut self.sources[index];
        place(&mut source.cursor);
        if source.cursor.is_valid() {
            source.heads = KeyHeads::of(source.cursor.key().user_key);
        } else if let Err(failure) = source.cursor.status() {
            self.failure.get_or_insert(failure);
        }
    }

    /// Makes the source with the next entry in the current direction current.
    /// After a failure there is none: what the others hold is not the whole.
    fn choose(&mut self) {
        self.current = None;
        if self.failure.is_some() {
            return;
        }
        let wanted = match self.direction {
            Direction::Forward => Ordering::Less,
            Direction::Backward => Ordering::Greater,
        };
        let mut best: Option<usize> = None;
        for (index, source) in self.sources.iter().enumerate() {
            if source.cursor.is_valid()
                && best.is_none_or(|best| source.compare(&self.sources[best]) == wanted)
            {
                best = Some(index);
            }
        }
        self.current = best;
    }

    /// Moves every source but the current one to the other side of its key.
    fn turn(&mut self, direction: Direction, current: usize) {
        if self.direction == direction {
            return;
        }
        self.direction = direction;
        let here: OwnedKey = self.sources[current].cursor.key().to_owned();
        for index in (0..self.sources.len()).filter(|index| *index != current) {
            self.place(index, |cursor| match direction {
                Direction::Forward => cursor.seek(here.as_key()),
                Direction::Backward => cursor.seek_before(here.as_key()),
            });
        }
    }

    fn entry(&self) -> &C {
        &self.sources[self.current.expect("the caller checked is_valid()")].cursor
    }
}

impl<C: Cursor> Source<C> {
    #[inline]
    fn compare(&self, other: &Source<C>) -> Ordering {
        self.heads.cmp(&other.heads).then_with(|| self.cursor.key().cmp(&other.cursor.key()))
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
        let Some(current) = self.current else { return };
        self.turn(Direction::Forward, current);
        self.place(current, C::next);
        self.choose();
    }

    fn prev(&mut self) {
        let Some(current) = self.current else { return };
        self.turn(Direction::Backward, current);
        self.place(current, C::prev);
        self.choose();
    }

    fn is_valid(&self) -> bool {
        self.current.is_some()
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
