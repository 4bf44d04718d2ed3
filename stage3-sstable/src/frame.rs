//! A block on disk: read, and checked before it is believed.
//!
//! ```text
//!   handle: offset 4,096, 3,000 bytes
//!              │
//!              ▼
//!   … │ payload, as stored ………………………………… │ codec:u8 │ checksum:u32 │ next block …
//!
//!   checksum := crc32(salt:u32 ‖ offset:u64 ‖ codec:u8 ‖ payload)       version 2
//!               crc32(payload ‖ codec:u8 ‖ offset:u64 ‖ salt:u32)       version 1
//! ```
//!
//! Integers are little-endian. Salt and offset are known to the reader and stand nowhere
//! in the block.
//!
//! **INV-FRAME-1** Nothing of a block leaves this module before its checksum was
//! found right: neither its codec nor a length in it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::vfs::ReadFile;

use crate::compression::{Codec, decompress};
use crate::format::{BlockHandle, TRAILER_BYTES, VERSION};

/// The checksum of a block in a table of this release: CRC-32 over the file's salt,
/// the block's offset, its codec and the payload as stored.
///
/// What comes before the payload is put together and taken in one update: each update
/// that is shorter than a vector costs about as much as 128 bytes of payload.
pub fn block_checksum(payload: &[u8], codec: u8, offset: u64, salt: u32) -> u32 {
    let mut place = [codec; 13];
    place[..4].copy_from_slice(&salt.to_le_bytes());
    place[4..12].copy_from_slice(&offset.to_le_bytes());
    checksum_of([&place, payload])
}

/// The same in a table of version 1.
fn block_checksum_1(payload: &[u8], codec: u8, offset: u64, salt: u32) -> u32 {
    checksum_of([payload, &[codec], &offset.to_le_bytes(), &salt.to_le_bytes()])
}

fn checksum_of<const PARTS: usize>(parts: [&[u8]; PARTS]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// The five bytes that follow `payload` at `offset`.
pub fn trailer(payload: &[u8], codec: Codec, offset: u64, salt: u32) -> [u8; TRAILER_BYTES] {
    let [a, b, c, d] = block_checksum(payload, codec.as_byte(), offset, salt).to_le_bytes();
    [codec.as_byte(), a, b, c, d]
}

/// The codec and checksum of a trailer.
///
/// # Errors
/// [`Malformed`] when there are fewer than five bytes.
pub fn decode_trailer(decoder: &mut Decoder<'_>) -> Result<(u8, u32), Malformed> {
    Ok((decoder.u8("codec")?, decoder.crc("block checksum")?))
}

/// The longest block, with its trailer, that is lent: most are of a few kilobytes, and each
/// thread that reads keeps as much.
const MOST_LENT_BYTES: usize = 16 << 10;

thread_local! {
    /// Where blocks are read that nobody keeps.
    static LENT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How long a block is in the file.
fn stored_bytes(handle: BlockHandle) -> usize {
    (handle.bytes as usize).saturating_add(TRAILER_BYTES)
}

/// A file of blocks: what every read of a table needs.
#[derive(Debug, Clone)]
pub struct BlockFile {
    /// The file itself.
    pub file: Arc<dyn ReadFile>,
    /// How messages name it.
    pub name: String,
    /// The salt that its checksums cover.
    pub salt: u32,
    /// The version of the format, which decides what a checksum covers.
    pub version: u16,
}

impl BlockFile {
    /// A file of this release, until its footer says otherwise.
    pub fn new(file: Arc<dyn ReadFile>, salt: u32) -> BlockFile {
        BlockFile { name: file.describe(), file, salt, version: VERSION }
    }

    fn checksum(&self, payload: &[u8], codec: u8, offset: u64) -> u32 {
        let checksum = if self.version == 1 { block_checksum_1 } else { block_checksum };
        checksum(payload, codec, offset, self.salt)
    }

    /// Reads the block at `handle`: the payload as stored and its codec, after
    /// the checksum was found right.
    ///
    /// # Errors
    /// [`Io`](Error::Io); [`Corruption`](Error::Corruption) when the file ends
    /// before or the checksum is another; [`Unsupported`](Error::Unsupported)
    /// for a codec that is sound but not known here.
    pub fn read_stored(&self, handle: BlockHandle) -> Result<(Bytes, Codec)> {
        self.take_apart(self.file.read_at(handle.offset, stored_bytes(handle))?, handle)
    }

    /// The codec of the block at `offset`, if its checksum is right.
    fn check(&self, payload: &[u8], trailer: &[u8], offset: u64) -> Result<Codec> {
        let (codec, checksum) =
            decode_trailer(&mut Decoder::new(trailer)).map_err(|what| self.damage(what, offset))?;
        if checksum != self.checksum(payload, codec, offset) {
            return Err(self.corruption(offset, "the block's checksum does not match"));
        }
        let known = Codec::from_byte(codec);
        known.ok_or_else(|| Error::unsupported(&self.name, format!("block codec {codec}")))
    }

    /// Reads the block at `handle` and decompresses it.
    ///
    /// # Errors
    /// As [`read_stored`](Self::read_stored), and
    /// [`Corruption`](Error::Corruption) when it does not decompress.
    pub fn read(&self, handle: BlockHandle) -> Result<Bytes> {
        self.unpack(self.file.read_at(handle.offset, stored_bytes(handle))?, handle)
    }

    /// The payload of the block at `handle`, of which `stored` was read.
    ///
    /// # Errors
    /// As [`read`](Self::read), but no [`Io`](Error::Io).
    pub fn unpack(&self, stored: Bytes, handle: BlockHandle) -> Result<Bytes> {
        let (payload, codec) = self.take_apart(stored, handle)?;
        decompress(codec, payload).map_err(|what| self.damage(what, handle.offset))
    }

    /// The payload as stored and its codec, after the checksum was found right.
    fn take_apart(&self, mut stored: Bytes, handle: BlockHandle) -> Result<(Bytes, Codec)> {
        let trailer = stored.split_off(stored.len().min(handle.bytes as usize));
        let codec = self.check(&stored, &trailer, handle.offset)?;
        Ok((stored, codec))
    }

    /// Reads the block at `handle`, and lends its payload for one look. The memory is the
    /// thread's, for its next look too: it is never fresh, and as a rule in the processor's
    /// cache.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn look<T>(&self, handle: BlockHandle, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let length = stored_bytes(handle);
        if length > MOST_LENT_BYTES {
            return Ok(look(&self.read(handle)?));
        }
        let mut room = LENT.take();
        room.resize(MOST_LENT_BYTES, 0);
        let seen = self.read_lent(handle, room.get_mut(..length).unwrap_or_default());
        let seen = seen.map(|payload| look(&payload));
        LENT.set(room);
        seen
    }

    /// Reads the block at `handle` into `room`, which has its length.
    fn read_lent<'a>(&self, handle: BlockHandle, room: &'a mut [u8]) -> Result<Cow<'a, [u8]>> {
        self.file.read_into(handle.offset, room)?;
        let (payload, trailer) = room.split_at(room.len().min(handle.bytes as usize));
        match self.check(payload, trailer, handle.offset)? {
            Codec::None => Ok(Cow::Borrowed(payload)),
            codec => {
                let payload = decompress(codec, Bytes::copy_from_slice(payload));
                Ok(Cow::Owned(payload.map_err(|what| self.damage(what, handle.offset))?.into()))
            }
        }
    }

    /// `what` as damage of this file, in bytes that began at `base`.
    pub fn damage(&self, what: Malformed, base: u64) -> Error {
        what.in_file(self.name.as_str(), base)
    }

    /// Says that this file is damaged at `offset`.
    pub fn corruption(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::corruption(self.name.as_str(), offset, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage2_wal::identity::{DatabaseId, file_salt};

    #[test]
    fn the_same_bytes_have_another_checksum_in_another_place_file_or_codec() {
        let here = block_checksum(b"block", 0, 0, 7);
        assert_ne!(here, block_checksum(b"block", 0, 4096, 7), "another place");
        assert_ne!(here, block_checksum(b"block", 0, 0, 8), "another file");
        assert_ne!(here, block_checksum(b"block", 1, 0, 7), "another codec");
    }

    #[test]
    fn what_another_place_changes_is_not_undone_by_another_file() {
        let salt = |number| file_salt(DatabaseId(0x7e57), number);
        for (offset, other) in [(324, 325), (0, 1), (4096, 4098)] {
            let number = 6 ^ offset ^ other;
            let [here, there] = [(offset, 6), (other, number)];
            let moved = |sum: fn(&[u8], u8, u64, u32) -> u32| {
                sum(b"block", 0, here.0, salt(here.1)) == sum(b"block", 0, there.0, salt(there.1))
            };
            assert!(moved(block_checksum_1), "which is why there is a version 2");
            assert!(!moved(block_checksum));
        }
    }
}
