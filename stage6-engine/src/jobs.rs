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
//! strategy wants something, or scans have paid for it; files are left over. So nothing
//! can be queued twice, forgotten, or run for a state that is gone.
//!
//! **INV-JOBS-1** A failed job stops background work and writing, and its error is
//! what every writer and [`Status`](crate::Status) then say. So nobody waits for
//! work that will not come. Reads go on. Only what somebody else makes up for may
//! fail unheard: a log made ahead of need, and the removal of a file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::sync::atomic::Ordering;
use stage5_compaction::memtable::sync::thread::JoinHandle;
use stage5_compaction::wal::vfs::FileId;

use crate::engine::{Engine, Writer};
use crate::error::{Error, Result};
use crate::events::Event;
use crate::schedule::{JOBS, Job, Turn};

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
            Job::Resume => writer.schedule.failure().is_some_and(|failure| !failure.is_final),
            Job::Flush => self.wants_flush(writer),
            // Due also while somebody holds the place: for a moment, or to use up what is there.
            Job::PrepareLog => {
                self.asks_for_log() && writer.next_log.try_lock().is_none_or(|next| next.is_none())
            }
            Job::RemoveFiles => self.tables.has_obsolete() || !writer.obsolete.lock().is_empty(),
            Job::Compact => self.wants_compaction(),
        }
    }

    /// Whether a background thread should begin a job now. While somebody compacts
    /// by hand, it would only wait for him, and be missing for the flushes.
    fn may_begin(&self, writer: &Writer, job: Job) -> bool {
        let is_free = || job != Job::Compact || writer.compacting.try_lock().is_some();
        is_free() && self.is_due(writer, job)
    }

    /// Whether enough memtables wait for a flush, or any while somebody asks for one.
    /// Without threads one is enough: whoever runs jobs also chooses when.
    fn wants_flush(&self, writer: &Writer) -> bool {
        let is_asked_for = || writer.flushes_asked_for.load(Ordering::Acquire) > 0;
        let enough = match self.options.runtime.workers() == 0 || is_asked_for() {
            true => 1,
            false => self.options.flush_at(),
        };
        self.published.load().immutables.len() >= enough
    }

    /// A strategy that panics has its job begun: there the panic is caught and told,
    /// while here it would end the background thread that asks, and nobody would
    /// know.
    fn wants_compaction(&self) -> bool {
        let state = self.published.load();
        catch_unwind(AssertUnwindSafe(|| self.plan_due(&state).is_some())).unwrap_or(true)
    }

    /// Runs one job in this thread, whether or not it is due.
    pub(crate) fn run_job(&self, writer: &Writer, job: Job) -> Result<()> {
        match job {
            Job::Resume => self.resume(writer),
            Job::Flush => self.flush_immutables(writer).map(drop),
            Job::PrepareLog => {
                self.prepare_log(writer);
                Ok(())
            }
            Job::RemoveFiles => {
                self.remove_obsolete_files(writer);
                Ok(())
            }
            Job::Compact => self.compact_once(writer),
        }
    }

    /// Runs one job that was begun, as a background thread does: its failure is
    /// everybody's.
    pub(crate) fn run_job_reporting(&self, writer: &Writer, job: Job) -> Result<()> {
        let result = catch_unwind(AssertUnwindSafe(|| self.run_job(writer, job)));
        let result = result.unwrap_or_else(|_| Err(Error::from(panicked(job))));
        let is_final = result.is_err() && writer.versions.lock().failure().is_some();
        let had_failed = writer.failure().is_some();
        writer.schedule.finish(job, &result, is_final, writer.journal.failure().is_none());
        match writer.failure() {
            Some(error) if !had_failed => self.emit(|| Event::Stopped(error)),
            None if had_failed => self.emit(|| Event::Resumed),
            _ => {}
        }
        result
    }

    /// Runs one job in a thread of the user.
    pub(crate) fn run_job_by_hand(&self, writer: &Writer, job: Job) -> Result<()> {
        writer.schedule.begin(job);
        self.run_job_reporting(writer, job)
    }

    /// Starts the background threads, and adds each to `workers`.
    pub(crate) fn start_workers(self: &Arc<Engine>, workers: &mut Vec<JoinHandle<()>>) -> Result<()> {
        if self.writer_if_any().is_none() {
            return Ok(());
        }
        for index in 0..self.options.runtime.workers() {
            let engine = Arc::clone(self);
            let work = Box::new(move || engine.work());
            let spawned = self.options.runtime.spawn(format!("lsm-worker-{index}"), work);
            workers.push(spawned.map_err(|error| {
                Error::Storage(StorageError::io("start a background thread for", self.directory(), error))
            })?);
        }
        Ok(())
    }

    /// The life of a background thread.
    fn work(&self) {
        let Some(writer) = self.writer_if_any() else { return };
        while let Some(job) = writer.schedule.next(|job| self.may_begin(writer, job)) {
            // Its failure is kept by the schedule.
            let _reported = self.run_job_reporting(writer, job);
        }
    }

    /// Waits until `is_done`, which background work brings about. Without threads,
    /// does that work itself.
    ///
    /// # Errors
    /// [`Error::Stopped`] when that work has failed; [`Error::Closed`].
    pub(crate) fn wait_until(&self, writer: &Writer, is_done: impl Fn() -> bool) -> Result<()> {
        let runs_jobs = self.options.runtime.workers() == 0;
        loop {
            match writer.schedule.turn(runs_jobs, &is_done, |job| self.is_due(writer, job)) {
                Turn::Done => return Ok(()),
                Turn::Failed(failure) => return Err(failure),
                Turn::Ended => return Err(Error::Closed),
                Turn::NothingDue => return Err(Error::from(nothing_due())),
                // Its failure is kept by the schedule, and found at the next turn.
                Turn::Run(job) => drop(self.run_job_reporting(writer, job)),
            }
        }
    }

    /// Makes the next log ahead of need. When that fails, whoever rotates makes it,
    /// and finds out why: it is asked for once for each rotation.
    fn prepare_log(&self, writer: &Writer) {
        let mut next_log = writer.next_log.lock();
        let wanted = self.counters.logs_wanted.load(Ordering::Relaxed);
        self.counters.logs_asked_for.store(wanted, Ordering::Relaxed);
        if next_log.is_none() && self.check_open().is_ok() {
            *next_log = writer.journal.prepare(writer.factory.numbers.take()).ok();
        }
    }

    /// Removes what counts no more. What cannot be removed is left for the next
    /// open: it does no harm but to occupy space.
    pub(crate) fn remove_obsolete_files(&self, writer: &Writer) {
        let files = {
            let mut obsolete = writer.obsolete.lock();
            obsolete.extend(self.tables.take_obsolete().into_iter().map(FileId::Table));
            obsolete.clone()
        };
        for file in &files {
            let _left_for_the_next_open = self.vfs.remove(*file);
        }
        // They stay on the list until each was tried: while it is being removed, a file is
        // still known to whoever compares the directory with what counts.
        writer.obsolete.lock().retain(|file| !files.contains(file));
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
