//! What writes a filter, and the name that it goes by.
//!
//! ```text
//!   writer                             file                          reader
//!
//!   apple   4f3a…                ┌──────────────────┐
//!   fig     0c91…  ──build()──▶  │ "filter.<name>"  │ ──Filter::open──▶ may_contain(hash)?
//!   kiwi    d27e…                │  bytes           │                   │
//!   one hash per user key        └──────────────────┘          certainly not, or perhaps
//! ```
//!
//! A filter stands for a set of keys, given as hashes
//! ([`hash_key`](stage3_sstable::memtable::hash::hash_key)). Two laws hold for every kind:
//!
//! - **INV-FILTER-1** No false negatives: a hash that was built in is never
//!   answered "certainly not". The other error is allowed, and its rate is what
//!   the bits per key buy.
//! - **INV-FILTER-2** Writer and reader meet in the name and the bytes alone. The
//!   name fixes the hash and the layout; everything else that a reader must know
//!   stands in the bytes. So options may change between a write and a read, and
//!   a changed layout takes a new name: who does not know it reads the table
//!   without a filter, which is slower and still right.

use std::fmt;

/// What the names of all meta blocks that hold filters begin with.
pub const META_BLOCK_PREFIX: &str = "filter.";

/// The bits per key that are used unless somebody says otherwise: about one
/// absent key in a hundred passes, and each of the next bits takes about a third off
/// that.
pub const DEFAULT_BITS_PER_KEY: u32 = 10;

/// The most bits per key that a policy spends. The standard filter then passes
/// less than one absent key in a trillion; beyond that only memory is spent.
pub const MAX_BITS_PER_KEY: u32 = 64;

/// A way to build filters: the writer's half. The reader's is
/// [`Filter`](crate::filter::Filter), and it knows the names in
/// [`Filter::KNOWN`](crate::filter::Filter::KNOWN) alone: what is written under another
/// is never asked.
pub trait FilterPolicy: fmt::Debug + Send + Sync {
    /// The name of the layout, as it stands in the meta block's name.
    fn name(&self) -> &'static str;
    /// The bytes of a filter for the keys with these hashes. A hash that comes
    /// twice costs space and nothing else.
    fn build(&self, hashes: &[u64]) -> Vec<u8>;
    /// The rate of absent keys that pass a large filter, by the formula.
    fn false_positive_rate(&self) -> f64;
}

/// The name of the meta block that holds a filter of this name.
///
/// ```
/// # use stage4_bloom::policy::meta_block_name;
/// assert_eq!(meta_block_name("bloom"), "filter.bloom");
/// ```
pub fn meta_block_name(filter_name: &str) -> String {
    format!("{META_BLOCK_PREFIX}{filter_name}")
}

/// The bits per key that a policy takes for what it was asked: at least one, at
/// most [`MAX_BITS_PER_KEY`].
pub(crate) fn within_limits(bits_per_key: u32) -> u32 {
    bits_per_key.clamp(1, MAX_BITS_PER_KEY)
}

/// Maps `hash` to a number below `range`, evenly, by its upper bits: one
/// multiplication where a remainder would be a division.
///
/// Source: D. Lemire, "Fast Random Integer Generation in an Interval", ACM
/// Transactions on Modeling and Computer Simulation 29 (2019).
#[inline]
pub(crate) fn scale(hash: u64, range: u64) -> u64 {
    ((u128::from(hash) * u128::from(range)) >> 64) as u64
}

/// The numbers of the set bits of `word`, for a dump.
pub(crate) fn set_bits(word: u64) -> String {
    let set: Vec<String> = (0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| bit.to_string()).collect();
    if set.is_empty() { "no bit".to_owned() } else { format!("bits {}", set.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_filter_is_found_by_the_name_of_its_meta_block() {
        assert_eq!(meta_block_name("bloom"), "filter.bloom");
        assert!(meta_block_name("x").starts_with(META_BLOCK_PREFIX));
    }

    #[test]
    fn a_wish_for_no_bits_or_for_too_many_is_met_within_limits() {
        assert_eq!(within_limits(0), 1);
        assert_eq!(within_limits(DEFAULT_BITS_PER_KEY), DEFAULT_BITS_PER_KEY);
        assert_eq!(within_limits(u32::MAX), MAX_BITS_PER_KEY);
    }

    #[test]
    fn the_ends_of_the_hashes_are_the_ends_of_the_range() {
        assert_eq!(scale(0, 1_000), 0);
        assert_eq!(scale(u64::MAX / 2, 1_000), 499);
        assert_eq!(scale(u64::MAX, 1_000), 999);
    }

    proptest! {
        #[test]
        fn a_scaled_hash_stays_below_its_range(hash: u64, range in 1u64..) {
            prop_assert!(scale(hash, range) < range);
        }
    }
}
