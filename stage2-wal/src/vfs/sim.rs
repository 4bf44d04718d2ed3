//! A directory in memory that remembers every call.
//!
//! ```text
//!   names                      inodes              trace
//!   000001.log ──────────────▶ [bytes …]           Create 000001.log
//!   CURRENT ────────┐                              Append 000001.log, 52 bytes
//!   000003.tmp ─────┴────────▶ [bytes …]           Sync 000001.log
//!                                                  …
//! ```
//!
//! Names and inodes are separate things, as on a disk: a removed file can still
//! be read by whoever has it open, and a rename moves a name, not bytes. The
//! trace is all that [`crash`](super::crash) needs to build any disk that a
//! crash may leave.
//!
//! A `SimVfs` is also what a database in memory lives in, with its trace off.
//! Closing a file never syncs it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::error::{Error, Result};
use stage1_memtable::sync::{Mutex, RwLock};

use super::crash::{Call, Image, Inode, Trace};
use super::{AppendFile, FileId, Lock, LockMode, ReadFile, Vfs};

/// A directory in memory, as a [`Vfs`]. Clones are the same directory.
///
/// A database takes one by `Builder::open_vfs`; a whole program that is tested on
/// it is `stage6-engine/examples/test_your_own.rs`.
///
/// ```
/// use stage2_wal::vfs::{FileId, SimVfs, Vfs};
///
/// let disk = SimVfs::new();
/// let log = disk.create(FileId::Log(1))?;
/// log.append(b"acknowledged")?;
/// log.sync()?;
/// disk.sync_directory()?;
/// // After the third call the bytes are durable, but the name is not.
/// disk.trace().for_each_crash(|calls, _policy, image| {
///     assert!(calls < 4 || image[&FileId::Log(1)] == "acknowledged");
///     Ok::<(), stage2_wal::memtable::Error>(())
/// })?;
/// # Ok::<(), stage2_wal::memtable::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SimVfs {
    disk: Arc<Mutex<Disk>>,
    siblings: Arc<Mutex<BTreeMap<PathBuf, SimVfs>>>,
}

#[derive(Default)]
struct Disk {
    names: BTreeMap<FileId, Arc<SimFile>>,
    next_inode: Inode,
    /// `None` when nobody asked for a trace.
    trace: Option<Trace>,
    shared_locks: usize,
    exclusive_lock: bool,
}

impl SimVfs {
    /// An empty directory that records every call.
    pub fn new() -> SimVfs {
        SimVfs::from_image(&Image::new())
    }

    /// An empty directory that records nothing: for a database in memory.
    pub fn without_trace() -> SimVfs {
        SimVfs::default()
    }

    /// A directory that holds `image`, all of it durable, and records every call
    /// from here on.
    pub fn from_image(image: &Image) -> SimVfs {
        let mut disk = Disk { trace: Some(Trace::new(image.clone())), ..Disk::default() };
        for (&file, bytes) in image {
            let sim_file = disk.new_file(bytes.to_vec());
            disk.names.insert(file, sim_file);
        }
        SimVfs { disk: Arc::new(Mutex::new(disk)), siblings: Arc::default() }
    }

    /// The directory at `path`, which shares its siblings with this one.
    pub fn sibling_at(&self, path: &Path) -> SimVfs {
        let new = || SimVfs { disk: Arc::default(), siblings: Arc::clone(&self.siblings) };
        self.siblings.lock().entry(path.to_path_buf()).or_insert_with(new).clone()
    }

    /// What the files hold now, synced or not.
    pub fn image(&self) -> Image {
        let disk = self.disk.lock();
        disk.names.iter().map(|(&file, sim)| (file, Bytes::copy_from_slice(&sim.bytes.read()))).collect()
    }

    /// How many calls were recorded so far.
    pub fn calls(&self) -> usize {
        self.disk.lock().trace.as_ref().map_or(0, |trace| trace.calls.len())
    }

    /// The calls recorded so far; empty when the trace is off.
    pub fn trace(&self) -> Trace {
        self.disk.lock().trace.clone().unwrap_or_else(|| Trace::new(Image::new()))
    }

    /// Replaces what `file` holds, behind everybody's back: bit rot, for tests.
    pub fn corrupt(&self, file: FileId, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let sim_file = self.disk.lock().find("change", file)?;
        change(&mut sim_file.bytes.write());
        Ok(())
    }
}

impl Disk {
    fn new_file(&mut self, bytes: Vec<u8>) -> Arc<SimFile> {
        let inode = self.next_inode;
        self.next_inode += 1;
        Arc::new(SimFile { inode, bytes: RwLock::new(bytes) })
    }

    fn find(&self, operation: &'static str, file: FileId) -> Result<Arc<SimFile>> {
        self.names.get(&file).cloned().ok_or_else(|| refuse(operation, file, io::ErrorKind::NotFound))
    }

    fn record(&mut self, call: impl FnOnce() -> Call) {
        if let Some(trace) = &mut self.trace {
            trace.calls.push(call());
        }
    }
}

fn refuse(operation: &'static str, file: FileId, kind: io::ErrorKind) -> Error {
    Error::io(operation, file.to_string(), io::Error::from(kind))
}

impl Vfs for SimVfs {
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
        let mut disk = self.disk.lock();
        if disk.names.contains_key(&file) {
            return Err(refuse("create", file, io::ErrorKind::AlreadyExists));
        }
        let sim_file = disk.new_file(Vec::new());
        disk.names.insert(file, Arc::clone(&sim_file));
        disk.record(|| Call::Create { file, inode: sim_file.inode });
        Ok(Arc::new(SimAppendFile { file: sim_file, disk: Arc::clone(&self.disk) }))
    }

    fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
        let sim_file = self.disk.lock().find("open", file)?;
        let length = sim_file.bytes.read().len() as u64;
        Ok(Arc::new(SimReadFile { file: sim_file, name: file.to_string(), length }))
    }

    fn rename(&self, from: FileId, to: FileId) -> Result<()> {
        let mut disk = self.disk.lock();
        let sim_file = disk.find("rename", from)?;
        disk.names.remove(&from);
        disk.names.insert(to, sim_file);
        disk.record(|| Call::Rename { from, to });
        Ok(())
    }

    fn remove(&self, file: FileId) -> Result<()> {
        let mut disk = self.disk.lock();
        disk.find("remove", file)?;
        disk.names.remove(&file);
        disk.record(|| Call::Remove { file });
        Ok(())
    }

    fn list(&self) -> Result<Vec<FileId>> {
        Ok(self.disk.lock().names.keys().copied().collect())
    }

    fn sync_directory(&self) -> Result<()> {
        self.disk.lock().record(|| Call::SyncDirectory);
        Ok(())
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        let mut disk = self.disk.lock();
        let taken = disk.exclusive_lock || (mode == LockMode::Exclusive && disk.shared_locks > 0);
        if taken {
            return Ok(None);
        }
        match mode {
            LockMode::Shared => disk.shared_locks += 1,
            LockMode::Exclusive => disk.exclusive_lock = true,
        }
        Ok(Some(Box::new(SimLock { mode, disk: Arc::clone(&self.disk) })))
    }

    fn describe(&self, file: FileId) -> String {
        file.to_string()
    }

    /// Siblings are found by their path, and record nothing.
    fn sibling(&self, path: &Path) -> Result<Arc<dyn Vfs>> {
        Ok(Arc::new(self.sibling_at(path)))
    }

    fn link(&self, file: FileId, path: &Path) -> Result<()> {
        let sim_file = self.disk.lock().find("link", file)?;
        let sibling = self.sibling_at(path);
        let mut disk = sibling.disk.lock();
        match disk.names.insert(file, sim_file) {
            None => Ok(()),
            Some(_) => Err(refuse("link", file, io::ErrorKind::AlreadyExists)),
        }
    }
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.disk.lock();
        f.debug_struct("SimVfs")
            .field("files", &disk.names.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

struct SimLock {
    mode: LockMode,
    disk: Arc<Mutex<Disk>>,
}

impl Lock for SimLock {}

impl fmt::Debug for SimLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimLock").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        match self.mode {
            LockMode::Shared => disk.shared_locks -= 1,
            LockMode::Exclusive => disk.exclusive_lock = false,
        }
    }
}

/// An inode: bytes, under whatever names.
struct SimFile {
    inode: Inode,
    bytes: RwLock<Vec<u8>>,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile")
            .field("inode", &self.inode)
            .field("bytes", &self.bytes.read().len())
            .finish()
    }
}

struct SimAppendFile {
    file: Arc<SimFile>,
    disk: Arc<Mutex<Disk>>,
}

impl fmt::Debug for SimAppendFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl AppendFile for SimAppendFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut disk = self.disk.lock();
        self.file.bytes.write().extend_from_slice(bytes);
        disk.record(|| Call::Append { inode: self.file.inode, bytes: Bytes::copy_from_slice(bytes) });
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.disk.lock().record(|| Call::Sync { inode: self.file.inode });
        Ok(())
    }

    /// Nothing is preallocated here, so there is nothing to give back.
    fn finish(&self, length: u64) -> Result<()> {
        debug_assert_eq!(
            length,
            self.file.bytes.read().len() as u64,
            "a finished file ends where it was written to"
        );
        Ok(())
    }
}

#[derive(Debug)]
struct SimReadFile {
    file: Arc<SimFile>,
    name: String,
    length: u64,
}

impl ReadFile for SimReadFile {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = self.file.bytes.read();
        // Bit rot may have cut the file since; what was appended since is not seen.
        let end = self.length.min(bytes.len() as u64);
        super::check_span(&self.name, end, offset, length)?;
        let start = offset as usize;
        Ok(Bytes::copy_from_slice(&bytes[start..start + length]))
    }

    fn len(&self) -> u64 {
        self.length
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
