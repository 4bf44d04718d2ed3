//! The shape of a table, and the constants that every reader must know.
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

use stage2_wal::memtable::key::MAX_VALUE_BYTES;

/// The last eight bytes of a table. As in PNG: a byte above 127 shows a channel
/// of seven bits, the line ends show a transfer as text, and 0x1a ends a listing
/// on systems that know it.
///
/// Source: <https://www.w3.org/TR/png-3/#5PNG-file-signature>
pub const MAGIC: [u8; 8] = *b"\x89LSMT\r\n\x1a";

/// The version that this release writes.
///
/// | version | a block's checksum covers | written |
/// |---|---|---|
/// | 1 | payload, codec, offset, salt | up to release 0.1.0 |
/// | 2 | salt, offset, codec, payload | since |
///
/// A CRC is linear, and the salt is one of the file's number. At the end of what is
/// covered the two cancelled each other: a block whose offset differs from its place
/// in the bits in which two files' numbers differ was taken for one of the other file.
pub const VERSION: u16 = 2;

/// The oldest version that this release reads.
pub const OLDEST_VERSION: u16 = 1;

/// The feature bits that this release understands: none are given out yet.
pub const KNOWN_FEATURES: u32 = 0;

/// Bytes behind each payload: codec and checksum.
pub const TRAILER_BYTES: usize = 5;

/// The largest payload. An honest block has one value of up to 1 GiB behind at
/// most 64 KiB of other entries, and a MiB is more than their heads, offsets and
/// keys can take; what declares more is refused before anything is allocated.
pub const MAX_BLOCK_BYTES: usize = MAX_VALUE_BYTES.saturating_add(1 << 20);

/// Where a stored payload lies; its trailer follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
