//! What happens inside, told while it happens.
//!
//! ```text
//!   flush, compact, resume, backpressure, recovery ──▶ Event ──▶ Listener
//! ```
//!
//! A listener is called by the thread that does the work, in the middle of it.
//! It must return soon: some events are told under the write lock, and then every
//! writer waits for it. And it must not write to the database it listens to, nor
//! flush, compact, check or close it: a flush that waits for its listener, which waits
//! for the flush, waits for ever. Reading is fine, and so are `stats` and `status`.

use std::fmt;
use std::time::Duration;

use stage5_compaction::memtable::error::Error as StorageError;

use crate::counters::RecoveryReport;
use crate::pressure::Pressure;

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The database was opened.
    Recovered(RecoveryReport),
    /// Memtables begin to be written to a table.
    FlushBegun {
        /// How many memtables.
        memtables: usize,
        /// Their entries.
        entries: u64,
        /// Their memory, in bytes.
        bytes: u64,
    },
    /// They are in a table that counts.
    FlushEnded {
        /// Tables written: none if nothing in them can be read any more.
        tables: usize,
        /// Their size, in bytes.
        bytes: u64,
        /// Entries that were not written, because newer ones hide them.
        entries_hidden: u64,
        /// How long it took.
        took: Duration,
    },
    /// Tables begin to be merged.
    CompactionBegun {
        /// Why.
        reason: String,
        /// Tables read.
        tables: usize,
        /// Their size, in bytes.
        bytes: u64,
        /// The level that the outcome goes to.
        output_level: usize,
        /// Whether they only change their level.
        is_move: bool,
    },
    /// They are merged.
    CompactionEnded {
        /// Tables written; none if they were moved.
        tables: usize,
        /// Their size, in bytes.
        bytes: u64,
        /// Entries dropped, because newer ones hide them.
        entries_hidden: u64,
        /// Deletions dropped, because they hide nothing any more.
        deletions_spent: u64,
        /// How long it took.
        took: Duration,
    },
    /// Writers are pressed back in another way than before; `None`: no longer.
    PressureChanged(Option<Pressure>),
    /// Background work and writing have stopped.
    Stopped(StorageError),
    /// They go on.
    Resumed,
}

/// Somebody who is told.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Called for each event, in the thread in which it happens.
    fn on_event(&self, event: &Event);
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Recovered(report) => {
                let (batches, logs) = (report.replay.batches, report.replay.logs);
                write!(
                    f,
                    "recovered {batches} batches from {logs} logs into {} tables",
                    report.tables_written
                )
            }
            Event::FlushBegun { memtables, entries, bytes } => {
                write!(f, "flush: {memtables} memtables, {entries} entries, {bytes} bytes")
            }
            Event::FlushEnded { tables, bytes, entries_hidden, took } => {
                write!(
                    f,
                    "flushed: {tables} tables, {bytes} bytes, {entries_hidden} entries hidden, {took:.1?}"
                )
            }
            Event::CompactionBegun { reason, tables, bytes, output_level, is_move } => {
                let verb = if *is_move { "move" } else { "merge" };
                write!(f, "{verb}: {tables} tables, {bytes} bytes, to level {output_level}, because {reason}")
            }
            Event::CompactionEnded { tables, bytes, entries_hidden, deletions_spent, took } => write!(
                f,
                "merged: {tables} tables, {bytes} bytes, {entries_hidden} entries hidden, \
                 {deletions_spent} deletions spent, {took:.1?}"
            ),
            Event::PressureChanged(Some(pressure)) => {
                write!(f, "pressure {:.0} %: {}", pressure.level * 100.0, pressure.reason)
            }
            Event::PressureChanged(None) => f.write_str("pressure is gone"),
            Event::Stopped(error) => write!(f, "stopped: {error}"),
            Event::Resumed => f.write_str("resumed"),
        }
    }
}
