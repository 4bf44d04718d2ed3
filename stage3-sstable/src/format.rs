//! The constants of the format, and the frame of every block on disk.
//!
//! ```text
//!   ┌ data block ┬ … ┬ meta block ┬ … ┬ properties ┬ metaindex ┬ index ┬ footer ┐
//!   │            │   │            │   │            │           │       │ 64 B   │
//!   └─────┬──────┴───┴────────────┴───┴────────────┴───────────┴───────┴────────┘
//!         │
//!         └─ stored payload ‖ codec:u8 ‖ checksum:u32
//! ```
//!
//! - **INV-SST-1** Every byte of a table lies under a checksum that also covers
//!   the place of the byte and the file's salt. So a flipped bit, a block in the
//!   wrong place and a block of another file fail alike, before anything in
//!   them is believed.
//! - **INV-SST-2** Blocks lie one behind the other from offset 0 to the footer:
//!   no byte is outside one, and none is in two.
//!
//! What only the writer chooses (the size of a block, the codec) is an option of
//! [`table`](crate::table); what a reader must know stands here.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::sync::Arc;

use bytes::Bytes;
use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::MAX_VALUE_BYTES;
use stage2_wal::vfs::ReadFile;

use crate::compression::{Codec, decompress};

/// The last eight bytes of a table. As in PNG: a byte above 127 shows a channel
/// of seven bits, the line ends show a transfer as text, and 0x1a ends a listing
/// on systems that know it.
///
/// Source: <https://www.w3.org/TR/png-3/#5PNG-file-signature>
pub const MAGIC: [u8; 8] = *b"\x89LSMT\r\n\x1a";

/// The version that this release writes, and the only one it reads.
pub const VERSION: u16 = 1;

/// The feature bits that this release understands: none are given out yet.
pub const KNOWN_FEATURES: u32 = 0;

/// Bytes behind each payload: codec and checksum.
pub const TRAILER_BYTES: usize = 5;

/// The largest payload. An honest block has one value of up to 1 GiB behind at
/// most 64 KiB of other entries, and a MiB is more than their heads, offsets and
/// keys can take; what declares more is refused before anything is allocated.
pub const MAX_BLOCK_BYTES: usize = MAX_VALUE_BYTES.saturating_add(1 << 20);

/// Where a stored payload lies; its trailer follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHandle {
    /// The offset of its first byte in the file.
    pub offset: u64,
    /// Its bytes as stored, without the trailer.
    pub bytes: u32,
}

impl BlockHandle {
    /// The offset behind the block's trailer, or `None` beyond 64 bits.
    pub fn end(self) -> Option<u64> {
        self.offset.checked_add(u64::from(self.bytes))?.checked_add(TRAILER_BYTES as u64)
    }
}

/// The checksum of a block: CRC-32 over the payload as stored, its codec, its
/// offset and the file's salt.
pub fn block_checksum(payload: &[u8], codec: u8, offset: u64, salt: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(payload);
    hasher.update(&[codec]);
    hasher.update(&offset.to_le_bytes());
    hasher.update(&salt.to_le_bytes());
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

/// A file of blocks: what every read of a table needs.
#[derive(Debug, Clone)]
pub struct BlockFile {
    /// The file itself.
    pub file: Arc<dyn ReadFile>,
    /// How messages name it.
    pub name: String,
    /// The salt that its checksums cover.
    pub salt: u32,
}

impl BlockFile {
    /// Reads the block at `handle`: the payload as stored and its codec, after
    /// the checksum was found right.
    ///
    /// # Errors
    /// [`Io`](Error::Io); [`Corruption`](Error::Corruption) when the file ends
    /// before or the checksum is another; [`Unsupported`](Error::Unsupported)
    /// for a codec that is sound but not known here.
    pub fn read_stored(&self, handle: BlockHandle) -> Result<(Bytes, Codec)> {
        let length = (handle.bytes as usize).saturating_add(TRAILER_BYTES);
        let mut payload = self.file.read_at(handle.offset, length)?;
        let trailer = payload.split_off(payload.len().min(handle.bytes as usize));
        let (codec, checksum) =
            decode_trailer(&mut Decoder::new(&trailer)).map_err(|what| self.damage(what, handle.offset))?;
        if checksum != block_checksum(&payload, codec, handle.offset, self.salt) {
            return Err(self.corruption(handle.offset, "the block's checksum does not match"));
        }
        let known = Codec::from_byte(codec);
        let codec = known.ok_or_else(|| Error::unsupported(&self.name, format!("block codec {codec}")))?;
        Ok((payload, codec))
    }

    /// Reads the block at `handle` and decompresses it.
    ///
    /// # Errors
    /// As [`read_stored`](Self::read_stored), and
    /// [`Corruption`](Error::Corruption) when it does not decompress.
    pub fn read(&self, handle: BlockHandle) -> Result<Bytes> {
        let (stored, codec) = self.read_stored(handle)?;
        decompress(codec, stored).map_err(|what| self.damage(what, handle.offset))
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

    #[test]
    fn the_same_bytes_have_another_checksum_in_another_place_file_or_codec() {
        let here = block_checksum(b"block", 0, 0, 7);
        assert_ne!(here, block_checksum(b"block", 0, 4096, 7), "another place");
        assert_ne!(here, block_checksum(b"block", 0, 0, 8), "another file");
        assert_ne!(here, block_checksum(b"block", 1, 0, 7), "another codec");
    }
}
