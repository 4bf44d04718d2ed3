//! A disk that fails when it is told to, and counts who writes to it after its
//! lock is gone.

use std::io::{Error as IoError, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use stage6_engine::memtable::error::{Error, Result};
use stage6_engine::wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};

/// Which files are meant.
pub(crate) type Files = fn(FileId) -> bool;

/// Which calls fail: the operation, and on which files.
pub(crate) type Fault = (&'static str, Files);

/// A simulated disk with a fault that comes and goes. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyVfs {
    pub(crate) disk: SimVfs,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    is_locked: AtomicBool,
    writes_without_lock: AtomicUsize,
    gate: Gate,
}

/// Holds up the creation of files while it is shut for them.
#[derive(Debug, Default)]
struct Gate {
    is_shut_for: Mutex<Option<Files>>,
    somebody_waits: AtomicBool,
    changed: Condvar,
}

pub(crate) fn is_table(file: FileId) -> bool {
    matches!(file, FileId::Table(_))
}

pub(crate) fn is_log(file: FileId) -> bool {
    matches!(file, FileId::Log(_))
}

pub(crate) fn is_manifest(file: FileId) -> bool {
    matches!(file, FileId::Manifest(_))
}

impl FaultyVfs {
    /// From now on, `operation` fails on the files that `on` names.
    pub(crate) fn fail(&self, operation: &'static str, on: Files) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((operation, on));
    }

    /// Nothing fails any more.
    pub(crate) fn mend(&self) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whoever creates a file that `files` names waits until the gate opens.
    pub(crate) fn shut_gate(&self, files: Files) {
        *self.shared.gate.is_shut_for.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
    }

    pub(crate) fn open_gate(&self) {
        *self.shared.gate.is_shut_for.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.gate.changed.notify_all();
    }

    /// Whether somebody waits at the gate.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.shared.gate.somebody_waits.load(Ordering::Acquire)
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.shared.is_locked.load(Ordering::Acquire)
    }

    /// How many changes were made while nobody held the lock.
    pub(crate) fn writes_without_lock(&self) -> usize {
        self.shared.writes_without_lock.load(Ordering::Acquire)
    }

    fn check(&self, operation: &'static str, file: FileId) -> Result<()> {
        self.shared.check(operation, file)
    }

    fn pass_gate(&self, file: FileId) {
        let gate = &self.shared.gate;
        let mut is_shut_for = gate.is_shut_for.lock().unwrap_or_else(PoisonError::into_inner);
        while is_shut_for.is_some_and(|holds| holds(file)) {
            gate.somebody_waits.store(true, Ordering::Release);
            is_shut_for = gate.changed.wait(is_shut_for).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn check(&self, operation: &'static str, file: FileId) -> Result<()> {
        let is_change = !matches!(operation, "open" | "read");
        if is_change && !self.is_locked.load(Ordering::Acquire) {
            self.writes_without_lock.fetch_add(1, Ordering::AcqRel);
        }
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some((failing, on)) if failing == operation && on(file) => {
                Err(Error::io(operation, file.to_string(), IoError::from(ErrorKind::StorageFull)))
            }
            _ => Ok(()),
        }
    }
}

impl Vfs for FaultyVfs {
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
        self.pass_gate(file);
        self.check("create", file)?;
        Ok(Arc::new(FaultyFile { file, inner: self.disk.create(file)?, shared: Arc::clone(&self.shared) }))
    }

    fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
        self.check("open", file)?;
        Ok(Arc::new(FaultyReader { file, inner: self.disk.open(file)?, shared: Arc::clone(&self.shared) }))
    }

    fn rename(&self, from: FileId, to: FileId) -> Result<()> {
        self.check("rename", from)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, file: FileId) -> Result<()> {
        self.check("remove", file)?;
        self.disk.remove(file)
    }

    fn list(&self) -> Result<Vec<FileId>> {
        self.disk.list()
    }

    fn sync_directory(&self) -> Result<()> {
        self.check("sync the directory of", FileId::Lock)?;
        self.disk.sync_directory()
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        let lock = self.disk.lock(mode)?;
        let guard = |inner| -> Box<dyn Lock> {
            self.shared.is_locked.store(true, Ordering::Release);
            Box::new(Guard { _inner: inner, shared: Arc::clone(&self.shared) })
        };
        Ok(lock.map(guard))
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

#[derive(Debug)]
struct Guard {
    _inner: Box<dyn Lock>,
    shared: Arc<Shared>,
}

impl Lock for Guard {}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.is_locked.store(false, Ordering::Release);
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: FileId,
    inner: Arc<dyn AppendFile>,
    shared: Arc<Shared>,
}

impl AppendFile for FaultyFile {
    /// A failing append leaves half of its bytes, as a full disk does.
    fn append(&self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.shared.check("append to", self.file) {
            self.inner.append(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.append(bytes)
    }

    fn sync(&self) -> Result<()> {
        self.shared.check("sync", self.file)?;
        self.inner.sync()
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.inner.finish(length)
    }
}

#[derive(Debug)]
struct FaultyReader {
    file: FileId,
    inner: Arc<dyn ReadFile>,
    shared: Arc<Shared>,
}

impl ReadFile for FaultyReader {
    fn read_at(&self, offset: u64, length: usize) -> Result<bytes::Bytes> {
        self.shared.check("read", self.file)?;
        self.inner.read_at(offset, length)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
