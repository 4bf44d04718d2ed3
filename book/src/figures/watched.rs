//! A disk that looks at the database whenever it is called.
//!
//! ```text
//!   engine ──append──▶ Watched ──▶ SimVfs
//!                         └─ what can be read now? how many entries are in memory?
//! ```
//!
//! So the order of what leaves no call, an insert into the memtable or the moment in which a
//! write becomes visible, is seen between two calls that do.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::error::Result;
use stage1_memtable::key::Sequence;
use stage1_memtable::sync::Mutex;
use stage2_wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};
use stage6_engine::Db;

/// A call, and what was to be seen when it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The call, which was not yet done.
    pub call: Call,
    /// What a reader could see.
    pub visible: Sequence,
    /// How many entries the memtables held.
    pub entries: u64,
}

/// A call to the disk.
#[derive(Debug, Clone)]
pub enum Call {
    /// With the length of the file before it.
    Append(FileId, u64, Bytes),
    /// Of this file.
    Sync(FileId),
    /// None: the work was done.
    Other,
}

/// A disk in memory that watches a database.
#[derive(Clone, Default)]
pub struct Watched {
    disk: SimVfs,
    seen: Arc<Mutex<Vec<Seen>>>,
    database: Arc<Mutex<Option<Db>>>,
}

impl Watched {
    /// An empty one, which watches nobody yet.
    pub fn new() -> Watched {
        Watched { disk: SimVfs::new(), ..Watched::default() }
    }

    /// What happens on the disk while `work` is done to `db`, and after it.
    pub fn during<T>(&self, db: &Db, work: impl FnOnce() -> T) -> (T, Vec<Seen>) {
        *self.database.lock() = Some(db.clone());
        let done = work();
        self.see(Call::Other);
        *self.database.lock() = None;
        (done, std::mem::take(&mut *self.seen.lock()))
    }

    fn see(&self, call: Call) {
        let database = self.database.lock().clone();
        if let Some(db) = database {
            let (visible, entries) = (db.stats().visible_sequence, db.stats().memtable_entries);
            self.seen.lock().push(Seen { call, visible, entries });
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl Vfs for Watched {
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
        let inner = self.disk.create(file)?;
        Ok(Arc::new(WatchedFile { file, inner, length: Mutex::new(0), disk: self.clone() }))
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

    fn sync_directory(&self) -> Result<()> {
        self.disk.sync_directory()
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

struct WatchedFile {
    file: FileId,
    inner: Arc<dyn AppendFile>,
    length: Mutex<u64>,
    disk: Watched,
}

impl fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AppendFile for WatchedFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut length = self.length.lock();
        self.disk.see(Call::Append(self.file, *length, Bytes::copy_from_slice(bytes)));
        *length += bytes.len() as u64;
        self.inner.append(bytes)
    }

    fn sync(&self) -> Result<()> {
        self.disk.see(Call::Sync(self.file));
        self.inner.sync()
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.inner.finish(length)
    }
}
