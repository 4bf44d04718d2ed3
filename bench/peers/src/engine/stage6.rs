//! This engine, with its defaults.
//!
//! | setting | here |
//! |---|---|
//! | durability | [`Durability::Buffer`](stage6_engine::Durability), its default, and `Sync` |
//! | compression | `codec(Codec::None)`; its default is LZ4 |
//! | cache | `cache_bytes`; its default is 64 MiB |
//! | filter | its default: blocked, of 10 bits a key |
//! | write buffer | its default: up to thirteen memtables of 8 MiB, of which four make a flush. It is measured as it comes; a cell that needs everything in the log gives it one large memtable |

use std::path::Path;

use stage6_engine::{Codec, Db, Read, WriteBatch};

use super::{Durability, Engine, Outcome, Seen, Settings};
use crate::keys::Key;

pub(super) fn open(directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
    let durability = match settings.durability {
        Durability::PageCache => stage6_engine::Durability::Buffer,
        Durability::Disk => stage6_engine::Durability::Sync,
    };
    let mut builder =
        Db::builder().durability(durability).codec(Codec::None).cache_bytes(settings.cache_bytes);
    if let Some(bytes) = settings.write_buffer_bytes {
        builder = builder.memtable_bytes(bytes);
    }
    Ok(Box::new(Stage6(builder.open(directory)?)))
}

struct Stage6(Db);

impl Engine for Stage6 {
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        self.0.put(key, value)?;
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Outcome<()> {
        self.0.delete(key)?;
        Ok(())
    }

    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
        let mut batch = WriteBatch::new();
        for (key, value) in records {
            batch.put(key, value);
        }
        self.0.write(&batch)?;
        Ok(())
    }

    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
        if let Some(value) = self.0.get(key)? {
            seen.see(key, &value);
        }
        Ok(())
    }

    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
        let mut cursor = self.0.cursor();
        cursor.seek(key);
        for _ in 0..limit {
            if !cursor.is_valid() {
                break;
            }
            seen.see(cursor.key(), cursor.value());
            cursor.next();
        }
        Ok(cursor.status()?)
    }

    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
        let mut cursor = self.0.cursor();
        cursor.seek_to_last();
        for _ in 0..limit {
            if !cursor.is_valid() {
                break;
            }
            seen.see(cursor.key(), cursor.value());
            cursor.prev();
        }
        Ok(cursor.status()?)
    }

    fn flush(&self) -> Outcome<()> {
        Ok(self.0.flush()?)
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(self.0.close()?)
    }
}
