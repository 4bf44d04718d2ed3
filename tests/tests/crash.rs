//! A crash at every call: the database comes back as a prefix that holds all that
//! was acknowledged.
//!
//! The short forms of the suites `crash` and `recrash`, the replacement of a
//! manifest, and five disks that lie: an oracle that does not notice them sees
//! nothing.

use std::sync::Arc;

use stage6_engine::wal::vfs::crash::Call;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
use tests::dice::Dice;
use tests::lying::{Lie, LyingVfs};
use tests::oracle::{judge, judge_crashes, judge_every_crash};
use tests::script::{Step, draw, run};
use tests::suite::{Course, Failure};
use tests::suites::crash::honest;
use tests::suites::{crash, recrash};

/// Of so many images, one is also written to and opened again.
const AGAIN_EVERY: usize = 5;

fn as_dyn(vfs: impl Vfs + 'static) -> Arc<dyn Vfs> {
    Arc::new(vfs)
}

#[test]
fn a_crash_at_every_call_leaves_a_prefix_with_all_that_was_acknowledged() -> Result<(), Box<Failure>> {
    crash::SUITE.conclude(&Course::short()).map(drop)
}

#[test]
fn a_crash_at_every_call_of_a_recovery_leaves_the_same_prefix() -> Result<(), Box<Failure>> {
    recrash::SUITE.conclude(&Course::short()).map(drop)
}

#[test]
fn a_crash_while_a_new_manifest_takes_over_leaves_the_old_one_or_the_new() {
    let mut dice = Dice::new(77);
    let steps = |_| [Step::WriteSync(dice.writes()), Step::Flush, Step::RunJob];
    let script: Vec<Step> = (0..80).flat_map(steps).collect();
    let run = honest(&script).expect("an honest disk gives no error");
    let trace = run.vfs.trace();
    let is_commit = |call: &Call| matches!(call, Call::Rename { to: FileId::Current, .. });
    let commit = trace.calls.iter().rposition(is_commit).expect("opening commits");
    assert!(commit > 100, "no manifest grew long enough to be replaced");
    let around = commit - 20..commit + 10;
    let images = judge_crashes(
        &trace,
        |call, _| around.contains(&call),
        |call, count, image| judge(&run, call, image, count % AGAIN_EVERY == 0),
    );
    let images = images.unwrap_or_else(|violation| panic!("{violation}"));
    println!("crash: a manifest replaced: {} calls, {images} images, 0 violations", around.len());
}

/// A sync that is left out must make the oracle fail: otherwise it sees nothing.
fn is_caught(lie: Lie) -> bool {
    for seed in 1..=6 {
        let disk = SimVfs::new();
        let lying = LyingVfs::new(disk.clone(), lie);
        let run = run(&draw(seed, 160), &as_dyn(lying), &disk).expect("a lie is no error");
        if let Err(violation) = judge_every_crash(&run, &disk.trace(), usize::MAX) {
            println!("{lie:?}: caught in script {seed}: {violation}");
            return true;
        }
    }
    false
}

#[test]
fn crash_oracle_catches_a_directory_that_was_not_synced() {
    assert!(is_caught(Lie::Directory));
}

#[test]
fn crash_oracle_catches_a_table_that_was_not_synced() {
    assert!(is_caught(Lie::Table));
}

#[test]
fn crash_oracle_catches_an_older_log_that_was_not_synced_at_rollover() {
    assert!(is_caught(Lie::OlderLog));
}

#[test]
fn crash_oracle_catches_a_temporary_current_that_was_not_synced() {
    assert!(is_caught(Lie::CurrentTemporary));
}

#[test]
fn crash_oracle_catches_a_manifest_that_was_not_synced() {
    assert!(is_caught(Lie::Manifest));
}
