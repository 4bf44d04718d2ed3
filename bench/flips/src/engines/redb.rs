//! redb: a copy-on-write B-tree in one file, without a journal.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::engine::{Check, Engine, Outcome, Store};

/// redb, with its defaults.
#[derive(Debug)]
pub(crate) struct Redb;

struct Open(Database);

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("flips");

const FILE: &str = "data.redb";

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn package(&self) -> &'static str {
        "redb"
    }

    fn usage(&self) -> &'static str {
        "one table; a transaction for each write, with the default `Durability::Immediate`; settled by \
         `compact`; closed by dropping; checked by `check_integrity`, where a repair counts as found"
    }

    fn kind(&self, _: &Path) -> &'static str {
        "the file"
    }

    fn create(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        std::fs::create_dir_all(directory)?;
        Ok(Box::new(Open(Database::create(directory.join(FILE))?)))
    }

    fn reopen(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        Ok(Box::new(Open(Database::open(directory.join(FILE))?)))
    }

    fn check(&self, directory: &Path) -> Check {
        let Ok(mut database) = Database::open(directory.join(FILE)) else { return Check::Damaged };
        match database.check_integrity() {
            Ok(true) => Check::Sound,
            Ok(false) | Err(_) => Check::Damaged,
        }
    }
}

impl Store for Open {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Outcome<()> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(TABLE)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    fn delete(&mut self, key: &[u8]) -> Outcome<()> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(TABLE)?.remove(key)?;
        Ok(transaction.commit()?)
    }

    fn settle(mut self: Box<Self>) -> Outcome<Box<dyn Store>> {
        self.0.compact()?;
        Ok(self)
    }

    fn get(&self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Outcome<()> {
        for entry in self.0.begin_read()?.open_table(TABLE)?.iter()? {
            let (key, value) = entry?;
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}
