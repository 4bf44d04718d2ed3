//! A disk that fails: the k-th call, once or from then on.
//!
//! ```text
//!   calls   0   1   2   3   4   5   6 …
//!   once    .   .   .   ✗   .   .   .       one call fails
//!   sticky  .   .   .   ✗   ✗   ✗   ✗       until clear()
//! ```
//!
//! Wraps any [`Vfs`]. All calls to it and to its files are counted, so that a
//! test can run a workload once to learn how many there are, and then once for
//! each of them with a fault in it. A fault strikes only the calls that can fail
//! in its way: a full disk does not keep anybody from reading.
//!
//! A failed sync syncs nothing, and a short write leaves half of its bytes
//! behind: what a caller may assume after an error is as little as a real disk
//! promises.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::error::{Error, Result};
use stage1_memtable::sync::Mutex;
use stage1_memtable::sync::atomic::{AtomicU64, Ordering};

use super::{AppendFile, FileId, Lock, LockMode, ReadFile, Vfs};

/// In which way a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Any call fails with an input/output error (EIO).
    Io,
    /// What needs space fails with "no space left" (ENOSPC): creations, appends,
    /// syncs.
    NoSpace,
    /// An append leaves half of its bytes, then fails for want of space.
    ShortWrite,
    /// A read finds the file shorter than it is.
    ShortRead,
    /// A sync, of a file or the directory, fails and syncs nothing.
    FailedSync,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 5] = [
        FaultKind::Io,
        FaultKind::NoSpace,
        FaultKind::ShortWrite,
        FaultKind::ShortRead,
        FaultKind::FailedSync,
    ];

    fn strikes(self, operation: Operation) -> bool {
        use Operation::{Append, Create, Read, Sync};
        match self {
            FaultKind::Io => true,
            FaultKind::NoSpace => matches!(operation, Create | Append | Sync),
            FaultKind::ShortWrite => operation == Append,
            FaultKind::ShortRead => operation == Read,
            FaultKind::FailedSync => operation == Sync,
        }
    }

    fn cause(self) -> io::Error {
        match self {
            FaultKind::NoSpace | FaultKind::ShortWrite => io::Error::from(io::ErrorKind::StorageFull),
            FaultKind::ShortRead => io::Error::from(io::ErrorKind::UnexpectedEof),
            FaultKind::Io | FaultKind::FailedSync => io::Error::other("input/output error"),
        }
    }
}

/// Which call fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// In which way.
    pub kind: FaultKind,
    /// The number of the first call that may fail, counted from 0.
    pub at_call: u64,
    /// Whether all later ones fail too.
    pub is_sticky: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Append,
    Sync,
    Read,
    Other,
}

/// A [`Vfs`] whose calls fail on demand. A whole program that is tested on it is
/// `stage6-engine/examples/test_your_own.rs`.
///
/// ```
/// use std::sync::Arc;
/// use stage2_wal::vfs::{Fault, FaultKind, FaultVfs, FileId, SimVfs, Vfs};
///
/// let disk = FaultVfs::new(Arc::new(SimVfs::new()));
/// let log = disk.create(FileId::Log(1))?;
/// disk.arm(Fault { kind: FaultKind::NoSpace, at_call: disk.calls(), is_sticky: false });
/// assert!(log.append(b"no room").unwrap_err().is_retryable());
/// log.append(b"room again")?;
/// # Ok::<(), stage2_wal::memtable::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultVfs {
    inner: Arc<dyn Vfs>,
    control: Arc<Control>,
}

#[derive(Debug, Default)]
struct Control {
    calls: AtomicU64,
    struck: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

impl FaultVfs {
    /// A disk like `inner`, without a fault.
    pub fn new(inner: Arc<dyn Vfs>) -> FaultVfs {
        FaultVfs { inner, control: Arc::default() }
    }

    /// Lets calls fail as `fault` says.
    pub fn arm(&self, fault: Fault) {
        *self.control.fault.lock() = Some(fault);
    }

    /// Lets no more calls fail.
    pub fn clear(&self) {
        *self.control.fault.lock() = None;
    }

    /// How many calls there were so far.
    pub fn calls(&self) -> u64 {
        self.control.calls.load(Ordering::SeqCst)
    }

    /// How many calls have failed so far.
    pub fn struck(&self) -> u64 {
        self.control.struck.load(Ordering::SeqCst)
    }
}

impl Control {
    /// Counts a call; the fault, if it strikes this one.
    fn count(&self, operation: Operation) -> Option<FaultKind> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = (*self.fault.lock())?;
        let is_due = if fault.is_sticky { call >= fault.at_call } else { call == fault.at_call };
        if !is_due || !fault.kind.strikes(operation) {
            return None;
        }
        self.struck.fetch_add(1, Ordering::SeqCst);
        Some(fault.kind)
    }

    /// The same, as the error of a call that does nothing when it fails.
    fn check(&self, operation: Operation, verb: &'static str, file: impl FnOnce() -> String) -> Result<()> {
        match self.count(operation) {
            Some(kind) => Err(Error::io(verb, file(), kind.cause())),
            None => Ok(()),
        }
    }
}

impl Vfs for FaultVfs {
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
        self.control.check(Operation::Create, "create", || self.describe(file))?;
        let inner = self.inner.create(file)?;
        Ok(Arc::new(FaultAppendFile { inner, name: self.describe(file), control: Arc::clone(&self.control) }))
    }

    fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
        self.control.check(Operation::Other, "open", || self.describe(file))?;
        Ok(Arc::new(FaultReadFile { inner: self.inner.open(file)?, control: Arc::clone(&self.control) }))
    }

    fn rename(&self, from: FileId, to: FileId) -> Result<()> {
        self.control.check(Operation::Other, "rename", || self.describe(from))?;
        self.inner.rename(from, to)
    }

    fn remove(&self, file: FileId) -> Result<()> {
        self.control.check(Operation::Other, "remove", || self.describe(file))?;
        self.inner.remove(file)
    }

    fn list(&self) -> Result<Vec<FileId>> {
        self.control.check(Operation::Other, "list", || "the directory".to_owned())?;
        self.inner.list()
    }

    fn sync_directory(&self) -> Result<()> {
        self.control.check(Operation::Sync, "sync", || "the directory".to_owned())?;
        self.inner.sync_directory()
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        self.control.check(Operation::Other, "lock", || self.describe(FileId::Lock))?;
        self.inner.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.inner.describe(file)
    }

    /// The sibling shares the faults and the count of calls.
    fn sibling(&self, path: &Path) -> Result<Arc<dyn Vfs>> {
        self.control.check(Operation::Other, "open the directory", || path.display().to_string())?;
        Ok(Arc::new(FaultVfs { inner: self.inner.sibling(path)?, control: Arc::clone(&self.control) }))
    }

    fn link(&self, file: FileId, path: &Path) -> Result<()> {
        self.control.check(Operation::Create, "link", || self.describe(file))?;
        self.inner.link(file, path)
    }
}

#[derive(Debug)]
struct FaultAppendFile {
    inner: Arc<dyn AppendFile>,
    name: String,
    control: Arc<Control>,
}

impl AppendFile for FaultAppendFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let Some(kind) = self.control.count(Operation::Append) else { return self.inner.append(bytes) };
        if kind == FaultKind::ShortWrite {
            self.inner.append(&bytes[..bytes.len() / 2])?;
        }
        Err(Error::io("append to", &self.name, kind.cause()))
    }

    fn sync(&self) -> Result<()> {
        self.control.check(Operation::Sync, "sync", || self.name.clone())?;
        self.inner.sync()
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.control.check(Operation::Other, "trim", || self.name.clone())?;
        self.inner.finish(length)
    }
}

#[derive(Debug)]
struct FaultReadFile {
    inner: Arc<dyn ReadFile>,
    control: Arc<Control>,
}

impl ReadFile for FaultReadFile {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.control.check(Operation::Read, "read", || self.describe())?;
        self.inner.read_at(offset, length)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::SimVfs;

    fn disk() -> (SimVfs, FaultVfs) {
        let sim = SimVfs::new();
        (sim.clone(), FaultVfs::new(Arc::new(sim)))
    }

    #[test]
    fn a_fault_strikes_once_or_until_it_is_cleared() {
        for is_sticky in [false, true] {
            let (_, disk) = disk();
            let log = disk.create(FileId::Log(1)).unwrap();
            disk.arm(Fault { kind: FaultKind::Io, at_call: disk.calls() + 1, is_sticky });
            let outcomes: Vec<bool> = (0..4).map(|_| log.append(b"x").is_ok()).collect();
            assert_eq!(outcomes, [true, false, !is_sticky, !is_sticky]);
            disk.clear();
            assert!(log.append(b"x").is_ok());
        }
    }

    #[test]
    fn a_short_write_leaves_half_and_a_failed_sync_nothing() {
        let (sim, disk) = disk();
        let log = disk.create(FileId::Log(1)).unwrap();
        disk.arm(Fault { kind: FaultKind::ShortWrite, at_call: 0, is_sticky: true });
        assert!(log.append(b"12345678").is_err());
        assert_eq!(sim.image()[&FileId::Log(1)], "1234");
        disk.arm(Fault { kind: FaultKind::FailedSync, at_call: 0, is_sticky: true });
        let calls = sim.calls();
        assert!(log.sync().is_err() && disk.sync_directory().is_err());
        assert_eq!(sim.calls(), calls, "the disk below was not asked");
    }

    #[test]
    fn a_full_disk_keeps_nobody_from_reading() {
        let (_, disk) = disk();
        disk.create(FileId::Log(1)).unwrap().append(b"text").unwrap();
        disk.arm(Fault { kind: FaultKind::NoSpace, at_call: 0, is_sticky: true });
        assert_eq!(disk.open(FileId::Log(1)).unwrap().read_all().unwrap(), "text");
        assert!(disk.create(FileId::Log(2)).is_err());
        assert!(disk.remove(FileId::Log(1)).is_ok());
    }
}
