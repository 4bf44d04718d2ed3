//! The current version, and the one order in which it changes.
//!
//! ```text
//!   a job's tables, synced ─▶ sync directory ─▶ edit, sync ─▶ promise, sync
//!                                                                  │
//!   inputs go with their last reader ◀── publish the new version ◀─┘
//! ```
//!
//! **INV-SET-1** The order of durability stands in one function,
//! [`VersionSet::install`]: the tables it is given are synced; then the directory,
//! the edit, its promise, and only then is the version published and anything
//! removed. A crash at any point leaves the
//! old version or the new one, with all of its files.
//!
//! **INV-SET-2** The edit that finds the manifest longer than eight times what it began
//! with, and than 4,096 bytes, goes into a new one, which takes over by the same
//! commit that ends an open. So a manifest is never longer than that and one edit with
//! its promise, and opening never replays more.
//!
//! Whoever holds the version set is the only one who edits. Readers never ask
//! it: they hold a version that was published to them.

use std::sync::Arc;

use stage4_bloom::memtable::error::{Error, Result};
use stage4_bloom::memtable::key::Sequence;
use stage4_bloom::wal::identity::DatabaseId;
use stage4_bloom::wal::vfs::{FileId, Vfs};

use crate::edit::VersionEdit;
use crate::file::{FileMeta, FileNumbers};
use crate::manifest::{Current, Manifest, read_manifest};
use crate::table_cache::TableCache;
use crate::table_writer::NewTable;
use crate::version::Version;

/// What a manifest says, before anything is done about it.
#[derive(Debug)]
pub struct Recovered {
    /// The files.
    pub version: Version,
    /// Logs below this number do not count.
    pub log_floor: u64,
    /// Every sequence up to this one is in tables.
    pub flushed_sequence: Sequence,
    /// No table or log that the manifest knows of has this number or a higher one; the
    /// manifest itself took its own behind it.
    pub next_file_number: u64,
}

/// Reads the version that `current` leads to. Writes nothing.
///
/// # Errors
/// As [`read_manifest`]; [`Error::Corruption`] when the edits break a law.
pub fn recover(vfs: &dyn Vfs, current: Current, cache: &Arc<TableCache>) -> Result<Recovered> {
    let mut recovered =
        Recovered { version: Version::default(), log_floor: 0, flushed_sequence: 0, next_file_number: 1 };
    for edit in read_manifest(vfs, current)? {
        recovered.version = recovered
            .version
            .apply(&edit, cache)
            .map_err(|what| Error::corruption(vfs.describe(FileId::Manifest(current.manifest)), 0, what))?;
        recovered.log_floor = edit.log_floor.unwrap_or(recovered.log_floor);
        recovered.flushed_sequence = edit.flushed_sequence.unwrap_or(recovered.flushed_sequence);
        recovered.next_file_number = edit.next_file_number.unwrap_or(recovered.next_file_number);
    }
    check_sequences(&recovered)
        .map_err(|what| Error::corruption(vfs.describe(FileId::Manifest(current.manifest)), 0, what))?;
    check_files_exist(vfs, &recovered.version)?;
    Ok(recovered)
}

/// No table holds a sequence that is still to be given out: a second write would get
/// it, and which of the two is the newer could not be told.
fn check_sequences(recovered: &Recovered) -> Result<(), String> {
    let flushed = recovered.flushed_sequence;
    let ahead = recovered.version.files().find(|(_, file)| file.meta().last_sequence > flushed);
    ahead.map_or(Ok(()), |(_, file)| {
        let FileMeta { number, last_sequence, .. } = file.meta();
        Err(format!(
            "table {number} holds sequence {last_sequence}, but only those up to {flushed} are in tables"
        ))
    })
}

/// Every table that the version names is there, at the length it should have.
fn check_files_exist(vfs: &dyn Vfs, version: &Version) -> Result<()> {
    for (level, file) in version.files() {
        let meta = file.meta();
        let id = FileId::Table(meta.number);
        let length = match vfs.open(id) {
            Ok(file) => file.len(),
            Err(error) if error.is_not_found() => {
                let what =
                    format!("level {level} needs this table, and it is not there; restore it from a copy");
                return Err(Error::corruption(vfs.describe(id), 0, what));
            }
            Err(error) => return Err(error),
        };
        if length != meta.size_bytes {
            let what =
                format!("{} bytes long, {} were written; restore it from a copy", length, meta.size_bytes);
            return Err(Error::corruption(vfs.describe(id), length.min(meta.size_bytes), what));
        }
    }
    Ok(())
}

/// A manifest is replaced when it is longer than so many times what it began with, and
/// longer than [`SHORTEST_ROLLED_BYTES`]. While the version keeps its size, a byte of edits
/// then costs a seventh of a byte of snapshot.
const ROLL_RATIO: u64 = 8;

/// No manifest shorter than this is replaced: the syncs would cost more than the
/// bytes.
const SHORTEST_ROLLED_BYTES: u64 = 4096;

/// The current version and its manifest.
#[derive(Debug)]
pub struct VersionSet {
    vfs: Arc<dyn Vfs>,
    database: DatabaseId,
    cache: Arc<TableCache>,
    numbers: FileNumbers,
    manifest: Manifest,
    version: Arc<Version>,
    log_floor: u64,
    flushed_sequence: Sequence,
    /// How long the manifest was when it began: header, snapshot, promise.
    snapshot_bytes: u64,
    /// Manifests that count no more.
    replaced: Vec<u64>,
}

impl VersionSet {
    /// Begins a new manifest with `version` and commits to it by `CURRENT`. The
    /// tables of the version are durable; their names become so here.
    ///
    /// # Errors
    /// That of any write. If it is the last one, the sync behind the rename of `CURRENT`, the
    /// next open may find either manifest: both name a sound database.
    pub fn commit_new(
        vfs: Arc<dyn Vfs>,
        database: DatabaseId,
        cache: Arc<TableCache>,
        numbers: FileNumbers,
        version: Version,
        log_floor: u64,
        flushed_sequence: Sequence,
    ) -> Result<VersionSet> {
        let snapshot = snapshot_of(&version, &numbers, log_floor, flushed_sequence);
        let manifest = commit_manifest(&*vfs, database, &numbers, &snapshot)?;
        Ok(VersionSet {
            vfs,
            database,
            cache,
            numbers,
            snapshot_bytes: manifest.len_bytes(),
            manifest,
            version: Arc::new(version),
            log_floor,
            flushed_sequence,
            replaced: Vec::new(),
        })
    }

    /// Makes `tables` and `edit` durable, in the one order (INV-SET-1), and calls
    /// `publish` with the version that follows.
    ///
    /// # Errors
    /// That of the sync of the directory, and an edit that breaks a law: nothing has
    /// changed, the caller discards the tables. That of the manifest, or of the one that
    /// should take over: no further edit succeeds until the database is opened again, and
    /// the tables stay, because the edit may be durable.
    pub fn install(
        &mut self,
        tables: &[NewTable],
        mut edit: VersionEdit,
        publish: impl FnOnce(&Arc<Version>),
    ) -> Result<()> {
        if let Some(failure) = self.manifest.failure() {
            return Err(failure.clone());
        }
        self.roll_if_long()?;
        edit.next_file_number = Some(self.numbers.next());
        let next = self.version.apply(&edit, &self.cache).map_err(Error::invalid_argument)?;
        // The tables themselves are synced (INV-WRITER-2).
        if !tables.is_empty() {
            self.vfs.sync_directory()?;
        }
        self.manifest.append(&edit)?;

        let previous = std::mem::replace(&mut self.version, Arc::new(next));
        debug_assert!(
            edit.log_floor.is_none_or(|floor| floor >= self.log_floor),
            "the log floor never falls"
        );
        self.log_floor = edit.log_floor.unwrap_or(self.log_floor);
        self.flushed_sequence = edit.flushed_sequence.unwrap_or(self.flushed_sequence);
        publish(&self.version);
        previous.mark_obsolete(&self.version);
        Ok(())
    }

    /// Lets a new manifest take over from one that has grown long (INV-SET-2).
    ///
    /// When that fails, neither is appended to any more. Behind the rename nobody knows
    /// which of the two a crash would leave as the current one; before it the old one
    /// could go on, but a second course for a rare case is one more to get wrong.
    fn roll_if_long(&mut self) -> Result<()> {
        if self.manifest.len_bytes() <= SHORTEST_ROLLED_BYTES.max(ROLL_RATIO * self.snapshot_bytes) {
            return Ok(());
        }
        let snapshot = snapshot_of(&self.version, &self.numbers, self.log_floor, self.flushed_sequence);
        let next = commit_manifest(&*self.vfs, self.database, &self.numbers, &snapshot);
        let next = next.inspect_err(|error| self.manifest.fail(error.clone()))?;
        self.snapshot_bytes = next.len_bytes();
        self.replaced.push(std::mem::replace(&mut self.manifest, next).number());
        Ok(())
    }

    /// The numbers of manifests that count no more, given out once: whoever takes
    /// them removes the files.
    pub fn take_replaced(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.replaced)
    }

    /// The current version.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// Logs below this number do not count.
    pub fn log_floor(&self) -> u64 {
        self.log_floor
    }

    /// Every sequence up to this one is in tables.
    pub fn flushed_sequence(&self) -> Sequence {
        self.flushed_sequence
    }

    /// The number of the manifest being written.
    pub fn manifest_number(&self) -> u64 {
        self.manifest.number()
    }

    /// The length of the manifest being written, in bytes.
    pub fn manifest_bytes(&self) -> u64 {
        self.manifest.len_bytes()
    }

    /// Why no further edit succeeds, if the manifest has failed.
    pub fn failure(&self) -> Option<&Error> {
        self.manifest.failure()
    }
}

/// The first record of a manifest.
fn snapshot_of(
    version: &Version,
    numbers: &FileNumbers,
    log_floor: u64,
    flushed_sequence: Sequence,
) -> VersionEdit {
    VersionEdit {
        log_floor: Some(log_floor),
        next_file_number: Some(numbers.next()),
        flushed_sequence: Some(flushed_sequence),
        ..version.as_edit()
    }
}

/// Writes a manifest that begins with `snapshot`, and makes it the current one.
fn commit_manifest(
    vfs: &dyn Vfs,
    database: DatabaseId,
    numbers: &FileNumbers,
    snapshot: &VersionEdit,
) -> Result<Manifest> {
    let number = numbers.take();
    let temporary = numbers.take();
    let manifest = Manifest::create(vfs, number, database, snapshot)?;
    vfs.sync_directory()?;
    Current { database, manifest: number }.commit(vfs, temporary)?;
    Ok(manifest)
}
