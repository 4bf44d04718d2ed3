//! The metaindex: which meta blocks a table has, by name.
//!
//! ```text
//!   metaindex := count:varint  entry{count}             at most 256 entries
//!   entry     := name_length:varint  name  flags:u8  offset:varint  bytes:varint
//! ```
//!
//! A layer above may keep what it likes in a meta block of its own (a filter, for
//! example) without this one knowing the word: a reader ignores names that it
//! does not know.
//!
//! **INV-METAINDEX-1** A block whose must-understand flag is set changes what the
//! entries mean. Who does not know its name answers `Unsupported` for the whole
//! table instead of reading entries wrongly.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage2_wal::coding::{Decoder, Malformed, put_prefixed, put_varint};
use stage2_wal::memtable::error::{Error, Result};

use crate::format::BlockHandle;
use crate::frame::BlockFile;
use crate::properties::PROPERTIES;

/// The flag of a block that must be understood.
const MUST_UNDERSTAND: u8 = 1;

/// The most meta blocks of a table. There are two or three; as each name is compared
/// with all before it, a metaindex of a million would be a hang.
pub const MAX_META_BLOCKS: usize = 256;

/// The names that this release understands.
const UNDERSTOOD: [&str; 1] = [PROPERTIES];

/// One meta block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaBlock {
    /// Its name: a kind, and behind a dot which one, as in `filter.…`.
    pub name: String,
    /// Whether the table means something else to who does not know the name.
    pub must_understand: bool,
    /// Where its contents are.
    pub handle: BlockHandle,
}

/// The meta blocks of a table, in the order in which they lie in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metaindex {
    /// Each with a name of its own.
    pub blocks: Vec<MetaBlock>,
}

impl Metaindex {
    /// Where the contents of `name` are, if the table has them.
    pub fn find(&self, name: &str) -> Option<BlockHandle> {
        self.blocks.iter().find(|block| block.name == name).map(|block| block.handle)
    }

    /// The metaindex as a payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.blocks.len() as u64);
        for block in &self.blocks {
            put_prefixed(&mut bytes, block.name.as_bytes());
            bytes.push(if block.must_understand { MUST_UNDERSTAND } else { 0 });
            put_varint(&mut bytes, block.handle.offset);
            put_varint(&mut bytes, u64::from(block.handle.bytes));
        }
        bytes
    }

    /// Reads a metaindex.
    ///
    /// # Errors
    /// [`Malformed`] when bytes are missing or left, a name is not UTF-8 or there
    /// twice, a flag is unknown, a length is beyond 32 bits, or there are too many.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Metaindex, Malformed> {
        let count = decoder.length("meta blocks")?;
        if count > MAX_META_BLOCKS {
            return Err(decoder.malformed(format!("{count} meta blocks, {MAX_META_BLOCKS} are the most")));
        }
        let mut metaindex = Metaindex::default();
        for _ in 0..count {
            let block = decode_block(decoder)?;
            if metaindex.find(&block.name).is_some() {
                return Err(decoder.malformed(format!("meta block {} is there twice", block.name)));
            }
            metaindex.blocks.push(block);
        }
        decoder.finish()?;
        Ok(metaindex)
    }

    /// Errs when a block that must be understood is not known here.
    pub(crate) fn check_understood(&self, file: &BlockFile) -> Result<()> {
        let foreign =
            |block: &&MetaBlock| block.must_understand && !UNDERSTOOD.contains(&block.name.as_str());
        match self.blocks.iter().find(foreign) {
            Some(block) => Err(Error::unsupported(&file.name, format!("meta block {}", block.name))),
            None => Ok(()),
        }
    }

    /// Errs unless the blocks fill the file from `start` to `end` (INV-SST-2).
    pub(crate) fn check_contiguous(&self, file: &BlockFile, start: u64, end: u64) -> Result<()> {
        let mut expected = start;
        for block in &self.blocks {
            let after = block.handle.end().filter(|_| block.handle.offset == expected);
            expected = after.ok_or_else(|| {
                let what = format!("meta block {} does not start where the one before ends", block.name);
                file.corruption(expected, what)
            })?;
        }
        if expected != end {
            return Err(file.corruption(expected, "the meta blocks do not end where the metaindex starts"));
        }
        Ok(())
    }
}

fn decode_block(decoder: &mut Decoder<'_>) -> Result<MetaBlock, Malformed> {
    let name = decoder.prefixed("meta block name")?;
    let name = std::str::from_utf8(name).map_err(|_| decoder.malformed("a name is not UTF-8"))?.to_owned();
    let flags = decoder.u8("flags")?;
    if flags & !MUST_UNDERSTAND != 0 {
        return Err(decoder.malformed(format!("unknown flags {flags:#04x}")));
    }
    let offset = decoder.varint("offset")?;
    let bytes = decoder.varint("bytes")?;
    let bytes = u32::try_from(bytes).map_err(|_| decoder.malformed("a block beyond 32 bits"))?;
    Ok(MetaBlock { name, must_understand: flags == MUST_UNDERSTAND, handle: BlockHandle { offset, bytes } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metaindex() -> Metaindex {
        let block = |name: &str, offset, bytes| MetaBlock {
            name: name.to_owned(),
            must_understand: false,
            handle: BlockHandle { offset, bytes },
        };
        Metaindex { blocks: vec![block("filter.plain", 1_000, 95), block(PROPERTIES, 1_100, 60)] }
    }

    fn decode(bytes: &[u8]) -> Result<Metaindex, Malformed> {
        Metaindex::decode(&mut Decoder::new(bytes))
    }

    #[test]
    fn what_was_encoded_is_what_is_decoded() {
        assert_eq!(decode(&metaindex().encode()).unwrap(), metaindex());
    }

    #[test]
    fn more_meta_blocks_than_any_table_has_are_refused_before_the_first_is_read() {
        let block = |number| MetaBlock { name: format!("block.{number}"), ..metaindex().blocks[0].clone() };
        let most = Metaindex { blocks: (0..MAX_META_BLOCKS).map(block).collect() };
        assert_eq!(decode(&most.encode()).unwrap(), most);
        let more = Metaindex { blocks: (0..=MAX_META_BLOCKS).map(block).collect() };
        assert!(decode(&more.encode()).unwrap_err().what.contains("256 are the most"));
    }

    #[test]
    fn a_name_that_is_there_twice_is_malformed() {
        let mut twice = metaindex();
        twice.blocks.push(twice.blocks[0].clone());
        assert!(decode(&twice.encode()).unwrap_err().what.contains("twice"));
    }

    #[test]
    fn a_hostile_count_is_refused_without_allocation() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::MAX);
        assert!(decode(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_metaindex_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
