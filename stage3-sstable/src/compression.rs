//! Smaller blocks, when it pays.
//!
//! ```text
//!   payload 4,100 B ──lz4──▶ 2,100 B   stored with codec 1:  length:varint ‖ lz4 block
//!   payload 4,100 B ──lz4──▶ 3,900 B   stored with codec 0:  the payload itself
//! ```
//!
//! **INV-COMPRESSION-1** A declared size is believed only up to what the codec
//! can reach from the bytes at hand and up to the limit of a block; beyond it
//! nothing is allocated.
//!
//! A block that does not shrink by an eighth is stored plain: it would cost
//! every reader a decompression and save next to nothing.
//!
//! Source of the codec: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::fmt;

use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use stage2_wal::coding::{Decoder, Malformed, put_varint};

use crate::format::MAX_BLOCK_BYTES;

/// How a payload is stored. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    None = 0,
    /// As one LZ4 block behind the payload's length.
    #[default]
    Lz4 = 1,
}

impl Codec {
    /// The codec that `byte` stands for, or `None` for one that is not known.
    pub fn from_byte(byte: u8) -> Option<Codec> {
        match byte {
            0 => Some(Codec::None),
            1 => Some(Codec::Lz4),
            _ => None,
        }
    }

    /// The byte that stands for this codec.
    pub fn as_byte(self) -> u8 {
        self as u8
    }
}

/// The greatest ratio of LZ4: one byte of a run's length stands for 255 bytes.
const GREATEST_LZ4_RATIO: usize = 255;

/// A block must shrink by one in this many parts to be stored compressed.
const LEAST_GAIN: usize = 8;

/// Compresses one block after another in the same memory.
pub struct Compressor {
    matches: CompressTable,
    output: Vec<u8>,
}

impl Compressor {
    /// A compressor without output yet.
    pub fn new() -> Compressor {
        Compressor { matches: CompressTable::default(), output: Vec::new() }
    }

    /// The payload as it should be stored, and the codec that it then has:
    /// `codec`, or [`Codec::None`] when that does not pay.
    pub fn compress<'a>(&'a mut self, codec: Codec, payload: &'a [u8]) -> (Codec, &'a [u8]) {
        let worthwhile = payload.len().saturating_sub(payload.len() / LEAST_GAIN);
        match codec {
            Codec::Lz4 if self.lz4(payload).is_some_and(|bytes| bytes <= worthwhile) => {
                (Codec::Lz4, &self.output)
            }
            Codec::Lz4 | Codec::None => (Codec::None, payload),
        }
    }

    /// Fills the output and says how many bytes it has, or `None` when the
    /// codec refuses, which it does only for lack of room.
    fn lz4(&mut self, payload: &[u8]) -> Option<usize> {
        self.output.clear();
        put_varint(&mut self.output, payload.len() as u64);
        let start = self.output.len();
        self.output.resize(start.saturating_add(get_maximum_output_size(payload.len())), 0);
        let room = self.output.get_mut(start..)?;
        let bytes = compress_into_with_table(payload, room, &mut self.matches).ok()?;
        self.output.truncate(start.saturating_add(bytes));
        Some(self.output.len())
    }
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor::new()
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("output_bytes", &self.output.len()).finish_non_exhaustive()
    }
}

/// The payload that was stored with `codec`. A plain one is not copied.
///
/// # Errors
/// [`Malformed`] when the declared size is beyond the limits (INV-COMPRESSION-1)
/// or the bytes do not decompress to exactly that size.
pub fn decompress(codec: Codec, stored: Bytes) -> Result<Bytes, Malformed> {
    match codec {
        Codec::None => Ok(stored),
        Codec::Lz4 => {
            let mut decoder = Decoder::new(&stored);
            let (length, compressed) = decode_lz4(&mut decoder)?;
            let payload = lz4_flex::block::decompress(compressed, length)
                .map_err(|error| decoder.malformed(format!("the lz4 block is damaged: {error}")))?;
            if payload.len() != length {
                let what = format!("{length} bytes declared, {} decompressed", payload.len());
                return Err(decoder.malformed(what));
            }
            Ok(payload.into())
        }
    }
}

/// The declared size and the compressed bytes of an LZ4 payload.
///
/// # Errors
/// [`Malformed`] when the size is beyond the limits.
pub fn decode_lz4<'a>(decoder: &mut Decoder<'a>) -> Result<(usize, &'a [u8]), Malformed> {
    let length = decoder.length("decompressed length")?;
    let reachable = decoder.remaining().saturating_mul(GREATEST_LZ4_RATIO);
    if length > reachable.min(MAX_BLOCK_BYTES) {
        let what = format!("{length} bytes cannot come from {} compressed ones", decoder.remaining());
        return Err(decoder.malformed(what));
    }
    let compressed = decoder.bytes("lz4 block", decoder.remaining())?;
    Ok((length, compressed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    fn round_trip(payload: &[u8]) -> (Codec, usize) {
        let mut compressor = Compressor::new();
        let (codec, stored) = compressor.compress(Codec::Lz4, payload);
        let (bytes, stored) = (stored.len(), Bytes::copy_from_slice(stored));
        assert_eq!(decompress(codec, stored).unwrap(), payload);
        (codec, bytes)
    }

    #[test]
    fn what_repeats_is_stored_small() {
        let (codec, bytes) = round_trip(&b"fig kiwi apple ".repeat(300));
        assert_eq!(codec, Codec::Lz4);
        assert!(bytes < 100, "{bytes}");
    }

    #[test]
    fn what_does_not_shrink_by_an_eighth_is_stored_plain() {
        let mut noise = [0; 4096];
        SmallRng::seed_from_u64(1).fill_bytes(&mut noise);
        assert_eq!(round_trip(&noise).0, Codec::None);
        assert_eq!(round_trip(b"").0, Codec::None);
    }

    #[test]
    fn a_hostile_size_is_refused_before_anything_is_allocated() {
        for declared in [u64::MAX, 1 << 40, MAX_BLOCK_BYTES as u64 + 1, 11 * 255] {
            let mut stored = Vec::new();
            put_varint(&mut stored, declared);
            stored.extend_from_slice(&[0; 10]);
            let error = decompress(Codec::Lz4, stored.into()).unwrap_err();
            assert!(error.what.contains("cannot come from"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_decompression_panic(bytes: Vec<u8>) {
            let _ = decompress(Codec::Lz4, bytes.into());
        }

        #[test]
        fn what_was_compressed_is_what_is_decompressed(word: Vec<u8>, times in 0usize..100) {
            round_trip(&word.repeat(times));
        }
    }
}
