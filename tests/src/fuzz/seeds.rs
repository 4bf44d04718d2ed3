//! Where a campaign begins: what the writers write, in the shape that each target
//! takes.

use bytes::Bytes;
use stage6_engine::bloom::bloom::Bloom;
use stage6_engine::bloom::policy::FilterPolicy;
use stage6_engine::compaction::edit::VersionEdit;
use stage6_engine::compaction::file::FileMeta;
use stage6_engine::memtable::hash::hash_key;
use stage6_engine::memtable::key::{Kind, MAX_SEQUENCE, OwnedKey};
use stage6_engine::sstable::block::BlockBuilder;
use stage6_engine::sstable::compression::{Codec, Compressor};
use stage6_engine::sstable::footer::{FOOTER_BYTES, Footer};
use stage6_engine::sstable::format::{BlockHandle, TRAILER_BYTES};
use stage6_engine::sstable::index::Index;
use stage6_engine::sstable::metaindex::Metaindex;
use stage6_engine::sstable::properties::{PROPERTIES, Properties};
use stage6_engine::sstable::table::TableOptions;
use stage6_engine::wal::batch::{WriteBatch, head};
use stage6_engine::wal::coding::Decoder;

use super::block::Shown;
use super::input::put_section;
use super::table::{INDEX, METAINDEX, build};
use crate::dice::Dice;

/// The seeds of the target called `name`; none for an unknown name.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "log" => logs(),
        "batch" => vec![batch(1, 1), batch(2, 5)],
        "block" => blocks(),
        "table" => tables(),
        "filter" => filters(),
        "manifest" => manifests(),
        "operations" => (1..5).map(operations).collect(),
        _ => Vec::new(),
    }
}

/// A batch of `count` writes from sequence `first` on.
fn batch(first: u64, count: usize) -> Vec<u8> {
    let mut batch = WriteBatch::new();
    for number in 0..count {
        match number % 3 {
            2 => batch.delete([b'a' + number as u8]),
            _ => batch.put([b'a' + number as u8], vec![b'v'; number * 3]),
        };
    }
    let mut bytes = head(first, batch.len() as u64).as_bytes().to_vec();
    bytes.extend_from_slice(batch.body());
    bytes
}

fn logs() -> Vec<Vec<u8>> {
    let mut written = vec![3, 0, 0, 0];
    for (first, count) in [(1, 1), (2, 3), (5, 2)] {
        put_section(&mut written, &batch(first, count));
    }
    let mut damaged = written.clone();
    damaged[1..4].copy_from_slice(&[60, 0, 1]);
    // A first fragment to the end of its block, a middle, a last; a promise, zeros.
    let fragments = [
        &[2, 1, 7, 100, 0, 2, 7][..],
        &(32_768u16 - 32 - 107 - 7).to_le_bytes(),
        &[3, 7, 50, 0, 4, 7, 9, 0, 5, 0, 8, 0, 7, 0, 40, 0],
    ];
    let mut literal = vec![2];
    for (kind, payload) in [(0x81, batch(1, 1)), (0x85, 1u64.to_le_bytes().to_vec()), (0x82, batch(2, 2))] {
        literal.extend_from_slice(&[kind, 0]);
        put_section(&mut literal, &payload);
    }
    vec![written, damaged, fragments.concat(), literal]
}

/// `count` entries in order, some keys with several versions.
fn entries(count: u64) -> Vec<Shown> {
    let key = |number: u64| Bytes::from(format!("key{:03}", number / 3));
    let one = |number: u64| {
        let kind = if number % 4 == 3 { Kind::Deletion } else { Kind::Value };
        let value = if kind == Kind::Value { vec![b'v'; number as usize % 9] } else { Vec::new() };
        (OwnedKey { user_key: key(number), sequence: 1 + count - number }, kind, value)
    };
    (0..count).map(one).collect()
}

fn blocks() -> Vec<Vec<u8>> {
    let mut builder = BlockBuilder::new();
    let mut build_from = vec![3];
    for (key, kind, value) in entries(12) {
        builder.add(key.as_key(), kind, &value);
        build_from.extend_from_slice(&[kind.as_byte(), key.sequence as u8]);
        put_section(&mut build_from, &key.user_key);
        put_section(&mut build_from, &value);
    }
    let plain = builder.finish();
    let mut compressor = Compressor::new();
    let (_, stored) = compressor.compress(Codec::Lz4, &plain);
    vec![
        [&[0], &plain[..]].concat(),
        [&[1], stored].concat(),
        [&[2, 0], &plain[..]].concat(),
        [&[2, 1], stored].concat(),
        build_from,
    ]
}

fn tables() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (count, codec) in [(1, Codec::None), (40, Codec::None), (60, Codec::Lz4)] {
        let file = build(&entries(count), TableOptions { block_size_bytes: 128, codec });
        seeds.extend(apart(&file));
        seeds.push([&[0], &file[..]].concat());
    }
    seeds
}

/// The parts of a table, as the target takes them: each by itself, and all to be
/// sealed again.
fn apart(file: &[u8]) -> Vec<Vec<u8>> {
    let payload = |handle: BlockHandle| &file[handle.offset as usize..][..handle.bytes as usize];
    let footer_bytes = &file[file.len() - FOOTER_BYTES..];
    let footer = Footer::decode(footer_bytes, &mut Decoder::new(footer_bytes)).expect("a sound table");
    let (index, metaindex) = (payload(footer.index), payload(footer.metaindex));
    let meta = Metaindex::decode(&mut Decoder::new(metaindex)).expect("a sound table");
    let properties = payload(meta.find(PROPERTIES).expect("every table has them"));
    let sizes = Properties::decode(&mut Decoder::new(properties)).expect("a sound table");
    let blocks = Index::decode(&mut Decoder::new(index), sizes.data_bytes).expect("a sound table");

    let mut sealed = vec![5];
    sealed.extend_from_slice(&(footer.entries as u16).to_le_bytes());
    let data = (0..blocks.len()).filter_map(|ordinal| blocks.handle(ordinal));
    for handle in data.chain(meta.blocks.iter().map(|block| block.handle)) {
        sealed.push(file[handle.offset as usize + handle.bytes as usize]);
        put_section(&mut sealed, payload(handle));
    }
    for (role, payload) in [(METAINDEX, metaindex), (INDEX, index)] {
        sealed.push(role);
        put_section(&mut sealed, payload);
    }
    let data_bytes = (sizes.data_bytes as u16).to_le_bytes();
    debug_assert_eq!(
        u64::from(footer.index.bytes) + TRAILER_BYTES as u64 + FOOTER_BYTES as u64 + footer.index.offset,
        footer.file_bytes
    );
    vec![
        [&[1], footer_bytes].concat(),
        [&[2], &data_bytes[..], index].concat(),
        [&[3], metaindex].concat(),
        [&[4], properties].concat(),
        sealed,
    ]
}

fn filters() -> Vec<Vec<u8>> {
    let hashes: Vec<u64> = (0..40u64).map(|number| hash_key(&number.to_le_bytes())).collect();
    let blocked = stage6_engine::bloom::blocked::Blocked::default().build(&hashes);
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    vec![
        [&[0], &blocked[..]].concat(),
        [&[1], &Bloom::default().build(&hashes)[..]].concat(),
        [&[10], &bytes[..]].concat(),
    ]
}

fn file_meta(number: u64, first: &str, last: &str, sequences: (u64, u64)) -> FileMeta {
    let key = |name: &str, sequence| OwnedKey { user_key: Bytes::copy_from_slice(name.as_bytes()), sequence };
    FileMeta {
        number,
        size_bytes: 100 + number,
        smallest: key(first, sequences.1),
        largest: key(last, sequences.0),
        first_sequence: sequences.0,
        last_sequence: sequences.1,
        entries: 9,
        deletions: 1,
        checksum: 0x1234_5678,
    }
}

fn manifests() -> Vec<Vec<u8>> {
    let first = VersionEdit {
        log_floor: Some(5),
        next_file_number: Some(20),
        flushed_sequence: Some(90),
        added: vec![(0, file_meta(11, "a", "m", (60, 90))), (1, file_meta(8, "a", "f", (1, 50)))],
        removed: Vec::new(),
    };
    let second = VersionEdit {
        added: vec![(1, file_meta(11, "g", "m", (60, 90))), (1, file_meta(12, "n", "z", (2, 40)))],
        removed: vec![(0, 11)],
        ..VersionEdit::default()
    };
    let mut database = vec![3, 1];
    put_section(&mut database, &first.encode());
    let mut alone = vec![3, 1];
    put_section(&mut alone, &VersionEdit { added: Vec::new(), ..first.clone() }.encode());
    let mut moved = vec![3, 2];
    let added = vec![(0, file_meta(11, "g", "m", (60, 90)))];
    put_section(&mut moved, &VersionEdit { added: added.clone(), ..first.clone() }.encode());
    let second_moved = VersionEdit { added: vec![(1, added[0].1.clone())], ..second.clone() };
    put_section(&mut moved, &second_moved.encode());
    // Numbers that no database counts so far.
    let extreme = |edit: VersionEdit| {
        let mut seed = vec![3, 1];
        put_section(&mut seed, &edit.encode());
        seed
    };
    let base = VersionEdit { added: Vec::new(), ..first.clone() };
    let extremes = [
        extreme(VersionEdit { log_floor: Some(u64::MAX), ..base.clone() }),
        extreme(VersionEdit { next_file_number: Some(u64::MAX - 2), ..base.clone() }),
        // Its sequences would be given out again.
        extreme(VersionEdit {
            flushed_sequence: None,
            added: vec![(0, file_meta(11, "a", "m", (0, 1)))],
            ..base.clone()
        }),
        extreme(VersionEdit { flushed_sequence: Some(MAX_SEQUENCE), ..base.clone() }),
        extreme(VersionEdit { flushed_sequence: Some(u64::MAX), ..base.clone() }),
        extreme(VersionEdit { added: vec![(6, file_meta(12, "a", "m", (1, u64::MAX)))], ..base.clone() }),
    ];
    // CURRENT up to its checksum: magic, version, zero, features, id, manifest.
    let current = [&b"\x89LSMC\r\n\x1a"[..], &[1, 0, 0, 0, 0, 0, 0, 0], &[7; 16], &[3, 0, 0, 0, 0, 0, 0, 0]];
    let sound = [
        [&[1], &current.concat()[..]].concat(),
        [&[2], &first.encode()[..]].concat(),
        [&[2], &second.encode()[..]].concat(),
        database,
        alone,
        moved,
    ];
    sound.into_iter().chain(extremes).collect()
}

/// Operations drawn from `seed`.
fn operations(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    (0..300).map(|_| dice.roll(256) as u8).collect()
}
