//! The two ends: nothing is ever due, and everything is.

use super::super::{Full, Never, Strategy};
use super::{draw, numbers};
use crate::file::LEVELS;
use crate::version::Version;

#[test]
fn never_is_settled_whatever_there_is() {
    let version = draw(&[(0, 1, "a", "z", 1), (0, 2, "a", "z", 1), (6, 3, "a", "z", 90)]);
    assert!(Never.pick(&version).is_none());
    assert_eq!(Never.debt_bytes(&version), 0);
}

#[test]
fn full_waits_for_its_number_of_flushes_and_takes_all() {
    let full = Full { level0_files: 2, ..Full::default() };
    let waiting = draw(&[(0, 4, "a", "c", 1), (6, 1, "a", "f", 9), (6, 2, "g", "z", 9)]);
    assert!(full.pick(&waiting).is_none());
    let due = draw(&[(0, 4, "a", "c", 1), (0, 5, "a", "b", 1), (6, 1, "a", "f", 9), (6, 2, "g", "z", 9)]);
    let plan = full.pick(&due).unwrap();
    assert_eq!((numbers(&plan), plan.output_level), (vec![5, 4, 1, 2], LEVELS - 1));
    assert_eq!(full.debt_bytes(&due), plan.input_bytes());
    assert!(full.pick(&Version::default()).is_none());
}
