//! The promise of stage 4: a filter never changes an answer, only its price.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use stage4_bloom::blocked::Blocked;
use stage4_bloom::bloom::Bloom;
use stage4_bloom::filtered::{FilteredTable, FilteredTableBuilder, FilteredTableOptions};
use stage4_bloom::memtable::error::Result;
use stage4_bloom::memtable::key::{InternalKey, Kind, OwnedKey};
use stage4_bloom::memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage4_bloom::policy::FilterPolicy;
use stage4_bloom::sstable::cache::BlockCache;
use stage4_bloom::wal::vfs::{FileId, SimVfs, Vfs};

type Entries = BTreeMap<OwnedKey, Option<Vec<u8>>>;

/// A table of `entries`, written and opened again.
fn table_of(entries: &Entries, filter: Option<Arc<dyn FilterPolicy>>) -> Result<FilteredTable> {
    let (vfs, file, salt) = (SimVfs::without_trace(), FileId::Table(2), 7);
    let options = FilteredTableOptions { filter, ..FilteredTableOptions::default() };
    let mut builder = FilteredTableBuilder::new(vfs.create(file)?, vfs.describe(file), salt, options);
    for (key, value) in entries {
        let kind = if value.is_some() { Kind::Value } else { Kind::Deletion };
        builder.add(key.as_key(), kind, value.as_deref().unwrap_or_default())?;
    }
    builder.finish()?;
    FilteredTable::open(vfs.open(file)?, salt, 2, Arc::new(BlockCache::new(1 << 20)))
}

fn each_filter() -> [Option<Arc<dyn FilterPolicy>>; 3] {
    [None, Some(Arc::new(Blocked::default())), Some(Arc::new(Bloom::default()))]
}

/// What the entries say about `user_key` as of `sequence`.
fn expected(entries: &Entries, user_key: &[u8], sequence: u64) -> Answer {
    let newest = entries.range(InternalKey::new(user_key, sequence).to_owned()..).next();
    match newest.filter(|(key, _)| key.user_key == user_key) {
        None => Answer::Absent,
        Some((key, None)) => Answer::Deleted { sequence: key.sequence },
        Some((key, Some(value))) => Answer::Value { value: value.clone().into(), sequence: key.sequence },
    }
}

fn user_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(0u8..4, 0..4), prop::collection::vec(any::<u8>(), 0..24)]
}

fn entries() -> impl Strategy<Value = Entries> {
    let entry = (user_key(), prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40)));
    prop::collection::vec(entry, 1..200).prop_map(|entries| {
        let numbered = (1u64..).zip(entries);
        numbered
            .map(|(sequence, (key, value))| (InternalKey::new(&key, sequence).to_owned(), value))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_never_changes_an_answer(
        entries in entries(),
        strangers in prop::collection::vec(user_key(), 50),
        sequence in 0u64..200,
    ) {
        let questions: Vec<&[u8]> = entries.keys().map(|key| &key.user_key[..])
            .chain(strangers.iter().map(Vec::as_slice)).collect();
        for filter in each_filter() {
            let table = table_of(&entries, filter).unwrap();
            for &user_key in &questions {
                let answer = table.lookup(&LookupKey::new(user_key, sequence), &mut ()).unwrap();
                prop_assert_eq!(answer, expected(&entries, user_key, sequence));
            }
            table.verify().unwrap();
        }
    }
}

#[test]
fn of_a_hundred_tables_that_do_not_have_a_key_about_one_is_read() {
    let tables: Vec<FilteredTable> = (0..100)
        .map(|table| {
            let user_keys = (0..500).map(|number| format!("{number:04} in {table}"));
            let entries = user_keys.map(|key| (InternalKey::new(key.as_bytes(), 5).to_owned(), Some(vec![])));
            table_of(&entries.collect(), Some(Arc::new(Blocked::default()))).unwrap()
        })
        .collect();
    let mut touched = Vec::new();
    for number in 0..200 {
        let absent = format!("{number:04} in none");
        for table in &tables {
            let answer = table.lookup(&LookupKey::new(absent.as_bytes(), 9), &mut touched).unwrap();
            assert_eq!(answer, Answer::Absent);
        }
    }
    let skipped = touched.iter().filter(|touch| **touch == Touch::Filter { may_contain: false }).count();
    let blocks = touched.iter().filter(|touch| matches!(touch, Touch::Block { .. })).count();
    assert_eq!(skipped + blocks, 200 * 100);
    assert!((100..400).contains(&blocks), "{blocks} blocks for 20,000 questions");
}

#[test]
fn the_stages_below_are_the_same_all_the_way_up() {
    fn same<T>(_: fn(T), _: fn(T)) {}
    same(|_: stage4_bloom::memtable::key::Kind| (), |_: stage3_sstable::memtable::key::Kind| ());
    same(|_: stage4_bloom::wal::vfs::FileId| (), |_: stage3_sstable::wal::vfs::FileId| ());
    same(|_: stage4_bloom::sstable::table::Table| (), |_: stage3_sstable::table::Table| ());
}
