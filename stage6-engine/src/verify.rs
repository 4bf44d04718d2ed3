//! Reads everything and believes nothing.
//!
//! ```text
//!   CURRENT ─▶ manifest: every record parses, and leads to the version in memory
//!   version ─▶ levels disjoint and in order
//!   table   ─▶ whole-file checksum, every block, every order, every count, filter,
//!              against what the manifest says about it
//!   logs    ─▶ every record parses up to the end
//!   directory ▶ nothing is missing, nothing is there that belongs to nobody
//! ```
//!
//! Damage does not end it: each problem is noted, and the rest is read. What it
//! reads, it reads from the files, past the block cache.

use stage5_compaction::manifest::{Current, read_manifest};
use stage5_compaction::memtable::error::{Error as StorageError, Result as StorageResult};
use stage5_compaction::sstable::table::TableReport;
use stage5_compaction::wal::batch::Batch;
use stage5_compaction::wal::identity::file_salt;
use stage5_compaction::wal::log::End;
use stage5_compaction::wal::log::reader::read_log;
use stage5_compaction::wal::vfs::FileId;

use crate::engine::{Engine, Writer};
use crate::error::{Error, Result};

/// What was read, and what is wrong.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Tables read.
    pub tables: u64,
    /// Data blocks read.
    pub blocks: u64,
    /// Entries read, every version counted.
    pub entries: u64,
    /// Bytes of tables read.
    pub table_bytes: u64,
    /// Records of logs and of the manifest read.
    pub records: u64,
    /// Everything that is wrong, in the order in which it was found. Empty: the
    /// database is sound.
    pub problems: Vec<StorageError>,
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Bytes of tables read.
    pub bytes_done: u64,
    /// Bytes of all tables.
    pub bytes_total: u64,
}

impl Engine {
    /// Reads the whole database and calls `progress` behind each table.
    pub(crate) fn verify(&self, mut progress: impl FnMut(VerifyProgress)) -> Result<VerifyReport> {
        self.check_open()?;
        let state = self.published.load_full();
        let bytes_total = state.version.files().map(|(_, file)| file.meta().size_bytes).sum();
        let mut report = VerifyReport::default();
        report.note(self.verify_manifest());
        for (_, file) in state.version.files() {
            report.note_table(file.verify());
            progress(VerifyProgress { bytes_done: report.table_bytes, bytes_total });
        }
        report.note(self.verify_logs());
        if let Err(Error::Storage(problem)) = self.check_invariants() {
            report.problems.push(problem);
        }
        Ok(report)
    }

    /// Every record of the manifest that `CURRENT` names.
    fn verify_manifest(&self) -> StorageResult<u64> {
        match Current::read(&*self.vfs)? {
            Some(current) => Ok(read_manifest(&*self.vfs, current)?.len() as u64),
            None => Err(StorageError::corruption(self.vfs.describe(FileId::Current), 0, "it is not there")),
        }
    }

    /// Every log that counts, up to where it ends now.
    fn verify_logs(&self) -> StorageResult<u64> {
        let Some(writer) = self.writer_if_any() else { return Ok(0) };
        let floor = writer.versions.lock().log_floor();
        let mut records = 0;
        for file in self.vfs.list()? {
            if let FileId::Log(number) = file
                && number >= floor
            {
                records += self.verify_log(writer, number)?;
            }
        }
        Ok(records)
    }

    fn verify_log(&self, writer: &Writer, number: u64) -> StorageResult<u64> {
        let database = writer.factory.database;
        let opened = {
            // A file's length is what it is when it is opened: under the write lock
            // no record is half appended.
            let _appender = writer.journal.appender();
            self.vfs.open(FileId::Log(number))
        };
        let file = match opened {
            // Flushed and removed since it was listed.
            Err(error) if error.is_not_found() => return Ok(0),
            file => file?,
        };
        let contents = read_log(&*file, number, file_salt(database, number))?;
        let damaged =
            |offset: u64, what: String| Err(StorageError::corruption(file.describe(), offset, what));
        if let End::Damaged(damage) = contents.end {
            return damaged(damage.offset as u64, damage.what);
        }
        for record in contents.records.iter() {
            if let Err(malformed) = Batch::decode(record.payload) {
                return damaged(record.offset, format!("a record is no batch: {malformed}"));
            }
        }
        Ok(contents.records.len() as u64)
    }
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, records: StorageResult<u64>) {
        match records {
            Ok(records) => self.records += records,
            Err(problem) => self.problems.push(problem),
        }
    }

    fn note_table(&mut self, table: StorageResult<TableReport>) {
        self.tables += 1;
        match table {
            Ok(table) => {
                self.blocks += table.data_blocks;
                self.entries += table.entries;
                self.table_bytes += table.file_bytes;
            }
            Err(problem) => self.problems.push(problem),
        }
    }
}
