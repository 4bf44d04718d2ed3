//! Opens a table and asks it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::{InternalKey, Kind, Sequence};
use stage2_wal::memtable::lookup::{Answer, Lookup, LookupKey, Observer, Touch};
use stage2_wal::vfs::ReadFile;

use super::ahead::Ahead;
use super::cursor::{BlockSource, TableCursor};
use crate::block::Block;
use crate::cache::{BlockCache, Seen, Slots};
use crate::footer::Footer;
use crate::format::{BlockHandle, TRAILER_BYTES};
use crate::frame::BlockFile;
use crate::index::Index;
use crate::metaindex::Metaindex;
use crate::properties::{PROPERTIES, Properties};

/// An open table. It is shared by reference. Nothing in it changes but what it knows of
/// the cache: where each of its blocks may be.
///
/// ```
/// # use std::sync::Arc;
/// # use stage3_sstable::cache::BlockCache;
/// # use stage3_sstable::memtable::key::{InternalKey, Kind};
/// # use stage3_sstable::memtable::lookup::{Answer, Lookup, LookupKey};
/// # use stage3_sstable::table::{Table, TableBuilder, TableOptions};
/// # use stage3_sstable::wal::identity::{DatabaseId, file_salt};
/// # use stage3_sstable::wal::vfs::{FileId, SimVfs, Vfs};
/// let (vfs, file) = (SimVfs::new(), FileId::Table(2));
/// let salt = file_salt(DatabaseId(7), 2);
///
/// let mut builder = TableBuilder::new(vfs.create(file)?, vfs.describe(file), salt, TableOptions::default());
/// builder.add(InternalKey::new(b"fig", 5), Kind::Deletion, b"")?;
/// builder.add(InternalKey::new(b"fig", 2), Kind::Value, b"green")?;
/// builder.finish()?;
///
/// let table = Table::open(vfs.open(file)?, salt, 2, Arc::new(BlockCache::new(1 << 20)))?;
/// let past = table.lookup(&LookupKey::new(b"fig", 4), &mut ())?;
/// assert!(matches!(past, Answer::Value { value, .. } if value == "green"));
/// let now = table.lookup(&LookupKey::new(b"fig", 9), &mut ())?;
/// assert_eq!(now, Answer::Deleted { sequence: 5 });
/// # Ok::<(), stage3_sstable::memtable::Error>(())
/// ```
pub struct Table {
    pub(crate) file: BlockFile,
    pub(crate) footer: Footer,
    pub(crate) metaindex: Metaindex,
    pub(crate) index: Index,
    number: u64,
    properties: Properties,
    /// Its data blocks in the cache.
    cached: Slots,
}

impl Table {
    /// Opens the table in `file`. `salt` is what its checksums cover, `number`
    /// the file's number, for observers.
    ///
    /// # Errors
    /// [`Unsupported`](stage2_wal::memtable::Error::Unsupported) for a version,
    /// a feature, a property or a meta block that must be understood and is not;
    /// [`Corruption`](stage2_wal::memtable::Error::Corruption) for damage in
    /// footer, index, metaindex or properties, or a file of another salt; data
    /// blocks are checked when they are read. [`Io`](stage2_wal::memtable::Error::Io) from the file.
    pub fn open(file: Arc<dyn ReadFile>, salt: u32, number: u64, cache: Arc<BlockCache>) -> Result<Table> {
        let mut file = BlockFile::new(file, salt);
        let footer = Footer::read(&file)?;
        file.version = footer.version;
        let metaindex = read_metaindex(&file, footer.metaindex)?;
        let properties = read_properties(&file, &metaindex, &footer)?;
        metaindex.check_contiguous(&file, properties.data_bytes, footer.metaindex.offset)?;
        let index = read_index(&file, footer.index, &properties)?;
        let cached = Slots::new(cache, index.len());
        Ok(Table { file, footer, metaindex, index, number, properties, cached })
    }

    /// The file's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How messages name the file.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The length of the file, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.footer.file_bytes
    }

    /// How much memory the open table occupies outside of the cache, about, in
    /// bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Table>() + self.index.size_bytes() + self.cached.size_bytes()
    }

    /// Counts, ranges and sizes.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The names of its meta blocks, in the order of the file.
    pub fn meta_block_names(&self) -> impl Iterator<Item = &str> {
        self.metaindex.blocks.iter().map(|block| block.name.as_str())
    }

    /// The contents of the meta block `name`, or `None` when the table has none.
    /// Read anew each time.
    ///
    /// # Errors
    /// As reading any block: [`Io`](stage2_wal::memtable::Error::Io) or
    /// [`Corruption`](stage2_wal::memtable::Error::Corruption).
    pub fn meta_block(&self, name: &str) -> Result<Option<Bytes>> {
        self.metaindex.find(name).map(|handle| self.file.read(handle)).transpose()
    }

    /// A cursor that keeps the table open; it stands on no entry yet.
    pub fn cursor(self: &Arc<Table>) -> TableCursor {
        TableCursor::new(Arc::clone(self), BlockSource::Cache)
    }

    /// The same for a walk over the whole table that happens once, as a
    /// compaction's: it reads past the cache, so that blocks which others will
    /// ask for again are not driven out by blocks which nobody will.
    pub fn cursor_past_cache(self: &Arc<Table>) -> TableCursor {
        TableCursor::new(Arc::clone(self), BlockSource::File)
    }

    /// The data block with this ordinal: from the cache, or from the file.
    #[inline]
    pub(super) fn block(&self, ordinal: usize, ahead: &mut Option<Box<Ahead>>) -> Result<Block> {
        match self.cached.get(ordinal) {
            Ok(block) => Ok(block),
            Err(seen) => self.load_block(ordinal, seen, ahead),
        }
    }

    #[cold]
    fn load_block(&self, ordinal: usize, seen: Seen, ahead: &mut Option<Box<Ahead>>) -> Result<Block> {
        match self.cached.wants(ordinal, seen) {
            true => self.read_to_keep(ordinal),
            false => self.block_past_cache(ordinal, ahead),
        }
    }

    /// The same from the file, together with those behind it once a walk goes on.
    pub(super) fn block_past_cache(&self, ordinal: usize, ahead: &mut Option<Box<Ahead>>) -> Result<Block> {
        let payload = ahead.get_or_insert_default().payload(self, ordinal)?;
        Block::parse(payload).map_err(|what| self.damage(what, ordinal))
    }

    /// Reads a block that the cache wants. It lies in memory of its own, which goes with it.
    fn read_to_keep(&self, ordinal: usize) -> Result<Block> {
        let payload = self.file.read(self.handle(ordinal))?;
        let block = Block::parse(payload).map_err(|what| self.damage(what, ordinal))?;
        self.cached.keep(ordinal, &block);
        Ok(block)
    }

    /// Answers from the file: from a block that the cache wants, or with one look at it.
    #[cold]
    fn answer_from_file(&self, ordinal: usize, seen: Seen, key: InternalKey<'_>) -> Result<Answer> {
        let handle = self.handle(ordinal);
        let found = match self.cached.wants(ordinal, seen) {
            true => self.read_to_keep(ordinal)?.get(key),
            false => self.file.look(handle, |payload| Block::parse(payload)?.get_copied(key))?,
        };
        found.map(answer).map_err(|what| self.damage(what, ordinal))
    }

    /// Where the block with this ordinal lies, which is below the number of blocks.
    pub(super) fn handle(&self, ordinal: usize) -> BlockHandle {
        self.index.handle(ordinal).unwrap_or_default()
    }

    /// `what` as damage of the block with this ordinal.
    #[cold]
    pub(super) fn damage(&self, what: Malformed, ordinal: usize) -> Error {
        self.file.damage(what, self.handle(ordinal).offset)
    }
}

impl Lookup for Table {
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
        let ordinal = self.index.find(key.key);
        if ordinal >= self.index.len() {
            return Ok(Answer::Absent);
        }
        match self.cached.get(ordinal) {
            Ok(block) => {
                observer.observe(|| touch(self.handle(ordinal), true));
                block.get(key.key).map(answer).map_err(|what| self.damage(what, ordinal))
            }
            Err(seen) => {
                let answer = self.answer_from_file(ordinal, seen, key.key)?;
                observer.observe(|| touch(self.handle(ordinal), false));
                Ok(answer)
            }
        }
    }
}

#[inline]
fn answer(found: Option<(Kind, Sequence, Bytes)>) -> Answer {
    match found {
        Some((Kind::Value, sequence, value)) => Answer::Value { value, sequence },
        Some((Kind::Deletion, sequence, _)) => Answer::Deleted { sequence },
        None => Answer::Absent,
    }
}

fn touch(handle: BlockHandle, cached: bool) -> Touch {
    Touch::Block { offset: handle.offset, bytes: handle.bytes + TRAILER_BYTES as u32, cached }
}

fn read_metaindex(file: &BlockFile, handle: BlockHandle) -> Result<Metaindex> {
    let payload = file.read(handle)?;
    let metaindex =
        Metaindex::decode(&mut Decoder::new(&payload)).map_err(|what| file.damage(what, handle.offset))?;
    metaindex.check_understood(file)?;
    Ok(metaindex)
}

fn read_properties(file: &BlockFile, metaindex: &Metaindex, footer: &Footer) -> Result<Properties> {
    let missing = || file.corruption(footer.metaindex.offset, "the properties are missing");
    let handle = metaindex.find(PROPERTIES).ok_or_else(missing)?;
    let payload = file.read(handle)?;
    let properties =
        Properties::decode(&mut Decoder::new(&payload)).map_err(|what| what.in_file(file, handle.offset))?;
    if properties.entries != footer.entries {
        let what = format!("{} entries, the footer says {}", properties.entries, footer.entries);
        return Err(file.corruption(handle.offset, what));
    }
    Ok(properties)
}

fn read_index(file: &BlockFile, handle: BlockHandle, properties: &Properties) -> Result<Index> {
    let payload = file.read(handle)?;
    let index = Index::decode(&mut Decoder::new(&payload), properties.data_bytes)
        .map_err(|what| file.damage(what, handle.offset))?;
    if index.len() as u64 != properties.data_blocks {
        let what = format!("{} data blocks, the properties say {}", index.len(), properties.data_blocks);
        return Err(file.corruption(handle.offset, what));
    }
    Ok(index)
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.file.name)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}
