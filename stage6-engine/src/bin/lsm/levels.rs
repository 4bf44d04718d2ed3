//! The levels as a picture.
//!
//! ```text
//!   level 0  ███                  3 tables    712 KiB    5,123 entries
//!   level 5  █████████            5 tables    2.4 MiB   19,870 entries
//!   level 6  ████████████████    23 tables   11.3 MiB  124,236 entries
//! ```
//!
//! Levels without tables are left out: with dynamic level sizes they are those
//! between level 0 and the base level.

use std::io::Write;

use stage6_engine::{Db, TableInfo};

use crate::args::Inspect;
use crate::database::open_to_read;
use crate::failure::Failure;
use crate::show;

/// How long the longest bar is.
pub(crate) const BAR_COLUMNS: usize = 44;

pub(crate) fn levels(args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    draw(&open_to_read(&args.directory)?, out)
}

/// Draws the levels of an open database; the largest has the longest bar.
pub(crate) fn draw(db: &Db, out: &mut dyn Write) -> Result<(), Failure> {
    let levels = db.levels();
    let largest = levels.iter().map(|tables| bytes(tables)).max().unwrap_or(0);
    for line in picture(&levels, largest) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A line for each level that has tables. A level of `full_bytes` has the
/// longest bar.
pub(crate) fn picture(levels: &[Vec<TableInfo>], full_bytes: u64) -> Vec<String> {
    if levels.iter().all(Vec::is_empty) {
        return vec!["no tables yet: everything is in the log and the memtable".to_owned()];
    }
    let with_tables = levels.iter().enumerate().filter(|(_, tables)| !tables.is_empty());
    with_tables.map(|(level, tables)| line(level, tables, full_bytes)).collect()
}

fn line(level: usize, tables: &[TableInfo], full_bytes: u64) -> String {
    let entries: u64 = tables.iter().map(|table| table.entries).sum();
    format!(
        "level {level}  {:BAR_COLUMNS$}  {:>10}  {:>9}  {:>15}",
        "█".repeat(bar_length(bytes(tables), full_bytes)),
        show::counted(tables.len() as u64, "table"),
        show::size(bytes(tables)),
        format!("{} entries", show::number(entries)),
    )
}

/// In proportion, but never nothing for something.
fn bar_length(bytes: u64, full_bytes: u64) -> usize {
    let share = bytes as f64 / full_bytes.max(1) as f64;
    ((share * BAR_COLUMNS as f64).round() as usize).clamp(1, BAR_COLUMNS)
}

pub(crate) fn bytes(tables: &[TableInfo]) -> u64 {
    tables.iter().map(|table| table.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_in_proportion_and_never_nothing() {
        assert_eq!([1, 500, 1_000, 2_000].map(|bytes| bar_length(bytes, 1_000)), [1, 22, 44, 44]);
        assert_eq!(bar_length(0, 0), 1);
    }
}
