//! Five tables that know something of one key, each over the keys that it spans, and what readers
//! at several sequences are told by those that they ask.

use stage1_memtable::key::Kind;
use stage1_memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::version::Version;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::broken_level::{FIVE, five_tables};

const KEYS: [&str; 8] = ["apple", "cherry", "date", "fig", "grape", "kiwi", "lemon", "pear"];
const READERS: [u64; 4] = [13, 11, 9, 4];

const LEFT: f64 = 128.0;
const COLUMN: f64 = 54.0;
const CELL: f64 = 40.0;
const READERS_LEFT: f64 = LEFT + COLUMN * KEYS.len() as f64 + 8.0;
const READER: f64 = 78.0;
const TOP: f64 = 26.0;
const ROW: f64 = 40.0;

pub(super) fn draw() -> Drawn {
    let version = five_tables()?;
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    for (key, x) in KEYS.iter().zip(columns()) {
        drawing.words("faint", Anchor::Middle, (x + CELL / 2.0, 12.0), key);
    }
    let rows: Vec<_> = version.files().zip((0..).map(|row| TOP + ROW * f64::from(row))).collect();
    for ((level, file), top) in &rows {
        let name = format!("table {}, level {level}", file.meta().number);
        drawing.words("", Anchor::Start, (0.0, top + 18.0), name);
        draw_table(&mut drawing, file, *top);
    }
    for (reader, sequence) in READERS.into_iter().enumerate() {
        let x = READERS_LEFT + READER * reader as f64;
        drawing.words("strong", Anchor::Middle, (x + READER / 2.0, 12.0), format!("fig @ {sequence}"));
        let (answer, asked) = ask(&version, sequence)?;
        for ((_, file), top) in &rows {
            if !asked.contains(&file.meta().number) {
                continue;
            }
            let its_answer = file.table()?.lookup(&LookupKey::new(b"fig", sequence), &mut ())?;
            let (class, label) = told(&its_answer);
            drawing.labelled(class, Area::new(x + 3.0, *top, READER - 6.0, 27.0), label);
        }
        let tables = if asked.len() == 1 { "table" } else { "tables" };
        let answer = told(&answer).1;
        words.push(format!("At {sequence}, {} {tables} asked; the answer is {answer}.", asked.len()));
    }
    Ok((drawing, format!("Five tables that hold fig, and readers of it. {}", words.join(" "))))
}

fn columns() -> impl Iterator<Item = f64> {
    (0..).map(|column| LEFT + COLUMN * f64::from(column))
}

/// The keys that it spans, and its entries upon them.
fn draw_table(drawing: &mut Drawing, file: &TableFile, top: f64) {
    let meta = file.meta();
    let spanned = || KEYS.iter().zip(columns()).filter(|(key, _)| meta.covers(key.as_bytes()));
    let (first, last) =
        spanned().fold((f64::MAX, 0.0f64), |(first, last), (_, x)| (first.min(x), last.max(x)));
    drawing.area("box", Area::new(first - 4.0, top, last - first + CELL + 8.0, 27.0));
    for (key, x) in spanned() {
        let entries = FIVE.iter().flat_map(|(_, entries)| entries.iter());
        let here = |sequence: u64| (meta.first_sequence..=meta.last_sequence).contains(&sequence);
        for (_, sequence, value) in entries.filter(|(of, sequence, _)| of == key && here(*sequence)) {
            let kind = if value.is_some() { Kind::Value } else { Kind::Deletion };
            let class = if kind == Kind::Deletion { "tombstone" } else { "k0" };
            drawing.labelled(class, Area::new(x, top + 3.0, CELL, 21.0), sequence);
        }
    }
}

/// What a reader of `fig` is told, and the tables that it asks.
fn ask(version: &Version, sequence: u64) -> stage1_memtable::Result<(Answer, Vec<u64>)> {
    let mut touched = Vec::new();
    let answer = version.lookup(&LookupKey::new(b"fig", sequence), &mut touched)?;
    let number = |touch: &Touch| if let Touch::Table { number, .. } = touch { Some(*number) } else { None };
    Ok((answer, touched.iter().filter_map(number).collect()))
}

fn told(answer: &Answer) -> (&'static str, String) {
    match answer {
        Answer::Value { value, .. } => ("k1", format!("\"{}\"", value.escape_ascii())),
        Answer::Deleted { .. } => ("tombstone", "deleted".to_owned()),
        Answer::Absent => ("box", "absent".to_owned()),
    }
}
