//! A crash at every call: the database comes back as a prefix that holds all that
//! was acknowledged.
//!
//! Each script runs once on a `SimVfs`. Then, for every call of it, the disk is
//! built as a crash may leave it, under every policy (`stage2_wal::vfs::crash`),
//! opened, and judged by the oracle. More scripts by `CRASH_SCRIPTS=n`.

use std::sync::Arc;

use stage6_engine::wal::vfs::crash::Call;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
use tests::lying::{Lie, LyingVfs};
use tests::oracle::{judge_crashes, judge_every_crash};
use tests::script::{Dice, Run, Step, draw, run};

/// Of so many images, one is also written to and opened again.
const AGAIN_EVERY: usize = 5;

fn as_dyn(vfs: impl Vfs + 'static) -> Arc<dyn Vfs> {
    Arc::new(vfs)
}

fn honest(script: &[Step]) -> Run {
    let vfs = SimVfs::new();
    run(script, &as_dyn(vfs.clone()), &vfs).expect("an honest disk gives no error")
}

#[test]
fn a_crash_at_every_call_leaves_a_prefix_with_all_that_was_acknowledged() {
    let scripts: u64 = std::env::var("CRASH_SCRIPTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let mut total = 0;
    for seed in 1..=scripts {
        let run = honest(&draw(seed, 220));
        let trace = run.vfs.trace();
        let images = judge_every_crash(&run, &trace, AGAIN_EVERY)
            .unwrap_or_else(|violation| panic!("script {seed}: {violation}"));
        let calls = trace.calls.len();
        let covered = run.covered;
        println!(
            "crash: script {seed}: {calls} calls × policies = {images} images, 0 violations \
             ({} flushes, {} compactions, {} reopens)",
            covered.flushes, covered.compactions, covered.reopens
        );
        assert!(
            calls >= 400 && covered.flushes >= 3 && covered.compactions >= 2,
            "the script shrank: {covered:?}"
        );
        total += images;
    }
    println!("crash: {total} images, {scripts} scripts, every call, 0 violations");
}

#[test]
fn a_crash_while_a_new_manifest_takes_over_leaves_the_old_one_or_the_new() {
    let mut dice = Dice::new(77);
    let steps = |_| [Step::WriteSync(dice.writes()), Step::Flush, Step::RunJob];
    let script: Vec<Step> = (0..80).flat_map(steps).collect();
    let run = honest(&script);
    let trace = run.vfs.trace();
    let is_commit = |call: &Call| matches!(call, Call::Rename { to: FileId::Current, .. });
    let commit = trace.calls.iter().rposition(is_commit).expect("opening commits");
    assert!(commit > 100, "no manifest grew long enough to be replaced");
    let around = commit - 20..commit + 10;
    let images = judge_crashes(&run, &trace, around.clone(), AGAIN_EVERY)
        .unwrap_or_else(|violation| panic!("{violation}"));
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
