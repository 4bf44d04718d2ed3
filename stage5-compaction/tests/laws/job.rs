//! Carrying out a plan: what is read, what is written, what becomes of failures.

use stage5_compaction::compaction::{DropRule, Leveled, Plan, Strategy, run};
use stage5_compaction::file::LEVELS;
use stage5_compaction::memtable::error::ErrorKind;
use stage5_compaction::wal::vfs::FileId;

use crate::workshop::{Workshop, keep_all, numbers};

const BOTTOM: usize = LEVELS - 1;

fn eager() -> Leveled {
    Leveled { level0_files: 2, ..Leveled::default() }
}

#[test]
fn files_that_overlap_nothing_change_their_level_and_are_not_written_anew() {
    let mut shop = Workshop::new();
    shop.place(0, &[&[("apple", 1, Some("red"))], &[("kiwi", 2, Some("brown"))]]);
    let (_, outcome) = shop.compact(&eager(), keep_all()).unwrap();
    assert_eq!((outcome.tables.len(), outcome.work.bytes_read, outcome.work.bytes_written), (0, 0, 0));
    let before = shop.version();
    shop.install(outcome);
    assert_eq!(numbers(&shop.version(), BOTTOM), [numbers(&before, 0)[1], numbers(&before, 0)[0]]);
    drop(before);
    assert_eq!(shop.sweep(), [0; 0], "a moved file is not obsolete");
}

#[test]
fn the_work_is_counted_to_the_entry() {
    let mut shop = Workshop::new();
    shop.place(
        0,
        &[
            &[("apple", 1, Some("red")), ("fig", 2, Some("green"))],
            &[("apple", 3, Some("brown")), ("fig", 4, None)],
        ],
    );
    let input: u64 = shop.version().level_bytes(0);
    let (_, outcome) = shop.compact(&eager(), DropRule::new(&[], 9)).unwrap();
    let work = outcome.work;
    assert_eq!((work.entries_read, work.entries_hidden, work.deletions_spent), (4, 2, 1));
    assert_eq!((work.bytes_read, work.bytes_written), (input, outcome.tables[0].meta.size_bytes));
    assert_eq!(outcome.tables[0].meta.entries, 1, "the brown apple is left");
}

#[test]
fn a_merge_that_leaves_nothing_has_still_read_its_inputs() {
    let mut shop = Workshop::new();
    shop.place(0, &[&[("fig", 1, Some("green"))], &[("fig", 2, None)]]);
    let input: u64 = shop.version().level_bytes(0);
    let (_, outcome) = shop.compact(&eager(), DropRule::new(&[], 9)).unwrap();
    assert_eq!((outcome.tables.len(), outcome.work.bytes_read, outcome.work.bytes_written), (0, input, 0));
    shop.install(outcome);
    assert_eq!(shop.version().files().count(), 0);
    assert_eq!(shop.sweep().len(), 2);
}

#[test]
fn a_deletion_stays_while_something_below_the_output_may_be_hidden_by_it() {
    let mut shop = Workshop::new();
    shop.place(BOTTOM, &[&[("fig", 1, Some("green"))]]);
    shop.place(4, &[&[("apple", 2, Some("red"))]]);
    shop.place(0, &[&[("fig", 3, Some("violet")), ("apple", 4, None)], &[("fig", 5, None)]]);
    let (plan, outcome) =
        shop.compact(&Leveled { level0_files: 1, ..Leveled::default() }, DropRule::new(&[], 9)).unwrap();
    assert_eq!(plan.output_level, 4);
    assert_eq!(outcome.work.deletions_spent, 1, "nothing below holds an apple");
    assert_eq!(outcome.tables[0].meta.deletions, 1, "the fig below must stay hidden");
}

#[test]
fn a_damaged_input_fails_the_job_and_leaves_no_table_behind() {
    let mut shop = Workshop::new();
    let many: Vec<String> = (0..200).map(|number| format!("key {number:03}")).collect();
    let writes: Vec<_> =
        many.iter().zip(1..).map(|(key, sequence)| (key.as_str(), sequence, Some("value"))).collect();
    shop.place(0, &[&writes, &[("key 100", 900, None)]]);
    let oldest = numbers(&shop.version(), 0)[1];
    let middle = shop.file(oldest).meta().size_bytes / 3;
    shop.vfs.corrupt(FileId::Table(oldest), |bytes| bytes[middle as usize] ^= 1).unwrap();

    let before = shop.tables_on_disk();
    let version = shop.version();
    let plan = eager().pick(&version).unwrap();
    let plan = Plan { target_file_bytes: 400, ..plan };
    let error = run(&plan, &version, keep_all(), &shop.factory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert_eq!(shop.tables_on_disk(), before, "what was written is removed");
    assert!(shop.version().check_invariants().is_ok());
}
