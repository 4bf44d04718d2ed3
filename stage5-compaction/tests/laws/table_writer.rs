//! Where one table ends and the next begins.

use stage5_compaction::memtable::key::{InternalKey, Kind};
use stage5_compaction::table_writer::{NewTable, TableWriter};

use crate::workshop::Workshop;

fn name(table: &NewTable) -> String {
    let key = |bytes: &[u8]| bytes.escape_ascii().to_string();
    format!("{}..{}", key(&table.meta.smallest.user_key), key(&table.meta.largest.user_key))
}

/// Ninety bytes that no codec makes shorter.
fn value_of(number: u64) -> Vec<u8> {
    (1..=90).map(|index| (((number + 1) * index).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[test]
fn a_table_ends_between_two_user_keys_at_the_target_size() {
    let shop = Workshop::new();
    let mut writer = TableWriter::new(&shop.factory, 1_000);
    for number in 0..40 {
        let key = format!("key {number:02}");
        writer.add(InternalKey::new(key.as_bytes(), number + 1), Kind::Value, &value_of(number)).unwrap();
    }
    let tables = writer.finish().unwrap();
    assert!((3..=6).contains(&tables.len()), "{} tables for about 4,000 bytes", tables.len());
    assert_eq!(tables.iter().map(|table| table.meta.entries).sum::<u64>(), 40);
    for pair in tables.windows(2) {
        assert!(pair[0].meta.largest.user_key < pair[1].meta.smallest.user_key);
    }
}

/// INV-WRITER-1.
#[test]
fn all_versions_of_a_key_go_into_one_table_however_large() {
    let shop = Workshop::new();
    let mut writer = TableWriter::new(&shop.factory, 1);
    for key in ["", "apple", "fig"] {
        for sequence in (1..=30).rev() {
            writer.add(InternalKey::new(key.as_bytes(), sequence), Kind::Value, &[b'v'; 100]).unwrap();
        }
    }
    let tables = writer.finish().unwrap();
    assert_eq!(tables.iter().map(name).collect::<Vec<_>>(), ["..", "apple..apple", "fig..fig"]);
    assert!(tables.iter().all(|table| table.meta.entries == 30));
}

#[test]
fn a_writer_without_an_entry_makes_no_table() {
    let shop = Workshop::new();
    assert!(TableWriter::new(&shop.factory, 1).finish().unwrap().is_empty());
    assert_eq!(shop.tables_on_disk(), [0; 0]);
}

#[test]
fn what_is_discarded_leaves_no_file() {
    let shop = Workshop::new();
    let mut writer = TableWriter::new(&shop.factory, 1);
    for key in ["apple", "fig", "kiwi"] {
        writer.add(InternalKey::new(key.as_bytes(), 1), Kind::Value, b"").unwrap();
    }
    assert_eq!(shop.tables_on_disk().len(), 3, "two are done, one is open");
    writer.discard();
    assert_eq!(shop.tables_on_disk(), [0; 0]);
}
