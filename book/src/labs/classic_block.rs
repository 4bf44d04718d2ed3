//! The classic layout of a block, for comparison: each key without what it shares with the
//! key before, and every 16th written out.
//!
//! ```text
//!   entry := shared:varint  rest_length:varint  value_length:varint  kind:u8  sequence:varint  rest  value
//!   block := entry{n}  restart:u32{m}  m:u32
//! ```
//!
//! A *restart* is the offset of an entry that shares nothing, so that decoding can begin there.
//! LevelDB writes the sequence and the kind as eight bytes at the end of each key; here they
//! are written as in our own layout, so that nothing but the layout differs.

use stage1_memtable::key::{InternalKey, Kind, OwnedKey, Sequence};
use stage2_wal::coding::{Decoder, Malformed, put_varint};

/// From one key that is written out to the next.
const INTERVAL: usize = 16;

/// A block, built and searched.
#[derive(Debug, Default)]
pub struct ClassicBlock {
    bytes: Vec<u8>,
    restarts: Vec<usize>,
    entries: usize,
    last_key: Vec<u8>,
}

impl ClassicBlock {
    /// Adds an entry behind the last one.
    pub fn add(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) {
        let mut shared = self.last_key.iter().zip(key.user_key).take_while(|(a, b)| a == b).count();
        if self.entries.is_multiple_of(INTERVAL) {
            self.restarts.push(self.bytes.len());
            shared = 0;
        }
        let rest = &key.user_key[shared..];
        for length in [shared, rest.len(), value.len()] {
            put_varint(&mut self.bytes, length as u64);
        }
        self.bytes.push(kind.as_byte());
        put_varint(&mut self.bytes, key.sequence);
        self.bytes.extend_from_slice(rest);
        self.bytes.extend_from_slice(value);
        self.last_key = key.user_key.to_vec();
        self.entries += 1;
    }

    /// How many bytes it has, restarts and their number included.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + 4
    }

    /// The first key at or behind `target`, and how many entries were decoded on the way.
    ///
    /// # Errors
    /// [`Malformed`] when something is not an entry.
    pub fn search(&self, target: InternalKey<'_>) -> Result<(Option<OwnedKey>, usize), Malformed> {
        let (mut from, mut to, mut decoded) = (0, self.restarts.len(), 0);
        while to - from > 1 {
            let middle = from.midpoint(to);
            let mut key = Vec::new();
            let (sequence, _) = self.decode(self.restarts[middle], &mut key)?;
            decoded += 1;
            match InternalKey::new(&key, sequence) < target {
                true => from = middle,
                false => to = middle,
            }
        }
        let (mut at, mut key) = (self.restarts.get(from).copied().unwrap_or(0), Vec::new());
        while at < self.bytes.len() {
            let (sequence, end) = self.decode(at, &mut key)?;
            decoded += 1;
            let found = InternalKey::new(&key, sequence);
            if found >= target {
                return Ok((Some(found.to_owned()), decoded));
            }
            at = end;
        }
        Ok((None, decoded))
    }

    /// Makes `key`, which is the key before, that of the entry at `at`. Says where it ends.
    fn decode(&self, at: usize, key: &mut Vec<u8>) -> Result<(Sequence, usize), Malformed> {
        let mut decoder = Decoder::new(&self.bytes[at..]);
        let shared = decoder.length("shared")?;
        let rest_bytes = decoder.length("rest length")?;
        let value_bytes = decoder.length("value length")?;
        decoder.u8("kind")?;
        let sequence = decoder.varint("sequence")?;
        key.truncate(shared);
        key.extend_from_slice(decoder.bytes("rest", rest_bytes)?);
        decoder.bytes("value", value_bytes)?;
        Ok((sequence, at + decoder.position()))
    }
}
