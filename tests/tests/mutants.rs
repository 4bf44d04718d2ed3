//! The planted bugs of `cargo mutants` are still there to be planted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tests::mutants::plant::planted;
use tests::mutants::table::MUTANTS;
use tests::suites::by_name;

#[test]
fn every_mutant_applies_exactly_once_and_beside_all_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = Vec::new();
    for file in MUTANTS.iter().map(|mutant| mutant.file).collect::<BTreeSet<_>>() {
        let mut text = fs::read_to_string(root.join(file)).expect("the file is there");
        for mutant in MUTANTS.iter().filter(|mutant| mutant.file == file) {
            match planted(&text, mutant) {
                Ok(with_it) => text = with_it,
                Err(why) => wrong.push(why),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mutant_has_a_name_of_its_own_and_a_suite() {
    let names: BTreeSet<&str> = MUTANTS.iter().map(|mutant| mutant.id).collect();
    assert_eq!(names.len(), MUTANTS.len());
    for mutant in MUTANTS {
        assert!(by_name(mutant.suite).is_some(), "{}: there is no suite {}", mutant.id, mutant.suite);
    }
}
