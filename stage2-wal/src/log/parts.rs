//! A log taken apart, sound or not: every byte in one part.
//!
//! ```text
//!   │ header │ record │ promise │ record, in 2 fragments │ damage │ record │ zeros │
//!   0        32       84        99                       …
//! ```
//!
//! **INV-PARTS-1** The parts stand side by side from the first byte to the last.
//! What is not the writer's own is damage, and records behind it are found as
//! [`salvage`](super::salvage) finds them.
//!
//! The salt is the one that the header states. So one file can be looked at
//! without its database; and behind a damaged header nothing can be read.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage1_memtable::error::Result;
use stage1_memtable::key::Sequence;

use super::format::{Fragment, FragmentType, HEADER_BYTES, Header, Place, decode_place};
use super::salvage::next_record;
use crate::coding::{Decoder, Malformed};
use crate::layout::{Field, Part};

/// What a sound part of a log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// What the log says about itself.
    Header(Header),
    /// A record.
    Record {
        /// What was appended.
        payload: Vec<u8>,
        /// In how many fragments it stands; in one, its payload is one field.
        fragments: usize,
    },
    /// A promise of this sequence.
    Promise(Sequence),
    /// The end of a block, which nobody reads.
    Padding,
    /// Zeros to the end of the file.
    Zeros,
}

/// The parts of the log called `name`, in the order of the file.
///
/// # Errors
/// [`Unsupported`](stage1_memtable::Error::Unsupported) for a log of a later
/// release. Damage is not an error here but a part.
pub fn log_parts(bytes: &[u8], name: &str) -> Result<Vec<Part<Contents>>> {
    let mut decoder = Decoder::recording(bytes);
    let header = match Header::decode(&mut decoder, name) {
        Ok(header) => header?,
        Err(_) if bytes.iter().all(|byte| *byte == 0) => return never_written(bytes),
        Err(damage) => return Ok(vec![damaged(0, bytes.len(), damage.what)]),
    };
    let contents = Ok(Contents::Header(header));
    let mut parts = vec![Part { start: 0, end: HEADER_BYTES, contents, fields: decoder.into_fields() }];
    let mut position = HEADER_BYTES;
    while position < bytes.len() {
        let part = Reading::begin(bytes, header.salt, position).part().unwrap_or_else(|damage| {
            let end = next_record(bytes, position, header.salt).unwrap_or(bytes.len());
            damaged(position, end, damage.what)
        });
        position = part.end;
        parts.push(part);
    }
    Ok(parts)
}

/// A file that was created and never written to has no byte, or only zeros.
fn never_written(bytes: &[u8]) -> Result<Vec<Part<Contents>>> {
    let (end, contents) = (bytes.len(), Ok(Contents::Zeros));
    let field = Field { start: 0, end, name: "zeros", meaning: "a log that was never written to".to_owned() };
    Ok(vec![Part { start: 0, end, contents, fields: vec![field] }])
}

fn damaged(start: usize, end: usize, what: String) -> Part<Contents> {
    Part { start, end, contents: Err(what), fields: Vec::new() }
}

/// One part that is being read, and the record that it may be a part of.
struct Reading<'a> {
    bytes: &'a [u8],
    salt: u32,
    start: usize,
    position: usize,
    fields: Vec<Field>,
    payload: Vec<u8>,
    fragments: usize,
}

impl<'a> Reading<'a> {
    fn begin(bytes: &'a [u8], salt: u32, start: usize) -> Reading<'a> {
        Reading { bytes, salt, start, position: start, fields: Vec::new(), payload: Vec::new(), fragments: 0 }
    }

    fn part(mut self) -> Result<Part<Contents>, Malformed> {
        loop {
            let place = self.place()?;
            if let Some(contents) = self.take(place)? {
                let Reading { start, position: end, fields, .. } = self;
                return Ok(Part { start, end, contents: Ok(contents), fields });
            }
        }
    }

    /// Reads what stands at the position, and moves behind it.
    fn place(&mut self) -> Result<Place<'a>, Malformed> {
        let base = self.position;
        let mut decoder = Decoder::recording(self.bytes.get(base..).unwrap_or_default());
        let place = decode_place(&mut decoder, self.salt, base as u64)?;
        self.position = base.saturating_add(decoder.position());
        self.fields.extend(decoder.into_fields().into_iter().map(|field| field.shifted(base)));
        Ok(place)
    }

    /// The whole contents, once `place` completes them.
    fn take(&mut self, place: Place<'_>) -> Result<Option<Contents>, Malformed> {
        use FragmentType::{First, Full, Last, Middle, Promise};
        let is_open = self.fragments > 0;
        let fragment = match place {
            Place::Fragment(fragment) => fragment,
            Place::Padding if !is_open => return Ok(Some(Contents::Padding)),
            Place::Zeros if !is_open => return Ok(Some(Contents::Zeros)),
            Place::Padding | Place::Zeros => return Err(self.malformed("a record without an end")),
        };
        match (fragment.kind, is_open) {
            (Promise, false) => Ok(fragment.promised().map(Contents::Promise)),
            (Full, false) | (Last, true) => {
                self.join(fragment);
                let payload = std::mem::take(&mut self.payload);
                Ok(Some(Contents::Record { payload, fragments: self.fragments }))
            }
            (First, false) | (Middle, true) => {
                self.join(fragment);
                Ok(None)
            }
            (kind, _) => Err(self.malformed(&format!("a {kind:?} fragment out of its order"))),
        }
    }

    fn join(&mut self, fragment: Fragment<'_>) {
        self.payload.extend_from_slice(fragment.payload);
        self.fragments = self.fragments.saturating_add(1);
    }

    fn malformed(&self, what: &str) -> Malformed {
        Malformed { offset: self.start, what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::DatabaseId;
    use crate::layout::unclaimed;
    use crate::log::LogWriter;
    use crate::vfs::{FileId, SimVfs, Vfs};

    const LOG: FileId = FileId::Log(3);

    /// The parts of a log of these records, each promised, after `change`.
    fn parts(records: &[usize], change: impl FnOnce(&mut Vec<u8>)) -> Vec<Part<Contents>> {
        let vfs = SimVfs::new();
        let mut writer = LogWriter::create(&vfs, LOG, DatabaseId(1)).unwrap();
        for (length, number) in records.iter().zip(1..) {
            writer.append_record(&vec![7; *length], b"").unwrap();
            writer.append_promise(number).unwrap();
        }
        vfs.corrupt(LOG, change).unwrap();
        let bytes = vfs.open(LOG).unwrap().read_all().unwrap();
        let parts = log_parts(&bytes, "log").unwrap();
        assert_eq!((parts[0].start, parts.last().unwrap().end), (0, bytes.len()), "INV-PARTS-1");
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "INV-PARTS-1");
        if parts.iter().all(|part| part.contents.is_ok()) {
            let fields: Vec<Field> = parts.iter().flat_map(|part| part.fields.clone()).collect();
            assert_eq!(unclaimed(&bytes, &fields), []);
        }
        parts
    }

    fn told(part: &Part<Contents>) -> String {
        match &part.contents {
            Ok(Contents::Header(header)) => format!("header {}", header.number),
            Ok(Contents::Record { payload, fragments }) => format!("{} in {fragments}", payload.len()),
            Ok(Contents::Promise(sequence)) => format!("promise {sequence}"),
            Ok(Contents::Padding) => "padding".to_owned(),
            Ok(Contents::Zeros) => "zeros".to_owned(),
            Err(what) => format!("damage: {what}"),
        }
    }

    #[test]
    fn every_byte_of_a_sound_log_lies_in_one_part() {
        let sound = parts(&[10, 70_000, 0], |bytes| bytes.resize(bytes.len() + 100, 0));
        let told: Vec<String> = sound.iter().map(told).collect();
        let expected =
            ["header 3", "10 in 1", "promise 1", "70000 in 3", "promise 2", "0 in 1", "promise 3", "zeros"];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_lies_behind_damage_is_found_again() {
        let damaged = parts(&[10, 20, 30], |bytes| bytes[32 + 17 + 15 + 9] ^= 1);
        let told: Vec<String> = damaged.iter().map(told).collect();
        let damage = "damage: the fragment's checksum does not match";
        assert_eq!(told, ["header 3", "10 in 1", "promise 1", damage, "promise 2", "30 in 1", "promise 3"]);
    }

    #[test]
    fn no_flip_and_no_cut_loses_a_byte() {
        for byte in (0..120).chain(32_750..32_800) {
            parts(&[10, 40_000, 30], |bytes| bytes[byte] ^= 4);
            parts(&[10, 40_000, 30], |bytes| bytes.truncate(byte + 1));
        }
    }

    #[test]
    fn behind_a_damaged_header_nothing_can_be_read() {
        let told: Vec<String> = parts(&[10], |bytes| bytes[9] ^= 1).iter().map(told).collect();
        assert_eq!(told, ["damage: the header's checksum does not match"]);
    }
}
