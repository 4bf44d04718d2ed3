//! Where one entry lies in its block, and what it says: its header, taken apart.
//!
//! ```text
//!   start                                                value_start     end
//!   │ kind · sequence · suffix length · value length │ suffix │ value     │
//!   │  01     90 9c 3d       03              64      │ 032    │ …         │
//!   └─── one load of eight bytes holds it, as a rule ─────┘
//! ```
//!
//! Every step of a scan comes here. Three of the four fields have any length, and read
//! byte by byte each byte stands behind two questions: is it there, and does another
//! follow? Instead a word is loaded once, and the lengths of its fields are counted in
//! bits. What a word does not hold (a sequence from 2^28 on, a suffix from 128 bytes, a
//! value from 16 KiB) is read field by field. With this, with
//! [`whole_key`](super::whole_key), and with moves that say in their answer whether they
//! found an entry, a step of a table's cursor takes 147 instructions instead of 183.
//!
//! An entry must end where the next one starts. That one comparison stands for all others:
//! lengths only add to the start, so none of its parts can lie behind its end.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::ops::Range;

use stage2_wal::memtable::key::{Kind, MAX_SEQUENCE, Sequence};

/// Where the parts of one entry lie in its block, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) sequence: Sequence,
    pub(super) suffix_start: usize,
    pub(super) value_start: usize,
    pub(super) value_end: usize,
}

impl Entry {
    /// Reads the entry that starts at `start` of the block in `bytes` and ends at `end`,
    /// which must lie within the block.
    #[inline]
    pub(super) fn decode(bytes: &[u8], start: usize, end: usize) -> Option<Entry> {
        let entry = match in_one_word(bytes, start) {
            Some(entry) => entry,
            None => field_by_field(bytes, start)?,
        };
        (entry.value_end == end).then_some(entry)
    }

    /// What its key has behind the block's prefix.
    #[inline]
    pub(super) fn suffix(&self) -> Range<usize> {
        self.suffix_start..self.value_start
    }

    /// Its value.
    #[inline]
    pub(super) fn value(&self) -> Range<usize> {
        self.value_start..self.value_end
    }
}

/// The entry at `start` if eight bytes hold its header.
#[inline]
pub(super) fn in_one_word(bytes: &[u8], start: usize) -> Option<Entry> {
    let word = u64::from_le_bytes(*bytes.get(start..)?.first_chunk()?);
    let kind = Kind::from_byte(word as u8)?;
    let behind_kind = word >> 8;
    // A varint ends with its first byte whose highest bit is clear.
    let ends = !behind_kind & 0x8080_8080;
    if ends == 0 {
        return None;
    }
    let end = ends.trailing_zeros();
    let lengths = behind_kind >> end >> 1;
    let suffix_bytes = lengths & 0x7f;
    let (value_bytes, header_bits) = match lengths & 0x80_8080 {
        0 | 0x80_0000 => (lengths >> 8 & 0x7f, end.wrapping_add(25)),
        0x8000 => (lengths >> 8 & 0x7f | lengths >> 9 & 0x3f80, end.wrapping_add(33)),
        _ => return None,
    };
    let sequence = joined(behind_kind & (1u64 << end).wrapping_sub(1));
    let suffix_start = start.wrapping_add((header_bits / 8) as usize);
    let value_start = suffix_start.wrapping_add(suffix_bytes as usize);
    let value_end = value_start.wrapping_add(value_bytes as usize);
    Some(Entry { kind, sequence, suffix_start, value_start, value_end })
}

/// The number whose seven-bit groups stand in four bytes, the lowest first.
#[inline]
fn joined(groups: u64) -> u64 {
    let pairs = groups & 0x007f_007f | (groups & 0x7f00_7f00) >> 1;
    pairs & 0x3fff | pairs >> 2 & 0x0fff_c000
}

/// The entry at `start`, whatever its fields are.
#[cold]
pub(super) fn field_by_field(bytes: &[u8], start: usize) -> Option<Entry> {
    let kind = Kind::from_byte(*bytes.get(start)?)?;
    let (sequence, at) = varint(bytes, start.checked_add(1)?)?;
    let (suffix_bytes, at) = varint(bytes, at)?;
    let (value_bytes, suffix_start) = varint(bytes, at)?;
    let value_start = suffix_start.checked_add(usize::try_from(suffix_bytes).ok()?)?;
    let value_end = value_start.checked_add(usize::try_from(value_bytes).ok()?)?;
    (sequence <= MAX_SEQUENCE).then_some(Entry { kind, sequence, suffix_start, value_start, value_end })
}

/// The varint at `at`, and where it ends, as a [`Decoder`](stage2_wal::coding::Decoder)
/// reads it.
pub(super) fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let (mut value, mut shift) = (0, 0u32);
    loop {
        let byte = *bytes.get(at)?;
        at = at.wrapping_add(1);
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, at));
        }
        shift = shift.wrapping_add(7);
    }
}
