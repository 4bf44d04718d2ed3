//! A real child process, killed by signal 9 at a moment it does not choose: the short
//! form of the suite `kill`.

use tests::suite::{Course, Failure};
use tests::suites::kill;

#[test]
fn everything_acknowledged_before_a_kill_is_there() -> Result<(), Box<Failure>> {
    kill::child_is(env!("CARGO_BIN_EXE_torture"));
    let tally = kill::SUITE.conclude(&Course::short())?;
    assert_eq!(tally.get("rounds"), 12);
    Ok(())
}
