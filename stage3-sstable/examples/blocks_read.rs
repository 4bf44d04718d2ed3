//! How few blocks a lookup reads, and what a table looks like inside.
//!
//! ```text
//!   cargo run --release -p stage3-sstable --example blocks_read
//! ```

use std::sync::Arc;
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use stage3_sstable::cache::BlockCache;
use stage3_sstable::compression::Codec;
use stage3_sstable::layout::table_layout;
use stage3_sstable::memtable::Result;
use stage3_sstable::memtable::cursor::Cursor;
use stage3_sstable::memtable::key::{InternalKey, Kind, MAX_SEQUENCE};
use stage3_sstable::memtable::lookup::{Lookup, LookupKey, Touch};
use stage3_sstable::table::{Table, TableBuilder, TableOptions};
use stage3_sstable::wal::layout::annotated_hex;
use stage3_sstable::wal::vfs::{FileId, SimVfs, Vfs};

const KEYS: u64 = 100_000;
const LOOKUPS: u64 = 200_000;
const SALT: u32 = 0x5a17;

fn builder(vfs: &SimVfs, number: u64, options: TableOptions) -> Result<TableBuilder> {
    let file = FileId::Table(number);
    Ok(TableBuilder::new(vfs.create(file)?, vfs.describe(file), SALT, options))
}

fn open(vfs: &SimVfs, number: u64, cache_bytes: usize) -> Result<Arc<Table>> {
    let cache = Arc::new(BlockCache::new(cache_bytes));
    Ok(Arc::new(Table::open(vfs.open(FileId::Table(number))?, SALT, number, cache)?))
}

fn user_key(number: u64) -> String {
    format!("key{number:013}")
}

fn write_many(vfs: &SimVfs, codec: Codec) -> Result<()> {
    let start = Instant::now();
    let mut builder = builder(vfs, codec as u64, TableOptions { codec, ..TableOptions::default() })?;
    let mut value = [0; 100];
    let mut random = SmallRng::seed_from_u64(1);
    for number in 0..KEYS {
        // Half of each value is noise, so that compression has something to do.
        random.fill(&mut value[..50]);
        builder.add(InternalKey::new(user_key(number).as_bytes(), number + 1), Kind::Value, &value)?;
    }
    let summary = builder.finish()?;
    println!(
        "{KEYS} entries, codec {codec:?}: {} blocks, {} KiB, {} ns per entry to write",
        summary.properties.data_blocks,
        summary.file_bytes >> 10,
        start.elapsed().as_nanos() / u128::from(KEYS),
    );
    Ok(())
}

/// Looks up random keys and prints what that took.
fn look_up(vfs: &SimVfs, codec: Codec, cache_bytes: usize) -> Result<()> {
    let table = open(vfs, codec as u64, cache_bytes)?;
    let mut random = SmallRng::seed_from_u64(7);
    let (mut blocks, mut from_file, start) = (0, 0, Instant::now());
    for _ in 0..LOOKUPS {
        let user_key = user_key(random.random_range(0..KEYS));
        let mut way = Vec::new();
        let _found = table.lookup(&LookupKey::new(user_key.as_bytes(), MAX_SEQUENCE), &mut way)?;
        blocks += way.len();
        from_file += way.iter().filter(|touch| matches!(touch, Touch::Block { cached: false, .. })).count();
    }
    println!(
        "  cache {:>5} KiB: {:.2} blocks searched, {:.3} read from the file, {:>5} ns per lookup",
        cache_bytes >> 10,
        blocks as f64 / LOOKUPS as f64,
        from_file as f64 / LOOKUPS as f64,
        start.elapsed().as_nanos() / u128::from(LOOKUPS),
    );
    Ok(())
}

fn scan(vfs: &SimVfs, codec: Codec) -> Result<()> {
    let mut cursor = open(vfs, codec as u64, 0)?.cursor();
    let (start, mut entries) = (Instant::now(), 0u32);
    cursor.seek_to_first();
    while cursor.is_valid() {
        entries += 1;
        cursor.next();
    }
    println!("  a scan of it all: {} ns per entry", start.elapsed().as_nanos() / u128::from(entries));
    cursor.status()
}

/// A table of two entries: its data block and its footer, every byte named.
fn dump_small(vfs: &SimVfs) -> Result<()> {
    let mut builder = builder(vfs, 7, TableOptions::default())?;
    builder.add(InternalKey::new(b"kiwi", 9), Kind::Value, b"green")?;
    builder.add(InternalKey::new(b"kiwi", 4), Kind::Deletion, b"")?;
    builder.finish()?;
    let file = vfs.open(FileId::Table(7))?;
    let text = annotated_hex(&file.read_all()?, &table_layout(Arc::clone(&file), SALT)?);
    let lines: Vec<&str> = text.lines().collect();
    let (block, footer) = (18, 11);
    println!("a table of two entries, its block and then its footer:");
    println!("{}\n…\n{}", lines[..block].join("\n"), lines[lines.len() - footer..].join("\n"));
    Ok(())
}

fn main() -> Result<()> {
    let vfs = SimVfs::without_trace();
    for codec in [Codec::None, Codec::Lz4] {
        write_many(&vfs, codec)?;
        look_up(&vfs, codec, 0)?;
        look_up(&vfs, codec, 64 << 20)?;
        scan(&vfs, codec)?;
    }
    dump_small(&vfs)
}
