//! A million keys that are not there, asked of one table: without a filter, with
//! the standard one, and with the default at different bits a key.

use std::sync::Arc;
use std::time::Instant;

use stage4_bloom::blocked::Blocked;
use stage4_bloom::bloom::Bloom;
use stage4_bloom::filtered::{FilteredTable, FilteredTableBuilder, FilteredTableOptions};
use stage4_bloom::memtable::error::Result;
use stage4_bloom::memtable::key::{InternalKey, Kind};
use stage4_bloom::memtable::lookup::{Lookup, LookupKey, Touch};
use stage4_bloom::policy::FilterPolicy;
use stage4_bloom::sstable::cache::BlockCache;
use stage4_bloom::wal::vfs::{FileId, SimVfs, Vfs};

const KEYS: u64 = 200_000;
const QUESTIONS: u64 = 1_000_000;

fn main() -> Result<()> {
    println!("{QUESTIONS} keys that are not there, asked of a table of {KEYS} keys; all blocks are cached\n");
    println!("filter             memory   passed   formula   blocks read   ns a question    time");
    let unfiltered = show("none", None, None)?;
    show("bloom, 10 bits", Some(Arc::new(Bloom::new(10))), Some(unfiltered))?;
    for bits_per_key in [6, 8, 10, 12, 16] {
        let policy = Arc::new(Blocked::new(bits_per_key));
        show(&format!("blocked, {bits_per_key} bits"), Some(policy), Some(unfiltered))?;
    }
    Ok(())
}

/// Prints one line, and gives the nanoseconds per question.
fn show(name: &str, policy: Option<Arc<dyn FilterPolicy>>, unfiltered: Option<f64>) -> Result<f64> {
    let formula = policy.as_ref().map_or(1.0, |policy| policy.false_positive_rate());
    let table = write(policy)?;
    let blocks = count_blocks(&table)?;
    let nanoseconds = time_a_question(&table)?;
    println!(
        "{name:<16} {:>4} KiB {:>7.2} % {:>7.2} % {blocks:>13} {nanoseconds:>15.0} {:>7.3}",
        table.filter_bytes() / 1024,
        100.0 * blocks as f64 / QUESTIONS as f64,
        100.0 * formula,
        nanoseconds / unfiltered.unwrap_or(nanoseconds),
    );
    Ok(nanoseconds)
}

/// A table of every sixth number.
fn write(filter: Option<Arc<dyn FilterPolicy>>) -> Result<FilteredTable> {
    let (vfs, file, salt) = (SimVfs::without_trace(), FileId::Table(2), 7);
    let options = FilteredTableOptions { filter, ..FilteredTableOptions::default() };
    let mut builder = FilteredTableBuilder::new(vfs.create(file)?, vfs.describe(file), salt, options);
    for number in 0..KEYS {
        builder.add(InternalKey::new(&user_key(6 * number), 1), Kind::Value, &[b'v'; 100])?;
    }
    builder.finish()?;
    FilteredTable::open(vfs.open(file)?, salt, 2, Arc::new(BlockCache::new(256 << 20)))
}

/// How many blocks are read when every question is asked once.
fn count_blocks(table: &FilteredTable) -> Result<usize> {
    let (mut blocks, mut touched) = (0, Vec::new());
    for key in absent_keys() {
        let _ = table.lookup(&LookupKey::new(&key, 1), &mut touched)?;
        blocks += touched.drain(..).filter(|touch| matches!(touch, Touch::Block { .. })).count();
    }
    Ok(blocks)
}

/// How long a question takes when nobody observes it, in nanoseconds.
fn time_a_question(table: &FilteredTable) -> Result<f64> {
    let keys: Vec<[u8; 16]> = absent_keys().collect();
    let start = Instant::now();
    for key in &keys {
        let _ = table.lookup(&LookupKey::new(key, 1), &mut ())?;
    }
    Ok(start.elapsed().as_nanos() as f64 / QUESTIONS as f64)
}

/// The five numbers between any two of the table, each once, in an order that
/// jumps about: 7,919 is prime.
fn absent_keys() -> impl Iterator<Item = [u8; 16]> {
    let shuffled = (0..QUESTIONS).map(|number| number * 7_919 % QUESTIONS);
    shuffled.map(|number| user_key(number / 5 * 6 + 1 + number % 5))
}

fn user_key(number: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key.copy_from_slice(format!("{number:016}").as_bytes());
    key
}
