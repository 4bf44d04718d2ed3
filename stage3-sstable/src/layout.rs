//! The whole file with every byte named.
//!
//! ```text
//!   000000  01                       kind                   Value
//!   000001  01                       sequence               1
//!   …
//!   0001d8  89 4c 53 4d 54 0d 0a 1a  magic                  "\x89LSMT\r\n\x1a"
//! ```
//!
//! The names come from the decoders that open and read a table, so a dump cannot
//! show another format than the one that is read.
//!
//! **INV-TABLE-LAYOUT-1** Every byte of the file lies in exactly one part, and
//! every byte of a sound part in exactly one field. What is compressed is one
//! field: its bytes have no names of their own.
//!
//! A damaged table is taken apart as far as it is sound: each block stands under
//! its own checksum. Only with the footer everything is gone, because it alone
//! says where the others lie.

use std::sync::Arc;

use bytes::Bytes;
use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::layout::{Field, Part};
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::OwnedKey;
use stage2_wal::vfs::ReadFile;

use crate::block::{Block, block_fields};
use crate::cache::BlockCache;
use crate::compression::{Codec, decode_lz4, decompress};
use crate::footer::{FOOTER_BYTES, Footer};
use crate::format::{BlockHandle, TRAILER_BYTES};
use crate::frame::{BlockFile, decode_trailer};
use crate::index::Index;
use crate::metaindex::Metaindex;
use crate::properties::{PROPERTIES, Properties, PropertiesError};
use crate::table::Table;

/// What a sound part of a table holds.
#[derive(Debug)]
pub enum Contents {
    /// A data block.
    Data {
        /// Its entries.
        block: Block,
        /// How it is stored.
        codec: Codec,
        /// What the index says that no key in it is behind.
        separator: OwnedKey,
    },
    /// A meta block of another layer, which alone knows its fields: they are one,
    /// called [`META_CONTENTS`].
    Meta {
        /// Its name.
        name: String,
        /// Its bytes.
        contents: Bytes,
    },
    /// The properties.
    Properties(Properties),
    /// The metaindex.
    Metaindex(Metaindex),
    /// The index.
    Index(Index),
    /// The footer.
    Footer(Footer),
}

/// The field of a meta block whose bytes another layer can name.
pub const META_CONTENTS: &str = "contents";

/// The fields of the table in `file`, in the order of the file, for
/// [`annotated_hex`](stage2_wal::layout::annotated_hex).
///
/// # Errors
/// As [`Table::open`], and [`Corruption`](Error::Corruption) for a damaged block.
pub fn table_layout(file: Arc<dyn ReadFile>, salt: u32) -> Result<Vec<Field>> {
    let (name, parts) = (file.describe(), table_parts(&file));
    Table::open(file, salt, 0, Arc::new(BlockCache::new(0)))?;
    let mut fields = Vec::new();
    for part in parts? {
        part.contents.map_err(|what| Error::corruption(&name, part.start as u64, what))?;
        fields.extend(part.fields);
    }
    Ok(fields)
}

/// The parts of the table in `file`, in the order of the file. Its salt is the one
/// that its footer states, so that it needs no database around it.
///
/// # Errors
/// [`Unsupported`](Error::Unsupported) for a table of a later release;
/// [`Corruption`](Error::Corruption) when the footer is damaged;
/// [`Io`](Error::Io) from the file. Other damage is not an error here but a part.
pub fn table_parts(file: &Arc<dyn ReadFile>) -> Result<Vec<Part<Contents>>> {
    let (footer, fields, file) = read_footer(file)?;
    let mut layout = Layout { parts: Vec::new(), file };
    let data_end = layout.meta_blocks(&footer)?;
    layout.data_blocks(&footer, data_end)?;
    let end = footer.file_bytes as usize;
    let contents = Ok(Contents::Footer(footer));
    layout.parts.push(Part { start: end.saturating_sub(FOOTER_BYTES), end, contents, fields });
    Ok(layout.whole())
}

fn read_footer(file: &Arc<dyn ReadFile>) -> Result<(Footer, Vec<Field>, BlockFile)> {
    let start = file.len().saturating_sub(FOOTER_BYTES as u64);
    let bytes = file.read_at(start, file.len().saturating_sub(start) as usize)?;
    let mut decoder = Decoder::recording(&bytes);
    // With a salt of its own, whatever is wrong with the footer is said below.
    let salt = Footer::decode(&bytes, &mut decoder).map_or(0, |footer| footer.salt);
    let mut file = BlockFile::new(Arc::clone(file), salt);
    let footer = Footer::read(&file)?;
    file.version = footer.version;
    let fields = decoder.into_fields().into_iter().map(|field| field.shifted(start as usize));
    Ok((footer, fields.collect(), file))
}

/// The parts of a table, as they are found.
struct Layout {
    file: BlockFile,
    parts: Vec<Part<Contents>>,
}

impl Layout {
    /// The metaindex and all that it names. Where the data ends, if it says so.
    fn meta_blocks(&mut self, footer: &Footer) -> Result<Option<u64>> {
        let start = footer.metaindex.offset;
        let file = self.file.clone();
        self.block(footer.metaindex, |payload, _| {
            let (metaindex, fields) = record(payload, Metaindex::decode)?;
            let first = metaindex.blocks.first().map_or(start, |block| block.handle.offset);
            let contiguous = metaindex.check_contiguous(&file, first, start);
            contiguous.map_err(|error| Malformed { offset: 0, what: what_of(&error) })?;
            Ok((Contents::Metaindex(metaindex), fields))
        })?;
        let Some(Ok(Contents::Metaindex(metaindex))) = self.parts.last().map(|part| &part.contents) else {
            return Ok(None);
        };
        let blocks = metaindex.blocks.clone();
        for block in &blocks {
            match block.name.as_str() {
                PROPERTIES => self.block(block.handle, |payload, _| properties(payload))?,
                name => self.block(block.handle, |payload, _| meta_contents(name, payload))?,
            }
        }
        Ok(Some(blocks.first().map_or(start, |block| block.handle.offset)))
    }

    /// The index, and all data blocks that it names.
    fn data_blocks(&mut self, footer: &Footer, data_end: Option<u64>) -> Result<()> {
        self.block(footer.index, |payload, _| {
            let (index, fields) = record(payload, |decoder| match data_end {
                Some(data_end) => Index::decode(decoder, data_end),
                None => Index::decode_within(decoder, footer.metaindex.offset),
            })?;
            Ok((Contents::Index(index), fields))
        })?;
        let Some(Ok(Contents::Index(index))) = self.parts.last().map(|part| &part.contents) else {
            return Ok(());
        };
        let named = |ordinal| Some((index.handle(ordinal)?, index.separator(ordinal)?));
        let blocks: Vec<(BlockHandle, OwnedKey)> = (0..).map_while(named).collect();
        for (handle, separator) in blocks {
            self.data_block(handle, separator)?;
        }
        Ok(())
    }

    fn data_block(&mut self, handle: BlockHandle, separator: OwnedKey) -> Result<()> {
        self.block(handle, |payload, codec| {
            let fields = block_fields(payload)?;
            Ok((Contents::Data { block: Block::parse(payload.clone())?, codec, separator }, fields))
        })
    }

    /// Adds the block at `handle`, whose payload `decode` reads, or what is wrong
    /// with it.
    fn block(
        &mut self,
        handle: BlockHandle,
        decode: impl FnOnce(&Bytes, Codec) -> Result<(Contents, Vec<Field>), Malformed>,
    ) -> Result<()> {
        let (contents, fields) = match self.sound_block(handle, decode) {
            Ok((contents, fields)) => (Ok(contents), fields),
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => (Err(what_of(&error)), Vec::new()),
        };
        let end = handle.end().unwrap_or(handle.offset) as usize;
        self.parts.push(Part { start: handle.offset as usize, end, contents, fields });
        Ok(())
    }

    fn sound_block(
        &self,
        handle: BlockHandle,
        decode: impl FnOnce(&Bytes, Codec) -> Result<(Contents, Vec<Field>), Malformed>,
    ) -> Result<(Contents, Vec<Field>)> {
        let damage = |what| self.file.damage(what, handle.offset);
        let (stored, codec) = self.file.read_stored(handle)?;
        let payload = decompress(codec, stored.clone()).map_err(damage)?;
        let (contents, mut fields) = decode(&payload, codec).map_err(damage)?;
        if codec == Codec::Lz4 {
            (_, fields) = record(&stored, |decoder| decode_lz4(decoder).map(drop)).map_err(damage)?;
        }
        let base = handle.offset as usize;
        let trailer = self.file.file.read_at((base + stored.len()) as u64, TRAILER_BYTES)?;
        let (_, trailer) = record(&trailer, decode_trailer).map_err(damage)?;
        fields.extend(trailer.into_iter().map(|field| field.shifted(stored.len())));
        Ok((contents, fields.into_iter().map(|field| field.shifted(base)).collect()))
    }

    /// All parts in the order of the file, with what no block claims between them.
    fn whole(mut self) -> Vec<Part<Contents>> {
        self.parts.sort_by_key(|part| part.start);
        let mut whole = Vec::new();
        let mut position = 0;
        for part in self.parts {
            if part.start > position {
                let contents = Err("no sound index or metaindex says what lies here".to_owned());
                whole.push(Part { start: position, end: part.start, contents, fields: Vec::new() });
            }
            position = part.end;
            whole.push(part);
        }
        whole
    }
}

fn record<C>(
    bytes: &[u8],
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<C, Malformed>,
) -> Result<(C, Vec<Field>), Malformed> {
    let mut decoder = Decoder::recording(bytes);
    let contents = decode(&mut decoder)?;
    Ok((contents, decoder.into_fields()))
}

fn properties(payload: &Bytes) -> Result<(Contents, Vec<Field>), Malformed> {
    let (properties, fields) = record(payload, |decoder| match Properties::decode(decoder) {
        Ok(properties) => Ok(properties),
        Err(PropertiesError::Malformed(what)) => Err(what),
        Err(PropertiesError::Unknown(tag)) => Err(decoder.malformed(format!("unknown property {tag}"))),
    })?;
    Ok((Contents::Properties(properties), fields))
}

fn meta_contents(name: &str, payload: &Bytes) -> Result<(Contents, Vec<Field>), Malformed> {
    let (_, fields) = record(payload, |decoder| decoder.bytes(META_CONTENTS, payload.len()).map(drop))?;
    Ok((Contents::Meta { name: name.to_owned(), contents: payload.clone() }, fields))
}

/// What is wrong, without the file's name, which whoever asked for parts knows.
fn what_of(error: &Error) -> String {
    match error {
        Error::Corruption { what, .. } | Error::Unsupported { what, .. } => what.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{TableBuilder, TableOptions};
    use stage2_wal::layout::unclaimed;
    use stage2_wal::memtable::key::{InternalKey, Kind};
    use stage2_wal::vfs::{FileId, SimVfs, Vfs};

    const FILE: FileId = FileId::Table(2);

    fn table() -> SimVfs {
        let vfs = SimVfs::new();
        let options = TableOptions { block_size_bytes: 256, ..TableOptions::default() };
        let mut builder = TableBuilder::new(vfs.create(FILE).unwrap(), vfs.describe(FILE), 7, options);
        for number in 0..100 {
            let key = format!("key {number:03}");
            builder.add(InternalKey::new(key.as_bytes(), 1), Kind::Value, b"some words").unwrap();
        }
        builder.add_meta_block("filter.none", vec![5; 40]);
        builder.finish().unwrap();
        vfs
    }

    /// The parts of a table after `change`: side by side from first byte to last.
    fn parts(vfs: &SimVfs) -> Vec<Part<Contents>> {
        let file = vfs.open(FILE).unwrap();
        let parts = table_parts(&file).unwrap();
        assert_eq!((parts[0].start, parts.last().unwrap().end as u64), (0, file.len()));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "INV-TABLE-LAYOUT-1");
        parts
    }

    fn is_sound(part: &Part<Contents>) -> bool {
        part.contents.is_ok()
    }

    #[test]
    fn every_byte_of_a_sound_table_lies_in_one_field() {
        let vfs = table();
        let sound = parts(&vfs);
        assert!(sound.iter().all(is_sound) && sound.len() > 8, "{sound:?}");
        let fields: Vec<Field> = sound.into_iter().flat_map(|part| part.fields).collect();
        assert_eq!(unclaimed(&vfs.open(FILE).unwrap().read_all().unwrap(), &fields), []);
    }

    #[test]
    fn a_damaged_part_costs_no_other_unless_that_one_names_it() {
        let sound = parts(&table());
        for hit in &sound[..sound.len() - 1] {
            let vfs = table();
            vfs.corrupt(FILE, |bytes| bytes[hit.start] ^= 1).unwrap();
            let damaged = parts(&vfs);
            let lost = damaged.iter().filter(|part| !is_sound(part)).count();
            match &hit.contents {
                // All that they name lies in one stretch that nobody can read.
                Ok(Contents::Index(_) | Contents::Metaindex(_)) => assert_eq!(lost, 2, "{damaged:?}"),
                _ => assert_eq!(lost, 1, "{damaged:?}"),
            }
        }
    }

    #[test]
    fn without_its_footer_nothing_of_a_table_is_known() {
        let vfs = table();
        vfs.corrupt(FILE, |bytes| bytes.truncate(bytes.len() - 1)).unwrap();
        let error = table_parts(&vfs.open(FILE).unwrap()).unwrap_err();
        assert!(error.to_string().contains("not a table, or cut short"), "{error}");
    }
}
