//! The scan path: many keys, in order, in both directions.
//!
//! ```text
//!   memtable  immutables  level-0 files  one concat cursor a level
//!        └────────┴─────────────┴──────────────┘
//!                     MergingCursor          every version of every key
//!                          │
//!                      DbCursor              each live key once, as of a sequence
//!                          │
//!                        Range               a stretch of keys, from both ends
//! ```
//!
//! **INV-SCAN-1** One rule stands on top of the merge: nothing newer than the
//! sequence, each user key once, no deletions. The newest version at or below
//! the sequence decides about its key.
//!
//! A key with very many versions, or a long run of deletions, must not make a
//! scan crawl: after a few steps over versions that nobody asked for, the cursor
//! seeks past them.

use std::ops::{Bound, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::sync::Arc;

use bytes::Bytes;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::key::{InternalKey, Kind, Sequence};
use stage5_compaction::merge::MergingCursor;
use stage5_compaction::source::SourceCursor;

use crate::engine::Handle;
use crate::entry::{Entry, Key, Value};
use crate::error::{Error, Result};
use crate::state::State;

/// After so many steps over versions of one key, a seek is cheaper.
const STEPS_BEFORE_SEEK: usize = 8;

/// A cursor over the live keys of a database, as of one moment.
///
/// It owns what it needs: the database stays open and its files stay there until
/// the cursor is dropped. [`key`](DbCursor::key) and [`value`](DbCursor::value)
/// may only be called while [`is_valid`](DbCursor::is_valid).
///
/// ```
/// use stage6_engine::{Db, Read};
///
/// let db = Db::builder().open_in_memory()?;
/// db.put("fig", "green")?;
/// db.put("kiwi", "brown")?;
/// let mut cursor = db.cursor();
/// cursor.seek("g");
/// while cursor.is_valid() {
///     println!("{:?} is {:?}", cursor.key(), cursor.value());
///     cursor.next();
/// }
/// cursor.status()?;
/// # Ok::<(), stage6_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct DbCursor {
    handle: Arc<Handle>,
    /// Pins the memtables and files that `merged` reads.
    _state: Arc<State>,
    sequence: Sequence,
    merged: MergingCursor<SourceCursor>,
    place: Place,
    /// Backward: the current key. Forward: the last key that was decided.
    key: Vec<u8>,
    /// Backward: the current value.
    value: Bytes,
    failure: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On no entry.
    Nowhere,
    /// `merged` stands on the current entry.
    Forward,
    /// `merged` stands before all versions of the current key, which was kept.
    Backward,
}

impl DbCursor {
    pub(crate) fn new(handle: &Arc<Handle>, sequence: Option<Sequence>) -> DbCursor {
        let engine = &handle.engine;
        let state = engine.published.load_full();
        let sequence = sequence.unwrap_or_else(|| engine.snapshots.visible());
        let (cursors, failure) = match engine.check_open().and_then(|()| Ok(state.cursors()?)) {
            Ok(cursors) => (cursors, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        DbCursor {
            handle: Arc::clone(handle),
            _state: state,
            sequence,
            merged: MergingCursor::new(cursors),
            place: Place::Nowhere,
            key: Vec::new(),
            value: Bytes::new(),
            failure,
        }
    }

    /// Moves to the first key.
    pub fn seek_to_first(&mut self) {
        if self.may_move() {
            self.merged.seek_to_first();
            self.settle_forward(false);
        }
    }

    /// Moves to the last key.
    pub fn seek_to_last(&mut self) {
        if self.may_move() {
            self.merged.seek_to_last();
            self.settle_backward();
        }
    }

    /// Moves to the first key at or behind `key`.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        if self.may_move() {
            self.merged.seek(InternalKey::before_all(key.as_ref()));
            self.settle_forward(false);
        }
    }

    /// Moves to the last key before `key`.
    pub fn seek_before(&mut self, key: impl AsRef<[u8]>) {
        if self.may_move() {
            self.merged.seek_before(InternalKey::before_all(key.as_ref()));
            self.settle_backward();
        }
    }

    /// Moves one key forward.
    pub fn next(&mut self) {
        if !self.may_move() {
            return;
        }
        match self.place {
            Place::Nowhere => {}
            Place::Forward => {
                self.keep_key();
                self.merged.next();
                self.settle_forward(true);
            }
            Place::Backward => {
                self.merged.seek(InternalKey::after_all(&self.key));
                self.settle_forward(false);
            }
        }
    }

    /// Moves one key backward.
    pub fn prev(&mut self) {
        if !self.may_move() {
            return;
        }
        match self.place {
            Place::Nowhere => {}
            Place::Forward => {
                self.keep_key();
                self.merged.seek_before(InternalKey::before_all(&self.key));
                self.settle_backward();
            }
            Place::Backward => self.settle_backward(),
        }
    }

    /// Whether it stands on a key.
    pub fn is_valid(&self) -> bool {
        self.place != Place::Nowhere
    }

    /// The current key.
    pub fn key(&self) -> &[u8] {
        match self.place {
            Place::Backward => &self.key,
            _ => self.merged.key().user_key,
        }
    }

    /// The current value.
    pub fn value(&self) -> &[u8] {
        match self.place {
            Place::Backward => &self.value,
            _ => self.merged.value(),
        }
    }

    /// The current value, to keep: it shares the memory of its block.
    pub fn value_owned(&self) -> Value {
        Value::from(match self.place {
            Place::Backward => self.value.clone(),
            _ => self.merged.value_owned(),
        })
    }

    /// The error that ended this cursor, if one did. Asked when
    /// [`is_valid`](DbCursor::is_valid) is false: the end, or a failure?
    ///
    /// # Errors
    /// [`Error::Storage`] when a table could not be read; [`Error::Closed`].
    pub fn status(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Fails once the database was closed; after a failure nothing moves.
    fn may_move(&mut self) -> bool {
        if self.failure.is_none() {
            self.failure = self.handle.engine.check_open().err();
        }
        if self.failure.is_some() {
            self.place = Place::Nowhere;
        }
        self.failure.is_none()
    }

    fn keep_key(&mut self) {
        self.key.clear();
        self.key.extend_from_slice(self.merged.key().user_key);
    }

    /// Goes forward to the first entry that decides about its key by a value. If
    /// `is_decided`, the rest of `self.key`'s versions does not count.
    fn settle_forward(&mut self, mut is_decided: bool) {
        let mut steps = 0;
        while self.merged.is_valid() {
            let entry = self.merged.key();
            let is_same_key = is_decided && entry.user_key == self.key;
            let is_too_new = entry.sequence > self.sequence;
            if !is_same_key && !is_too_new {
                if self.merged.kind() == Kind::Value {
                    self.place = Place::Forward;
                    return;
                }
                self.keep_key();
                is_decided = true;
                steps = 0;
            }
            steps += 1;
            if steps < STEPS_BEFORE_SEEK {
                self.merged.next();
            } else {
                self.seek_past(is_same_key);
                is_decided = is_same_key;
                steps = 0;
            }
        }
        self.end();
    }

    /// Leaves the versions that do not count: all of a decided key, or those of
    /// the current one that are too new.
    fn seek_past(&mut self, is_decided: bool) {
        if !is_decided {
            self.keep_key();
        }
        let target = if is_decided { 0 } else { self.sequence };
        // Never behind where it stands: the current entry is newer than the target.
        self.merged.seek(InternalKey::new(&self.key, target));
    }

    /// Goes backward over all versions of a key, which come oldest first, until
    /// the newest that counts is a value.
    fn settle_backward(&mut self) {
        while self.merged.is_valid() {
            self.keep_key();
            let newest = self.newest_of_key();
            if self.merged.status().is_err() {
                // The source that failed may have held a newer version.
                break;
            }
            if let Some((Kind::Value, value)) = newest {
                self.value = value;
                self.place = Place::Backward;
                return;
            }
        }
        self.end();
    }

    /// The newest version of `self.key` that counts. Leaves `merged` before all
    /// of its versions.
    fn newest_of_key(&mut self) -> Option<(Kind, Bytes)> {
        let mut newest = None;
        for _ in 0..STEPS_BEFORE_SEEK {
            if !self.merged.is_valid() || self.merged.key().user_key != self.key {
                return newest;
            }
            if self.merged.key().sequence <= self.sequence {
                newest = Some((self.merged.kind(), self.merged.value_owned()));
            }
            self.merged.prev();
        }
        self.merged.seek(InternalKey::new(&self.key, self.sequence));
        let is_there = self.merged.is_valid() && self.merged.key().user_key == self.key;
        let newest = is_there.then(|| (self.merged.kind(), self.merged.value_owned()));
        self.merged.seek_before(InternalKey::before_all(&self.key));
        newest
    }

    fn end(&mut self) {
        self.place = Place::Nowhere;
        self.failure = self.merged.status().err().map(Error::from);
    }
}

/// A stretch of keys, from both ends. Yields an error once, and then ends.
#[derive(Debug)]
pub struct Range {
    lower: Bound<Key>,
    upper: Bound<Key>,
    front: DbCursor,
    /// Made when the range is first asked from its end.
    back: Option<DbCursor>,
    is_front_placed: bool,
    is_done: bool,
}

impl Range {
    pub(crate) fn new(cursor: DbCursor, bounds: Bounds) -> Range {
        let reversed = check_order(&bounds).err();
        let (lower, upper) = bounds;
        let mut range =
            Range { lower, upper, front: cursor, back: None, is_front_placed: false, is_done: false };
        if let Some(reversed) = reversed {
            range.front.failure.get_or_insert(reversed);
        }
        range
    }

    /// Whether the front's key lies before the upper bound and before the back.
    fn front_is_inside(&self) -> bool {
        let key = self.front.key();
        let below_upper = match &self.upper {
            Bound::Unbounded => true,
            Bound::Included(upper) => key <= &**upper,
            Bound::Excluded(upper) => key < &**upper,
        };
        below_upper && self.back.as_ref().is_none_or(|back| !back.is_valid() || key < back.key())
    }

    fn back_is_inside(&self, back: &DbCursor) -> bool {
        let key = back.key();
        let above_lower = match &self.lower {
            Bound::Unbounded => true,
            Bound::Included(lower) => key >= &**lower,
            Bound::Excluded(lower) => key > &**lower,
        };
        above_lower && (!self.is_front_placed || key > self.front.key())
    }

    fn move_front(&mut self) {
        if self.is_front_placed {
            return self.front.next();
        }
        self.is_front_placed = true;
        match &self.lower {
            Bound::Unbounded => self.front.seek_to_first(),
            Bound::Included(lower) => self.front.seek(lower),
            Bound::Excluded(lower) => self.front.seek(successor(lower)),
        }
    }

    fn move_back(&mut self) {
        if let Some(back) = &mut self.back {
            return back.prev();
        }
        // A cursor of its own over the same state: both ends see the same moment.
        let mut back = self.front.same_moment();
        match &self.upper {
            Bound::Unbounded => back.seek_to_last(),
            Bound::Included(upper) => back.seek_before(successor(upper)),
            Bound::Excluded(upper) => back.seek_before(upper),
        }
        self.back = Some(back);
    }

    fn end(&mut self, status: Result<()>) -> Option<Result<Entry>> {
        self.is_done = true;
        status.err().map(Err)
    }
}

impl Iterator for Range {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.is_done {
            return None;
        }
        self.move_front();
        if !self.front.is_valid() || !self.front_is_inside() {
            return self.end(self.front.status());
        }
        Some(Ok((Key::copy_of(self.front.key()), self.front.value_owned())))
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Result<Entry>> {
        if self.is_done {
            return None;
        }
        self.move_back();
        let back = self.back.as_ref()?;
        if !back.is_valid() || !self.back_is_inside(back) {
            return self.end(back.status());
        }
        Some(Ok((Key::copy_of(back.key()), back.value_owned())))
    }
}

impl std::iter::FusedIterator for Range {}

impl DbCursor {
    /// Another cursor over the same state at the same sequence.
    fn same_moment(&self) -> DbCursor {
        let (cursors, failure) = match (&self.failure, self._state.cursors()) {
            (Some(failure), _) => (Vec::new(), Some(failure.clone())),
            (None, Ok(cursors)) => (cursors, None),
            (None, Err(failure)) => (Vec::new(), Some(Error::from(failure))),
        };
        DbCursor {
            handle: Arc::clone(&self.handle),
            _state: Arc::clone(&self._state),
            sequence: self.sequence,
            merged: MergingCursor::new(cursors),
            place: Place::Nowhere,
            key: Vec::new(),
            value: Bytes::new(),
            failure,
        }
    }
}

/// The first key behind `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The ends of a stretch of keys.
pub type Bounds = (Bound<Key>, Bound<Key>);

/// Errs for a stretch that begins behind its end. An empty one is no error.
pub(crate) fn check_order((lower, upper): &Bounds) -> Result<()> {
    use Bound::{Excluded, Included, Unbounded};
    match (lower, upper) {
        (Included(first) | Excluded(first), Included(last) | Excluded(last)) if first > last => {
            Err(Error::Storage(StorageError::invalid_argument(format!(
                "the range begins behind its end: from {lower:?} to {upper:?}; swap its ends"
            ))))
        }
        (Unbounded | Included(_) | Excluded(_), _) => Ok(()),
    }
}

/// The keys that begin with `prefix`.
pub(crate) fn prefix_bounds(prefix: &[u8]) -> Bounds {
    let lower = Bound::Included(Key::copy_of(prefix));
    // The first key behind them all: the last byte that can be raised, raised.
    match prefix.iter().rposition(|byte| *byte < u8::MAX) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            (lower, Bound::Excluded(Key::copy_of(&end)))
        }
        None => (lower, Bound::Unbounded),
    }
}

/// A stretch of keys: `..`, `a..b`, `a..=b`, `a..`, `..b`, `..=b`, or a pair of
/// [`Bound`]s, of anything that is bytes.
pub trait KeyRange: sealed::Sealed {
    /// Its ends.
    fn into_bounds(self) -> Bounds;
}

mod sealed {
    pub trait Sealed {}
}

fn key(key: impl AsRef<[u8]>) -> Key {
    Key::copy_of(key.as_ref())
}

macro_rules! key_range {
    ($type:ty, $range:ident => $bounds:expr) => {
        impl<K: AsRef<[u8]>> sealed::Sealed for $type {}
        impl<K: AsRef<[u8]>> KeyRange for $type {
            fn into_bounds(self) -> Bounds {
                let $range = self;
                $bounds
            }
        }
    };
}

key_range!(std::ops::Range<K>, range => (Bound::Included(key(range.start)), Bound::Excluded(key(range.end))));
key_range!(RangeInclusive<K>, range => {
    let (start, end) = range.into_inner();
    (Bound::Included(key(start)), Bound::Included(key(end)))
});
key_range!(RangeFrom<K>, range => (Bound::Included(key(range.start)), Bound::Unbounded));
key_range!(RangeTo<K>, range => (Bound::Unbounded, Bound::Excluded(key(range.end))));
key_range!(RangeToInclusive<K>, range => (Bound::Unbounded, Bound::Included(key(range.end))));
key_range!((Bound<K>, Bound<K>), range => (range.0.map(key), range.1.map(key)));

impl sealed::Sealed for RangeFull {}

impl KeyRange for RangeFull {
    fn into_bounds(self) -> Bounds {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeking_past_versions_that_are_too_new_decides_nothing_about_their_key() -> Result<()> {
        use crate::{Db, Read};
        let db = Db::builder().open_in_memory()?;
        db.delete("a")?;
        db.put("b", "old")?;
        let before = db.snapshot()?;
        for _ in 0..3 * STEPS_BEFORE_SEEK {
            db.put("b", "new")?;
        }
        // The deletion of "a" was decided; then the cursor seeks inside "b".
        let seen: Result<Vec<_>> = before.range(..).collect();
        assert_eq!(seen?, [(Key::copy_of(b"b"), Value::from(Bytes::from("old")))]);
        Ok(())
    }

    #[test]
    fn a_prefix_ends_where_its_last_raisable_byte_is_raised() {
        let end = |prefix: &[u8]| prefix_bounds(prefix).1;
        assert_eq!(end(b"ab"), Bound::Excluded(key(b"ac")));
        assert_eq!(end(b"a\xff\xff"), Bound::Excluded(key(b"b")));
        assert_eq!(end(b"\xff"), Bound::Unbounded);
        assert_eq!(end(b""), Bound::Unbounded);
    }
}
