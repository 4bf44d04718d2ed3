//! The footer: the last 64 bytes of a table, where reading begins.
//!
//! ```text
//!   footer  := index:handle  metaindex:handle  entries:u64  file_bytes:u64
//!              salt:u32  version:u16  zero:u16  features:u32  checksum:u32  magic:8
//!   handle  := offset:u64  bytes:u32
//! ```
//!
//! The checksum is CRC-32 of the bytes before it. It needs no salt and no place
//! mixed in: the footer holds its file's salt and its file's length, and both
//! are compared.
//!
//! **INV-FOOTER-1** Length, place of version, features, checksum and magic are
//! the same in every version of the format. So an unknown version can be told
//! from damage: its checksum is right.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage2_wal::coding::{Decoder, Malformed};
use stage2_wal::memtable::error::{Error, Result};

use crate::format::{BlockHandle, KNOWN_FEATURES, MAGIC, OLDEST_VERSION, VERSION};
use crate::frame::BlockFile;

/// The length of a footer, in bytes.
pub const FOOTER_BYTES: usize = 64;

/// Bytes of checksum and magic, the two fields that the checksum does not cover.
const UNCOVERED_BYTES: usize = 12;

/// What the footer says of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Where the index is.
    pub index: BlockHandle,
    /// Where the metaindex is.
    pub metaindex: BlockHandle,
    /// How many entries the table has.
    pub entries: u64,
    /// How long the file is, footer included.
    pub file_bytes: u64,
    /// The salt of the file's checksums.
    pub salt: u32,
    /// The version of the format.
    pub version: u16,
    /// What a reader must understand beyond the version.
    pub features: u32,
}

impl Footer {
    /// The footer's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        for handle in [self.index, self.metaindex] {
            bytes.extend_from_slice(&handle.offset.to_le_bytes());
            bytes.extend_from_slice(&handle.bytes.to_le_bytes());
        }
        bytes.extend_from_slice(&self.entries.to_le_bytes());
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&0u16.to_le_bytes());
        bytes.extend_from_slice(&self.features.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend_from_slice(&MAGIC);
        bytes
    }

    /// Reads a footer whose checksum and magic are right, of whatever version. What a later
    /// version makes of the field that is zero in those known here is its own matter.
    ///
    /// # Errors
    /// [`Malformed`] when it is not 64 bytes, or checksum or magic are wrong, or the zero
    /// field is in a version that is known.
    pub fn decode(bytes: &[u8], decoder: &mut Decoder<'_>) -> Result<Footer, Malformed> {
        let index = BlockHandle { offset: decoder.u64("index offset")?, bytes: decoder.u32("index bytes")? };
        let metaindex =
            BlockHandle { offset: decoder.u64("metaindex offset")?, bytes: decoder.u32("metaindex bytes")? };
        let entries = decoder.u64("entries")?;
        let file_bytes = decoder.u64("file bytes")?;
        let salt = decoder.crc("salt")?;
        let version = decoder.u16("version")?;
        let zero = decoder.u16("zero")?;
        let features = decoder.u32("features")?;
        let checksum = decoder.crc("footer checksum")?;
        let magic = decoder.bytes("magic", MAGIC.len())?;
        decoder.finish()?;
        if magic != MAGIC {
            return Err(decoder.malformed("the magic of a table is missing: not a table, or cut short"));
        }
        let covered = bytes.get(..FOOTER_BYTES.saturating_sub(UNCOVERED_BYTES)).unwrap_or_default();
        if checksum != crc32fast::hash(covered) {
            return Err(decoder.malformed("the footer's checksum does not match"));
        }
        if zero != 0 && version <= VERSION {
            return Err(decoder.malformed("a field that must be zero is not"));
        }
        Ok(Footer { index, metaindex, entries, file_bytes, salt, version, features })
    }

    /// Reads the footer of `file` and checks that it is of this file and can be
    /// understood.
    ///
    /// # Errors
    /// [`Unsupported`](Error::Unsupported) for an unknown version or feature;
    /// [`Corruption`](Error::Corruption) when the footer is damaged, or speaks
    /// of another salt or another length.
    pub fn read(file: &BlockFile) -> Result<Footer> {
        let end = file.file.len();
        let Some(start) = end.checked_sub(FOOTER_BYTES as u64) else {
            return Err(file.corruption(0, format!("{end} bytes are too few for a table")));
        };
        let bytes = file.file.read_at(start, FOOTER_BYTES)?;
        let footer = Footer::decode(&bytes, &mut Decoder::new(&bytes))
            .map_err(|what| Malformed { offset: 0, ..what })
            .map_err(|what| file.damage(what, start))?;
        footer.check_understood(file)?;
        footer.check_belongs(file, start)?;
        Ok(footer)
    }

    fn check_understood(&self, file: &BlockFile) -> Result<()> {
        if !(OLDEST_VERSION..=VERSION).contains(&self.version) {
            return Err(Error::unsupported(&file.name, format!("table format version {}", self.version)));
        }
        let unknown = self.features & !KNOWN_FEATURES;
        if unknown != 0 {
            return Err(Error::unsupported(&file.name, format!("table feature bits {unknown:#010x}")));
        }
        Ok(())
    }

    fn check_belongs(&self, file: &BlockFile, start: u64) -> Result<()> {
        if self.salt != file.salt {
            let what = format!("salt {:08x}, this file's is {:08x}: another file", self.salt, file.salt);
            return Err(file.corruption(start, what));
        }
        if self.file_bytes != file.file.len() {
            let what = format!("a table of {} bytes in a file of {}", self.file_bytes, file.file.len());
            return Err(file.corruption(start, what));
        }
        if self.index.end() != Some(start) {
            return Err(file.corruption(start, "the index does not end where the footer starts"));
        }
        if self.metaindex.end() != Some(self.index.offset) {
            return Err(file.corruption(start, "the metaindex does not end where the index starts"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage2_wal::layout::annotated_hex;

    fn footer() -> Footer {
        Footer {
            index: BlockHandle { offset: 5_000, bytes: 300 },
            metaindex: BlockHandle { offset: 4_900, bytes: 95 },
            entries: 42,
            file_bytes: 5_369,
            salt: 0xfeed_5a17,
            version: VERSION,
            features: 0,
        }
    }

    #[test]
    fn a_footer_is_64_bytes_and_these() {
        let bytes = footer().encode();
        assert_eq!(bytes.len(), FOOTER_BYTES);
        let mut decoder = Decoder::recording(&bytes);
        assert_eq!(Footer::decode(&bytes, &mut decoder).unwrap(), footer());
        insta::assert_snapshot!(annotated_hex(&bytes, &decoder.into_fields()));
    }

    #[test]
    fn every_flipped_bit_of_a_footer_is_damage() {
        let sound = footer().encode();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bytes, &mut Decoder::new(&bytes)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_may_use_the_field_that_is_zero_in_this_one() {
        let zero = FOOTER_BYTES - UNCOVERED_BYTES - 6;
        let used = |version: u16| {
            let mut bytes = Footer { version, ..footer() }.encode();
            bytes[zero] = 1;
            let checksum = crc32fast::hash(&bytes[..FOOTER_BYTES - UNCOVERED_BYTES]).to_le_bytes();
            bytes[FOOTER_BYTES - UNCOVERED_BYTES..][..4].copy_from_slice(&checksum);
            Footer::decode(&bytes, &mut Decoder::new(&bytes)).map(|footer| footer.version)
        };
        assert_eq!(used(VERSION + 1).unwrap(), VERSION + 1);
        assert!(used(VERSION).is_err());
    }

    #[test]
    fn every_cut_of_a_footer_is_damage() {
        let bytes = footer().encode();
        for length in 0..bytes.len() {
            assert!(Footer::decode(&bytes[..length], &mut Decoder::new(&bytes[..length])).is_err());
        }
    }
}
