//! Taking up work again after a failure.
//!
//! ```text
//!   what failed              what is done                      then
//!   a table, a compaction    it was discarded: try it again    writing goes on
//!   the journal              flush everything, new log         writing goes on
//!   the manifest             nothing                           open it again
//! ```
//!
//! **INV-RESUME-1** After a failed append or sync of a log, nothing is written
//! before everything that was acknowledged is durable in tables, by an edit
//! whose log floor lies above the failed log, and a new log is open
//! (INV-JOURNAL-4). So nothing ever follows a failed record, and no later sync
//! can acknowledge what the failed one lost.
//!
//! **INV-RESUME-2** After a failed write of the manifest nobody knows whether its
//! last edit is durable. Only opening the database again finds out.

use crate::engine::{Engine, Writer};
use crate::error::{Error, Result};
use crate::schedule::Job;

impl Engine {
    /// Mends what failed, if it can be mended.
    ///
    /// # Errors
    /// What still fails; everything is then as it was.
    pub(crate) fn resume(&self, writer: &Writer) -> Result<()> {
        // One at a time: a second would throw the first one's new log away.
        let _resuming = writer.resuming.lock();
        if let Some(failure) = writer.versions.lock().failure() {
            return Err(Error::Stopped { because: failure.clone(), is_final: true });
        }
        if writer.journal.failure().is_some() {
            return self.resume_journal(writer);
        }
        match writer.schedule.failure().and_then(|failure| failure.job) {
            Some(job) if job != Job::Resume => self.run_job(writer, job),
            _ => Ok(()),
        }
    }

    /// Flushes everything and begins a new log (INV-RESUME-1).
    fn resume_journal(&self, writer: &Writer) -> Result<()> {
        let failed_log = self.set_memtable_aside(writer);
        // Before the manifest: a disk that is still full must not be found so there, where it
        // would be final, and there may be nothing to flush that would find it.
        self.make_next_log(writer)?;
        self.flush_immutables(writer)?;
        debug_assert!(writer.versions.lock().log_floor() > failed_log, "INV-RESUME-1");
        let mut next_log = writer.next_log.lock();
        // While the lock is held, nobody closes it.
        self.check_open()?;
        let log = match next_log.take() {
            Some(log) => log,
            None => writer.journal.prepare(writer.factory.numbers.take())?,
        };
        writer.journal.resume(log);
        Ok(())
    }

    /// Makes the log that writing goes on in, unless it is there.
    fn make_next_log(&self, writer: &Writer) -> Result<()> {
        let mut next_log = writer.next_log.lock();
        self.check_open()?;
        if next_log.is_none() {
            *next_log = Some(writer.journal.prepare(writer.factory.numbers.take())?);
        }
        Ok(())
    }

    /// Gives the memtable and the failed log to the flush. An empty one too: the
    /// log floor must rise above what its failed append may have left. A second
    /// attempt finds it done. Returns the number of the failed log.
    fn set_memtable_aside(&self, writer: &Writer) -> u64 {
        // No flush is under way that would end between the question and the answer.
        let _flushing = writer.flushing.lock();
        let floor = writer.versions.lock().log_floor();
        let appender = writer.journal.appender();
        let (log, last) = (appender.log_number(), appender.last_sequence());
        let waits = self.published.load().immutables.iter().any(|immutable| immutable.log == log);
        if !waits && floor <= log {
            self.publish(|state| state.rotated(self.options.next_memtable(&state.memtable), log, last));
        }
        log
    }
}
