//! Real threads on hot keys: the short form of the suite `lin`.

use tests::suite::{Course, Failure};
use tests::suites::lin;

#[test]
fn one_order_explains_what_every_thread_saw() -> Result<(), Box<Failure>> {
    let tally = lin::SUITE.conclude(&Course::short())?;
    assert!(tally.get("operations") > 100_000 && tally.get("scans") > 10_000, "{tally}");
    assert!(tally.get("flushes") > 50 && tally.get("compactions") > 50, "the jobs ran beside it: {tally}");
    Ok(())
}
