//! A change of the set of files, as bytes: one record of the manifest.
//!
//! ```text
//!   edit  := field*
//!   field := tag u8 · length varint · contents
//!   tag   := 1 log floor varint          2 next file number varint
//!            3 keyspace varint           4 flushed sequence varint
//!            5 added file (see file.rs)  6 removed file: level varint · number varint
//!            + 128: a reader that does not know the tag may pass over it
//! ```
//!
//! Fields 4 to 6 belong to the keyspace named last before them; without one, to
//! keyspace 0, which is the only one today.
//!
//! Numbers of files are at most [`MAX_FILE_NUMBER`](crate::file::MAX_FILE_NUMBER) and
//! sequences at most [`MAX_SEQUENCE`](stage4_bloom::memtable::key::MAX_SEQUENCE): a
//! database that counted on from more would not open again.
//!
//! **INV-EDIT-1** An edit says everything that changes together: the new tables,
//! the ones they replace, up to where the journal is flushed, and which logs are
//! still needed. It is one record, so a crash leaves all of it or nothing.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage4_bloom::memtable::key::Sequence;
use stage4_bloom::wal::coding::{Decoder, Malformed, put_prefixed, put_varint};
use stage4_bloom::wal::layout::Field;

use crate::file::{FileMeta, LEVELS, decode_number, decode_sequence};

const LOG_FLOOR: u8 = 1;
const NEXT_FILE_NUMBER: u8 = 2;
const KEYSPACE: u8 = 3;
const FLUSHED_SEQUENCE: u8 = 4;
const ADDED_FILE: u8 = 5;
const REMOVED_FILE: u8 = 6;
const MAY_BE_IGNORED: u8 = 128;

/// A change from one version to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionEdit {
    /// Logs below this number are not needed any more.
    pub log_floor: Option<u64>,
    /// The number that was to be given out next when the edit was written: files that came
    /// later may have it or a higher one.
    pub next_file_number: Option<u64>,
    /// Every sequence up to this one is in tables.
    pub flushed_sequence: Option<Sequence>,
    /// New tables and their levels.
    pub added: Vec<(usize, FileMeta)>,
    /// Tables that no longer count: level and number.
    pub removed: Vec<(usize, u64)>,
}

impl VersionEdit {
    /// The edit as a manifest's record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, LOG_FLOOR, self.log_floor);
        put_number(&mut bytes, NEXT_FILE_NUMBER, self.next_file_number);
        put_number(&mut bytes, FLUSHED_SEQUENCE, self.flushed_sequence);
        for (level, number) in &self.removed {
            let mut contents = Vec::new();
            put_varint(&mut contents, *level as u64);
            put_varint(&mut contents, *number);
            put_field(&mut bytes, REMOVED_FILE, &contents);
        }
        for (level, meta) in &self.added {
            put_field(&mut bytes, ADDED_FILE, &meta.encode(*level));
        }
        bytes
    }

    /// Reads a manifest's record.
    ///
    /// # Errors
    /// [`Malformed`] for anything that the grammar does not allow, and for a tag
    /// that must be understood and is not.
    pub fn decode(bytes: &[u8]) -> Result<VersionEdit, Malformed> {
        VersionEdit::read(&mut Decoder::new(bytes))
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<VersionEdit, Malformed> {
        let mut edit = VersionEdit::default();
        while decoder.remaining() > 0 {
            let tag = decoder.u8("tag")?;
            decoder.explain(|| tag_name(tag).to_owned());
            let length = decoder.length("length")?;
            let end = decoder.position().saturating_add(length);
            if length > decoder.remaining() {
                return Err(
                    decoder.malformed(format!("a field of {length} bytes, {} left", decoder.remaining()))
                );
            }
            edit.read_field(tag, length, decoder)?;
            if decoder.position() != end {
                return Err(decoder.malformed(format!("the {} field has another length", tag_name(tag))));
            }
        }
        Ok(edit)
    }

    fn read_field(&mut self, tag: u8, length: usize, decoder: &mut Decoder<'_>) -> Result<(), Malformed> {
        match tag {
            LOG_FLOOR => self.log_floor = Some(decode_number(decoder, "log floor")?),
            NEXT_FILE_NUMBER => self.next_file_number = Some(decode_number(decoder, "next file number")?),
            FLUSHED_SEQUENCE => {
                self.flushed_sequence = Some(decode_sequence(decoder, "flushed sequence")?);
            }
            KEYSPACE => {
                let keyspace = decoder.varint("keyspace")?;
                if keyspace != 0 {
                    return Err(decoder.malformed(format!("keyspace {keyspace} is not known")));
                }
            }
            ADDED_FILE => {
                let (level, meta) = FileMeta::decode(decoder)?;
                check_level(decoder, level)?;
                self.added.push((level, meta));
            }
            REMOVED_FILE => {
                let level = decoder.length("level")?;
                check_level(decoder, level)?;
                self.removed.push((level, decode_number(decoder, "number")?));
            }
            _ if tag & MAY_BE_IGNORED != 0 => {
                decoder.bytes("ignored", length)?;
            }
            _ => return Err(decoder.malformed(format!("edit tag {tag} is not known and must be understood"))),
        }
        Ok(())
    }
}

/// The fields of an edit, up to its end or its first damage.
pub fn layout(bytes: &[u8]) -> Vec<Field> {
    let mut decoder = Decoder::recording(bytes);
    // Damage ends the fields; what they do not cover is shown as unclaimed.
    let _ = VersionEdit::read(&mut decoder);
    decoder.into_fields()
}

fn tag_name(tag: u8) -> &'static str {
    match tag {
        LOG_FLOOR => "log floor",
        NEXT_FILE_NUMBER => "next file number",
        KEYSPACE => "keyspace",
        FLUSHED_SEQUENCE => "flushed sequence",
        ADDED_FILE => "added file",
        REMOVED_FILE => "removed file",
        _ => "unknown",
    }
}

fn check_level(decoder: &Decoder<'_>, level: usize) -> Result<(), Malformed> {
    if level < LEVELS {
        return Ok(());
    }
    Err(decoder.malformed(format!("level {level} of {LEVELS}")))
}

fn put_field(bytes: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    bytes.push(tag);
    put_prefixed(bytes, contents);
}

fn put_number(bytes: &mut Vec<u8>, tag: u8, number: Option<u64>) {
    if let Some(number) = number {
        let mut contents = Vec::new();
        put_varint(&mut contents, number);
        put_field(bytes, tag, &contents);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use stage4_bloom::memtable::key::{MAX_SEQUENCE, OwnedKey};

    use crate::file::MAX_FILE_NUMBER;

    fn sample() -> VersionEdit {
        let key =
            |user_key: &'static [u8], sequence| OwnedKey { user_key: Bytes::from_static(user_key), sequence };
        let meta = FileMeta {
            number: 7,
            size_bytes: 4_096,
            smallest: key(b"apple", 9),
            largest: key(b"kiwi", 300),
            first_sequence: 9,
            last_sequence: 300,
            entries: 250,
            deletions: 3,
            checksum: 0xdead_beef,
        };
        VersionEdit {
            log_floor: Some(5),
            next_file_number: Some(8),
            flushed_sequence: Some(300),
            added: vec![(0, meta)],
            removed: vec![(0, 3), (6, 1_000)],
        }
    }

    #[test]
    fn a_number_that_no_database_has_counted_to_is_malformed() {
        let with = |change: fn(&mut VersionEdit)| {
            let mut edit = sample();
            change(&mut edit);
            VersionEdit::decode(&edit.encode()).map(|decoded| assert_eq!(decoded, edit))
        };
        for sound in [
            with(|edit| edit.next_file_number = Some(MAX_FILE_NUMBER)),
            with(|edit| edit.flushed_sequence = Some(MAX_SEQUENCE)),
        ] {
            assert_eq!(sound, Ok(()));
        }
        for beyond in [
            with(|edit| edit.log_floor = Some(MAX_FILE_NUMBER + 1)),
            with(|edit| edit.next_file_number = Some(u64::MAX)),
            with(|edit| edit.removed[0].1 = u64::MAX),
            with(|edit| edit.added[0].1.number = u64::MAX),
            with(|edit| edit.flushed_sequence = Some(MAX_SEQUENCE + 1)),
            with(|edit| edit.added[0].1.last_sequence = u64::MAX),
            with(|edit| edit.added[0].1.largest.sequence = u64::MAX),
        ] {
            assert!(beyond.unwrap_err().what.contains("is beyond"));
        }
    }

    #[test]
    fn an_edit_is_read_back_as_it_was_written() {
        assert_eq!(VersionEdit::decode(&sample().encode()).unwrap(), sample());
    }

    #[test]
    fn every_byte_of_an_edit_belongs_to_a_named_field() {
        let bytes = sample().encode();
        let fields = layout(&bytes);
        assert_eq!(stage4_bloom::wal::layout::unclaimed(&bytes, &fields), []);
        insta::assert_snapshot!(stage4_bloom::wal::layout::annotated_hex(&bytes, &fields));
    }

    #[test]
    fn an_unknown_tag_is_passed_over_only_if_it_says_so() {
        let mut bytes = sample().encode();
        put_field(&mut bytes, 77 | MAY_BE_IGNORED, b"from the future");
        assert_eq!(VersionEdit::decode(&bytes).unwrap(), sample());
        put_field(&mut bytes, 77, b"from the future");
        let error = VersionEdit::decode(&bytes).unwrap_err();
        assert_eq!(error.what, "edit tag 77 is not known and must be understood");
    }

    #[test]
    fn a_level_that_does_not_exist_is_malformed() {
        let edit = VersionEdit { removed: vec![(LEVELS, 1)], ..VersionEdit::default() };
        assert_eq!(VersionEdit::decode(&edit.encode()).unwrap_err().what, "level 7 of 7");
    }

    proptest! {
        #[test]
        fn no_bytes_make_an_edit_panic(bytes: Vec<u8>) {
            let _ = VersionEdit::decode(&bytes);
        }
    }
}
