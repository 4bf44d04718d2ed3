//! Damaged files: an error that names the file and a place in it, or the answers that
//! were right before. The short form of the suite `flip`, and what it takes for
//! granted.

use stage6_engine::Codec;
use stage6_engine::wal::vfs::{FileId, SimVfs};
use tests::suite::{Course, Failure};
use tests::suites::flip;
use tests::suites::flip::subject::{Ending, Subject};
use tests::suites::flip::verdict::{Verdict, judge_reading};

#[test]
fn no_damage_to_any_file_gives_a_wrong_answer() -> Result<(), Box<Failure>> {
    let tally = flip::SUITE.conclude(&Course::short())?;
    assert!(tally.get("damages") > 130_000, "the databases shrank");
    assert!(tally.get("pairs of blocks swapped") > 20 && tally.get("blocks of another table") > 5);
    Ok(())
}

#[test]
fn one_damage_can_be_replayed_alone() -> Result<(), Box<Failure>> {
    let at = Some("killed/000006.sst/bit-812".to_owned());
    let tally = flip::SUITE.conclude(&Course { at, cases: Some(1), ..Course::short() })?;
    assert_eq!((tally.get("damages"), tally.get("refused at read")), (1, 1));
    Ok(())
}

#[test]
fn what_stands_in_lock_is_read_by_nobody() {
    let subject = Subject::write(3, Codec::None, Ending::Killed).expect("a simulated disk never fails");
    let mut image = subject.image.clone();
    image.insert(FileId::Lock, vec![0x5a; 512].into());
    let verdict = judge_reading(&subject.model, &SimVfs::from_image(&image)).expect("a right answer");
    assert!(matches!(verdict, Verdict::Unchanged), "{verdict:?}");
}
