//! What a database says about itself: counts, sizes, levels, and how it fares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::key::Sequence;

use crate::engine::Engine;
use crate::pressure::Pressure;
use crate::schedule::Job;

/// Counts and sizes. What is counted is counted since the database was opened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Entries written by the user, deletions included.
    pub entries_written: u64,
    /// Bytes written by the user: keys, values and what a batch adds to them.
    pub bytes_written: u64,
    /// How often memtables were flushed.
    pub flushes: u64,
    /// Bytes of the tables that flushes wrote.
    pub flushed_bytes: u64,
    /// How many merges were done.
    pub compactions: u64,
    /// How many tables changed their level without being rewritten.
    pub moved_tables: u64,
    /// Bytes of the tables that compactions read.
    pub compaction_bytes_read: u64,
    /// Bytes of the tables that compactions wrote.
    pub compaction_bytes_written: u64,
    /// Entries dropped because a newer version hides them.
    pub entries_hidden: u64,
    /// Deletions dropped because they hide nothing any more.
    pub deletions_spent: u64,
    /// How often a writer was stopped by backpressure.
    pub stops: u64,
    /// How long writers were slowed down, in all.
    pub slowed_down: Duration,
    /// Entries in the memtables.
    pub memtable_entries: u64,
    /// Memory of the memtables, in bytes.
    pub memtable_bytes: u64,
    /// Full memtables that wait for their flush.
    pub waiting_memtables: u64,
    /// How many tables there are.
    pub tables: u64,
    /// The size of all tables, in bytes.
    pub table_bytes: u64,
    /// Entries in all tables, every version counted.
    pub table_entries: u64,
    /// Blocks that were found in the block cache.
    pub cache_hits: u64,
    /// Blocks that had to be read.
    pub cache_misses: u64,
    /// What the block cache holds, in bytes.
    pub cache_bytes: u64,
    /// Sequences at which snapshots protect old versions.
    pub snapshots: u64,
    /// The newest sequence that can be read.
    pub visible_sequence: Sequence,
    /// Every write up to this sequence is durable.
    pub durable_sequence: Sequence,
}

impl Stats {
    /// How many bytes were written to tables for each byte that the user wrote;
    /// the log adds one more. 0 while nothing was written.
    pub fn write_amplification(&self) -> f64 {
        if self.bytes_written == 0 {
            return 0.0;
        }
        (self.flushed_bytes + self.compaction_bytes_written) as f64 / self.bytes_written as f64
    }
}

/// A table, as its level shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableInfo {
    /// The number in its name.
    pub number: u64,
    /// Its length, in bytes.
    pub bytes: u64,
    /// Its entries, deletions included.
    pub entries: u64,
    /// Its deletions.
    pub deletions: u64,
    /// Its first user key.
    pub smallest: crate::Key,
    /// Its last user key.
    pub largest: crate::Key,
}

/// How the database fares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// Whether it takes writes.
    pub mode: Mode,
    /// How hard writers are pressed back, and why; `None` when they are not.
    pub pressure: Option<Pressure>,
    /// Jobs that are due.
    pub pending: Vec<Job>,
    /// Jobs that run now.
    pub running: Vec<Job>,
}

/// Whether a database takes writes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Mode {
    /// It does.
    ReadWrite,
    /// It was opened to be read only.
    ReadOnly,
    /// Something failed: it answers reads, and refuses writes with
    /// [`Error::Stopped`](crate::Error::Stopped).
    Stopped {
        /// What failed.
        because: StorageError,
        /// Whether only opening the database again takes up writing.
        is_final: bool,
    },
    /// It was closed.
    Closed,
}

impl Engine {
    pub(crate) fn stats(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let state = self.published.load_full();
        let memtables = || {
            std::iter::once(&state.memtable)
                .chain(state.immutables.iter().map(|immutable| &immutable.memtable))
        };
        let cache = self.blocks.stats();
        let durable = self.writer_if_any().map_or(self.snapshots.visible(), |w| w.journal.durable_sequence());
        Stats {
            entries_written: get(&counters.entries_written),
            bytes_written: get(&counters.bytes_written),
            flushes: get(&counters.flushes),
            flushed_bytes: get(&counters.flushed_bytes),
            compactions: get(&counters.compactions),
            moved_tables: get(&counters.moves),
            compaction_bytes_read: get(&counters.compaction_bytes_read),
            compaction_bytes_written: get(&counters.compaction_bytes_written),
            entries_hidden: get(&counters.entries_hidden),
            deletions_spent: get(&counters.deletions_spent),
            stops: get(&counters.stops),
            slowed_down: Duration::from_nanos(get(&counters.slept_nanos)),
            memtable_entries: memtables().map(|memtable| memtable.len() as u64).sum(),
            memtable_bytes: memtables().map(|memtable| memtable.size_bytes() as u64).sum(),
            waiting_memtables: state.immutables.len() as u64,
            tables: state.version.files().count() as u64,
            table_bytes: state.version.files().map(|(_, file)| file.meta().size_bytes).sum(),
            table_entries: state.version.files().map(|(_, file)| file.meta().entries).sum(),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            cache_bytes: cache.size_bytes,
            snapshots: self.snapshots.len() as u64,
            visible_sequence: self.snapshots.visible(),
            durable_sequence: durable,
        }
    }

    pub(crate) fn levels(&self) -> Vec<Vec<TableInfo>> {
        let version = std::sync::Arc::clone(&self.published.load().version);
        let info = |file: &std::sync::Arc<stage5_compaction::table_cache::TableFile>| {
            let meta = file.meta();
            TableInfo {
                number: meta.number,
                bytes: meta.size_bytes,
                entries: meta.entries,
                deletions: meta.deletions,
                smallest: crate::Key::copy_of(&meta.smallest.user_key),
                largest: crate::Key::copy_of(&meta.largest.user_key),
            }
        };
        version.levels().map(|(_, files)| files.iter().map(info).collect()).collect()
    }

    pub(crate) fn status(&self) -> Status {
        let mode = match (self.check_open(), self.writer_if_any()) {
            (Err(_), _) => Mode::Closed,
            (Ok(()), None) => Mode::ReadOnly,
            (Ok(()), Some(writer)) => match writer.schedule.failure() {
                Some(failure) => Mode::Stopped { because: failure.error, is_final: failure.is_final },
                None => Mode::ReadWrite,
            },
        };
        Status {
            mode,
            pressure: self.published.load().pressure,
            pending: self.pending_jobs(),
            running: self.writer_if_any().map(|writer| writer.schedule.running()).unwrap_or_default(),
        }
    }
}
