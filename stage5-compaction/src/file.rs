//! What the database knows about a table without opening it.
//!
//! ```text
//!   file := level varint · number varint · size varint
//!           · length, smallest key · sequence varint
//!           · length, largest key · sequence varint · flags u8
//!           · first sequence varint · last sequence varint
//!           · entries varint · deletions varint · crc u32
//!           · [global sequence varint, if flags say so]
//!   flags := 1 the largest key itself is in the file | 2 there is a global sequence
//! ```
//!
//! The grammar is part of a version edit ([`crate::edit`]). The global sequence
//! is room for tables that are loaded in bulk and take one sequence as a whole;
//! nothing writes it yet, and a file that has one is refused.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::sync::Arc;

use bytes::Bytes;
use stage4_bloom::memtable::key::{MAX_SEQUENCE, OwnedKey, Sequence};
use stage4_bloom::memtable::sync::atomic::{AtomicU64, Ordering};
use stage4_bloom::sstable::table::TableSummary;
use stage4_bloom::wal::coding::{Decoder, Malformed, put_prefixed, put_varint};

const LARGEST_IS_INCLUSIVE: u8 = 1;
const HAS_GLOBAL_SEQUENCE: u8 = 2;

/// How many levels there are. With level sizes ten times apart and the last
/// holding nine tenths of the data, seven hold terabytes.
pub const LEVELS: usize = 7;

/// The highest number that a file may have when it is found: a thousand files a
/// second reach it after nine million years, and many more numbers lie above it.
pub const MAX_FILE_NUMBER: u64 = u64::MAX / 64;

/// Gives out file numbers. Clones give from the same row. Whoever opens a database begins
/// the row above every file that is there, and above every one that ever counted.
#[derive(Debug, Clone, Default)]
pub struct FileNumbers(Arc<AtomicU64>);

impl FileNumbers {
    /// Gives out `next` and those after it.
    pub fn starting_at(next: u64) -> FileNumbers {
        FileNumbers(Arc::new(AtomicU64::new(next)))
    }

    /// A number above all that were given out so far.
    pub fn take(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// The number that will be given out next.
    pub fn next(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The facts about a table that the manifest keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// The number in its name.
    pub number: u64,
    /// Its length, in bytes.
    pub size_bytes: u64,
    /// Its first entry.
    pub smallest: OwnedKey,
    /// Its last entry.
    pub largest: OwnedKey,
    /// The lowest sequence in it.
    pub first_sequence: Sequence,
    /// The highest sequence in it.
    pub last_sequence: Sequence,
    /// How many entries it has, deletions included.
    pub entries: u64,
    /// How many of them are deletions.
    pub deletions: u64,
    /// CRC-32 of the whole file.
    pub checksum: u32,
}

impl FileMeta {
    /// The facts about a table that was just finished.
    pub fn of(number: u64, summary: &TableSummary) -> FileMeta {
        let properties = &summary.properties;
        FileMeta {
            number,
            size_bytes: summary.file_bytes,
            smallest: properties.smallest.clone(),
            largest: properties.largest.clone(),
            first_sequence: properties.first_sequence,
            last_sequence: properties.last_sequence,
            entries: properties.entries,
            deletions: properties.deletions,
            checksum: summary.checksum,
        }
    }

    /// Whether `user_key` lies in the file's range.
    pub fn covers(&self, user_key: &[u8]) -> bool {
        self.smallest.user_key <= *user_key && *user_key <= *self.largest.user_key
    }

    /// Whether the file's range and `smallest..=largest` have a user key in
    /// common.
    pub fn overlaps(&self, smallest: &[u8], largest: &[u8]) -> bool {
        *self.smallest.user_key <= *largest && *smallest <= *self.largest.user_key
    }

    pub(crate) fn encode(&self, level: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, level as u64);
        put_varint(&mut bytes, self.number);
        put_varint(&mut bytes, self.size_bytes);
        for end in [&self.smallest, &self.largest] {
            put_prefixed(&mut bytes, &end.user_key);
            put_varint(&mut bytes, end.sequence);
        }
        bytes.push(LARGEST_IS_INCLUSIVE);
        put_varint(&mut bytes, self.first_sequence);
        put_varint(&mut bytes, self.last_sequence);
        put_varint(&mut bytes, self.entries);
        put_varint(&mut bytes, self.deletions);
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<(usize, FileMeta), Malformed> {
        let level = decoder.length("level")?;
        let number = decode_number(decoder, "number")?;
        let size_bytes = decoder.varint("size")?;
        let smallest = decode_key(decoder, "smallest key", "smallest sequence")?;
        let largest = decode_key(decoder, "largest key", "largest sequence")?;
        let flags = decoder.u8("flags")?;
        if flags & !(LARGEST_IS_INCLUSIVE | HAS_GLOBAL_SEQUENCE) != 0 || flags & LARGEST_IS_INCLUSIVE == 0 {
            return Err(decoder.malformed(format!("file flags {flags:#x} are not known")));
        }
        if flags & HAS_GLOBAL_SEQUENCE != 0 {
            return Err(decoder.malformed("a file with a global sequence is not known"));
        }
        let first_sequence = decode_sequence(decoder, "first sequence")?;
        let last_sequence = decode_sequence(decoder, "last sequence")?;
        let entries = decoder.varint("entries")?;
        let deletions = decoder.varint("deletions")?;
        let checksum = decoder.crc("file crc")?;
        if smallest > largest || first_sequence > last_sequence || deletions > entries {
            return Err(decoder.malformed(format!("the facts about file {number} contradict each other")));
        }
        let meta = FileMeta {
            number,
            size_bytes,
            smallest,
            largest,
            first_sequence,
            last_sequence,
            entries,
            deletions,
            checksum,
        };
        Ok((level, meta))
    }
}

fn decode_key(
    decoder: &mut Decoder<'_>,
    key: &'static str,
    sequence: &'static str,
) -> Result<OwnedKey, Malformed> {
    let user_key = Bytes::copy_from_slice(decoder.prefixed(key)?);
    Ok(OwnedKey { user_key, sequence: decode_sequence(decoder, sequence)? })
}

/// A file's number: one that leaves numbers above it.
pub(crate) fn decode_number(decoder: &mut Decoder<'_>, name: &'static str) -> Result<u64, Malformed> {
    within(decoder, name, MAX_FILE_NUMBER)
}

/// A sequence that a write can have.
pub(crate) fn decode_sequence(decoder: &mut Decoder<'_>, name: &'static str) -> Result<Sequence, Malformed> {
    within(decoder, name, MAX_SEQUENCE)
}

fn within(decoder: &mut Decoder<'_>, name: &'static str, most: u64) -> Result<u64, Malformed> {
    let number = decoder.varint(name)?;
    match number <= most {
        true => Ok(number),
        false => Err(decoder.malformed(format!("{name}: {number} is beyond {most}"))),
    }
}
