//! A stretch of keys, from both ends.
//!
//! ```text
//!   "b" .. "m"     apple  │ banana  fig  grape  kiwi │  melon
//!                         └▶ next()        next_back() ◀┘
//! ```
//!
//! **INV-RANGE-1** Both ends see the same moment, and no entry comes from both:
//! each end stops where it would reach what the other has given.
//!
//! **INV-RANGE-2** An error comes once, and then the end. Whoever collects a range
//! has the whole of it, or the error.

use std::ops::{Bound, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use stage5_compaction::memtable::error::Error as StorageError;

use crate::entry::{Entry, Key};
use crate::error::{Error, Result};
use crate::scan::DbCursor;

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
            range.front.fail(reversed);
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
                "the range begins behind its end: from {first:?} to {last:?}; swap its ends"
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
    fn a_prefix_ends_where_its_last_raisable_byte_is_raised() {
        let end = |prefix: &[u8]| prefix_bounds(prefix).1;
        assert_eq!(end(b"ab"), Bound::Excluded(key(b"ac")));
        assert_eq!(end(b"a\xff\xff"), Bound::Excluded(key(b"b")));
        assert_eq!(end(b"\xff"), Bound::Unbounded);
        assert_eq!(end(b""), Bound::Unbounded);
    }
}
