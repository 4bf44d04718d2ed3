//! The current version and its manifest: installing, opening again, and what a
//! damaged directory is told.

use std::sync::Arc;

use stage5_compaction::edit::VersionEdit;
use stage5_compaction::manifest::{Current, Manifest};
use stage5_compaction::memtable::error::{ErrorKind, Result};
use stage5_compaction::version_set::{Recovered, recover};
use stage5_compaction::wal::vfs::crash::{DataPolicy, NamePolicy, Policy};
use stage5_compaction::wal::vfs::{FileId, SimVfs, Vfs};

use crate::workshop::{DATABASE, ONE_TABLE, Workshop, cache_over, keep_all, memtable_of, numbers};

/// A crash that takes everything that no sync covers.
const NOTHING_UNSYNCED: Policy = Policy { names: NamePolicy::Prefix(0), data: DataPolicy::Lost };

/// Opens the directory as it stands, with nothing but its files.
fn reopen(vfs: &Arc<SimVfs>) -> Result<Recovered> {
    let current = Current::read(&**vfs)?.expect("the workshop committed one");
    recover(&**vfs, current, &cache_over(vfs))
}

fn two_levels() -> Workshop {
    let mut shop = Workshop::new();
    shop.place(6, &[&[("apple", 1, Some("red")), ("fig", 2, Some("green"))]]);
    shop.place(0, &[&[("fig", 3, None)]]);
    shop
}

#[test]
fn what_was_installed_is_recovered() {
    let mut shop = two_levels();
    let mut outcome = shop.merge(&memtable_of(&[("kiwi", 4, Some("brown"))]), 0, ONE_TABLE, keep_all());
    outcome.edit.log_floor = Some(9);
    outcome.edit.flushed_sequence = Some(4);
    shop.install(outcome);
    assert_eq!((shop.set.log_floor(), shop.set.flushed_sequence()), (9, 4));

    let recovered = reopen(&shop.vfs).unwrap();
    assert_eq!(recovered.version.as_edit(), shop.version().as_edit());
    assert_eq!((recovered.log_floor, recovered.flushed_sequence), (9, 4));
    let highest = shop.tables_on_disk().into_iter().max().unwrap();
    assert!(recovered.next_file_number > highest, "no number is given out twice");
}

#[test]
fn a_table_ahead_of_the_flushed_sequence_is_corruption() {
    let mut shop = two_levels();
    let mut outcome = shop.merge(&memtable_of(&[("kiwi", 4, Some("brown"))]), 0, ONE_TABLE, keep_all());
    outcome.edit.flushed_sequence = Some(3);
    shop.install(outcome);
    let error = reopen(&shop.vfs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.to_string().contains("holds sequence 4"), "{error}");
}

#[test]
fn an_edit_is_published_only_when_it_is_durable() {
    let mut shop = two_levels();
    let outcome = shop.merge(&memtable_of(&[("kiwi", 4, Some("brown"))]), 0, ONE_TABLE, keep_all());
    let vfs = shop.vfs.clone();
    shop.set
        .install(&outcome.tables, outcome.edit, |published| {
            let durable = vfs.trace().crash(vfs.calls(), NOTHING_UNSYNCED);
            let recovered = reopen(&Arc::new(SimVfs::from_image(&durable))).unwrap();
            assert_eq!(recovered.version.as_edit(), published.as_edit());
        })
        .unwrap();
}

#[test]
fn a_manifest_that_has_grown_long_gives_way_to_a_snapshot() {
    let mut shop = two_levels();
    let first = shop.set.manifest_number();
    let mut longest = 0;
    for floor in 1..2_000 {
        let edit = VersionEdit { log_floor: Some(floor), ..VersionEdit::default() };
        shop.set.install(&[], edit, |_| {}).unwrap();
        longest = longest.max(shop.set.manifest_bytes());
        let current = Current::read(&*shop.vfs).unwrap().expect("the workshop committed one");
        assert_eq!(current.manifest, shop.set.manifest_number());
    }
    assert!(longest < 5_000, "it grew to {longest} bytes");
    assert!(shop.set.take_replaced().contains(&first));
    let recovered = reopen(&shop.vfs).unwrap();
    assert_eq!((recovered.version.as_edit(), recovered.log_floor), (shop.version().as_edit(), 1_999));
}

#[test]
fn an_edit_against_a_law_is_refused_before_anything_is_written() {
    let mut shop = two_levels();
    let before = (shop.vfs.calls(), shop.version().as_edit());
    let edit = VersionEdit { removed: vec![(3, 1)], ..VersionEdit::default() };
    let error = shop.set.install(&[], edit, |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "invalid argument: file 1 is removed from level 3, where it is not");
    assert_eq!((shop.vfs.calls(), shop.version().as_edit()), before);
    assert!(shop.set.failure().is_none());
}

#[test]
fn a_missing_table_is_named_with_its_level() {
    let shop = two_levels();
    let number = numbers(&shop.version(), 6)[0];
    shop.vfs.remove(FileId::Table(number)).unwrap();
    let error = reopen(&shop.vfs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert_eq!(
        error.to_string(),
        format!(
            "{number:06}.sst is corrupt at offset 0: level 6 needs this table, and it is not there; \
             restore it from a copy"
        )
    );
}

#[test]
fn a_table_of_another_length_is_named_with_both_lengths() {
    let shop = two_levels();
    let number = numbers(&shop.version(), 6)[0];
    let written = shop.file(number).meta().size_bytes;
    for length in [0, written - 1, written + 1] {
        shop.vfs.corrupt(FileId::Table(number), |bytes| bytes.resize(length as usize, 0)).unwrap();
        let expected = format!(
            "{number:06}.sst is corrupt at offset {}: {length} bytes long, {written} were written; \
             restore it from a copy",
            length.min(written)
        );
        assert_eq!(reopen(&shop.vfs).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_current_that_names_a_missing_manifest_says_so() {
    let shop = two_levels();
    shop.vfs.remove(FileId::Manifest(shop.set.manifest_number())).unwrap();
    assert_eq!(
        reopen(&shop.vfs).unwrap_err().to_string(),
        "CURRENT is corrupt at offset 0: it names manifest 1, which is not there; restore the database from a copy"
    );
}

#[test]
fn edits_that_break_a_law_are_corruption_of_the_manifest() {
    let shop = two_levels();
    let manifest = FileId::Manifest(50);
    let edit = VersionEdit { removed: vec![(2, 77)], ..VersionEdit::default() };
    let current = Current { database: DATABASE, manifest: 50 };
    Manifest::create(&*shop.vfs, 50, current.database, &edit).unwrap();
    let error = recover(&*shop.vfs, current, &cache_over(&shop.vfs)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{manifest} is corrupt at offset 0: file 77 is removed from level 2, where it is not")
    );
}
