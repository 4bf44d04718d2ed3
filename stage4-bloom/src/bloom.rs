//! The standard Bloom filter: the one to learn from.
//!
//! ```text
//!   hash of "fig" ──▶ k positions among m bits
//!
//!          ┌────────────────┬───────┐
//!          ▼                ▼       ▼
//!    0 0 0 1 0 0 1 0 0 0 0 1 0 1 0 1 0 0 0 1 0 0 0        insert: set them all
//!              ▲     ▲                       ▲
//!              1     0 ── "certainly not"    ·            ask: is one of them unset?
//! ```
//!
//! The bytes of a filter:
//!
//! ```text
//!   filter   probes u8 · word count varint · word u64 LE, count times
//!   valid    1 ≤ probes ≤ 30 · count ≥ 1 · nothing behind the last word
//! ```
//!
//! - **INV-BLOOM-1** All positions of a hash that was inserted are set, so none
//!   of its questions is answered "certainly not" (INV-FILTER-1).
//! - **INV-BLOOM-2** The count stands in the bytes and not only in their length:
//!   with a word lost every position would move, and sound-looking bits would
//!   deny keys that are there.
//!
//! With n keys, m = n·b bits and k probes, a bit is still unset with probability
//! (1 − 1/m)^kn ≈ e^(−k/b), so an absent key passes with (1 − e^(−k/b))^k. That is
//! least at k = b·ln 2, where half of all bits are set.
//!
//! Sources: B. H. Bloom, "Space/Time Trade-offs in Hash Coding with Allowable
//! Errors", Communications of the ACM 13 (1970). The k positions come from two
//! hashes: A. Kirsch and M. Mitzenmacher, "Less Hashing, Same Performance:
//! Building a Better Bloom Filter", ESA 2006.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::f64::consts::LN_2;
use std::fmt;

use stage3_sstable::wal::coding::{Decoder, Malformed, put_varint};
use stage3_sstable::wal::layout::Field;

use crate::policy::{DEFAULT_BITS_PER_KEY, FilterPolicy, scale, set_bits, within_limits};

/// The name of this layout.
pub const NAME: &str = "bloom";

/// The most probes. By the formula 30 are best at 43 bits a key, where one
/// absent key in a billion passes; more would only take time.
pub const MAX_PROBES: u8 = 30;

/// Builds standard Bloom filters.
///
/// ```
/// use stage4_bloom::bloom::{Bloom, BloomFilter};
/// use stage4_bloom::memtable::hash::hash_key;
/// use stage4_bloom::policy::FilterPolicy;
///
/// let bytes = Bloom::new(10).build(&[hash_key(b"fig"), hash_key(b"kiwi")]);
/// let filter = BloomFilter::decode(&bytes)?;
/// assert!(filter.may_contain(hash_key(b"fig")));
/// assert!(!filter.may_contain(hash_key(b"plum")));
/// # Ok::<(), stage4_bloom::wal::coding::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bloom {
    bits_per_key: u32,
}

impl Bloom {
    /// A policy that spends `bits_per_key`, from 1 to
    /// [`MAX_BITS_PER_KEY`](crate::policy::MAX_BITS_PER_KEY); what lies outside
    /// becomes the nearer end.
    pub fn new(bits_per_key: u32) -> Bloom {
        Bloom { bits_per_key: within_limits(bits_per_key) }
    }

    /// How many positions a key has: b·ln 2, where the rate is least.
    pub fn probes(&self) -> u8 {
        let best = f64::from(self.bits_per_key) * LN_2;
        (best.round() as u8).clamp(1, MAX_PROBES)
    }
}

impl Default for Bloom {
    fn default() -> Bloom {
        Bloom::new(DEFAULT_BITS_PER_KEY)
    }
}

impl FilterPolicy for Bloom {
    fn name(&self) -> &'static str {
        NAME
    }

    fn build(&self, hashes: &[u64]) -> Vec<u8> {
        let bits = hashes.len().saturating_mul(self.bits_per_key as usize);
        let mut filter = BloomFilter::empty(self.probes(), bits);
        for &hash in hashes {
            filter.insert(hash);
        }
        filter.encode()
    }

    fn false_positive_rate(&self) -> f64 {
        let probes = f64::from(self.probes());
        let unset = (-probes / f64::from(self.bits_per_key)).exp();
        (1.0 - unset).powf(probes)
    }
}

/// A standard Bloom filter in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct BloomFilter {
    /// How many positions a key has.
    probes: u8,
    /// The bits; never none, so that a position has somewhere to be.
    words: Vec<u64>,
}

impl BloomFilter {
    /// A filter of no keys, with room for at least `bits`. It contains nothing.
    fn empty(probes: u8, bits: usize) -> BloomFilter {
        BloomFilter { probes, words: vec![0; bits.div_ceil(64).max(1)] }
    }

    fn insert(&mut self, hash: u64) {
        for position in self.positions(hash) {
            if let Some(word) = self.words.get_mut(word_of(position)) {
                *word |= bit_of(position);
            }
        }
        debug_assert!(self.may_contain(hash), "INV-BLOOM-1: {hash:016x} was inserted and is denied");
    }

    /// Whether a key with this hash may be in the set. `false` is certain.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        self.positions(hash).all(|position| self.is_set(position))
    }

    /// The k positions of `hash`: a walk from one half of the hash by steps of
    /// the other. Swapping the halves is enough to make the second hash, because
    /// a position is taken from the upper bits: those of start and step are
    /// different halves of the hash.
    #[inline]
    fn positions(&self, hash: u64) -> impl Iterator<Item = u64> + use<> {
        let bits = (self.words.len() as u64).saturating_mul(64);
        let step = hash.rotate_left(32);
        (0..u64::from(self.probes)).map(move |probe| scale(hash.wrapping_add(probe.wrapping_mul(step)), bits))
    }

    /// A position that does not exist would count as set: the harmless error.
    #[inline]
    fn is_set(&self, position: u64) -> bool {
        self.words.get(word_of(position)).is_none_or(|word| word & bit_of(position) != 0)
    }

    /// How much memory its bits occupy.
    pub fn size_bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
    }

    /// The bytes of the filter.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.probes];
        put_varint(&mut bytes, self.words.len() as u64);
        for word in &self.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the bytes of a filter and checks all that can be checked, so that
    /// no question has to.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not exactly those of a filter.
    pub fn decode(bytes: &[u8]) -> Result<BloomFilter, Malformed> {
        BloomFilter::read(&mut Decoder::new(bytes))
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<BloomFilter, Malformed> {
        let probes = decoder.u8("probes")?;
        if !(1..=MAX_PROBES).contains(&probes) {
            return Err(decoder.malformed(format!("probes: {probes} is not between 1 and {MAX_PROBES}")));
        }
        let count = decoder.length("word count")?;
        if count == 0 || count.checked_mul(size_of::<u64>()) != Some(decoder.remaining()) {
            return Err(decoder.malformed(format!("{count} words in {} bytes", decoder.remaining())));
        }
        let words = (0..count).map(|_| read_word(decoder)).collect::<Result<_, _>>()?;
        Ok(BloomFilter { probes, words })
    }
}

impl fmt::Debug for BloomFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomFilter").field("probes", &self.probes).field("words", &self.words.len()).finish()
    }
}

/// The fields of a filter's bytes, up to their end or the first damage.
pub fn layout(bytes: &[u8]) -> Vec<Field> {
    let mut decoder = Decoder::recording(bytes);
    // Damage ends the fields; what they do not cover is shown as unclaimed.
    let _ = BloomFilter::read(&mut decoder);
    decoder.into_fields()
}

fn read_word(decoder: &mut Decoder<'_>) -> Result<u64, Malformed> {
    let word = decoder.u64("word")?;
    decoder.explain(|| set_bits(word));
    Ok(word)
}

#[inline]
fn word_of(position: u64) -> usize {
    (position / 64) as usize
}

#[inline]
fn bit_of(position: u64) -> u64 {
    1u64.wrapping_shl((position % 64) as u32)
}

#[cfg(test)]
mod tests;
