//! A search in a block: the heads that it compares, and the one or two entries that it decodes.

use stage1_memtable::key::{InternalKey, Kind};
use stage3_sstable::block::BlockBuilder;

use crate::labs::block_looks::{Look, WatchedBlock};

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

/// All keys begin with `fruit/`; three versions of one, and two that begin alike.
const ENTRIES: [(&str, u64); 15] = [
    ("apple", 3),
    ("apricot", 9),
    ("banana", 12),
    ("blackberry", 5),
    ("blueberry", 4),
    ("cherry", 7),
    ("fig", 14),
    ("fig", 8),
    ("fig", 2),
    ("grape", 6),
    ("grapefruit", 11),
    ("kiwi", 15),
    ("lemon", 1),
    ("mango", 10),
    ("nut", 13),
];
const SOUGHT: &str = "fruit/grapefruit";

const ROW: f64 = 24.0;
const TOP: f64 = 26.0;
const HEADS: f64 = 78.0;
const ENTRY: f64 = 264.0;

pub(super) fn draw() -> Drawn {
    let mut builder = BlockBuilder::new();
    for (key, sequence) in ENTRIES {
        let key = format!("fruit/{key}");
        builder.add(InternalKey::new(key.as_bytes(), sequence), Kind::Value, b"a value");
    }
    let watched = WatchedBlock::of(builder.finish().into())?;
    let (position, looks) = watched.search(InternalKey::before_all(SOUGHT.as_bytes()))?;
    let mut drawing = Drawing::new();
    for (x, heading) in [(0.0, "position"), (HEADS, "heads"), (ENTRY, "entries")] {
        drawing.words("faint", Anchor::Start, (x, 14.0), heading);
    }
    for (place, key) in watched.keys.iter().enumerate() {
        let y = TOP + ROW * place as f64;
        drawing.words("faint", Anchor::End, (44.0, y + 16.0), place);
        let class = |look, looked| if looks.contains(&look) { looked } else { "box" };
        let bytes = watched.heads[place].to_be_bytes();
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        drawing.area(class(Look::Head(place), "k0"), Area::new(HEADS, y, 100.0, ROW - 4.0));
        drawing.words("", Anchor::Start, (HEADS + 8.0, y + 15.0), hex.join(" "));
        drawing.words("strong", Anchor::Start, (HEADS + 108.0, y + 15.0), numbers(&looks, Look::Head(place)));
        drawing.area(class(Look::Entry(place), "k1"), Area::new(ENTRY, y, 150.0, ROW - 4.0));
        let suffix = key.user_key[watched.block.prefix().len()..].escape_ascii();
        drawing.words("", Anchor::Start, (ENTRY + 8.0, y + 15.0), format!("{suffix} @ {}", key.sequence));
        drawing.words(
            "strong",
            Anchor::Start,
            (ENTRY + 158.0, y + 15.0),
            numbers(&looks, Look::Entry(place)),
        );
    }
    let y = TOP + ROW * ENTRIES.len() as f64 + 12.0;
    for (x, class, words) in [(HEADS, "k0", "head compared"), (ENTRY, "k1", "entry decoded")] {
        drawing.area(class, Area::new(x, y, 14.0, 14.0));
        drawing.words("small", Anchor::Start, (x + 22.0, y + 11.0), words);
    }
    let told = looks.iter().map(|look| match look {
        Look::Head(place) => format!("compares the head at {place}"),
        Look::Entry(place) => format!("decodes the entry at {place}"),
    });
    let words = format!(
        "{} entries with the prefix {}. The search for {SOUGHT} {}, and comes to position {position}.",
        watched.keys.len(),
        watched.block.prefix().escape_ascii(),
        told.collect::<Vec<_>>().join(", ")
    );
    Ok((drawing, words))
}

/// The so many-th steps of the search that were this look.
fn numbers(looks: &[Look], look: Look) -> String {
    let steps = (1..).zip(looks).filter(|(_, other)| **other == look);
    steps.map(|(step, _): (usize, _)| format!("{step}.")).collect::<Vec<_>>().join(" ")
}
