//! Programs that are wrong on purpose, each by one step: they show that a wrong order
//! of steps is found.

use std::sync::Arc;

use stage6_engine::memtable::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stage6_engine::memtable::sync::{ArcSwap, Condvar, Mutex, thread};

use crate::runner::Scenario;

pub(crate) const PLANTED: [Scenario; 3] = [
    Scenario { name: "planted-sequence-before-state", run: sequence_before_state },
    Scenario { name: "planted-acknowledged-unasked", run: acknowledged_unasked },
    Scenario { name: "planted-notified-without-lock", run: notified_without_lock },
];

/// A reader that breaks INV-STATE-2: between its two loads a job drops the version
/// that its sequence needs.
fn sequence_before_state() {
    // A key's versions by their sequences, and what may be seen of them.
    let versions = Arc::new(ArcSwap::from_pointee(vec![1u64]));
    let visible = Arc::new(AtomicU64::new(1));
    let writer = {
        let (versions, visible) = (Arc::clone(&versions), Arc::clone(&visible));
        thread::spawn(move || {
            versions.store(Arc::new(vec![1, 2]));
            visible.store(2, Ordering::Release);
            // A compaction: nobody holds a snapshot below 2.
            versions.store(Arc::new(vec![2]));
        })
    };
    let sequence = visible.load(Ordering::Acquire);
    let state = versions.load_full();
    assert!(state.iter().any(|version| *version <= sequence), "a key that was there is gone");
    writer.join().expect("a panic ends the run");
}

/// A group commit that takes a sync it has waited for as its own, whenever that began.
fn acknowledged_unasked() {
    let appended = Arc::new(AtomicU64::new(0));
    let durable = Arc::new(AtomicU64::new(0));
    let syncing = Arc::new(Mutex::new(()));
    let writer = || {
        let (appended, durable, syncing) =
            (Arc::clone(&appended), Arc::clone(&durable), Arc::clone(&syncing));
        thread::spawn(move || {
            let mine = appended.fetch_add(1, Ordering::AcqRel) + 1;
            if let Some(_syncing) = syncing.try_lock() {
                let covered = appended.load(Ordering::Acquire);
                durable.fetch_max(covered, Ordering::AcqRel);
            } else {
                drop(syncing.lock());
            }
            assert!(durable.load(Ordering::Acquire) >= mine, "{mine} is acknowledged and not durable");
        })
    };
    for writer in [writer(), writer()] {
        writer.join().expect("a panic ends the run");
    }
}

/// A gate that is opened without its lock: whoever has looked and not yet slept is
/// never woken.
fn notified_without_lock() {
    let gate = Arc::new((AtomicBool::new(false), Mutex::new(()), Condvar::default()));
    let opener = {
        let gate = Arc::clone(&gate);
        thread::spawn(move || {
            gate.0.store(true, Ordering::Release);
            gate.2.notify_all();
        })
    };
    let mut held = gate.1.lock();
    while !gate.0.load(Ordering::Acquire) {
        gate.2.wait(&mut held);
    }
    drop(held);
    opener.join().expect("a panic ends the run");
}
