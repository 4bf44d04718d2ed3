//! Writers beside one another: whatever the schedule, the journal is dense,
//! everything acknowledged is replayed, and a crash at any call keeps both.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::memtable::key::Sequence;
use stage2_wal::vfs::{FileId, SimVfs, Vfs};

const DATABASE: DatabaseId = DatabaseId(0xbeef);
const WRITERS: u64 = 4;
const BATCHES_EACH: u64 = 60;
const BATCHES_PER_LOG: u64 = 50;

/// What several threads did to one journal.
struct Run {
    vfs: Arc<SimVfs>,
    /// By its first sequence: which writer's batch it was, and its last sequence.
    appended: BTreeMap<Sequence, (String, Sequence)>,
    /// How many calls had been made when which sequence was acknowledged.
    acknowledged: Vec<(usize, Sequence)>,
}

fn run() -> Run {
    let vfs = Arc::new(SimVfs::new());
    let journal = Journal::create(vfs.clone(), DATABASE, 1, 0).expect("a simulated disk never fails");
    let appended = Mutex::new(BTreeMap::new());
    let acknowledged = Mutex::new(Vec::new());
    let logs = AtomicU64::new(1);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (vfs, journal, appended, acknowledged, logs) =
                (&vfs, &journal, &appended, &acknowledged, &logs);
            scope.spawn(move || {
                for number in 0..BATCHES_EACH {
                    let name = format!("writer {writer}, batch {number}");
                    let mut batch = WriteBatch::new();
                    (0..=(writer + number) % 3).for_each(|entry| {
                        batch.put(&name, entry.to_le_bytes());
                    });
                    let last = journal.appender().append(&batch).expect("the batch is valid");
                    let first = last + 1 - batch.len() as Sequence;
                    appended.lock().expect("unharmed").insert(first, (name, last));
                    // Every other batch is only buffered.
                    if number % 2 == writer % 2 {
                        journal.persist(last).expect("a simulated disk never fails");
                        assert!(journal.durable_sequence() >= last);
                        acknowledged.lock().expect("unharmed").push((vfs.calls(), last));
                    }
                    if writer == 0 && number % (BATCHES_PER_LOG / WRITERS) == 0 {
                        let next = logs.fetch_add(1, Ordering::Relaxed) + 1;
                        let log = journal.prepare(next).expect("the name is free");
                        journal.appender().rotate(log).expect("the journal is sound");
                    }
                }
            });
        }
    });
    let unharmed = "no writer panicked";
    Run {
        vfs,
        appended: appended.into_inner().expect(unharmed),
        acknowledged: acknowledged.into_inner().expect(unharmed),
    }
}

/// Replays a disk and returns the last sequence, after checking that what came
/// back is a dense row of whole batches as they were appended.
fn replay_and_check(run: &Run, disk: &SimVfs) -> Result<Sequence, String> {
    let logs: Vec<u64> = disk.list().expect("listed").into_iter().filter_map(FileId::number).collect();
    let mut rows = run.appended.iter();
    let mut is_dense = true;
    let report = replay(disk, DATABASE, &logs, 0, |batch| {
        let expected = rows.next();
        is_dense &= expected.is_some_and(|(first, (name, last))| {
            (*first, *last) == (batch.first_sequence(), batch.last_sequence())
                && batch.entries().all(|entry| entry.key == name.as_bytes())
        });
    });
    let report = report.map_err(|error| error.to_string())?;
    if is_dense { Ok(report.last_sequence) } else { Err("a batch out of its place".to_owned()) }
}

#[test]
fn what_several_writers_appended_at_once_is_replayed_dense_and_whole() {
    let run = run();
    let last = run.appended.values().map(|(_, last)| *last).max();
    let mut next = 1;
    for (first, (_, last)) in &run.appended {
        assert_eq!(*first, next, "sequences are dense");
        next = last + 1;
    }
    let replayed = replay_and_check(&run, &SimVfs::from_image(&run.vfs.image()));
    assert_eq!(replayed.ok(), last);
    assert_eq!(run.appended.len() as u64, WRITERS * BATCHES_EACH);
}

#[test]
fn a_crash_at_any_call_beside_several_writers_loses_nothing_acknowledged() {
    let run = run();
    let judge = |calls_done: usize, policy, image| {
        let recovered = replay_and_check(&run, &SimVfs::from_image(&image));
        let recovered = recovered.map_err(|error| format!("after {calls_done} calls, {policy}: {error}"))?;
        let durable = run.acknowledged.iter().filter(|(call, _)| *call <= calls_done).map(|(_, s)| *s).max();
        if recovered >= durable.unwrap_or(0) {
            return Ok(());
        }
        Err(format!("after {calls_done} calls, {policy}: recovered to {recovered}, acknowledged {durable:?}"))
    };
    let images = run.vfs.trace().for_each_crash(judge).expect("no crash breaks the law");
    let calls = run.vfs.calls();
    assert_eq!(run.acknowledged.len() as u64, WRITERS * BATCHES_EACH / 2, "everybody who asked was answered");
    println!("journal, {WRITERS} writers: {calls} calls, {images} crash images, 0 violations");
}
