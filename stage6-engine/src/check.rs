//! What must hold between levels, manifest and directory.
//!
//! ```text
//!   version ──▶ every table is there, at its length
//!   directory ─▶ every file is named by the version, the manifest, the journal,
//!                or waits to be removed: no orphans; a damaged log that was kept
//!                belongs to a person
//!   numbers ──▶ the next one is above everything seen
//! ```
//!
//! This reads names and lengths, no contents: it is cheap enough to run after
//! every reopen of a test.

use std::collections::BTreeSet;

use stage5_compaction::memtable::error::Error as StorageError;
use stage5_compaction::wal::journal::PreparedLog;
use stage5_compaction::wal::vfs::FileId;

use crate::engine::{Engine, Writer};
use crate::error::{Error, Result};

impl Engine {
    /// Errs with the first violation. Waits for a flush or compaction that runs,
    /// because the tables that it is writing belong to nobody yet.
    pub(crate) fn check_invariants(&self) -> Result<()> {
        let Some(writer) = self.writer_if_any() else { return self.check_version() };
        let _flushing = writer.flushing.lock();
        let _compacting = writer.alone();
        let next_log = writer.next_log.lock();
        self.check_version()?;
        self.check_directory(writer, next_log.as_ref().map(PreparedLog::number))
    }

    fn check_version(&self) -> Result<()> {
        let version = &self.published.load().version;
        version.check_invariants().map_err(|what| self.violation(what))?;
        for (level, file) in version.files() {
            let meta = file.meta();
            let length = self.vfs.open(FileId::Table(meta.number))?.len();
            if length != meta.size_bytes {
                let (number, written) = (meta.number, meta.size_bytes);
                return Err(self
                    .violation(format!("table {number} of level {level} has {length} of {written} bytes")));
            }
        }
        Ok(())
    }

    fn check_directory(&self, writer: &Writer, next_log: Option<u64>) -> Result<()> {
        let known = self.known_files(writer, next_log);
        let next_number = writer.factory.numbers.next();
        for file in self.vfs.list()? {
            if !known.contains(&file) && !matches!(file, FileId::DamagedLog(_)) {
                return Err(self.violation(format!("{file} belongs to nobody")));
            }
            if file.number().is_some_and(|number| number >= next_number) {
                return Err(self.violation(format!("{file} has a number that will be given out again")));
            }
        }
        Ok(())
    }

    fn known_files(&self, writer: &Writer, next_log: Option<u64>) -> BTreeSet<FileId> {
        let state = self.published.load();
        let manifest = writer.versions.lock().manifest_number();
        let current_log = writer.journal.appender().log_number();
        let mut known = BTreeSet::from([FileId::Current, FileId::Lock, FileId::Manifest(manifest)]);
        known.insert(FileId::Log(current_log));
        known.extend(next_log.map(FileId::Log));
        known.extend(state.immutables.iter().map(|immutable| FileId::Log(immutable.log)));
        known.extend(state.version.files().map(|(_, file)| FileId::Table(file.meta().number)));
        known.extend(self.tables.obsolete().into_iter().map(FileId::Table));
        known.extend(writer.obsolete.lock().iter().copied());
        known
    }

    fn violation(&self, what: impl Into<String>) -> Error {
        Error::Storage(StorageError::corruption(self.directory(), 0, what))
    }
}
