//! What a small database keeps about its files: `CURRENT`, the manifest, and the versions that
//! the manifest's edits lead to.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage2_wal::layout::refined;
use stage2_wal::log::parts::{Contents, log_parts};
use stage2_wal::vfs::{FileId, SimVfs};
use stage5_compaction::edit::{self, VersionEdit};
use stage5_compaction::manifest::{Current, current_layout, read_manifest};
use stage6_engine::{Db, SimRuntime};

use super::svg::{Anchor, Area, Drawing};
use super::{Drawn, hex};

/// A database with a few tables: flushed, merged, flushed again.
fn sample() -> Result<SimVfs, stage6_engine::Error> {
    let disk = SimVfs::new();
    let options = Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1)));
    let db = options.open_vfs(Arc::new(disk.clone()))?;
    for fruits in [["apple", "fig"], ["banana", "kiwi"]] {
        fruits.into_iter().try_for_each(|fruit| db.put(fruit, "fresh").map(|_| ()))?;
        db.flush()?;
    }
    db.compact_range(..)?;
    db.delete("fig")?;
    db.flush()?;
    Ok(disk)
}

pub(super) fn current_hex() -> Drawn {
    let bytes = sample()?.image().remove(&FileId::Current).unwrap_or_default();
    let mut drawing = Drawing::new();
    let words = hex::rows(&mut drawing, "CURRENT", &bytes, &current_layout(&bytes), 4);
    Ok((drawing, words))
}

pub(super) fn manifest_hex() -> Drawn {
    let disk = sample()?;
    let current = Current::read(&disk)?.ok_or("there is no CURRENT")?;
    let file = FileId::Manifest(current.manifest);
    let bytes = disk.image().remove(&file).unwrap_or_default();
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    let mut records = 0;
    for part in log_parts(&bytes, &file.to_string())? {
        let mut fields = part.fields;
        let heading = match part.contents? {
            Contents::Header(_) => format!("the header of {file}"),
            Contents::Record { .. } => {
                records += 1;
                // Two tell how the others look.
                if records > 2 {
                    break;
                }
                fields = refined(&bytes, &fields, "payload", edit::layout);
                if records == 1 { "the whole version, as one edit".to_owned() } else { "an edit".to_owned() }
            }
            Contents::Promise(count) => {
                // A log would speak of sequences; a manifest's promise counts records.
                fields.iter_mut().filter(|field| field.name == "payload").for_each(|field| {
                    field.meaning = format!("{count}");
                });
                format!("a promise: records that are durable: {count}")
            }
            Contents::Padding | Contents::Zeros => continue,
        };
        words.push(hex::rows_of(&mut drawing, &heading, &bytes, part.start..part.end, &fields, 4));
    }
    Ok((drawing, words.join(" ")))
}

/// A column for each version: which files are live on which level, and what the edit changed.
pub(super) fn versions() -> Drawn {
    let disk = sample()?;
    let current = Current::read(&disk)?.ok_or("there is no CURRENT")?;
    let edits = read_manifest(&disk, current)?;
    let mut drawing = Drawing::new();
    let mut live: BTreeMap<u64, usize> = BTreeMap::new();
    let mut levels: Vec<usize> =
        edits.iter().flat_map(|edit| edit.added.iter().map(|(level, _)| *level)).collect();
    levels.sort_unstable();
    levels.dedup();
    let top_of =
        |level: usize| 44.0 + 62.0 * levels.iter().position(|other| *other == level).unwrap_or(0) as f64;
    for level in &levels {
        drawing.words("faint", Anchor::Start, (0.0, top_of(*level) + 16.0), format!("level {level}"));
    }
    let mut left = 70.0;
    let mut words = Vec::new();
    for (number, edit) in edits.iter().enumerate() {
        let before = live.clone();
        apply(&mut live, edit);
        let most = levels.iter().map(|level| on(&before, &live, *level).len()).max().unwrap_or(0).max(1);
        let width = 62.0 * most as f64;
        drawing.words("strong", Anchor::Start, (left, 14.0), format!("version {number}"));
        if number > 0 {
            drawing.arrow("line", (left - 22.0, 10.0), (left - 4.0, 10.0));
        }
        for level in &levels {
            for (place, file) in on(&before, &live, *level).into_iter().enumerate() {
                let area = Area::new(left + 62.0 * place as f64, top_of(*level), 56.0, 24.0);
                let is_live = live.get(&file) == Some(level);
                let class = match (before.get(&file) == Some(level), is_live) {
                    (true, true) => "box",
                    (false, _) => "k1",
                    (true, false) => "tombstone",
                };
                drawing.labelled(class, area, format!("{file:06}"));
            }
        }
        drawing.line("axis", (left - 10.0, 24.0), (left - 10.0, top_of(*levels.last().unwrap_or(&0)) + 34.0));
        words.push(format!("Version {number}: {}.", in_words(&live)));
        left += width + 34.0;
    }
    let bottom = drawing.height() + 24.0;
    for (place, (class, label)) in
        [("k1", "added"), ("tombstone", "removed"), ("box", "kept")].into_iter().enumerate()
    {
        let x = 70.0 + 110.0 * place as f64;
        drawing.area(class, Area::new(x, bottom - 12.0, 18.0, 14.0));
        drawing.words("small", Anchor::Start, (x + 24.0, bottom), label);
    }
    Ok((drawing, words.join(" ")))
}

fn apply(live: &mut BTreeMap<u64, usize>, edit: &VersionEdit) {
    for (_, number) in &edit.removed {
        live.remove(number);
    }
    for (level, meta) in &edit.added {
        live.insert(meta.number, *level);
    }
}

/// The files that are, or were just before, on `level`.
fn on(before: &BTreeMap<u64, usize>, after: &BTreeMap<u64, usize>, level: usize) -> Vec<u64> {
    let mut files: Vec<u64> =
        before.iter().chain(after).filter(|(_, at)| **at == level).map(|(number, _)| *number).collect();
    files.sort_unstable();
    files.dedup();
    files
}

fn in_words(live: &BTreeMap<u64, usize>) -> String {
    if live.is_empty() {
        return "no tables".to_owned();
    }
    live.iter()
        .map(|(number, level)| format!("{} on level {level}", FileId::Table(*number)))
        .collect::<Vec<_>>()
        .join(", ")
}
