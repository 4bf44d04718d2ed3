//! A log byte by byte, in the colour of what replay says when a bit of it is flipped.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::torn_or_damaged::{Stretch, Verdict, stretches};

const LEFT: f64 = 100.0;
const BYTE: f64 = 17.0;
const ROW: f64 = 28.0;
const TOP: f64 = 34.0;

pub(super) fn draw() -> Drawn {
    let mut drawing = Drawing::new();
    legend(&mut drawing);
    let mut told = Vec::new();
    for (row, stretch) in (0..).zip(stretches()?) {
        let y = TOP + ROW * f64::from(row);
        drawing.words("", Anchor::Start, (0.0, y + 14.0), &stretch.name);
        for (byte, flips) in stretch.flips.iter().enumerate() {
            let area = Area::new(LEFT + BYTE * byte as f64, y, BYTE - 2.0, 20.0);
            drawing.area(class(worst(flips)), area);
        }
        told.push(told_of(&stretch));
    }
    Ok((drawing, format!("A log, and what becomes of it when one bit is flipped. {}", told.join(" "))))
}

fn legend(drawing: &mut Drawing) {
    let mut left = LEFT;
    for (verdict, words) in [
        (Verdict::Corruption, "an error: something promised is gone"),
        (Verdict::TornTail, "a torn tail: batch 4 is dropped"),
    ] {
        drawing.area(class(verdict), Area::new(left, 0.0, BYTE - 2.0, 14.0));
        drawing.words("small", Anchor::Start, (left + BYTE + 4.0, 12.0), words);
        left += 46.0 + 6.8 * words.len() as f64;
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Corruption => "k3",
        Verdict::TornTail => "k2",
        Verdict::Whole => "k1",
        Verdict::Silent => "tombstone",
    }
}

/// Of the eight bits of a byte, the verdict that weighs most.
fn worst(flips: &[Verdict; 8]) -> Verdict {
    let order = [Verdict::Silent, Verdict::Corruption, Verdict::TornTail];
    order.into_iter().find(|verdict| flips.contains(verdict)).unwrap_or(Verdict::Whole)
}

fn told_of(stretch: &Stretch) -> String {
    let verdicts: Vec<Verdict> = stretch.flips.concat();
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    format!(
        "In {}, from byte {}: {} flips are corruption, {} a torn tail, {} change nothing.",
        stretch.name,
        stretch.start,
        count(Verdict::Corruption),
        count(Verdict::TornTail),
        count(Verdict::Whole)
    )
}
