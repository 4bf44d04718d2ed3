//! fjall: a log-structured merge tree with a journal and keyspaces.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engine::{Check, Engine, Outcome, Store};

/// fjall, with its defaults.
#[derive(Debug)]
pub(crate) struct Fjall;

struct Open {
    database: Database,
    keyspace: Keyspace,
}

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn package(&self) -> &'static str {
        "fjall"
    }

    fn usage(&self) -> &'static str {
        "one keyspace; `persist(PersistMode::SyncAll)` behind each write; settled by \
         `rotate_memtable_and_wait` and `major_compact`, which are public and hidden from its documentation; \
         closed by dropping; it offers no check"
    }

    fn kind(&self, file: &Path) -> &'static str {
        let within = |folder: &str| file.iter().any(|part| part == folder);
        match file.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
            name if name.ends_with(".jnl") => "journal",
            "current" => "current",
            "version" => "version marker",
            _ if within("tables") => "table",
            _ => "tree's version",
        }
    }

    fn create(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        let database = Database::builder(directory).open()?;
        let keyspace = database.keyspace("flips", KeyspaceCreateOptions::default)?;
        Ok(Box::new(Open { database, keyspace }))
    }

    fn reopen(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        self.create(directory)
    }

    fn check(&self, _: &Path) -> Check {
        Check::NotOffered
    }
}

impl Store for Open {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Outcome<()> {
        self.keyspace.insert(key, value)?;
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn delete(&mut self, key: &[u8]) -> Outcome<()> {
        self.keyspace.remove(key)?;
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn settle(self: Box<Self>) -> Outcome<Box<dyn Store>> {
        self.keyspace.rotate_memtable_and_wait()?;
        self.keyspace.major_compact()?;
        Ok(self)
    }

    fn get(&self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        Ok(self.keyspace.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Outcome<()> {
        for entry in self.keyspace.iter() {
            let (key, value) = entry.into_inner()?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}
