//! Who owns what, and until when: the tables of a directory from moment to moment, while a cursor
//! holds an old state.

use std::collections::BTreeSet;
use std::sync::Arc;

use stage2_wal::vfs::{FileId, SimVfs};
use stage6_engine::{Db, Read, SimRuntime};

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

const LEFT: f64 = 130.0;
const COLUMN: f64 = 96.0;
const ROW: f64 = 30.0;

/// What the directory held at a moment, and which of its tables count.
struct Moment {
    name: &'static str,
    files: BTreeSet<FileId>,
    counting: BTreeSet<FileId>,
}

pub(super) fn draw() -> Drawn {
    let disk = SimVfs::without_trace();
    let options = Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1)));
    let db = options.open_vfs(Arc::new(disk.clone()))?;
    let mut moments = Vec::new();
    let mut look = |name: &'static str, db: &Db| {
        let tables = db.levels().into_iter().flatten().map(|table| FileId::Table(table.number)).collect();
        let files = disk.image().into_keys().filter(|file| matches!(file, FileId::Table(_))).collect();
        moments.push(Moment { name, files, counting: tables });
    };
    db.put("apple", "red")?;
    db.put("fig", "green")?;
    look("two puts", &db);
    db.flush()?;
    look("flush", &db);
    db.put("fig", "ripe")?;
    db.flush()?;
    look("flush again", &db);
    let cursor = db.cursor();
    db.compact_range(..)?;
    settle(&db)?;
    look("merged, cursor open", &db);
    drop(cursor);
    settle(&db)?;
    look("cursor closed", &db);
    Ok(drawn(&moments))
}

/// Runs what waits to be run; files are removed by jobs.
fn settle(db: &Db) -> Result<(), stage6_engine::Error> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

fn drawn(moments: &[Moment]) -> (Drawing, String) {
    let mut drawing = Drawing::new();
    let files: BTreeSet<FileId> = moments.iter().flat_map(|moment| moment.files.iter().copied()).collect();
    let mut words = Vec::new();
    for (column, moment) in moments.iter().enumerate() {
        let x = LEFT + COLUMN * (column as f64 + 0.5);
        // Names of two words stand on two lines.
        for (line, part) in moment.name.split(", ").enumerate() {
            drawing.words("small", Anchor::Middle, (x, 12.0 + 14.0 * line as f64), part);
        }
    }
    for (row, file) in files.iter().enumerate() {
        let y = 40.0 + ROW * row as f64;
        drawing.words("", Anchor::Start, (0.0, y + 14.0), file);
        for (column, moment) in moments.iter().enumerate() {
            if moment.files.contains(file) {
                let class = if moment.counting.contains(file) { "k1" } else { "k3" };
                drawing.area(class, Area::new(LEFT + COLUMN * column as f64, y, COLUMN - 2.0, 20.0));
            }
        }
    }
    let y = drawing.height() + 26.0;
    for (place, (class, label)) in [("k1", "in the version"), ("k3", "only held")].into_iter().enumerate() {
        let x = LEFT + 130.0 * place as f64;
        drawing.area(class, Area::new(x, y - 12.0, 18.0, 14.0));
        drawing.words("small", Anchor::Start, (x + 24.0, y), label);
    }
    for moment in moments {
        let held = moment.files.difference(&moment.counting).count();
        let names = moment.files.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "no table" } else { &names };
        words.push(format!("After {}: {names}; {held} only held.", moment.name));
    }
    (drawing, words.join(" "))
}
