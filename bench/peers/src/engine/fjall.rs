//! fjall: a log-structured merge tree in Rust, with a journal and keyspaces.
//!
//! | setting | here |
//! |---|---|
//! | durability | its default hands each write to the operating system; `persist(SyncData)` behind each for `Disk` |
//! | compression | none: its feature `lz4` is not compiled in |
//! | cache | `cache_size` |
//! | filter | 10 bits a key, its default, said aloud |
//! | write buffer | `max_memtable_size`; its default is 64 MiB |

use std::path::Path;

use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Durability, Engine, FILTER_BITS, Outcome, PEERS_WRITE_BUFFER_BYTES, Seen, Settings};
use crate::keys::Key;

pub(super) fn open(directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
    let buffer = settings.write_buffer_bytes.unwrap_or(PEERS_WRITE_BUFFER_BYTES);
    let filter = BloomConstructionPolicy::BitsPerKey(f32::from(FILTER_BITS));
    let database = Database::builder(directory).cache_size(settings.cache_bytes as u64).open()?;
    let keyspace = database.keyspace("records", || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(buffer as u64)
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(filter)))
    })?;
    Ok(Box::new(Fjall { database, keyspace, durability: settings.durability }))
}

struct Fjall {
    database: Database,
    keyspace: Keyspace,
    durability: Durability,
}

impl Fjall {
    fn settle_debt(&self) -> Outcome<()> {
        if self.durability == Durability::Disk {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

fn show(entries: impl Iterator<Item = Guard>, limit: u64, seen: &mut Seen) -> Outcome<()> {
    for entry in entries.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        let (key, value) = entry.into_inner()?;
        seen.see(&key, &value);
    }
    Ok(())
}

impl Engine for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        self.keyspace.insert(key, value)?;
        self.settle_debt()
    }

    fn delete(&self, key: &[u8]) -> Outcome<()> {
        self.keyspace.remove(key)?;
        self.settle_debt()
    }

    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
        let mut batch = self.database.batch();
        for (key, value) in records {
            batch.insert(&self.keyspace, &key[..], *value);
        }
        batch.commit()?;
        self.settle_debt()
    }

    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
        if let Some(value) = self.keyspace.get(key)? {
            seen.see(key, &value);
        }
        Ok(())
    }

    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
        show(self.keyspace.range(key..), limit, seen)
    }

    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
        show(self.keyspace.iter().rev(), limit, seen)
    }

    fn flush(&self) -> Outcome<()> {
        Ok(self.keyspace.rotate_memtable_and_wait()?)
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}
