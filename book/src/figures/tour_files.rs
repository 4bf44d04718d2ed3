//! The files of a small database, appearing one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage2_wal::vfs::{FileId, SimVfs};
use stage6_engine::{Db, SimRuntime};

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

const LEFT: f64 = 120.0;
const COLUMN: f64 = 104.0;
const ROW: f64 = 30.0;

/// What the directory holds at a moment: files and their sizes.
type Moment = (&'static str, BTreeMap<FileId, usize>);

pub(super) fn draw() -> Drawn {
    let disk = SimVfs::without_trace();
    let sizes = |disk: &SimVfs| disk.image().into_iter().map(|(file, bytes)| (file, bytes.len())).collect();
    let options = Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1)));
    let db = options.open_vfs(Arc::new(disk.clone()))?;
    let mut moments: Vec<Moment> = vec![("open", sizes(&disk))];
    let put = |from: u32, to: u32| {
        (from..to).try_for_each(|number| db.put(format!("fruit{number:04}"), "a basket of them").map(|_| ()))
    };
    put(0, 1_000)?;
    moments.push(("1,000 puts", sizes(&disk)));
    flush(&db)?;
    moments.push(("flush", sizes(&disk)));
    put(500, 1_500)?;
    flush(&db)?;
    moments.push(("1,000 more, flush", sizes(&disk)));
    db.compact_range(..)?;
    settle(&db)?;
    moments.push(("merge", sizes(&disk)));
    db.close()?;
    moments.push(("close", sizes(&disk)));
    Ok(drawn(&moments))
}

fn flush(db: &Db) -> Result<(), stage6_engine::Error> {
    db.flush()?;
    settle(db)
}

/// Runs what waits to be run: on one thread nobody else does, and files are removed by jobs.
fn settle(db: &Db) -> Result<(), stage6_engine::Error> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

fn drawn(moments: &[Moment]) -> (Drawing, String) {
    let mut drawing = Drawing::new();
    let mut files: Vec<FileId> = moments.iter().flat_map(|(_, sizes)| sizes.keys().copied()).collect();
    files.sort_by_key(|file| (file.number(), *file));
    files.dedup();
    let largest = moments.iter().flat_map(|(_, sizes)| sizes.values()).max().copied().unwrap_or(1).max(1);
    for (column, (name, _)) in moments.iter().enumerate() {
        for (line, part) in name.split(", ").enumerate() {
            drawing.words(
                "small",
                Anchor::Start,
                (LEFT + COLUMN * column as f64, 12.0 + 14.0 * line as f64),
                part,
            );
        }
    }
    for (row, file) in files.iter().enumerate() {
        let y = 40.0 + ROW * row as f64;
        drawing.words("", Anchor::Start, (0.0, y + 14.0), file);
        for (column, (_, sizes)) in moments.iter().enumerate() {
            let Some(bytes) = sizes.get(file) else { continue };
            let class = match file {
                FileId::Log(_) => "k6",
                FileId::Table(_) => "k0",
                _ => "k4",
            };
            let width = 4.0 + (COLUMN - 16.0) * *bytes as f64 / largest as f64;
            let left = LEFT + COLUMN * column as f64;
            drawing.area(class, Area::new(left, y, width, 20.0));
            drawing.words("small over", Anchor::Start, (left + 4.0, y + 14.0), format!("{bytes} B"));
        }
    }
    let told = |(name, sizes): &Moment| {
        let files: Vec<String> =
            sizes.iter().map(|(file, bytes)| format!("{file} of {bytes} bytes")).collect();
        format!("After {name}: {}.", files.join(", "))
    };
    (drawing, moments.iter().map(told).collect::<Vec<_>>().join(" "))
}
