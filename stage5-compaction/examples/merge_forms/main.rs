//! The forms of a merge side by side: nanoseconds for each entry.

use std::hint::black_box;
use std::sync::Arc;

use stage5_compaction::bloom::filtered::FilteredTableOptions;
use stage5_compaction::compaction::{DropRule, merge_into_tables};
use stage5_compaction::file::FileNumbers;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::Result;
use stage5_compaction::memtable::key::Kind;
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::merge::{Form, MergingCursor};
use stage5_compaction::source::SourceCursor;
use stage5_compaction::sstable::cache::BlockCache;
use stage5_compaction::table_cache::{TableCache, TableFile};
use stage5_compaction::table_writer::TableFactory;
use stage5_compaction::version::Version;
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::vfs::SimVfs;

mod scan;

const ENTRIES: u64 = 200_000;
const ROUNDS: usize = 15;

fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// Memtables that share the entries, evenly or nine tenths to the first.
fn memtables(sources: u64, decimal: bool, uneven: bool) -> Vec<Arc<MemTable>> {
    let tables: Vec<Arc<MemTable>> = (0..sources).map(|_| Arc::new(MemTable::new())).collect();
    for sequence in 1..=ENTRIES {
        let drawn = mix(sequence);
        let key = match decimal {
            true => format!("{:016}", drawn % 1_000_000).into_bytes(),
            false => [drawn.to_be_bytes(), mix(drawn).to_be_bytes()].concat(),
        };
        let share = mix(drawn ^ 7);
        let table = if uneven && share % 10 != 0 { 0 } else { (share >> 8) % sources };
        tables[table as usize].insert(sequence, Kind::Value, &key, &[0; 100]);
    }
    tables
}

/// The same as tables, with blocks that all lie in the cache.
fn tables(memtables: &[Arc<MemTable>]) -> Result<Vec<Arc<TableFile>>> {
    let (vfs, database) = (Arc::new(SimVfs::without_trace()), DatabaseId(1));
    let cache = TableCache::new(vfs.clone(), database, Arc::new(BlockCache::new(256 << 20)), 100);
    let (numbers, options) = (FileNumbers::starting_at(1), FilteredTableOptions::default());
    let factory = TableFactory { vfs, database, numbers, options };
    let mut files = Vec::new();
    for memtable in memtables {
        let cursors = vec![SourceCursor::Memtable(memtable.cursor())];
        let rule = DropRule::new(&[], 0);
        let outcome = merge_into_tables(cursors, &Version::default(), 0, u64::MAX, rule, &factory)?;
        files.extend(outcome.tables.into_iter().map(|table| cache.file(table.meta)));
    }
    Ok(files)
}

/// What this thread has computed so far, in nanoseconds: others share the machine.
fn on_cpu() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedstat.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn nanoseconds(mut cursor: impl Cursor) -> f64 {
    let begun = on_cpu();
    let (mut entries, mut sum) = (0u64, 0u64);
    cursor.seek_to_first();
    while cursor.is_valid() {
        entries += 1;
        sum += cursor.key().sequence;
        cursor.next();
    }
    black_box(sum);
    assert_eq!(entries, ENTRIES);
    (on_cpu() - begun) as f64 / entries as f64
}

fn main() -> Result<()> {
    println!("{:42}{:>8}{:>8}{:>8}{:>8}", "", "stood", "two-way", "linear", "heap");
    for over_tables in [true, false] {
        for uneven in [false, true] {
            for decimal in [false, true] {
                for sources in [2, 4, 8, 16, 32] {
                    measure(over_tables, uneven, decimal, sources)?;
                }
            }
        }
    }
    Ok(())
}

fn measure(over_tables: bool, uneven: bool, decimal: bool, sources: u64) -> Result<()> {
    let memtables = memtables(sources, decimal, uneven);
    let files = tables(&memtables)?;
    let cursors = || -> Result<Vec<SourceCursor>> {
        match over_tables {
            true => files.iter().map(|file| Ok(SourceCursor::Table(file.table()?.cursor()))).collect(),
            false => Ok(memtables.iter().map(|table| SourceCursor::Memtable(table.cursor())).collect()),
        }
    };
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        times[0].push(nanoseconds(scan::MergingCursor::new(cursors()?)));
        if sources == 2 {
            times[1].push(nanoseconds(MergingCursor::with_form(cursors()?, Form::TwoWay)));
        }
        times[2].push(nanoseconds(MergingCursor::with_form(cursors()?, Form::Linear)));
        times[3].push(nanoseconds(MergingCursor::with_form(cursors()?, Form::Heap)));
    }
    print!(
        "{:9} {:7} {:8} {sources:3} sources      ",
        if over_tables { "tables" } else { "memtables" },
        if uneven { "uneven" } else { "even" },
        if decimal { "decimal" } else { "random" },
    );
    for times in &mut times {
        times.sort_by(f64::total_cmp);
        print!("{:>8}", times.get(ROUNDS / 2).map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")));
    }
    println!();
    Ok(())
}
