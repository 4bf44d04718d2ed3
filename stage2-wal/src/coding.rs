//! Integers and lengths as bytes, and reading them back in bounds.
//!
//! ```text
//!   fixed     u32 1_000        e8 03 00 00          little-endian
//!   varint    1_000            e8 07                LEB128: 7 bits a byte, low first
//!   prefixed  "fig"            03 66 69 67          varint length, then the bytes
//! ```
//!
//! **INV-CODING-1** A [`Decoder`] never reads beyond its bytes, never panics,
//! and never allocates by a length it has not checked against what is left.
//!
//! Every read names its field. The name makes a clear error of a short file,
//! and, when the decoder records, the same code that reads a format also says
//! which byte belongs to what ([`crate::layout`]): picture and decoder cannot
//! disagree.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::fmt;

use stage1_memtable::error::Error;

use crate::layout::Field;

/// The most bytes that a varint of 64 bits takes.
pub const MAX_VARINT_BYTES: usize = 10;

/// Appends `value` as a varint.
#[inline]
pub fn put_varint(bytes: &mut Vec<u8>, value: u64) {
    varint(value).for_each(|byte| bytes.push(byte));
}

/// The bytes of `value` as a varint.
#[inline]
pub fn varint(value: u64) -> impl Iterator<Item = u8> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        rest = (value >= 0x80).then_some(value >> 7);
        Some(value as u8 | if rest.is_some() { 0x80 } else { 0 })
    })
}

/// Appends `slice` behind its length as a varint, and returns where the slice begins.
pub fn put_prefixed(bytes: &mut Vec<u8>, slice: &[u8]) -> usize {
    put_varint(bytes, slice.len() as u64);
    let begin = bytes.len();
    bytes.extend_from_slice(slice);
    begin
}

/// Where decoding failed, counted from the first byte of the decoder, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The offset of the field that could not be read.
    pub offset: usize,
    /// What was wrong with it.
    pub what: String,
}

impl Malformed {
    /// The same failure as damage of `file`, whose bytes began at `base`.
    pub fn in_file(self, file: impl Into<String>, base: u64) -> Error {
        Error::corruption(file, base.saturating_add(self.offset as u64), self.what)
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {}", self.offset, self.what)
    }
}

/// Reads fields from the front of a slice.
///
/// ```
/// # use stage2_wal::coding::Decoder;
/// let mut decoder = Decoder::new(&[0xe8, 0x07, 3, b'f', b'i', b'g']);
/// assert_eq!(decoder.varint("count")?, 1_000);
/// assert_eq!(decoder.prefixed("fruit")?, b"fig");
/// let error = decoder.u32("checksum").unwrap_err();
/// assert_eq!(error.to_string(), "at offset 6: checksum: 4 bytes wanted, 0 left");
/// # Ok::<(), stage2_wal::coding::Malformed>(())
/// ```
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    position: usize,
    fields: Option<Vec<Field>>,
}

impl<'a> Decoder<'a> {
    /// Reads `bytes` from the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Decoder { rest: bytes, position: 0, fields: None }
    }

    /// The same, and keeps the place and name of each field read.
    pub fn recording(bytes: &'a [u8]) -> Self {
        Decoder { rest: bytes, position: 0, fields: Some(Vec::new()) }
    }

    /// The fields read so far, if they were recorded.
    pub fn into_fields(self) -> Vec<Field> {
        self.fields.unwrap_or_default()
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A failure at the current position.
    pub fn malformed(&self, what: impl Into<String>) -> Malformed {
        Malformed { offset: self.position, what: what.into() }
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left; nothing is read then. So for all
    /// methods below.
    #[inline]
    pub fn bytes(&mut self, name: &'static str, length: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.take(name, length)?;
        self.record(name, length, || format!("\"{}\"", taken.escape_ascii()));
        Ok(taken)
    }

    /// A byte.
    #[inline]
    pub fn u8(&mut self, name: &'static str) -> Result<u8, Malformed> {
        let value = u8::from_le_bytes(self.array(name)?);
        self.record(name, 1, || value.to_string());
        Ok(value)
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, name: &'static str) -> Result<u16, Malformed> {
        let value = u16::from_le_bytes(self.array(name)?);
        self.record(name, 2, || value.to_string());
        Ok(value)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, name: &'static str) -> Result<u32, Malformed> {
        let value = u32::from_le_bytes(self.array(name)?);
        self.record(name, 4, || value.to_string());
        Ok(value)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, name: &'static str) -> Result<u64, Malformed> {
        let value = u64::from_le_bytes(self.array(name)?);
        self.record(name, 8, || value.to_string());
        Ok(value)
    }

    /// Four bytes that are a checksum or a salt: shown in hex.
    pub fn crc(&mut self, name: &'static str) -> Result<u32, Malformed> {
        let value = self.u32(name)?;
        self.explain(|| format!("{value:08x}"));
        Ok(value)
    }

    /// A varint of up to 64 bits.
    #[inline]
    pub fn varint(&mut self, name: &'static str) -> Result<u64, Malformed> {
        match self.rest.first() {
            Some(byte) if *byte < 0x80 => {
                self.take(name, 1)?;
                self.record(name, 1, || byte.to_string());
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(name),
        }
    }

    /// Of more than one byte: most have one.
    fn long_varint(&mut self, name: &'static str) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (index, byte) in self.rest.iter().take(MAX_VARINT_BYTES).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = (index as u32).saturating_mul(7);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let length = index.saturating_add(1);
                self.take(name, length)?;
                self.record(name, length, || value.to_string());
                return Ok(value);
            }
        }
        Err(self.malformed(format!("{name}: a varint has no end within 64 bits")))
    }

    /// A varint that counts bytes or things in memory.
    #[inline]
    pub fn length(&mut self, name: &'static str) -> Result<usize, Malformed> {
        let value = self.varint(name)?;
        usize::try_from(value)
            .map_err(|_| self.malformed(format!("{name}: {value} is beyond the address space")))
    }

    /// A slice behind its length.
    #[inline]
    pub fn prefixed(&mut self, name: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.length("length")?;
        self.bytes(name, length)
    }

    /// Replaces what the last recorded field says about itself.
    #[inline]
    pub fn explain(&mut self, meaning: impl FnOnce() -> String) {
        if let Some(field) = self.fields.as_mut().and_then(|fields| fields.last_mut()) {
            field.meaning = meaning();
        }
    }

    /// Errs unless every byte was read.
    pub fn finish(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.malformed(format!("{} bytes too many", self.rest.len())))
    }

    #[inline]
    fn take(&mut self, name: &'static str, length: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.short_of(name, length));
        };
        self.rest = rest;
        self.position = self.position.saturating_add(length);
        Ok(taken)
    }

    #[cold]
    fn short_of(&self, name: &'static str, length: usize) -> Malformed {
        self.malformed(format!("{name}: {length} bytes wanted, {} left", self.rest.len()))
    }

    #[inline]
    fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(name, N)?);
        Ok(array)
    }

    #[inline]
    fn record(&mut self, name: &'static str, length: usize, meaning: impl FnOnce() -> String) {
        if let Some(fields) = &mut self.fields {
            let start = self.position.saturating_sub(length);
            fields.push(Field { start, end: self.position, name, meaning: meaning() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_varint_without_an_end_is_malformed() {
        for bytes in [&[0x80][..], &[0xff; 10], &[0x80; 11], &[]] {
            assert!(Decoder::new(bytes).varint("n").is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_malformed_before_anything_is_read() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::MAX);
        bytes.push(b'x');
        let error = Decoder::new(&bytes).prefixed("key").unwrap_err();
        assert_eq!(error.offset, 10);
    }

    proptest! {
        #[test]
        fn what_was_put_is_what_is_read(number: u64, slice: Vec<u8>) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            put_prefixed(&mut bytes, &slice);
            let mut decoder = Decoder::new(&bytes);
            prop_assert_eq!(decoder.varint("number")?, number);
            prop_assert_eq!(decoder.prefixed("slice")?, &slice[..]);
            decoder.finish()?;
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>) {
            let mut decoder = Decoder::recording(&bytes);
            while decoder.prefixed("x").is_ok() && decoder.remaining() > 0 {}
            let _ = decoder.u64("y");
            prop_assert!(decoder.into_fields().iter().all(|field| field.end <= bytes.len()));
        }
    }
}
