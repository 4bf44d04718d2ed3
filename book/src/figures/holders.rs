//! What stays while somebody holds something: for each who may hold, the lock of the directory, the
//! files and the versions that go no sooner.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::who_holds::{Kept, kept_by_holders};

const LEFT: f64 = 250.0;
const COLUMN: f64 = 130.0;
const ROW: f64 = 26.0;

const HEADS: [&str; 3] = ["database open", "old files", "old versions"];

pub(super) fn draw() -> Drawn {
    let mut drawing = Drawing::new();
    let middle = |column: usize| LEFT + COLUMN * (column as f64 + 0.5);
    drawing.words("faint", Anchor::Start, (0.0, 12.0), "you hold");
    for (column, head) in HEADS.into_iter().enumerate() {
        drawing.words("faint", Anchor::Middle, (middle(column), 12.0), head);
    }
    let mut told = Vec::new();
    for (place, Kept { holder, lock, files, versions }) in kept_by_holders()?.into_iter().enumerate() {
        let y = 22.0 + ROW * place as f64;
        drawing.words("small", Anchor::Start, (0.0, y + 15.0), holder);
        let stays = [lock, files, versions];
        for (column, stays) in stays.into_iter().enumerate() {
            let area = Area::new(LEFT + COLUMN * column as f64, y, COLUMN - 4.0, ROW - 4.0);
            drawing.area(if stays { "k1" } else { "box" }, area);
            if stays {
                let word = if column == 0 { "stays" } else { "stay" };
                drawing.words("small", Anchor::Middle, (middle(column), y + 15.0), word);
            }
        }
        let kept: Vec<&str> =
            HEADS.into_iter().zip(stays).filter(|(_, stays)| *stays).map(|(head, _)| head).collect();
        told.push(match kept.is_empty() {
            true => format!("{holder} keeps none of them"),
            false => format!("{holder} keeps {}", kept.join(" and ")),
        });
    }
    Ok((drawing, format!("What stays while it is held: {}.", told.join("; "))))
}
