//! Four sorted sources and the one order that a merge makes of them.

use std::sync::Arc;

use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::Kind;
use stage1_memtable::memtable::{MemTable, MemTableCursor};
use stage5_compaction::compaction::drop_rule::{DropRule, Verdict};
use stage5_compaction::merge::MergingCursor;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

/// Sequence, kind, key.
type Entry = (u64, Kind, &'static str);

/// Newest first: what each source holds.
const SOURCES: [(&str, &[Entry]); 4] = [
    ("memtable", &[(12, Kind::Value, "fig"), (11, Kind::Deletion, "kiwi")]),
    ("level 0", &[(9, Kind::Value, "apple"), (8, Kind::Value, "fig")]),
    ("level 5", &[(6, Kind::Value, "banana"), (5, Kind::Value, "kiwi")]),
    ("level 6", &[(1, Kind::Value, "apple"), (2, Kind::Value, "fig"), (3, Kind::Value, "plum")]),
];
const LEFT: f64 = 84.0;
const CELL: f64 = 74.0;
const ROW: f64 = 40.0;

pub(super) fn draw() -> Drawn {
    let mut drawing = Drawing::new();
    let mut merging = MergingCursor::new(SOURCES.iter().map(|(_, entries)| source(entries)).collect());
    // Merged to the bottom, with no snapshot: what a compaction of all would keep.
    let mut rule = DropRule::new(&[], 12);
    let mut words = Vec::new();
    let bottom = ROW * SOURCES.len() as f64 + 26.0;
    for (row, (name, _)) in SOURCES.iter().enumerate() {
        let y = ROW * row as f64;
        drawing.words("", Anchor::Start, (0.0, y + 18.0), name);
        drawing.line("axis", (LEFT - 8.0, y + 13.0), (LEFT + CELL * 9.0, y + 13.0));
    }
    drawing.words("strong", Anchor::Start, (0.0, bottom + 18.0), "merged");
    drawing.words("", Anchor::Start, (0.0, bottom + 58.0), "kept");
    merging.seek_to_first();
    let mut column = 0;
    while merging.is_valid() {
        let key = merging.key();
        let label = format!("{} {}", key.user_key.escape_ascii(), key.sequence);
        let row = SOURCES.iter().position(|(_, entries)| entries.iter().any(|(at, ..)| *at == key.sequence));
        let x = LEFT + CELL * f64::from(column);
        let y = ROW * row.unwrap_or(0) as f64;
        let class = if merging.kind() == Kind::Deletion { "tombstone" } else { "k0" };
        drawing.labelled(class, Area::new(x, y, CELL - 8.0, 26.0), &label);
        drawing.line("axis", (x + 33.0, y + 26.0), (x + 33.0, bottom));
        drawing.labelled(class, Area::new(x, bottom, CELL - 8.0, 26.0), &label);
        let verdict = rule.judge(key, merging.kind(), || true);
        if verdict == Verdict::Keep {
            drawing.labelled("k1", Area::new(x, bottom + 40.0, CELL - 8.0, 26.0), &label);
        }
        words.push(format!("{label} from {}: {verdict:?}.", SOURCES[row.unwrap_or(0)].0));
        merging.next();
        column += 1;
    }
    Ok((drawing, format!("Four sources merged into one order. {}", words.join(" "))))
}

fn source(entries: &[Entry]) -> MemTableCursor {
    let memtable = Arc::new(MemTable::new());
    for (sequence, kind, key) in entries {
        memtable.insert(*sequence, *kind, key.as_bytes(), b"");
    }
    memtable.cursor()
}
