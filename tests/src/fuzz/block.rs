//! Blocks: as they are, compressed, behind a right checksum, or built and read back.
//!
//! ```text
//!   input := 0 · payload
//!          | 1 · stored as LZ4
//!          | 2 · codec u8 · stored              framed with its right checksum
//!          | 3 · entry*                         built by the builder
//!   entry := kind u8 · sequence u8 · section, the key · section, the value
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use stage6_engine::memtable::key::{InternalKey, Kind, OwnedKey};
use stage6_engine::sstable::block::{Block, BlockBuilder, BlockCursor, block_fields};
use stage6_engine::sstable::compression::{Codec, decode_lz4, decompress};
use stage6_engine::sstable::format::BlockHandle;
use stage6_engine::sstable::frame::{BlockFile, block_checksum};
use stage6_engine::wal::coding::{Decoder, Malformed};

use super::input::Input;
use super::{Memory, refused_or};

/// One entry as a cursor shows it.
pub(super) type Shown = (OwnedKey, Kind, Vec<u8>);

pub(super) fn run(bytes: &[u8]) -> usize {
    let mut input = Input::new(bytes);
    let first = input.byte();
    match first {
        Some(1) => decompressed(Codec::Lz4, input.rest()),
        Some(2) => framed(input),
        Some(3) => built(input),
        _ => {
            judge(&Bytes::copy_from_slice(input.rest()));
            bytes.len()
        }
    }
}

/// A compressed payload counts as long as it says it is, once that is believed.
fn decompressed(codec: Codec, stored: &[u8]) -> usize {
    let declared = decode_lz4(&mut Decoder::new(stored)).map_or(0, |(length, _)| length);
    if let Ok(payload) = decompress(codec, Bytes::copy_from_slice(stored)) {
        judge(&payload);
    }
    stored.len() + if codec == Codec::Lz4 { declared } else { 0 }
}

fn framed(mut input: Input<'_>) -> usize {
    let (codec, stored) = (input.byte().unwrap_or(0), input.rest());
    let crc = block_checksum(stored, codec, 0, 7);
    let bytes = [stored, &[codec], &crc.to_le_bytes()].concat();
    let handle = BlockHandle { offset: 0, bytes: stored.len() as u32 };
    let file = BlockFile::new(Memory::file(bytes), 7);
    let Some((found, codec)) = refused_or(file.read_stored(handle)) else { return stored.len() };
    assert_eq!(found, stored);
    if let Some(payload) = refused_or(file.read(handle)) {
        judge(&payload);
    }
    decompressed(codec, stored)
}

/// What a block is built from, it holds.
fn built(mut input: Input<'_>) -> usize {
    let mut entries = BTreeMap::new();
    while let (Some(kind), Some(sequence), Some(key)) = (input.byte(), input.byte(), input.section()) {
        let value = input.section().unwrap_or_default().to_vec();
        let user_key = Bytes::copy_from_slice(key);
        let kind = if kind % 2 == 0 { Kind::Value } else { Kind::Deletion };
        entries.insert(OwnedKey { user_key, sequence: sequence.into() }, (kind, value));
    }
    let mut builder = BlockBuilder::new();
    for (key, (kind, value)) in &entries {
        if builder.has_room() {
            builder.add(key.as_key(), *kind, value);
        }
    }
    let (count, payload) = (builder.len(), Bytes::from(builder.finish()));
    let length = payload.len();
    if count > 0 {
        let block = judge(&payload).expect("what was built is a block");
        let expected = entries.into_iter().map(|(key, (kind, value))| (key, kind, value)).take(count);
        assert!(walk(&block).expect("and sound").into_iter().eq(expected), "a round trip changed a block");
    }
    length
}

/// A block that checks is walked in order, both ways, and finds all that it holds;
/// one that does not ends its walks with an error, and stays in bounds.
fn judge(payload: &Bytes) -> Option<Block> {
    let fields = block_fields(payload);
    let block = Block::parse(payload.clone()).ok()?;
    let (forward, backward) = (walk(&block), walk_back(&block));
    if block.check().is_err() {
        let target = InternalKey::new(&payload[..payload.len().min(3)], 1);
        let found = block.clone().get(target);
        assert!(found.ok().flatten().is_none_or(|(_, _, value)| value.len() <= payload.len()));
        return None;
    }
    let (entries, mut backward) = (forward.expect("it checks"), backward.expect("it checks"));
    backward.reverse();
    assert_eq!(entries, backward, "both ways show the same");
    assert_eq!(entries.len(), block.entries());
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "INV-BLOCK-1");
    assert!(fields.is_ok(), "what checks can be shown");
    for (position, (key, kind, value)) in entries.iter().enumerate() {
        assert_eq!(block.position_of(key.as_key()), Ok(position));
        let found = block.clone().get(key.as_key()).expect("it checks");
        assert_eq!(found, Some((*kind, key.sequence, Bytes::copy_from_slice(value))));
    }
    Some(block)
}

fn walk(block: &Block) -> Result<Vec<Shown>, Malformed> {
    follow(block, BlockCursor::seek_to_first, BlockCursor::advance)
}

fn walk_back(block: &Block) -> Result<Vec<Shown>, Malformed> {
    follow(block, BlockCursor::seek_to_last, BlockCursor::retreat)
}

fn follow(
    block: &Block,
    begin: impl Fn(&mut BlockCursor) -> Result<bool, Malformed>,
    step: impl Fn(&mut BlockCursor) -> Result<bool, Malformed>,
) -> Result<Vec<Shown>, Malformed> {
    let mut cursor = block.cursor();
    let mut moved = begin(&mut cursor);
    let mut shown = Vec::new();
    while let (Some(key), Some(kind), Some(value)) = (cursor.key(), cursor.kind(), cursor.value()) {
        shown.push((key.to_owned(), kind, value.to_vec()));
        assert!(shown.len() <= block.entries(), "a walk ends");
        moved = step(&mut cursor);
    }
    assert!(!cursor.is_valid(), "behind an end or an error it stands on nothing");
    moved.map(|_| shown)
}
