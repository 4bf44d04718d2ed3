//! The handle that a user of the database holds.
//!
//! ```text
//!   Db::open(path)          Db::builder().….open(path)      ….open_in_memory()
//!        └───────────────────────────┴──────────────────────────────┘
//!   Db ── put, get, delete, write ── range, prefix, cursor ── snapshot ── …
//! ```
//!
//! Everything here is a name for something that a module below does.

use std::path::Path;
use std::sync::Arc;

use stage5_compaction::bloom::policy::FilterPolicy;
use stage5_compaction::compaction::Strategy;
use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::memtable::lookup::Touch;
use stage5_compaction::sstable::compression::Codec;
use stage5_compaction::wal::batch::WriteBatch;
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::journal::RecoveryMode;
use stage5_compaction::wal::vfs::{OsVfs, SimVfs, Vfs};

use crate::checkpoint::CheckpointReport;
use crate::compact::CompactionReport;
use crate::counters::RecoveryReport;
use crate::engine::Handle;
use crate::entry::Value;
use crate::error::Result;
use crate::events::{Event, Listener};
use crate::options::{Durability, Options};
use crate::range::KeyRange;
use crate::read::{Read, sealed};
use crate::recover;
use crate::runtime::Runtime;
use crate::schedule::Job;
use crate::single::with_single;
use crate::status::{Stats, Status, TableInfo};
use crate::verify::{VerifyProgress, VerifyReport};
use crate::write::Commit;

/// An open database. Clones are the same database; it closes with its last
/// handle, snapshot or cursor, whichever that is.
///
/// ```
/// use stage6_engine::{Db, Read};
///
/// let db = Db::builder().open_in_memory()?;
/// db.put("fig", "green")?;
/// assert_eq!(db.get("fig")?.as_deref(), Some(&b"green"[..]));
/// db.delete("fig")?;
/// assert_eq!(db.get("fig")?, None);
/// # Ok::<(), stage6_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Db {
    handle: Arc<Handle>,
}

impl Db {
    /// Opens the database in the directory `path` with default options, and
    /// creates directory and database where they are missing.
    ///
    /// # Errors
    /// [`Error::InUse`](crate::Error::InUse) when somebody else has it open;
    /// [`Error::Storage`](crate::Error::Storage) when a file cannot be read or is
    /// damaged: nothing was changed then.
    pub fn open(path: impl AsRef<Path>) -> Result<Db> {
        Db::builder().open(path)
    }

    /// Chooses options first.
    pub fn builder() -> Builder {
        Builder { options: Options::default(), listener: None }
    }

    /// Gives `key` a value.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) for a key or value beyond its
    /// limit; [`Error::Stopped`](crate::Error::Stopped) when the journal cannot be
    /// written; [`Error::ReadOnly`](crate::Error::ReadOnly);
    /// [`Error::Closed`](crate::Error::Closed). So for all writes.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Commit> {
        with_single(|batch| batch.put(key, value), |batch| self.write(batch))
    }

    /// Deletes `key`, whether or not it has a value.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<Commit> {
        with_single(|batch| batch.delete(key), |batch| self.write(batch))
    }

    /// Applies `batch`: all of it or nothing, in one step for every reader.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn write(&self, batch: &WriteBatch) -> Result<Commit> {
        self.write_opt(batch, self.handle.engine.options.durability)
    }

    /// Applies `batch` with a durability of its own.
    ///
    /// When a `Sync` write returns an error, the batch may already be visible, and
    /// may be there after a crash or not; it is never there by half.
    ///
    /// ```
    /// use stage6_engine::{Db, Durability, WriteBatch};
    ///
    /// let db = Db::builder().open_in_memory()?;
    /// let mut batch = WriteBatch::new();
    /// batch.put("alice", "70").put("bob", "130");
    /// let commit = db.write_opt(&batch, Durability::Sync)?;
    /// assert!(commit.is_durable());
    /// # Ok::<(), stage6_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Db::put).
    pub fn write_opt(&self, batch: &WriteBatch, durability: Durability) -> Result<Commit> {
        let sequence = self.handle.engine.write(batch, durability)?;
        Ok(Commit::new(&self.handle.engine, sequence))
    }

    /// The database as it is now, for as long as the snapshot lives. Costs a
    /// lock; versions that it needs are kept by compactions.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed).
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.handle.engine.check_open()?;
        let sequence = self.handle.engine.snapshots.register();
        Ok(Snapshot { handle: Arc::clone(&self.handle), sequence })
    }

    /// Makes everything that was written so far durable.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) when the sync fails.
    pub fn persist(&self) -> Result<()> {
        let engine = &self.handle.engine;
        engine.writer()?;
        engine.persist(engine.snapshots.visible())
    }

    /// Writes everything that was written so far to tables, and waits for it.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) when that fails.
    pub fn flush(&self) -> Result<()> {
        self.handle.engine.flush()
    }

    /// Flushes, and merges all tables that hold keys of `range` into one level:
    /// overwritten and deleted entries that nobody can read any more are gone
    /// from it afterwards.
    ///
    /// Reads and writes all of these tables; other operations go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) when a table cannot be read or
    /// written; everything is then as it was.
    pub fn compact_range(&self, range: impl KeyRange) -> Result<CompactionReport> {
        self.handle.engine.compact_range(&range.into_bounds())
    }

    /// Makes a second database in the directory `path`, which must be empty or
    /// not exist yet: with all that was written so far, at the cost of a flush and
    /// a link for each table. It opens as a database of its own.
    ///
    /// ```no_run
    /// use stage6_engine::Db;
    ///
    /// let db = Db::open("fruits")?;
    /// let report = db.checkpoint("fruits-monday")?;
    /// println!("{} tables, up to write {}", report.tables, report.sequence);
    /// let copy = Db::open("fruits-monday")?;
    /// # Ok::<(), stage6_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) when `path` is not empty, lies on
    /// another file system, or cannot be written. What was begun there is no
    /// database, and can be removed.
    pub fn checkpoint(&self, path: impl AsRef<Path>) -> Result<CheckpointReport> {
        self.handle.engine.checkpoint(path.as_ref())
    }

    /// Reads the whole database and checks every checksum, order, count and level,
    /// and the manifest against the directory. Damage is in the report; reads and
    /// writes go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed).
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(|_| {})
    }

    /// The same, and calls `progress` behind each table.
    ///
    /// # Errors
    /// As [`verify`](Db::verify).
    pub fn verify_with(&self, progress: impl FnMut(VerifyProgress)) -> Result<VerifyReport> {
        self.handle.engine.verify(progress)
    }

    /// Counts and sizes.
    pub fn stats(&self) -> Stats {
        self.handle.engine.stats()
    }

    /// Whether it takes writes, what presses back, which jobs are due.
    pub fn status(&self) -> Status {
        self.handle.engine.status()
    }

    /// The tables of each level, from 0 down.
    pub fn levels(&self) -> Vec<Vec<TableInfo>> {
        self.handle.engine.levels()
    }

    /// What opening it found and did.
    pub fn recovery_report(&self) -> &RecoveryReport {
        &self.handle.engine.recovery
    }

    /// Gets `key` and says what the lookup touched, in order.
    ///
    /// # Errors
    /// As [`get`](Read::get).
    pub fn explain_get(&self, key: impl AsRef<[u8]>) -> Result<(Option<Value>, Vec<Touch>)> {
        let mut touched = Vec::new();
        let value = self.handle.engine.get(key.as_ref(), None, &mut touched)?;
        Ok((value, touched))
    }

    /// The background jobs that are due now, the most urgent first. With a
    /// runtime without threads, they wait for [`run_job`](Db::run_job).
    pub fn pending_jobs(&self) -> Vec<Job> {
        self.handle.engine.pending_jobs()
    }

    /// Runs one background job in this thread.
    ///
    /// # Errors
    /// That of the job; background work and writing have then stopped, as if a
    /// thread had run it.
    pub fn run_job(&self, job: Job) -> Result<()> {
        let engine = &self.handle.engine;
        engine.run_job_by_hand(engine.writer()?, job)
    }

    /// Tries at once to take up writing again after a failure, instead of waiting
    /// for the background to try: when space is back, for example. Does nothing
    /// when nothing has failed.
    ///
    /// # Errors
    /// What still fails; everything is then as it was. After a failed write of the
    /// manifest that is [`Error::Stopped`](crate::Error::Stopped), and final: open the
    /// database again.
    pub fn try_resume(&self) -> Result<()> {
        let engine = &self.handle.engine;
        let writer = engine.writer()?;
        match writer.failure() {
            Some(_) => engine.run_job_by_hand(writer, Job::Resume),
            None => Ok(()),
        }
    }

    /// Checks what must always hold between levels, manifest and directory.
    /// Reads no table; see [`Error::Storage`](crate::Error::Storage) for damage
    /// inside them.
    ///
    /// # Errors
    /// [`Corruption`](crate::ErrorKind::Corruption) that names the first
    /// violation.
    pub fn check_invariants(&self) -> Result<()> {
        self.handle.engine.check_invariants()
    }

    /// Takes no more writes, ends background work after the jobs that run, makes
    /// everything durable and lets the directory go. Other handles and cursors
    /// answer [`Error::Closed`](crate::Error::Closed) from then on.
    ///
    /// Dropping the last handle does the same; only this says how it went.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) when the last sync fails.
    pub fn close(&self) -> Result<()> {
        self.handle.close()
    }
}

impl Read for Db {}

impl sealed::Source for Db {
    #[allow(private_interfaces)]
    fn source(&self) -> (&Arc<Handle>, Option<Sequence>) {
        (&self.handle, None)
    }
}

/// The database as it was at one moment. Owned: it may outlive every [`Db`].
///
/// ```
/// use stage6_engine::{Db, Read};
///
/// let db = Db::builder().open_in_memory()?;
/// db.put("fig", "green")?;
/// let before = db.snapshot()?;
/// db.put("fig", "brown")?;
/// assert_eq!(before.get("fig")?.as_deref(), Some(&b"green"[..]));
/// # Ok::<(), stage6_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Snapshot {
    handle: Arc<Handle>,
    sequence: Sequence,
}

impl Snapshot {
    /// The last write that it sees.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl Read for Snapshot {}

impl sealed::Source for Snapshot {
    #[allow(private_interfaces)]
    fn source(&self) -> (&Arc<Handle>, Option<Sequence>) {
        (&self.handle, Some(self.sequence))
    }
}

/// The same moment, held once more.
impl Clone for Snapshot {
    fn clone(&self) -> Snapshot {
        self.handle.engine.snapshots.register_again(self.sequence);
        Snapshot { handle: Arc::clone(&self.handle), sequence: self.sequence }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.handle.engine.snapshots.release(self.sequence);
    }
}

/// The options of a database, to be opened. Each has a default that is good
/// without tuning.
#[derive(Debug, Clone)]
pub struct Builder {
    options: Options,
    listener: Option<Arc<dyn Listener>>,
}

impl Builder {
    /// How much memory a memtable takes before it is flushed, in bytes.
    /// Default: 8 MiB. A smaller one is searched faster and flushed more often.
    pub fn memtable_bytes(mut self, bytes: usize) -> Builder {
        self.options.memtable_bytes = bytes;
        self
    }

    /// How many full memtables may wait for their flush before writers stop. Once a
    /// third of them wait, they become one table. Default: 12. Fewer take less memory;
    /// more make larger tables, so that compactions write less.
    pub fn max_immutables(mut self, count: usize) -> Builder {
        self.options.max_immutables = count;
        self
    }

    /// The capacity of the block cache, in bytes. Default: 64 MiB.
    pub fn cache_bytes(mut self, bytes: usize) -> Builder {
        self.options.cache_bytes = bytes;
        self
    }

    /// About how many tables are kept open at once. Default: 500.
    pub fn max_open_files(mut self, count: usize) -> Builder {
        self.options.max_open_files = count;
        self
    }

    /// What [`Db::put`], [`Db::delete`] and [`Db::write`] wait for. Default:
    /// [`Durability::Buffer`].
    pub fn durability(mut self, durability: Durability) -> Builder {
        self.options.durability = durability;
        self
    }

    /// How compactions are chosen. Default:
    /// [`Leveled`](stage5_compaction::compaction::Leveled).
    pub fn strategy(mut self, strategy: impl Strategy + 'static) -> Builder {
        self.options.strategy = Arc::new(strategy);
        self
    }

    /// At how many files of level 0 writers are slowed down, and at how many they
    /// are stopped. Default: 12 and 24.
    pub fn level0_limits(mut self, slowdown_files: usize, stop_files: usize) -> Builder {
        self.options.level0_slowdown_files = slowdown_files;
        self.options.level0_stop_files = stop_files;
        self
    }

    /// The size that a block of a table stays within, in bytes, unless a single entry is
    /// larger. Default: 4,096.
    pub fn block_size_bytes(mut self, bytes: usize) -> Builder {
        self.options.tables.table.block_size_bytes = bytes;
        self
    }

    /// How blocks of new tables are compressed. Default: [`Codec::Lz4`].
    pub fn codec(mut self, codec: Codec) -> Builder {
        self.options.tables.table.codec = codec;
        self
    }

    /// The filter of new tables, or none. Default: a blocked bloom filter of 10
    /// bits a key.
    pub fn filter(mut self, filter: Option<Arc<dyn FilterPolicy>>) -> Builder {
        self.options.tables.filter = filter;
        self
    }

    /// Where time, chance and threads come from. Default:
    /// [`ThreadRuntime`](crate::ThreadRuntime).
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Builder {
        self.options.runtime = runtime;
        self
    }

    /// Who is told of flushes, compactions, stalls and failures, while they happen.
    pub fn listener(mut self, listener: Arc<dyn Listener>) -> Builder {
        self.listener = Some(listener);
        self
    }

    /// Opens for reading only: nothing is written, and any number of processes
    /// may do so at once, while no writer has it open.
    pub fn read_only(mut self) -> Builder {
        self.options.read_only = true;
        self
    }

    /// Whether a missing database is created. Default: yes.
    pub fn create_if_missing(mut self, create: bool) -> Builder {
        self.options.create_if_missing = create;
        self
    }

    /// What to make of logs that are not whole. Default:
    /// [`RecoveryMode::TolerateTornTail`], which drops what a crash tore and refuses
    /// to lose anything that was promised durable.
    ///
    /// For a night when the database says
    /// [`Corruption`](crate::ErrorKind::Corruption) and the last copy is too old:
    /// first open it [`read_only`](Builder::read_only) with
    /// [`RecoveryMode::PointInTime`], then with [`RecoveryMode::Salvage`], and read
    /// in [`recovery_report`](Db::recovery_report) what each would lose. Nothing is
    /// written so far. Then open it once with the one chosen. Every log that was read
    /// with a loss stays in the directory as `000004.log.damaged`, until you remove it;
    /// the default mode takes over again at the next open.
    ///
    /// Only logs have modes: damage to a table, the manifest or `CURRENT` is an
    /// error in each.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
    /// use stage6_engine::{Db, Read, RecoveryMode};
    ///
    /// let disk = Arc::new(SimVfs::new());
    /// let db = Db::builder().open_vfs(disk.clone())?;
    /// for fruit in ["fig", "kiwi", "plum"] {
    ///     db.put(fruit, "ripe")?;
    /// }
    /// db.close()?;
    /// let log = disk.list()?.into_iter().find(|file| matches!(file, FileId::Log(_))).unwrap();
    /// disk.corrupt(log, |bytes| bytes[32 + 7 + 5] ^= 1)?;
    ///
    /// assert!(Db::builder().open_vfs(disk.clone()).is_err());
    /// let db = Db::builder().recovery(RecoveryMode::Salvage).open_vfs(disk)?;
    /// assert_eq!(db.recovery_report().replay.lost, [1..=1]);
    /// assert_eq!(db.range(..).count(), 2);
    /// # Ok::<(), stage6_engine::Error>(())
    /// ```
    pub fn recovery(mut self, mode: RecoveryMode) -> Builder {
        self.options.recovery = mode;
        self
    }

    /// The id of a database that is created; random otherwise. With it, and a
    /// [`SimRuntime`](crate::SimRuntime), the same calls write the same bytes.
    pub fn database_id(mut self, id: u128) -> Builder {
        self.options.database_id = Some(DatabaseId(id));
        self
    }

    /// Opens the database in the directory `path`.
    ///
    /// # Errors
    /// As [`Db::open`]; [`Error::Options`](crate::Error::Options) for options
    /// that contradict each other; [`Error::NotFound`](crate::Error::NotFound)
    /// when there is none and none may be created.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        self.options.check()?;
        let path = path.as_ref();
        let vfs = if self.options.may_create() { OsVfs::create(path) } else { OsVfs::existing(path) };
        let vfs = vfs.map_err(|error| match error.is_not_found() && !self.options.may_create() {
            true => crate::Error::NotFound { directory: path.display().to_string() },
            false => crate::Error::Storage(error),
        });
        self.open_vfs(Arc::new(vfs?))
    }

    /// Opens the database in `vfs`: a simulated disk, or one of your own.
    ///
    /// # Errors
    /// As [`open`](Builder::open).
    pub fn open_vfs(self, vfs: Arc<dyn Vfs>) -> Result<Db> {
        let mut engine = recover::open(vfs, self.options)?;
        engine.listener = self.listener;
        engine.emit(|| Event::Recovered(engine.recovery.clone()));
        Ok(Db { handle: Handle::start(Arc::new(engine))? })
    }

    /// Opens a new database in memory. It is gone with its last handle.
    ///
    /// # Errors
    /// As [`open`](Builder::open), for the options.
    pub fn open_in_memory(self) -> Result<Db> {
        self.open_vfs(Arc::new(SimVfs::without_trace()))
    }
}
