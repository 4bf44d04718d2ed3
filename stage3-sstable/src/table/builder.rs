//! Writes a table from the front.

use std::sync::Arc;

use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::{FIRST_SEQUENCE, InternalKey, Kind, MAX_SEQUENCE, check_limits};
use stage2_wal::vfs::AppendFile;

use crate::block::BlockBuilder;
use crate::compression::{Codec, Compressor};
use crate::footer::{FOOTER_BYTES, Footer};
use crate::format::{BlockHandle, MAX_BLOCK_BYTES, TRAILER_BYTES, VERSION};
use crate::frame::trailer;
use crate::index::IndexBuilder;
use crate::metaindex::{MAX_META_BLOCKS, MetaBlock, Metaindex};
use crate::properties::{PROPERTIES, Properties};

/// How many bytes are collected before they are appended to the file: a system
/// call for every block would cost as much as building it. And the longer an append, the
/// fewer and larger the pieces in which the operating system keeps it: 64 MiB take it
/// 47 ms in appends of 16 KiB, 28 in those of 64 KiB, and 20 in these.
const WRITE_BUFFER_BYTES: usize = 256 << 10;

/// What the writer of a table chooses. A reader needs none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// The size that a data block stays within, in bytes before compression; about,
    /// and a single entry may be larger. Smaller blocks make a lookup read less, larger
    /// ones compress better and need a smaller index. Default: 4,096.
    pub block_size_bytes: usize,
    /// How data blocks are compressed, when that pays. Meta blocks and the index
    /// are stored plain. Default: [`Codec::Lz4`].
    pub codec: Codec,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions { block_size_bytes: 4096, codec: Codec::Lz4 }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// Counts, ranges and sizes, as the file itself says them.
    pub properties: Properties,
    /// The length of the file, in bytes.
    pub file_bytes: u64,
    /// CRC-32 of the whole file, for a list of files that is kept elsewhere.
    pub checksum: u32,
}

/// Writes one table. After [`Io`](Error::Io) the file is worth nothing: whatever
/// would write more, and [`finish`](TableBuilder::finish), gives the same error,
/// and the caller removes the file.
#[derive(Debug)]
pub struct TableBuilder {
    output: Output,
    options: TableOptions,
    block: BlockBuilder,
    /// A block that was encoded, in memory that serves them all.
    payload: Vec<u8>,
    compressor: Compressor,
    index: IndexBuilder,
    /// Names and contents that wait for the data to end.
    meta_blocks: Vec<(String, Vec<u8>)>,
    /// `None` before the first entry.
    properties: Option<Properties>,
}

impl TableBuilder {
    /// Writes a table into `file`, which is empty. `name` is how messages name
    /// the file, `salt` is what its checksums cover.
    pub fn new(file: Arc<dyn AppendFile>, name: String, salt: u32, options: TableOptions) -> TableBuilder {
        TableBuilder {
            output: Output::new(file, name, salt),
            options,
            block: BlockBuilder::new(),
            payload: Vec::new(),
            compressor: Compressor::new(),
            index: IndexBuilder::default(),
            meta_blocks: Vec::new(),
            properties: None,
        }
    }

    /// Adds an entry behind the last one.
    ///
    /// # Errors
    /// [`InvalidArgument`](Error::InvalidArgument) when the key is not above the
    /// last one or beyond a limit; the entry is then not in the table.
    /// [`Io`](Error::Io) when the file refuses the bytes.
    #[inline]
    pub fn add(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) -> Result<()> {
        self.check(key, value)?;
        if self.block_is_full_for(key, value) {
            self.finish_block(Some(key))?;
        }
        self.properties.get_or_insert_with(|| Properties::starting_at(key)).count(key, kind, value);
        self.block.add(key, kind, value);
        Ok(())
    }

    /// Keeps `contents` under `name`, for whoever knows the name. It is written
    /// by [`finish`](Self::finish). That the name is no other block's, nor that of the
    /// properties, is the caller's duty: a table in which one is twice cannot be opened.
    pub fn add_meta_block(&mut self, name: &str, contents: Vec<u8>) {
        debug_assert!(name != PROPERTIES && self.meta_blocks.iter().all(|(other, _)| other != name));
        self.meta_blocks.push((name.to_owned(), contents));
    }

    /// The last key added.
    pub fn last_key(&self) -> Option<InternalKey<'_>> {
        // A block is only empty before the first entry, for whoever closes one puts the
        // next key into the new one; or after a failure, and nothing is added then.
        self.block.last_key()
    }

    /// About how long the file would be if it were finished now, in bytes,
    /// without index and footer.
    pub fn size_bytes(&self) -> u64 {
        let meta_bytes: usize = self.meta_blocks.iter().map(|(_, contents)| contents.len()).sum();
        self.output.position + (self.block.size_bytes() + meta_bytes) as u64
    }

    /// How many entries were added.
    pub fn entries(&self) -> u64 {
        self.properties.as_ref().map_or(0, |properties| properties.entries)
    }

    /// Writes what is still in memory, then meta blocks, metaindex, index and
    /// footer. Nothing is synced.
    ///
    /// # Errors
    /// [`InvalidArgument`](Error::InvalidArgument) when there is no entry, or a meta
    /// block too many, or one beyond [`MAX_BLOCK_BYTES`]; [`Io`](Error::Io) as above.
    pub fn finish(mut self) -> Result<TableSummary> {
        self.finish_block(None)?;
        let Some(properties) = self.properties.take() else {
            return Err(Error::invalid_argument("a table needs an entry"));
        };
        let metaindex = self.write_meta_blocks(&properties)?;
        let metaindex = self.output.write_block(Codec::None, &metaindex.encode())?;
        let index = self.output.write_block(Codec::None, &self.index.finish())?;
        self.output.write_footer(index, metaindex, properties.entries)?;
        self.output.flush()?;
        let checksum = self.output.checksum.finalize();
        Ok(TableSummary { properties, file_bytes: self.output.position, checksum })
    }

    #[inline]
    fn check(&self, key: InternalKey<'_>, value: &[u8]) -> Result<()> {
        check_limits(key.user_key, value)?;
        let has_sequence = (FIRST_SEQUENCE..=MAX_SEQUENCE).contains(&key.sequence);
        if has_sequence && self.block.is_next(key) { Ok(()) } else { Err(self.refusal(key)) }
    }

    #[cold]
    fn refusal(&self, key: InternalKey<'_>) -> Error {
        Error::invalid_argument(match self.last_key() {
            Some(last) if last >= key => format!("{key:?} must come before {last:?}"),
            _ => format!("{key:?}: no entry has this sequence"),
        })
    }

    /// A block ends before it is larger than it should be, its trailer included: stored
    /// plain, one of 4,096 bytes is read into memory of that size, one of 4,100 into the
    /// next size that an allocator has, a quarter more.
    #[inline]
    fn block_is_full_for(&self, key: InternalKey<'_>, value: &[u8]) -> bool {
        if self.block.is_empty() {
            return false;
        }
        let bytes = self.block.size_bytes_with(key.user_key, value) + TRAILER_BYTES;
        bytes > self.options.block_size_bytes || !self.block.has_room()
    }

    /// Writes the pending block. `next` is the key that comes behind it.
    fn finish_block(&mut self, next: Option<InternalKey<'_>>) -> Result<()> {
        let (Some(last), Some(properties)) =
            (self.block.last_key().map(InternalKey::to_owned), &mut self.properties)
        else {
            return Ok(());
        };
        self.payload.clear();
        self.block.finish_into(&mut self.payload);
        let (codec, stored) = self.compressor.compress(self.options.codec, &self.payload);
        let handle = self.output.write_block(codec, stored)?;
        self.index.add(last.as_key(), next, handle.bytes);
        properties.count_block((stored.len() + TRAILER_BYTES) as u64);
        properties.largest = last;
        Ok(())
    }

    /// Writes all meta blocks, the properties last.
    fn write_meta_blocks(&mut self, properties: &Properties) -> Result<Metaindex> {
        self.meta_blocks.push((PROPERTIES.to_owned(), properties.encode()));
        if self.meta_blocks.len() > MAX_META_BLOCKS {
            return Err(Error::invalid_argument(format!("more than {MAX_META_BLOCKS} meta blocks")));
        }
        let mut metaindex = Metaindex::default();
        for (name, contents) in self.meta_blocks.drain(..) {
            let handle = self.output.write_block(Codec::None, &contents)?;
            metaindex.blocks.push(MetaBlock { name, must_understand: false, handle });
        }
        Ok(metaindex)
    }
}

/// The file, what waits to be appended to it, and the failure that ended it.
#[derive(Debug)]
struct Output {
    file: Arc<dyn AppendFile>,
    name: String,
    salt: u32,
    buffer: Vec<u8>,
    /// Bytes written so far, those in the buffer included.
    position: u64,
    checksum: crc32fast::Hasher,
    failure: Option<Error>,
}

impl Output {
    fn new(file: Arc<dyn AppendFile>, name: String, salt: u32) -> Output {
        let checksum = crc32fast::Hasher::new();
        Output { file, name, salt, buffer: Vec::new(), position: 0, checksum, failure: None }
    }

    fn write_block(&mut self, codec: Codec, stored: &[u8]) -> Result<BlockHandle> {
        if stored.len() > MAX_BLOCK_BYTES {
            let what = format!("{}: a block of {} bytes is beyond the limit", self.name, stored.len());
            return Err(Error::invalid_argument(what));
        }
        let handle = BlockHandle { offset: self.position, bytes: stored.len() as u32 };
        let trailer = trailer(stored, codec, handle.offset, self.salt);
        self.write(stored)?;
        self.write(&trailer)?;
        Ok(handle)
    }

    fn write_footer(&mut self, index: BlockHandle, metaindex: BlockHandle, entries: u64) -> Result<()> {
        let file_bytes = self.position + FOOTER_BYTES as u64;
        let (salt, version) = (self.salt, VERSION);
        let footer = Footer { index, metaindex, entries, file_bytes, salt, version, features: 0 };
        self.write(&footer.encode())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.check_sound()?;
        self.position += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < WRITE_BUFFER_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.check_sound()?;
        // All that is collected at once: the checksum is fastest over long stretches.
        self.checksum.update(&self.buffer);
        let appended = self.file.append(&self.buffer);
        self.buffer.clear();
        self.failure = appended.as_ref().err().cloned();
        appended
    }

    /// Errs when an append has failed before (INV-TABLE-3).
    fn check_sound(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}
