//! Reads a whole table and believes nothing.

use stage2_wal::memtable::error::Result;
use stage2_wal::memtable::key::{InternalKey, OwnedKey};

use super::reader::Table;
use crate::block::{Block, BlockCursor};
use crate::format::TRAILER_BYTES;
use crate::properties::Properties;

/// What [`Table::verify`] has read and found sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableReport {
    /// Entries, every version counted.
    pub entries: u64,
    /// Data blocks.
    pub data_blocks: u64,
    /// Meta blocks, the properties among them.
    pub meta_blocks: u64,
    /// The length of the file, in bytes.
    pub file_bytes: u64,
}

impl Table {
    /// Reads every block from the file, past the cache: checksums, the order of
    /// all keys, separators, heads, and all counts against the properties.
    ///
    /// # Errors
    /// The first thing that is wrong, as [`Corruption`](stage2_wal::memtable::Error::Corruption).
    pub fn verify(&self) -> Result<TableReport> {
        let counted = self.recount()?;
        if counted.as_ref() != Some(self.properties()) {
            let what = format!("the properties say {:?}, the entries say {counted:?}", self.properties());
            return Err(self.file.corruption(0, what));
        }
        for block in &self.metaindex.blocks {
            self.file.read(block.handle)?;
        }
        Ok(TableReport {
            entries: self.properties().entries,
            data_blocks: self.index.len() as u64,
            meta_blocks: self.metaindex.blocks.len() as u64,
            file_bytes: self.file_bytes(),
        })
    }

    /// The properties as the data blocks show them.
    fn recount(&self) -> Result<Option<Properties>> {
        let (mut counted, mut ahead) = (None, None);
        for ordinal in 0..self.index.len() {
            let block = self.block_past_cache(ordinal, &mut ahead)?;
            self.recount_block(ordinal, &block, &mut counted)?;
        }
        Ok(counted)
    }

    fn recount_block(&self, ordinal: usize, block: &Block, counted: &mut Option<Properties>) -> Result<()> {
        let handle = self.handle(ordinal);
        block.check().map_err(|what| self.file.damage(what, handle.offset))?;
        let below = ordinal.checked_sub(1).and_then(|before| self.index.separator(before));
        let above = self.index.separator(ordinal);
        let mut cursor: BlockCursor = block.cursor();
        let mut moved = cursor.seek_to_first();
        let mut last = None;
        while let (Ok(true), Some(key), Some(kind), Some(value)) =
            (&moved, cursor.key(), cursor.kind(), cursor.value())
        {
            if let (Some(below), Some(counted)) = (&below, &counted)
                && is_out_of_reach(key, &counted.largest, below)
            {
                let what = format!("{key:?} is below its block's range");
                return Err(self.file.corruption(handle.offset, what));
            }
            counted.get_or_insert_with(|| Properties::starting_at(key)).count(key, kind, value);
            last = Some(key.to_owned());
            moved = cursor.advance();
        }
        moved.map_err(|what| self.file.damage(what, handle.offset))?;
        if last > above {
            return Err(self.file.corruption(handle.offset, format!("{last:?} is above its separator")));
        }
        close_block(counted, last, u64::from(handle.bytes) + TRAILER_BYTES as u64);
        Ok(())
    }
}

/// Whether a reader who looks for `key` may be led to the block before its own, which ends
/// with `last` and whose separator is `below`: if the separator is not below the key, or cuts
/// through the versions of its user key without being one of them (INV-INDEX-1).
fn is_out_of_reach(key: InternalKey<'_>, last: &OwnedKey, below: &OwnedKey) -> bool {
    key <= below.as_key() || (key.user_key == &below.user_key[..] && last != below)
}

fn close_block(counted: &mut Option<Properties>, last: Option<OwnedKey>, bytes: u64) {
    if let (Some(counted), Some(last)) = (counted, last) {
        counted.count_block(bytes);
        counted.largest = last;
    }
}
