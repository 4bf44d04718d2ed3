//! Reads a damaged log on behind its damage.
//!
//! ```text
//!   │ record │ record │ dam │ record │ da   block end │ middle │ last │ record │
//!                     └─────┘        └────────────────────────────────┘
//!                  its length still     the length is gone: from the next block on,
//!                  leads to a fragment    up to the first fragment that begins a record
//! ```
//!
//! **INV-LOG-5** Only the writer's own fragments are ever read as such. Behind
//! damage one is looked for in two places: where the damaged one says that it
//! ends, and at the next block, where the writer always begins one. Either must
//! bear a checksum over its very place in this very file, so a value that looks
//! like a log is not taken for one. A record is joined only from fragments that
//! stand side by side.
//!
//! What this does not do: judge what the records mean together. Between two of
//! them any number may be missing.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage1_memtable::error::Result;

use super::format::{self, FRAGMENT_HEADER_BYTES, Fragment, FragmentType, HEADER_BYTES, MIN_FRAGMENT_BYTES};
use super::reader::{End, LogContents, read_log, read_records};
use crate::coding::Decoder;
use crate::vfs::ReadFile;

/// A stretch of a log in which no record can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// Where it ends.
    pub end: u64,
    /// What is wrong at its beginning.
    pub what: String,
}

/// Reads what can be read of a log that should have this number and salt: its
/// records on either side of any damage, and where the damage is.
///
/// # Errors
/// As [`read_log`].
pub fn salvage_log(file: &dyn ReadFile, number: u64, salt: u32) -> Result<(LogContents, Vec<Damage>)> {
    let mut contents = read_log(file, number, salt)?;
    let mut damages = Vec::new();
    if contents.end == End::Clean {
        return Ok((contents, damages));
    }
    let bytes = contents.records.bytes().clone();
    while let End::Damaged(damage) = std::mem::replace(&mut contents.end, End::Clean) {
        let next = next_record(&bytes, damage.offset, salt);
        let end = next.unwrap_or(bytes.len()) as u64;
        damages.push(Damage { offset: damage.offset as u64, end, what: damage.what });
        if let Some(position) = next {
            read_records(position, salt, &mut contents);
        }
    }
    Ok((contents, damages))
}

/// Where the first record or promise behind `damage` begins.
pub(super) fn next_record(bytes: &[u8], damage: usize, salt: u32) -> Option<usize> {
    use FragmentType::{First, Full, Promise};
    let mut position = damage.max(HEADER_BYTES);
    while position < bytes.len() {
        let next_block = position.saturating_add(format::block_left(position as u64) as usize);
        position = match fragment_at(bytes, position, salt) {
            Some(fragment) if position > damage && matches!(fragment.kind, Full | First | Promise) => {
                return Some(position);
            }
            Some(fragment) => behind(position, fragment.payload.len()),
            None => stated_end(bytes, position)
                .filter(|end| fragment_at(bytes, *end, salt).is_some())
                .unwrap_or(next_block),
        };
    }
    None
}

/// The sound fragment that begins at `position`.
fn fragment_at(bytes: &[u8], position: usize, salt: u32) -> Option<Fragment<'_>> {
    let left = format::block_left(position as u64);
    let rest = bytes.get(position..).filter(|_| left >= MIN_FRAGMENT_BYTES)?;
    format::decode_fragment(&mut Decoder::new(rest), salt, position as u64, left).ok()
}

/// Where the damaged fragment at `position` says that it ends.
fn stated_end(bytes: &[u8], position: usize) -> Option<usize> {
    let mut decoder = Decoder::new(bytes.get(position..)?);
    decoder.crc("crc").ok()?;
    decoder.u16("length").ok().map(|length| behind(position, usize::from(length)))
}

fn behind(position: usize, payload_bytes: usize) -> usize {
    position.saturating_add(FRAGMENT_HEADER_BYTES).saturating_add(payload_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{DatabaseId, file_salt};
    use crate::log::LogWriter;
    use crate::vfs::{FileId, SimVfs, Vfs};

    const DATABASE: DatabaseId = DatabaseId(1);
    const LOG: FileId = FileId::Log(3);

    /// Writes `records`, damages the file, and says which are left, by first byte
    /// and length.
    fn salvage(
        records: &[(u8, usize)],
        change: impl FnOnce(&mut Vec<u8>),
    ) -> (Vec<(u8, usize)>, Vec<Damage>) {
        let vfs = SimVfs::new();
        let mut writer = LogWriter::create(&vfs, LOG, DATABASE).unwrap();
        for (byte, length) in records {
            writer.append_record(&vec![*byte; *length], b"").unwrap();
        }
        vfs.corrupt(LOG, change).unwrap();
        let file = vfs.open(LOG).unwrap();
        let (contents, damages) = salvage_log(&*file, 3, file_salt(DATABASE, 3)).unwrap();
        (contents.records.iter().map(|record| (record.payload[0], record.payload.len())).collect(), damages)
    }

    #[test]
    fn a_flipped_bit_costs_one_record() {
        let (left, damages) = salvage(&[(1, 10), (2, 10), (3, 10)], |bytes| bytes[32 + 17 + 9] ^= 1);
        assert_eq!(left, [(1, 10), (3, 10)]);
        assert_eq!((damages[0].offset, damages[0].end), (32 + 17, 32 + 34));
    }

    #[test]
    fn a_length_that_is_gone_costs_the_rest_of_its_block() {
        let records = [(1, 10), (2, 10), (3, 40_000), (4, 10)];
        let (left, _) = salvage(&records, |bytes| bytes[32 + 17 + 4] ^= 1);
        assert_eq!(left, [(1, 10), (4, 10)], "a record that reaches into the next block is lost as a whole");
    }

    #[test]
    fn records_stand_behind_a_header_that_is_gone() {
        let (left, damages) = salvage(&[(1, 10)], |bytes| bytes[..32].fill(0));
        assert_eq!(left, [(1, 10)]);
        assert_eq!((damages[0].offset, damages[0].end), (0, 32));
    }

    #[test]
    fn a_record_that_was_begun_and_never_ended_costs_itself_alone() {
        let salt = file_salt(DATABASE, 3);
        let vfs = SimVfs::new();
        drop(LogWriter::create(&vfs, LOG, DATABASE).unwrap());
        vfs.corrupt(LOG, |bytes| {
            format::put_fragment(bytes, salt, 32, FragmentType::First, b"begun");
            format::put_fragment(bytes, salt, 32 + 12, FragmentType::Full, b"whole");
        })
        .unwrap();
        let (contents, damages) = salvage_log(&*vfs.open(LOG).unwrap(), 3, salt).unwrap();
        assert_eq!(contents.records.iter().map(|record| record.payload).collect::<Vec<_>>(), [b"whole"]);
        assert_eq!((damages.len(), damages[0].offset, damages[0].end), (1, 32, 32 + 12));
    }

    #[test]
    fn a_block_of_zeros_costs_the_records_that_touch_it() {
        let records = [(1, 20_000), (2, 20_000), (3, 20_000), (4, 30_000), (5, 10)];
        let (left, damages) = salvage(&records, |bytes| bytes[32_768..65_536].fill(0));
        assert_eq!(left, [(1, 20_000), (5, 10)]);
        assert_eq!(damages.len(), 1);
    }

    #[test]
    fn a_value_that_holds_a_log_is_not_read_as_one() {
        // What a record at offset 60 of this very file would look like.
        let mut forged = vec![0; 60 - 32 - FRAGMENT_HEADER_BYTES];
        format::put_fragment(&mut forged, file_salt(DATABASE, 3), 60, FragmentType::Full, b"forged");
        let vfs = SimVfs::new();
        LogWriter::create(&vfs, LOG, DATABASE).unwrap().append_record(&forged, b"").unwrap();
        vfs.corrupt(LOG, |bytes| bytes[32 + 7] ^= 1).unwrap();
        let (contents, _) = salvage_log(&*vfs.open(LOG).unwrap(), 3, file_salt(DATABASE, 3)).unwrap();
        assert!(contents.records.is_empty());
    }

    #[test]
    fn no_flip_and_no_cut_makes_up_a_record() {
        let records = [(1, 10), (2, 33_000), (3, 100)];
        let length = 32 + 17 + 33_000 + 2 * 7 + 107;
        for byte in (0..100).chain(32_700..32_900).chain(length - 120..length) {
            let (left, _) = salvage(&records, |bytes| bytes[byte] ^= 0x10);
            assert!(
                left.iter().all(|record| records.contains(record)) && !left.is_empty(),
                "{byte}: {left:?}"
            );
            let (left, _) = salvage(&records, |bytes| bytes.truncate(byte.max(32)));
            assert!(records.starts_with(&left), "cut to {byte}: {left:?}");
        }
    }
}
