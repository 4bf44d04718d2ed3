//! The short form of the suite `model`: random operations, shrunk by value.

use tests::suite::{Course, Failure};
use tests::suites::model;

#[test]
fn the_engine_is_a_btreemap_that_outlives_its_process() -> Result<(), Box<Failure>> {
    model::SUITE.conclude(&Course::short()).map(drop)
}
