//! The short form of the suite `sim`: everything at once, on one thread.

use tests::suite::{Course, Failure};
use tests::suites::sim;

#[test]
fn whatever_happens_to_a_database_its_answers_are_the_model_s_and_the_same_every_time()
-> Result<(), Box<Failure>> {
    sim::SUITE.conclude(&Course::short()).map(drop)
}
