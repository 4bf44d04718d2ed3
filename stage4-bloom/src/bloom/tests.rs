use super::*;
use crate::policy::MAX_BITS_PER_KEY;
use crate::rate::{assert_near, hashes_of_absent_keys, hashes_of_keys, measured_rate};
use proptest::prelude::*;
use stage3_sstable::wal::layout::{annotated_hex, unclaimed};

fn opened(bits_per_key: u32, hashes: &[u64]) -> BloomFilter {
    BloomFilter::decode(&Bloom::new(bits_per_key).build(hashes)).unwrap()
}

#[test]
fn ten_bits_a_key_are_best_spent_on_seven_probes() {
    assert_eq!(Bloom::default().probes(), 7);
    assert_eq!(Bloom::new(1).probes(), 1);
    assert_eq!(Bloom::new(MAX_BITS_PER_KEY).probes(), MAX_PROBES);
}

#[test]
fn one_probe_more_or_less_than_the_formula_says_is_no_better() {
    let rate = |bits: f64, probes: f64| (1.0 - (-probes / bits).exp()).powf(probes);
    for bits in 2..40 {
        let (bits, probes) = (f64::from(bits), f64::from(Bloom::new(bits).probes()));
        assert!(rate(bits, probes) <= rate(bits, probes + 1.0) + 0.005, "{bits} bits");
        assert!(rate(bits, probes) <= rate(bits, probes - 1.0) + 0.005, "{bits} bits");
    }
}

#[test]
fn a_filter_of_no_keys_contains_nothing() {
    let filter = opened(10, &[]);
    assert!(hashes_of_absent_keys(1_000).iter().all(|&hash| !filter.may_contain(hash)));
}

#[test]
fn half_of_the_bits_are_set_when_the_probes_are_right() {
    let filter = opened(10, &hashes_of_keys(100_000));
    let set: u32 = filter.words.iter().map(|word| word.count_ones()).sum();
    let part = f64::from(set) / (filter.words.len() * 64) as f64;
    assert!((0.48..0.52).contains(&part), "{part}");
}

#[test]
fn the_measured_rate_is_near_the_formula() {
    let (keys, absent) = (hashes_of_keys(200_000), hashes_of_absent_keys(1_000_000));
    for bits_per_key in [4, 8, 10, 12, 16] {
        let policy = Bloom::new(bits_per_key);
        let filter = opened(bits_per_key, &keys);
        assert!(keys.iter().all(|&hash| filter.may_contain(hash)));
        let measured = measured_rate(&absent, |hash| filter.may_contain(hash));
        assert_near(NAME, bits_per_key, measured, policy.false_positive_rate());
    }
}

#[test]
fn every_byte_belongs_to_a_named_field() {
    let bytes = Bloom::new(10).build(&hashes_of_keys(12));
    let fields = layout(&bytes);
    assert!(unclaimed(&bytes, &fields).is_empty());
    insta::assert_snapshot!(annotated_hex(&bytes, &fields));
}

#[test]
fn a_filter_cut_short_or_grown_is_malformed() {
    let mut bytes = Bloom::new(10).build(&hashes_of_keys(40));
    for length in 0..bytes.len() {
        assert!(BloomFilter::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert!(BloomFilter::decode(&bytes).is_err());
}

#[test]
fn a_filter_without_probes_or_bits_is_malformed() {
    let sound = Bloom::new(10).build(&hashes_of_keys(3));
    for probes in [0, MAX_PROBES + 1, u8::MAX] {
        let error = BloomFilter::decode(&[&[probes], &sound[1..]].concat()).unwrap_err();
        assert!(error.what.starts_with("probes"), "{error}");
    }
    assert_eq!(BloomFilter::decode(&[7, 0]).unwrap_err().what, "0 words in 0 bytes");
}

#[test]
fn a_huge_word_count_is_malformed_before_anything_is_allocated() {
    for count in [u64::MAX, 1 << 61, 1 << 40] {
        let mut bytes = vec![7];
        put_varint(&mut bytes, count);
        bytes.extend_from_slice(&[0xff; 16]);
        assert!(BloomFilter::decode(&bytes).is_err(), "{count}");
    }
}

proptest! {
    #[test]
    fn no_hash_that_was_built_in_is_denied(hashes: Vec<u64>, bits_per_key in 0u32..80) {
        let filter = opened(bits_per_key, &hashes);
        prop_assert!(hashes.iter().all(|&hash| filter.may_contain(hash)));
    }

    #[test]
    fn no_bytes_make_a_filter_panic(bytes: Vec<u8>, hash: u64) {
        if let Ok(filter) = BloomFilter::decode(&bytes) {
            filter.may_contain(hash);
            prop_assert_eq!(filter.encode(), bytes);
        }
    }
}
