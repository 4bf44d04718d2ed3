//! LMDB: a copy-on-write B-tree in a mapped file, in C, by the crate `heed`.
//!
//! | setting | here |
//! |---|---|
//! | durability | each write is a transaction; for `PageCache` with `MDB_NOSYNC`, which leaves out the syncs and nothing else |
//! | compression | it has none |
//! | cache | it has none of its own: all of the page cache is its cache, whatever a cell says |
//! | filter, write buffer | it has none |
//! | map | 64 GiB of addresses, more than any cell fills |
//!
//! A get opens a transaction of its own, so that it sees what was put before it, as
//! with every other engine.

// `heed` marks opening as unsafe, and nothing else that is used here.
#![allow(unsafe_code)]

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions};

use super::{Durability, Engine, Outcome, Seen, Settings};
use crate::keys::Key;

const MAP_BYTES: usize = 64 << 30;

pub(super) fn open(directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
    std::fs::create_dir_all(directory)?;
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES);
    if settings.durability == Durability::PageCache {
        // SAFETY: the flag risks the file when the system dies. It is thrown away then.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: nobody else changes the mapped file: the directory belongs to this
    // process, which opens it once.
    let environment = unsafe { options.open(directory)? };
    let mut transaction = environment.write_txn()?;
    let database = environment.create_database(&mut transaction, None)?;
    transaction.commit()?;
    Ok(Box::new(Lmdb { environment, database }))
}

struct Lmdb {
    environment: Env,
    database: Database<Bytes, Bytes>,
}

impl Engine for Lmdb {
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        let mut transaction = self.environment.write_txn()?;
        self.database.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Outcome<()> {
        let mut transaction = self.environment.write_txn()?;
        self.database.delete(&mut transaction, key)?;
        Ok(transaction.commit()?)
    }

    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
        let mut transaction = self.environment.write_txn()?;
        for (key, value) in records {
            self.database.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
        let transaction = self.environment.read_txn()?;
        if let Some(value) = self.database.get(&transaction, key)? {
            seen.see(key, value);
        }
        Ok(())
    }

    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
        let transaction = self.environment.read_txn()?;
        let from = (if key.is_empty() { Bound::Unbounded } else { Bound::Included(key) }, Bound::Unbounded);
        for entry in self.database.range(&transaction, &from)?.take(usize::try_from(limit)?) {
            let (key, value) = entry?;
            seen.see(key, value);
        }
        Ok(())
    }

    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
        let transaction = self.environment.read_txn()?;
        for entry in self.database.rev_iter(&transaction)?.take(usize::try_from(limit)?) {
            let (key, value) = entry?;
            seen.see(key, value);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        self.environment.prepare_for_closing().wait();
        Ok(())
    }
}
