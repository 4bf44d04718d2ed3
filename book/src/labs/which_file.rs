//! What leveled compaction picks: a trace of its first plans, and four rules for which file of a
//! level goes down.

use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stage1_memtable::key::OwnedKey;
use stage5_compaction::compaction::strategy::with_overlapping;
use stage5_compaction::compaction::toll::BYTES_A_RUN;
use stage5_compaction::compaction::{Leveled, Plan, Strategy, Toll};
use stage5_compaction::file::{FileMeta, LEVELS};
use stage5_compaction::simulator::{Access, Tree, Workload, Write, simulate};
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::version::Version;

use super::broken_level::Shop;
use super::four_strategies::{flushes, leveled, told, workload};
use super::prelude::{number, row};
use super::{Outcome, Output};

pub(super) fn run(out: &mut Output) -> Outcome {
    trace(out);
    rules(out);
    toll(out)
}

const PLANS: usize = 15;

/// The first plans of a tree so small that each file can be followed.
fn trace(out: &mut Output) {
    out.part("trace");
    let workload = Workload { keys: 1_000, writes: 20_000, writes_per_flush: 50, ..Workload::default() };
    let strategy =
        Leveled { level0_files: 4, base_level_bytes: 40_000, size_ratio: 4, target_file_bytes: 20_000 };
    out.line(format!("{strategy:?}"));
    let widths = [5, 32, 9, 7, 7, 6, 7, 8, 8];
    out.line(row(
        &widths,
        &[&"", &"", &"drag of", &"takes,", &"with,", &"", &"entries", &"level 5,", &"level 6,"],
    ));
    out.line(row(
        &widths,
        &[&"flush", &"reason", &"each file", &"of", &"of", &"gives", &"dropped", &"bytes", &"bytes"],
    ));
    let mut tree = Tree::new(workload.clone());
    let writes: Vec<Write> = workload.writes().collect();
    let mut plans = 0;
    for (flush, memtable) in (1..).zip(writes.chunks(workload.writes_per_flush)) {
        tree.flush(memtable);
        while let Some(plan) = strategy.pick(tree.version()) {
            let before = tree.version().clone();
            tree.compact(&plan);
            let after = tree.version();
            let (takes, with) = in_words(&plan);
            let drags = drags(&before, plan.inputs.first().map_or(0, |(level, _)| *level));
            let made = after.files().filter(|(_, file)| !has(&before, file)).count();
            let dropped = entries(&before) - entries(after);
            let (upper, lower) = (after.level_bytes(5), after.level_bytes(6));
            out.line(row(
                &widths,
                &[&flush, &plan.reason, &drags, &takes, &with, &made, &dropped, &upper, &lower],
            ));
            plans += 1;
            if plans == PLANS {
                return;
            }
        }
    }
}

/// What each file of a level below 0 would drag along, for a byte of its own.
fn drags(version: &Version, level: usize) -> String {
    let files = version.level(level).iter().filter(|_| level > 0);
    files.map(|file| format!("{:.1}", drag(version, level, file))).collect::<Vec<_>>().join(" ")
}

fn drag(version: &Version, level: usize, file: &TableFile) -> f64 {
    let meta = file.meta();
    let below = version.overlapping(level + 1, &meta.smallest.user_key, &meta.largest.user_key);
    let dragged: u64 = below.iter().map(|file| file.meta().size_bytes).sum();
    dragged as f64 / meta.size_bytes.max(1) as f64
}

fn has(version: &Version, file: &TableFile) -> bool {
    version.files().any(|(_, known)| known.meta().number == file.meta().number)
}

fn entries(version: &Version) -> u64 {
    version.files().map(|(_, file)| file.meta().entries).sum()
}

/// How many files a plan takes from above, and how many of its output level.
fn in_words(plan: &Plan) -> (String, String) {
    let from = plan.inputs.first().map_or(0, |(level, _)| *level);
    let count = |level: usize| plan.inputs.iter().filter(|(of, _)| *of == level).count();
    let words = |level: usize| format!("{} of {level}", count(level));
    (words(from), words(plan.output_level))
}

/// Which file of a level goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The engine's: that which drags least along, for its size.
    Cheapest,
    /// That behind the last one, and again from the first.
    RoundRobin,
    /// The one with the smallest keys.
    First,
    /// That which drags most along.
    Dearest,
}

impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Cheapest => "cheapest",
            Rule::RoundRobin => "round robin",
            Rule::First => "always the first",
            Rule::Dearest => "dearest",
        })
    }
}

/// Leveled compaction, but for the choice among the files of a level.
#[derive(Debug)]
struct Picking {
    leveled: Leveled,
    rule: Rule,
    /// Where the last pick of each level ended.
    ends: Mutex<[Bytes; LEVELS]>,
}

impl Picking {
    fn choose(&self, version: &Version, level: usize) -> Option<Arc<TableFile>> {
        let files = version.level(level);
        let by_drag = |a: &&Arc<TableFile>, b: &&Arc<TableFile>| {
            drag(version, level, a).total_cmp(&drag(version, level, b))
        };
        let chosen = match self.rule {
            Rule::Cheapest => files.iter().min_by(by_drag),
            Rule::Dearest => files.iter().max_by(by_drag),
            Rule::First => files.first(),
            Rule::RoundRobin => {
                let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
                let behind = files.iter().find(|file| file.meta().smallest.user_key > ends[level]);
                let chosen = behind.or(files.first());
                if let Some(file) = chosen {
                    ends[level] = file.meta().largest.user_key.clone();
                }
                chosen
            }
        };
        chosen.cloned()
    }
}

impl Strategy for Picking {
    fn pick(&self, version: &Version) -> Option<Plan> {
        let plan = self.leveled.pick(version)?;
        let level = plan.inputs.first()?.0;
        if level == 0 {
            return Some(plan);
        }
        let files = self.choose(version, level).into_iter().collect();
        Some(Plan { inputs: with_overlapping(version, level, files, plan.output_level), ..plan })
    }

    fn base_level(&self, version: &Version) -> usize {
        self.leveled.base_level(version)
    }

    fn debt_bytes(&self, version: &Version) -> u64 {
        self.leveled.debt_bytes(version)
    }

    fn target_file_bytes(&self, level: usize) -> u64 {
        self.leveled.target_file_bytes(level)
    }
}

/// The same writes, settled by each rule.
fn rules(out: &mut Output) {
    out.part("rules");
    out.line(told(&workload(20_000)));
    out.line(format!(
        "base level of at most {}, tables of {}",
        flushes(leveled(4).base_level_bytes),
        flushes(leveled(4).target_file_bytes)
    ));
    let widths = [18, 10, 10, 12, 12];
    out.line(row(&widths, &[&"written,", &"uniform,", &"skewed,", &"uniform,", &"skewed,"]));
    out.line(row(&widths, &[&"", &"ratio 4", &"ratio 4", &"ratio 10", &"ratio 10"]));
    for rule in [Rule::Cheapest, Rule::RoundRobin, Rule::First, Rule::Dearest] {
        let written = |size_ratio: u64, access: Access| {
            let strategy = Picking { leveled: leveled(size_ratio), rule, ends: Mutex::default() };
            let end = simulate("", &strategy, &Workload { access, ..workload(20_000) }).end();
            format!("{:.2}", end.write_amplification())
        };
        out.line(row(
            &widths,
            &[
                &rule,
                &written(4, Access::Uniform),
                &written(4, Access::Skewed),
                &written(10, Access::Uniform),
                &written(10, Access::Skewed),
            ],
        ));
    }
}

/// Scans of two files of level 0 over a level 6: what they cost if nobody merges, if somebody merges
/// at once, and as the engine does it.
fn toll(out: &mut Output) -> Outcome {
    const MIB: u64 = 1 << 20;
    out.part("toll");
    let drawn = |level: usize, number: u64, ends: (&'static str, &'static str), size_bytes: u64| {
        let end = |key: &'static str| OwnedKey { user_key: Bytes::from(key), sequence: number };
        let meta = FileMeta {
            number,
            size_bytes,
            smallest: end(ends.0),
            largest: end(ends.1),
            first_sequence: number,
            last_sequence: number,
            entries: 2,
            deletions: 0,
            checksum: 0,
        };
        (level, meta)
    };
    let version = Shop::new().version(vec![
        drawn(0, 4, ("apple", "pear"), 20 * MIB),
        drawn(0, 3, ("apple", "pear"), 20 * MIB),
        drawn(6, 1, ("apple", "fig"), 60 * MIB),
        drawn(6, 2, ("grape", "pear"), 60 * MIB),
    ])?;
    let strategy = Leveled::default();
    out.line(format!("what writes need: {:?}", strategy.pick(&version).map(|plan| plan.reason)));
    let wanted = strategy.pick_for_scans(&version).ok_or("level 0 has files")?;
    out.line(format!("what scans may buy: {}, {} MiB to read", wanted.reason, wanted.input_bytes() / MIB));
    let due = (1..).find({
        let toll = Toll::on(&version, &strategy);
        move |_| toll.pay(1)
    });
    let due: u64 = due.ok_or("scans never pay enough")?;
    out.line(format!("due after {} seeks", number(due)));
    let widths = [8, 14, 14, 14, 16];
    out.line(row(&widths, &[&"", &"never merged,", &"merged first,", &"merged when", &"of the better"]));
    out.line(row(&widths, &[&"seeks", &"MiB", &"MiB", &"paid, MiB", &"of the two"]));
    let rent = |seeks: u64| (seeks * 2 * BYTES_A_RUN) as f64 / MIB as f64;
    for seeks in [1_000, 10_000, due - 1, due, 50_000, 1_000_000] {
        let (never, first) = (rent(seeks), rent(due));
        let paid = if seeks < due { never } else { rent(due) + first };
        let times = format!("{:.2} times", paid / never.min(first));
        let mib = |bytes: f64| format!("{bytes:.0}");
        out.line(row(&widths, &[&number(seeks), &mib(never), &mib(first), &mib(paid), &times]));
    }
    Ok(())
}
