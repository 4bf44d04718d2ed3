//! Collects entries and writes them as one block.

use stage2_wal::coding::{MAX_VARINT_BYTES, put_varint};
use stage2_wal::memtable::key::{InternalKey, Kind, MAX_KEY_BYTES, Sequence, compare_user_keys};

use super::{COUNTS_BYTES, HEAD_BYTES, OFFSET_BYTES, head_of};

/// What an entry may take beside its suffix and value: kind and three varints.
const MAX_ENTRY_HEADER_BYTES: usize = 1 + 3 * MAX_VARINT_BYTES;

/// Collects entries of one block.
///
/// The prefix that all keys share is known only when the last key is, so
/// entries are kept as they came and encoded by [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct BlockBuilder {
    entries: Vec<Pending>,
    /// The user keys, one behind the other.
    keys: Vec<u8>,
    /// The values, one behind the other.
    values: Vec<u8>,
    /// How many bytes all keys so far have in common.
    prefix_bytes: usize,
}

/// An entry that waits for its block's prefix.
#[derive(Debug)]
struct Pending {
    kind: Kind,
    sequence: Sequence,
    key_end: usize,
    value_end: usize,
}

impl BlockBuilder {
    /// An empty builder.
    pub fn new() -> BlockBuilder {
        BlockBuilder::default()
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The last key added.
    pub fn last_key(&self) -> Option<InternalKey<'_>> {
        let last = self.entries.last()?;
        let start = self.entries.len().checked_sub(2).map_or(0, |before| self.entries[before].key_end);
        Some(InternalKey::new(&self.keys[start..last.key_end], last.sequence))
    }

    /// Whether one more entry can be addressed: its offset must fit 16 bits.
    /// Counted as if no prefix were shared, because the next key may share none.
    pub fn has_room(&self) -> bool {
        let most = self.keys.len() + self.values.len() + self.entries.len() * MAX_ENTRY_HEADER_BYTES;
        most <= usize::from(u16::MAX)
    }

    /// About how many bytes the block takes if it is finished now.
    pub fn size_bytes(&self) -> usize {
        // Kind, a sequence of four bytes, and two lengths of one or two.
        const TYPICAL_ENTRY_HEADER_BYTES: usize = 7;
        let per_entry = TYPICAL_ENTRY_HEADER_BYTES + HEAD_BYTES + OFFSET_BYTES;
        let shared = self.entries.len().saturating_sub(1) * self.prefix_bytes;
        self.keys.len() - shared + self.values.len() + self.entries.len() * per_entry + COUNTS_BYTES
    }

    /// Adds an entry behind the last one.
    ///
    /// The caller keeps the order, the limits of key and value, and asks
    /// [`has_room`](Self::has_room) first.
    pub fn add(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) {
        debug_assert!(self.last_key().is_none_or(|last| last < key), "INV-BLOCK-1: {key:?} out of order");
        debug_assert!(self.has_room(), "the offset of {key:?} does not fit 16 bits");
        debug_assert!(key.user_key.len() <= MAX_KEY_BYTES);
        self.prefix_bytes = match self.entries.first() {
            Some(first) => shared_bytes(&self.keys[..first.key_end.min(self.prefix_bytes)], key.user_key),
            None => key.user_key.len(),
        };
        self.keys.extend_from_slice(key.user_key);
        self.values.extend_from_slice(value);
        self.entries.push(Pending {
            kind,
            sequence: key.sequence,
            key_end: self.keys.len(),
            value_end: self.values.len(),
        });
    }

    /// The encoded block. The builder is empty afterwards and keeps its memory.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.size_bytes() + self.entries.len() * MAX_VARINT_BYTES);
        let mut heads = Vec::with_capacity(self.entries.len() * HEAD_BYTES);
        let mut offsets = Vec::with_capacity(self.entries.len() * OFFSET_BYTES);
        let (mut key_start, mut value_start) = (0, 0);
        for entry in &self.entries {
            let suffix = &self.keys[key_start + self.prefix_bytes..entry.key_end];
            offsets.extend_from_slice(&(block.len() as u16).to_le_bytes());
            heads.extend_from_slice(&head_of(suffix).to_be_bytes());
            put_entry(&mut block, entry, suffix, &self.values[value_start..entry.value_end]);
            (key_start, value_start) = (entry.key_end, entry.value_end);
        }
        block.extend_from_slice(&self.keys[..self.prefix_bytes]);
        block.extend_from_slice(&heads);
        block.extend_from_slice(&offsets);
        block.extend_from_slice(&(self.prefix_bytes as u16).to_le_bytes());
        block.extend_from_slice(&(self.entries.len() as u16).to_le_bytes());
        self.clear();
        block
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.keys.clear();
        self.values.clear();
        self.prefix_bytes = 0;
    }
}

fn put_entry(block: &mut Vec<u8>, entry: &Pending, suffix: &[u8], value: &[u8]) {
    block.push(entry.kind.as_byte());
    put_varint(block, entry.sequence);
    put_varint(block, suffix.len() as u64);
    put_varint(block, value.len() as u64);
    block.extend_from_slice(suffix);
    block.extend_from_slice(value);
}

fn shared_bytes(left: &[u8], right: &[u8]) -> usize {
    if compare_user_keys(left, right.get(..left.len()).unwrap_or_default()).is_eq() {
        return left.len();
    }
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}
