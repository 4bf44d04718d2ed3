//! The write path: one batch.
//!
//! ```text
//!   write(batch)
//!     make room      outside the lock: wait or slow down, rotate a full memtable
//!     ┌ the write lock ───────────────────────────────────────────────┐
//!     │ take the sequences · append one record · insert · publish     │
//!     └───────────────────────────────────────────────────────────────┘
//!     if durability is asked: sync, unless somebody has synced past it
//! ```
//!
//! - **INV-WRITE-1** A sequence becomes visible when all below it are, and after
//!   its whole batch is in the memtable: publishing is the last thing under the
//!   write lock.
//! - **INV-WRITE-2** Memtable and log rotate together, under the write lock. So a
//!   log holds what one memtable holds, and can go when that is in a table.
//!
//! A rotation needs a log whose name is durable. It is made before the write
//! lock is taken, so that no writer waits for a sync that only one of them
//! needs. As a rule a background thread makes it ahead of need, and while it is at it,
//! even writers that fill a memtable faster do not wait: the full memtable grows on by
//! as much as a half. On a disk that compactions keep busy the sync of a new
//! log's name takes 10 to 100 ms and more: that was the longest stall of a put.

use std::sync::Arc;
use std::time::Duration;

use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::memtable::sync::atomic::Ordering;
use stage5_compaction::wal::batch::WriteBatch;

use crate::engine::{Engine, Writer};
use crate::error::Result;
use crate::options::Durability;
use crate::pressure::delay_for;
use crate::state::State;

/// A sleep shorter than this is not worth its system call: it is saved up.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What has become of a write. Keeping one does not keep the database open.
#[derive(Debug, Clone)]
pub struct Commit {
    engine: Arc<Engine>,
    sequence: Sequence,
}

impl Commit {
    pub(crate) fn new(engine: &Arc<Engine>, sequence: Sequence) -> Commit {
        Commit { engine: Arc::clone(engine), sequence }
    }

    /// The sequence of the last entry written.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Whether the write would survive a loss of power by now.
    pub fn is_durable(&self) -> bool {
        let writer = self.engine.writer_if_any();
        writer.is_some_and(|writer| writer.journal.durable_sequence() >= self.sequence)
    }

    /// Makes the write durable, and all writes before it. Shares its sync with
    /// others who wait.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) when the sync fails;
    /// [`Error::Closed`](crate::Error::Closed) when the database was closed before
    /// it was durable.
    pub fn wait_durable(&self) -> Result<()> {
        self.engine.persist(self.sequence)
    }
}

impl Engine {
    /// Applies `batch` in one step and says where it ends.
    pub(crate) fn write(&self, batch: &WriteBatch, durability: Durability) -> Result<Sequence> {
        let writer = self.writer()?;
        batch.check()?;
        writer.schedule.check()?;
        self.make_room(writer, batch.size_bytes())?;
        let last = self.apply(writer, batch)?;
        if durability == Durability::Sync {
            self.persist(last)?;
        }
        Ok(last)
    }

    /// Makes everything up to `sequence` durable.
    pub(crate) fn persist(&self, sequence: Sequence) -> Result<()> {
        // Closing made everything durable: whoever waited for it need not know.
        if self.writer_if_any().is_some_and(|writer| writer.journal.durable_sequence() >= sequence) {
            return Ok(());
        }
        let writer = self.writer()?;
        writer.journal.persist(sequence).map_err(|because| self.stop(writer, because))
    }

    /// Rotates a full memtable, which may raise the pressure, and then waits or slows down
    /// as the state demands ([`crate::pressure`]). It is not asked again under the write lock: writers who
    /// are let through at the same time add a batch each, and no more.
    fn make_room(&self, writer: &Writer, bytes: usize) -> Result<()> {
        let state = self.published.load();
        if !self.is_full(&state) && state.pressure.is_none() {
            return Ok(());
        }
        drop(state);
        self.rotate_if_full(writer)?;
        let pressure = || self.published.load().pressure;
        match pressure() {
            None => Ok(()),
            Some(pressing) if pressing.level < 1.0 => {
                self.slow_down(delay_for(pressing.level, bytes));
                Ok(())
            }
            Some(_) => {
                self.counters.stops.fetch_add(1, Ordering::Relaxed);
                self.wait_until(writer, || pressure().is_none_or(|pressing| pressing.level < 1.0))
            }
        }
    }

    /// Sleeps for `delay`, or saves it up while it is short. It is a brake and no account:
    /// of writers who come at the same time two may sleep for the same, and what a third
    /// adds meanwhile may be lost.
    fn slow_down(&self, delay: Duration) {
        let delay = delay.as_nanos() as u64;
        let owed = self.counters.owed_sleep_nanos.fetch_add(delay, Ordering::Relaxed) + delay;
        if owed < SHORTEST_SLEEP.as_nanos() as u64 {
            return;
        }
        self.counters.owed_sleep_nanos.store(0, Ordering::Relaxed);
        self.counters.slept_nanos.fetch_add(owed, Ordering::Relaxed);
        self.options.runtime.sleep(Duration::from_nanos(owed));
    }

    /// What happens under the write lock.
    fn apply(&self, writer: &Writer, batch: &WriteBatch) -> Result<Sequence> {
        let mut appender = writer.journal.appender();
        self.check_open()?;
        let last = appender.append(batch).map_err(|because| self.stop(writer, because))?;
        let first = last + 1 - batch.len() as u64;
        let state = self.published.load();
        batch.for_each(first, |entry| {
            state.memtable.insert(entry.sequence, entry.kind, entry.key, entry.value);
        });
        self.snapshots.publish(last);
        self.counters.count_write(batch);
        Ok(last)
    }

    /// Rotates, if the memtable is full; anybody may come first.
    pub(crate) fn rotate_if_full(&self, writer: &Writer) -> Result<()> {
        let is_full = || self.is_full(&self.published.load());
        if !is_full() || self.may_overfill(writer) { Ok(()) } else { self.rotate_if(writer, is_full) }
    }

    /// Whether a full memtable may grow on, because a background thread is making the log
    /// that its rotation needs, or somebody rotates just now.
    fn may_overfill(&self, writer: &Writer) -> bool {
        let limit = self.options.memtable_bytes;
        let most = limit.saturating_add(limit / 2);
        if self.options.runtime.workers() == 0 || self.published.load().memtable.size_bytes() >= most {
            return false;
        }
        self.ask_for_first_log(writer);
        writer.next_log.try_lock().is_none_or(|next| next.is_none() && self.asks_for_log())
    }

    /// After a rotation the log for the next one is made at once: who has rotated once will
    /// again. Before the first one, only when its memtable is full.
    fn ask_for_first_log(&self, writer: &Writer) {
        let wanted = &self.counters.logs_wanted;
        let is_first = || wanted.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if wanted.load(Ordering::Relaxed) == 0 && is_first() {
            writer.schedule.wake();
        }
    }

    /// Whether another log is wanted since one was last made ahead of need.
    pub(crate) fn asks_for_log(&self) -> bool {
        let wanted = self.counters.logs_wanted.load(Ordering::Relaxed);
        wanted > self.counters.logs_asked_for.load(Ordering::Relaxed)
    }

    fn is_full(&self, state: &State) -> bool {
        state.memtable.size_bytes() >= self.options.memtable_bytes
    }

    /// Rotates, unless the memtable is empty.
    pub(crate) fn rotate_if_used(&self, writer: &Writer) -> Result<()> {
        self.rotate_if(writer, || !self.published.load().memtable.is_empty())
    }

    /// Gives the memtable and its log to the flush, and begins new ones, if
    /// `wanted` still holds under the write lock.
    fn rotate_if(&self, writer: &Writer, wanted: impl Fn() -> bool) -> Result<()> {
        let mut next_log = writer.next_log.lock();
        // While the lock is held, nobody closes it.
        self.check_open()?;
        if !wanted() {
            return Ok(());
        }
        let log = match next_log.take() {
            Some(log) => log,
            None => writer.journal.prepare(writer.factory.numbers.take())?,
        };
        // Made before anybody has to wait for it.
        let memtable = self.options.next_memtable(&self.published.load().memtable);
        let mut appender = writer.journal.appender();
        let sound = appender.check();
        if sound.is_err() || !wanted() {
            *next_log = Some(log);
            return sound.map_err(|because| self.stop(writer, because));
        }
        let old_log = appender.rotate(log).map_err(|because| self.stop(writer, because))?;
        let last = appender.last_sequence();
        self.publish(|state| state.rotated(memtable, old_log, last));
        self.counters.logs_wanted.fetch_add(1, Ordering::Relaxed);
        drop(appender);
        drop(next_log);
        writer.journal.leave_rotated();
        writer.schedule.wake();
        Ok(())
    }
}
