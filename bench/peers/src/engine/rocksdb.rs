//! RocksDB, in C++, by the crate `rocksdb`.
//!
//! | setting | here |
//! |---|---|
//! | durability | its default: `write()` of each record to the log, no sync; `set_sync(true)` for `Disk` |
//! | compression | none, at every level; its default is Snappy |
//! | cache | a hyper-clock cache: the one its authors recommend where gets are many, without the mutex of the LRU cache |
//! | filter | a full bloom filter; its default is none, and no user leaves it so |
//! | write buffer | 64 MiB is its default. Its skip list is faster while it is small, so it runs a second time as `rocksdb@16` |
//! | checksum | by SSE 4.2 and PCLMUL, which it only gets if the compiler is told so |
//!
//! A get is pinned, which spares it a copy.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, Options, WriteBatch, WriteOptions,
};

use super::{Durability, Engine, FILTER_BITS, Outcome, PEERS_WRITE_BUFFER_BYTES, Seen, Settings};
use crate::keys::Key;

pub(super) fn open(directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(settings.write_buffer_bytes.unwrap_or(PEERS_WRITE_BUFFER_BYTES));
    options.set_block_based_table_factory(&tables(settings.cache_bytes));
    let mut write_options = WriteOptions::default();
    write_options.set_sync(settings.durability == Durability::Disk);
    Ok(Box::new(RocksDb { database: DB::open(&options, directory)?, write_options }))
}

fn tables(cache_bytes: usize) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_bloom_filter(f64::from(FILTER_BITS), false);
    // An estimate of 0 lets the cache find the charge of its entries itself.
    tables.set_block_cache(&Cache::new_hyper_clock_cache(cache_bytes, 0));
    tables
}

struct RocksDb {
    database: DB,
    write_options: WriteOptions,
}

/// Shows entries from where `cursor` stands, as far as `step` takes it.
fn show<'a>(
    mut cursor: DBRawIterator<'a>,
    step: fn(&mut DBRawIterator<'a>),
    limit: u64,
    seen: &mut Seen,
) -> Outcome<()> {
    for _ in 0..limit {
        let Some((key, value)) = cursor.item() else { break };
        seen.see(key, value);
        step(&mut cursor);
    }
    Ok(cursor.status()?)
}

impl Engine for RocksDb {
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        Ok(self.database.put_opt(key, value, &self.write_options)?)
    }

    fn delete(&self, key: &[u8]) -> Outcome<()> {
        Ok(self.database.delete_opt(key, &self.write_options)?)
    }

    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in records {
            batch.put(key, value);
        }
        Ok(self.database.write_opt(batch, &self.write_options)?)
    }

    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
        if let Some(value) = self.database.get_pinned(key)? {
            seen.see(key, &value);
        }
        Ok(())
    }

    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
        let mut cursor = self.database.raw_iterator();
        cursor.seek(key);
        show(cursor, DBRawIterator::next, limit, seen)
    }

    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
        let mut cursor = self.database.raw_iterator();
        cursor.seek_to_last();
        show(cursor, DBRawIterator::prev, limit, seen)
    }

    fn flush(&self) -> Outcome<()> {
        Ok(self.database.flush()?)
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}
