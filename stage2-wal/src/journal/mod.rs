//! The journal: batches in the order of their sequences, and promises about them.
//!
//! ```text
//!   append  ─▶ [batch 1..3][batch 4][batch 5..9]            last = 9
//!   persist ─▶ S = 9 · sync older logs, then this one · append promise 9
//!              [batch 1..3][batch 4][batch 5..9][batch 10][promise 9]
//!   rotate  ─▶ 000001.log ────────────▶ 000002.log
//!              unsynced, remembered     appends go here
//!   failure ─▶ nothing is appended, nothing acknowledged, until resume()
//! ```
//!
//! The laws, on which everything above stands:
//!
//! - **INV-JOURNAL-1** Sequences are dense. A batch takes the range behind the
//!   last one; a batch that fails to append gives its range back.
//! - **INV-JOURNAL-2** A promise S means: *every sequence up to S is durable.* S is
//!   taken before the sync begins, and the promise is appended behind it, to the
//!   log that is current when the sync returns.
//! - **INV-JOURNAL-3** No hole: a sync of a log first syncs every older log that
//!   is not yet synced. A name is durable before a batch is appended under it.
//! - **INV-JOURNAL-4** A failed append, of a batch or a promise, and a failed sync
//!   are one case: the journal takes nothing more, until everything in it was
//!   flushed to tables and a log with a higher number is open. So nothing ever
//!   follows a failed record, and no later sync can acknowledge what an earlier
//!   one lost.
//!
//! The group commit is all in [`Journal::persist`]: one syncs for all whose batches
//! stand there when it begins; who comes meanwhile appends, and waits for its end.
//! Then one of those syncs for all of them, unless their batches are durable by now.
//! Whose turn it is, and whom it waits for first, `turn` knows.
//!
//! Which logs are still needed is not known here; whoever flushes says so
//! ([`Journal::release_below`]).

pub mod replay;
mod turn;

use std::sync::Arc;

use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::{MAX_SEQUENCE, Sequence};
use stage1_memtable::sync::atomic::{AtomicU64, Ordering};
use stage1_memtable::sync::{Mutex, MutexGuard};

use crate::batch::{self, WriteBatch};
use crate::identity::DatabaseId;
use crate::log::LogWriter;
use crate::vfs::{AppendFile, FileId, Vfs};

use turn::Turn;

pub use replay::{Dropped, Log, RecoveryMode, Replay, ReplayReport, replay, replay_in_mode};

/// The logs of a running database, as one.
///
/// ```
/// use std::sync::Arc;
/// use stage2_wal::batch::WriteBatch;
/// use stage2_wal::identity::DatabaseId;
/// use stage2_wal::journal::{Journal, replay};
/// use stage2_wal::vfs::SimVfs;
///
/// let vfs = Arc::new(SimVfs::new());
/// let journal = Journal::create(vfs.clone(), DatabaseId(1), 1, 0)?;
/// let mut batch = WriteBatch::new();
/// batch.put("fig", "green").put("kiwi", "brown");
/// let last = journal.appender().append(&batch)?;
/// journal.persist(last)?;
///
/// let mut fruits = Vec::new();
/// replay(&*vfs, DatabaseId(1), &[1], 0, |batch| {
///     fruits.extend(batch.entries().map(|entry| entry.key.to_vec()));
/// })?;
/// assert_eq!(fruits, [b"fig".to_vec(), b"kiwi".to_vec()]);
/// # Ok::<(), stage2_wal::memtable::Error>(())
/// ```
#[derive(Debug)]
pub struct Journal {
    vfs: Arc<dyn Vfs>,
    database: DatabaseId,
    /// How long a log will be before it is rotated away, about.
    room_bytes: u64,
    /// The order of all writes: whoever holds it appends next.
    tail: Mutex<Tail>,
    turn: Turn,
    /// Every sequence up to this one is durable.
    durable: AtomicU64,
}

#[derive(Debug)]
struct Tail {
    log: LogWriter,
    /// The last sequence appended.
    last: Sequence,
    /// Older logs whose last bytes may not be durable, oldest first.
    unsynced: Vec<UnsyncedLog>,
    /// Why nothing more is taken (INV-JOURNAL-4).
    failure: Option<Error>,
}

#[derive(Debug, Clone)]
struct UnsyncedLog {
    number: u64,
    file: Arc<dyn AppendFile>,
}

/// A log that is ready for its first append: header written, name durable. Made
/// ahead of need, so that no writer waits for a directory sync.
#[derive(Debug)]
pub struct PreparedLog(LogWriter);

impl PreparedLog {
    /// The number in its name.
    pub fn number(&self) -> u64 {
        self.0.number()
    }
}

impl Journal {
    /// A journal whose first log is number `log` and whose first batch will
    /// follow `last`, all up to which is durable elsewhere.
    pub fn create(vfs: Arc<dyn Vfs>, database: DatabaseId, log: u64, last: Sequence) -> Result<Journal> {
        Journal::create_with_room(vfs, database, log, last, 0)
    }

    /// The same, whose logs will grow to about `room_bytes` each before they are rotated
    /// away: see [`Vfs::create_with_room`].
    pub fn create_with_room(
        vfs: Arc<dyn Vfs>,
        database: DatabaseId,
        log: u64,
        last: Sequence,
        room_bytes: u64,
    ) -> Result<Journal> {
        let PreparedLog(log) = prepare(&*vfs, database, log, room_bytes)?;
        let tail = Mutex::new(Tail { log, last, unsynced: Vec::new(), failure: None });
        Ok(Journal { vfs, database, room_bytes, tail, turn: Turn::default(), durable: last.into() })
    }

    /// Creates a log for a later [`Appender::rotate`] or [`Journal::resume`].
    pub fn prepare(&self, number: u64) -> Result<PreparedLog> {
        prepare(&*self.vfs, self.database, number, self.room_bytes)
    }

    /// Takes the lock that orders all writes.
    pub fn appender(&self) -> Appender<'_> {
        Appender { tail: self.tail.lock() }
    }

    /// Every sequence up to this one is durable.
    pub fn durable_sequence(&self) -> Sequence {
        self.durable.load(Ordering::Acquire)
    }

    /// Makes every sequence up to `wanted` durable: syncs, unless somebody has
    /// already synced past it. One sync serves all who wait for it.
    ///
    /// # Errors
    /// That of the sync or of the promise behind it; the journal has then failed
    /// (INV-JOURNAL-4), and says the same to everybody who asks.
    pub fn persist(&self, wanted: Sequence) -> Result<()> {
        if self.durable_sequence() >= wanted {
            return Ok(());
        }
        let Some(turn) = self.turn.take_unless(|| self.durable_sequence() >= wanted) else {
            return Ok(());
        };
        turn.gather();
        let (sequence, logs) = self.appender().what_to_sync()?;
        let synced = logs.iter().try_for_each(|log| log.file.sync());
        let mut appender = self.appender();
        appender.promise(sequence, &logs, synced)?;
        self.durable.fetch_max(sequence, Ordering::Release);
        Ok(())
    }

    /// Syncs everything, promises it, and makes that promise durable too: in a closed
    /// journal no damaged batch is taken for a torn tail, unless its promise went with it.
    ///
    /// # Errors
    /// As [`persist`](Journal::persist).
    pub fn close(&self) -> Result<()> {
        let last = self.appender().last_sequence();
        self.persist(last)?;
        let mut appender = self.appender();
        // The promise may stand in an older log than the current one.
        let (_, logs) = appender.what_to_sync()?;
        logs.iter().try_for_each(|log| log.file.sync()).or_else(|error| appender.fail(error))?;
        let log = &appender.tail.log;
        log.file().finish(log.len_bytes())
    }

    /// Everything up to `flushed` is durable in tables, and logs below `floor` are
    /// not needed any more: nobody syncs them again.
    pub fn release_below(&self, floor: u64, flushed: Sequence) {
        let released = self.appender().take_below(floor);
        // To close a file takes long, and here nobody waits for it.
        drop(released);
        self.durable.fetch_max(flushed, Ordering::Release);
    }

    /// Nothing more is appended to the logs that were rotated away: see [`AppendFile::leave`].
    /// Whoever rotates calls it once no writer waits for him.
    pub fn leave_rotated(&self) {
        let rotated = self.appender().tail.unsynced.clone();
        rotated.iter().for_each(|log| log.file.leave());
    }

    /// Why the journal takes nothing, if it has failed.
    pub fn failure(&self) -> Option<Error> {
        self.tail.lock().failure.clone()
    }

    /// Takes up writing again behind a failure, in a new log.
    ///
    /// The caller has made everything that was ever appended durable in tables,
    /// and every older log superfluous: that is what makes it safe to follow a
    /// failed record (INV-JOURNAL-4).
    pub fn resume(&self, log: PreparedLog) {
        let _turn = self.turn.take_unless(|| false);
        let mut tail = self.tail.lock();
        debug_assert!(log.number() > tail.log.number(), "INV-JOURNAL-4: the new log has a higher number");
        tail.log = log.0;
        tail.unsynced.clear();
        tail.failure = None;
        self.durable.fetch_max(tail.last, Ordering::Release);
    }
}

/// The right to append next. Held for the time of one batch, or of one rotation.
#[derive(Debug)]
pub struct Appender<'a> {
    tail: MutexGuard<'a, Tail>,
}

impl Appender<'_> {
    /// Appends `batch` behind the last one and returns the sequence of its last
    /// entry; its first is `returned − batch.len() + 1`. An empty batch writes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the batch is invalid; nothing is written.
    /// That of the file otherwise; the range is given back (INV-JOURNAL-1) and the
    /// journal has failed.
    pub fn append(&mut self, batch: &WriteBatch) -> Result<Sequence> {
        batch.check()?;
        self.check()?;
        if batch.is_empty() {
            return Ok(self.tail.last);
        }
        let count = batch.len() as u64;
        if MAX_SEQUENCE - self.tail.last < count {
            return Err(Error::invalid_argument("the sequences of this database are used up"));
        }
        let head = batch::head(self.tail.last + 1, count);
        self.tail.log.append_record(head.as_bytes(), batch.body()).or_else(|error| self.fail(error))?;
        self.tail.last += count;
        Ok(self.tail.last)
    }

    /// Sends everything from here on to `log`. Returns the number of the log that
    /// was current, which holds nothing behind [`last_sequence`](Appender::last_sequence).
    ///
    /// # Errors
    /// The journal's failure, if it has failed: then only
    /// [`Journal::resume`] goes on.
    pub fn rotate(&mut self, log: PreparedLog) -> Result<u64> {
        self.check()?;
        let old = std::mem::replace(&mut self.tail.log, log.0);
        debug_assert!(old.number() < self.tail.log.number(), "logs are numbered in their order");
        self.tail.unsynced.push(UnsyncedLog { number: old.number(), file: Arc::clone(old.file()) });
        Ok(old.number())
    }

    /// The last sequence appended.
    pub fn last_sequence(&self) -> Sequence {
        self.tail.last
    }

    /// The number of the current log.
    pub fn log_number(&self) -> u64 {
        self.tail.log.number()
    }

    /// The length of the current log, in bytes.
    pub fn log_bytes(&self) -> u64 {
        self.tail.log.len_bytes()
    }

    /// Errs with the journal's failure, if it has failed.
    pub fn check(&self) -> Result<()> {
        self.tail.failure.as_ref().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// The sequence that a sync beginning now may promise, and the logs that it
    /// must sync for that, oldest first (INV-JOURNAL-3).
    fn what_to_sync(&self) -> Result<(Sequence, Vec<UnsyncedLog>)> {
        self.check()?;
        let mut logs = self.tail.unsynced.clone();
        logs.push(UnsyncedLog { number: self.tail.log.number(), file: Arc::clone(self.tail.log.file()) });
        Ok((self.tail.last, logs))
    }

    fn take_below(&mut self, floor: u64) -> Vec<UnsyncedLog> {
        self.tail.unsynced.extract_if(.., |log| log.number < floor).collect()
    }

    /// Ends a sync of `logs` that took `sequence` at its beginning.
    fn promise(&mut self, sequence: Sequence, logs: &[UnsyncedLog], synced: Result<()>) -> Result<()> {
        self.check()?;
        synced.or_else(|error| self.fail(error))?;
        // The last of them may have been appended to since, and rotated away.
        let older = logs.len() - 1;
        self.tail.unsynced.retain(|log| logs[..older].iter().all(|synced| synced.number != log.number));
        self.tail.log.append_promise(sequence).or_else(|error| self.fail(error))
    }

    fn fail<T>(&mut self, error: Error) -> Result<T> {
        self.tail.failure = Some(error.clone());
        Err(error)
    }
}

/// Makes a log whose name is durable. One that cannot be finished is removed, so
/// that trying again on a full disk leaves nothing behind.
fn prepare(vfs: &dyn Vfs, database: DatabaseId, number: u64, room_bytes: u64) -> Result<PreparedLog> {
    let file = FileId::Log(number);
    let log = LogWriter::create_with_room(vfs, file, database, room_bytes)?;
    vfs.sync_directory().inspect_err(|_| {
        let _orphan_for_the_next_open = vfs.remove(file);
    })?;
    Ok(PreparedLog(log))
}

#[cfg(test)]
mod tests;
