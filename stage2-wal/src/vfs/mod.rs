//! The one way to the disk.
//!
//! ```text
//!   journal, manifest, tables
//!        │  FileId: a kind and a number, never a path
//!        ▼
//!   trait Vfs ──┬── OsVfs     one directory of the operating system
//!               ├── SimVfs    in memory, with a trace of every call, from which
//!               │             every disk that a crash may leave can be built
//!               └── FaultVfs  another one, whose k-th call fails
//! ```
//!
//! A [`Vfs`] is one directory. Files in it are addressed by a typed [`FileId`],
//! so nothing that is read from a file can ever become a path. A file is
//! appended to by the one who created it and read by everyone else: what was
//! appended is never cut off or written again, and no file is reopened for append,
//! so a file whose writer is gone never changes again.
//!
//! What the layers above may rely on, and nothing more:
//!
//! - **INV-VFS-1** Bytes that were appended before a call of [`AppendFile::sync`]
//!   are durable once that call has returned without error.
//! - **INV-VFS-2** A name that was created, renamed or removed before a call of
//!   [`Vfs::sync_directory`] is durable once that call has returned without error.
//! - **INV-VFS-3** [`Vfs::rename`] replaces its target in one step: a crash
//!   leaves the old file or the new one under that name.
//! - After a crash without these, any subset of the unsynced 4 KiB pages and any
//!   prefix or subset of the unsynced names may be there.

pub mod crash;
#[cfg(target_os = "linux")]
mod mapped;
pub mod os;
pub mod sim;
pub mod fault;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::error::{Error, Result};

pub use fault::{Fault, FaultKind, FaultVfs};
pub use os::OsVfs;
pub use sim::SimVfs;

/// The name of a file in a database's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileId {
    /// `CURRENT`: names the manifest that counts.
    Current,
    /// `LOCK`: holds no bytes; whoever has it locked owns the directory.
    Lock,
    /// `MANIFEST-000003`: a log of version edits.
    Manifest(u64),
    /// `000001.log`: a log of batches.
    Log(u64),
    /// `000001.log.damaged`: a log that was read with losses, kept for a person to
    /// look at. Nothing reads it, and only a person removes it.
    DamagedLog(u64),
    /// `000002.sst`: a sorted table.
    Table(u64),
    /// `000003.tmp`: a file on its way to another name.
    Temporary(u64),
}

impl FileId {
    /// The file that `name` names, or `None` for a name that is not ours. Only
    /// the exact spelling counts: `1.log` is a foreign file.
    pub fn parse(name: &str) -> Option<FileId> {
        let file = match name {
            "CURRENT" => FileId::Current,
            "LOCK" => FileId::Lock,
            _ => match (name.strip_prefix("MANIFEST-"), name.split_once('.')) {
                (Some(number), _) => FileId::Manifest(number.parse().ok()?),
                (_, Some((number, "log"))) => FileId::Log(number.parse().ok()?),
                (_, Some((number, "log.damaged"))) => FileId::DamagedLog(number.parse().ok()?),
                (_, Some((number, "sst"))) => FileId::Table(number.parse().ok()?),
                (_, Some((number, "tmp"))) => FileId::Temporary(number.parse().ok()?),
                _ => return None,
            },
        };
        (file.to_string() == name).then_some(file)
    }

    /// The number in the name, if it has one.
    pub fn number(self) -> Option<u64> {
        match self {
            FileId::Current | FileId::Lock => None,
            FileId::Manifest(n)
            | FileId::Log(n)
            | FileId::DamagedLog(n)
            | FileId::Table(n)
            | FileId::Temporary(n) => Some(n),
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileId::Current => f.write_str("CURRENT"),
            FileId::Lock => f.write_str("LOCK"),
            FileId::Manifest(number) => write!(f, "MANIFEST-{number:06}"),
            FileId::Log(number) => write!(f, "{number:06}.log"),
            FileId::DamagedLog(number) => write!(f, "{number:06}.log.damaged"),
            FileId::Table(number) => write!(f, "{number:06}.sst"),
            FileId::Temporary(number) => write!(f, "{number:06}.tmp"),
        }
    }
}

/// Who else may hold the directory's lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Other readers: for a database opened read-only.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A held lock. Dropping it releases the directory.
pub trait Lock: fmt::Debug + Send + Sync {}

/// One directory of files.
///
/// All methods may be called from several threads at once. Errors are
/// [`Error::Io`] and name the file.
pub trait Vfs: fmt::Debug + Send + Sync {
    /// Creates `file`, which must not exist, for its only writer.
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>>;
    /// The same, for a file that will hold about `room_bytes` soon. They may be given to
    /// it ahead: what lies behind the last append is zeros then, until the file is
    /// finished.
    ///
    /// Unless it is overridden, nothing is given ahead.
    fn create_with_room(&self, file: FileId, _room_bytes: u64) -> Result<Arc<dyn AppendFile>> {
        self.create(file)
    }
    /// Opens an existing file for reading.
    fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>>;
    /// Gives `from` the name `to`, replacing what had it.
    fn rename(&self, from: FileId, to: FileId) -> Result<()>;
    /// Removes a name. Whoever has the file open can still read it.
    fn remove(&self, file: FileId) -> Result<()>;
    /// All files that are ours, in the order of [`FileId`]. Foreign names are
    /// passed over.
    fn list(&self) -> Result<Vec<FileId>>;
    /// Makes all creations, renames and removals so far durable.
    fn sync_directory(&self) -> Result<()>;
    /// Takes the lock of the directory, or `None` when somebody else (in this
    /// process or another) holds it in a way that excludes `mode`.
    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>>;
    /// How messages name `file`: for files on disk, the path.
    fn describe(&self, file: FileId) -> String;
    /// Another directory of the same kind, created where it is missing: for a
    /// checkpoint.
    ///
    /// # Errors
    /// Unless it is overridden, that this file layer has none.
    fn sibling(&self, path: &Path) -> Result<Arc<dyn Vfs>> {
        Err(no_siblings("open the directory", path))
    }
    /// Gives `file` a second name, in the sibling at `path`. Neither name is more
    /// the file's own than the other.
    ///
    /// # Errors
    /// Unless it is overridden, that this file layer has no siblings.
    fn link(&self, _file: FileId, path: &Path) -> Result<()> {
        Err(no_siblings("link into the directory", path))
    }
}

fn no_siblings(operation: &'static str, path: &Path) -> Error {
    Error::io(operation, path.display().to_string(), std::io::Error::from(std::io::ErrorKind::Unsupported))
}

/// A file that is being written, from its first byte on.
pub trait AppendFile: fmt::Debug + Send + Sync {
    /// Appends all of `bytes`. The caller does so one append at a time. After an
    /// error, any part of them may have been appended.
    fn append(&self, bytes: &[u8]) -> Result<()>;
    /// Makes all that was appended before the call durable. May run beside an
    /// append.
    fn sync(&self) -> Result<()>;
    /// Says that nothing more is appended: what only appends need is given back.
    fn leave(&self) {}
    /// Says that the file is complete at `length` bytes: what was preallocated
    /// behind them is given back. Called after a sync, as the last call.
    fn finish(&self, length: u64) -> Result<()>;
}

/// A file that is being read. Its length is what it was when it was opened.
pub trait ReadFile: fmt::Debug + Send + Sync {
    /// The `length` bytes at `offset`.
    ///
    /// # Errors
    /// [`Corruption`](stage1_memtable::Error::Corruption) when the file ends
    /// before: whoever asks knows the length from the file itself, so the file
    /// was cut.
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes>;
    /// Fills `bytes` with those at `offset`, for who has memory at hand.
    ///
    /// # Errors
    /// As [`read_at`](ReadFile::read_at).
    fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(&self.read_at(offset, bytes.len())?);
        Ok(())
    }
    /// The length of the file, in bytes.
    fn len(&self) -> u64;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How messages name this file.
    fn describe(&self) -> String;
    /// The whole file.
    fn read_all(&self) -> Result<Bytes> {
        self.read_at(0, self.len() as usize)
    }
}

/// Says what is wrong with reading `length` bytes at `offset` of a file that
/// ends at `end`, before anything is allocated for them.
fn check_span(name: &str, end: u64, offset: u64, length: usize) -> Result<()> {
    if offset.checked_add(length as u64).is_some_and(|wanted| wanted <= end) {
        return Ok(());
    }
    Err(Error::corruption(name, offset, format!("{length} bytes wanted, the file ends at {end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_ours_only_when_spelled_as_we_spell_it() {
        let ours = [
            FileId::Current,
            FileId::Lock,
            FileId::Manifest(3),
            FileId::Log(1),
            FileId::DamagedLog(1),
            FileId::Table(12_345_678),
            FileId::Temporary(4),
        ];
        for file in ours {
            assert_eq!(FileId::parse(&file.to_string()), Some(file));
        }
        for foreign in
            ["1.log", "+00001.log", "000001.LOG", "MANIFEST-3", "MANIFEST-", "notes.txt", "", "../000001.log"]
        {
            assert_eq!(FileId::parse(foreign), None, "{foreign}");
        }
    }
}
