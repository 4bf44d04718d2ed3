//! The order in which threads go on: the short form of the suite `shut`.

use tests::suite::{Course, Failure};
use tests::suites::shut;

#[test]
fn no_order_of_the_threads_breaks_a_law_or_lets_one_sleep_for_ever() -> Result<(), Box<Failure>> {
    let tally = shut::SUITE.conclude(&Course::short())?;
    assert!(tally.get("schedules") >= 10_000, "it has run hardly any: {tally}");
    assert_eq!((tally.get("scenarios"), tally.get("planted bugs found")), (6, 3));
    Ok(())
}

#[test]
fn a_program_that_is_wrong_is_found_out_and_says_how_to_see_it_again() {
    let at = "planted-acknowledged-unasked";
    let course = Course { at: Some(at.to_owned()), cases: Some(20), ..Course::short() };
    let failure = shut::SUITE.conclude(&course).expect_err("it acknowledges what is not durable");
    assert!(failure.replay().ends_with(&format!("--cases 1 --at {at}")), "{failure}");
    let seed = failure.seed.expect("it is known");
    let again = Course { seed, cases: Some(1), ..course };
    assert_eq!(shut::SUITE.conclude(&again).expect_err("the same again").operation, failure.operation);
}
