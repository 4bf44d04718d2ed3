//! What all handles, cursors and background threads of an open database share.
//!
//! ```text
//!   Db, Snapshot, cursors ──▶ Handle ──▶ Engine ◀── background threads
//!                               │          ├─ published     what readers load
//!                               │          ├─ snapshots     what may be seen, and from when
//!                               │          └─ writer        what only a writer needs
//!                               └─ dropped last: ends the threads, closes, unlocks
//! ```
//!
//! The fields are here; what is done with them stands in a module for each path
//! (`read`, `write`, …).

use std::collections::BTreeSet;
use std::sync::Arc;

use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use stage5_compaction::memtable::sync::thread::JoinHandle;
use stage5_compaction::memtable::sync::{Mutex, MutexGuard};
use stage5_compaction::sstable::cache::BlockCache;
use stage5_compaction::table_cache::TableCache;
use stage5_compaction::table_writer::TableFactory;
use stage5_compaction::version_set::VersionSet;
use stage5_compaction::wal::journal::{Journal, PreparedLog};
use stage5_compaction::wal::vfs::{FileId, Lock, Vfs};

use crate::counters::{Counters, RecoveryReport};
use crate::error::{Error, Result};
use crate::events::{Event, Listener};
use crate::options::Options;
use crate::pressure::pressure;
use crate::schedule::Schedule;
use crate::snapshot::Snapshots;
use crate::state::{Published, State};

/// An open database, without the threads that work for it.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) tables: Arc<TableCache>,
    pub(crate) blocks: Arc<BlockCache>,
    pub(crate) published: Published,
    pub(crate) snapshots: Snapshots,
    pub(crate) counters: Counters,
    pub(crate) recovery: RecoveryReport,
    /// Who is told what happens.
    pub(crate) listener: Option<Arc<dyn Listener>>,
    /// `None` when opened read-only.
    writer: Option<Writer>,
    is_closed: AtomicBool,
    /// The lock of the directory, until it is closed.
    lock: Mutex<Option<Box<dyn Lock>>>,
}

/// What only a database that is open for writing has.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Its appender is the write lock.
    pub(crate) journal: Journal,
    /// The next log, if it was made ahead of need. Held for a whole rotation, and while it is made.
    pub(crate) next_log: Mutex<Option<PreparedLog>>,
    /// Held for a whole attempt to resume.
    pub(crate) resuming: Mutex<()>,
    /// Held for a whole flush.
    pub(crate) flushing: Mutex<()>,
    /// How many callers wait until everything is flushed, however little it is.
    pub(crate) flushes_asked_for: AtomicUsize,
    /// Held for a whole compaction, so that no two choose the same files: by
    /// [`alone`](Writer::alone).
    pub(crate) compacting: Mutex<()>,
    /// Held while an edit is made durable and published.
    pub(crate) versions: Mutex<VersionSet>,
    /// Logs and manifests that count no more and are still there.
    pub(crate) obsolete: Mutex<BTreeSet<FileId>>,
    pub(crate) factory: TableFactory,
    pub(crate) schedule: Schedule,
}

/// The parts that opening puts together.
pub(crate) struct Parts {
    pub(crate) options: Options,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) tables: Arc<TableCache>,
    pub(crate) blocks: Arc<BlockCache>,
    pub(crate) published: Published,
    pub(crate) snapshots: Snapshots,
    pub(crate) recovery: RecoveryReport,
    pub(crate) writer: Option<Writer>,
    pub(crate) lock: Box<dyn Lock>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Engine {
        Engine {
            options: parts.options,
            vfs: parts.vfs,
            tables: parts.tables,
            blocks: parts.blocks,
            published: parts.published,
            snapshots: parts.snapshots,
            counters: Counters::default(),
            recovery: parts.recovery,
            listener: None,
            writer: parts.writer,
            is_closed: AtomicBool::new(false),
            lock: Mutex::new(Some(parts.lock)),
        }
    }

    /// What a writer needs.
    pub(crate) fn writer(&self) -> Result<&Writer> {
        self.check_open()?;
        self.writer.as_ref().ok_or(Error::ReadOnly)
    }

    /// The same, whether or not the database is closed: for jobs that end it.
    pub(crate) fn writer_if_any(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_open() { Ok(()) } else { Err(Error::Closed) }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::Acquire)
    }

    /// The directory, for messages.
    pub(crate) fn directory(&self) -> String {
        let lock = self.vfs.describe(FileId::Lock);
        lock.strip_suffix("/LOCK").unwrap_or(&lock).to_owned()
    }

    /// Replaces the state that readers load, and finds out how hard the new one
    /// presses back.
    pub(crate) fn publish(&self, derive: impl FnOnce(&State) -> State) {
        let mut pressures = (None, None);
        self.published.replace(|state| {
            let mut next = derive(state);
            if !Arc::ptr_eq(&next.version, &state.version) {
                let strategy = &*self.options.strategy;
                next.toll = Arc::new(state.toll.carried_to(&next.version, &state.version, strategy));
            }
            next.pressure = pressure(&self.options, next.immutables.len(), &next.version);
            pressures = (state.pressure, next.pressure);
            next
        });
        let (before, now) = pressures;
        if before.map(|pressure| pressure.kind()) != now.map(|pressure| pressure.kind()) {
            self.emit(|| Event::PressureChanged(now));
        }
    }

    /// Called by a reader that has let go what it held: the last one of a table
    /// leaves it to be removed.
    pub(crate) fn wake_to_remove(&self) {
        if let Some(writer) = self.writer.as_ref().filter(|_| self.tables.has_obsolete()) {
            writer.schedule.wake();
        }
    }

    /// Called by a scan that has ended, after `seeks` seeks in `state`: they pay for the runs
    /// that they asked, and those who paid enough have them merged.
    #[inline]
    pub(crate) fn pay_toll(&self, state: &State, seeks: u64) {
        if state.toll.pay(seeks) {
            self.writer.iter().for_each(|writer| writer.schedule.wake());
        }
    }

    /// Tells the listener, if there is one.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = &self.listener {
            listener.on_event(&event());
        }
    }

    /// The journal or the manifest has failed: nothing is written until it is
    /// resumed, if it can be.
    pub(crate) fn stop(&self, writer: &Writer, because: StorageError) -> Error {
        self.stop_with(writer, because, false)
    }

    /// The same, and `is_final` if only opening the database again can mend it.
    pub(crate) fn stop_with(&self, writer: &Writer, because: StorageError, is_final: bool) -> Error {
        if writer.schedule.fail(&because, is_final) {
            self.emit(|| Event::Stopped(because.clone()));
        }
        let is_final = writer.schedule.failure().is_some_and(|failure| failure.is_final);
        Error::Stopped { because, is_final }
    }

    /// Takes no more writes, syncs what there is, and lets the directory go. The
    /// second call finds nothing to do.
    fn close(&self) -> Result<()> {
        let Some(writer) = &self.writer else {
            self.is_closed.store(true, Ordering::Release);
            *self.lock.lock() = None;
            return Ok(());
        };
        // Whoever flushes, compacts or rotates in a thread of its own ends first, and
        // finds it closed if it comes later: nobody writes to a directory that is no
        // longer ours.
        let _flushing = writer.flushing.lock();
        let _compacting = writer.alone();
        let _next_log = writer.next_log.lock();
        {
            // Under the write lock: so does whoever appends.
            let _appender = writer.journal.appender();
            if self.is_closed.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
        }
        let closed = writer.journal.close();
        self.remove_obsolete_files(writer);
        *self.lock.lock() = None;
        closed.map_err(|because| Error::Stopped { because, is_final: true })
    }
}

impl Writer {
    /// Why nothing more is written, if something failed.
    pub(crate) fn failure(&self) -> Option<StorageError> {
        self.schedule.failure().map(|failure| failure.error)
    }

    /// Keeps everybody else from compacting; waits until nobody does.
    pub(crate) fn alone(&self) -> Alone<'_> {
        Alone { compacting: Some(self.compacting.lock()), schedule: &self.schedule }
    }
}

/// The right to compact. While somebody has it, background threads pass a compaction by:
/// whoever lets it go wakes them, however he fared.
pub(crate) struct Alone<'a> {
    compacting: Option<MutexGuard<'a, ()>>,
    schedule: &'a Schedule,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        drop(self.compacting.take());
        self.schedule.wake();
    }
}

/// What keeps a database open: its last owner closes it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) engine: Arc<Engine>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Handle {
    /// Starts the threads that work for `engine`. If one cannot be started, the
    /// handle goes: that ends the others and lets the directory go.
    pub(crate) fn start(engine: Arc<Engine>) -> Result<Arc<Handle>> {
        let handle = Arc::new(Handle { engine, workers: Mutex::default() });
        handle.engine.start_workers(&mut handle.workers.lock())?;
        Ok(handle)
    }

    /// Ends the threads, then closes.
    pub(crate) fn close(&self) -> Result<()> {
        if let Some(writer) = self.engine.writer_if_any() {
            writer.schedule.end();
        }
        for worker in self.workers.lock().drain(..) {
            // A worker catches the panics of its jobs and reports them as failures.
            let _ended = worker.join();
        }
        self.engine.close()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Whoever wants to know the outcome calls `Db::close`.
        let _unreported = self.close();
    }
}
