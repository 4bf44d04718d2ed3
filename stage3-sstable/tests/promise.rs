//! The promise of the stage: what was built is what is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use stage3_sstable::cache::BlockCache;
use stage3_sstable::compression::Codec;
use stage3_sstable::memtable::Result;
use stage3_sstable::memtable::cursor::Cursor;
use stage3_sstable::memtable::key::{InternalKey, Kind, MAX_SEQUENCE, OwnedKey};
use stage3_sstable::memtable::lookup::{Answer, Lookup, LookupKey};
use stage3_sstable::table::{Table, TableBuilder, TableCursor, TableOptions};
use stage3_sstable::wal::vfs::{FileId, SimVfs, Vfs};

const SALT: u32 = 0x5a17;

type Model = BTreeMap<OwnedKey, (Kind, Vec<u8>)>;

fn build(model: &Model, options: TableOptions) -> Result<Arc<Table>> {
    let vfs = SimVfs::without_trace();
    let file = vfs.create(FileId::Table(1))?;
    let mut builder = TableBuilder::new(file, vfs.describe(FileId::Table(1)), SALT, options);
    for (key, (kind, value)) in model {
        builder.add(key.as_key(), *kind, value)?;
    }
    let summary = builder.finish()?;
    let file = vfs.open(FileId::Table(1))?;
    assert_eq!(summary.file_bytes, file.len());
    let table = Table::open(file, SALT, 1, Arc::new(BlockCache::new(4096)))?;
    assert_eq!(table.properties(), &summary.properties);
    Ok(Arc::new(table))
}

fn user_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(0u8..3, 0..5), vec(any::<u8>(), 0..12), "key[0-9]{8}".prop_map(String::into_bytes)]
}

fn entry() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let value =
        prop_oneof![vec(any::<u8>(), 0..20), (any::<u8>(), 0..300usize).prop_map(|(b, n)| vec![b; n])];
    prop_oneof![value.prop_map(|value| (Kind::Value, value)), Just((Kind::Deletion, Vec::new()))]
}

fn model() -> impl Strategy<Value = Model> {
    let key = (user_key(), 1u64..30).prop_map(|(key, sequence)| InternalKey::new(&key, sequence).to_owned());
    btree_map(key, entry(), 1..120)
}

fn options() -> impl Strategy<Value = TableOptions> {
    let codec = prop_oneof![Just(Codec::None), Just(Codec::Lz4)];
    (prop_oneof![1usize..200, Just(4096)], codec)
        .prop_map(|(block_size_bytes, codec)| TableOptions { block_size_bytes, codec })
}

fn expected(model: &Model, user_key: &[u8], sequence: u64) -> Answer {
    let from = InternalKey::new(user_key, sequence).to_owned();
    match model.range(from..).next() {
        Some((key, (kind, value))) if key.user_key == user_key => match kind {
            Kind::Value => Answer::Value { value: value.clone().into(), sequence: key.sequence },
            Kind::Deletion => Answer::Deleted { sequence: key.sequence },
        },
        _ => Answer::Absent,
    }
}

fn here(cursor: &TableCursor) -> Option<(OwnedKey, Kind, Vec<u8>)> {
    assert!(cursor.status().is_ok());
    cursor.is_valid().then(|| {
        assert_eq!(cursor.value_owned(), cursor.value());
        (cursor.key().to_owned(), cursor.kind(), cursor.value().to_vec())
    })
}

proptest! {
    #[test]
    fn a_lookup_answers_as_the_model_does_at_every_sequence(
        model in model(), options in options(), absent in vec(user_key(), 0..10),
    ) {
        let table = build(&model, options)?;
        let keys = model.keys().map(|key| key.user_key.to_vec()).chain(absent);
        for key in keys {
            for sequence in (0..32).chain([MAX_SEQUENCE]) {
                let answer = table.lookup(&LookupKey::new(&key, sequence), &mut ())?;
                prop_assert_eq!(answer, expected(&model, &key, sequence));
            }
        }
    }

    #[test]
    fn a_cursor_walks_as_the_model_does_in_both_directions(
        model in model(), options in options(), targets in vec((user_key(), 0u64..32), 0..10),
    ) {
        let mut cursor = build(&model, options)?.cursor();
        let owned = |(key, (kind, value)): (&OwnedKey, &(Kind, Vec<u8>))| (key.clone(), *kind, value.clone());
        let all: Vec<_> = model.iter().map(owned).collect();
        cursor.seek_to_first();
        for entry in &all {
            prop_assert_eq!(here(&cursor), Some(entry.clone()));
            cursor.next();
        }
        prop_assert_eq!(here(&cursor), None);
        cursor.seek_to_last();
        for entry in all.iter().rev() {
            prop_assert_eq!(here(&cursor), Some(entry.clone()));
            cursor.prev();
        }
        prop_assert_eq!(here(&cursor), None);
        let own = model.keys().map(|key| (key.user_key.to_vec(), key.sequence));
        for (key, sequence) in targets.into_iter().chain(own) {
            let target = InternalKey::new(&key, sequence);
            let at = all.partition_point(|(key, ..)| key.as_key() < target);
            cursor.seek(target);
            prop_assert_eq!(here(&cursor), all.get(at).cloned());
            cursor.prev();
            prop_assert_eq!(here(&cursor), all[..at].last().filter(|_| at < all.len()).cloned());
            cursor.seek_before(target);
            prop_assert_eq!(here(&cursor), all[..at].last().cloned());
            cursor.next();
            prop_assert_eq!(here(&cursor), all.get(at).filter(|_| at > 0).cloned());
        }
    }

    #[test]
    fn verification_finds_what_was_built_sound(model in model(), options in options()) {
        let report = build(&model, options)?.verify()?;
        prop_assert_eq!(report.entries, model.len() as u64);
    }
}
