//! Seeded chance: the same seed falls the same way on every machine, for ever.
//!
//! So a failure is named by a seed, and a shrunk one by what the seed gave.

use crate::model::Write;

/// Seeded chance: xorshift64* (Vigna, "An experimental exploration of
/// Marsaglia's xorshift generators, scrambled", 2016).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % sides
    }

    /// One to four writes to forty keys, a fifth of them deletions.
    pub fn writes(&mut self) -> Vec<Write> {
        (0..1 + self.roll(4)).map(|_| self.one_write()).collect()
    }

    fn one_write(&mut self) -> Write {
        let key = format!("key{:02}", self.roll(40)).into_bytes();
        if self.roll(5) == 0 {
            return (key, None);
        }
        let length = 20 + self.roll(120) as usize;
        (key, Some(vec![b'a' + self.roll(26) as u8; length]))
    }
}
