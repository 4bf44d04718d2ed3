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
//! - **INV-SST-1** Every byte of a block lies under a checksum that also covers
//!   the place of the byte and the file's salt. So a flipped bit, a block in the
//!   wrong place and a block of another file fail alike, before anything in
//!   them is believed. The footer lies under a checksum of its own, and holds the
//!   salt and the length of its file.
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
/// The salt is a CRC of the file's number, and what a bit of its input changes in a CRC
/// does not depend on the other bits. So in version 1, where offset and salt came last,
/// a bit of the offset and the same bit of the number cancelled each other: the block at
/// 324 of file 6 was found sound at 325 of file 7.
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
