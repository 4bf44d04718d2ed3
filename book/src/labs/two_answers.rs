//! Three readers of one history that lies in several memtables: one who knows three answers,
//! one who takes a deletion for "not here", and one who takes an empty value for a deletion.

use std::collections::BTreeMap;
use std::fmt::Display;

use stage1_memtable::key::{Kind, Sequence};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

use super::prelude::{Dice, number, row};
use super::{Outcome, Output};

const KEYS: u64 = 500;
const WRITES: u64 = 8_000;
/// So many writes lie between two moments at which every key is asked for.
const BETWEEN_MOMENTS: u64 = 100;

/// What a key has at some moment: its value, or none.
type Known = Option<Vec<u8>>;

/// What becomes of the answer of one source: the end of the search, or `None` to go on.
type Reader = fn(Answer) -> Option<Known>;

const READERS: [(&str, Reader); 3] = [
    ("three answers", three_answers),
    ("deleted taken for absent", deleted_taken_for_absent),
    ("empty taken for deleted", empty_taken_for_deleted),
];

fn three_answers(answer: Answer) -> Option<Known> {
    match answer {
        Answer::Value { value, .. } => Some(Some(value.to_vec())),
        Answer::Deleted { .. } => Some(None),
        Answer::Absent => None,
    }
}

fn deleted_taken_for_absent(answer: Answer) -> Option<Known> {
    match answer {
        Answer::Value { value, .. } => Some(Some(value.to_vec())),
        Answer::Deleted { .. } | Answer::Absent => None,
    }
}

fn empty_taken_for_deleted(answer: Answer) -> Option<Known> {
    three_answers(answer).map(|known| known.filter(|value| !value.is_empty()))
}

pub(super) fn run(out: &mut Output) -> Outcome {
    let widths = [26, 10, 8, 8, 20, 20];
    let heading: [&dyn Display; 6] =
        [&"reader", &"memtables", &"gets", &"right", &"deleted, yet found", &"there, yet missing"];
    out.line(row(&widths, &heading));
    for (name, reader) in READERS {
        for memtables in [1, 2, 8] {
            let Tally { gets, found, missing } = ask_everything(memtables, reader)?;
            let counts = [gets, gets - found - missing, found, missing].map(number);
            let [gets, right, found, missing] = &counts;
            out.line(row(&widths, &[&name, &memtables, gets, right, found, missing]));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    gets: u64,
    /// Keys without a value, of which one was told.
    found: u64,
    /// Keys with a value, of which none was told.
    missing: u64,
}

/// Writes the history, and asks for every key at every moment on the way.
fn ask_everything(memtables: u64, reader: Reader) -> Result<Tally, stage1_memtable::Error> {
    let mut tally = Tally::default();
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut sources: Vec<MemTable> = Vec::new();
    let mut dice = Dice::seeded(2);
    for sequence in 1..=WRITES {
        if (sequence - 1).is_multiple_of(WRITES / memtables) {
            sources.insert(0, MemTable::new());
        }
        let (kind, key, value) = draw(&mut dice, sequence);
        sources[0].insert(sequence, kind, key.as_bytes(), value.as_bytes());
        match kind {
            Kind::Value => model.insert(key, value.into_bytes()),
            Kind::Deletion => model.remove(&key),
        };
        if sequence.is_multiple_of(BETWEEN_MOMENTS) {
            for key in (0..KEYS).map(name_of) {
                let told = get(&sources, &key, sequence, reader)?;
                tally.gets += 1;
                match (model.get(&key), &told) {
                    (None, Some(_)) => tally.found += 1,
                    (Some(_), None) => tally.missing += 1,
                    (value, told) => assert_eq!(value, told.as_ref(), "{key} at {sequence}"),
                }
            }
        }
    }
    Ok(tally)
}

/// Of ten writes six put a value, one puts an empty one, and three delete.
fn draw(dice: &mut Dice, sequence: Sequence) -> (Kind, String, String) {
    let key = name_of(dice.below(KEYS));
    match dice.below(10) {
        0..6 => (Kind::Value, key, format!("value {sequence}")),
        6 => (Kind::Value, key, String::new()),
        _ => (Kind::Deletion, key, String::new()),
    }
}

fn name_of(key: u64) -> String {
    format!("fruit{key:03}")
}

/// Asks the sources from the newest to the oldest, until the reader has heard enough.
fn get(
    sources: &[MemTable],
    key: &str,
    sequence: Sequence,
    reader: Reader,
) -> Result<Known, stage1_memtable::Error> {
    let key = LookupKey::new(key.as_bytes(), sequence);
    for source in sources {
        if let Some(known) = reader(source.lookup(&key, &mut ())?) {
            return Ok(known);
        }
    }
    Ok(None)
}
