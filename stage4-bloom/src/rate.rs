//! Measuring the rate of false positives, for the tests of each filter.

use stage3_sstable::memtable::hash::hash_key;

/// The hashes of `count` keys that look like a user's.
pub(crate) fn hashes_of_keys(count: usize) -> Vec<u64> {
    (0..count).map(|number| hash_key(format!("key{number:08}").as_bytes())).collect()
}

/// The hashes of `count` keys of which [`hashes_of_keys`] has none.
pub(crate) fn hashes_of_absent_keys(count: usize) -> Vec<u64> {
    (0..count).map(|number| hash_key(format!("absent{number:08}").as_bytes())).collect()
}

/// The part of `absent` that passes.
pub(crate) fn measured_rate(absent: &[u64], may_contain: impl Fn(u64) -> bool) -> f64 {
    let passed = absent.iter().filter(|&&hash| may_contain(hash)).count();
    passed as f64 / absent.len() as f64
}

/// Prints both rates, and asserts that they agree within 10 % and what chance
/// adds to a million questions.
pub(crate) fn assert_near(name: &str, bits_per_key: u32, measured: f64, formula: f64) {
    println!(
        "{name:<8} {bits_per_key:>2} bits a key: measured {:.3} %, formula {:.3} %",
        measured * 100.0,
        formula * 100.0
    );
    let chance = 4.0 * (formula / 1e6).sqrt();
    assert!((measured - formula).abs() <= 0.1 * formula + chance, "{measured} is not near {formula}");
}
