//! What happens to the bytes of one file.
//!
//! ```text
//!   bit-12     ........ ....x... ........ ........     one bit is another one
//!   cut-2      ........ ........                       what is behind is gone
//!   sector-1   ........ ........ 00000000 00000000     a disk's unit holds zeros
//! ```

use std::fmt;
use std::ops::Range;

/// The unit in which a disk loses what it held.
pub const SECTOR_BYTES: usize = 512;

/// What happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The bit with this number, counted from the file's front, is another one.
    Bit(usize),
    /// Only so many bytes are left.
    Cut(usize),
    /// The sector with this number holds zeros.
    Sector(usize),
}

impl Damage {
    /// Every damage of these kinds to a file of so many bytes.
    pub fn all(bytes: usize) -> impl Iterator<Item = Damage> {
        let bits = (0..bytes * 8).map(Damage::Bit);
        let cuts = (0..bytes).map(Damage::Cut);
        bits.chain(cuts).chain((0..bytes.div_ceil(SECTOR_BYTES)).map(Damage::Sector))
    }

    /// Its kind, in words.
    pub fn kind(self) -> &'static str {
        match self {
            Damage::Bit(_) => "one bit flipped",
            Damage::Cut(_) => "cut short",
            Damage::Sector(_) => "a sector zeroed",
        }
    }

    /// The bytes that it reaches, in a file of so many.
    pub fn span(self, bytes: usize) -> Range<usize> {
        match self {
            Damage::Bit(bit) => bit / 8..bit / 8 + 1,
            Damage::Cut(length) => length..bytes,
            Damage::Sector(sector) => sector * SECTOR_BYTES..bytes.min((sector + 1) * SECTOR_BYTES),
        }
    }

    /// Does it to `bytes`.
    pub fn strike(self, bytes: &mut Vec<u8>) {
        let span = self.span(bytes.len());
        match self {
            Damage::Bit(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
            Damage::Cut(length) => bytes.truncate(length),
            Damage::Sector(_) => bytes[span].fill(0),
        }
    }
}

/// As `--at` takes it.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Bit(bit) => write!(f, "bit-{bit}"),
            Damage::Cut(length) => write!(f, "cut-{length}"),
            Damage::Sector(sector) => write!(f, "sector-{sector}"),
        }
    }
}
