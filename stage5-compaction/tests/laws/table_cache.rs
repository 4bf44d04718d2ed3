//! Tables that nobody names any more, and those who still read them.

use std::sync::Arc;

use stage5_compaction::compaction::Leveled;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::lookup::{Answer, Lookup, LookupKey};
use stage5_compaction::wal::vfs::FileId;

use crate::workshop::{Workshop, cache_over, here, keep_all, numbers, walk};

/// Two overlapping tables on level 0, of two entries each.
fn two_layers() -> Workshop {
    let mut shop = Workshop::new();
    shop.place(
        0,
        &[
            &[("apple", 1, Some("red")), ("fig", 2, Some("green"))],
            &[("apple", 3, Some("brown")), ("fig", 4, None)],
        ],
    );
    shop
}

fn merge_all(shop: &mut Workshop) {
    let strategy = Leveled { level0_files: 2, ..Leveled::default() };
    let (_, outcome) = shop.compact(&strategy, keep_all()).expect("two files are enough");
    shop.install(outcome);
}

#[test]
fn a_file_is_obsolete_only_when_its_last_reader_is_gone() {
    let mut shop = two_layers();
    let old = shop.version();
    let inputs = numbers(&old, 0);
    let second_reader = Arc::clone(&old);
    merge_all(&mut shop);

    assert!(!shop.cache.has_obsolete());
    assert_eq!(shop.sweep(), [0; 0], "two readers hold the old version");
    drop(second_reader);
    assert_eq!(shop.sweep(), [0; 0], "one reader holds it");
    let past = old.lookup(&LookupKey::new(b"fig", 2), &mut ()).unwrap();
    assert_eq!(past, Answer::Value { value: "green".into(), sequence: 2 });

    drop(old);
    assert!(shop.cache.has_obsolete());
    let mut swept = shop.sweep();
    swept.reverse();
    assert_eq!(swept, inputs);
    assert_eq!(shop.sweep(), [0; 0], "a number is given out once");
    assert_eq!(shop.tables_on_disk(), numbers(&shop.version(), 6));
}

#[test]
fn a_cursor_over_a_level_keeps_its_files_though_its_version_is_gone() {
    let mut shop = Workshop::new();
    shop.place(5, &[&[("apple", 3, Some("red"))], &[("fig", 4, Some("green"))]]);
    let mut cursor = shop.version().cursors().unwrap().remove(0);
    cursor.seek_to_first();
    let strategy = Leveled { base_level_bytes: 1, ..Leveled::default() };
    shop.place(6, &[&[("apple", 1, Some("old")), ("fig", 2, Some("old"))]]);
    let mut swept = 0;
    while let Some((_, outcome)) = shop.compact(&strategy, keep_all()) {
        shop.install(outcome);
        swept += shop.sweep().len();
    }
    swept += shop.sweep().len();
    assert_eq!(
        (numbers(&shop.version(), 5).len(), swept),
        (0, 2),
        "the two that the cursor walks over are held"
    );
    assert_eq!(here(&cursor).as_deref(), Some("apple 3"));
    assert_eq!(walk(&mut cursor).unwrap(), ["apple 3", "fig 4"]);
}

#[test]
fn a_table_is_opened_when_it_is_first_asked() {
    let shop = two_layers();
    let number = numbers(&shop.version(), 0)[0];
    let file = cache_over(&shop.vfs).file(shop.file(number).meta().clone());
    shop.vfs.corrupt(FileId::Table(number), |bytes| bytes.truncate(10)).unwrap();
    assert_eq!(file.meta().entries, 2, "the facts need no file");
    assert!(file.table().is_err());
    assert!(file.table().is_err(), "a failure is not kept: the next call tries again");
}

#[test]
fn more_tables_than_descriptors_are_read_all_the_same() {
    let mut shop = Workshop::new();
    let keys: Vec<String> = (0..40).map(|number| format!("key {number:02}")).collect();
    for (key, sequence) in keys.iter().zip(1..) {
        shop.place(6, &[&[(key, sequence, Some("value"))]]);
    }
    let version = shop.version();
    for _ in 0..2 {
        for (key, sequence) in keys.iter().zip(1..) {
            let answer = version.lookup(&LookupKey::new(key.as_bytes(), 100), &mut ()).unwrap();
            assert_eq!(answer, Answer::Value { value: "value".into(), sequence });
        }
    }
}
