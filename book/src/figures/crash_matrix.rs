//! A crash after every call of a short run, in every way it may go: how many disks were built,
//! and what each of them came back as.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage2_wal::vfs::crash::{Call, DataPolicy, Policy, Trace};
use stage2_wal::vfs::{FileId, SimVfs};
use stage6_engine::{Db, Durability, Read, SimRuntime};

use super::Drawn;
use super::svg::{Anchor, Area, CHARACTER, Drawing};

const FRUITS: [&str; 3] = ["apple", "fig", "kiwi"];
const ROW: f64 = 19.0;
const COLUMN: f64 = 84.0;
const LEFT: f64 = 232.0;

/// The ways a crash may go, in the order of the columns.
const WAYS: [&str; 5] = ["all lost", "all kept", "one part", "torn", "pages"];

pub(super) fn draw() -> Drawn {
    let disk = SimVfs::new();
    let acknowledged = run(&disk)?;
    let trace = disk.trace();
    let mut cells: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut lost = 0;
    let images = trace.for_each_crash(|calls, policy, image| {
        *cells.entry((calls, way(policy))).or_default() += 1;
        let found = survivors(&SimVfs::from_image(&image))?;
        // Acknowledged is what had returned before the crash.
        let owed = acknowledged.iter().filter(|returned| **returned <= calls).count();
        lost += u64::from(found < owed);
        Ok::<(), stage6_engine::Error>(())
    })?;
    let mut drawing = Drawing::new();
    drawing.words("faint", Anchor::Start, (0.0, 12.0), "crash after");
    for (column, way) in WAYS.into_iter().enumerate() {
        drawing.words("faint", Anchor::Middle, (LEFT + COLUMN * (column as f64 + 0.5), 12.0), way);
    }
    for calls in 0..=trace.calls.len() {
        let y = 22.0 + ROW * calls as f64;
        drawing.words("small", Anchor::Start, (0.0, y + 12.0), label(&trace, calls));
        for column in 0..WAYS.len() {
            let count = cells.get(&(calls, column)).copied().unwrap_or(0);
            let area = Area::new(LEFT + COLUMN * column as f64, y, COLUMN - 4.0, ROW - 3.0);
            drawing.area(if count > 0 { "k1" } else { "box" }, area);
            if count > 0 {
                drawing.words("small", Anchor::Middle, (area.left + area.width / 2.0, y + 12.0), count);
            }
        }
        let returned = acknowledged.iter().position(|returned| *returned == calls);
        if let Some(write) = returned {
            drawing.words(
                "small",
                Anchor::Start,
                (LEFT + COLUMN * 5.0 + 6.0, y + 12.0),
                format!("{} acknowledged", FRUITS[write]),
            );
        }
    }
    let verdict = format!("{images} disks built and opened; acknowledged and lost: {lost}");
    let y = drawing.height() + 22.0;
    drawing.words("strong", Anchor::Start, (0.0, y), &verdict);
    debug_assert!(verdict.len() as f64 * CHARACTER < 900.0);
    let words = format!(
        "{} calls to the disk while three keys are written and flushed. {verdict}.",
        trace.calls.len()
    );
    Ok((drawing, words))
}

/// Three durable writes, a flush. After how many calls each write had returned.
fn run(disk: &SimVfs) -> Result<Vec<usize>, stage6_engine::Error> {
    let runtime = Arc::new(SimRuntime::new(1));
    let options = Db::builder().database_id(7).runtime(runtime).durability(Durability::Sync);
    let db = options.open_vfs(Arc::new(disk.clone()))?;
    let mut acknowledged = Vec::new();
    for fruit in FRUITS {
        db.put(fruit, "fresh")?;
        acknowledged.push(disk.calls());
    }
    db.flush()?;
    Ok(acknowledged)
}

/// How many of the writes a recovery finds. They are a prefix, so a number says which.
fn survivors(disk: &SimVfs) -> Result<usize, stage6_engine::Error> {
    let options = Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(2)));
    let db = options.open_vfs(Arc::new(disk.clone()))?;
    let found = FRUITS.iter().map(|fruit| db.contains(fruit)).collect::<Result<Vec<bool>, _>>()?;
    Ok(found.into_iter().take_while(|found| *found).count())
}

fn way(policy: Policy) -> usize {
    match policy.data {
        DataPolicy::Lost => 0,
        DataPolicy::Kept => 1,
        DataPolicy::OnlyAppend(_)
        | DataPolicy::AllButAppend(_)
        | DataPolicy::OnlyFile(_)
        | DataPolicy::AllButFile(_) => 2,
        DataPolicy::Torn(..) => 3,
        DataPolicy::Pages(..) => 4,
    }
}

/// The last call before the crash.
fn label(trace: &Trace, calls: usize) -> String {
    let name_of = |inode: usize| {
        let created = trace.calls.iter().find_map(|call| match call {
            Call::Create { file, inode: own } if *own == inode => Some(*file),
            _ => None,
        });
        created.map_or_else(String::new, |file: FileId| file.to_string())
    };
    match calls.checked_sub(1).and_then(|last| trace.calls.get(last)) {
        None => "nothing".to_owned(),
        Some(Call::Create { file, .. }) => format!("create {file}"),
        Some(Call::Append { inode, bytes }) => format!("append {} B to {}", bytes.len(), name_of(*inode)),
        Some(Call::Sync { inode }) => format!("sync {}", name_of(*inode)),
        Some(Call::Rename { to, .. }) => format!("rename to {to}"),
        Some(Call::Remove { file }) => format!("remove {file}"),
        Some(Call::SyncDirectory) => "sync the directory".to_owned(),
    }
}
