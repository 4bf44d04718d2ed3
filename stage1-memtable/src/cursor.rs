//! The one trait of everything that is sorted.
//!
//! ```text
//!                 seek(fig, 7)
//!                      │
//!    (apple,9) (apple,4) (fig,5) (fig,2) (kiwi,8)
//!        ▲                  ▲                ▲
//!   seek_to_first       ◀ prev next ▶   seek_to_last
//! ```
//!
//! A cursor stands on one entry, or on none. Its laws:
//!
//! - **INV-CURSOR-1** Entries come in the one order ([`InternalKey`]), each once.
//! - **INV-CURSOR-2** `next` behind the last entry and `prev` before the first
//!   leave the cursor on no entry; only a seek brings it back.
//! - **INV-CURSOR-3** Errors stick. After one the cursor stands on no entry and
//!   every seek is without effect, so nobody can iterate past damage and take
//!   the rest for the whole. Whoever sees `is_valid() == false` asks
//!   [`status`](Cursor::status) which of the two ends it was.
//!
//! Keys and values are lent, not given: a scan copies nothing. Whoever wants to
//! keep a value asks for [`value_owned`](Cursor::value_owned), which shares the
//! source's memory where it can.

use bytes::Bytes;

use crate::error::Result;
use crate::key::{InternalKey, Kind};

/// A position in a sorted run of entries.
///
/// `key`, `kind`, `value` and `value_owned` may only be called while
/// [`is_valid`](Cursor::is_valid); calling them otherwise is a bug of the caller
/// and panics.
pub trait Cursor {
    /// Moves to the first entry.
    fn seek_to_first(&mut self);
    /// Moves to the last entry.
    fn seek_to_last(&mut self);
    /// Moves to the first entry at or behind `target`.
    fn seek(&mut self, target: InternalKey<'_>);
    /// Moves one entry forward. Without effect when the cursor stands on none.
    fn next(&mut self);
    /// Moves one entry backward. Without effect when the cursor stands on none.
    fn prev(&mut self);
    /// Whether the cursor stands on an entry.
    fn is_valid(&self) -> bool;
    /// The position of the entry.
    fn key(&self) -> InternalKey<'_>;
    /// What the entry says about its key.
    fn kind(&self) -> Kind;
    /// The value of the entry; empty for a deletion.
    fn value(&self) -> &[u8];
    /// The value of the entry, to keep.
    fn value_owned(&self) -> Bytes;
    /// Position and kind of the entry, or `None` when it stands on none: what a merge
    /// asks after each step, in one call.
    #[inline]
    fn standing(&self) -> Option<(InternalKey<'_>, Kind)> {
        self.is_valid().then(|| (self.key(), self.kind()))
    }
    /// Whether the cursor knows, without a move, that no entry before this one has the
    /// same user key: that it is the newest version here. `false` is no answer. What a
    /// scan backward asks, so that it need not go on to see where a key's versions end.
    #[inline]
    fn is_surely_newest(&self) -> bool {
        false
    }
    /// The error that ended this cursor, if one did.
    fn status(&self) -> Result<()>;

    /// Moves to the last entry before `target`.
    fn seek_before(&mut self, target: InternalKey<'_>) {
        self.seek(target);
        if self.is_valid() {
            self.prev();
        } else if self.status().is_ok() {
            self.seek_to_last();
        }
    }
}
