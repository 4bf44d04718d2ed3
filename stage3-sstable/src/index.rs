//! The index: which data block may hold a key.
//!
//! ```text
//!   blocks      │ apple … banana │ date … elder │ grape … kiwi │
//!   separators                   c              f            kiwi
//!               target "dog" ─── first separator at or above: f ──▶ block 1
//!
//!   index       := prefix_length:varint prefix  count:varint  separator{count}
//!   separator   := rest_length:varint rest  sequence:varint  block_bytes:varint
//! ```
//!
//! A separator stands at or above the last key of its block and below the first
//! key of the next, and is as short as that allows.
//!
//! - **INV-INDEX-1** Separators ascend, and no user key has entries on both sides of
//!   one, unless it is an entry itself. So the block of the first separator at or behind
//!   `target` is the only one in which the newest version of its user key, of at most its
//!   sequence, can be: a lookup reads one block.
//! - **INV-INDEX-2** Data blocks fill the file from offset 0 without a gap, so
//!   their lengths say where they are.
//!
//! In memory the prefix that all separators share is stripped, the next eight
//! bytes of each stand side by side as big-endian words, and what is behind them
//! is one flat string. A search among 50,000 separators then takes 65 to 120 ns,
//! where one refcounted slice per separator takes 330 to 400: it misses the cache
//! a few times instead of once per step.
//!
//! ```text
//!   ends of groups   15      31      47      63          the last head of each 16
//!   heads            0 … 15 │ 16 … 31 │ 32 … 47 │ …      three lines, compared at once
//! ```
//!
//! Of these few, most belong to the last steps of a search, each of which waits for the one
//! before. So every sixteenth head stands in a list of its own, which is small enough to
//! stay in the cache, and leads to sixteen that are compared with no wait between. That
//! takes three hundredths off a get of a database of a million records whose blocks are
//! cached (612 ns to 590, medians in turns).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::cmp::Ordering;

use stage2_wal::coding::{Decoder, Malformed, put_prefixed, put_varint};
use stage2_wal::memtable::key::{InternalKey, MAX_SEQUENCE, OwnedKey, Sequence, compare_user_keys};

use crate::format::{BlockHandle, TRAILER_BYTES};

/// Less than any data block takes in a file. A plain one has at least 14 bytes;
/// a compressed one has a length, a match and the five literals that end every
/// LZ4 block, which is more than eight. Bounds how many separators an honest
/// index can have.
const LEAST_BLOCK_BYTES: u64 = 8 + TRAILER_BYTES as u64;

/// So many heads lie in two or three cache lines, and are compared without a wait between.
const GROUP: usize = 16;

/// Three varints of a byte: the least that a separator takes in the index.
const LEAST_SEPARATOR_BYTES: usize = 3;

/// The separators of a table, in memory.
#[derive(Debug, Default)]
pub struct Index {
    prefix: Vec<u8>,
    /// The first eight bytes behind the prefix, padded with zeros.
    heads: Vec<u64>,
    /// The last head of each group of `GROUP`.
    group_ends: Vec<u64>,
    /// What stands behind the prefix, of all separators, one behind the other.
    rests: Vec<u8>,
    rest_ends: Vec<usize>,
    sequences: Vec<Sequence>,
    /// Where each block ends, its trailer included.
    block_ends: Vec<u64>,
}

impl Index {
    /// How many data blocks there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is no data block.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// About how much memory it occupies, in bytes.
    pub fn size_bytes(&self) -> usize {
        let per_block = size_of::<u64>().saturating_mul(4);
        let words = self.len().saturating_mul(per_block).saturating_add(size_of_val(&*self.group_ends));
        words.saturating_add(self.rests.len())
    }

    /// The ordinal of the first block whose separator is at or above `target`;
    /// [`len`](Self::len) when all lie below.
    #[inline]
    pub fn find(&self, target: InternalKey<'_>) -> usize {
        let (front, rest) = target.user_key.split_at(target.user_key.len().min(self.prefix.len()));
        match compare_user_keys(front, &self.prefix) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.len(),
            Ordering::Equal => {}
        }
        let head = head_of(rest);
        let from = self.first_from(head);
        if self.heads.get(from) != Some(&head) {
            return from;
        }
        self.find_behind_head(from, head, rest, target.sequence)
    }

    /// The ordinal of the first separator whose head is at or above this one.
    #[inline]
    fn first_from(&self, head: u64) -> usize {
        let start = self.group_ends.partition_point(|&end| end < head).wrapping_mul(GROUP);
        let group = self.heads.get(start..).unwrap_or_default();
        let group = group.get(..GROUP).unwrap_or(group);
        start.wrapping_add(group.iter().filter(|&&other| other < head).count())
    }

    /// Searches the run of separators that have the same head.
    fn find_behind_head(&self, mut from: usize, head: u64, rest: &[u8], sequence: Sequence) -> usize {
        let run = self.heads.get(from..).unwrap_or_default().partition_point(|&other| other == head);
        let mut to = from.saturating_add(run);
        while from < to {
            let middle = from.midpoint(to);
            match self.compare(middle, rest, sequence) {
                Ordering::Less => from = middle.wrapping_add(1),
                _ => to = middle,
            }
        }
        from
    }

    fn compare(&self, ordinal: usize, rest: &[u8], sequence: Sequence) -> Ordering {
        compare_user_keys(self.rest(ordinal), rest)
            .then_with(|| sequence.cmp(&self.sequences.get(ordinal).copied().unwrap_or_default()))
    }

    fn rest(&self, ordinal: usize) -> &[u8] {
        let start =
            ordinal.checked_sub(1).and_then(|before| self.rest_ends.get(before)).copied().unwrap_or(0);
        let end = self.rest_ends.get(ordinal).copied().unwrap_or(start);
        self.rests.get(start..end).unwrap_or_default()
    }

    /// Where the block with this ordinal lies, or `None` behind the last.
    #[inline]
    pub fn handle(&self, ordinal: usize) -> Option<BlockHandle> {
        let end = *self.block_ends.get(ordinal)?;
        let offset = match ordinal.checked_sub(1) {
            Some(before) => *self.block_ends.get(before)?,
            None => 0,
        };
        let bytes = end.checked_sub(offset)?.checked_sub(TRAILER_BYTES as u64)?;
        Some(BlockHandle { offset, bytes: bytes as u32 })
    }

    /// The separator of the block with this ordinal, or `None` behind the last.
    pub fn separator(&self, ordinal: usize) -> Option<OwnedKey> {
        let sequence = *self.sequences.get(ordinal)?;
        let user_key = [&self.prefix, self.rest(ordinal)].concat().into();
        Some(OwnedKey { user_key, sequence })
    }

    /// Reads the index of a table whose data blocks take `data_bytes`.
    ///
    /// # Errors
    /// [`Malformed`] when bytes are missing or left, separators do not ascend, or
    /// the blocks do not fill exactly `data_bytes`.
    pub fn decode(decoder: &mut Decoder<'_>, data_bytes: u64) -> Result<Index, Malformed> {
        let index = Index::decode_within(decoder, data_bytes)?;
        if index.block_ends.last().copied().unwrap_or(0) != data_bytes {
            return Err(decoder.malformed(format!("the blocks do not fill {data_bytes} bytes")));
        }
        Ok(index)
    }

    /// The same for who knows only that the data takes at most `data_bytes`: blocks that
    /// end before that are no error.
    ///
    /// # Errors
    /// The others of [`decode`](Self::decode).
    pub fn decode_within(decoder: &mut Decoder<'_>, data_bytes: u64) -> Result<Index, Malformed> {
        let mut index = Index { prefix: decoder.prefixed("common prefix")?.to_vec(), ..Index::default() };
        let count = decoder.length("separators")?;
        if count as u64 > data_bytes / LEAST_BLOCK_BYTES {
            return Err(decoder.malformed(format!("{count} blocks do not fit {data_bytes} bytes")));
        }
        index.reserve(count.min(decoder.remaining() / LEAST_SEPARATOR_BYTES));
        for _ in 0..count {
            index.decode_separator(decoder, data_bytes)?;
        }
        index.group_ends =
            index.heads.chunks_exact(GROUP).filter_map(|group| group.last().copied()).collect();
        decoder.finish()?;
        Ok(index)
    }

    /// Makes room at once: an index that grew by doubling would take twice the memory
    /// for as long as its table is open.
    fn reserve(&mut self, separators: usize) {
        self.heads.reserve_exact(separators);
        self.rest_ends.reserve_exact(separators);
        self.sequences.reserve_exact(separators);
        self.block_ends.reserve_exact(separators);
    }

    fn decode_separator(&mut self, decoder: &mut Decoder<'_>, data_bytes: u64) -> Result<(), Malformed> {
        let rest = decoder.prefixed("separator")?;
        let sequence = decoder.varint("sequence")?;
        let bytes = decoder.varint("block bytes")?;
        let ascends = self.is_empty() || self.compare(self.len().saturating_sub(1), rest, sequence).is_lt();
        if !ascends || sequence > MAX_SEQUENCE {
            return Err(decoder.malformed("the separators are out of order"));
        }
        let start = self.block_ends.last().copied().unwrap_or(0);
        let end = start.checked_add(bytes).and_then(|end| end.checked_add(TRAILER_BYTES as u64));
        let end = end.filter(|&end| end <= data_bytes && u32::try_from(bytes).is_ok());
        let end = end.ok_or_else(|| decoder.malformed("a block lies beyond the data"))?;
        self.heads.push(head_of(rest));
        self.rests.extend_from_slice(rest);
        self.rest_ends.push(self.rests.len());
        self.sequences.push(sequence);
        self.block_ends.push(end);
        Ok(())
    }
}

/// The first eight bytes of what is behind the prefix, as a big-endian word.
#[inline]
fn head_of(rest: &[u8]) -> u64 {
    if let Some(head) = rest.first_chunk() {
        return u64::from_be_bytes(*head);
    }
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(rest) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}

/// Collects the separators of a table that is being written.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    separators: Vec<(OwnedKey, u32)>,
}

impl IndexBuilder {
    /// Adds a block of `bytes` that ends with `last`; `next` is the first key
    /// behind it, if there is one.
    pub fn add(&mut self, last: InternalKey<'_>, next: Option<InternalKey<'_>>, bytes: u32) {
        let separator = next.map_or_else(|| last.to_owned(), |next| separator_between(last, next));
        debug_assert!(
            self.separators.last().is_none_or(|(before, _)| *before < separator),
            "INV-INDEX-1: {separator:?} out of order"
        );
        self.separators.push((separator, bytes));
    }

    /// The index as a payload.
    pub fn finish(&self) -> Vec<u8> {
        let prefix = self.common_prefix();
        let mut bytes = Vec::new();
        put_prefixed(&mut bytes, prefix);
        put_varint(&mut bytes, self.separators.len() as u64);
        for (separator, block_bytes) in &self.separators {
            put_prefixed(&mut bytes, separator.user_key.get(prefix.len()..).unwrap_or_default());
            put_varint(&mut bytes, separator.sequence);
            put_varint(&mut bytes, u64::from(*block_bytes));
        }
        bytes
    }

    /// Separators ascend, so what the first and the last share, all share.
    fn common_prefix(&self) -> &[u8] {
        let (Some((first, _)), Some((last, _))) = (self.separators.first(), self.separators.last()) else {
            return &[];
        };
        first.user_key.get(..shared_bytes(&first.user_key, &last.user_key)).unwrap_or_default()
    }
}

fn shared_bytes(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// A key at or above `last` and below `next`, as short as can be.
///
/// Between versions of one user key it is `last` itself. Otherwise it is the
/// place behind every version of some user key from `last`'s on and below
/// `next`'s, so that no user key lies on both sides (INV-INDEX-1).
fn separator_between(last: InternalKey<'_>, next: InternalKey<'_>) -> OwnedKey {
    debug_assert!(last < next);
    if last.user_key == next.user_key {
        return last.to_owned();
    }
    InternalKey::after_all(&short_successor(last.user_key, next.user_key)).to_owned()
}

/// The shortest user key that this finds from `last` on and below `next`: a
/// prefix of `last` with its final byte raised, or `last` itself.
fn short_successor(last: &[u8], next: &[u8]) -> Vec<u8> {
    for length in shared_bytes(last, next)..last.len() {
        let (front, behind) = last.split_at(length);
        let raised = behind.first().and_then(|byte| byte.checked_add(1));
        let Some(raised) = raised else { continue };
        let candidate = [front, &[raised]].concat();
        if candidate.as_slice() < next {
            return candidate;
        }
    }
    last.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    #[test]
    fn a_separator_is_as_short_as_its_neighbours_allow() {
        for (last, next, expected) in [
            ("cherry", "fig", "d"),
            ("cherry", "date", "d"),
            ("cherry", "d", "ci"),
            ("abcd7", "abce", "abcd8"),
            ("ab", "abc", "ab"),
            ("", "a", ""),
        ] {
            let short = short_successor(last.as_bytes(), next.as_bytes());
            assert_eq!(short, expected.as_bytes(), "between {last} and {next}");
        }
        assert_eq!(short_successor(b"a\xff\xff\x05", b"b"), b"a\xff\xff\x06");
    }

    #[test]
    fn a_hostile_count_is_refused_without_allocation() {
        let mut bytes = vec![0];
        put_varint(&mut bytes, u64::MAX >> 1);
        assert!(Index::decode(&mut Decoder::new(&bytes), 1 << 20).is_err());
    }

    fn user_key() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![vec(0u8..3, 0..4), vec(any::<u8>(), 0..12), vec(253u8..=255, 0..4)]
    }

    proptest! {
        #[test]
        fn a_separator_lies_at_or_above_the_last_key_and_below_the_next(
            keys in btree_set((user_key(), 1u64..4), 2..10),
        ) {
            let mut keys: Vec<_> =
                keys.iter().map(|(key, sequence)| InternalKey::new(key, *sequence)).collect();
            keys.sort();
            for pair in keys.windows(2) {
                let separator = separator_between(pair[0], pair[1]);
                prop_assert!(pair[0] <= separator.as_key() && separator.as_key() < pair[1]);
                prop_assert!(separator.user_key.len() <= pair[0].user_key.len());
            }
        }

        #[test]
        fn the_index_finds_the_first_separator_at_or_above(
            keys in btree_set((user_key(), 1u64..4), 1..60), shared in user_key(),
            probe in user_key(), at in 0u64..5,
        ) {
            let with_shared = |(key, sequence): (Vec<u8>, u64)| ([&shared[..], &key].concat(), sequence);
            let mut keys: Vec<_> = keys.into_iter().map(with_shared).collect();
            keys.sort_by(|a, b| InternalKey::new(&a.0, a.1).cmp(&InternalKey::new(&b.0, b.1)));
            let mut builder = IndexBuilder::default();
            for ((key, sequence), bytes) in keys.iter().zip(100..) {
                builder.separators.push((InternalKey::new(key, *sequence).to_owned(), bytes));
            }
            let payload = builder.finish();
            let data_bytes = (105..).take(keys.len()).sum();
            let index = Index::decode(&mut Decoder::new(&payload), data_bytes)?;
            let strangers = [(probe.clone(), at), ([&shared[..], &probe].concat(), at)];
            let probes = keys.iter().cloned().chain(strangers);
            for (probe, at) in probes {
                let target = InternalKey::new(&probe, at);
                let below = |(key, sequence): &&(Vec<u8>, u64)| InternalKey::new(key, *sequence) < target;
                prop_assert_eq!(index.find(target), keys.iter().take_while(below).count());
            }
            for (number, ((key, sequence), bytes)) in keys.iter().zip(100..).enumerate() {
                prop_assert_eq!(index.separator(number), Some(InternalKey::new(key, *sequence).to_owned()));
                prop_assert_eq!(index.handle(number).unwrap().bytes, bytes);
            }
        }

        #[test]
        fn no_bytes_make_an_index_panic(bytes: Vec<u8>, data_bytes in 0u64..1000) {
            if let Ok(index) = Index::decode(&mut Decoder::new(&bytes), data_bytes) {
                index.find(InternalKey::new(&bytes, 1));
            }
        }
    }
}
