//! What the manifest keeps about a table.

use stage5_compaction::edit::VersionEdit;
use stage5_compaction::file::FileMeta;

use crate::workshop::{Workshop, numbers};

fn facts() -> FileMeta {
    let mut shop = Workshop::new();
    shop.place(6, &[&[("apple", 3, Some("red")), ("fig", 9, None), ("fig", 5, Some("green"))]]);
    let number = numbers(&shop.version(), 6)[0];
    shop.file(number).meta().clone()
}

fn read_back(meta: FileMeta) -> Result<FileMeta, String> {
    let edit = VersionEdit { added: vec![(6, meta)], ..VersionEdit::default() };
    let mut read = VersionEdit::decode(&edit.encode()).map_err(|malformed| malformed.what)?;
    Ok(read.added.remove(0).1)
}

#[test]
fn the_facts_are_those_of_the_table() {
    let meta = facts();
    assert_eq!((meta.entries, meta.deletions), (3, 1));
    assert_eq!((meta.first_sequence, meta.last_sequence), (3, 9));
    assert_eq!(format!("{:?} to {:?}", meta.smallest, meta.largest), "\"apple\" @ 3 to \"fig\" @ 5");
    assert_eq!(read_back(meta.clone()), Ok(meta));
}

#[test]
fn a_range_covers_both_of_its_ends() {
    let meta = facts();
    for (key, covered) in [("", false), ("apple", true), ("cherry", true), ("fig", true), ("fig0", false)] {
        assert_eq!(meta.covers(key.as_bytes()), covered, "{key}");
    }
    assert!(meta.overlaps(b"", b"apple") && meta.overlaps(b"fig", b"z") && meta.overlaps(b"b", b"c"));
    assert!(!meta.overlaps(b"", b"appl") && !meta.overlaps(b"fig0", b"z"));
}

#[test]
fn facts_that_contradict_each_other_are_malformed() {
    let sound = facts();
    let (smallest, largest) = (sound.largest.clone(), sound.smallest.clone());
    for lie in [
        FileMeta { smallest, largest, ..sound.clone() },
        FileMeta { first_sequence: sound.last_sequence + 1, ..sound.clone() },
        FileMeta { deletions: sound.entries + 1, ..sound.clone() },
    ] {
        let number = lie.number;
        assert_eq!(read_back(lie), Err(format!("the facts about file {number} contradict each other")));
    }
}
