//! Tiered compaction: which neighbours are merged, and where they go.

use super::super::{Strategy, Tiered};
use super::{MIB, draw, numbers};
use crate::file::LEVELS;
use crate::version::Version;

const BOTTOM: usize = LEVELS - 1;

fn tiered() -> Tiered {
    Tiered { runs: 4, ..Tiered::default() }
}

#[test]
fn one_run_or_none_is_settled() {
    assert!(tiered().pick(&Version::default()).is_none());
    assert!(tiered().pick(&draw(&[(0, 1, "a", "z", 1)])).is_none());
    assert!(tiered().pick(&draw(&[(6, 1, "a", "f", 90), (6, 2, "g", "z", 90)])).is_none());
}

#[test]
fn runs_of_a_size_are_merged_just_above_the_next_older_one() {
    let version = draw(&[
        (0, 13, "a", "z", 2),
        (0, 12, "a", "z", 2),
        (0, 11, "a", "z", 4),
        (5, 2, "a", "z", 40),
        (6, 1, "a", "z", 90),
    ]);
    let plan = tiered().pick(&version).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![13, 12, 11], 4));
    assert_eq!(plan.reason, "3 of 5 runs are of a size");
}

#[test]
fn a_run_of_several_files_is_taken_whole() {
    let version = draw(&[
        (0, 13, "c", "d", 9),
        (4, 11, "a", "f", 4),
        (4, 12, "g", "z", 4),
        (5, 2, "a", "z", 40),
        (6, 1, "a", "z", 90),
    ]);
    let plan = tiered().pick(&version).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![13, 11, 12], 4));
    assert!(!plan.is_trivial_move());
}

#[test]
fn without_a_free_level_the_outcome_is_one_file_of_level_0() {
    let above_a_level = draw(&[
        (0, 14, "a", "z", 1),
        (0, 13, "a", "z", 1),
        (1, 3, "a", "z", 10),
        (3, 2, "a", "z", 40),
        (6, 1, "a", "z", 90),
    ]);
    let above_a_file = draw(&[
        (0, 14, "a", "z", 1),
        (0, 13, "a", "z", 1),
        (0, 12, "a", "z", 10),
        (0, 11, "a", "z", 50),
        (6, 1, "a", "z", 90),
    ]);
    for version in [above_a_level, above_a_file] {
        let plan = tiered().pick(&version).unwrap();
        assert_eq!((numbers(&plan), plan.output_level), (vec![14, 13], 0));
        assert_eq!(plan.target_file_bytes, u64::MAX, "a run of level 0 is one table");
        assert!(!plan.is_trivial_move());
    }
}

#[test]
fn older_neighbours_of_a_size_are_merged_beneath_newer_runs() {
    let version =
        draw(&[(0, 14, "a", "z", 1), (0, 13, "a", "z", 4), (0, 12, "a", "z", 4), (6, 1, "a", "z", 90)]);
    let plan = tiered().pick(&version).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![13, 12], 5));
}

#[test]
fn when_no_two_are_of_a_size_the_newest_are_merged() {
    let version =
        draw(&[(0, 14, "a", "z", 1), (0, 13, "a", "z", 3), (0, 12, "a", "z", 9), (6, 1, "a", "z", 90)]);
    let plan = tiered().pick(&version).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![14, 13], 0));
    assert_eq!(plan.reason, "there are 4 runs");
}

#[test]
fn everything_is_merged_when_newer_runs_outweigh_the_oldest() {
    let at_the_bound = draw(&[(0, 13, "a", "z", 10), (5, 12, "a", "z", 10), (6, 1, "a", "z", 10)]);
    assert!(tiered().pick(&at_the_bound).is_none());
    let beyond = draw(&[(0, 13, "a", "z", 11), (5, 12, "a", "z", 10), (6, 1, "a", "z", 10)]);
    let plan = tiered().pick(&beyond).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![13, 12, 1], BOTTOM));
    assert_eq!(plan.reason, "newer runs have 210 % of the oldest one's size");
}

#[test]
fn runs_that_overlap_nothing_are_moved_into_one_run() {
    let version = draw(&[(0, 1, "a", "b", 1), (0, 2, "c", "d", 1), (0, 3, "e", "f", 1), (0, 4, "g", "h", 1)]);
    let plan = tiered().pick(&version).unwrap();
    assert_eq!(plan.output_level, BOTTOM);
    assert!(plan.is_trivial_move());
}

#[test]
fn debt_is_what_piles_up_beyond_the_runs_that_may_stand() {
    let settled = draw(&[(0, 12, "a", "z", 1), (5, 2, "a", "z", 10), (6, 1, "a", "z", 90)]);
    assert_eq!(tiered().debt_bytes(&settled), 0);
    let late = draw(&[
        (0, 14, "a", "z", 2),
        (0, 13, "a", "z", 3),
        (0, 12, "a", "z", 9),
        (5, 2, "a", "z", 10),
        (6, 1, "a", "z", 90),
    ]);
    assert_eq!(tiered().debt_bytes(&late), 5 * MIB);
}
