//! The committed comparison over the size of the database: what an operation takes, a panel
//! for each workload.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing, Point};
use crate::measured::{Cell, Grown, LSM_PEERS, Measured, OURS};

const PANEL: (f64, f64) = (250.0, 120.0);
/// Around a panel: its title above, sizes below, values to the left and a name to the right.
const GAP: (f64, f64) = (150.0, 62.0);
const LEFT: f64 = 64.0;
const TOP: f64 = 24.0;
const COLUMNS: usize = 2;
/// Names at the ends of lines stand so far apart.
const NAME_HEIGHT: f64 = 12.0;

pub(super) fn draw() -> Drawn {
    let measured = Measured::committed()?;
    let grown = measured.growth();
    let panels: Vec<&[Grown<'_>]> = grown.chunk_by(|one, next| one.workload == next.workload).collect();
    let mut drawing = Drawing::new();
    for (place, sizes) in panels.iter().enumerate() {
        let (column, row) = ((place % COLUMNS) as f64, (place / COLUMNS) as f64);
        let corner = (LEFT + column * (PANEL.0 + GAP.0), TOP + row * (PANEL.1 + GAP.1));
        Panel::of(sizes, corner).draw(&mut drawing, sizes);
    }
    let told: Vec<String> = panels.iter().map(|sizes| words(sizes)).collect();
    Ok((drawing, format!("Time of an operation, with more and more records: {}.", told.join("; "))))
}

fn nanos(cell: &Cell) -> f64 {
    1e9 / cell.per_second
}

fn words(sizes: &[Grown<'_>]) -> String {
    let ours = sizes.iter().filter_map(|size| {
        let cell = size.cells.iter().find(|cell| cell.engine == OURS)?;
        Some(format!("{:.0} ns of {}", nanos(cell), short(size.records)))
    });
    let workload = sizes.first().map_or("", |size| size.workload);
    format!("{workload} {}", ours.collect::<Vec<_>>().join(", "))
}

/// `10 M`.
fn short(records: u64) -> String {
    format!("{} M", records / 1_000_000)
}

/// A nanosecond figure in three digits or so.
fn time(nanos: f64) -> String {
    if nanos >= 1e3 { format!("{:.1} µs", nanos / 1e3) } else { format!("{nanos:.0} ns") }
}

/// Where things lie: both axes are logarithms.
struct Panel {
    corner: Point,
    records: (f64, f64),
    nanos: (f64, f64),
}

impl Panel {
    fn of(sizes: &[Grown<'_>], corner: Point) -> Panel {
        let ends = |values: Vec<f64>| {
            values
                .iter()
                .fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)))
        };
        let (least, most) = ends(lines(sizes).flatten().map(nanos).collect());
        let records = ends(sizes.iter().map(|size| size.records as f64).collect());
        Panel { corner, records, nanos: (least / 1.3, most * 1.3) }
    }

    fn x(&self, records: u64) -> f64 {
        self.corner.0 + PANEL.0 * share(records as f64, self.records)
    }

    fn y(&self, nanos: f64) -> f64 {
        self.corner.1 + PANEL.1 * (1.0 - share(nanos, self.nanos))
    }

    fn draw(&self, drawing: &mut Drawing, sizes: &[Grown<'_>]) {
        let (left, top) = self.corner;
        drawing.area("box", Area::new(left, top, PANEL.0, PANEL.1));
        let workload = sizes.first().map_or("", |size| size.workload);
        drawing.words("strong", Anchor::Start, (left, top - 8.0), workload);
        for size in sizes {
            let at = (self.x(size.records), top + PANEL.1 + 15.0);
            drawing.words("faint", Anchor::Middle, at, short(size.records));
        }
        let mut ends: Vec<End> = lines(sizes).filter_map(|cells| self.line(drawing, &cells)).collect();
        ends.sort_by(|one, next| one.at.1.total_cmp(&next.at.1));
        let mut least = 0.0;
        for End { at: (x, y), class, told } in ends {
            let y = y.max(least);
            drawing.words(class, Anchor::Start, (x + 9.0, y + 4.0), told);
            least = y + NAME_HEIGHT;
        }
    }

    /// Draws the line of an engine, and says what is to stand at its end.
    fn line(&self, drawing: &mut Drawing, cells: &[&Cell]) -> Option<End> {
        let place = |cell: &&Cell| (self.x(cell.records), self.y(nanos(cell)));
        let points: Vec<Point> = cells.iter().map(place).collect();
        let (first, last) = (cells.first()?, cells.last()?);
        let is_ours = last.engine == OURS;
        drawing.path(if is_ours { "" } else { "dashed" }, &points);
        for point in &points {
            drawing.dot(if is_ours { "k1" } else { "k3" }, *point, if is_ours { 5.5 } else { 4.0 });
        }
        let at = place(last);
        if !is_ours {
            return Some(End { at, class: "small faint", told: last.engine.clone() });
        }
        let begin = (self.corner.0 - 8.0, self.y(nanos(first)) + 4.0);
        drawing.words("small strong", Anchor::End, begin, time(nanos(first)));
        Some(End { at, class: "small strong", told: time(nanos(last)) })
    }
}

/// What stands at the end of a line.
struct End {
    at: Point,
    class: &'static str,
    told: String,
}

/// What each log-structured engine did, if it was measured with several sizes; ours is the last.
fn lines<'a>(sizes: &'a [Grown<'a>]) -> impl Iterator<Item = Vec<&'a Cell>> {
    let of = |engine: &'static str| {
        let cell = move |size: &'a Grown<'a>| size.cells.iter().find(|cell| cell.engine == engine).copied();
        sizes.iter().filter_map(cell).collect::<Vec<_>>()
    };
    LSM_PEERS.into_iter().chain([OURS]).map(of).filter(|cells| cells.len() > 1)
}

/// How far `value` lies between the ends, by its logarithm.
fn share(value: f64, (least, most): (f64, f64)) -> f64 {
    if most > least { (value / least).ln() / (most / least).ln() } else { 0.5 }
}
