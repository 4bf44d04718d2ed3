//! sled: a lock-free tree on a log of segments.

use std::path::{Path, PathBuf};

use crate::engine::{Check, Engine, Outcome, Store};

/// sled, with its defaults.
#[derive(Debug)]
pub(crate) struct Sled;

struct Open {
    database: sled::Db,
    directory: PathBuf,
}

impl Engine for Sled {
    fn name(&self) -> &'static str {
        "sled"
    }

    fn package(&self) -> &'static str {
        "sled"
    }

    fn usage(&self) -> &'static str {
        "the default tree; `flush` behind each write; it has no tables, so it is settled by closing and \
         reopening, which writes its snapshot; closed by `flush` and dropping; it offers no check"
    }

    fn kind(&self, file: &Path) -> &'static str {
        match file.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
            "db" => "db",
            "conf" => "conf",
            name if name.starts_with("snap") => "snapshot",
            _ => "blob",
        }
    }

    fn create(&self, directory: &Path) -> Outcome<Box<dyn Store>> {
        Ok(Box::new(Open { database: sled::open(directory)?, directory: directory.to_path_buf() }))
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
        self.database.insert(key, value)?;
        self.database.flush()?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Outcome<()> {
        self.database.remove(key)?;
        self.database.flush()?;
        Ok(())
    }

    fn settle(self: Box<Self>) -> Outcome<Box<dyn Store>> {
        let directory = self.directory.clone();
        self.close()?;
        Sled.reopen(&directory)
    }

    fn get(&self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        Ok(self.database.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Outcome<()> {
        for entry in &*self.database {
            let (key, value) = entry?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        self.database.flush()?;
        Ok(())
    }
}
