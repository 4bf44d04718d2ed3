//! Counts and sizes of a database that nobody has open.
//!
//! It is opened read-only for this, so what is counted from the opening on
//! (writes, flushes, merges) would all be 0 and is not shown.

use std::io::Write;

use crate::args::Inspect;
use crate::database::open_to_read;
use crate::failure::Failure;
use crate::show;

pub(crate) fn stats(args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    let db = open_to_read(&args.directory)?;
    let (stats, levels, replay) = (db.stats(), db.levels(), &db.recovery_report().replay);
    let deletions: u64 = levels.iter().flatten().map(|table| table.deletions).sum();
    let dropped: u64 = replay.dropped.iter().map(|dropped| dropped.bytes).sum();
    for (name, value) in [
        ("tables", show::number(stats.tables)),
        (
            "levels with tables",
            show::number(levels.iter().filter(|tables| !tables.is_empty()).count() as u64),
        ),
        ("bytes in tables", show::number(stats.table_bytes)),
        ("entries in tables", show::number(stats.table_entries)),
        ("deletions among them", show::number(deletions)),
        ("logs", show::number(replay.logs as u64)),
        ("batches in logs", show::number(replay.batches)),
        ("entries in logs", show::number(stats.memtable_entries)),
        ("bytes in logs that do not count", show::number(dropped)),
        ("last sequence", show::number(stats.visible_sequence)),
    ] {
        writeln!(out, "{}", show::row(name, &value))?;
    }
    Ok(())
}
