//! The tree while it fills: every file at its place on the line of keys, at moments of a run of
//! stage 5's simulator.

use stage5_compaction::compaction::{Leveled, Strategy};
use stage5_compaction::simulator::{Tree, Workload, Write};
use stage5_compaction::version::Version;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

const WIDTH: f64 = 330.0;
const LEFT: f64 = 60.0;
const ROW: f64 = 17.0;
const KEYS: u64 = 40_000;
const FLUSHES: [usize; 6] = [3, 4, 20, 60, 150, 311];

pub(super) fn draw() -> Drawn {
    let workload = Workload { keys: KEYS, writes: 4 * KEYS, ..Workload::default() };
    let flush_bytes = workload.writes_per_flush as u64 * workload.entry_bytes;
    let strategy = Leveled {
        base_level_bytes: 2 * flush_bytes,
        target_file_bytes: 2 * flush_bytes,
        ..Leveled::default()
    };
    let writes: Vec<Write> = workload.writes().collect();
    let mut tree = Tree::new(workload.clone());
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    let mut top = 14.0;
    for (flush, memtable) in (1..).zip(writes.chunks(workload.writes_per_flush)) {
        tree.flush(memtable);
        while let Some(plan) = strategy.pick(tree.version()) {
            tree.compact(&plan);
        }
        if FLUSHES.contains(&flush) {
            drawing.words("strong", Anchor::Start, (0.0, top), format!("after {flush} flushes"));
            let told;
            (top, told) = panel(&mut drawing, top + 8.0, tree.version());
            words.push(format!("After {flush} flushes: {told}."));
        }
    }
    Ok((drawing, words.join(" ")))
}

/// A row for each level that has files, and for each file of level 0.
fn panel(drawing: &mut Drawing, top: f64, version: &Version) -> (f64, String) {
    let (mut y, mut told) = (top, Vec::new());
    // Every panel spans the same keys, whatever its files hold.
    let range = (0.0, KEYS as f64);
    for (level, files) in version.levels().filter(|(_, files)| !files.is_empty()) {
        drawing.words("faint", Anchor::Start, (0.0, y + 12.0), format!("level {level}"));
        for file in files.iter() {
            let meta = file.meta();
            let (from, to) = (place(&meta.smallest.user_key, range), place(&meta.largest.user_key, range));
            let class = if level == 0 { "k2" } else { "k0" };
            drawing.area(class, Area::new(from, y, (to - from - 1.0).max(2.0), ROW - 4.0));
            if level == 0 {
                y += ROW;
            }
        }
        if level > 0 {
            y += ROW;
        }
        let kib = version.level_bytes(level) / 1024;
        drawing.words("small", Anchor::Start, (LEFT + WIDTH + 10.0, y - 6.0), format!("{kib} KiB"));
        told.push(format!("{} files of {kib} KiB on level {level}", files.len()));
    }
    (y + 26.0, told.join(", "))
}

/// The simulator's keys are numbers, big-endian.
fn place(key: &[u8], (from, to): (f64, f64)) -> f64 {
    let number = key.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)) as f64;
    LEFT + WIDTH * (number - from) / (to - from)
}
