//! The whole file with every byte named.
//!
//! ```text
//!   000000  01                       kind                   Value
//!   000001  09                       sequence               9
//!   …
//!   0001f2  89 4c 53 4d 54 0d 0a 1a  magic                  "\x89LSMT\r\n\x1a"
//! ```
//!
//! The names come from the decoders that open and read a table, so a dump cannot
//! show another format than the one that is read.
//!
//! **INV-TABLE-LAYOUT-1** Every byte of the file lies in exactly one field. What
//! is compressed is one field: its bytes have no names of their own.

use std::sync::Arc;

use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::layout::Field;
use stage2_wal::memtable::error::Result;
use stage2_wal::vfs::ReadFile;

use crate::block::block_fields;
use crate::cache::BlockCache;
use crate::compression::{Codec, decode_lz4};
use crate::footer::{FOOTER_BYTES, Footer};
use crate::format::{BlockHandle, TRAILER_BYTES};
use crate::frame::decode_trailer;
use crate::index::Index;
use crate::metaindex::Metaindex;
use crate::properties::{PROPERTIES, Properties, PropertiesError};
use crate::table::Table;

/// The fields of the table in `file`, in the order of the file, for
/// [`annotated_hex`](stage2_wal::layout::annotated_hex).
///
/// # Errors
/// As [`Table::open`], and [`Corruption`](stage2_wal::memtable::Error::Corruption)
/// for a damaged data block.
pub fn table_layout(file: Arc<dyn ReadFile>, salt: u32) -> Result<Vec<Field>> {
    let table = Table::open(file, salt, 0, Arc::new(BlockCache::new(0)))?;
    let mut layout = Layout { table: &table, fields: Vec::new() };
    layout.data_blocks()?;
    layout.meta_blocks()?;
    layout.block(table.footer.metaindex, |decoder| Metaindex::decode(decoder).map(drop))?;
    let data_bytes = table.properties().data_bytes;
    layout.block(table.footer.index, |decoder| Index::decode(decoder, data_bytes).map(drop))?;
    layout.footer()?;
    Ok(layout.fields)
}

/// The fields of a table, collected from its front.
struct Layout<'a> {
    table: &'a Table,
    fields: Vec<Field>,
}

impl Layout<'_> {
    fn data_blocks(&mut self) -> Result<()> {
        for handle in (0..).map_while(|ordinal| self.table.index.handle(ordinal)) {
            let (stored, codec) = self.table.file.read_stored(handle)?;
            let fields = match codec {
                Codec::None => block_fields(&stored),
                Codec::Lz4 => record(&stored, |decoder| decode_lz4(decoder).map(drop)),
            };
            self.push(handle.offset, fields)?;
            self.trailer(handle)?;
        }
        Ok(())
    }

    fn meta_blocks(&mut self) -> Result<()> {
        for block in &self.table.metaindex.blocks {
            if block.name == PROPERTIES {
                self.block(block.handle, properties)?;
            } else {
                self.block(block.handle, contents)?;
            }
        }
        Ok(())
    }

    /// A plain block that `decode` reads, and its trailer.
    fn block(
        &mut self,
        handle: BlockHandle,
        decode: impl FnOnce(&mut Decoder<'_>) -> Result<(), Malformed>,
    ) -> Result<()> {
        let payload = self.table.file.read(handle)?;
        self.push(handle.offset, record(&payload, decode))?;
        self.trailer(handle)
    }

    fn trailer(&mut self, handle: BlockHandle) -> Result<()> {
        let start = handle.offset + u64::from(handle.bytes);
        let bytes = self.table.file.file.read_at(start, TRAILER_BYTES)?;
        self.push(start, record(&bytes, |decoder| decode_trailer(decoder).map(drop)))
    }

    fn footer(&mut self) -> Result<()> {
        let start = self.table.file_bytes() - FOOTER_BYTES as u64;
        let bytes = self.table.file.file.read_at(start, FOOTER_BYTES)?;
        self.push(start, record(&bytes, |decoder| Footer::decode(&bytes, decoder).map(drop)))
    }

    fn push(&mut self, base: u64, fields: Result<Vec<Field>, Malformed>) -> Result<()> {
        let fields = fields.map_err(|what| self.table.file.damage(what, base))?;
        self.fields.extend(fields.into_iter().map(|field| field.shifted(base as usize)));
        Ok(())
    }
}

fn record(
    bytes: &[u8],
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<(), Malformed>,
) -> Result<Vec<Field>, Malformed> {
    let mut decoder = Decoder::recording(bytes);
    decode(&mut decoder)?;
    Ok(decoder.into_fields())
}

fn properties(decoder: &mut Decoder<'_>) -> Result<(), Malformed> {
    match Properties::decode(decoder) {
        Ok(_) => Ok(()),
        Err(PropertiesError::Malformed(what)) => Err(what),
        Err(PropertiesError::Unknown(tag)) => Err(decoder.malformed(format!("unknown property {tag}"))),
    }
}

/// The block of another layer, which alone knows its fields.
fn contents(decoder: &mut Decoder<'_>) -> Result<(), Malformed> {
    let length = decoder.remaining();
    decoder.bytes("contents", length).map(drop)
}
