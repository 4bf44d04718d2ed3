//! Who runs what, and what has failed.
//!
//! ```text
//!   due? ──begin──▶ running: { Flush, Compact } ──finish──▶ due? …
//!                                   │ an error
//!                                   ▼
//!                              failure: nothing begins any more
//! ```
//!
//! What is due, and what each job does, stands in [`jobs`](crate::jobs); here is
//! only the book that is kept about them.
//!
//! **INV-SCHEDULE-1** A kind of job runs once at a time, and none begins after a
//! failure.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};
use stage5_compaction::memtable::error::Error as StorageError;

use crate::error::{Error, Result};

/// One kind of background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Job {
    /// Write the waiting memtables to a table.
    Flush,
    /// Make the next log ahead of need.
    PrepareLog,
    /// Remove files that count no more.
    RemoveFiles,
    /// Carry out what the strategy wants next.
    Compact,
}

/// All kinds, the most urgent first.
pub(crate) const JOBS: [Job; 4] = [Job::Flush, Job::PrepareLog, Job::RemoveFiles, Job::Compact];

/// Who runs what, and what has failed.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    progress: Mutex<Progress>,
    /// Something may be due, or has ended.
    changed: Condvar,
    /// Whether there is a failure: every writer asks, and takes no lock for it.
    has_failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Progress {
    running: BTreeSet<Job>,
    failure: Option<StorageError>,
    has_ended: bool,
}

impl Schedule {
    /// Says that something may be due.
    pub(crate) fn wake(&self) {
        // Whoever is about to wait holds the lock: it cannot miss this.
        let _progress = self.progress.lock();
        self.changed.notify_all();
    }

    /// Ends the background threads, each after the job it runs.
    pub(crate) fn end(&self) {
        self.progress.lock().has_ended = true;
        self.changed.notify_all();
    }

    pub(crate) fn failure(&self) -> Option<StorageError> {
        match self.has_failed.load(Ordering::Acquire) {
            true => self.progress.lock().failure.clone(),
            false => None,
        }
    }

    /// Errs with the failure, if there is one.
    pub(crate) fn check(&self) -> Result<()> {
        self.failure().map_or(Ok(()), |because| Err(Error::Stopped { because }))
    }

    /// The jobs that run now.
    pub(crate) fn running(&self) -> Vec<Job> {
        self.progress.lock().running.iter().copied().collect()
    }

    /// The next job for a background thread, once one is due; `None` when the
    /// thread shall end.
    pub(crate) fn next(&self, is_due: impl Fn(Job) -> bool) -> Option<Job> {
        let mut progress = self.progress.lock();
        while !progress.has_ended {
            if let Some(job) = progress.begin(&is_due) {
                return Some(job);
            }
            self.changed.wait(&mut progress);
        }
        None
    }

    /// What somebody who waits for `is_done` has to do next. With `runs_jobs`,
    /// jobs are theirs to run; otherwise this returns when it is done or hopeless.
    pub(crate) fn turn(
        &self,
        runs_jobs: bool,
        is_done: impl Fn() -> bool,
        is_due: impl Fn(Job) -> bool,
    ) -> Turn {
        let mut progress = self.progress.lock();
        loop {
            if is_done() {
                return Turn::Done;
            }
            if let Some(failure) = &progress.failure {
                return Turn::Failed(failure.clone());
            }
            if progress.has_ended {
                return Turn::Ended;
            }
            match progress.next_due(&is_due) {
                Some(job) if runs_jobs => {
                    progress.running.insert(job);
                    return Turn::Run(job);
                }
                // Nobody will ever wake whoever waits for nothing.
                None if progress.running.is_empty() => return Turn::NothingDue,
                Some(_) | None => {}
            }
            self.changed.wait(&mut progress);
        }
    }

    /// Takes note of how a job went.
    pub(crate) fn finish(&self, job: Job, result: &Result<()>) {
        let mut progress = self.progress.lock();
        progress.running.remove(&job);
        if let Err(error) = result {
            let failure = storage_error(error);
            progress.failure.get_or_insert(failure);
            self.has_failed.store(true, Ordering::Release);
        }
        self.changed.notify_all();
    }
}

impl Progress {
    fn begin(&mut self, is_due: impl Fn(Job) -> bool) -> Option<Job> {
        let job = self.next_due(is_due)?;
        self.running.insert(job);
        Some(job)
    }

    /// The most urgent job that is due and may begin.
    fn next_due(&self, is_due: impl Fn(Job) -> bool) -> Option<Job> {
        if self.failure.is_some() {
            return None;
        }
        JOBS.into_iter().find(|job| !self.running.contains(job) && is_due(*job))
    }
}

/// What somebody who waits has to do next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nothing: what was waited for is there.
    Done,
    /// To run this job.
    Run(Job),
    /// To give up, with this error.
    Failed(StorageError),
    /// To give up: the database is being closed.
    Ended,
    /// To give up: no job is due that could bring it about.
    NothingDue,
}

/// What the stages below would say of this error.
fn storage_error(error: &Error) -> StorageError {
    match error {
        Error::Storage(error) | Error::Stopped { because: error } => error.clone(),
        other => StorageError::invalid_argument(other.to_string()),
    }
}
