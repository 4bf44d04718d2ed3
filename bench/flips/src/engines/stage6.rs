//! The engine of this repository.

use std::path::Path;

use stage6_engine::{Db, Durability, Read, RecoveryMode};

use crate::engine::{Check, Engine, Outcome, Store};

/// This engine, with its defaults.
#[derive(Debug)]
pub(crate) struct Stage6;

struct Open(Db);

impl Engine for Stage6 {
    fn name(&self) -> &'static str {
        "stage6"
    }

    fn package(&self) -> &'static str {
        "stage6-engine"
    }

    fn usage(&self) -> &'static str {
        "writes with `Durability::Sync`; settled by `flush` and `compact_range(..)`; reopened with the default \
         recovery mode, which tolerates a torn tail; checked by opening with `RecoveryMode::Strict` and `verify`"
    }

    fn kind(&self, file: &Path) -> &'static str {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("log") => "log",
            Some("sst") => "table",
            _ if file.to_string_lossy().starts_with("MANIFEST") => "manifest",
            _ => "CURRENT",
        }
    }

    fn create(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        Ok(Box::new(Open(Db::builder().durability(Durability::Sync).open(directory)?)))
    }

    fn reopen(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        let builder = Db::builder().durability(Durability::Sync).create_if_missing(false);
        Ok(Box::new(Open(builder.open(directory)?)))
    }

    fn check(&self, directory: &Path) -> Check {
        let opened = Db::builder().read_only().recovery(RecoveryMode::Strict).open(directory);
        match opened.and_then(|db| db.verify()) {
            Ok(report) if report.is_sound() => Check::Sound,
            Ok(_) | Err(_) => Check::Damaged,
        }
    }
}

impl Store for Open {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Outcome<()> {
        self.0.put(key, value)?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Outcome<()> {
        self.0.delete(key)?;
        Ok(())
    }

    fn settle(self: Box<Self>) -> Outcome<Box<dyn Store>> {
        self.0.flush()?;
        self.0.compact_range(..)?;
        Ok(self)
    }

    fn get(&self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        Ok(self.0.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Outcome<()> {
        for entry in self.0.range(..) {
            let (key, value) = entry?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(self.0.close()?)
    }
}
