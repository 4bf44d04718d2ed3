use super::*;
use crate::rate::{assert_near, hashes_of_absent_keys, hashes_of_keys, measured_rate};
use proptest::prelude::*;
use stage3_sstable::wal::layout::{annotated_hex, unclaimed};

fn opened(bits_per_key: u32, hashes: &[u64]) -> BlockedFilter {
    BlockedFilter::decode(&Blocked::new(bits_per_key).build(hashes)).unwrap()
}

#[test]
fn a_block_is_one_cache_line() {
    assert_eq!(size_of::<Block>(), 64);
    let filter = opened(10, &hashes_of_keys(1_000));
    assert!(filter.blocks.iter().all(|block| std::ptr::from_ref(block).addr() % 64 == 0));
}

#[test]
fn a_key_sets_one_bit_in_each_word_of_one_block() {
    for hash in hashes_of_keys(1_000) {
        let mut filter = BlockedFilter::empty(64 * BLOCK_BITS);
        filter.insert(hash);
        let touched: Vec<_> = filter.blocks.iter().filter(|block| **block != Block::default()).collect();
        assert_eq!(touched.len(), 1);
        assert!(touched[0].words.iter().all(|word| word.count_ones() == 1));
    }
}

#[test]
fn a_filter_of_no_keys_contains_nothing() {
    let filter = opened(10, &[]);
    assert!(hashes_of_absent_keys(1_000).iter().all(|&hash| !filter.may_contain(hash)));
}

#[test]
fn the_measured_rate_is_near_the_formula() {
    let (keys, absent) = (hashes_of_keys(200_000), hashes_of_absent_keys(1_000_000));
    for bits_per_key in [4, 8, 10, 12, 16] {
        let policy = Blocked::new(bits_per_key);
        let filter = opened(bits_per_key, &keys);
        assert!(keys.iter().all(|&hash| filter.may_contain(hash)));
        let measured = measured_rate(&absent, |hash| filter.may_contain(hash));
        assert_near(NAME, bits_per_key, measured, policy.false_positive_rate());
    }
}

#[test]
fn the_rate_does_not_grow_with_the_number_of_keys() {
    let absent = hashes_of_absent_keys(1_000_000);
    for count in [1_000, 30_000, 2_000_000] {
        let filter = opened(10, &hashes_of_keys(count));
        let measured = measured_rate(&absent, |hash| filter.may_contain(hash));
        assert!(measured < 0.012, "{count} keys: {measured}");
    }
}

#[test]
fn every_byte_belongs_to_a_named_field() {
    let bytes = Blocked::new(10).build(&hashes_of_keys(60));
    let fields = layout(&bytes);
    assert!(unclaimed(&bytes, &fields).is_empty());
    insta::assert_snapshot!(annotated_hex(&bytes, &fields));
}

#[test]
fn a_filter_cut_short_or_grown_is_malformed() {
    let mut bytes = Blocked::new(10).build(&hashes_of_keys(100));
    for length in 0..bytes.len() {
        assert!(BlockedFilter::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert!(BlockedFilter::decode(&bytes).is_err());
}

#[test]
fn a_filter_without_blocks_is_malformed() {
    assert_eq!(BlockedFilter::decode(&[0]).unwrap_err().what, "0 blocks in 0 bytes");
}

#[test]
fn a_huge_block_count_is_malformed_before_anything_is_allocated() {
    for count in [u64::MAX, 1 << 58, 1 << 40] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, count);
        bytes.extend_from_slice(&[0xff; BLOCK_BYTES]);
        assert!(BlockedFilter::decode(&bytes).is_err(), "{count}");
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
        if let Ok(filter) = BlockedFilter::decode(&bytes) {
            filter.may_contain(hash);
            prop_assert_eq!(filter.encode(), bytes);
        }
    }
}
