//! What the user of a database may choose, with defaults that are good without
//! tuning.
//!
//! What a reader of a file must know is never here: it stands in the file. So a
//! database can be opened with other options than it was written with, and
//! gives the same answers.

use std::sync::Arc;

use stage5_compaction::bloom::filtered::FilteredTableOptions;
use stage5_compaction::compaction::{Leveled, Strategy};
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::journal::RecoveryMode;

use crate::error::{Error, Result};
use crate::runtime::{Runtime, ThreadRuntime};

/// However large the memtable, no more of the disk is taken ahead for its log.
const LARGEST_LOG_ROOM_BYTES: u64 = 64 << 20;

/// What has happened to a write when the call returns.
///
/// | survives | the process dies | the system dies | power is lost |
/// |---|---|---|---|
/// | `Buffer` | yes | no | no |
/// | `Sync` | yes | yes | yes, if the disk keeps what it acknowledged |
///
/// What is lost is always a suffix: the writes that survive are a prefix of all
/// writes, in their order, with every batch whole or absent. A `Sync` write
/// makes every write before it durable too. Other readers may see a `Sync` write
/// before it is durable; they lose it, with the writer, if the power fails
/// before the call returns.
///
/// On Linux a log is appended to through a map, if it lies on ext4, XFS or tmpfs. So a
/// program that cuts a log of a running database, or a device that fails so that its
/// file system gives up, may end the process (SIGBUS) instead of failing a write; what
/// survives then is what survives any death of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// In the operating system. The default.
    #[default]
    Buffer,
    /// On the disk. Writers that wait at the same time share one sync.
    Sync,
}

/// The choices of [`Builder`](crate::Builder). Its methods say what each means.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) memtable_bytes: usize,
    pub(crate) max_immutables: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) max_open_files: usize,
    pub(crate) durability: Durability,
    pub(crate) strategy: Arc<dyn Strategy>,
    pub(crate) level0_slowdown_files: usize,
    pub(crate) level0_stop_files: usize,
    pub(crate) tables: FilteredTableOptions,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) read_only: bool,
    pub(crate) create_if_missing: bool,
    pub(crate) recovery: RecoveryMode,
    pub(crate) database_id: Option<DatabaseId>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            memtable_bytes: 8 << 20,
            max_immutables: 12,
            cache_bytes: 64 << 20,
            max_open_files: 500,
            durability: Durability::default(),
            strategy: Arc::new(Leveled::default()),
            level0_slowdown_files: 12,
            level0_stop_files: 24,
            tables: FilteredTableOptions::default(),
            runtime: Arc::new(ThreadRuntime::default()),
            read_only: false,
            create_if_missing: true,
            recovery: RecoveryMode::default(),
            database_id: None,
        }
    }
}

impl Options {
    /// Whether a missing database is created.
    pub(crate) fn may_create(&self) -> bool {
        self.create_if_missing && !self.read_only
    }

    /// The first memtable.
    pub(crate) fn new_memtable(&self) -> MemTable {
        MemTable::for_bytes(self.memtable_bytes)
    }

    /// The memtable behind `last`.
    pub(crate) fn next_memtable(&self, last: &MemTable) -> MemTable {
        last.next_for_bytes(self.memtable_bytes)
    }

    /// At how many waiting memtables a background thread begins a flush, which takes all
    /// that wait: a third of those that may wait, so that as many again can fill while
    /// it works. A larger flush makes fewer and larger files of level 0, and merging
    /// those rewrites the level below less often: overwriting a million keys in no order
    /// writes 3.1 bytes for each byte put, log included, where flushes of one memtable
    /// and a base level of 64 MiB wrote 7.1.
    pub(crate) fn flush_at(&self) -> usize {
        (self.max_immutables / 3).max(1)
    }

    /// How long a log becomes, about: it holds what one memtable holds.
    pub(crate) fn log_room_bytes(&self) -> u64 {
        (self.memtable_bytes as u64).min(LARGEST_LOG_ROOM_BYTES)
    }

    /// How much a running database keeps unflushed, about: the memtable, and those that
    /// wait for their flush.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        (self.memtable_bytes as u64).saturating_mul(self.max_immutables as u64 + 1)
    }

    /// Errs for options that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Options { what });
        if self.memtable_bytes == 0 {
            return wrong("a memtable of 0 bytes holds nothing; give it at least one".to_owned());
        }
        if self.max_immutables == 0 {
            return wrong("0 immutable memtables leave no memtable to flush; allow at least one".to_owned());
        }
        if self.max_open_files == 0 {
            return wrong("with 0 open files no table can be read; allow at least one".to_owned());
        }
        if self.tables.table.block_size_bytes == 0 {
            return wrong("a block of 0 bytes holds nothing; give it at least one".to_owned());
        }
        if let Err(what) = self.strategy.check() {
            return wrong(what);
        }
        if self.level0_slowdown_files >= self.level0_stop_files {
            return wrong(format!(
                "writers would be stopped at {} files of level 0 before they are slowed down at {}; \
                 let them be slowed down at fewer files",
                self.level0_stop_files, self.level0_slowdown_files
            ));
        }
        if self.read_only && self.durability == Durability::Sync {
            return wrong("a database that is opened read-only has no writes to sync".to_owned());
        }
        if self.read_only && self.database_id.is_some() {
            return wrong("a database that is opened read-only has its id already".to_owned());
        }
        Ok(())
    }
}
