//! The internal key, and the one order that everything is sorted by.
//!
//! ```text
//!   entry      (user key, sequence, kind) ──▶ value
//!
//!   order      apple 9   apple 4   apple 1   banana 7   cherry 8   cherry 2
//!              └── user keys ascending, bytewise ──▶
//!              └ of one key: sequences descending, the newest first ┘
//! ```
//!
//! **INV-KEY-1** There is one order, written once, here: user key ascending
//! bytewise, then sequence descending. Memtable, block, index, merge and level
//! all compare by it, so a seek to `(key, sequence)` lands everywhere on the
//! newest version of `key` that a reader at `sequence` may see.
//!
//! **INV-KEY-2** A sequence is given to one entry only, so `(user key,
//! sequence)` is unique and the kind need not take part in the order.
//!
//! An empty value is a value, and the empty key is a key: neither means
//! "nothing".

use std::cmp::Ordering;
use std::fmt;

use bytes::Bytes;

use crate::error::{Error, Result};

/// The number of a write: dense, ascending, never used twice in one history.
pub type Sequence = u64;

/// The largest sequence. It fits 56 bits, so that a sequence and a kind pack
/// into one word; at a million writes a second it is reached after 2,283 years.
pub const MAX_SEQUENCE: Sequence = (1 << 56) - 1;

/// The first sequence that a write gets. Sequence 0 belongs to nobody: a reader
/// at 0 sees the empty database.
pub const FIRST_SEQUENCE: Sequence = 1;

/// The longest user key, in bytes.
pub const MAX_KEY_BYTES: usize = 65_535;

/// The largest value, in bytes (1 GiB).
pub const MAX_VALUE_BYTES: usize = 1 << 30;

/// What an entry says about its key. The numbers are part of every file format;
/// 3 to 7 are reserved for merge operands, range deletions, single deletions,
/// value pointers and expiring values, and 0 for nobody, so that zeroed bytes
/// never read as an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The key has this value.
    Value = 1,
    /// The key has no value: a tombstone that hides every older entry.
    Deletion = 2,
}

impl Kind {
    /// The kind that `byte` stands for, or `None` for one that is reserved.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Value),
            2 => Some(Kind::Deletion),
            _ => None,
        }
    }

    /// The byte that stands for this kind in every format.
    pub fn as_byte(self) -> u8 {
        self as u8
    }
}

/// A position in the one order: a user key at a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InternalKey<'a> {
    /// The key as the user knows it.
    pub user_key: &'a [u8],
    /// Which version of it.
    pub sequence: Sequence,
}

impl<'a> InternalKey<'a> {
    /// The position of `user_key` at `sequence`.
    pub fn new(user_key: &'a [u8], sequence: Sequence) -> Self {
        InternalKey { user_key, sequence }
    }

    /// The position before every version of `user_key`.
    pub fn before_all(user_key: &'a [u8]) -> Self {
        InternalKey { user_key, sequence: MAX_SEQUENCE }
    }

    /// The position behind every version of `user_key`: no entry has sequence 0.
    pub fn after_all(user_key: &'a [u8]) -> Self {
        InternalKey { user_key, sequence: 0 }
    }

    /// An owned copy.
    pub fn to_owned(self) -> OwnedKey {
        OwnedKey { user_key: Bytes::copy_from_slice(self.user_key), sequence: self.sequence }
    }
}

impl Ord for InternalKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_user_keys(self.user_key, other.user_key).then_with(|| other.sequence.cmp(&self.sequence))
    }
}

impl PartialOrd for InternalKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for InternalKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" @ {}", self.user_key.escape_ascii(), self.sequence)
    }
}

/// An [`InternalKey`] that owns its bytes (refcounted): the ends of a file, a
/// separator, the place a cursor left off.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedKey {
    /// The key as the user knows it.
    pub user_key: Bytes,
    /// Which version of it.
    pub sequence: Sequence,
}

impl OwnedKey {
    /// The same position, borrowed.
    pub fn as_key(&self) -> InternalKey<'_> {
        InternalKey { user_key: &self.user_key, sequence: self.sequence }
    }
}

impl Ord for OwnedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_key().cmp(&other.as_key())
    }
}

impl PartialOrd for OwnedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for OwnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_key().fmt(f)
    }
}

/// The order of user keys: bytewise, a prefix before its extensions.
///
/// The empty slice is answered apart. It may point anywhere, and on machines
/// whose `memcmp` reads masked vectors a compare at such an address costs about
/// 100 ns instead of 1 although no byte is needed.
#[inline]
pub fn compare_user_keys(left: &[u8], right: &[u8]) -> Ordering {
    if left.is_empty() || right.is_empty() {
        return left.len().cmp(&right.len());
    }
    left.cmp(right)
}

/// The first 16 bytes of a key as two big-endian words, padded with zeros.
///
/// Words compare in one instruction and sit inside the node that holds them, so
/// most comparisons of a search never follow a pointer to the key itself.
///
/// **INV-KEY-3** `heads(a) < heads(b)` implies `a < b`. Equal heads decide
/// nothing but this: the first 16 bytes, zero-padded, are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyHeads(pub u64, pub u64);

impl KeyHeads {
    /// How many bytes of a key its heads hold.
    pub const BYTES: usize = 16;

    /// Both words as one: its order is that of the heads, told without a branch.
    #[inline]
    pub fn as_word(self) -> u128 {
        u128::from(self.0) << 64 | u128::from(self.1)
    }

    /// The heads of `user_key`.
    #[inline]
    pub fn of(user_key: &[u8]) -> KeyHeads {
        if let Some((first, rest)) = user_key.split_first_chunk()
            && let Some(second) = rest.first_chunk()
        {
            return KeyHeads(u64::from_be_bytes(*first), u64::from_be_bytes(*second));
        }
        let mut padded = [0u8; KeyHeads::BYTES];
        let held = user_key.len().min(KeyHeads::BYTES);
        padded[..held].copy_from_slice(&user_key[..held]);
        let word = u128::from_be_bytes(padded);
        KeyHeads((word >> 64) as u64, word as u64)
    }
}

/// Checks a key and a value against the limits of the formats.
///
/// # Errors
/// [`Error::InvalidArgument`] with the size and the limit.
pub fn check_limits(user_key: &[u8], value: &[u8]) -> Result<()> {
    if user_key.len() > MAX_KEY_BYTES {
        return Err(Error::invalid_argument(format!(
            "a key of {} bytes is longer than the limit of {MAX_KEY_BYTES} bytes",
            user_key.len()
        )));
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::invalid_argument(format!(
            "a value of {} bytes is larger than the limit of {MAX_VALUE_BYTES} bytes",
            value.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_newest_version_of_a_key_comes_first() {
        let mut keys = [
            InternalKey::new(b"banana", 7),
            InternalKey::new(b"apple", 1),
            InternalKey::new(b"apple", 9),
            InternalKey::new(b"", 3),
        ];
        keys.sort();
        let order: Vec<_> = keys.iter().map(|k| (k.user_key, k.sequence)).collect();
        assert_eq!(order, [(&b""[..], 3), (b"apple", 9), (b"apple", 1), (b"banana", 7)]);
    }

    #[test]
    fn every_version_lies_between_before_all_and_after_all() {
        for sequence in [FIRST_SEQUENCE, 12, MAX_SEQUENCE] {
            let version = InternalKey::new(b"k", sequence);
            assert!(InternalKey::before_all(b"k") <= version);
            assert!(version < InternalKey::after_all(b"k"));
        }
    }

    #[test]
    fn a_zero_byte_is_no_kind() {
        assert_eq!(Kind::from_byte(0), None);
        for kind in [Kind::Value, Kind::Deletion] {
            assert_eq!(Kind::from_byte(kind.as_byte()), Some(kind));
        }
    }

    #[test]
    fn a_key_may_reach_its_limit_and_not_pass_it() {
        assert!(check_limits(&vec![0; MAX_KEY_BYTES], b"").is_ok());
        let error = check_limits(&vec![0; MAX_KEY_BYTES + 1], b"").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid argument: a key of 65536 bytes is longer than the limit of 65535 bytes"
        );
    }

    proptest! {
        #[test]
        fn heads_never_contradict_the_order(a: Vec<u8>, b: Vec<u8>) {
            if KeyHeads::of(&a) < KeyHeads::of(&b) {
                prop_assert_eq!(compare_user_keys(&a, &b), Ordering::Less);
            }
            prop_assert_eq!(compare_user_keys(&a, &b), a.cmp(&b));
        }
    }
}
