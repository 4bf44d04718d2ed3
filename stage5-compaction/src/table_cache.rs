//! Tables opened when they are first asked, with few descriptors.
//!
//! ```text
//!   Version ──▶ TableFile 12 ──once──▶ FilteredTable: index, filter (in memory)
//!                                            │ a block is not in the cache
//!                                            ▼
//!                                      CachedFile 12 ──▶ up to N open descriptors
//! ```
//!
//! Index and filter hang on the version's own file entry, so a lookup that is
//! answered from memory takes no lock and computes no hash to find its table.
//! Only the operating system's descriptors are bounded: they are asked for when
//! a block must be read, which costs far more than finding one.
//!
//! **INV-TABLE-CACHE-1** A table's file is removed only when the last [`TableFile`] of
//! it is gone, and that only lists its number ([`TableCache::take_obsolete`]): a
//! job removes it. No reader ever pays for an unlink, and none ever finds its
//! file gone.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_cache::sync::Cache;
use stage4_bloom::filtered::FilteredTable;
use stage4_bloom::memtable::error::{Error, Result};
use stage4_bloom::memtable::sync::Mutex;
use stage4_bloom::memtable::sync::atomic::{AtomicBool, Ordering};
use stage4_bloom::sstable::cache::BlockCache;
use stage4_bloom::sstable::table::TableReport;
use stage4_bloom::wal::identity::{DatabaseId, file_salt};
use stage4_bloom::wal::vfs::{FileId, ReadFile, Vfs};

use crate::file::FileMeta;

/// Opens tables and bounds how many files are open at once.
pub struct TableCache {
    vfs: Arc<dyn Vfs>,
    database: DatabaseId,
    blocks: Arc<BlockCache>,
    open_files: Cache<u64, Arc<dyn ReadFile>>,
    obsolete: Mutex<Obsolete>,
    /// Whether some of these are free: every reader who ends asks, and they would meet at
    /// the lock. Changed by its holder only.
    has_free: AtomicBool,
}

/// Tables that no version names any more.
#[derive(Debug, Default)]
struct Obsolete {
    /// Those that a reader still holds.
    pinned: BTreeSet<u64>,
    /// Those that can be removed.
    free: BTreeSet<u64>,
}

impl TableCache {
    /// A cache that keeps at most about `max_open_files` tables open.
    pub fn new(
        vfs: Arc<dyn Vfs>,
        database: DatabaseId,
        blocks: Arc<BlockCache>,
        max_open_files: usize,
    ) -> Arc<TableCache> {
        let open_files = Cache::new(max_open_files.max(1));
        let (obsolete, has_free) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(TableCache { vfs, database, blocks, open_files, obsolete, has_free })
    }

    /// The entry of a table in a version.
    pub fn file(self: &Arc<TableCache>, meta: FileMeta) -> Arc<TableFile> {
        Arc::new(TableFile {
            meta,
            cache: Arc::clone(self),
            table: OnceLock::new(),
            is_obsolete: AtomicBool::new(false),
        })
    }

    /// The block cache that all tables share.
    pub fn blocks(&self) -> &Arc<BlockCache> {
        &self.blocks
    }

    /// The numbers of tables that no version names and no reader holds any more.
    /// They are given out once: whoever takes them removes the files.
    pub fn take_obsolete(&self) -> Vec<u64> {
        let free = {
            let mut obsolete = self.obsolete.lock();
            self.has_free.store(false, Ordering::Release);
            std::mem::take(&mut obsolete.free)
        };
        let numbers: Vec<u64> = free.into_iter().collect();
        for number in &numbers {
            self.open_files.remove(number);
        }
        numbers
    }

    /// Whether there is something to remove.
    pub fn has_obsolete(&self) -> bool {
        self.has_free.load(Ordering::Acquire)
    }

    /// Every table that no version names and that is still there, held by a
    /// reader or not.
    pub fn obsolete(&self) -> BTreeSet<u64> {
        let obsolete = self.obsolete.lock();
        obsolete.pinned.union(&obsolete.free).copied().collect()
    }

    /// Two who miss it at once both open it, and one of the two is kept: no lock of
    /// the cache is held while the disk is asked.
    fn descriptor(&self, number: u64) -> Result<Arc<dyn ReadFile>> {
        if let Some(file) = self.open_files.get(&number) {
            return Ok(file);
        }
        let file = self.vfs.open(FileId::Table(number))?;
        self.open_files.insert(number, Arc::clone(&file));
        Ok(file)
    }

    fn open(self: &Arc<TableCache>, number: u64) -> Result<FilteredTable> {
        let first = self.descriptor(number)?;
        let file =
            CachedFile { cache: Arc::clone(self), number, length: first.len(), name: first.describe() };
        let salt = file_salt(self.database, number);
        FilteredTable::open(Arc::new(file), salt, number, Arc::clone(&self.blocks))
    }
}

impl fmt::Debug for TableCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableCache").field("open_files", &self.open_files.len()).finish_non_exhaustive()
    }
}

/// A table as a version names it.
pub struct TableFile {
    meta: FileMeta,
    cache: Arc<TableCache>,
    table: OnceLock<FilteredTable>,
    is_obsolete: AtomicBool,
}

impl TableFile {
    /// What is known without opening it.
    #[inline]
    pub fn meta(&self) -> &FileMeta {
        &self.meta
    }

    /// The open table. The first call reads its footer, index and filter.
    ///
    /// # Errors
    /// That of opening it; a later call tries again.
    #[inline]
    pub fn table(&self) -> Result<&FilteredTable> {
        match self.table.get() {
            Some(table) => Ok(table),
            None => self.open(),
        }
    }

    #[cold]
    fn open(&self) -> Result<&FilteredTable> {
        let table = self.cache.open(self.meta.number)?;
        Ok(self.table.get_or_init(|| table))
    }

    /// Reads the whole file, past the cache, and checks it against itself and
    /// against what the manifest says about it: every checksum, order and count.
    ///
    /// # Errors
    /// The first thing that is wrong, as
    /// [`Corruption`](stage4_bloom::memtable::Error::Corruption).
    pub fn verify(&self) -> Result<TableReport> {
        let file = self.cache.descriptor(self.meta.number)?;
        let differs = |what: String| Err(Error::corruption(file.describe(), 0, what));
        let table = self.table()?;
        let properties = table.table().properties();
        let agrees = properties.smallest == self.meta.smallest
            && properties.largest == self.meta.largest
            && properties.entries == self.meta.entries
            && properties.deletions == self.meta.deletions;
        if !agrees {
            return differs(format!("the table says {properties:?}, the manifest says {:?}", self.meta));
        }
        // First the table's own checksums, because they say where the damage is; that
        // of the whole file says no more than that there is some.
        let report = table.verify()?;
        let checksum = checksum_of(&*file)?;
        if checksum != self.meta.checksum {
            let said = self.meta.checksum;
            return differs(format!("the file's checksum is {checksum:08x}, the manifest says {said:08x}"));
        }
        Ok(report)
    }

    /// Says that no version names the file any more: it goes with its last
    /// reader.
    pub(crate) fn mark_obsolete(&self) {
        self.is_obsolete.store(true, Ordering::Release);
        self.cache.obsolete.lock().pinned.insert(self.meta.number);
    }
}

/// CRC-32 of a whole file.
fn checksum_of(file: &dyn ReadFile) -> Result<u32> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let mut hasher = crc32fast::Hasher::new();
    let mut offset = 0;
    while offset < file.len() {
        let length = CHUNK_BYTES.min(file.len() - offset);
        hasher.update(&file.read_at(offset, length as usize)?);
        offset += length;
    }
    Ok(hasher.finalize())
}

impl Drop for TableFile {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire) {
            let mut obsolete = self.cache.obsolete.lock();
            obsolete.pinned.remove(&self.meta.number);
            obsolete.free.insert(self.meta.number);
            self.cache.has_free.store(true, Ordering::Release);
        }
    }
}

impl fmt::Debug for TableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meta.fmt(f)
    }
}

/// A file that borrows its descriptor for each read.
#[derive(Debug)]
struct CachedFile {
    cache: Arc<TableCache>,
    number: u64,
    length: u64,
    name: String,
}

impl ReadFile for CachedFile {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.cache.descriptor(self.number)?.read_at(offset, length)
    }

    fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.cache.descriptor(self.number)?.read_into(offset, bytes)
    }

    fn len(&self) -> u64 {
        self.length
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
