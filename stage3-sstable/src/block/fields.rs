//! A block with every byte named.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use bytes::Bytes;
use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::layout::Field;
use stage2_wal::memtable::key::Kind;

use super::HEAD_BYTES;
use super::cursor::Block;
use super::entry::Entry;

/// The fields of a decompressed block, in their order, each byte in one.
///
/// Reads by name what [`Block`] reads for speed, and errs when the two do not
/// agree about an entry, so that a dump shows what a search sees.
///
/// # Errors
/// [`Malformed`] when it is not a block.
pub fn block_fields(payload: &Bytes) -> Result<Vec<Field>, Malformed> {
    let block = Block::parse(payload.clone())?;
    block.check()?;
    let mut decoder = Decoder::recording(payload);
    for position in 0..block.entries() {
        let named = entry(&mut decoder)?;
        if named != block.entry(position)? {
            return Err(decoder.malformed("two readings of an entry differ"));
        }
    }
    decoder.bytes("prefix", block.prefix().len())?;
    for _ in 0..block.entries() {
        decoder.bytes("head", HEAD_BYTES)?;
    }
    for _ in 0..block.entries() {
        decoder.u16("offset")?;
    }
    decoder.u16("prefix bytes")?;
    decoder.u16("entries")?;
    decoder.finish()?;
    Ok(decoder.into_fields())
}

fn entry(decoder: &mut Decoder<'_>) -> Result<Entry, Malformed> {
    let kind = Kind::from_byte(decoder.u8("kind")?).ok_or_else(|| decoder.malformed("not a kind"))?;
    decoder.explain(|| format!("{kind:?}"));
    let sequence = decoder.varint("sequence")?;
    let suffix_bytes = decoder.length("suffix length")?;
    let value_bytes = decoder.length("value length")?;
    let suffix_start = decoder.position();
    decoder.bytes("suffix", suffix_bytes)?;
    let value_start = decoder.position();
    decoder.bytes("value", value_bytes)?;
    Ok(Entry { kind, sequence, suffix_start, value_start, value_end: decoder.position() })
}
