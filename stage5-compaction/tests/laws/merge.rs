//! A merge of several sources, one of which is damaged.

use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::ErrorKind;
use stage5_compaction::memtable::key::InternalKey;
use stage5_compaction::merge::MergingCursor;
use stage5_compaction::wal::vfs::FileId;

use crate::workshop::{Workshop, here, numbers, walk};

/// INV-CURSOR-3: what the sound sources still hold is not the whole.
#[test]
fn a_merge_ends_at_the_first_damage_of_any_source_and_stays_there() {
    let mut shop = Workshop::new();
    shop.place(6, &[&[("apple", 1, Some("red"))], &[("kiwi", 2, Some("brown"))]]);
    shop.place(5, &[&[("banana", 3, Some("yellow")), ("plum", 4, Some("blue"))]]);
    let damaged = numbers(&shop.version(), 6)[1];
    shop.vfs.corrupt(FileId::Table(damaged), |bytes| bytes[0] ^= 1).unwrap();

    let version = shop.version();
    let mut cursor = MergingCursor::new(version.cursors().unwrap());
    cursor.seek_to_first();
    assert_eq!(here(&cursor).as_deref(), Some("apple 1"));
    cursor.next();
    assert!(!cursor.is_valid(), "the banana stands behind what cannot be read");
    assert_eq!(cursor.status().unwrap_err().kind(), ErrorKind::Corruption);
    assert!(walk(&mut cursor).is_err());
    cursor.seek_before(InternalKey::before_all(b"plum"));
    cursor.prev();
    assert!(!cursor.is_valid() && cursor.status().is_err());
}

#[test]
fn a_merge_of_nothing_has_no_entry() {
    let mut cursor = MergingCursor::new(Workshop::new().version().cursors().unwrap());
    assert_eq!(walk(&mut cursor).unwrap(), [""; 0]);
    cursor.seek_to_last();
    assert!(!cursor.is_valid());
}
