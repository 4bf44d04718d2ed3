//! Logs that were damaged on purpose: every length that a file can be cut to,
//! and every single bit. The answer is a prefix that breaks no promise, or
//! `Corruption` with a file and an offset; never a panic, never a wrong answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::layout::Field;
use stage2_wal::log::format;
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::Sequence;
use stage2_wal::vfs::crash::Image;
use stage2_wal::vfs::{FileId, SimVfs, Vfs};

const DATABASE: DatabaseId = DatabaseId(0x5afe);

/// Of a longer payload only so many bytes at either end are tried: the checksum
/// covers all of them alike.
const TRIED_AT_EACH_END: usize = 8;

/// A journal over three logs, closed: its last promise covers every batch.
struct Logs {
    image: Image,
    last: Sequence,
}

impl Logs {
    /// `filler` bytes of the first value decide what stands around block ends.
    fn closed(filler: usize) -> Logs {
        let vfs = Arc::new(SimVfs::new());
        let journal = Journal::create(vfs.clone(), DATABASE, 1, 0).expect("a simulated disk never fails");
        let write = |value: &[u8]| {
            let mut batch = WriteBatch::new();
            batch.put("first", value).delete("second");
            journal.appender().append(&batch).expect("the batch is valid")
        };
        let rotate = |number| {
            let log = journal.prepare(number).expect("the name is free");
            journal.appender().rotate(log).expect("the journal is sound");
        };
        let persist = |last| journal.persist(last).expect("a simulated disk never fails");
        persist(write(&vec![7; filler]));
        write(b"beside no promise");
        rotate(2);
        persist(write(b"with a promise at the end of its log"));
        rotate(3);
        let last = write(b"the newest");
        journal.close().expect("a simulated disk never fails");
        Logs { image: vfs.image(), last }
    }

    /// Replays the logs after `change` was made to one of them.
    fn replay_with(&self, log: FileId, change: impl FnOnce(&mut Vec<u8>)) -> Result<Sequence> {
        let vfs = SimVfs::from_image(&self.image);
        vfs.corrupt(log, change).expect("the log is there");
        self.replay(&vfs)
    }

    fn replay(&self, vfs: &SimVfs) -> Result<Sequence> {
        let mut next = 1;
        let report = replay(vfs, DATABASE, &[1, 2, 3], 0, |batch| {
            assert_eq!(batch.first_sequence(), next, "a hole");
            assert_eq!(
                batch.entries().map(|entry| entry.key).collect::<Vec<_>>(),
                [&b"first"[..], b"second"]
            );
            next = batch.last_sequence() + 1;
        })?;
        assert_eq!(report.last_sequence + 1, next);
        Ok(report.last_sequence)
    }

    fn logs(&self) -> impl Iterator<Item = (FileId, &[u8])> {
        self.image.iter().map(|(log, bytes)| (*log, &bytes[..]))
    }
}

fn assert_names_a_place(error: &Error) {
    assert!(matches!(error, Error::Corruption { file, .. } if file.ends_with(".log")), "{error}");
    assert!(error.to_string().contains("corrupt at offset"), "{error}");
}

/// Where a byte stands, in words.
fn place(fields: &[Field], byte: usize) -> String {
    let at = fields.iter().position(|field| (field.start..field.end).contains(&byte)).expect("a named field");
    let fragment =
        fields[at..].iter().find(|field| matches!(field.name, "payload" | "padding" | "header crc"));
    let fragment = fragment.map_or("", |field| match field.name {
        "payload" if field.meaning.starts_with("promise") => "a promise",
        "payload" => "a batch",
        "padding" => "padding",
        _ => "the header",
    });
    fragment.to_owned()
}

/// The bytes of a file that are worth a try.
fn tried(fields: &[Field]) -> Vec<usize> {
    let ends = |field: &Field| {
        let head = field.start..field.end.min(field.start + TRIED_AT_EACH_END);
        let tail = field.end.saturating_sub(TRIED_AT_EACH_END).max(head.end)..field.end;
        head.chain(tail).collect::<Vec<_>>()
    };
    fields.iter().flat_map(ends).collect()
}

/// Flips every bit and counts, by place, how many flips were corruption and how
/// many changed nothing.
fn flip_every_bit(logs: &Logs) -> BTreeMap<String, (usize, usize)> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let vfs = SimVfs::from_image(&logs.image);
    for (log, bytes) in logs.logs() {
        let fields = format::layout(bytes);
        for byte in tried(&fields) {
            let count = counts.entry(place(&fields, byte)).or_default();
            for bit in 0..8 {
                let flip = |bytes: &mut Vec<u8>| bytes[byte] ^= 1 << bit;
                vfs.corrupt(log, flip).expect("the log is there");
                match logs.replay(&vfs) {
                    Ok(last) => {
                        assert_eq!(last, logs.last, "{log}, byte {byte}, bit {bit}: a wrong answer");
                        count.1 += 1;
                    }
                    Err(error) => {
                        assert_names_a_place(&error);
                        count.0 += 1;
                    }
                }
                vfs.corrupt(log, flip).expect("the log is there");
            }
        }
    }
    counts
}

#[test]
fn a_flipped_bit_is_corruption_unless_nobody_needs_it() {
    // The second filler leaves too little of the block for the promise behind it.
    let until_padding = format::BLOCK_BYTES as usize - 10 - format::HEADER_BYTES;
    let around_the_value = format::FRAGMENT_HEADER_BYTES + 21;
    for (what, filler) in [("small logs", 5), ("a log with padding", until_padding - around_the_value)] {
        let logs = Logs::closed(filler);
        let counts = flip_every_bit(&logs);
        for (place, (corrupt, unchanged)) in &counts {
            println!("{what}, in {place}: {corrupt} flips are corruption, {unchanged} change no answer");
        }
        for needed in ["the header", "a batch"] {
            assert_eq!(counts[needed].1, 0, "every bit of {needed} is needed");
        }
        assert_eq!(counts.contains_key("padding"), what.contains("padding"));
        assert_eq!(counts.get("padding").map_or(0, |(corrupt, _)| *corrupt), 0, "nobody reads padding");
    }
}

/// What is cut off the end of an older log is missed below a later promise. The
/// newest log may lose its last promise, and with it what only that covered: no
/// protocol can tell this from a torn tail.
#[test]
fn a_log_cut_to_any_length_gives_a_prefix_or_corruption() {
    let logs = Logs::closed(5);
    let (mut whole, mut prefixes, mut corrupt) = (0, 0, 0);
    for (log, bytes) in logs.logs() {
        let is_newest = log == FileId::Log(3);
        for length in 0..bytes.len() {
            match logs.replay_with(log, |bytes| bytes.truncate(length)) {
                Ok(last) if last == logs.last => whole += 1,
                Ok(_) => {
                    assert!(is_newest, "{log} cut to {length}");
                    prefixes += 1;
                }
                Err(error) => {
                    assert_names_a_place(&error);
                    corrupt += 1;
                }
            }
        }
    }
    println!("cuts: {corrupt} are corruption, {whole} change no answer, {prefixes} leave a legal prefix");
    assert!(corrupt > 0 && whole > 0 && prefixes > 0);
}

#[test]
fn logs_that_changed_places_are_refused() {
    let logs = Logs::closed(5);
    let mut image = logs.image.clone();
    let (first, second) = (image[&FileId::Log(1)].clone(), image[&FileId::Log(2)].clone());
    image.insert(FileId::Log(1), second);
    image.insert(FileId::Log(2), first);
    let error = logs.replay(&SimVfs::from_image(&image)).expect_err("the headers name other numbers");
    assert_eq!(
        error.to_string(),
        "000001.log is corrupt at offset 0: the log says it is number 2, of another database or name"
    );
}

#[test]
fn a_missing_log_is_named() {
    let logs = Logs::closed(5);
    let vfs = SimVfs::from_image(&logs.image);
    vfs.remove(FileId::Log(2)).expect("it was there");
    let error = logs.replay(&vfs).expect_err("a log is missing");
    assert!(error.is_not_found() && error.to_string().contains("000002.log"), "{error}");
}
