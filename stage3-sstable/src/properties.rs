//! What a table says about itself as a whole.
//!
//! ```text
//!   properties := property*                      tags ascending
//!   property   := tag:u8  length:varint  value   a tag from 0x80 may be ignored
//!   value      := varint  |  sequence:varint user_key
//! ```
//!
//! Counts, key range, sequence range and sizes: enough for a level to place the
//! table and for a compaction to judge it, without reading an entry.
//!
//! **INV-PROPERTIES-1** The range is exact: the smallest key is the first entry's
//! and the largest the last one's, so a key outside is not in the table.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use bytes::Bytes;
use stage2_wal::coding::{Decoder, Malformed, put_prefixed, put_varint};
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::{InternalKey, Kind, MAX_SEQUENCE, OwnedKey, Sequence};

use crate::frame::BlockFile;

/// The name of the meta block that holds them.
pub const PROPERTIES: &str = "properties";

/// A tag with this bit may be ignored by who does not know it.
const MAY_BE_IGNORED: u8 = 0x80;

/// The tags, in the order of the fields of [`Properties`].
mod tag {
    pub(super) const ENTRIES: u8 = 1;
    pub(super) const DELETIONS: u8 = 2;
    pub(super) const SMALLEST: u8 = 3;
    pub(super) const LARGEST: u8 = 4;
    pub(super) const FIRST_SEQUENCE: u8 = 5;
    pub(super) const LAST_SEQUENCE: u8 = 6;
    pub(super) const KEY_BYTES: u8 = 7;
    pub(super) const VALUE_BYTES: u8 = 8;
    pub(super) const DATA_BLOCKS: u8 = 9;
    pub(super) const DATA_BYTES: u8 = 10;
}

/// Counts, ranges and sizes of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// How many entries it has, every version counted; at least one.
    pub entries: u64,
    /// How many of them are deletions.
    pub deletions: u64,
    /// The first entry's key.
    pub smallest: OwnedKey,
    /// The last entry's key.
    pub largest: OwnedKey,
    /// The lowest sequence in it.
    pub first_sequence: Sequence,
    /// The highest sequence in it.
    pub last_sequence: Sequence,
    /// Bytes of all user keys.
    pub key_bytes: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// How many data blocks it has.
    pub data_blocks: u64,
    /// Bytes of all data blocks in the file, trailers included.
    pub data_bytes: u64,
}

impl Properties {
    /// The properties of a table whose first key is `key` and that has no entry
    /// counted yet.
    pub(crate) fn starting_at(key: InternalKey<'_>) -> Properties {
        Properties {
            entries: 0,
            deletions: 0,
            smallest: key.to_owned(),
            largest: key.to_owned(),
            first_sequence: MAX_SEQUENCE,
            last_sequence: 0,
            key_bytes: 0,
            value_bytes: 0,
            data_blocks: 0,
            data_bytes: 0,
        }
    }

    /// Counts one entry. The largest key is left to the caller, who knows which
    /// entry is the last, so that not every key is copied.
    #[inline]
    pub(crate) fn count(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) {
        self.entries = self.entries.saturating_add(1);
        self.deletions = self.deletions.saturating_add(u64::from(kind == Kind::Deletion));
        self.first_sequence = self.first_sequence.min(key.sequence);
        self.last_sequence = self.last_sequence.max(key.sequence);
        self.key_bytes = self.key_bytes.saturating_add(key.user_key.len() as u64);
        self.value_bytes = self.value_bytes.saturating_add(value.len() as u64);
    }

    /// Counts one data block of this many bytes in the file.
    pub(crate) fn count_block(&mut self, bytes: u64) {
        self.data_blocks = self.data_blocks.saturating_add(1);
        self.data_bytes = self.data_bytes.saturating_add(bytes);
    }

    /// The contents of the meta block.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, tag::ENTRIES, self.entries);
        put_number(&mut bytes, tag::DELETIONS, self.deletions);
        put_key(&mut bytes, tag::SMALLEST, &self.smallest);
        put_key(&mut bytes, tag::LARGEST, &self.largest);
        put_number(&mut bytes, tag::FIRST_SEQUENCE, self.first_sequence);
        put_number(&mut bytes, tag::LAST_SEQUENCE, self.last_sequence);
        put_number(&mut bytes, tag::KEY_BYTES, self.key_bytes);
        put_number(&mut bytes, tag::VALUE_BYTES, self.value_bytes);
        put_number(&mut bytes, tag::DATA_BLOCKS, self.data_blocks);
        put_number(&mut bytes, tag::DATA_BYTES, self.data_bytes);
        bytes
    }

    /// Reads the contents of the meta block.
    ///
    /// # Errors
    /// [`PropertiesError::Malformed`] when a property is missing, twice there, out of
    /// order or contradicts another; [`PropertiesError::Unknown`] for a tag that may
    /// not be ignored.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Properties, PropertiesError> {
        let mut found = Found::default();
        let mut last_tag = 0;
        while decoder.remaining() > 0 {
            let tag = decoder.u8("tag")?;
            if tag <= last_tag {
                return Err(decoder.malformed(format!("property {tag} is out of order")).into());
            }
            last_tag = tag;
            found.read(tag, decoder)?;
        }
        let properties = found.into_properties().ok_or_else(|| decoder.malformed("a property is missing"))?;
        properties.check().map_err(|what| decoder.malformed(what))?;
        Ok(properties)
    }

    fn check(&self) -> Result<(), &'static str> {
        let in_order = self.first_sequence <= self.last_sequence && self.last_sequence <= MAX_SEQUENCE;
        match () {
            () if self.entries == 0 => Err("a table without entries"),
            () if self.deletions > self.entries => Err("more deletions than entries"),
            () if self.smallest > self.largest => Err("the smallest key is behind the largest"),
            () if !in_order => Err("the sequences are no range"),
            () => Ok(()),
        }
    }
}

/// Why properties could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertiesError {
    /// They are not what was written.
    Malformed(Malformed),
    /// A tag that must be understood is not known here.
    Unknown(u8),
}

impl PropertiesError {
    /// The same failure as one of `file`, whose properties began at `base`.
    pub fn in_file(self, file: &BlockFile, base: u64) -> Error {
        match self {
            PropertiesError::Malformed(what) => file.damage(what, base),
            PropertiesError::Unknown(tag) => Error::unsupported(&file.name, format!("table property {tag}")),
        }
    }
}

impl From<Malformed> for PropertiesError {
    fn from(malformed: Malformed) -> PropertiesError {
        PropertiesError::Malformed(malformed)
    }
}

/// The properties read so far: numbers by tag, and the two keys.
#[derive(Default)]
struct Found {
    numbers: [Option<u64>; 11],
    smallest: Option<OwnedKey>,
    largest: Option<OwnedKey>,
}

impl Found {
    fn read(&mut self, tag: u8, decoder: &mut Decoder<'_>) -> Result<(), PropertiesError> {
        let length = decoder.length("length")?;
        let end = decoder.remaining().checked_sub(length);
        let end = end.ok_or_else(|| decoder.malformed("a property is longer than what is left"))?;
        match tag {
            tag::SMALLEST => self.smallest = Some(key(decoder, end, "smallest key")?),
            tag::LARGEST => self.largest = Some(key(decoder, end, "largest key")?),
            tag if tag & MAY_BE_IGNORED != 0 => {
                decoder.bytes("ignored property", length)?;
            }
            tag => match self.numbers.get_mut(usize::from(tag)) {
                Some(number) => *number = Some(decoder.varint(number_name(tag))?),
                None => return Err(PropertiesError::Unknown(tag)),
            },
        }
        if decoder.remaining() != end {
            return Err(decoder.malformed("a property does not end where its length says").into());
        }
        Ok(())
    }

    fn into_properties(self) -> Option<Properties> {
        let number = |tag: u8| self.numbers.get(usize::from(tag)).copied().flatten();
        Some(Properties {
            entries: number(tag::ENTRIES)?,
            deletions: number(tag::DELETIONS)?,
            first_sequence: number(tag::FIRST_SEQUENCE)?,
            last_sequence: number(tag::LAST_SEQUENCE)?,
            key_bytes: number(tag::KEY_BYTES)?,
            value_bytes: number(tag::VALUE_BYTES)?,
            data_blocks: number(tag::DATA_BLOCKS)?,
            data_bytes: number(tag::DATA_BYTES)?,
            smallest: self.smallest?,
            largest: self.largest?,
        })
    }
}

fn number_name(tag: u8) -> &'static str {
    match tag {
        tag::ENTRIES => "entries",
        tag::DELETIONS => "deletions",
        tag::FIRST_SEQUENCE => "first sequence",
        tag::LAST_SEQUENCE => "last sequence",
        tag::KEY_BYTES => "key bytes",
        tag::VALUE_BYTES => "value bytes",
        tag::DATA_BLOCKS => "data blocks",
        tag::DATA_BYTES => "data bytes",
        _ => "number",
    }
}

/// A key that ends when `end` bytes are left.
fn key(decoder: &mut Decoder<'_>, end: usize, name: &'static str) -> Result<OwnedKey, Malformed> {
    let sequence = decoder.varint("sequence")?;
    let length = decoder.remaining().checked_sub(end);
    let length = length.ok_or_else(|| decoder.malformed(format!("{name}: too short")))?;
    let user_key = Bytes::copy_from_slice(decoder.bytes(name, length)?);
    Ok(OwnedKey { user_key, sequence })
}

fn put_number(bytes: &mut Vec<u8>, tag: u8, number: u64) {
    let mut value = Vec::new();
    put_varint(&mut value, number);
    bytes.push(tag);
    put_prefixed(bytes, &value);
}

fn put_key(bytes: &mut Vec<u8>, tag: u8, key: &OwnedKey) {
    let mut value = Vec::new();
    put_varint(&mut value, key.sequence);
    value.extend_from_slice(&key.user_key);
    bytes.push(tag);
    put_prefixed(bytes, &value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn properties() -> Properties {
        let mut properties = Properties::starting_at(InternalKey::new(b"apple", 7));
        properties.count(InternalKey::new(b"apple", 7), Kind::Value, b"red");
        properties.count(InternalKey::new(b"kiwi", 3), Kind::Deletion, b"");
        properties.largest = InternalKey::new(b"kiwi", 3).to_owned();
        properties.count_block(300);
        properties
    }

    fn decode(bytes: &[u8]) -> Result<Properties, PropertiesError> {
        Properties::decode(&mut Decoder::new(bytes))
    }

    #[test]
    fn what_was_encoded_is_what_is_decoded() {
        assert_eq!(decode(&properties().encode()).unwrap(), properties());
    }

    #[test]
    fn an_unknown_property_is_ignored_only_when_its_tag_allows_it() {
        let mut bytes = properties().encode();
        bytes.extend_from_slice(&[0x81, 2, b'h', b'i']);
        assert_eq!(decode(&bytes).unwrap(), properties());
        let mut bytes = properties().encode();
        bytes.extend_from_slice(&[0x41, 2, b'h', b'i']);
        assert_eq!(decode(&bytes).unwrap_err(), PropertiesError::Unknown(0x41));
    }

    #[test]
    fn a_missing_or_repeated_property_is_malformed() {
        let sound = properties().encode();
        assert!(matches!(decode(&sound[3..]), Err(PropertiesError::Malformed(_))));
        assert!(matches!(decode(&[&sound[..3], &sound].concat()), Err(PropertiesError::Malformed(_))));
        assert!(matches!(decode(b""), Err(PropertiesError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_properties_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
