//! The key that a cursor lends: the block's prefix, once, and an entry's suffix behind it.
//!
//! ```text
//!   bytes   k i w i │ s . . . . . . . . . . . . . . . │
//!           prefix  │ suffix, and what stood behind it in the block
//!                   └──── 16 bytes, copied as one ────┘
//! ```
//!
//! A suffix is a few bytes long, and how many differs from entry to entry. To copy
//! exactly those is a call of a routine for any length; to copy 16 and to remember how
//! many count is two instructions.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::ops::Range;

/// How many bytes are copied as one.
const STRIDE_BYTES: usize = 16;

/// Room for the key that most cursors never outgrow, so that they ask for memory once.
const TYPICAL_KEY_BYTES: usize = 64;

/// A prefix and a suffix, side by side.
#[derive(Debug, Default)]
pub(super) struct WholeKey {
    /// The key and at least a stride behind its prefix.
    bytes: Vec<u8>,
    prefix_bytes: usize,
    key_bytes: usize,
}

impl WholeKey {
    /// Begins the keys of another block.
    pub(super) fn begin_with(&mut self, prefix: &[u8]) {
        self.bytes.clear();
        let least = prefix.len().saturating_add(STRIDE_BYTES);
        self.bytes.reserve(least.max(TYPICAL_KEY_BYTES));
        self.bytes.extend_from_slice(prefix);
        self.bytes.resize(least, 0);
        (self.prefix_bytes, self.key_bytes) = (prefix.len(), prefix.len());
    }

    /// Puts behind the prefix what `block` has at `suffix`.
    #[inline]
    pub(super) fn end_with(&mut self, block: &[u8], suffix: Range<usize>) {
        let length = suffix.end.wrapping_sub(suffix.start);
        let from = block.get(suffix.start..).and_then(<[u8]>::first_chunk::<STRIDE_BYTES>);
        let to = self.bytes.get_mut(self.prefix_bytes..).and_then(<[u8]>::first_chunk_mut);
        match (from, to) {
            (Some(from), Some(to)) if length <= STRIDE_BYTES => *to = *from,
            _ => self.end_with_any(block.get(suffix).unwrap_or_default()),
        }
        self.key_bytes = self.prefix_bytes.wrapping_add(length);
    }

    /// The same for a suffix of any length.
    #[cold]
    fn end_with_any(&mut self, suffix: &[u8]) {
        self.bytes.truncate(self.prefix_bytes);
        self.bytes.extend_from_slice(suffix);
        self.bytes.resize(self.bytes.len().saturating_add(STRIDE_BYTES), 0);
    }

    /// The key.
    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.key_bytes).unwrap_or_default()
    }
}
