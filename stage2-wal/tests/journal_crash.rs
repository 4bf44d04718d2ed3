//! The promise of this stage: for every crash point, page order and torn tail,
//! replay returns exactly a prefix of the batches, none promised lost, never
//! half a batch.
//!
//! Each script is run once on a `SimVfs`. Then the disk is built as a crash may
//! leave it, at every call boundary and under every policy, and replayed.

use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::memtable::key::Sequence;
use stage2_wal::vfs::crash::{Call, Trace};
use stage2_wal::vfs::{FileId, SimVfs, Vfs};

const DATABASE: DatabaseId = DatabaseId(0xfeed);

/// One step of a script.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Append a batch of so many entries with values of so many bytes.
    Append(usize, usize),
    /// Make all of it durable.
    Persist,
    /// Go on in the next log.
    Rotate,
}
use Step::{Append, Persist, Rotate};

/// What a run did: its trace, the batches' last sequences, and at which call
/// which sequence had been acknowledged as durable.
struct Run {
    vfs: Arc<SimVfs>,
    boundaries: Vec<Sequence>,
    acknowledged: Vec<(usize, Sequence)>,
}

fn value_of(sequence: Sequence, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|index| (sequence * 31 + index) as u8).collect()
}

fn run(script: &[Step]) -> Run {
    let vfs = Arc::new(SimVfs::new());
    let journal = Journal::create(vfs.clone(), DATABASE, 1, 0).expect("a simulated disk never fails");
    let mut run = Run { vfs: vfs.clone(), boundaries: vec![0], acknowledged: Vec::new() };
    let mut next_log = 2;
    for step in script {
        match *step {
            Append(entries, bytes) => {
                let mut batch = WriteBatch::new();
                let first = run.boundaries.last().expect("it begins with 0") + 1;
                for sequence in first..first + entries as u64 {
                    batch.put(sequence.to_be_bytes(), value_of(sequence, bytes));
                }
                run.boundaries.push(journal.appender().append(&batch).expect("the batch is valid"));
            }
            Persist => {
                let last = journal.appender().last_sequence();
                journal.persist(last).expect("a simulated disk never fails");
                run.acknowledged.push((vfs.calls(), last));
            }
            Rotate => {
                let log = journal.prepare(next_log).expect("the name is free");
                journal.appender().rotate(log).expect("the journal is sound");
                next_log += 1;
            }
        }
    }
    run
}

/// Replays every image of `run` and returns how many there were.
fn check_every_crash(run: &Run) -> usize {
    judge(run, &run.vfs.trace()).expect("no crash breaks the law")
}

/// Replays every image that `trace` allows, up to the first that breaks the law.
fn judge(run: &Run, trace: &Trace) -> Result<usize, String> {
    trace.for_each_crash(|calls_done, policy, image| {
        let disk = SimVfs::from_image(&image);
        let logs: Vec<u64> = disk.list().expect("listed").into_iter().filter_map(FileId::number).collect();
        let mut next = 1;
        let mut whole = true;
        let report = replay(&disk, DATABASE, &logs, 0, |batch| {
            for entry in batch.entries() {
                whole &= entry.sequence == next
                    && entry.key == next.to_be_bytes()
                    && entry.value == value_of(next, entry.value.len());
                next += 1;
            }
        });
        let report = report.map_err(|error| format!("after {calls_done} calls, {policy}: {error}"))?;
        let durable = run.acknowledged.iter().filter(|(call, _)| *call <= calls_done).map(|(_, s)| *s).max();
        let recovered = report.last_sequence;
        let prefix = whole && recovered + 1 == next && run.boundaries.contains(&recovered);
        if prefix && recovered >= durable.unwrap_or(0) {
            return Ok(());
        }
        Err(format!("after {calls_done} calls, {policy}: recovered to {recovered}, acknowledged {durable:?}"))
    })
}

#[test]
fn every_crash_leaves_a_prefix_that_holds_all_that_was_promised() {
    let scripts: &[(&str, &[Step])] = &[
        (
            "small batches",
            &[Append(1, 10), Append(3, 0), Persist, Append(2, 100), Append(1, 1), Persist, Append(1, 7)],
        ),
        (
            "rollover with unsynced bytes",
            &[Append(1, 50), Rotate, Append(1, 50), Persist, Append(1, 5), Rotate, Persist],
        ),
        (
            "three unsynced logs",
            &[Append(2, 9), Rotate, Append(2, 9), Rotate, Append(2, 9), Persist, Append(1, 1)],
        ),
        (
            "batches over pages",
            &[Append(3, 3000), Persist, Append(2, 6000), Append(1, 100), Persist, Append(5, 2000)],
        ),
        (
            "batches over blocks",
            &[Append(1, 40_000), Persist, Append(1, 100), Append(1, 70_000), Rotate, Append(1, 9), Persist],
        ),
        (
            "a promise at the end of a block",
            &[Append(1, 32_690), Persist, Append(1, 9), Persist, Append(4, 100)],
        ),
    ];
    let mut total = 0;
    for (name, script) in scripts {
        let run = run(script);
        let images = check_every_crash(&run);
        println!("{name}: {} calls, {images} images", run.vfs.calls());
        total += images;
    }
    println!("journal: {total} crash images, 0 violations");
    assert!(total > 2_000, "the scripts shrank to {total} images");
}

#[test]
fn random_scripts_leave_no_hole_either() {
    let mut total = 0;
    for seed in 0..60u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let script: Vec<Step> = (0..14)
            .map(|_| match draw(10) {
                0..6 => Append(1 + draw(4) as usize, draw(3000) as usize),
                6..8 => Persist,
                _ => Rotate,
            })
            .collect();
        total += check_every_crash(&run(&script));
    }
    println!("journal, random scripts: {total} crash images, 0 violations");
}

/// The oracle must be able to fail: on a disk that answers a sync and leaves it
/// out, something acknowledged is lost.
#[test]
fn a_sync_that_was_left_out_is_noticed() {
    let run = run(&[Append(2, 20), Rotate, Append(1, 20), Persist, Append(1, 20), Persist]);
    assert!(judge(&run, &run.vfs.trace()).is_ok());
    let (first_log, second_log, nobody) = (0, 1, usize::MAX);
    for (whose, left_out) in [
        ("the directory's", Call::SyncDirectory),
        ("the older log's", Call::Sync { inode: first_log }),
        ("the current log's", Call::Sync { inode: second_log }),
    ] {
        let mut trace = run.vfs.trace();
        for call in trace.calls.iter_mut().filter(|call| **call == left_out) {
            *call = Call::Sync { inode: nobody };
        }
        let violation = judge(&run, &trace).expect_err(whose);
        println!("without {whose} sync: {violation}");
    }
}
