//! Who runs what, and what has failed.
//!
//! ```text
//!   due? ──begin──▶ running: { Flush, Compact } ──finish──▶ due? …
//!                                   │ an error
//!                                   ▼
//!                              failure ──after a while──▶ Resume ──▶ due? …
//! ```
//!
//! What is due, and what each job does, stands in [`jobs`](crate::jobs); here is
//! only the book that is kept about them.
//!
//! **INV-SCHEDULE-1** A kind of job runs once at a time, and after a failure none is
//! given out but the one that tries to resume. It is tried again at growing
//! intervals, because a full disk is emptied by somebody who does not know us;
//! and not at all after a failure that only opening the database again can mend.
//! Whoever runs a job by hand ([`Db::run_job`](crate::Db::run_job)) is not asked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::sync::atomic::{AtomicBool, Ordering};
use stage5_compaction::memtable::sync::{Condvar, Mutex};

use crate::error::{Error, Result, resumes_by_itself};

/// One kind of background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Job {
    /// Take up work again after a failure.
    Resume,
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
pub(crate) const JOBS: [Job; 5] = [Job::Resume, Job::Flush, Job::PrepareLog, Job::RemoveFiles, Job::Compact];

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
    failure: Option<Failure>,
    has_ended: bool,
}

/// What stands in the way of background work and writing.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: StorageError,
    /// What failed, if it was a job: resuming begins with it.
    pub(crate) job: Option<Job>,
    /// Whether only opening the database again can mend it.
    pub(crate) is_final: bool,
    /// How often resuming was tried in vain.
    attempts: u32,
    /// When resuming is tried next by itself; `None` for what time does not mend.
    retry_at: Option<Instant>,
}

/// How long after a failure resuming is first tried, and the longest interval.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

impl Failure {
    fn new(error: StorageError, job: Option<Job>, is_final: bool) -> Failure {
        Failure { error, job, is_final, attempts: 0, retry_at: None }.scheduled()
    }

    /// The interval doubles with each attempt.
    fn scheduled(mut self) -> Failure {
        let interval = FIRST_RETRY.saturating_mul(1 << self.attempts.min(10)).min(LONGEST_RETRY);
        let may_pass = !self.is_final && resumes_by_itself(&self.error);
        self.retry_at = may_pass.then(|| Instant::now() + interval);
        self
    }

    /// What whoever wants to write is told.
    fn told(&self) -> Error {
        Error::Stopped { because: self.error.clone(), is_final: self.is_final }
    }
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

    /// What stands in the way, if anything does.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match self.has_failed.load(Ordering::Acquire) {
            true => self.progress.lock().failure.clone(),
            false => None,
        }
    }

    /// Errs with the failure, if there is one.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.failure().map_or(Ok(()), |failure| Err(failure.told()))
    }

    /// Stops background work and writing, because of an error outside any job.
    /// Returns whether they had not stopped before.
    pub(crate) fn fail(&self, error: &StorageError, is_final: bool) -> bool {
        let mut progress = self.progress.lock();
        let is_first = progress.failure.is_none();
        progress.fail(error.clone(), None, is_final);
        self.has_failed.store(true, Ordering::Release);
        self.changed.notify_all();
        is_first
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
            let retry_at = progress.failure.as_ref().and_then(|failure| failure.retry_at);
            let may_resume = retry_at.is_some_and(|retry_at| Instant::now() >= retry_at);
            if let Some(job) = progress.next_due(may_resume, &is_due) {
                progress.running.insert(job);
                return Some(job);
            }
            match retry_at.filter(|_| !may_resume) {
                Some(retry_at) => drop(self.changed.wait_until(&mut progress, retry_at)),
                None => self.changed.wait(&mut progress),
            }
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
                return Turn::Failed(failure.told());
            }
            if progress.has_ended {
                return Turn::Ended;
            }
            match progress.next_due(false, &is_due) {
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

    /// Begins `job` in a thread of the user, once nobody else runs it.
    pub(crate) fn begin(&self, job: Job) {
        let mut progress = self.progress.lock();
        while progress.running.contains(&job) {
            self.changed.wait(&mut progress);
        }
        progress.running.insert(job);
    }

    /// Takes note of how a job went. `is_final` says whether only opening the
    /// database again can mend an error, `is_journal_sound` whether it may be
    /// appended to.
    pub(crate) fn finish(&self, job: Job, result: &Result<()>, is_final: bool, is_journal_sound: bool) {
        let mut progress = self.progress.lock();
        progress.running.remove(&job);
        match result {
            Err(error) => progress.fail(storage_error(error), Some(job), is_final),
            // The journal may have failed while something else was resumed.
            Ok(()) if job == Job::Resume && is_journal_sound => progress.failure = None,
            Ok(()) => {}
        }
        self.has_failed.store(progress.failure.is_some(), Ordering::Release);
        self.changed.notify_all();
    }
}

impl Progress {
    fn next_due(&self, may_resume: bool, is_due: impl Fn(Job) -> bool) -> Option<Job> {
        let may_begin = |job: Job| match (&self.failure, job) {
            (Some(failure), Job::Resume) => may_resume && !failure.is_final,
            (Some(_), _) | (None, Job::Resume) => false,
            (None, _) => is_due(job),
        };
        JOBS.into_iter().find(|job| !self.running.contains(job) && may_begin(*job))
    }

    /// Keeps the first error, which is the cause of those that follow it. A vain
    /// attempt to resume makes the next one later, and what it met is kept instead: that
    /// stands in the way now.
    fn fail(&mut self, error: StorageError, job: Option<Job>, is_final: bool) {
        match &mut self.failure {
            Some(failure) if job == Some(Job::Resume) => {
                failure.attempts += 1;
                failure.error = error;
                failure.is_final |= is_final;
                *failure = failure.clone().scheduled();
            }
            Some(failure) => failure.is_final |= is_final,
            none => *none = Some(Failure::new(error, job, is_final)),
        }
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
    Failed(Error),
    /// To give up: the database is being closed.
    Ended,
    /// To give up: no job is due that could bring it about.
    NothingDue,
}

/// What the stages below would say of this error.
fn storage_error(error: &Error) -> StorageError {
    match error {
        Error::Storage(error) | Error::Stopped { because: error, .. } => error.clone(),
        other => StorageError::invalid_argument(other.to_string()),
    }
}
