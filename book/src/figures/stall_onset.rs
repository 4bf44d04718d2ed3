//! The onset of a stall: how long writers sleep while they fill one memtable, against what waits.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::who_waits::{Cause, until_stopped};

const LEFT: f64 = 70.0;
const BAR: f64 = 26.0;
const HEIGHT: f64 = 130.0;

pub(super) fn draw() -> Drawn {
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    let mut top = 24.0;
    for (cause, heading) in [
        (Cause::Memtables, "full memtables that wait, when one more was begun"),
        (Cause::Level0, "files of level 0, when one more memtable was begun"),
    ] {
        let seen = until_stopped(cause)?.filled;
        let longest = seen.iter().map(|onset| onset.slept.as_secs_f64()).fold(0.0, f64::max);
        let base = top + HEIGHT;
        drawing.words("strong", Anchor::Start, (0.0, top - 8.0), heading);
        drawing.words("faint", Anchor::Start, (0.0, top + 12.0), format!("{:.0} ms", longest * 1e3));
        drawing.words("faint", Anchor::Start, (0.0, base), "0 ms");
        let mut told = Vec::new();
        for (number, onset) in seen.iter().enumerate() {
            let x = LEFT + BAR * number as f64;
            let height = (HEIGHT - 16.0) * onset.slept.as_secs_f64() / longest.max(f64::MIN_POSITIVE);
            drawing.area("k0", Area::new(x, base - height - 2.0, BAR - 6.0, height + 2.0));
            drawing.words("small", Anchor::Middle, (x + BAR / 2.0 - 3.0, base + 14.0), number);
            told.push(format!("{number}: {:.0} ms", onset.slept.as_secs_f64() * 1e3));
        }
        let end = LEFT + BAR * seen.len() as f64;
        drawing.words("small", Anchor::Start, (end, base - 4.0), "stop");
        drawing.line("axis", (LEFT - 4.0, base), (end, base));
        words.push(format!("{heading}; slept while it filled: {}, then a stop.", told.join(", ")));
        top = base + 54.0;
    }
    Ok((drawing, words.join(" ")))
}
