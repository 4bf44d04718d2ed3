//! Disks that answer a sync and leave it out: planted bugs, which the oracle must
//! notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stage6_engine::memtable::error::Result;
use stage6_engine::wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};

/// Which sync is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// That of the directory.
    Directory,
    /// That of a table.
    Table,
    /// That of a log which another log has followed.
    OlderLog,
    /// That of the file that becomes `CURRENT`.
    CurrentTemporary,
    /// That of the manifest.
    Manifest,
}

/// A disk that lies about one kind of sync.
#[derive(Debug)]
pub struct LyingVfs {
    disk: SimVfs,
    lie: Lie,
    /// The highest log that has a record in it.
    newest_log: Arc<AtomicU64>,
}

impl LyingVfs {
    /// Writes to `disk`, and lies as `lie` says.
    pub fn new(disk: SimVfs, lie: Lie) -> LyingVfs {
        LyingVfs { disk, lie, newest_log: Arc::default() }
    }
}

impl Vfs for LyingVfs {
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(LyingFile {
            inner: self.disk.create(file)?,
            file,
            lie: self.lie,
            newest_log: Arc::clone(&self.newest_log),
            appends: AtomicU64::new(0),
        }))
    }

    fn sync_directory(&self) -> Result<()> {
        if self.lie == Lie::Directory { Ok(()) } else { self.disk.sync_directory() }
    }

    fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
        self.disk.open(file)
    }

    fn rename(&self, from: FileId, to: FileId) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, file: FileId) -> Result<()> {
        self.disk.remove(file)
    }

    fn list(&self) -> Result<Vec<FileId>> {
        self.disk.list()
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

#[derive(Debug)]
struct LyingFile {
    inner: Arc<dyn AppendFile>,
    file: FileId,
    lie: Lie,
    newest_log: Arc<AtomicU64>,
    appends: AtomicU64,
}

impl LyingFile {
    fn is_left_out(&self) -> bool {
        match (self.lie, self.file) {
            (Lie::Table, FileId::Table(_))
            | (Lie::CurrentTemporary, FileId::Temporary(_))
            | (Lie::Manifest, FileId::Manifest(_)) => true,
            (Lie::OlderLog, FileId::Log(number)) => number < self.newest_log.load(Ordering::Relaxed),
            _ => false,
        }
    }
}

impl AppendFile for LyingFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        // The first append is the header: a log without a record follows nothing.
        let is_record = self.appends.fetch_add(1, Ordering::Relaxed) > 0;
        if let (FileId::Log(number), true) = (self.file, is_record) {
            self.newest_log.fetch_max(number, Ordering::Relaxed);
        }
        self.inner.append(bytes)
    }

    fn sync(&self) -> Result<()> {
        if self.is_left_out() { Ok(()) } else { self.inner.sync() }
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.inner.finish(length)
    }
}
