//! Leveled compaction: level 0 into the base level, and one file at a time
//! further down.

use super::super::{Leveled, Strategy};
use super::{MIB, draw, numbers};
use crate::file::LEVELS;
use crate::version::Version;

fn leveled() -> Leveled {
    Leveled { base_level_bytes: 10 * MIB, target_file_bytes: 4 * MIB, ..Leveled::default() }
}

#[test]
fn an_empty_version_is_settled() {
    assert!(leveled().pick(&Version::default()).is_none());
}

#[test]
fn the_first_data_goes_straight_to_the_last_level() {
    let version = draw(&[(0, 1, "a", "m", 1), (0, 2, "c", "z", 1), (0, 3, "b", "d", 1), (0, 4, "a", "z", 1)]);
    let plan = leveled().pick(&version).unwrap();
    assert_eq!(plan.output_level, LEVELS - 1);
    assert_eq!(numbers(&plan), [4, 3, 2, 1], "newest first");
    assert_eq!(plan.reason, "level 0 has 4 files");
}

#[test]
fn level_0_takes_along_what_it_overlaps_on_the_base_level() {
    let version = draw(&[
        (0, 11, "c", "f", 1),
        (0, 12, "d", "e", 1),
        (0, 13, "c", "d", 1),
        (0, 14, "c", "d", 1),
        (6, 1, "a", "b", 1),
        (6, 2, "e", "k", 1),
        (6, 3, "m", "z", 1),
    ]);
    assert_eq!(numbers(&leveled().pick(&version).unwrap()), [14, 13, 12, 11, 2]);
}

#[test]
fn a_level_is_opened_above_the_last_one_when_that_has_outgrown_the_base_size() {
    let small = draw(&[(6, 1, "a", "z", 9)]);
    assert_eq!(leveled().base_level(&small), 6);
    let large = draw(&[(6, 1, "a", "z", 90)]);
    assert_eq!(leveled().base_level(&large), 5);
    let huge = draw(&[(6, 1, "a", "z", 2_000)]);
    assert_eq!(leveled().base_level(&huge), 3);
}

#[test]
fn level_0_never_sinks_below_a_level_that_holds_older_files() {
    let version = draw(&[(3, 1, "a", "z", 1), (6, 2, "a", "z", 1)]);
    assert_eq!(leveled().base_level(&version), 3);
}

#[test]
fn a_level_that_is_not_needed_any_more_is_drained() {
    let version = draw(&[(3, 1, "a", "f", 1), (6, 2, "a", "z", 1)]);
    let plan = leveled().pick(&version).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![1], 4));
    assert!(plan.is_trivial_move());
}

#[test]
fn a_full_level_gives_the_file_that_drags_least_along() {
    let version = draw(&[
        (5, 11, "a", "d", 6),
        (5, 12, "e", "h", 6),
        (6, 1, "a", "b", 40),
        (6, 2, "c", "e", 1),
        (6, 3, "f", "g", 20),
        (6, 4, "p", "q", 40),
    ]);
    let plan = leveled().pick(&version).unwrap();
    assert_eq!(numbers(&plan), [12, 2, 3]);
    assert!(!plan.is_trivial_move());
}

#[test]
fn files_that_overlap_nothing_are_moved_and_not_rewritten() {
    let version = draw(&[(0, 1, "a", "b", 1), (0, 2, "c", "d", 1), (0, 3, "e", "f", 1), (0, 4, "g", "h", 1)]);
    assert!(leveled().pick(&version).unwrap().is_trivial_move());
    let overlapping =
        draw(&[(0, 1, "a", "c", 1), (0, 2, "c", "d", 1), (0, 3, "e", "f", 1), (0, 4, "g", "h", 1)]);
    assert!(!leveled().pick(&overlapping).unwrap().is_trivial_move());
}

#[test]
fn debt_is_zero_once_settled_and_grows_with_the_excess() {
    let settled = draw(&[(0, 1, "a", "b", 1), (6, 2, "a", "z", 9)]);
    assert_eq!(leveled().debt_bytes(&settled), 0);
    let late = draw(&[(5, 11, "a", "d", 60), (6, 1, "a", "b", 100)]);
    assert!(leveled().debt_bytes(&late) > 100 * MIB);
}

#[test]
fn a_level_owes_no_more_than_it_and_the_one_below_it_hold() {
    let flooded = draw(&[(5, 11, "a", "m", 90), (5, 12, "n", "z", 90), (6, 1, "a", "z", 200)]);
    assert!(leveled().debt_bytes(&flooded) <= 380 * MIB);
    assert!(leveled().debt_bytes(&flooded) >= 160 * MIB, "and no less than what is too much");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    assert_eq!(leveled().check(), Ok(()));
    let flat = Leveled { size_ratio: 1, ..leveled() };
    assert_eq!(flat.check().unwrap_err(), "levels 1 times apart do not grow; let it be at least 2");
    assert!(Leveled { target_file_bytes: 0, ..leveled() }.check().is_err());
}
