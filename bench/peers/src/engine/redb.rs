//! redb: a copy-on-write B-tree in one file, in Rust.
//!
//! | setting | here |
//! |---|---|
//! | durability | each write is a transaction with `Durability::Immediate`, its default: pages and header are written to the file. `Disk` syncs the file too; `PageCache` leaves out that one call, by a backend. Its own `Durability::None` would keep writes in the process, and lose them with it |
//! | compression | it has none |
//! | cache | `set_cache_size` |
//! | filter, write buffer | it has none |

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::{Durability, Engine, Outcome, Seen, Settings};
use crate::keys::Key;

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

pub(super) fn open(directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
    std::fs::create_dir_all(directory)?;
    let mut builder = Database::builder();
    builder.set_cache_size(settings.cache_bytes);
    let file = file(directory)?;
    let database = match settings.durability {
        Durability::Disk => builder.create_file(file)?,
        Durability::PageCache => builder.create_with_backend(Unsynced(FileBackend::new(file)?))?,
    };
    let transaction = database.begin_write()?;
    transaction.open_table(TABLE)?;
    transaction.commit()?;
    Ok(Box::new(Redb(database)))
}

fn file(directory: &Path) -> io::Result<File> {
    let path = directory.join("records.redb");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// A file that is written and never synced.
#[derive(Debug)]
struct Unsynced(FileBackend);

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

struct Redb(Database);

impl Engine for Redb {
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(TABLE)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Outcome<()> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(TABLE)?.remove(key)?;
        Ok(transaction.commit()?)
    }

    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
        let transaction = self.0.begin_write()?;
        let mut table = transaction.open_table(TABLE)?;
        for (key, value) in records {
            table.insert(&key[..], *value)?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
        if let Some(value) = self.0.begin_read()?.open_table(TABLE)?.get(key)? {
            seen.see(key, value.value());
        }
        Ok(())
    }

    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        for entry in table.range(key..)?.take(usize::try_from(limit)?) {
            let (key, value) = entry?;
            seen.see(key.value(), value.value());
        }
        Ok(())
    }

    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        for entry in table.iter()?.rev().take(usize::try_from(limit)?) {
            let (key, value) = entry?;
            seen.see(key.value(), value.value());
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}
