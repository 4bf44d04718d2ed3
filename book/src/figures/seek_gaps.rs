//! Seeks into the gaps of a small table: which blocks each enters, and where it comes to stand.

use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{InternalKey, MAX_SEQUENCE, OwnedKey};

use crate::labs::seek_gaps::{Shelf, short, shown};

use super::Drawn;
use super::svg::{Anchor, Area, CHARACTER, Drawing};

const TARGETS: [(&str, u64); 9] = [
    ("", MAX_SEQUENCE),
    ("apple", 5),
    ("avocado", MAX_SEQUENCE),
    ("banan", MAX_SEQUENCE),
    ("coconut", MAX_SEQUENCE),
    ("date", MAX_SEQUENCE),
    ("fig", 5),
    ("kiwis", MAX_SEQUENCE),
    ("lemon", 4),
];

const LEFT: f64 = 96.0;
const TOP: f64 = 64.0;
const ROW: f64 = 22.0;
/// Between two blocks.
const GAP: f64 = 34.0;

/// Where blocks and entries stand in the picture.
struct Line {
    /// Of each block, from where to where.
    blocks: Vec<(f64, f64)>,
    /// Of each entry its key, its middle and its block.
    entries: Vec<(OwnedKey, f64, usize)>,
    separators: Vec<OwnedKey>,
}

impl Line {
    fn of(shelf: &Shelf) -> Line {
        let mut line = Line { blocks: Vec::new(), entries: Vec::new(), separators: Vec::new() };
        let mut x = LEFT + GAP;
        for (ordinal, (_, keys, separator)) in shelf.blocks.iter().enumerate() {
            let start = x;
            for key in keys {
                let width = key.user_key.len() as f64 * CHARACTER + 20.0;
                line.entries.push((key.clone(), x + width / 2.0, ordinal));
                x += width;
            }
            line.blocks.push((start, x));
            line.separators.push(separator.clone());
            x += GAP;
        }
        line
    }

    /// The separator of a block stands in the middle of the gap behind it.
    fn separator(&self, block: usize) -> f64 {
        self.blocks[block].1 + GAP / 2.0
    }

    /// Where a target lies.
    fn place(&self, target: InternalKey<'_>) -> f64 {
        let at = self.entries.partition_point(|(key, ..)| key.as_key() < target);
        let before = at.checked_sub(1).map(|before| &self.entries[before]);
        match (before, self.entries.get(at)) {
            (None, _) => self.blocks[0].0 - GAP / 2.0,
            (Some((_, left, one)), Some((_, right, other))) if one == other => f64::midpoint(*left, *right),
            (Some((_, _, block)), Some(_)) if target <= self.separators[*block].as_key() => {
                self.separator(*block) - GAP / 4.0
            }
            (Some((_, _, block)), _) => self.separator(*block) + GAP / 4.0,
        }
    }

    fn draw(&self, drawing: &mut Drawing, bottom: f64) {
        drawing.words("faint", Anchor::Start, (0.0, 36.0), "entries");
        drawing.words("faint", Anchor::Start, (0.0, 14.0), "separators");
        for (ordinal, (start, end)) in self.blocks.iter().enumerate() {
            drawing.area("k0", Area::new(*start, 20.0, end - start, 34.0));
            let separator = short(&self.separators[ordinal]);
            let x = self.separator(ordinal);
            drawing.words("small", Anchor::Middle, (x, 12.0), separator);
            drawing.line("dashed", (x, 18.0), (x, bottom));
        }
        for (key, middle, _) in &self.entries {
            drawing.words("small", Anchor::Middle, (*middle, 35.0), key.user_key.escape_ascii());
            drawing.words("small faint", Anchor::Middle, (*middle, 49.0), key.sequence);
        }
    }
}

pub(super) fn draw() -> Drawn {
    let shelf = Shelf::of_fruits()?;
    let line = Line::of(&shelf);
    let mut drawing = Drawing::new();
    let bottom = TOP + ROW * TARGETS.len() as f64;
    line.draw(&mut drawing, bottom);
    let mut words = Vec::new();
    for (index, (user_key, sequence)) in TARGETS.into_iter().enumerate() {
        let target = InternalKey::new(user_key.as_bytes(), sequence);
        let mut cursor = shelf.cursor();
        cursor.seek(target);
        let entered = shelf.entered();
        let y = TOP + ROW * index as f64;
        drawing.words("small", Anchor::Start, (0.0, y + 14.0), shown(target));
        for (step, block) in (1..).zip(&entered) {
            let (start, end) = line.blocks[*block];
            drawing.area("k1", Area::new(start, y + 3.0, end - start, ROW - 8.0));
            drawing.words("small", Anchor::Start, (start + 3.0, y + 14.0), format!("{step}."));
        }
        drawing.dot("head", (line.place(target), y + 10.0), 3.5);
        let found = line.entries.iter().find(|(key, ..)| cursor.is_valid() && key.as_key() == cursor.key());
        if let Some((_, middle, _)) = found {
            drawing.words("strong", Anchor::Middle, (*middle, y + 14.0), "▲");
        }
        let found = found.map_or_else(|| "no entry".to_owned(), |(key, ..)| shown(key.as_key()));
        words
            .push(format!("A seek to {} reads the blocks {entered:?} and stands on {found}.", shown(target)));
    }
    legend(&mut drawing, bottom + 12.0);
    Ok((drawing, words.join(" ")))
}

fn legend(drawing: &mut Drawing, y: f64) {
    drawing.dot("head", (7.0, y + 7.0), 3.5);
    drawing.words("small", Anchor::Start, (18.0, y + 11.0), "what is sought");
    drawing.area("k1", Area::new(150.0, y, 14.0, 14.0));
    drawing.words("small", Anchor::Start, (170.0, y + 11.0), "a block that is read");
    drawing.words("strong", Anchor::Start, (334.0, y + 11.0), "▲");
    drawing.words("small", Anchor::Start, (352.0, y + 11.0), "where the cursor stands");
}
