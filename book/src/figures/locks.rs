//! The locks of the engine, in the order in which they are taken: read from the table at the head
//! of `stage6-engine/src/lib.rs`.

use super::Drawn;
use super::svg::{Anchor, Area, CHARACTER, Drawing};

const SOURCE: &str = include_str!("../../../stage6-engine/src/lib.rs");
const STEP: f64 = 30.0;

/// A row of the table.
struct Row {
    number: String,
    lock: String,
    guards: String,
    held_for: String,
}

pub(super) fn draw() -> Drawn {
    let rows: Vec<Row> = SOURCE.lines().filter_map(row).collect();
    if rows.is_empty() {
        return Err("the engine's list of locks is not where it was".into());
    }
    let mut drawing = Drawing::new();
    let longest = rows.iter().map(|row| row.lock.chars().count()).max().unwrap_or(0) as f64 * CHARACTER;
    let held = rows.iter().map(|row| row.held_for.chars().count()).max().unwrap_or(0) as f64 * CHARACTER;
    for (place, row) in rows.iter().enumerate() {
        let y = STEP * place as f64;
        // What a writer takes stands out, while there is room and nothing has to be durable.
        let class = if matches!(row.number.as_str(), "4" | "7" | "8") { "k2" } else { "box" };
        drawing.labelled(class, Area::new(0.0, y, 26.0, 22.0), &row.number);
        if place + 1 < rows.len() {
            drawing.arrow("line", (13.0, y + 22.0), (13.0, y + STEP));
        }
        drawing.words("", Anchor::Start, (38.0, y + 15.0), &row.lock);
        drawing.words("faint", Anchor::Start, (56.0 + longest, y + 15.0), &row.held_for);
        drawing.words("small", Anchor::Start, (74.0 + longest + held, y + 15.0), &row.guards);
    }
    let told =
        |row: &Row| format!("{} {} guards {}, held for {}.", row.number, row.lock, row.guards, row.held_for);
    Ok((drawing, format!("The order of locks. {}", rows.iter().map(told).collect::<Vec<_>>().join(" "))))
}

/// A line `//! | 7 | lock | guards | held for |`.
fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix("//! |")?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [number, lock, guards, held_for] = cells[..] else { return None };
    number.parse::<u32>().ok()?;
    let plain = |text: &str| text.replace(['`', '*'], "");
    Some(Row { number: plain(number), lock: plain(lock), guards: plain(guards), held_for: plain(held_for) })
}
