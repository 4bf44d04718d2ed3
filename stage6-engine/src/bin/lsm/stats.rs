//! Counts and sizes.
//!
//! ```text
//!   read-only     what is in tables · what is in logs
//!   for writing   what is in tables · what is in memtables · what was done since
//! ```
//!
//! Opening for writing brings the logs into tables; opening read-only leaves them
//! as they are, and does nothing that could be counted.

use std::io::Write;

use stage6_engine::{Db, Mode, Stats};

use crate::args::Inspect;
use crate::database::open_to_read;
use crate::failure::Failure;
use crate::show;

/// A name, and its number in words.
type Row = (&'static str, String);

pub(crate) fn stats(args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    print(&open_to_read(&args.directory)?, out)
}

/// What an open database counts.
pub(crate) fn print(db: &Db, out: &mut dyn Write) -> Result<(), Failure> {
    let stats = db.stats();
    let rows = match db.status().mode {
        Mode::ReadOnly => [in_tables(db, &stats), in_logs(db, &stats)].concat(),
        _ => [in_tables(db, &stats), in_memory(&stats), since_the_opening(&stats)].concat(),
    };
    for (name, number) in rows {
        writeln!(out, "{}", show::row(name, &number))?;
    }
    Ok(())
}

fn in_tables(db: &Db, stats: &Stats) -> Vec<Row> {
    let levels = db.levels();
    let deletions: u64 = levels.iter().flatten().map(|table| table.deletions).sum();
    let with_tables = levels.iter().filter(|tables| !tables.is_empty()).count() as u64;
    vec![
        ("tables", show::number(stats.tables)),
        ("levels with tables", show::number(with_tables)),
        ("bytes in tables", show::number(stats.table_bytes)),
        ("entries in tables", show::number(stats.table_entries)),
        ("deletions among them", show::number(deletions)),
    ]
}

fn in_logs(db: &Db, stats: &Stats) -> Vec<Row> {
    let replay = &db.recovery_report().replay;
    let dropped: u64 = replay.dropped.iter().map(|dropped| dropped.bytes).sum();
    vec![
        ("logs", show::number(replay.logs as u64)),
        ("batches in logs", show::number(replay.batches)),
        ("entries in logs", show::number(stats.memtable_entries)),
        ("bytes in logs that do not count", show::number(dropped)),
        ("last sequence", show::number(stats.visible_sequence)),
    ]
}

fn in_memory(stats: &Stats) -> Vec<Row> {
    vec![
        ("entries in memtables", show::number(stats.memtable_entries)),
        ("bytes of memtables", show::number(stats.memtable_bytes)),
        ("bytes in the block cache", show::number(stats.cache_bytes)),
        ("last sequence", show::number(stats.visible_sequence)),
        ("durable up to", show::number(stats.durable_sequence)),
    ]
}

fn since_the_opening(stats: &Stats) -> Vec<Row> {
    vec![
        ("entries written since opened", show::number(stats.entries_written)),
        ("bytes of them", show::number(stats.bytes_written)),
        ("flushes", show::number(stats.flushes)),
        ("merges", show::number(stats.compactions)),
        ("tables moved", show::number(stats.moved_tables)),
        ("bytes written to tables", show::number(stats.flushed_bytes + stats.compaction_bytes_written)),
        ("entries dropped, hidden by newer", show::number(stats.entries_hidden)),
        ("deletions dropped, spent", show::number(stats.deletions_spent)),
        ("blocks found in the cache", show::number(stats.cache_hits)),
        ("blocks read from files", show::number(stats.cache_misses)),
    ]
}
