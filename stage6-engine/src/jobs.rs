//! Background work as data: which jobs are due, and who runs them.
//!
//! ```text
//!   published state ──▶ due: Flush?  Compact?  RemoveFiles?  PrepareLog?
//!                               │
//!       threads: take one, run it, look again      no threads: whoever would
//!                                                  wait runs one instead
//! ```
//!
//! There is no queue. What is due follows from the state: memtables wait, the
//! strategy wants something, files are left over. So nothing can be queued
//! twice, forgotten, or run for a state that is gone.
//!
//! **INV-JOBS-1** A failed job stops background work and writing, and its error is
//! what every writer and [`Status`](crate::Status) then say. Nothing fails in
//! silence, and nobody waits for work that will not come.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::wal::vfs::FileId;

use crate::engine::{Engine, Writer};
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
const JOBS: [Job; 4] = [Job::Flush, Job::PrepareLog, Job::RemoveFiles, Job::Compact];

/// Who runs what, and what has failed.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    progress: Mutex<Progress>,
    /// Something may be due, or has ended.
    changed: Condvar,
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
        self.progress.lock().failure.clone()
    }

    /// The jobs that run now.
    pub(crate) fn running(&self) -> Vec<Job> {
        self.progress.lock().running.iter().copied().collect()
    }

    fn begin(&self, progress: &mut Progress, due: impl Fn(Job) -> bool) -> Option<Job> {
        if progress.failure.is_some() {
            return None;
        }
        let job = JOBS.into_iter().find(|job| !progress.running.contains(job) && due(*job))?;
        progress.running.insert(job);
        Some(job)
    }

    fn finish(&self, job: Job, result: &Result<()>) {
        let mut progress = self.progress.lock();
        progress.running.remove(&job);
        if let Err(error) = result {
            let failure = storage_error(error);
            progress.failure.get_or_insert(failure);
        }
        self.changed.notify_all();
    }
}

impl Engine {
    /// The jobs that are due now, the most urgent first.
    pub(crate) fn pending_jobs(&self) -> Vec<Job> {
        let writer = self.writer().ok();
        writer
            .map(|writer| JOBS.into_iter().filter(|job| self.is_due(writer, *job)).collect())
            .unwrap_or_default()
    }

    fn is_due(&self, writer: &Writer, job: Job) -> bool {
        match job {
            Job::Flush => !self.published.load().immutables.is_empty(),
            // Who has rotated once will again. While a rotation holds the place, it
            // fills it itself.
            Job::PrepareLog => {
                let has_rotated = self.counters.rotations.load(Ordering::Relaxed) > 0;
                has_rotated && writer.next_log.try_lock().is_some_and(|next| next.is_none())
            }
            Job::RemoveFiles => self.tables.has_obsolete() || !writer.obsolete.lock().is_empty(),
            Job::Compact => self.options.strategy.pick(&self.published.load().version).is_some(),
        }
    }

    /// Runs one job in this thread, whether or not it is due.
    pub(crate) fn run_job(&self, writer: &Writer, job: Job) -> Result<()> {
        match job {
            Job::Flush => self.flush_immutables(writer).map(drop),
            Job::PrepareLog => self.prepare_log(writer),
            Job::RemoveFiles => {
                self.remove_obsolete_files(writer);
                Ok(())
            }
            Job::Compact => self.compact_once(writer).map(drop),
        }
    }

    /// Runs one job as a background thread does: its failure is everybody's.
    pub(crate) fn run_job_reporting(&self, writer: &Writer, job: Job) -> Result<()> {
        let result = catch_unwind(AssertUnwindSafe(|| self.run_job(writer, job)));
        let result = result.unwrap_or_else(|_| Err(Error::from(panicked(job))));
        writer.schedule.finish(job, &result);
        result
    }

    /// Starts the background threads.
    pub(crate) fn start_workers(self: &Arc<Engine>) -> Result<Vec<JoinHandle<()>>> {
        if self.writer_if_any().is_none() {
            return Ok(Vec::new());
        }
        let start = |index: usize| {
            let engine = Arc::clone(self);
            let work = Box::new(move || engine.work());
            let spawned = self.options.runtime.spawn(format!("lsm-worker-{index}"), work);
            spawned.map_err(|error| {
                Error::Storage(StorageError::io("start a background thread for", self.directory(), error))
            })
        };
        (0..self.options.runtime.workers()).map(start).collect()
    }

    /// The life of a background thread.
    fn work(&self) {
        let Some(writer) = self.writer_if_any() else { return };
        while let Some(job) = self.next_job(writer) {
            // Its failure is kept by the schedule.
            let _reported = self.run_job_reporting(writer, job);
        }
    }

    fn next_job(&self, writer: &Writer) -> Option<Job> {
        let schedule = &writer.schedule;
        let mut progress = schedule.progress.lock();
        while !progress.has_ended {
            if let Some(job) = schedule.begin(&mut progress, |job| self.is_due(writer, job)) {
                return Some(job);
            }
            schedule.changed.wait(&mut progress);
        }
        None
    }

    /// Waits until `done`, which background work brings about. Without threads,
    /// does that work itself.
    ///
    /// # Errors
    /// [`Error::Stopped`] when that work has failed; [`Error::Closed`].
    pub(crate) fn wait_until(&self, writer: &Writer, done: impl Fn() -> bool) -> Result<()> {
        let schedule = &writer.schedule;
        let has_workers = self.options.runtime.workers() > 0;
        let mut progress = schedule.progress.lock();
        while !done() {
            self.check_open()?;
            if let Some(because) = progress.failure.clone() {
                return Err(Error::Stopped { because });
            }
            if has_workers && !progress.has_ended {
                schedule.changed.wait(&mut progress);
                continue;
            }
            let Some(job) = schedule.begin(&mut progress, |job| self.is_due(writer, job)) else {
                return Err(if progress.has_ended { Error::Closed } else { Error::from(nothing_due()) });
            };
            drop(progress);
            let _reported = self.run_job_reporting(writer, job);
            progress = schedule.progress.lock();
        }
        Ok(())
    }

    fn prepare_log(&self, writer: &Writer) -> Result<()> {
        let mut next_log = writer.next_log.lock();
        if next_log.is_none() {
            *next_log = Some(writer.journal.prepare(writer.factory.numbers.take())?);
        }
        Ok(())
    }

    /// Removes what counts no more. What cannot be removed is left for the next
    /// open: it does no harm but to occupy space.
    pub(crate) fn remove_obsolete_files(&self, writer: &Writer) {
        let mut files = std::mem::take(&mut *writer.obsolete.lock());
        files.extend(self.tables.take_obsolete().into_iter().map(FileId::Table));
        for file in files {
            let _left_for_the_next_open = self.vfs.remove(file);
        }
    }
}

/// What the stages below would say of this error.
fn storage_error(error: &Error) -> StorageError {
    match error {
        Error::Storage(error) | Error::Stopped { because: error } => error.clone(),
        other => StorageError::invalid_argument(other.to_string()),
    }
}

fn panicked(job: Job) -> StorageError {
    let cause = std::io::Error::other("it panicked, which is a bug of this library");
    StorageError::io("run the background job", format!("{job:?}"), cause)
}

fn nothing_due() -> StorageError {
    StorageError::invalid_argument(
        "no background work is due that could make room; raise the limits of level 0",
    )
}
