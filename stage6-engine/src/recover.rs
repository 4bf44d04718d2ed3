//! Opening: from what a crash left to a database that takes writes.
//!
//! ```text
//!   LOCK ─▶ CURRENT ─▶ manifest ─▶ version ─▶ logs: read, checked, replayed
//!                                                  │ as runs, sorted
//!                                                  ▼
//!          tables of level 0, synced ◀─────────────┘
//!              │
//!          logs that were read with a loss, copied to 000004.log.damaged, synced
//!              │                        └── only where the recovery mode accepts loss
//!          MANIFEST-n with a snapshot that already holds them, synced, promised
//!              │
//!          directory synced ─▶ CURRENT by temporary file, sync, rename, sync
//!              │                                └── this is the commit
//!          a new log ─▶ what counts no more is removed
//! ```
//!
//! - **INV-RECOVER-1** Nothing that was there is changed or removed before the
//!   commit. A crash at any point before it repeats the recovery, and one after it
//!   finds it done.
//! - **INV-RECOVER-2** File numbers begin above everything seen in the directory
//!   or named in the manifest. So no new file has the name of an orphan, and none has the
//!   number of a file that ever counted: a table that an edit named, a log with a batch in
//!   it, a manifest that `CURRENT` named. When such a file goes, the manifest's next number
//!   lies above its own. Given again is at most the number of a file that nobody relied on,
//!   and of which not even the name is left.
//! - **INV-RECOVER-3** The next sequence is the recovered one plus one. Sequences of
//!   dropped batches are used again; that is safe because their logs lie below
//!   the new floor. Where the recovery mode accepts loss, it lies above everything
//!   accepted, promised or seen (INV-REPLAY-4), and the manifest counts all below
//!   it as flushed: so the next open finds no gap, in whatever mode.
//! - **INV-RECOVER-4** A directory without `CURRENT`, but with a log, a damaged log or
//!   a table in it, is a damaged database and not an empty one: it is refused, and
//!   nothing in it is touched. A manifest alone is what a crash leaves of a creation: logs
//!   and tables come after the first commit.
//! - **INV-RECOVER-5** A log that was read with a loss is not gone: where the recovery
//!   mode accepts loss, a whole copy of it is durable before the commit, under a name
//!   that no open ever reads, overwrites or removes. At three in the morning one
//!   opens in the wrong mode, or starts the service again before anybody has
//!   looked; the bytes that a better tool might still read must outlive that. A copy
//!   and not a rename, because until the commit the log itself must stay what the
//!   next attempt reads, under the name that every mode knows.
//! - **INV-RECOVER-6** However many logs there are, those in memory at a time hold no more
//!   than a running database keeps unflushed, and one log. What goes beyond becomes
//!   a table before the next log is read. If the logs are refused after all, or cannot be
//!   kept, such tables go again.
//!
//! No entry is inserted anywhere on its way from a log to a table: a table needs them
//! sorted, and no more. A log of a million records (16 bytes and 100, in random order) took
//! 3.3 s of one processor by way of a memtable and takes 0.7 s, and a third less memory; in
//! ascending order it takes 0.7 s either way. Where the runtime has threads, two sort the
//! entries of a large log, half each, and write its tables at the same time.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::Arc;

use stage5_compaction::compaction::{DropRule, Outcome, Toll, merge_into_tables};
use stage5_compaction::file::{FileNumbers, MAX_FILE_NUMBER};
use stage5_compaction::manifest::Current;
use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::key::{MAX_SEQUENCE, Sequence};
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::memtable::sync::atomic::AtomicUsize;
use stage5_compaction::memtable::sync::{Mutex, thread};
use stage5_compaction::sstable::cache::BlockCache;
use stage5_compaction::table_cache::TableCache;
use stage5_compaction::table_writer::TableFactory;
use stage5_compaction::version::Version;
use stage5_compaction::version_set::{self, Recovered, VersionSet};
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::journal::{Journal, Log, Replay, ReplayReport};
use stage5_compaction::wal::vfs::{FileId, Lock, LockMode, Vfs};

use crate::counters::RecoveryReport;
use crate::engine::{Engine, Parts, Writer};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::run::{Run, RunCursor};
use crate::schedule::Schedule;
use crate::snapshot::Snapshots;
use crate::state::{Published, State};

/// Opens the database in `vfs`.
pub(crate) fn open(vfs: Arc<dyn Vfs>, options: Options) -> Result<Engine> {
    options.check()?;
    if !vfs.list()?.contains(&FileId::Lock) {
        // Nobody ever had it open. If it is to be refused, then without leaving a
        // lock file in it.
        look(&*vfs, &options)?;
    }
    let lock = lock(&*vfs, &options)?;
    let (files, found) = look(&*vfs, &options)?;
    let opening = Opening::new(vfs, options, found, files);
    match opening.options.read_only {
        true => opening.read_only(lock),
        false => opening.read_write(lock),
    }
}

/// What is there, unless it must be refused as it is.
fn look(vfs: &dyn Vfs, options: &Options) -> Result<(Vec<FileId>, Option<Current>)> {
    let files = vfs.list()?;
    let found = Current::read(vfs)?;
    if found.is_none() {
        check_is_empty(vfs, &files)?;
        if !options.may_create() {
            return Err(Error::NotFound { directory: directory_of(vfs) });
        }
    }
    check_numbers(vfs, &files)?;
    Ok((files, found))
}

fn directory_of(vfs: &dyn Vfs) -> String {
    let lock = vfs.describe(FileId::Lock);
    lock.strip_suffix("/LOCK").unwrap_or(&lock).to_owned()
}

fn lock(vfs: &dyn Vfs, options: &Options) -> Result<Box<dyn Lock>> {
    let mode = if options.read_only { LockMode::Shared } else { LockMode::Exclusive };
    let taken = match vfs.lock(mode) {
        Err(error) if error.is_not_found() && Current::read(vfs)?.is_some() => {
            Some(Box::new(NobodyWrites) as _)
        }
        // A directory that no writer ever had open holds no database.
        Err(error) if error.is_not_found() => return Err(Error::NotFound { directory: directory_of(vfs) }),
        result => result?,
    };
    taken.ok_or_else(|| Error::InUse { directory: directory_of(vfs) })
}

/// Stands for the lock of a copy that came without its LOCK file, a backup for
/// example: every writer makes that file first, so none has it open.
#[derive(Debug)]
struct NobodyWrites;

impl Lock for NobodyWrites {}

/// INV-RECOVER-4.
fn check_is_empty(vfs: &dyn Vfs, files: &[FileId]) -> Result<()> {
    let is_left = |file: &&FileId| matches!(file, FileId::Log(_) | FileId::DamagedLog(_) | FileId::Table(_));
    let left = files.iter().find(is_left);
    let Some(file) = left else { return Ok(()) };
    let what = format!(
        "the file is missing, but {file} is there: this was a database; \
         restore CURRENT from a copy, or choose an empty directory"
    );
    Err(Error::Storage(StorageError::corruption(vfs.describe(FileId::Current), 0, what)))
}

/// INV-RECOVER-2: there are numbers above every one that is there.
fn check_numbers(vfs: &dyn Vfs, files: &[FileId]) -> Result<()> {
    let beyond = files.iter().find(|file| file.number().is_some_and(|number| number > MAX_FILE_NUMBER));
    let Some(file) = beyond else { return Ok(()) };
    let what = "no database counts its files so far: it is not ours; move it away";
    Err(Error::Storage(StorageError::corruption(vfs.describe(*file), 0, what)))
}

/// An open under way.
struct Opening {
    vfs: Arc<dyn Vfs>,
    options: Options,
    found: Option<Current>,
    files: Vec<FileId>,
    database: DatabaseId,
    blocks: Arc<BlockCache>,
    tables: Arc<TableCache>,
}

/// What became of the logs.
struct Written {
    /// The version recovered, with their tables.
    version: Version,
    tables: Vec<FileId>,
    replay: ReplayReport,
}

/// The last sequence that new writes do not take.
fn last_sequence(replayed: &ReplayReport) -> Sequence {
    replayed.next_sequence - 1
}

impl Opening {
    fn new(vfs: Arc<dyn Vfs>, options: Options, found: Option<Current>, files: Vec<FileId>) -> Opening {
        let random = || u128::from(options.runtime.random()) << 64 | u128::from(options.runtime.random());
        let chosen = || options.database_id.unwrap_or_else(|| DatabaseId(random()));
        let database = found.map_or_else(chosen, |current| current.database);
        let blocks = Arc::new(BlockCache::new(options.cache_bytes));
        let tables = TableCache::new(Arc::clone(&vfs), database, Arc::clone(&blocks), options.max_open_files);
        Opening { vfs, options, found, files, database, blocks, tables }
    }

    /// Nothing may be written: what the logs hold goes into a memtable, sorted, which
    /// spares the most of each search for its place.
    fn read_only(self, lock: Box<dyn Lock>) -> Result<Engine> {
        let recovered = self.recover_version()?;
        let memtable = MemTable::new();
        let replay = self.replay(&recovered, |run| {
            run.sort();
            run.entries().for_each(|entry| {
                memtable.insert(entry.sequence, entry.kind, entry.key, entry.value);
            });
            Ok(())
        })?;
        let last = last_sequence(&replay);
        let damaged_logs = self.describe(self.damaged_logs_found());
        let state = State::over(memtable, Arc::new(recovered.version));
        let recovery = RecoveryReport { replay, damaged_logs, ..RecoveryReport::default() };
        Ok(self.into_engine(state, last, recovery, None, lock))
    }

    fn read_write(self, lock: Box<dyn Lock>) -> Result<Engine> {
        let recovered = self.recover_version()?;
        let numbers = FileNumbers::starting_at(self.next_file_number(&recovered));
        let factory = TableFactory {
            vfs: Arc::clone(&self.vfs),
            database: self.database,
            numbers: numbers.clone(),
            options: self.options.tables.clone(),
        };
        let Written { version, tables, replay } = self.write_tables(&recovered, &factory)?;
        let last = last_sequence(&replay);
        let kept = self.keep_damaged_logs(&replay, &numbers);
        let damaged_logs = kept.inspect_err(|_| self.discard(&tables))?;
        let log = numbers.take();
        let versions = VersionSet::commit_new(
            Arc::clone(&self.vfs),
            self.database,
            Arc::clone(&self.tables),
            numbers,
            version,
            log,
            last,
        )?;
        let journal = Journal::create_with_room(
            Arc::clone(&self.vfs),
            self.database,
            log,
            last,
            self.options.log_room_bytes(),
        )?;
        let files_removed = self.remove_orphans(&versions, log);
        let mut state = State::over(self.options.new_memtable(), Arc::clone(versions.version()));
        state.toll = Arc::new(Toll::on(versions.version(), &*self.options.strategy));
        let writer = Writer {
            journal,
            next_log: Mutex::default(),
            resuming: Mutex::default(),
            flushing: Mutex::default(),
            flushes_asked_for: AtomicUsize::default(),
            compacting: Mutex::default(),
            versions: Mutex::new(versions),
            obsolete: Mutex::default(),
            factory,
            schedule: Schedule::default(),
        };
        let recovery = RecoveryReport {
            created: self.found.is_none(),
            replay,
            tables_written: tables.len(),
            files_removed,
            damaged_logs,
        };
        Ok(self.into_engine(state, last, recovery, Some(writer), lock))
    }

    fn recover_version(&self) -> Result<Recovered> {
        match self.found {
            Some(current) => Ok(version_set::recover(&*self.vfs, current, &self.tables)?),
            None => Ok(Recovered {
                version: Version::default(),
                log_floor: 0,
                flushed_sequence: 0,
                next_file_number: 1,
            }),
        }
    }

    /// Replays the logs that count, and gives `take` what they hold, run by unsorted run
    /// (INV-RECOVER-6).
    fn replay(
        &self,
        recovered: &Recovered,
        mut take: impl FnMut(&mut Run<'_>) -> Result<()>,
    ) -> Result<ReplayReport> {
        let mut replay = Replay::begin(self.options.recovery, recovered.flushed_sequence);
        let mut numbers = self.logs_that_count(recovered).into_iter().peekable();
        while numbers.peek().is_some() {
            let logs = self.read_some(&mut numbers)?;
            let mut run = Run::for_bytes(logs.iter().map(Log::size_bytes).sum());
            for log in &logs {
                replay.follow(log, |batch| run.add(batch.entries()))?;
            }
            if !run.is_empty() {
                take(&mut run)?;
            }
        }
        Ok(replay.finish()?)
    }

    /// Their numbers, ascending.
    fn logs_that_count(&self, recovered: &Recovered) -> Vec<u64> {
        let mut logs: Vec<u64> = self
            .files
            .iter()
            .filter_map(|file| if let FileId::Log(number) = file { Some(*number) } else { None })
            .filter(|number| *number >= recovered.log_floor)
            .collect();
        logs.sort_unstable();
        logs
    }

    /// Reads the next logs, as many as may be in memory at a time.
    fn read_some(&self, numbers: &mut impl Iterator<Item = u64>) -> Result<Vec<Log>> {
        let (mut logs, mut left) = (Vec::new(), self.options.unflushed_bytes());
        while left > 0
            && let Some(number) = numbers.next()
        {
            let log = Log::read(&*self.vfs, self.database, number, self.options.recovery)?;
            left = left.saturating_sub(log.size_bytes());
            logs.push(log);
        }
        Ok(logs)
    }

    /// Above everything seen or named (INV-RECOVER-2).
    fn next_file_number(&self, recovered: &Recovered) -> u64 {
        let seen = self.files.iter().filter_map(|file| file.number()).max().unwrap_or(0);
        recovered.next_file_number.max(seen + 1).max(self.found.map_or(0, |current| current.manifest + 1))
    }

    /// Writes what the logs hold to tables of level 0. Their names become durable with
    /// the manifest's.
    fn write_tables(&self, recovered: &Recovered, factory: &TableFactory) -> Result<Written> {
        let mut tables = Vec::new();
        let mut version = recovered.version.clone();
        let replay = self.replay(recovered, |run| {
            let outcomes = self.write_run(run, &version, factory);
            let written = outcomes.iter().flatten().flat_map(|outcome| &outcome.tables);
            tables.extend(written.map(|table| FileId::Table(table.meta.number)));
            for outcome in outcomes {
                let with_table = version.apply(&outcome?.edit, &self.tables);
                version = with_table.map_err(StorageError::invalid_argument)?;
            }
            Ok(())
        });
        let replay = replay.inspect_err(|_| self.discard(&tables))?;
        Ok(Written { version, tables, replay })
    }

    /// Removes the tables of an open that fails in front of the commit.
    fn discard(&self, tables: &[FileId]) {
        tables.iter().for_each(|table| {
            let _orphan_for_the_next_open = self.vfs.remove(*table);
        });
    }

    /// Writes `run` to a table, or a large one to two at the same time, whose keys are apart:
    /// one half in a thread that ends before this returns. With a runtime of fewer than two threads
    /// it is always one.
    fn write_run(
        &self,
        run: &mut Run<'_>,
        version: &Version,
        factory: &TableFactory,
    ) -> Vec<Result<Outcome>> {
        let write = |cursor: RunCursor<'_>| {
            // Nobody reads yet: the newest version of each key is all that is needed.
            let rule = DropRule::new(&[], MAX_SEQUENCE);
            Ok(merge_into_tables(vec![cursor], version, 0, u64::MAX, rule, factory)?)
        };
        if self.options.runtime.workers() < 2 || !run.is_large() {
            run.sort();
            return vec![write(run.cursor())];
        }
        let [lower, upper] = run.halves();
        thread::scope(|scope| {
            let beside = scope.spawn(|| write(lower.sorted()));
            let upper = write(upper.sorted());
            vec![beside.join().unwrap_or_else(|panic| resume_unwind(panic)), upper]
        })
    }

    /// INV-RECOVER-5. Returns the names of all damaged logs that are there now.
    fn keep_damaged_logs(&self, report: &ReplayReport, numbers: &FileNumbers) -> Result<Vec<String>> {
        let mut kept = self.damaged_logs_found();
        if self.options.recovery.accepts_loss() {
            let damaged: BTreeSet<u64> = report.dropped.iter().map(|dropped| dropped.log).collect();
            for log in damaged {
                self.keep_damaged_log(log, numbers)?;
                kept.insert(FileId::DamagedLog(log));
            }
        }
        Ok(self.describe(kept))
    }

    /// Goes by a temporary file, so that what has the name is whole. The name
    /// becomes durable with the manifest's.
    fn keep_damaged_log(&self, log: u64, numbers: &FileNumbers) -> Result<()> {
        let bytes = self.vfs.open(FileId::Log(log))?.read_all()?;
        let kept = FileId::DamagedLog(log);
        if self.files.contains(&kept) {
            return self.check_is_copy(kept, &bytes);
        }
        let temporary = FileId::Temporary(numbers.take());
        let file = self.vfs.create(temporary)?;
        let moved = file.append(&bytes).and_then(|()| file.sync());
        let moved = moved.and_then(|()| self.vfs.rename(temporary, kept));
        Ok(moved.inspect_err(|_| {
            let _orphan_for_the_next_open = self.vfs.remove(temporary);
        })?)
    }

    /// A recovery that a crash cut short has kept the log already. Anything else
    /// under its name came here by hand, with a copy of an older state.
    fn check_is_copy(&self, kept: FileId, log: &[u8]) -> Result<()> {
        if self.vfs.open(kept)?.read_all()? == log {
            return Ok(());
        }
        let what = "another damaged log was kept under this name before: move it away";
        Err(Error::Storage(StorageError::corruption(self.vfs.describe(kept), 0, what)))
    }

    fn damaged_logs_found(&self) -> BTreeSet<FileId> {
        self.files.iter().copied().filter(|file| matches!(file, FileId::DamagedLog(_))).collect()
    }

    fn describe(&self, files: BTreeSet<FileId>) -> Vec<String> {
        files.into_iter().map(|file| self.vfs.describe(file)).collect()
    }

    /// Removes every file that the committed state does not name, except what
    /// belongs to a person (INV-RECOVER-5). What cannot be removed is left: it does
    /// no harm but to occupy space.
    fn remove_orphans(&self, versions: &VersionSet, log: u64) -> usize {
        let mut kept: BTreeSet<FileId> =
            versions.version().files().map(|(_, file)| FileId::Table(file.meta().number)).collect();
        kept.extend(self.damaged_logs_found());
        kept.extend([
            FileId::Current,
            FileId::Lock,
            FileId::Log(log),
            FileId::Manifest(versions.manifest_number()),
        ]);
        let orphans = self.files.iter().filter(|file| !kept.contains(file));
        orphans.filter(|file| self.vfs.remove(**file).is_ok()).count()
    }

    fn into_engine(
        self,
        state: State,
        last: Sequence,
        recovery: RecoveryReport,
        writer: Option<Writer>,
        lock: Box<dyn Lock>,
    ) -> Engine {
        Engine::new(Parts {
            options: self.options,
            vfs: self.vfs,
            tables: self.tables,
            blocks: self.blocks,
            published: Published::new(state),
            snapshots: Snapshots::new(last),
            recovery,
            writer,
            lock,
        })
    }
}
