//! What a search compares: the order of entries, in three words.
//!
//! ```text
//!   first 8 bytes │ next 8 bytes │ length, up to 17 │ sequence, inverted │ kind
//!   64 bits         64 bits        5 bits             56 bits              3 bits
//!   └──────── heads ───────────┘   └──────────────── rank ──────────────────┘
//! ```
//!
//! **INV-POSITION-1** The words in this order compare like the entries (INV-KEY-1), but for
//! two keys of more than 16 bytes whose heads are equal: there the bytes behind decide
//! before the rank does.
//!
//! A key that its heads hold whole is a prefix of every other with the same heads, up to
//! the padding's zeros: so the shorter one comes first, and the length stands in front of
//! the sequence. A length of 17 stands for all above.

use std::cmp::Ordering as Order;

use crate::key::{InternalKey, KeyHeads, Kind, MAX_SEQUENCE, Sequence, compare_user_keys};
use crate::sync::atomic::{AtomicU64, Ordering};

const KIND_BITS: u32 = 3;
const SEQUENCE_BITS: u32 = 56;

/// What `length` says of a key that its heads do not hold whole.
const LONGER: usize = KeyHeads::BYTES + 1;

/// A place in the order: to search for, or to insert at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position<'a> {
    heads: KeyHeads,
    rank: Rank,
    user_key: &'a [u8],
}

impl<'a> Position<'a> {
    /// The place of an entry.
    pub(crate) fn of(key: InternalKey<'a>, kind: Kind) -> Position<'a> {
        let rank = Rank::new(key, kind.as_byte());
        Position { heads: KeyHeads::of(key.user_key), rank, user_key: key.user_key }
    }

    /// The place right before the entry with this key, whatever its kind.
    #[inline]
    pub(crate) fn sought(key: InternalKey<'a>, heads: KeyHeads) -> Position<'a> {
        Position { heads, rank: Rank::new(key, 0), user_key: key.user_key }
    }

    pub(crate) fn key(&self) -> InternalKey<'a> {
        InternalKey::new(self.user_key, self.rank.sequence())
    }
}

/// The order of entries of equal heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u64);

impl Rank {
    #[inline]
    fn new(key: InternalKey<'_>, kind: u8) -> Rank {
        debug_assert!(key.sequence <= MAX_SEQUENCE && kind >> KIND_BITS == 0);
        let length = key.user_key.len().min(LONGER) as u64;
        let newest_first = MAX_SEQUENCE - key.sequence;
        Rank((length << SEQUENCE_BITS | newest_first) << KIND_BITS | u64::from(kind))
    }

    /// Whether an entry with this rank, and heads like those of `position`, lies before it.
    #[inline]
    fn is_before<'a>(self, position: &Position<'_>, user_key: impl FnOnce() -> &'a [u8]) -> bool {
        if !self.is_of_longer() || !position.rank.is_of_longer() {
            return self < position.rank;
        }
        let heads = KeyHeads::BYTES;
        let keys = compare_user_keys(&user_key()[heads..], &position.user_key[heads..]);
        keys.then(self.cmp(&position.rank)) == Order::Less
    }

    fn length(self) -> u64 {
        self.0 >> (SEQUENCE_BITS + KIND_BITS)
    }

    /// Whether it is the rank of a key that its heads do not hold whole.
    fn is_of_longer(self) -> bool {
        self.length() == LONGER as u64
    }

    fn sequence(self) -> Sequence {
        MAX_SEQUENCE - (self.0 >> KIND_BITS & MAX_SEQUENCE)
    }

    fn kind(self) -> Kind {
        let byte = self.0 as u8 & ((1 << KIND_BITS) - 1);
        if byte == Kind::Value.as_byte() { Kind::Value } else { Kind::Deletion }
    }
}

/// The place of an entry, as readers find it in memory that is shared. It is written
/// before anybody is led to it, and then never again.
#[derive(Debug, Default)]
pub(crate) struct Label {
    heads: (AtomicU64, AtomicU64),
    rank: AtomicU64,
}

impl Label {
    pub(crate) fn write(&self, position: &Position<'_>) {
        self.heads.0.store(position.heads.0, Ordering::Relaxed);
        self.heads.1.store(position.heads.1, Ordering::Relaxed);
        self.rank.store(position.rank.0, Ordering::Relaxed);
    }

    /// Whether it lies before `position`. Its user key is asked for only if the words do
    /// not decide.
    #[inline]
    pub(crate) fn is_before<'a>(&self, position: &Position<'_>, user_key: impl FnOnce() -> &'a [u8]) -> bool {
        let first = self.heads.0.load(Ordering::Relaxed);
        if first != position.heads.0 {
            return first < position.heads.0;
        }
        let second = self.heads.1.load(Ordering::Relaxed);
        if second != position.heads.1 {
            return second < position.heads.1;
        }
        self.rank().is_before(position, user_key)
    }

    /// Whether it has the user key of `position`.
    #[inline]
    pub(crate) fn has_key_of<'a>(
        &self,
        position: &Position<'_>,
        user_key: impl FnOnce() -> &'a [u8],
    ) -> bool {
        self.heads() == position.heads
            && self.rank().length() == position.rank.length()
            && (!position.rank.is_of_longer() || user_key() == position.user_key)
    }

    /// The place itself, of the entry with this key.
    pub(crate) fn position<'a>(&self, user_key: &'a [u8]) -> Position<'a> {
        Position { heads: self.heads(), rank: self.rank(), user_key }
    }

    #[inline]
    fn heads(&self) -> KeyHeads {
        KeyHeads(self.heads.0.load(Ordering::Relaxed), self.heads.1.load(Ordering::Relaxed))
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.rank().sequence()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.rank().kind()
    }

    #[inline]
    fn rank(&self) -> Rank {
        Rank(self.rank.load(Ordering::Relaxed))
    }
}
