//! The files of a level as one cursor: at the ends, over the seams, after damage.

use stage5_compaction::concat::ConcatCursor;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::ErrorKind;
use stage5_compaction::memtable::key::InternalKey;
use stage5_compaction::version::Level;
use stage5_compaction::wal::vfs::FileId;

use crate::workshop::{Workshop, Write, here, numbers, walk};

/// Three files: apple to fig, grape, lemon to pear.
fn orchard() -> Workshop {
    let mut shop = Workshop::new();
    shop.place(
        5,
        &[
            &[("apple", 3, Some("red")), ("fig", 9, None), ("fig", 5, Some("green"))],
            &[("grape", 7, Some("blue"))],
            &[("lemon", 2, Some("yellow")), ("pear", 4, Some("green"))],
        ],
    );
    shop
}

const IN_ORDER: [&str; 6] = ["apple 3", "fig 9", "fig 5", "grape 7", "lemon 2", "pear 4"];

fn cursor_over(shop: &Workshop) -> ConcatCursor {
    ConcatCursor::new(Level::clone(shop.version().level(5)))
}

#[test]
fn entries_come_in_order_over_all_files_both_ways() {
    let mut cursor = cursor_over(&orchard());
    assert_eq!(walk(&mut cursor).unwrap(), IN_ORDER);
    cursor.seek_to_last();
    for expected in IN_ORDER.iter().rev() {
        assert_eq!(here(&cursor).as_deref(), Some(*expected));
        cursor.prev();
    }
    assert!(!cursor.is_valid() && cursor.status().is_ok());
}

#[test]
fn a_seek_lands_on_the_first_entry_at_or_behind_it_also_between_two_files() {
    let mut cursor = cursor_over(&orchard());
    for (key, sequence, at, before) in [
        ("", 9, Some("apple 3"), None),
        ("fig", 7, Some("fig 5"), Some("fig 9")),
        ("fig", 1, Some("grape 7"), Some("fig 5")),
        ("kiwi", 9, Some("lemon 2"), Some("grape 7")),
        ("pear", 4, Some("pear 4"), Some("lemon 2")),
        ("plum", 9, None, Some("pear 4")),
    ] {
        let target = InternalKey::new(key.as_bytes(), sequence);
        cursor.seek(target);
        assert_eq!(here(&cursor).as_deref(), at, "at {target:?}");
        cursor.seek_before(target);
        assert_eq!(here(&cursor).as_deref(), before, "before {target:?}");
    }
}

#[test]
fn it_turns_round_at_a_seam_between_two_files() {
    let mut cursor = cursor_over(&orchard());
    cursor.seek(InternalKey::before_all(b"grape"));
    cursor.prev();
    assert_eq!(here(&cursor).as_deref(), Some("fig 5"));
    cursor.next();
    assert_eq!(here(&cursor).as_deref(), Some("grape 7"));
    cursor.next();
    cursor.prev();
    assert_eq!(here(&cursor).as_deref(), Some("grape 7"));
}

#[test]
fn only_a_seek_brings_it_back_from_behind_an_end() {
    let mut cursor = cursor_over(&orchard());
    cursor.seek_to_last();
    cursor.next();
    cursor.prev();
    assert!(!cursor.is_valid());
    cursor.seek_to_first();
    assert_eq!(here(&cursor).as_deref(), Some("apple 3"));
}

#[test]
fn a_level_without_files_has_no_entry() {
    let mut cursor = ConcatCursor::new(Level::default());
    assert_eq!(walk(&mut cursor).unwrap(), [""; 0]);
    cursor.seek_to_last();
    cursor.seek_before(InternalKey::before_all(b"fig"));
    assert!(!cursor.is_valid() && cursor.status().is_ok());
}

#[test]
fn a_seek_opens_only_the_file_that_it_lands_in() {
    let shop = orchard();
    let [first, _, last] = numbers(&shop.version(), 5)[..] else { unreachable!("three files were placed") };
    for number in [first, last] {
        shop.vfs.corrupt(FileId::Table(number), Vec::clear).unwrap();
    }
    let mut cursor = cursor_over(&shop);
    cursor.seek(InternalKey::before_all(b"grape"));
    assert_eq!(here(&cursor).as_deref(), Some("grape 7"));
    assert!(cursor.status().is_ok());
}

/// INV-CURSOR-3: whoever met damage once never takes the rest for the whole.
#[test]
fn damage_sticks_whatever_is_sought_behind_it() {
    let shop = orchard();
    let damaged = numbers(&shop.version(), 5)[1];
    shop.vfs.corrupt(FileId::Table(damaged), |bytes| bytes[0] ^= 1).unwrap();
    let mut cursor = cursor_over(&shop);
    cursor.seek_to_first();
    assert_eq!(here(&cursor).as_deref(), Some("apple 3"), "the first file is sound");
    let error = walk(&mut cursor).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.to_string().starts_with(&FileId::Table(damaged).to_string()), "{error}");
    for seek in [Cursor::seek_to_first as fn(&mut _), Cursor::seek_to_last] {
        seek(&mut cursor);
        assert!(!cursor.is_valid() && cursor.status().is_err());
    }
    cursor.seek(InternalKey::before_all(b"apple"));
    cursor.seek_before(InternalKey::before_all(b"plum"));
    cursor.next();
    assert!(!cursor.is_valid() && cursor.status().is_err());
}

/// Only an end of the open file asks it how it ended: no neighbour may take over then.
#[test]
fn damage_within_a_file_ends_a_walk_there_in_both_directions() {
    let mut shop = Workshop::new();
    let large = "large ".repeat(500);
    let keys: Vec<String> = (0..10).map(|number| format!("fig {number}")).collect();
    let middle: Vec<Write<'_>> = keys.iter().map(|key| (key.as_str(), 2, Some(large.as_str()))).collect();
    shop.place(5, &[&[("apple", 1, Some("red"))], &middle, &[("pear", 3, Some("green"))]]);
    let file = shop.file(numbers(&shop.version(), 5)[1]);
    let data_bytes = file.table().unwrap().table().properties().data_bytes as usize;
    shop.vfs.corrupt(FileId::Table(file.meta().number), |bytes| bytes[data_bytes / 2] ^= 1).unwrap();
    let moves = [
        (Cursor::seek_to_first as fn(&mut ConcatCursor), Cursor::next as fn(&mut ConcatCursor)),
        (Cursor::seek_to_last, Cursor::prev),
    ];
    for (start, step) in moves {
        let mut cursor = cursor_over(&shop);
        start(&mut cursor);
        let mut steps = 0;
        while cursor.is_valid() {
            step(&mut cursor);
            steps += 1;
        }
        assert!((2..11).contains(&steps), "it stood on the neighbour and went into the file: {steps}");
        assert_eq!(cursor.status().unwrap_err().kind(), ErrorKind::Corruption);
    }
}
