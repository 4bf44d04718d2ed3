//! The classic layout, to compare against: each key says how many bytes it
//! shares with the one before, every 16th is written out, and a search goes over
//! those before it walks.
//!
//! ```text
//!   block   := entry*  restart:u32*  restarts:u32
//!   entry   := shared:varint  unshared:varint  value_length:varint  key_delta  value
//!   key     := user_key  (sequence << 8 | kind):u64
//! ```
//!
//! Source: <https://github.com/google/leveldb/blob/main/doc/table_format.md>

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use bytes::Bytes;
use stage2_wal::coding::{Decoder, put_varint};
use stage2_wal::memtable::key::{InternalKey, Kind, Sequence};

const RESTART_INTERVAL: usize = 16;

/// Collects the entries of one classic block.
#[derive(Debug, Default)]
pub struct ClassicBuilder {
    block: Vec<u8>,
    restarts: Vec<u32>,
    entries: usize,
    last: Vec<u8>,
}

impl ClassicBuilder {
    /// How many bytes the block takes if it is finished now.
    pub fn size_bytes(&self) -> usize {
        self.block.len().saturating_add(self.restarts.len().saturating_mul(4)).saturating_add(4)
    }

    /// Adds an entry behind the last one.
    pub fn add(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) {
        let mut encoded = key.user_key.to_vec();
        encoded.extend_from_slice(&(key.sequence << 8 | u64::from(kind.as_byte())).to_le_bytes());
        let mut shared = 0;
        if self.entries.is_multiple_of(RESTART_INTERVAL) {
            self.restarts.push(self.block.len() as u32);
        } else {
            shared = self.last.iter().zip(&encoded).take_while(|(a, b)| a == b).count();
        }
        let delta = encoded.get(shared..).unwrap_or_default();
        put_varint(&mut self.block, shared as u64);
        put_varint(&mut self.block, delta.len() as u64);
        put_varint(&mut self.block, value.len() as u64);
        self.block.extend_from_slice(delta);
        self.block.extend_from_slice(value);
        self.last = encoded;
        self.entries = self.entries.saturating_add(1);
    }

    /// The encoded block.
    pub fn finish(&mut self) -> Vec<u8> {
        for restart in self.restarts.drain(..) {
            self.block.extend_from_slice(&restart.to_le_bytes());
        }
        let restarts = self.entries.div_ceil(RESTART_INTERVAL) as u32;
        self.block.extend_from_slice(&restarts.to_le_bytes());
        self.entries = 0;
        self.last.clear();
        std::mem::take(&mut self.block)
    }
}

/// A classic block in memory.
#[derive(Debug, Clone)]
pub struct ClassicBlock {
    payload: Bytes,
    restarts: usize,
    restarts_start: usize,
}

impl ClassicBlock {
    /// Takes a payload for a classic block, or `None` when its count is wrong.
    pub fn parse(payload: Bytes) -> Option<ClassicBlock> {
        let restarts = u32::from_le_bytes(*payload.last_chunk()?) as usize;
        let restarts_start = payload.len().checked_sub(restarts.checked_add(1)?.checked_mul(4)?)?;
        Some(ClassicBlock { payload, restarts, restarts_start })
    }

    /// How many bytes it occupies.
    pub fn size_bytes(&self) -> usize {
        self.payload.len()
    }

    fn restart(&self, index: usize) -> Option<usize> {
        let at = self.restarts_start.checked_add(index.checked_mul(4)?)?;
        Some(u32::from_le_bytes(*self.payload.get(at..)?.first_chunk()?) as usize)
    }

    /// A cursor over the block; it stands on no entry yet.
    pub fn cursor(&self) -> ClassicCursor {
        ClassicCursor {
            block: self.clone(),
            next: 0,
            key: Vec::new(),
            value_start: 0,
            value_end: 0,
            valid: false,
        }
    }
}

/// A position in a classic block.
#[derive(Debug)]
pub struct ClassicCursor {
    block: ClassicBlock,
    next: usize,
    key: Vec<u8>,
    value_start: usize,
    value_end: usize,
    valid: bool,
}

impl ClassicCursor {
    /// Whether it stands on an entry.
    pub fn is_valid(&self) -> bool {
        self.valid
    }

    /// The key of the entry.
    pub fn key(&self) -> InternalKey<'_> {
        split(&self.key).0
    }

    /// The sequence and kind of the entry.
    pub fn version(&self) -> (Sequence, Option<Kind>) {
        let (key, kind) = split(&self.key);
        (key.sequence, kind)
    }

    /// The value of the entry.
    pub fn value(&self) -> &[u8] {
        self.block.payload.get(self.value_start..self.value_end).unwrap_or_default()
    }

    /// The value of the entry, sharing the block's bytes.
    pub fn value_owned(&self) -> Bytes {
        self.block.payload.slice(self.value_start..self.value_end)
    }

    /// Moves to the first entry.
    pub fn seek_to_first(&mut self) {
        self.next = 0;
        self.next();
    }

    /// Moves to the first entry at or behind `target`: first the last restart
    /// before it, then one by one.
    #[inline]
    pub fn seek(&mut self, target: InternalKey<'_>) {
        let (mut from, mut to) = (0usize, self.block.restarts);
        while from.wrapping_add(1) < to {
            let middle = from.midpoint(to);
            if self.restart_is_before(middle, target) { from = middle } else { to = middle }
        }
        self.key.clear();
        self.next = self.block.restart(from).unwrap_or(self.block.restarts_start);
        self.next();
        while self.valid && self.key() < target {
            self.next();
        }
    }

    #[inline]
    fn restart_is_before(&self, index: usize, target: InternalKey<'_>) -> bool {
        let Some(at) = self.block.restart(index) else { return false };
        let Some((_, unshared, _, at)) = self.header(at) else { return false };
        let key = self.block.payload.get(at..at.saturating_add(unshared)).unwrap_or_default();
        split(key).0 < target
    }

    #[inline]
    fn header(&self, at: usize) -> Option<(usize, usize, usize, usize)> {
        let bytes = self.block.payload.get(..self.block.restarts_start)?;
        let (shared, at) = varint(bytes, at)?;
        let (unshared, at) = varint(bytes, at)?;
        let (value, at) = varint(bytes, at)?;
        Some((shared as usize, unshared as usize, value as usize, at))
    }

    /// Moves one entry forward.
    #[inline]
    pub fn next(&mut self) {
        self.valid = self.step().is_some();
    }

    #[inline]
    fn step(&mut self) -> Option<()> {
        let (shared, unshared, value, at) = self.header(self.next)?;
        self.value_start = at.checked_add(unshared)?;
        self.value_end = self.value_start.checked_add(value)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(self.block.payload.get(at..self.value_start)?);
        self.next = self.value_end;
        (self.value_end <= self.block.restarts_start).then_some(())
    }
}

#[inline]
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let byte = *bytes.get(at)?;
    if byte < 0x80 {
        return Some((u64::from(byte), at.wrapping_add(1)));
    }
    let mut decoder = Decoder::new(bytes.get(at..)?);
    let value = decoder.varint("").ok()?;
    Some((value, at.checked_add(decoder.position())?))
}

#[inline]
fn split(key: &[u8]) -> (InternalKey<'_>, Option<Kind>) {
    let Some((user_key, trailer)) = key.split_last_chunk::<8>() else {
        return (InternalKey::new(b"", 0), None);
    };
    let packed = u64::from_le_bytes(*trailer);
    (InternalKey::new(user_key, packed >> 8), Kind::from_byte(packed as u8))
}
