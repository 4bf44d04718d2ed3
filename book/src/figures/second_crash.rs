//! One recovery, call by call, with a second crash behind each: which of the disks begin again, and
//! which find the work done.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::crash_matrix::{Disks, SecondCrash};

const LEFT: f64 = 280.0;
const WIDTH: f64 = 340.0;
const ROW: f64 = 19.0;

pub(super) fn draw() -> Drawn {
    let SecondCrash { calls, .. } = SecondCrash::observed()?;
    let most = calls.iter().map(|(_, disks)| disks.old + disks.new).max().unwrap_or(1);
    let mut drawing = Drawing::new();
    drawing.words("faint", Anchor::Start, (0.0, 12.0), "a second crash behind");
    drawing.words("faint", Anchor::Start, (LEFT, 12.0), "disks that it may leave");
    let mut told = Vec::new();
    for (place, (call, disks)) in calls.iter().enumerate() {
        let y = 22.0 + ROW * place as f64;
        drawing.words("small", Anchor::Start, (0.0, y + 12.0), call);
        let Disks { old, new, .. } = *disks;
        let wide = |count: u64| (WIDTH * count as f64 / most as f64).max(14.0);
        let mut x = LEFT;
        for (class, count) in [("k3", old), ("k1", new)].into_iter().filter(|(_, count)| *count > 0) {
            let area = Area::new(x, y, wide(count) - 2.0, ROW - 3.0);
            drawing.area(class, area);
            drawing.words("small", Anchor::Middle, (x + area.width / 2.0, y + 12.0), count);
            x += wide(count);
        }
        told.push(format!("{call}: {old} and {new}"));
    }
    let y = drawing.height() + 24.0;
    for (place, (class, label)) in [("k3", "begins again"), ("k1", "finds it done")].into_iter().enumerate() {
        let x = LEFT + 140.0 * place as f64;
        drawing.area(class, Area::new(x, y - 12.0, 18.0, 14.0));
        drawing.words("small", Anchor::Start, (x + 24.0, y), label);
    }
    let told = told.join("; ");
    Ok((
        drawing,
        format!(
            "Behind each call of a recovery, the disks that begin again and those that are done: {told}."
        ),
    ))
}
