//! Chance that is the same in every run, and costs a few nanoseconds.
//!
//! ```text
//!   mix          a number  ──►  another one, one to one
//!   Random       a seed    ──►  a stream of numbers
//!   Permutation  0, 1, 2…  ──►  each number below `count` once, in no order
//!   Zipfian      a Random  ──►  few ranks very often, most of them seldom
//! ```
//!
//! None of them keeps a table: a shuffled array of 50 million numbers would be
//! 400 MB of a process whose peak memory is a figure.

/// The finaliser of SplitMix64: a bijection, so that different numbers stay
/// different.
pub(crate) fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(mix(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`, by the high half of a product: no division.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True `percent` times of a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A Feistel network over the smallest even number of bits that holds `count`.
/// What falls outside is sent through again, until it falls inside: on average
/// less than four times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permutation {
    count: u64,
    half_bits: u32,
    seed: u64,
}

impl Permutation {
    pub(crate) fn new(count: u64, seed: u64) -> Permutation {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Permutation { count, half_bits: bits.div_ceil(2).max(1), seed }
    }

    /// Where `index`, which is below `count`, goes.
    pub(crate) fn at(&self, index: u64) -> u64 {
        debug_assert!(index < self.count);
        let mut place = self.shuffle(index);
        while place >= self.count {
            place = self.shuffle(place);
        }
        place
    }

    fn shuffle(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for round in 0..3 {
            let turned = left ^ (mix(right ^ self.seed.wrapping_add(round << 56)) & mask);
            (left, right) = (right, turned);
        }
        (left << self.half_bits) | right
    }
}

/// Ranks by the law of Zipf, as YCSB draws them: J. Gray and others, "Quickly
/// generating billion-record synthetic databases", 1994.
#[derive(Debug, Clone)]
pub(crate) struct Zipfian {
    count: u64,
    alpha: f64,
    zeta: f64,
    eta: f64,
    second: f64,
}

/// The skew of YCSB.
const THETA: f64 = 0.99;

impl Zipfian {
    pub(crate) fn new(count: u64) -> Zipfian {
        let zeta_of = |count: u64| (1..=count).map(|rank| (rank as f64).powf(-THETA)).sum::<f64>();
        let zeta = zeta_of(count);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - THETA)) / (1.0 - zeta_of(2) / zeta);
        Zipfian { count, alpha: 1.0 / (1.0 - THETA), zeta, eta, second: 1.0 + 0.5f64.powf(THETA) }
    }

    /// A rank below `count`; 0 is the most frequent.
    pub(crate) fn rank(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let share = unit * self.zeta;
        if share < 1.0 {
            return 0;
        }
        if share < self.second {
            return 1.min(self.count - 1);
        }
        let rank = self.count as f64 * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.count - 1)
    }

    /// A rank, sent to a place of its own, so that what is frequent does not lie
    /// side by side.
    pub(crate) fn scattered(&self, random: &mut Random) -> u64 {
        mix(self.rank(random)) % self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_reaches_each_number_once() {
        for count in [1, 2, 3, 1_000, 4_096, 20_000] {
            let permutation = Permutation::new(count, 7);
            let mut reached: Vec<u64> = (0..count).map(|index| permutation.at(index)).collect();
            reached.sort_unstable();
            assert!(reached.into_iter().eq(0..count), "{count}");
        }
    }

    #[test]
    fn a_permutation_leaves_no_order() {
        let permutation = Permutation::new(20_000, 7);
        let rises = (1..20_000).filter(|&index| permutation.at(index - 1) < permutation.at(index)).count();
        assert!((9_500..10_500).contains(&rises), "{rises}");
    }

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.next(), random.below(1_000), random.next()]
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }

    #[test]
    fn the_first_of_a_thousand_ranks_is_drawn_an_eighth_of_the_time() {
        let zipfian = Zipfian::new(1_000);
        let mut random = Random::new(1);
        let ranks: Vec<u64> = (0..100_000).map(|_| zipfian.rank(&mut random)).collect();
        let share = |rank: u64| ranks.iter().filter(|&&drawn| drawn == rank).count() as f64 / 100_000.0;
        assert!((0.12..0.14).contains(&share(0)), "{}", share(0));
        assert!((0.05..0.08).contains(&share(1)), "{}", share(1));
        assert!(ranks.iter().any(|&rank| rank > 900) && ranks.iter().all(|&rank| rank < 1_000));
    }
}
