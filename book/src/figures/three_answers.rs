//! Gets of four keys through three memtables, and what each of them answers.

use stage1_memtable::key::{Kind, Sequence};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

/// What is written, and into which memtable: the oldest is 0.
const WRITES: [(usize, Kind, &str, &str); 8] = [
    (0, Kind::Value, "apple", "red"),
    (0, Kind::Value, "fig", "green"),
    (0, Kind::Value, "kiwi", "brown"),
    (1, Kind::Deletion, "fig", ""),
    (1, Kind::Value, "plum", ""),
    (1, Kind::Value, "kiwi", "hairy"),
    (2, Kind::Value, "apple", "ripe"),
    (2, Kind::Value, "cherry", "black"),
];
const KEYS: [&str; 5] = ["apple", "kiwi", "fig", "plum", "pear"];
const NOW: Sequence = WRITES.len() as Sequence;

const NAMES: [&str; 3] = ["newest", "older", "oldest"];
const LEFT: f64 = 110.0;
const COLUMN: f64 = 170.0;
const BOX: f64 = 120.0;
const TOP: f64 = 34.0;
const ROW: f64 = 44.0;

pub(super) fn draw() -> Drawn {
    let sources = sources();
    let mut drawing = Drawing::new();
    for (name, x) in NAMES.iter().zip(columns()) {
        drawing.words("faint", Anchor::Middle, (x + BOX / 2.0, 14.0), format!("{name} memtable"));
    }
    drawing.words("faint", Anchor::Start, (LEFT + 3.0 * COLUMN, 14.0), "the get returns");
    let mut told = Vec::new();
    for (key, row) in KEYS.iter().zip(0..) {
        told.push(draw_get(&mut drawing, &sources, key, TOP + ROW * f64::from(row))?);
    }
    Ok((drawing, told.join(" ")))
}

/// Newest first.
fn sources() -> [MemTable; 3] {
    let sources = [MemTable::new(), MemTable::new(), MemTable::new()];
    for ((age, kind, key, value), sequence) in WRITES.into_iter().zip(1..) {
        sources[2 - age].insert(sequence, kind, key.as_bytes(), value.as_bytes());
    }
    sources
}

fn columns() -> impl Iterator<Item = f64> {
    (0..3).map(|column| LEFT + COLUMN * f64::from(column))
}

/// The sources that are asked, and in grey what those behind them hold.
fn draw_get(
    drawing: &mut Drawing,
    sources: &[MemTable; 3],
    key: &str,
    top: f64,
) -> Result<String, stage1_memtable::Error> {
    drawing.words("strong", Anchor::Start, (0.0, top + 18.0), format!("get({key})"));
    let middle = top + 14.0;
    let mut from = LEFT - 18.0;
    let mut end = None;
    let mut asked = 0;
    for (source, x) in sources.iter().zip(columns()) {
        let answer = source.lookup(&LookupKey::new(key.as_bytes(), NOW), &mut ())?;
        let area = Area::new(x, top, BOX, 28.0);
        if end.is_some() {
            drawing.area("quiet", area);
            drawing.words("small", Anchor::Middle, (x + BOX / 2.0, top + 18.0), in_words(&answer));
            continue;
        }
        asked += 1;
        drawing.arrow("line", (from, middle), (x, middle));
        drawing.labelled(class(&answer), area, in_words(&answer));
        from = x + BOX;
        if answer != Answer::Absent {
            end = Some(answer);
        }
    }
    let returned = match &end {
        Some(Answer::Value { value, .. }) => format!("\"{}\"", value.escape_ascii()),
        _ => "nothing".to_owned(),
    };
    drawing.words("strong", Anchor::Start, (LEFT + 3.0 * COLUMN, top + 18.0), &returned);
    let why = end.map_or_else(|| "absent everywhere".to_owned(), |answer| in_words(&answer));
    Ok(format!("get({key}) asks {asked} of the memtables, is told: {why}, and returns {returned}."))
}

fn class(answer: &Answer) -> &'static str {
    match answer {
        Answer::Value { .. } => "k0",
        Answer::Deleted { .. } => "tombstone",
        Answer::Absent => "box",
    }
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Value { value, sequence } => format!("\"{}\" of {sequence}", value.escape_ascii()),
        Answer::Deleted { sequence } => format!("deleted by {sequence}"),
        Answer::Absent => "absent".to_owned(),
    }
}
