//! Which bits are flipped: as many for every engine.
//!
//! ```text
//!   flips of one scenario ──▶ shared out evenly among the files; what a small file
//!                             cannot use goes to the others
//!   of a file             ──▶ every bit, or a seeded sample without repetition
//!   of sectors of zeros   ──▶ a tenth on top, shared out in the same way
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

use crate::image::{Flip, Image, ImageFile};

/// So many flips in live bytes for one in zeros.
const LIVE_FLIPS_PER_ZERO_FLIP: u64 = 10;

/// One flip that will be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Where.
    pub flip: Flip,
    /// Whether it strikes a sector of zeros.
    pub in_zeros: bool,
}

/// The flips of one image: `budget` in live bytes, or every bit if there are fewer.
pub fn plan(image: &Image, budget: u64, seed: u64) -> Vec<Planned> {
    let mut dice = Dice(seed);
    let mut planned = sample(image, ImageFile::live, budget, false, &mut dice);
    planned.extend(sample(image, ImageFile::zeros, budget / LIVE_FLIPS_PER_ZERO_FLIP, true, &mut dice));
    planned
}

fn sample(
    image: &Image,
    part: impl Fn(&ImageFile) -> Vec<Range<u64>>,
    budget: u64,
    in_zeros: bool,
    dice: &mut Dice,
) -> Vec<Planned> {
    let parts: Vec<_> = image.files.iter().map(part).collect();
    let bits: Vec<u64> = parts.iter().map(|ranges| bytes_in(ranges) * 8).collect();
    let mut planned = Vec::new();
    for (file, share) in shares(&bits, budget).into_iter().enumerate() {
        for chosen in dice.distinct(share, bits[file]) {
            let bit = nth_byte(&parts[file], chosen / 8) * 8 + chosen % 8;
            planned.push(Planned { flip: Flip { file, bit }, in_zeros });
        }
    }
    planned
}

/// Shares `budget` out evenly, to none more than its limit.
fn shares(limits: &[u64], budget: u64) -> Vec<u64> {
    let mut order: Vec<usize> = (0..limits.len()).collect();
    order.sort_by_key(|&at| limits[at]);
    let (mut left, mut shares) = (budget, vec![0; limits.len()]);
    for (done, &at) in order.iter().enumerate() {
        shares[at] = limits[at].min(left / (limits.len() - done) as u64);
        left -= shares[at];
    }
    shares
}

fn bytes_in(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// The byte that stands at `place` when the ranges are laid end to end.
fn nth_byte(ranges: &[Range<u64>], mut place: u64) -> u64 {
    for range in ranges {
        let length = range.end - range.start;
        if place < length {
            return range.start + place;
        }
        place -= length;
    }
    unreachable!("a place is below the sum of the lengths")
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine and in
/// every release, so that a seed names the same flips for ever.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// So many distinct numbers below `limit`, by Floyd's method: each choice either
    /// is new, or its place is taken by the greatest number allowed so far.
    fn distinct(&mut self, count: u64, limit: u64) -> BTreeSet<u64> {
        let mut chosen = BTreeSet::new();
        for greatest in limit - count..limit {
            if !chosen.insert(self.next() % (greatest + 1)) {
                chosen.insert(greatest);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_evenly_and_spent_whole() {
        assert_eq!(shares(&[10, 1_000, 1_000], 500), [10, 245, 245]);
        assert_eq!(shares(&[10, 20], 500), [10, 20]);
        assert_eq!(shares(&[], 500), [0; 0]);
    }

    #[test]
    fn a_sample_has_no_repetition_and_a_full_one_has_every_bit() {
        assert_eq!(Dice(1).distinct(100, 1_000).len(), 100);
        assert_eq!(Dice(1).distinct(64, 64), (0..64).collect());
    }

    #[test]
    fn a_place_is_counted_over_the_gaps() {
        let ranges = [2..4, 10..20];
        assert_eq!([0, 1, 2, 11].map(|place| nth_byte(&ranges, place)), [2, 3, 10, 19]);
    }
}
