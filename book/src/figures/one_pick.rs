//! One pick of leveled compaction, out of a run of stage 5's simulator: the files of a level with
//! what each would drag along, the one that is taken, and both levels after the merge.

use stage5_compaction::compaction::{Plan, Strategy};
use stage5_compaction::simulator::{Tree, Write};
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::version::Version;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::labs::four_strategies::{leveled, workload};

const WIDTH: f64 = 700.0;
const LEFT: f64 = 60.0;
const HEIGHT: f64 = 20.0;
const KEYS: u64 = 10_000;
/// The tree has settled by then.
const FLUSHES: usize = 150;
/// The level that the pick is made on.
const LEVEL: usize = 5;

pub(super) fn draw() -> Drawn {
    let (workload, strategy) = (workload(KEYS), leveled(4));
    let writes: Vec<Write> = workload.writes().collect();
    let mut tree = Tree::new(workload.clone());
    for (flush, memtable) in (1..).zip(writes.chunks(workload.writes_per_flush)) {
        tree.flush(memtable);
        while let Some(plan) = strategy.pick(tree.version()) {
            let is_ours = flush > FLUSHES && plan.inputs[0].0 == LEVEL && !plan.is_trivial_move();
            if is_ours {
                let before = tree.version().clone();
                tree.compact(&plan);
                return Ok(picture(&before, &plan, tree.version()));
            }
            tree.compact(&plan);
        }
    }
    Err("no file of that level was ever picked".into())
}

fn picture(before: &Version, plan: &Plan, after: &Version) -> (Drawing, String) {
    let mut drawing = Drawing::new();
    drawing.words("strong", Anchor::Start, (0.0, 12.0), format!("before: {}", plan.reason));
    let upper = 42.0;
    let lower = upper + HEIGHT + 34.0;
    let taken =
        |file: &TableFile| plan.inputs.iter().any(|(_, input)| input.meta().number == file.meta().number);
    row(&mut drawing, before, LEVEL, upper, taken);
    row(&mut drawing, before, LEVEL + 1, lower, taken);
    for file in before.level(LEVEL).iter() {
        let (from, to) = ends(file);
        drawing.words(
            "small",
            Anchor::Middle,
            ((from + to) / 2.0, upper - 6.0),
            format!("{:.1}", drag(before, file)),
        );
    }
    let picked = &plan.inputs[0].1;
    let (from, to) = ends(picked);
    for x in [from, to] {
        drawing.line("dashed", (x, upper + HEIGHT), (x, lower));
    }
    let second = lower + HEIGHT + 36.0;
    drawing.words("strong", Anchor::Start, (0.0, second), "after");
    let is_new = |file: &TableFile| !before.files().any(|(_, old)| old.meta().number == file.meta().number);
    row(&mut drawing, after, LEVEL, second + 12.0, is_new);
    row(&mut drawing, after, LEVEL + 1, second + 12.0 + HEIGHT + 12.0, is_new);
    let made = after.level(LEVEL + 1).iter().filter(|file| is_new(file)).count();
    let words = format!(
        "Level {LEVEL} has {} files, each marked with the bytes that it would drag along for a byte of its own. \
         The cheapest, at {:.1}, is taken with {} files of level {}, and {made} new ones take their place.",
        before.level(LEVEL).len(),
        drag(before, picked),
        plan.inputs.len() - 1,
        LEVEL + 1,
    );
    (drawing, words)
}

/// The files of a level over the keys that they span.
fn row(
    drawing: &mut Drawing,
    version: &Version,
    level: usize,
    top: f64,
    is_marked: impl Fn(&TableFile) -> bool,
) {
    drawing.words("faint", Anchor::Start, (0.0, top + 14.0), format!("level {level}"));
    for file in version.level(level).iter() {
        let (from, to) = ends(file);
        let class = if is_marked(file) { "k1" } else { "k0" };
        drawing.area(class, Area::new(from, top, (to - from - 1.5).max(2.0), HEIGHT));
    }
}

/// The bytes of the next level that the file overlaps, for a byte of its own.
fn drag(version: &Version, file: &TableFile) -> f64 {
    let meta = file.meta();
    let below = version.overlapping(LEVEL + 1, &meta.smallest.user_key, &meta.largest.user_key);
    below.iter().map(|file| file.meta().size_bytes).sum::<u64>() as f64 / meta.size_bytes as f64
}

fn ends(file: &TableFile) -> (f64, f64) {
    (place(&file.meta().smallest.user_key), place(&file.meta().largest.user_key))
}

/// The simulator's keys are numbers, big-endian.
fn place(key: &[u8]) -> f64 {
    let number = key.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)) as f64;
    LEFT + WIDTH * number / KEYS as f64
}
