//! Reads a log up to its end or its first damage, and finds every promise.
//!
//! ```text
//!   │ sound records, promises … │ damage │ what nobody can trust … promise … │
//!     └────── records ────────┘          └── searched bytewise for promises ─┘
//! ```
//!
//! **INV-LOG-4** Records end at the first damage of a file: what lies behind it
//! is not returned here, even where it parses, because records are a chain. But
//! promises behind it count: a promise found there is how a damaged record is
//! told from a torn tail, which nobody ever promised.
//!
//! Zeros to the end of the file are a clean end: so does a preallocated file
//! look behind its last record.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::Sequence;

use super::format::{self, FragmentType, HEADER_BYTES, Header, MIN_FRAGMENT_BYTES};
use super::records::Records;
use crate::coding::{Decoder, Malformed};
use crate::vfs::ReadFile;

/// How the sound part of a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Behind the last record, with nothing or only zeros following.
    Clean,
    /// In bytes that are no record. A torn write looks like this, and so does
    /// damage.
    Damaged(Malformed),
}

/// Everything that a log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogContents {
    /// The records in front of the first damage.
    pub records: Records,
    /// The highest promise anywhere in the file.
    pub promised: Option<Sequence>,
    /// How the records end.
    pub end: End,
    /// The length of the file, in bytes.
    pub file_bytes: u64,
}

/// Reads a log that should have this number and salt.
///
/// # Errors
/// That of reading the file; [`Error::Unsupported`] for a version of the
/// future; [`Error::Corruption`] for a sound header of another file. Damage is
/// not an error here but an [`End`]: what follows from it is for the journal
/// and the manifest to say.
pub fn read_log(file: &dyn ReadFile, number: u64, salt: u32) -> Result<LogContents> {
    let bytes = file.read_all()?;
    let name = file.describe();
    let expected = Header { number, salt };
    let records = Records::of(bytes.clone());
    let mut contents =
        LogContents { records, promised: None, end: End::Clean, file_bytes: bytes.len() as u64 };
    match Header::decode(&mut Decoder::new(&bytes), &name) {
        Ok(header) => {
            let header = header?;
            if header != expected {
                let what =
                    format!("the log says it is number {}, of another database or name", header.number);
                return Err(Error::corruption(name, 0, what));
            }
            read_records(HEADER_BYTES, salt, &mut contents);
        }
        // A file without a byte was created and never written to.
        Err(_) if bytes.iter().all(|byte| *byte == 0) => {}
        Err(damage) => contents.end = End::Damaged(Malformed { offset: 0, ..damage }),
    }
    if let End::Damaged(damage) = &contents.end {
        let behind = bytes.get(damage.offset..).unwrap_or_default();
        let found = format::find_promises(behind, damage.offset as u64, salt);
        contents.promised = contents.promised.max(found);
    }
    Ok(contents)
}

/// Reads fragments from `position` on, where one begins, and joins them to
/// records, up to the end or the first damage.
pub(super) fn read_records(mut position: usize, salt: u32, contents: &mut LogContents) {
    let bytes = contents.records.bytes().clone();
    let mut open: Option<(usize, Vec<u8>)> = None;
    loop {
        let left = format::block_left(position as u64);
        if left < MIN_FRAGMENT_BYTES {
            position = position.saturating_add(left as usize);
            continue;
        }
        let rest = bytes.get(position..).unwrap_or_default();
        if rest.iter().all(|byte| *byte == 0) {
            if let Some((start, _)) = open {
                contents.end = damaged(start, "a record without an end");
            }
            return;
        }
        let mut decoder = Decoder::new(rest);
        // An open record is damaged as a whole, from its beginning.
        let damage_start = open.as_ref().map_or(position, |(start, _)| *start);
        let fragment = match format::decode_fragment(&mut decoder, salt, position as u64, left) {
            Ok(fragment) => fragment,
            Err(error) => {
                contents.end = damaged(damage_start, &error.what);
                return;
            }
        };
        match (fragment.kind, &mut open) {
            (FragmentType::Full, None) => contents.records.push(position),
            (FragmentType::Promise, None) => {
                contents.promised = contents.promised.max(fragment.promised());
            }
            (FragmentType::First, None) => open = Some((position, fragment.payload.to_vec())),
            (FragmentType::Middle, Some((_, record))) => record.extend_from_slice(fragment.payload),
            (FragmentType::Last, Some((start, record))) => {
                record.extend_from_slice(fragment.payload);
                contents.records.push_joined(*start, std::mem::take(record));
                open = None;
            }
            (kind, _) => {
                contents.end = damaged(damage_start, &format!("a {kind:?} fragment out of its order"));
                return;
            }
        }
        position = position.saturating_add(decoder.position());
    }
}

fn damaged(offset: usize, what: &str) -> End {
    End::Damaged(Malformed { offset, what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{DatabaseId, file_salt};
    use crate::log::LogWriter;
    use crate::vfs::{FileId, SimVfs, Vfs};
    use bytes::Bytes;
    use proptest::prelude::*;

    const DATABASE: DatabaseId = DatabaseId(1);
    const LOG: FileId = FileId::Log(3);

    struct Log {
        vfs: SimVfs,
        writer: LogWriter,
    }

    impl Log {
        fn new() -> Log {
            let vfs = SimVfs::new();
            let writer = LogWriter::create(&vfs, LOG, DATABASE).unwrap();
            Log { vfs, writer }
        }

        fn write(&mut self, record: &[u8]) {
            self.writer.append_record(record, b"").unwrap();
        }

        fn corrupt(&self, change: impl FnOnce(&mut Vec<u8>)) {
            self.vfs.corrupt(LOG, change).unwrap();
        }

        fn read(&self) -> LogContents {
            read_log(&*self.vfs.open(LOG).unwrap(), 3, file_salt(DATABASE, 3)).unwrap()
        }

        fn records(&self) -> Vec<Bytes> {
            self.read().records.iter().map(|record| Bytes::copy_from_slice(record.payload)).collect()
        }
    }

    #[test]
    fn a_record_may_be_larger_than_a_block() {
        let mut log = Log::new();
        let large = vec![7; 100_000];
        log.write(b"small");
        log.write(&large);
        log.write(b"");
        assert_eq!(log.records(), [&b"small"[..], &large, b""]);
        assert_eq!(log.read().end, End::Clean);
    }

    #[test]
    fn a_torn_last_record_is_forgotten() {
        let mut log = Log::new();
        log.write(b"first");
        log.write(&[5; 40_000]);
        log.corrupt(|bytes| bytes.truncate(bytes.len() - 1));
        assert_eq!(log.records(), ["first"]);
        assert!(matches!(log.read().end, End::Damaged(damage) if damage.offset == 32 + 7 + 5));
    }

    #[test]
    fn zeros_behind_the_last_record_are_a_clean_end() {
        let mut log = Log::new();
        log.write(b"first");
        log.corrupt(|bytes| bytes.resize(100_000, 0));
        assert_eq!(log.read().end, End::Clean);
        assert_eq!(log.records(), ["first"]);
    }

    #[test]
    fn a_record_whose_last_fragment_is_missing_is_damage_even_before_zeros() {
        let mut log = Log::new();
        log.write(&[5; 40_000]);
        log.corrupt(|bytes| {
            bytes.truncate(32 * 1024);
            bytes.resize(100_000, 0);
        });
        assert!(log.records().is_empty());
        assert!(matches!(log.read().end, End::Damaged(damage) if damage.offset == 32));
    }

    #[test]
    fn nothing_behind_damage_is_a_record_but_a_promise_there_counts() {
        let mut log = Log::new();
        log.write(b"first");
        log.write(b"second");
        log.writer.append_promise(2).unwrap();
        log.corrupt(|bytes| bytes[32 + 7] ^= 1);
        let contents = log.read();
        assert!(contents.records.is_empty());
        assert_eq!(contents.promised, Some(2));
    }

    #[test]
    fn a_promise_is_found_behind_a_header_that_is_gone() {
        let mut log = Log::new();
        log.write(b"first");
        log.writer.append_promise(1).unwrap();
        log.corrupt(|bytes| bytes[..32].fill(0));
        assert_eq!(log.read().promised, Some(1));
    }

    #[test]
    fn the_log_of_another_database_is_refused() {
        let log = Log::new();
        let stranger = file_salt(DatabaseId(2), 3);
        let error = read_log(&*log.vfs.open(LOG).unwrap(), 3, stranger).unwrap_err();
        assert_eq!(
            error.to_string(),
            "000003.log is corrupt at offset 0: the log says it is number 3, of another database or name"
        );
    }

    #[test]
    fn every_flipped_bit_is_damage_or_lies_in_padding() {
        let mut log = Log::new();
        log.write(&vec![1; 32 * 1024 - 32 - 7 - 10]);
        log.write(b"second");
        let whole = log.read();
        let padding = 32 * 1024 - 10..32 * 1024;
        let length = whole.file_bytes as usize;
        for byte in (0..200).chain(length - 200..length) {
            for bit in 0..8 {
                log.corrupt(|bytes| bytes[byte] ^= 1 << bit);
                match read_log(&*log.vfs.open(LOG).unwrap(), 3, file_salt(DATABASE, 3)) {
                    Ok(contents) if padding.contains(&byte) => assert_eq!(contents, whole),
                    Ok(contents) => assert!(matches!(contents.end, End::Damaged(_)), "byte {byte} bit {bit}"),
                    Err(_) => {}
                }
                log.corrupt(|bytes| bytes[byte] ^= 1 << bit);
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_what_is_read(
            records in proptest::collection::vec((proptest::num::u8::ANY, 0usize..70_000), 0..8),
        ) {
            let mut log = Log::new();
            let records: Vec<Vec<u8>> = records.into_iter().map(|(byte, size)| vec![byte; size]).collect();
            for (index, record) in records.iter().enumerate() {
                log.write(record);
                log.writer.append_promise(index as u64).unwrap();
            }
            prop_assert_eq!(log.records(), records.clone());
            prop_assert_eq!(log.read().promised, (records.len() as u64).checked_sub(1));
        }
    }
}
