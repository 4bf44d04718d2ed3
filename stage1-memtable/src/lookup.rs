//! One question, asked of many sources, and its three answers.
//!
//! ```text
//!   LookupKey ──▶ memtable ──Absent──▶ immutable ──Absent──▶ table ──▶ …
//!                    │                     │                   │
//!              Value / Deleted       Value / Deleted     Value / Deleted
//!                    └───────── the first of these ends it ────┘
//! ```
//!
//! **INV-LOOKUP-1** `Deleted` is an answer, not the lack of one. Whoever takes a
//! tombstone for "not here" and asks the next, older source brings deleted
//! values back.
//!
//! What a lookup computes once (hash, key heads) travels in the [`LookupKey`],
//! so that no source computes it again. What a lookup touched on its way is told
//! to an [`Observer`]; the unit type observes nothing and costs nothing.

use bytes::Bytes;

use crate::error::Result;
use crate::hash::hash_key;
use crate::key::{InternalKey, KeyHeads, Sequence};

/// A question: the newest version of `user_key` at or below `sequence`.
#[derive(Debug, Clone, Copy)]
pub struct LookupKey<'a> {
    /// The position to search for.
    pub key: InternalKey<'a>,
    /// [`hash_key`] of the user key, for filters.
    pub hash: u64,
    /// The first 16 bytes of the user key, for searches among heads.
    pub heads: KeyHeads,
}

impl<'a> LookupKey<'a> {
    /// The question for `user_key` as a reader at `sequence` sees it.
    #[inline]
    pub fn new(user_key: &'a [u8], sequence: Sequence) -> Self {
        LookupKey {
            key: InternalKey::new(user_key, sequence),
            hash: hash_key(user_key),
            heads: KeyHeads::of(user_key),
        }
    }
}

/// What one source knows about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// The newest visible version is this value.
    Value {
        /// The value, sharing its bytes with the source.
        value: Bytes,
        /// The sequence that wrote it.
        sequence: Sequence,
    },
    /// The newest visible version is a deletion. Older sources must not be
    /// asked.
    Deleted {
        /// The sequence that deleted it.
        sequence: Sequence,
    },
    /// This source has no visible version. Ask the next older one.
    Absent,
}

/// A source that can be asked for one key.
pub trait Lookup {
    /// Answers `key`, telling `observer` what was touched on the way.
    ///
    /// # Errors
    /// Whatever reading the source's file may give; a memtable never fails.
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer>;
}

/// One thing that a lookup touched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Touch {
    /// A memtable was searched.
    Memtable {
        /// How many entries it holds.
        entries: usize,
    },
    /// A table was asked, because its key range holds the key.
    Table {
        /// The file's number.
        number: u64,
        /// The level it stands on.
        level: usize,
    },
    /// A filter was asked.
    Filter {
        /// `false`: the key is certainly not in the table, and no block was read.
        may_contain: bool,
    },
    /// A block was searched.
    Block {
        /// Where it lies in its file.
        offset: u64,
        /// Its size on disk.
        bytes: u32,
        /// Whether it came from the block cache.
        cached: bool,
    },
}

/// Somebody who wants to know what a lookup touched.
pub trait Observer {
    /// Called for each thing touched, in order. `touch` is only evaluated by an
    /// observer that listens.
    fn observe(&mut self, touch: impl FnOnce() -> Touch);
}

/// Observes nothing: a plain lookup.
impl Observer for () {
    #[inline]
    fn observe(&mut self, _touch: impl FnOnce() -> Touch) {}
}

/// Keeps the whole way.
impl Observer for Vec<Touch> {
    fn observe(&mut self, touch: impl FnOnce() -> Touch) {
        self.push(touch());
    }
}
