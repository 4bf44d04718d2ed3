//! Where the versions of one key lie, after each step of the lab `file-by-file`.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::file_by_file::{Copy, KEY, Moment, Place, moments};

const LEFT: f64 = 96.0;
const COLUMN: f64 = 98.0;
const TOP: f64 = 44.0;
const ROW: f64 = 46.0;
const ROWS: [&str; 4] = ["memtable", "log", "level 0", "level 6"];

/// The moments that the picture shows, and what it calls them.
const SHOWN: [(&str, &str); 9] = [
    ("put", "put"),
    ("full", "full"),
    ("flush", "flushed"),
    ("tidy", "log removed"),
    ("merge", "compacted"),
    ("merged", "tables removed"),
    ("overwrite", "put again"),
    ("reopen", "reopened"),
    ("compact", "compacted"),
];

pub(super) fn draw() -> Drawn {
    let moments = moments()?;
    let mut drawing = Drawing::new();
    for (row, name) in (0..).zip(ROWS) {
        let y = TOP + ROW * f64::from(row);
        drawing.words("", Anchor::Start, (0.0, y + 22.0), name);
        drawing.line("axis", (0.0, y + 41.0), (LEFT + COLUMN * SHOWN.len() as f64 - 8.0, y + 41.0));
    }
    let mut told = Vec::new();
    for (column, (name, title)) in (0..).zip(SHOWN) {
        let moment = moments.iter().find(|moment| moment.name == name).ok_or("a moment that is not there")?;
        let left = LEFT + COLUMN * f64::from(column);
        drawing.words("small", Anchor::Middle, (left + COLUMN / 2.0 - 4.0, 22.0), title);
        for copy in &moment.copies {
            draw_copy(&mut drawing, left, copy, is_leftover(copy, moment));
        }
        told.push(told_of(moment, title));
    }
    Ok((drawing, format!("Where the versions of {KEY} lie. {}", told.join(" "))))
}

fn draw_copy(drawing: &mut Drawing, left: f64, copy: &Copy, is_leftover: bool) {
    let (row, file) = match &copy.place {
        Place::Memtable => (0.0, String::new()),
        Place::Log(file) => (1.0, file.to_string()),
        Place::Table(file, 0) | Place::Leftover(file) => (2.0, file.to_string()),
        Place::Table(file, _) => (3.0, file.to_string()),
    };
    let top = TOP + ROW * row;
    let class = match copy.sequence {
        _ if is_leftover => "tombstone",
        1 => "k1",
        _ => "k4",
    };
    drawing.area(class, Area::new(left, top, COLUMN - 10.0, 36.0));
    let middle = left + COLUMN / 2.0 - 5.0;
    let y = if file.is_empty() { top + 23.0 } else { top + 15.0 };
    drawing.words("", Anchor::Middle, (middle, y), &copy.value);
    drawing.words("faint", Anchor::Middle, (middle, top + 30.0), file);
}

/// Whether a copy counts no more: its file waits to be removed.
fn is_leftover(copy: &Copy, moment: &Moment) -> bool {
    let is_in_table = moment
        .copies
        .iter()
        .any(|other| other.sequence == copy.sequence && matches!(other.place, Place::Table(..)));
    matches!(copy.place, Place::Leftover(_)) || (matches!(copy.place, Place::Log(_)) && is_in_table)
}

fn told_of(moment: &Moment, title: &str) -> String {
    let copies: Vec<String> =
        moment.copies.iter().map(|copy| format!("{} in {}", copy.value, copy.place)).collect();
    format!("{title}: {}.", copies.join(", "))
}
