//! The directory of a database that lost its power between a table and its edit: which files count,
//! and who says so.

use stage2_wal::vfs::FileId;
use stage2_wal::vfs::crash::{DataPolicy, Image, NamePolicy, Policy};

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::crash_between::{Flush, Found};

const COLUMN: f64 = 170.0;
const ROW: f64 = 34.0;
const WIDTH: f64 = 140.0;

/// Everything that was called is there.
const ALL: Policy = Policy { names: NamePolicy::Prefix(usize::MAX), data: DataPolicy::Kept };

pub(super) fn draw() -> Drawn {
    let flush = Flush::observed()?;
    let is_edit = |place: &usize| {
        flush.file(&flush.trace.calls[*place]).is_some_and(|file| matches!(file, FileId::Manifest(_)))
    };
    let edit = flush.calls.clone().find(is_edit).ok_or("the flush writes no edit")?;
    let image = flush.trace.crash(edit, ALL);
    let found = Found::on(&image)?;
    Ok(drawn(&image, &found))
}

fn drawn(image: &Image, found: &Found) -> (Drawing, String) {
    let mut drawing = Drawing::new();
    let file = |drawing: &mut Drawing, class: &str, column: usize, row: usize, file: FileId| {
        let area = Area::new(COLUMN * column as f64, 30.0 + ROW * row as f64, WIDTH, 24.0);
        drawing.labelled(class, area, file);
        (COLUMN * column as f64, 42.0 + ROW * row as f64)
    };
    for (column, heading) in ["", "who counts", "what counts", "what does not"].into_iter().enumerate() {
        drawing.words("small", Anchor::Start, (COLUMN * column as f64, 14.0), heading);
    }
    let current = file(&mut drawing, "k4", 0, 0, FileId::Current);
    let mut words = Vec::new();
    let (mut counted, mut left_over) = (0, 0);
    let mut manifest = current;
    for id in image.keys().filter(|file| matches!(file, FileId::Manifest(_))) {
        manifest = file(&mut drawing, "k4", 1, 0, *id);
        drawing.arrow("line", (current.0 + WIDTH, current.1), (manifest.0 - 4.0, manifest.1));
        words.push(format!("CURRENT names {id}."));
    }
    for id in image.keys() {
        let counts = match *id {
            FileId::Table(number) => found.tables.contains(&number),
            FileId::Log(number) => number >= found.log_floor,
            _ => continue,
        };
        let (class, column, row) = match counts {
            true => ("k0", 2, &mut counted),
            false => ("tombstone", 3, &mut left_over),
        };
        let place = file(&mut drawing, class, column, *row, *id);
        *row += 1;
        if counts {
            drawing.arrow("line", (manifest.0 + WIDTH, manifest.1), (place.0 - 4.0, place.1));
        }
        let why = match (*id, counts) {
            (FileId::Log(_), true) => format!("at or above the log floor {}", found.log_floor),
            (FileId::Log(_), false) => format!("below the log floor {}", found.log_floor),
            (_, true) => "the manifest names it".to_owned(),
            (_, false) => "the manifest does not name it".to_owned(),
        };
        words.push(format!("{id} {}: {why}.", if counts { "counts" } else { "does not count" }));
    }
    (drawing, words.join(" "))
}
