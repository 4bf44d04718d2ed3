//! Replay: from the logs that a crash left to the batches that count.
//!
//! ```text
//!   000004.log  [11..13][14][15..20]  ✂ torn
//!   000005.log  [21][22..23]  promise 20  [24]
//!                │                   └─ P = 20: the highest promise of all logs
//!                └─ follows 20: the chain goes on into the next log
//!
//!   flushed = 13:  11..13 skipped · 14 … 24 accepted · 24 ≥ P: sound
//! ```
//!
//! **INV-REPLAY-1** What is accepted is a chain: each batch begins one behind the
//! last accepted, beginning behind the flushed sequence. Damage ends a log; if
//! the next log continues the chain, replay goes on there; a gap ends it. So
//! what is recovered has no hole.
//!
//! **INV-REPLAY-2** A chain that ends below the highest promise is corruption, and
//! not a torn tail: somebody was told that the missing batches are durable.
//! Above the highest promise any loss is legal, because a power cut may take
//! unsynced pages in any order; what was dropped is reported.
//!
//! What no protocol can tell from a torn tail: damage that takes a record
//! together with every promise covering it, at the end of the newest log.

use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::Sequence;

use crate::batch::Batch;
use crate::identity::{DatabaseId, file_salt};
use crate::log::reader::read_log;
use crate::log::{End, LogContents};
use crate::vfs::{FileId, Vfs};

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// How many logs were read.
    pub logs: usize,
    /// How many batches were accepted.
    pub batches: u64,
    /// The sequence of the last batch accepted, or the flushed sequence.
    pub last_sequence: Sequence,
    /// The highest promise found; 0 if there was none.
    pub promised: Sequence,
    /// What was in the logs and does not count.
    pub dropped: Vec<Dropped>,
}

/// A stretch of a log that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The log.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Why it does not count.
    pub what: String,
}

/// Replays `logs` (numbers, ascending, none below the manifest's log floor) and
/// calls `accept` with each batch behind `flushed`, in order.
///
/// # Errors
/// [`Error::Corruption`] when the chain ends below a promise, or when a record
/// with a sound checksum is no batch. That of reading a file. `accept` may have
/// been called before.
pub fn replay(
    vfs: &dyn Vfs,
    database: DatabaseId,
    logs: &[u64],
    flushed: Sequence,
    accept: impl FnMut(Batch<'_>),
) -> Result<ReplayReport> {
    debug_assert!(logs.is_sorted(), "logs are replayed in the order of their numbers");
    let logs = logs.iter().map(|&number| Log::read(vfs, database, number)).collect::<Result<Vec<_>>>()?;
    let promised = logs.iter().filter_map(|log| log.contents.promised).max().unwrap_or_default();
    let report =
        ReplayReport { logs: logs.len(), last_sequence: flushed, promised, ..ReplayReport::default() };
    let mut chain = Chain { flushed, accept, report, gap: None };
    for log in &logs {
        chain.follow(log)?;
    }
    chain.finish()
}

struct Log {
    name: String,
    contents: LogContents,
}

impl Log {
    fn read(vfs: &dyn Vfs, database: DatabaseId, number: u64) -> Result<Log> {
        let file = vfs.open(FileId::Log(number))?;
        let contents = read_log(&*file, number, file_salt(database, number))?;
        Ok(Log { name: file.describe(), contents })
    }

    fn dropped_from(&self, offset: u64, what: &str) -> Dropped {
        let bytes = self.contents.file_bytes.saturating_sub(offset);
        Dropped { file: self.name.clone(), offset, bytes, what: what.to_owned() }
    }
}

struct Chain<F> {
    flushed: Sequence,
    accept: F,
    report: ReplayReport,
    /// The place behind which nothing counts: a file, an offset.
    gap: Option<(String, u64)>,
}

impl<F: FnMut(Batch<'_>)> Chain<F> {
    fn follow(&mut self, log: &Log) -> Result<()> {
        for record in &log.contents.records {
            if self.gap.is_some() {
                self.report.dropped.push(log.dropped_from(record.offset, "it lies behind a gap"));
                return Ok(());
            }
            let batch = Batch::decode(&record.payload).map_err(|error| {
                Error::corruption(&log.name, record.offset, format!("a record is no batch: {error}"))
            })?;
            self.take(batch, log, record.offset);
        }
        if let End::Damaged(damage) = &log.contents.end {
            self.report.dropped.push(log.dropped_from(damage.offset as u64, &damage.what));
        }
        Ok(())
    }

    /// At or below the flushed sequence: skipped. Next in the chain: accepted.
    /// Anything else: a gap.
    fn take(&mut self, batch: Batch<'_>, log: &Log, offset: u64) {
        if batch.last_sequence() <= self.flushed {
            return;
        }
        let expected = self.report.last_sequence + 1;
        if batch.first_sequence() == expected {
            self.report.last_sequence = batch.last_sequence();
            self.report.batches += 1;
            (self.accept)(batch);
            return;
        }
        let what = format!("sequence {expected} is missing before {}", batch.first_sequence());
        self.report.dropped.push(log.dropped_from(offset, &what));
        self.gap = Some((log.name.clone(), offset));
    }

    fn finish(self) -> Result<ReplayReport> {
        let ReplayReport { last_sequence, promised, .. } = self.report;
        if last_sequence >= promised {
            return Ok(self.report);
        }
        let first_dropped = self.report.dropped.first();
        let (file, offset, why) = match (first_dropped, self.gap) {
            (Some(dropped), _) => (dropped.file.clone(), dropped.offset, dropped.what.clone()),
            (None, Some((file, offset))) => (file, offset, "a gap".to_owned()),
            (None, None) => ("the journal".to_owned(), 0, "a log is missing or cut short".to_owned()),
        };
        let what = format!(
            "the batches end at sequence {last_sequence}, but up to {promised} was promised durable ({why}); \
             restore the database from a copy"
        );
        Err(Error::corruption(file, offset, what))
    }
}
