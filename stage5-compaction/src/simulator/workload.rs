//! The writes that all strategies get, one after another.

use stage4_bloom::memtable::key::{Kind, Sequence};

/// What is written, how much of it, and in which portions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Another seed draws other keys.
    pub seed: u64,
    /// Keys are the numbers below this.
    pub keys: u64,
    /// How many writes there are in all.
    pub writes: u64,
    /// After how many writes the memtable is flushed.
    pub writes_per_flush: usize,
    /// Which keys are written more often than others.
    pub access: Access,
    /// How many of a hundred writes delete.
    pub deletion_percent: u64,
    /// The size of a key with its value, in bytes.
    pub entry_bytes: u64,
    /// The size of a deletion, in bytes: a key without a value.
    pub deletion_bytes: u64,
    /// How many neighbouring keys a range scan asks for.
    pub keys_per_scan: u64,
}

/// How keys are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Each key as often as any other.
    Uniform,
    /// Four writes of five go to a fifth of the keys, of those again four of five to a
    /// fifth of that fifth, and so on: the self-similar distribution of Gray et al.,
    /// "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994. Its
    /// frequencies fall with a power of the rank, as Zipf's do. The keys that are
    /// written often do not stand together.
    Skewed,
    /// Each key behind the last one, and again from the first.
    Ascending,
}

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Which key.
    pub key: u64,
    /// When.
    pub sequence: Sequence,
    /// Whether it puts or deletes.
    pub kind: Kind,
}

impl Default for Workload {
    /// Ten writes for each of 50,000 keys of 128 bytes, a hundred flushes of which
    /// are as large as the live data.
    fn default() -> Workload {
        Workload {
            seed: 1,
            keys: 50_000,
            writes: 500_000,
            writes_per_flush: 500,
            access: Access::Uniform,
            deletion_percent: 5,
            entry_bytes: 128,
            deletion_bytes: 28,
            keys_per_scan: 100,
        }
    }
}

impl Workload {
    /// The writes, in order.
    pub fn writes(&self) -> impl Iterator<Item = Write> + '_ {
        let mut random = Random(self.seed);
        (1..=self.writes).map(move |sequence| {
            let key = self.key(sequence, &mut random);
            let deletes = random.below(100) < self.deletion_percent;
            Write { key, sequence, kind: if deletes { Kind::Deletion } else { Kind::Value } }
        })
    }

    /// The size of an entry, in bytes.
    pub fn bytes_of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Value => self.entry_bytes,
            Kind::Deletion => self.deletion_bytes,
        }
    }

    fn key(&self, sequence: Sequence, random: &mut Random) -> u64 {
        let keys = self.keys.max(1);
        match self.access {
            Access::Uniform => random.below(keys),
            Access::Skewed => scatter(skewed_rank(keys, random), keys),
            Access::Ascending => (sequence - 1) % keys,
        }
    }
}

/// A rank below `keys`, low ones more often.
fn skewed_rank(keys: u64, random: &mut Random) -> u64 {
    let mut keys = keys;
    while keys >= 5 {
        let hot = keys / 5;
        if random.below(5) == 0 {
            return hot + random.below(keys - hot);
        }
        keys = hot;
    }
    random.below(keys)
}

/// Another place for each rank, unless the number of keys is a multiple of the
/// prime.
fn scatter(rank: u64, keys: u64) -> u64 {
    const PRIME: u64 = 2_654_435_761;
    (u128::from(rank) * u128::from(PRIME) % u128::from(keys)) as u64
}

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", OOPSLA 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}
