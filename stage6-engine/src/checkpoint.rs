//! A second database of the same contents, made of links.
//!
//! ```text
//!   db/     000012.sst ◀──┐                copy/   000012.sst ──┐ the same bytes,
//!           000014.sst ◀──┼── hard links ─────────▶000014.sst ──┘ two names
//!           MANIFEST-9    │                        MANIFEST-21   its own
//!           CURRENT       └ flushed first          CURRENT       written last
//! ```
//!
//! Tables never change, so a second name for each is a copy of it, at the cost of
//! a directory entry. Everything that was written before the call is flushed
//! first, so no log has to be copied.
//!
//! **INV-CHECKPOINT-1** The copy is committed by its `CURRENT`, as every open is: one of
//! which a table is there and no `CURRENT` is refused when it is opened, and never taken
//! for a smaller database. The links become durable together, before `CURRENT`: a crash
//! that leaves none of them leaves a directory without a database, as it was.
//!
//! **INV-CHECKPOINT-2** The copy has the id of its origin, because the checksums in
//! the tables cover it. From then on they are two databases: neither ever writes
//! to a file that the other has.

use std::path::Path;
use std::sync::Arc;

use stage5_compaction::file::FileNumbers;
use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::table_cache::TableCache;
use stage5_compaction::version::Version;
use stage5_compaction::version_set::VersionSet;
use stage5_compaction::wal::vfs::{FileId, LockMode, Vfs};

use crate::engine::{Engine, Writer};
use crate::error::{Error, Result};

/// What a checkpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// How many tables were linked.
    pub tables: usize,
    /// Their size, in bytes: shared until one of the two lets go.
    pub bytes: u64,
    /// The last write that it holds.
    pub sequence: Sequence,
}

impl Engine {
    /// Makes a database in the directory `path`, which holds none yet.
    pub(crate) fn checkpoint(&self, path: &Path) -> Result<CheckpointReport> {
        self.flush()?;
        let writer = self.writer()?;
        let target = self.vfs.sibling(path)?;
        check_is_empty(&*target, path)?;
        // Nobody opens it before it is whole. And its lock file is there from now on:
        // whoever opens it read-only first cannot make one.
        let in_use = || Error::InUse { directory: path.display().to_string() };
        let _lock = target.lock(LockMode::Exclusive)?.ok_or_else(in_use)?;
        // The version pins its tables: none is removed while it is linked.
        let (version, sequence) = {
            let versions = writer.versions.lock();
            (Arc::clone(versions.version()), versions.flushed_sequence())
        };
        for (_, file) in version.files() {
            self.vfs.link(FileId::Table(file.meta().number), path)?;
        }
        self.commit_checkpoint(writer, &target, &version, sequence)?;
        let bytes = version.files().map(|(_, file)| file.meta().size_bytes).sum();
        Ok(CheckpointReport { tables: version.files().count(), bytes, sequence })
    }

    fn commit_checkpoint(
        &self,
        writer: &Writer,
        target: &Arc<dyn Vfs>,
        version: &Version,
        sequence: Sequence,
    ) -> Result<()> {
        let numbers = FileNumbers::starting_at(writer.factory.numbers.next());
        let log_floor = numbers.next();
        let database = writer.factory.database;
        let tables = TableCache::new(Arc::clone(target), database, Arc::clone(&self.blocks), 1);
        let version =
            Version::default().apply(&version.as_edit(), &tables).map_err(StorageError::invalid_argument)?;
        VersionSet::commit_new(Arc::clone(target), database, tables, numbers, version, log_floor, sequence)?;
        Ok(())
    }
}

/// A lock file is nothing: an attempt that failed may have left it.
fn check_is_empty(target: &dyn Vfs, path: &Path) -> Result<()> {
    match target.list()?.iter().find(|file| **file != FileId::Lock) {
        None => Ok(()),
        Some(file) => Err(Error::Storage(StorageError::invalid_argument(format!(
            "a checkpoint needs an empty directory, and {} holds {file}; choose another",
            path.display()
        )))),
    }
}
