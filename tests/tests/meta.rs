//! The short form of the suite `meta`: options change no answer.

use tests::suite::{Course, Failure};
use tests::suites::meta;

#[test]
fn the_same_operations_answer_the_same_under_all_options() -> Result<(), Box<Failure>> {
    meta::SUITE.conclude(&Course::short()).map(drop)
}
