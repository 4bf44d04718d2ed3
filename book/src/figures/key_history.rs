//! The versions of one key in a memtable, and what readers at different sequences see.

use std::sync::Arc;

use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{InternalKey, Kind};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

use super::Drawn;
use super::svg::{Anchor, Area, CHARACTER, Drawing};

const KEY: &str = "fig";
const WRITES: [(u64, Kind, &str); 5] = [
    (2, Kind::Value, "green"),
    (5, Kind::Value, "purple"),
    (7, Kind::Value, ""),
    (9, Kind::Deletion, ""),
    (12, Kind::Value, "ripe"),
];
const READERS: [u64; 6] = [1, 4, 7, 8, 10, 12];

const LAST: u64 = 13;
const STEP: f64 = 46.0;
const LEFT: f64 = 96.0;
const AXIS: f64 = 92.0;
const VERSION_TOP: f64 = 20.0;

pub(super) fn draw() -> Drawn {
    let memtable = Arc::new(MemTable::new());
    for (sequence, kind, value) in WRITES {
        memtable.insert(sequence, kind, KEY.as_bytes(), value.as_bytes());
    }
    let mut drawing = Drawing::new();
    drawing.words("strong", Anchor::Start, (0.0, VERSION_TOP + 20.0), format!("{KEY:?}"));
    drawing.words("faint", Anchor::Start, (0.0, AXIS + 5.0), "sequence");
    drawing.arrow("axis", (LEFT - 14.0, AXIS), (x_of(LAST) + 20.0, AXIS));
    for sequence in 1..=LAST {
        drawing.line("axis", (x_of(sequence), AXIS - 3.0), (x_of(sequence), AXIS + 3.0));
        drawing.words("faint", Anchor::Middle, (x_of(sequence), AXIS + 18.0), sequence);
    }
    let versions = versions(&mut drawing, &memtable);
    let readers = readers(&mut drawing, &memtable)?;
    Ok((drawing, format!("The key {KEY:?} has these versions, the newest first: {versions}. {readers}")))
}

fn x_of(sequence: u64) -> f64 {
    LEFT + STEP * (sequence as f64 - 1.0)
}

/// Each entry of the memtable over its sequence.
fn versions(drawing: &mut Drawing, memtable: &Arc<MemTable>) -> String {
    let mut cursor = memtable.cursor();
    cursor.seek(InternalKey::before_all(KEY.as_bytes()));
    let mut told = Vec::new();
    while cursor.is_valid() {
        let (sequence, kind) = (cursor.key().sequence, cursor.kind());
        let (class, label) = match kind {
            Kind::Value => ("k0", format!("\"{}\"", cursor.value().escape_ascii())),
            Kind::Deletion => ("tombstone", "deleted".to_owned()),
        };
        let width = label.chars().count() as f64 * CHARACTER + 12.0;
        let area = Area::new(x_of(sequence) - width / 2.0, VERSION_TOP, width, 28.0);
        drawing.line("line", (x_of(sequence), VERSION_TOP + 28.0), (x_of(sequence), AXIS));
        drawing.labelled(class, area, &label);
        told.push(format!("{label} at {sequence}"));
        cursor.next();
    }
    told.join(", ")
}

/// Readers below the axis: each looks to the left and takes what it meets first.
fn readers(drawing: &mut Drawing, memtable: &MemTable) -> Result<String, stage1_memtable::Error> {
    let mut told = Vec::new();
    for (row, reader) in (0..).zip(READERS) {
        let y = AXIS + 46.0 + 26.0 * f64::from(row);
        let (found, label) = match memtable.lookup(&LookupKey::new(KEY.as_bytes(), reader), &mut ())? {
            Answer::Value { value, sequence } => (sequence, format!("\"{}\"", value.escape_ascii())),
            Answer::Deleted { sequence } => (sequence, "deleted: no value".to_owned()),
            Answer::Absent => (0, "absent".to_owned()),
        };
        drawing.words("small", Anchor::Start, (0.0, y + 4.0), format!("get at {reader}"));
        drawing.dot("head", (x_of(reader), y), 4.0);
        if found == 0 {
            drawing.line("dashed", (x_of(reader), y), (LEFT - 14.0, y));
        } else if found < reader {
            drawing.arrow("line", (x_of(reader), y), (x_of(found), y));
        }
        drawing.words("small", Anchor::Start, (x_of(reader) + 10.0, y + 4.0), &label);
        told.push(format!("A reader at {reader} sees {label}."));
    }
    Ok(told.join(" "))
}
