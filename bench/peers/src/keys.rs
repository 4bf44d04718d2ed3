//! Keys and values: record `n` has the same in every run.
//!
//! ```text
//!            record 0             record 1             record 2
//!   decimal  0000000000000000     0000000000000002     0000000000000004
//!            odd numbers are between them, and absent: `0000000000000003`
//!   random   16 bytes, by a bijection from the same numbers
//! ```
//!
//! Decimal digits share long prefixes and differ in few bits; random bytes share
//! nothing. Several techniques work on one of them alone, so both are measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::random::{Random, mix};

/// A key: 16 bytes.
pub(crate) type Key = [u8; 16];

/// What keys look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyKind {
    /// 16 decimal digits.
    Decimal,
    /// 16 random bytes.
    Random,
}

impl KeyKind {
    /// The key of `record`.
    pub(crate) fn present(self, record: u64) -> Key {
        self.of(2 * record)
    }

    /// A key that no record has, beside that of `record`.
    pub(crate) fn absent(self, record: u64) -> Key {
        self.of(2 * record + 1)
    }

    fn of(self, number: u64) -> Key {
        match self {
            KeyKind::Decimal => decimal(number),
            KeyKind::Random => random(number),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyKind::Decimal => "decimal",
            KeyKind::Random => "random",
        }
    }
}

fn decimal(mut number: u64) -> Key {
    let mut key = [b'0'; 16];
    for digit in key.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    key
}

fn random(number: u64) -> Key {
    let (head, tail) = (mix(number), mix(!number));
    let mut key = [0; 16];
    key[..8].copy_from_slice(&head.to_be_bytes());
    key[8..].copy_from_slice(&tail.to_be_bytes());
    key
}

/// Values without a pattern: windows into one megabyte of chance.
#[derive(Debug)]
pub(crate) struct Values {
    noise: Vec<u8>,
    length: usize,
}

const NOISE_BYTES: usize = 1 << 20;

impl Values {
    pub(crate) fn new(length: usize) -> Values {
        let mut random = Random::new(11);
        let noise = (0..NOISE_BYTES / 8 + length).flat_map(|_| random.next().to_le_bytes()).collect();
        Values { noise, length }
    }

    /// The value that `record` is given when it is written for the `version`th time.
    pub(crate) fn of(&self, record: u64, version: u64) -> &[u8] {
        let start = mix(record ^ (version << 40)) as usize % NOISE_BYTES;
        &self.noise[start..start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn decimal_keys_sort_like_their_records() {
        let keys: Vec<Key> = (0..1_000).map(|record| KeyKind::Decimal.present(record)).collect();
        assert!(keys.is_sorted());
        assert_eq!(&KeyKind::Decimal.present(21), b"0000000000000042");
    }

    #[test]
    fn an_absent_key_is_nobodys() {
        for kind in [KeyKind::Decimal, KeyKind::Random] {
            let present: HashSet<Key> = (0..10_000).map(|record| kind.present(record)).collect();
            assert_eq!(present.len(), 10_000);
            assert!((0..10_000).all(|record| !present.contains(&kind.absent(record))));
        }
    }

    #[test]
    fn a_value_depends_on_its_record_and_version_alone() {
        let (values, again) = (Values::new(100), Values::new(100));
        assert_eq!(values.of(7, 0), again.of(7, 0));
        assert_ne!(values.of(7, 0), values.of(7, 1));
        assert_ne!(values.of(7, 0), values.of(8, 0));
        assert!((0..1_000).all(|record| values.of(record, 0).len() == 100));
    }
}
