//! What the operations of a block and of a table take: building, seeking, getting, a step of a
//! scan, and the checksum of a block.
//!
//! ```sh
//! cargo bench -p stage3-sstable
//! ```
//!
//! Keys are 16 decimal digits, values 100 bytes, blocks 4 KiB. All blocks of the table are cached.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use stage3_sstable::block::{Block, BlockBuilder};
use stage3_sstable::cache::BlockCache;
use stage3_sstable::compression::Codec;
use stage3_sstable::frame::block_checksum;
use stage3_sstable::memtable::cursor::Cursor;
use stage3_sstable::memtable::error::Result;
use stage3_sstable::memtable::key::{InternalKey, Kind, MAX_SEQUENCE};
use stage3_sstable::memtable::lookup::{Lookup, LookupKey};
use stage3_sstable::table::{Table, TableBuilder, TableOptions};
use stage3_sstable::wal::vfs::{FileId, SimVfs, Vfs};

const ENTRIES: u64 = 30_000;
const SALT: u32 = 7;
const VALUE: [u8; 100] = [b'v'; 100];
const TABLE: FileId = FileId::Table(1);

fn key(number: u64) -> String {
    format!("{number:016}")
}

/// `count` keys in an order without pattern: a step that has no divisor in common with it.
fn shuffled(count: u64) -> Vec<String> {
    (0..count).map(|turn| key(turn * 18_973 % count)).collect()
}

fn build_block(entries: u64) -> Vec<u8> {
    let mut builder = BlockBuilder::new();
    for number in 0..entries {
        builder.add(InternalKey::new(key(number).as_bytes(), 1), Kind::Value, &VALUE);
    }
    builder.finish()
}

fn block(criterion: &mut Criterion) {
    const ENTRIES_OF_A_BLOCK: u64 = 35;
    criterion.bench_function("build a block of 35", |bencher| {
        bencher.iter(|| build_block(ENTRIES_OF_A_BLOCK));
    });
    let payload = build_block(ENTRIES_OF_A_BLOCK);
    criterion.bench_function("checksum of a block", |bencher| {
        bencher.iter(|| block_checksum(black_box(&payload), Codec::None.as_byte(), 4096, SALT));
    });
    let block = Block::parse(payload.into()).expect("it was just built");
    let mut cursor = block.cursor();
    let keys = shuffled(ENTRIES_OF_A_BLOCK);
    let mut keys = keys.iter().cycle();
    criterion.bench_function("seek in a block", |bencher| {
        bencher.iter(|| {
            let key = keys.next().expect("the keys never end");
            cursor.seek(InternalKey::before_all(black_box(key.as_bytes()))).expect("the block is whole");
            cursor.is_valid()
        });
    });
}

/// A table of all keys in memory.
fn write(disk: &SimVfs) -> Result<Arc<Table>> {
    let options = TableOptions { codec: Codec::None, ..TableOptions::default() };
    let mut builder = TableBuilder::new(disk.create(TABLE)?, disk.describe(TABLE), SALT, options);
    for number in 0..ENTRIES {
        builder.add(InternalKey::new(key(number).as_bytes(), 1), Kind::Value, &VALUE)?;
    }
    builder.finish()?;
    Ok(Arc::new(Table::open(disk.open(TABLE)?, SALT, 1, Arc::new(BlockCache::new(64 << 20)))?))
}

fn table(criterion: &mut Criterion) {
    criterion.bench_function("build a table of 30,000", |bencher| {
        bencher.iter(|| write(&SimVfs::without_trace()).expect("memory never fails"));
    });
    let table = write(&SimVfs::without_trace()).expect("memory never fails");
    let keys = shuffled(ENTRIES);
    let mut keys = keys.iter().cycle();
    criterion.bench_function("get from a table", |bencher| {
        bencher.iter(|| {
            let key = keys.next().expect("the keys never end");
            table.lookup(&LookupKey::new(key.as_bytes(), MAX_SEQUENCE), &mut ())
        });
    });
    let mut cursor = table.cursor();
    criterion.bench_function("step of a scan", |bencher| {
        bencher.iter(|| {
            if !cursor.is_valid() {
                cursor.seek_to_first();
            }
            black_box(cursor.value());
            cursor.next();
        });
    });
}

criterion_group!(benches, block, table);
criterion_main!(benches);
