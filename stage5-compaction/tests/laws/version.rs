//! The set of files at one moment: which file is asked, and which edits are
//! against the law.

use stage5_compaction::edit::VersionEdit;
use stage5_compaction::memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage5_compaction::version::Version;

use crate::workshop::{Workshop, numbers};

/// Three layers of "fig": level 6, level 5, and two files of level 0.
fn layered() -> Workshop {
    let mut shop = Workshop::new();
    shop.place(6, &[&[("apple", 1, Some("red")), ("fig", 2, Some("oldest"))], &[("pear", 3, Some("green"))]]);
    shop.place(5, &[&[("fig", 4, Some("older")), ("kiwi", 5, None)]]);
    shop.place(0, &[&[("fig", 6, Some("newer"))], &[("fig", 7, None), ("plum", 8, Some("blue"))]]);
    shop
}

fn lookup(shop: &Workshop, key: &str, sequence: u64) -> (Answer, Vec<usize>) {
    let mut touched = Vec::new();
    let answer = shop.version().lookup(&LookupKey::new(key.as_bytes(), sequence), &mut touched);
    let answer = answer.expect("every table is sound");
    let level = |touch: &Touch| if let Touch::Table { level, .. } = touch { Some(*level) } else { None };
    (answer, touched.iter().filter_map(level).collect())
}

#[test]
fn the_first_answer_from_the_top_ends_a_lookup() {
    let shop = layered();
    let value = |value: &'static str, sequence| Answer::Value { value: value.into(), sequence };
    assert_eq!(lookup(&shop, "fig", 9), (Answer::Deleted { sequence: 7 }, vec![0]));
    assert_eq!(lookup(&shop, "fig", 6), (value("newer", 6), vec![0, 0]));
    assert_eq!(lookup(&shop, "fig", 5), (value("older", 4), vec![0, 0, 5]));
    assert_eq!(lookup(&shop, "fig", 3), (value("oldest", 2), vec![0, 0, 5, 6]));
    assert_eq!(lookup(&shop, "fig", 1), (Answer::Absent, vec![0, 0, 5, 6]));
    assert_eq!(lookup(&shop, "kiwi", 9), (Answer::Deleted { sequence: 5 }, vec![0, 5]));
    assert_eq!(lookup(&shop, "pear", 9), (value("green", 3), vec![0, 6]));
    assert_eq!(lookup(&shop, "zucchini", 9), (Answer::Absent, vec![]), "no range holds it");
}

#[test]
fn the_bottom_for_a_key_is_where_nothing_below_covers_it() {
    let shop = layered();
    let version = shop.version();
    for (level, key, is_bottom) in [
        (6, "fig", true),
        (5, "fig", false),
        (5, "kiwi", true),
        (5, "beech", false),
        (1, "kiwi", false),
        (0, "plum", false),
        (0, "quince", true),
    ] {
        assert_eq!(version.is_bottom_for(level, key.as_bytes()), is_bottom, "{key} on level {level}");
    }
}

#[test]
fn an_edit_against_a_law_changes_nothing() {
    let shop = layered();
    let version = shop.version();
    let file = |level: usize| version.level(level)[0].meta().clone();
    let fig = file(5);
    let moved_below = VersionEdit {
        removed: vec![(5, fig.number)],
        added: vec![(6, fig.clone())],
        ..VersionEdit::default()
    };
    let overlap = version.apply(&moved_below, &shop.cache).unwrap_err();
    let below = numbers(&version, 6)[0];
    assert_eq!(overlap, format!("INV-VERSION-1: files {below} and {} overlap on level 6", fig.number));

    let twice = VersionEdit { added: vec![(1, fig.clone())], ..VersionEdit::default() };
    assert_eq!(
        version.apply(&twice, &shop.cache).unwrap_err(),
        format!("file {} stands twice, once on level 5", fig.number)
    );

    let absent = VersionEdit { removed: vec![(4, fig.number)], ..VersionEdit::default() };
    assert_eq!(
        version.apply(&absent, &shop.cache).unwrap_err(),
        format!("file {} is removed from level 4, where it is not", fig.number)
    );

    let mut same_age = file(0);
    same_age.number = 1_000;
    let same_age = VersionEdit { added: vec![(0, same_age)], ..VersionEdit::default() };
    let error = version.apply(&same_age, &shop.cache).unwrap_err();
    assert_eq!(error, "INV-VERSION-2: two files of level 0 hold the same sequences");
    assert!(version.check_invariants().is_ok());
}

#[test]
fn a_version_is_the_edit_that_makes_it_of_nothing() {
    let shop = layered();
    let version = shop.version();
    let again = Version::default().apply(&version.as_edit(), &shop.cache).unwrap();
    assert_eq!(again.as_edit(), version.as_edit());
    assert_eq!(numbers(&again, 0), numbers(&version, 0), "newest first");
    let (smallest, largest) = version.key_range().unwrap();
    assert_eq!(format!("{smallest:?} {largest:?}"), "\"apple\" @ 1 \"plum\" @ 8");
}
