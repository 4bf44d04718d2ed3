//! What a user of the library holds, and what can be asked of it: read from the sources, so that a
//! method that comes or goes comes or goes here.

use super::Drawn;
use super::svg::{Anchor, Area, CHARACTER, Drawing, LINE};

const DB: &str = include_str!("../../../stage6-engine/src/db.rs");
const READ: &str = include_str!("../../../stage6-engine/src/read.rs");
const SCAN: &str = include_str!("../../../stage6-engine/src/scan.rs");
const WRITE: &str = include_str!("../../../stage6-engine/src/write.rs");
const BATCH: &str = include_str!("../../../stage2-wal/src/batch.rs");

const WIDTH: f64 = 168.0;
const GAP: f64 = 56.0;

/// A type, the line that opens its methods, and the file.
struct Type {
    name: &'static str,
    opens: &'static str,
    source: &'static str,
    /// In which column it stands, counted from 0.
    column: usize,
}

/// In a column from top to bottom.
const TYPES: [Type; 7] = [
    Type { name: "Builder", opens: "impl Builder {", source: DB, column: 0 },
    Type { name: "WriteBatch", opens: "impl WriteBatch {", source: BATCH, column: 0 },
    Type { name: "Db", opens: "impl Db {", source: DB, column: 1 },
    Type { name: "Read", opens: "pub trait Read: sealed::Source {", source: READ, column: 2 },
    Type { name: "Snapshot", opens: "impl Snapshot {", source: DB, column: 2 },
    Type { name: "Commit", opens: "impl Commit {", source: WRITE, column: 2 },
    Type { name: "DbCursor", opens: "impl DbCursor {", source: SCAN, column: 3 },
];

pub(super) fn draw() -> Drawn {
    let mut drawing = Drawing::new();
    let mut bottoms = [0.0_f64; 4];
    let mut told = Vec::new();
    for Type { name, opens, source, column } in TYPES {
        let methods = methods(source, opens);
        if methods.is_empty() {
            return Err(format!("{name} has no methods where they were").into());
        }
        let (left, top) = ((WIDTH + GAP) * column as f64, bottoms[column]);
        let height = LINE * (methods.len() as f64 + 1.5);
        drawing.area("box", Area::new(left, top, WIDTH, height));
        drawing.area(if name == "Read" { "k2" } else { "k1" }, Area::new(left, top, WIDTH, LINE + 4.0));
        drawing.words("strong", Anchor::Start, (left + 8.0, top + 15.0), name);
        for (line, method) in (2..).zip(&methods) {
            drawing.words("small", Anchor::Start, (left + 8.0, top + LINE * f64::from(line) + 2.0), method);
        }
        bottoms[column] = top + height + 26.0;
        told.push(format!("{name}: {}.", methods.join(", ")));
    }
    ways_between(&mut drawing);
    Ok((drawing, told.join(" ")))
}

/// What leads from one column to the next: above the boxes no line would cross a method.
fn ways_between(drawing: &mut Drawing) {
    for (column, way) in [(0, "open"), (1, "reads"), (2, "walks")] {
        let from = (WIDTH + GAP) * f64::from(column) + WIDTH;
        drawing.arrow("line", (from + 2.0, 11.0), (from + GAP - 2.0, 11.0));
        let middle = from + (GAP - way.len() as f64 * CHARACTER) / 2.0;
        drawing.words("faint", Anchor::Start, (middle, 28.0), way);
    }
}

/// The names of the public methods in the block that begins with `opens`.
fn methods(source: &str, opens: &str) -> Vec<String> {
    let body = source.lines().skip_while(|line| *line != opens).skip(1).take_while(|line| *line != "}");
    let is_trait = opens.starts_with("pub trait");
    let name = |line: &str| {
        let declared = line.strip_prefix(if is_trait { "    fn " } else { "    pub fn " })?;
        declared.split(['(', '<']).next().map(str::to_owned)
    };
    body.filter_map(name).collect()
}
