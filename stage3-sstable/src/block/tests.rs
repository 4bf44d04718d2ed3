use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use stage2_wal::coding::Decoder;
use stage2_wal::layout::{annotated_hex, unclaimed};
use stage2_wal::memtable::key::{InternalKey, Kind, MAX_KEY_BYTES, MAX_SEQUENCE, OwnedKey};

use super::*;

fn key(user_key: &[u8], sequence: u64) -> InternalKey<'_> {
    InternalKey::new(user_key, sequence)
}

fn encode(entries: &[(InternalKey<'_>, Kind, &[u8])]) -> Bytes {
    let mut builder = BlockBuilder::new();
    for (key, kind, value) in entries {
        builder.add(*key, *kind, value);
    }
    builder.finish().into()
}

fn block(entries: &[(InternalKey<'_>, Kind, &[u8])]) -> Block {
    let block = Block::parse(encode(entries)).unwrap();
    block.check().unwrap();
    block
}

fn get(block: &Block, user_key: &[u8], sequence: u64) -> Option<(u64, Bytes)> {
    let (_, sequence, value) = block.clone().get(key(user_key, sequence)).unwrap()?;
    Some((sequence, value))
}

fn fruit() -> Bytes {
    encode(&[
        (key(b"kiwi", 9), Kind::Value, b"green"),
        (key(b"kiwi", 4), Kind::Deletion, b""),
        (key(b"kiwis", 300), Kind::Value, b"a fruit salad"),
    ])
}

#[test]
fn a_block_is_these_bytes_and_each_has_a_name() {
    let payload = fruit();
    let fields = block_fields(&payload).unwrap();
    assert_eq!(unclaimed(&payload, &fields), []);
    insta::assert_snapshot!(annotated_hex(&payload, &fields));
}

#[test]
fn a_version_is_found_at_every_sequence_from_its_own_on() {
    let block = Block::parse(fruit()).unwrap();
    assert_eq!(get(&block, b"kiwi", MAX_SEQUENCE), Some((9, "green".into())));
    assert_eq!(get(&block, b"kiwi", 9), Some((9, "green".into())));
    assert_eq!(get(&block, b"kiwi", 8), Some((4, "".into())));
    assert_eq!(get(&block, b"kiwi", 3), None);
    for absent in [&b""[..], b"k", b"kiw", b"kiwh", b"kiwi\0", b"kiwj", b"z"] {
        assert_eq!(get(&block, absent, MAX_SEQUENCE), None, "{absent:?}");
    }
}

#[test]
fn the_empty_key_is_a_key_and_may_be_the_only_one() {
    let alone = block(&[(key(b"", 5), Kind::Value, b"x"), (key(b"", 2), Kind::Value, b"y")]);
    assert_eq!(get(&alone, b"", 9), Some((5, "x".into())));
    assert_eq!(get(&alone, b"", 4), Some((2, "y".into())));
    assert_eq!(get(&alone, b"a", 9), None);
    let beside = block(&[(key(b"", 5), Kind::Value, b"x"), (key(b"\0", 2), Kind::Value, b"y")]);
    assert_eq!(get(&beside, b"\0", 9), Some((2, "y".into())));
}

#[test]
fn keys_that_differ_behind_their_heads_are_told_apart() {
    let keys: Vec<Vec<u8>> = (0..50u8).map(|n| [b"a\0\0\0\0same ".as_slice(), &[n]].concat()).collect();
    let mut entries = vec![(key(b"a", 1), Kind::Value, &b"short"[..])];
    entries.extend(keys.iter().map(|user_key| (key(user_key, 1), Kind::Value, &user_key[10..])));
    entries.push((key(b"b", 1), Kind::Value, b"so that no prefix is shared"));
    let block = block(&entries);
    assert_eq!(block.prefix(), b"");
    for (key, _, value) in entries {
        assert_eq!(get(&block, key.user_key, 1).unwrap().1, value);
    }
}

#[test]
fn a_huge_value_ends_its_block() {
    let mut builder = BlockBuilder::new();
    builder.add(key(b"a", 1), Kind::Value, &vec![7; 1 << 20]);
    assert!(!builder.has_room());
    let block = Block::parse(builder.finish().into()).unwrap();
    assert_eq!(get(&block, b"a", 1).unwrap().1.len(), 1 << 20);
    assert!(builder.is_empty() && builder.has_room());
}

#[test]
fn a_block_takes_entries_only_while_their_offsets_fit() {
    let long = vec![b'k'; MAX_KEY_BYTES - 1];
    let mut builder = BlockBuilder::new();
    let mut number = 0;
    while builder.has_room() {
        let user_key = [if number < 40 { &b"k"[..] } else { &long }, &[number]].concat();
        builder.add(key(&user_key, 1), Kind::Value, &[number; 30]);
        number += 1;
    }
    let block = Block::parse(Bytes::from(builder.finish())).unwrap();
    block.check().unwrap();
    assert_eq!(block.entries(), usize::from(number));
}

#[test]
fn a_value_shares_the_bytes_of_its_block() {
    let payload = fruit();
    let block = Block::parse(payload.clone()).unwrap();
    let value = get(&block, b"kiwis", 300).unwrap().1;
    assert!(payload.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn counts_that_want_more_than_there_is_are_malformed() {
    for payload in [&[][..], &[0; 3], &[0; 4], &[0xff; 4], &[0xff; 100], &[0, 0, 1, 0]] {
        assert!(Block::parse(Bytes::copy_from_slice(payload)).is_err(), "{payload:?}");
    }
}

#[test]
fn what_does_not_end_where_the_next_begins_is_no_entry() {
    for value_length in 0..0x80 {
        let mut payload = fruit().to_vec();
        payload[3] = value_length;
        let block = Block::parse(payload.into()).unwrap();
        let is_entry = value_length == 5;
        assert_eq!(block.cursor().seek_to_first().is_ok(), is_entry, "{value_length}");
        assert_eq!(block.check().is_ok(), is_entry, "{value_length}");
    }
}

#[test]
fn lengths_whose_sum_wraps_around_to_the_right_end_are_no_entry() {
    use stage2_wal::coding::varint;
    for [suffix_length, value_length] in [[u64::MAX, 1], [1, u64::MAX]] {
        let lengths = varint(suffix_length).chain(varint(value_length));
        let entry: Vec<u8> = [1, 9].into_iter().chain(lengths).collect();
        let head_offset_and_counts = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        let block = Block::parse([&entry[..], &head_offset_and_counts].concat().into()).unwrap();
        assert!(block.cursor().seek_to_first().is_err(), "{suffix_length} and {value_length}");
    }
}

/// Asks a block everything that can be asked.
fn exercise(payload: &[u8]) {
    let Ok(block) = Block::parse(Bytes::copy_from_slice(payload)) else { return };
    let _ = block.check();
    for probe in [&b""[..], b"kiwi", b"kiwis", b"zzz", payload] {
        let _ = block.clone().get(key(probe, 5));
    }
    let mut cursor = block.cursor();
    let _ = cursor.seek_to_last();
    while cursor.is_valid() && cursor.retreat().is_ok() {
        let _ = (cursor.key(), cursor.kind(), cursor.value(), cursor.value_owned());
    }
    let _ = cursor.seek_to_first();
    while cursor.is_valid() && cursor.advance().is_ok() {}
    let _ = block_fields(&Bytes::copy_from_slice(payload));
}

#[test]
fn no_flipped_bit_makes_a_block_panic() {
    let sound = fruit();
    for bit in 0..sound.len() * 8 {
        let mut payload = sound.to_vec();
        payload[bit / 8] ^= 1 << (bit % 8);
        exercise(&payload);
    }
}

fn user_key() -> impl Strategy<Value = Vec<u8>> {
    let alike = "same[ab]{0,6}".prop_map(String::into_bytes);
    prop_oneof![vec(0u8..3, 0..7), vec(any::<u8>(), 0..9), vec(any::<u8>(), 14..40), alike]
}

/// Of as many bytes as occur.
fn sequence() -> impl Strategy<Value = u64> {
    prop_oneof![1u64..200, 1u64..1 << 14, 1u64..1 << 21, 1u64..1 << 29, 1u64..1 << 40]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..20), 2 => vec(any::<u8>(), 100..400)]
}

proptest! {
    #[test]
    fn no_bytes_make_a_block_panic(bytes: Vec<u8>, prefix in 0u8..4, entries in 0u8..8) {
        exercise(&[&bytes[..], &[prefix, 0, entries, 0]].concat());
    }

    #[test]
    fn a_varint_is_read_as_a_decoder_reads_it(
        unended in vec(0x80u8..=0xff, 0..12),
        end in prop_oneof![Just(None), (0u8..3).prop_map(Some), any::<u8>().prop_map(Some)],
        value: u64,
    ) {
        let bytes = unended.into_iter().chain(end).collect::<Vec<u8>>();
        for bytes in [bytes, stage2_wal::coding::varint(value).collect()] {
            let mut decoder = Decoder::new(&bytes);
            let expected = decoder.varint("").ok().map(|value| (value, decoder.position()));
            prop_assert_eq!(super::entry::varint(&bytes, 0), expected);
        }
    }

    #[test]
    fn a_header_read_as_one_word_is_the_header_read_field_by_field(
        kind in 0u8..4,
        numbers in (sequence(), 0u64..400, prop_oneof![0u64..400, 0u64..1 << 15]),
        behind in vec(any::<u8>(), 0..9),
        cut in 0usize..9,
    ) {
        let numbers = <[u64; 3]>::from(numbers).into_iter().flat_map(stage2_wal::coding::varint);
        let bytes: Vec<u8> = [0, kind].into_iter().chain(numbers).chain(behind).collect();
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        if let Some(entry) = super::entry::in_one_word(bytes, 1) {
            prop_assert_eq!(super::entry::field_by_field(bytes, 1), Some(entry));
        }
    }

    #[test]
    fn what_was_built_is_what_is_found(
        entries in btree_map((user_key(), sequence()), value(), 1..60),
        probe in user_key(),
    ) {
        let owned = |((user_key, sequence), value): ((Vec<u8>, u64), Vec<u8>)| {
            (key(&user_key, sequence).to_owned(), value)
        };
        let mut model: Vec<(OwnedKey, Vec<u8>)> = entries.into_iter().map(owned).collect();
        model.sort();
        let entries: Vec<_> =
            model.iter().map(|(key, value)| (key.as_key(), Kind::Value, &value[..])).collect();
        let block = block(&entries);
        let strangers = [key(&probe, 5), key(&probe, MAX_SEQUENCE)];
        let probes = model.iter().map(|(key, _)| key.as_key()).chain(strangers);
        for target in probes {
            let expected = model.partition_point(|(key, _)| key.as_key() < target);
            prop_assert_eq!(block.position_of(target)?, expected);
            let found = model.get(expected).filter(|(key, _)| *key.user_key == *target.user_key);
            let found = found.map(|(key, value)| (Kind::Value, key.sequence, Bytes::copy_from_slice(value)));
            prop_assert_eq!(block.clone().get(target)?, found);
        }
        let mut cursor = block.cursor();
        cursor.seek_to_first()?;
        for (key, value) in &model {
            prop_assert_eq!(cursor.key(), Some(key.as_key()));
            prop_assert_eq!(cursor.value(), Some(&value[..]));
            cursor.advance()?;
        }
        prop_assert!(!cursor.is_valid());
        cursor.seek_to_last()?;
        for place in (0..model.len()).rev() {
            let (key, value) = &model[place];
            prop_assert_eq!(cursor.key(), Some(key.as_key()));
            prop_assert_eq!(cursor.value(), Some(&value[..]));
            let is_newest = place > 0 && model[place - 1].0.user_key != key.user_key;
            prop_assert_eq!(cursor.is_surely_newest(), is_newest);
            cursor.retreat()?;
        }
        prop_assert!(!cursor.is_valid());
        let payload = encode(&entries);
        prop_assert_eq!(unclaimed(&payload, &block_fields(&payload)?), vec![]);
    }
}
