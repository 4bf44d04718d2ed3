//! The flush: full memtables become a table, and their logs go.
//!
//! ```text
//!   immutables  M3 M2 M1 ──merge, drop──▶ one table of level 0
//!                                │
//!   VersionSet::install: table synced, directory, edit, promise, then published
//!                                │  the edit: + table, flushed sequence, log floor
//!                                ▼
//!   the logs of M1 to M3 lie below the floor: removed
//! ```
//!
//! Several waiting memtables become one table: of keys that were written in more
//! than one of them, only what somebody can still read is written.
//!
//! **INV-FLUSH-1** A log goes after the edit that puts its entries into tables is
//! durable, and a memtable is dropped only by the same publication that brings
//! its table. At every moment each acknowledged write is in a log that counts, or
//! in a table that counts.

use std::sync::Arc;

use stage5_compaction::compaction::{Outcome, merge_into_tables};
use stage5_compaction::memtable::sync::atomic::Ordering;
use stage5_compaction::source::SourceCursor;
use stage5_compaction::wal::vfs::FileId;

use crate::engine::{Engine, Writer};
use crate::error::Result;
use crate::events::Event;
use crate::state::State;

impl Engine {
    /// Flushes what is written so far and waits until it is in tables.
    pub(crate) fn flush(&self) -> Result<()> {
        let writer = self.writer()?;
        writer.schedule.check()?;
        self.rotate_if_used(writer)?;
        let wanted = self.published.load().immutables.first().map(|newest| newest.last);
        let Some(wanted) = wanted else { return Ok(()) };
        writer.flushes_asked_for.fetch_add(1, Ordering::AcqRel);
        writer.schedule.wake();
        let flushed = self.wait_until(writer, || {
            let state = self.published.load();
            state.immutables.iter().all(|waiting| waiting.last > wanted)
        });
        writer.flushes_asked_for.fetch_sub(1, Ordering::AcqRel);
        flushed
    }

    /// Flushes all memtables that wait now. Returns whether there were any.
    pub(crate) fn flush_immutables(&self, writer: &Writer) -> Result<bool> {
        let _flushing = writer.flushing.lock();
        self.check_open()?;
        let state = self.published.load_full();
        let Some(newest) = state.immutables.first() else { return Ok(false) };

        let began = self.options.runtime.now();
        self.emit(|| flush_begun(&state));
        let outcome = self.write_table(writer, &state)?;
        let flushed = newest.last;
        // Logs are numbered in their order: that of the newest memtable is the last to go.
        let floor = newest.log + 1;
        let (tables, work) = (outcome.tables.len(), outcome.work);
        self.install_flush(writer, outcome, flushed, floor)?;
        writer.journal.release_below(floor, flushed);
        let logs = state.immutables.iter().map(|immutable| FileId::Log(immutable.log));
        writer.obsolete.lock().extend(logs);
        self.emit(|| Event::FlushEnded {
            tables,
            bytes: work.bytes_written,
            entries_hidden: work.entries_hidden,
            took: self.options.runtime.now() - began,
        });
        Ok(true)
    }

    fn write_table(&self, writer: &Writer, state: &State) -> Result<Outcome> {
        let rule = self.snapshots.drop_rule();
        let memtables = state.immutables.iter().map(|immutable| immutable.memtable.cursor());
        let cursors = memtables.map(SourceCursor::Memtable).collect();
        // One table, however large: level 0 counts files.
        Ok(merge_into_tables(cursors, &state.version, 0, u64::MAX, rule, &writer.factory)?)
    }

    fn install_flush(&self, writer: &Writer, mut outcome: Outcome, flushed: u64, floor: u64) -> Result<()> {
        outcome.edit.flushed_sequence = Some(flushed);
        outcome.edit.log_floor = Some(floor);
        self.install(writer, &mut outcome, |state, version| state.flushed(floor, version))?;
        self.counters.count_flush(&outcome.work);
        Ok(())
    }

    /// Makes an outcome durable and publishes the state that `derive` makes with
    /// its version. Discards its tables when that fails, unless the edit may be
    /// durable all the same.
    pub(crate) fn install(
        &self,
        writer: &Writer,
        outcome: &mut Outcome,
        derive: impl FnOnce(&State, Arc<stage5_compaction::version::Version>) -> State,
    ) -> Result<()> {
        let mut versions = writer.versions.lock();
        let edit = std::mem::take(&mut outcome.edit);
        let installed = versions.install(&outcome.tables, edit, |version| {
            self.publish(|state| derive(state, Arc::clone(version)));
        });
        let replaced = versions.take_replaced();
        writer.obsolete.lock().extend(replaced.into_iter().map(FileId::Manifest));
        match (&installed, versions.failure()) {
            (Err(_), None) => {
                let tables = outcome.tables.iter().map(|table| FileId::Table(table.meta.number));
                writer.obsolete.lock().extend(tables);
            }
            // Whoever installed: nobody writes any more (INV-RESUME-2).
            (Err(_), Some(failure)) => drop(self.stop_with(writer, failure.clone(), true)),
            (Ok(()), _) => {}
        }
        Ok(installed?)
    }
}

fn flush_begun(state: &State) -> Event {
    let memtables = || state.immutables.iter().map(|immutable| &immutable.memtable);
    Event::FlushBegun {
        memtables: state.immutables.len(),
        entries: memtables().map(|memtable| memtable.len() as u64).sum(),
        bytes: memtables().map(|memtable| memtable.size_bytes() as u64).sum(),
    }
}
