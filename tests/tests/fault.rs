//! Every call of a workload fails, in every way, once and for good: the short form
//! of the suite `fault`.

use tests::suite::{Course, Failure};
use tests::suites::fault;

#[test]
fn every_call_may_fail_in_every_way_and_nothing_acknowledged_is_lost() -> Result<(), Box<Failure>> {
    let tally = fault::SUITE.conclude(&Course::short())?;
    assert!(tally.get("runs") > 3_000, "the script shrank");
    Ok(())
}
