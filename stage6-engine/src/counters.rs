//! What is counted while the database runs, and what opening it found.
//!
//! Counters are kept where they cost next to nothing: by a writer that has just
//! done far more, or by a background job. A get counts nothing of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use stage5_compaction::compaction::Plan;
use stage5_compaction::compaction::job::Work;
use stage5_compaction::memtable::sync;
use stage5_compaction::wal::batch::WriteBatch;
use stage5_compaction::wal::journal::ReplayReport;

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether the database was created.
    pub created: bool,
    /// What the logs held.
    pub replay: ReplayReport,
    /// How many tables were written from the logs.
    pub tables_written: usize,
    /// How many files were removed because they count no more.
    pub files_removed: usize,
    /// The logs that this open or an earlier one read with a loss, and that lie in
    /// the directory until somebody removes them. See
    /// [`Builder::recovery`](crate::Builder::recovery).
    pub damaged_logs: Vec<String>,
}

/// What has been counted since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) entries_written: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flushed_bytes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) moves: AtomicU64,
    pub(crate) compaction_bytes_read: AtomicU64,
    pub(crate) compaction_bytes_written: AtomicU64,
    pub(crate) entries_hidden: AtomicU64,
    pub(crate) deletions_spent: AtomicU64,
    /// What is due depends on this one and the next: they are no mere counts.
    pub(crate) logs_wanted: sync::atomic::AtomicU64,
    /// How many had been wanted when a log was last made ahead of need.
    pub(crate) logs_asked_for: sync::atomic::AtomicU64,
    pub(crate) stops: AtomicU64,
    pub(crate) slept_nanos: AtomicU64,
    /// Sleep that is not yet long enough to be slept.
    pub(crate) owed_sleep_nanos: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    /// Called under the write lock: nobody else adds, so no locked addition is needed.
    pub(crate) fn count_write(&self, batch: &WriteBatch) {
        let add = |counter: &AtomicU64, count: usize| {
            counter.store(counter.load(Ordering::Relaxed) + count as u64, Ordering::Relaxed);
        };
        add(&self.entries_written, batch.len());
        add(&self.bytes_written, batch.size_bytes());
    }

    pub(crate) fn count_flush(&self, work: &Work) {
        add(&self.flushes, 1);
        add(&self.flushed_bytes, work.bytes_written);
        self.count_drops(work);
    }

    pub(crate) fn count_compaction(&self, work: &Work) {
        add(&self.compactions, 1);
        add(&self.compaction_bytes_read, work.bytes_read);
        add(&self.compaction_bytes_written, work.bytes_written);
        self.count_drops(work);
    }

    pub(crate) fn count_move(&self, plan: &Plan) {
        add(&self.moves, plan.inputs.len() as u64);
    }

    fn count_drops(&self, work: &Work) {
        add(&self.entries_hidden, work.entries_hidden);
        add(&self.deletions_spent, work.deletions_spent);
    }
}
