//! The blocked Bloom filter: one cache line per question.
//!
//! ```text
//!   hash ──upper bits──▶ one block of 64 bytes          the same hash, spread:
//!                          │                            eight numbers of 6 bits
//!    ┌────────┬────────┬───▼────┬────────┐                   │
//!    │ block  │ block  │ block  │ block  │                   │
//!    └────────┴────────┴───┬────┴────────┘                   ▼
//!            ┌─────────────┴───────────────────────────────────────┐
//!     word   │ 0 …1……  1 ……1…  2 1……  3 …1…  4 ……1  5 …1……  6 1…  7 …1 │  one bit in each
//!            └─────────────────────────────────────────────────────┘
//! ```
//!
//! The bytes of a filter:
//!
//! ```text
//!   filter   block count varint · block, count times
//!   block    word u64 LE, 8 times
//!   valid    count ≥ 1 · nothing behind the last block
//! ```
//!
//! - **INV-BLOCKED-1** In the block of a hash that was inserted, its bit in each
//!   of the eight words is set (INV-FILTER-1).
//! - **INV-BLOCKED-2** A block begins on a cache line, so a question misses the
//!   cache once where the standard filter misses up to seven times. Measured:
//!   half the cost of a question, hit or miss.
//!
//! The price is a little accuracy: some blocks get more keys than others, and
//! the full ones lose more than the empty ones gain. With b bits a key, the number
//! of keys in a block is nearly Poisson with mean λ = 512/b, and a block of ℓ keys
//! lets an absent key pass with (1 − (1 − 1/64)^ℓ)^8; the rate is the mean of that.
//!
//! Sources: F. Putze, P. Sanders and J. Singler, "Cache-, Hash- and
//! Space-Efficient Bloom Filters", WEA 2007; one bit in each word, as in the
//! split block Bloom filter of Apache Parquet, there with 8 words of 32 bits:
//! <https://github.com/apache/parquet-format/blob/master/BloomFilter.md>

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::fmt;

use stage3_sstable::wal::coding::{Decoder, Malformed, put_varint};
use stage3_sstable::wal::layout::Field;

use crate::policy::{DEFAULT_BITS_PER_KEY, FilterPolicy, scale, set_bits, within_limits};

/// The name of this layout.
pub const NAME: &str = "blocked";

const WORDS_PER_BLOCK: usize = 8;
const BLOCK_BYTES: usize = WORDS_PER_BLOCK * size_of::<u64>();
const BLOCK_BITS: usize = BLOCK_BYTES * 8;

/// Builds blocked Bloom filters.
///
/// ```
/// use stage4_bloom::blocked::{Blocked, BlockedFilter};
/// use stage4_bloom::memtable::hash::hash_key;
/// use stage4_bloom::policy::FilterPolicy;
///
/// let bytes = Blocked::new(10).build(&[hash_key(b"fig"), hash_key(b"kiwi")]);
/// let filter = BlockedFilter::decode(&bytes)?;
/// assert!(filter.may_contain(hash_key(b"fig")));
/// assert!(!filter.may_contain(hash_key(b"plum")));
/// # Ok::<(), stage4_bloom::wal::coding::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    bits_per_key: u32,
}

impl Blocked {
    /// A policy that spends `bits_per_key`, from 1 to
    /// [`MAX_BITS_PER_KEY`](crate::policy::MAX_BITS_PER_KEY); what lies outside
    /// becomes the nearer end.
    pub fn new(bits_per_key: u32) -> Blocked {
        Blocked { bits_per_key: within_limits(bits_per_key) }
    }
}

impl Default for Blocked {
    fn default() -> Blocked {
        Blocked::new(DEFAULT_BITS_PER_KEY)
    }
}

impl FilterPolicy for Blocked {
    fn name(&self) -> &'static str {
        NAME
    }

    fn build(&self, hashes: &[u64]) -> Vec<u8> {
        let bits = hashes.len().saturating_mul(self.bits_per_key as usize);
        let mut filter = BlockedFilter::empty(bits);
        for &hash in hashes {
            filter.insert(hash);
        }
        filter.encode()
    }

    fn false_positive_rate(&self) -> f64 {
        let mean = BLOCK_BITS as f64 / f64::from(self.bits_per_key);
        let mut probability = (-mean).exp();
        let mut unset = 1.0f64;
        let mut rate = 0.0;
        for keys in 1..=2 * BLOCK_BITS {
            probability *= mean / keys as f64;
            unset *= 1.0 - 1.0 / f64::from(u64::BITS);
            rate += probability * (1.0 - unset).powi(WORDS_PER_BLOCK as i32);
        }
        rate
    }
}

/// A blocked Bloom filter in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockedFilter {
    /// Never none, so that a hash has a block.
    blocks: Vec<Block>,
}

impl BlockedFilter {
    /// A filter of no keys, with room for at least `bits`. It contains nothing.
    fn empty(bits: usize) -> BlockedFilter {
        BlockedFilter { blocks: vec![Block::default(); bits.div_ceil(BLOCK_BITS).max(1)] }
    }

    fn insert(&mut self, hash: u64) {
        let index = self.block_of(hash);
        if let Some(block) = self.blocks.get_mut(index) {
            block.insert(hash);
        }
        debug_assert!(self.may_contain(hash), "INV-BLOCKED-1: {hash:016x} was inserted and is denied");
    }

    /// Whether a key with this hash may be in the set. `false` is certain.
    ///
    /// A block that does not exist would say "perhaps": the harmless error.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        self.blocks.get(self.block_of(hash)).is_none_or(|block| block.may_contain(hash))
    }

    #[inline]
    fn block_of(&self, hash: u64) -> usize {
        scale(hash, self.blocks.len() as u64) as usize
    }

    /// How much memory its bits occupy.
    pub fn size_bytes(&self) -> usize {
        size_of_val(self.blocks.as_slice())
    }

    /// The bytes of the filter.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.blocks.len() as u64);
        for word in self.blocks.iter().flat_map(|block| block.words) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the bytes of a filter and checks all that can be checked, so that
    /// no question has to. The blocks are copied to where cache lines begin.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not exactly those of a filter.
    pub fn decode(bytes: &[u8]) -> Result<BlockedFilter, Malformed> {
        BlockedFilter::read(&mut Decoder::new(bytes))
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<BlockedFilter, Malformed> {
        let count = decoder.length("block count")?;
        if count == 0 || count.checked_mul(BLOCK_BYTES) != Some(decoder.remaining()) {
            return Err(decoder.malformed(format!("{count} blocks in {} bytes", decoder.remaining())));
        }
        let blocks = (0..count).map(|number| Block::read(decoder, number)).collect::<Result<_, _>>()?;
        Ok(BlockedFilter { blocks })
    }
}

impl fmt::Debug for BlockedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockedFilter").field("blocks", &self.blocks.len()).finish()
    }
}

/// The fields of a filter's bytes, up to their end or the first damage.
pub fn layout(bytes: &[u8]) -> Vec<Field> {
    let mut decoder = Decoder::recording(bytes);
    // Damage ends the fields; what they do not cover is shown as unclaimed.
    let _ = BlockedFilter::read(&mut decoder);
    decoder.into_fields()
}

/// One cache line (INV-BLOCKED-2).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(align(64))]
struct Block {
    words: [u64; WORDS_PER_BLOCK],
}

impl Block {
    fn insert(&mut self, hash: u64) {
        for (word, bit) in self.words.iter_mut().zip(bits_of(hash)) {
            *word |= 1u64.wrapping_shl(bit);
        }
    }

    /// All eight words are looked at, without a branch: they are in one cache
    /// line anyway, and a branch on a random bit is mispredicted half the time.
    #[inline]
    fn may_contain(&self, hash: u64) -> bool {
        let words = self.words.iter().zip(bits_of(hash));
        words.fold(1, |all, (word, bit)| all & word.wrapping_shr(bit)) == 1
    }

    fn read(decoder: &mut Decoder<'_>, number: usize) -> Result<Block, Malformed> {
        let mut block = Block::default();
        for (index, word) in block.words.iter_mut().enumerate() {
            *word = decoder.u64("word")?;
            decoder.explain(|| format!("block {number}, word {index}: {}", set_bits(*word)));
        }
        Ok(block)
    }
}

/// An odd number near 2^64 / φ: a product with it has upper bits that depend on
/// all bits of the hash (D. E. Knuth, "The Art of Computer Programming" 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// For each word of a block, the number of the bit that `hash` has in it: the
/// upper 48 bits of its product with [`SPREAD`], six at a time, the uppermost six for
/// the first word.
///
/// The bits are not cut from the hash itself, because the keys of one block
/// agree in its upper bits: they chose the block.
#[inline]
fn bits_of(hash: u64) -> [u32; WORDS_PER_BLOCK] {
    let mut spread = hash.wrapping_mul(SPREAD);
    [(); WORDS_PER_BLOCK].map(|()| {
        spread = spread.rotate_left(6);
        (spread % 64) as u32
    })
}

#[cfg(test)]
mod tests;
