//! Four strategies on the same writes: what each costs in bytes written, room and files asked, and
//! how the three numbers move when the data grow, when the ratio of levels changes, and when the
//! sizes of levels are counted from the top.

use std::sync::Arc;

use stage5_compaction::compaction::strategy::with_overlapping;
use stage5_compaction::compaction::{Full, Leveled, Never, Plan, Strategy, Tiered};
use stage5_compaction::file::LEVELS;
use stage5_compaction::simulator::{Access, Comparison, Course, Sample, Tree, Workload, Write, simulate};
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::version::Version;

use super::prelude::{number, row};
use super::{Outcome, Output};

/// What a flush of the workload takes, in bytes.
pub(crate) const FLUSH_BYTES: u64 = 500 * 128;

pub(super) fn run(out: &mut Output) -> Outcome {
    for access in [Access::Uniform, Access::Skewed, Access::Ascending] {
        compare(out, access);
    }
    merges_of_all(out);
    growth(out);
    ratios(out);
    by_level(out);
    fixed_sizes(out);
    Ok(())
}

/// Ten writes for each key.
pub(crate) fn workload(keys: u64) -> Workload {
    Workload { keys, writes: 10 * keys, ..Workload::default() }
}

fn full() -> Full {
    Full { target_file_bytes: 2 * FLUSH_BYTES, ..Full::default() }
}

fn tiered() -> Tiered {
    Tiered { target_file_bytes: 2 * FLUSH_BYTES, ..Tiered::default() }
}

/// Level sizes a few flushes high, so that few keys stand on several levels.
pub(crate) fn leveled(size_ratio: u64) -> Leveled {
    Leveled {
        base_level_bytes: 8 * FLUSH_BYTES,
        target_file_bytes: FLUSH_BYTES / 2,
        size_ratio,
        ..Leveled::default()
    }
}

/// What is written, for the head of a table.
pub(super) fn told(workload: &Workload) -> String {
    let Workload { keys, writes, deletion_percent, .. } = workload;
    format!(
        "{} keys, {} writes, of 100 writes {deletion_percent} delete; a flush: {} bytes",
        number(*keys),
        number(*writes),
        number(FLUSH_BYTES)
    )
}

/// How the levels are set, for the head of a table.
pub(super) fn told_levels(leveled: &Leveled) -> String {
    let base = flushes(leveled.base_level_bytes);
    format!("leveled with ratio {} and a base level of at most {base}", leveled.size_ratio)
}

/// A size, told in flushes.
pub(super) fn flushes(bytes: u64) -> String {
    match bytes / FLUSH_BYTES {
        0 => format!("1/{} flush", FLUSH_BYTES / bytes),
        1 => "1 flush".to_owned(),
        several => format!("{several} flushes"),
    }
}

fn compare(out: &mut Output, access: Access) {
    out.part(&format!("{access:?}").to_lowercase());
    let workload = Workload { access, ..workload(10_000) };
    let (full, tiered) = (full(), tiered());
    let small = leveled(10);
    let leveled = Leveled { target_file_bytes: 2 * FLUSH_BYTES, ..leveled(10) };
    out.line(told(&workload));
    out.line(format!(
        "full at {} files, tiered at {} runs, {}",
        full.level0_files,
        tiered.runs,
        told_levels(&leveled)
    ));
    out.line(format!(
        "tables of {}, small tables of {}",
        flushes(tiered.target_file_bytes),
        flushes(small.target_file_bytes)
    ));
    let strategies: [(&str, &dyn Strategy); 5] = [
        ("none", &Never),
        ("full", &full),
        ("tiered", &tiered),
        ("leveled", &leveled),
        ("leveled, small tables", &small),
    ];
    let widths = [22, 8, 8, 8, 8, 8, 8];
    out.line(row(&widths, &[&"", &"written", &"space,", &"space,", &"files,", &"files,", &"files"]));
    out.line(row(&widths, &[&"", &"", &"at end", &"at most", &"a get", &"a scan", &"at end"]));
    for course in Comparison::of(&strategies, &workload).courses() {
        let end = course.end();
        out.line(row(
            &widths,
            &[
                &course.name(),
                &two(end.write_amplification()),
                &two(end.space_amplification()),
                &two(course.peak_space_amplification()),
                &two(course.mean_files_per_get()),
                &two(course.mean_files_per_scan()),
                &end.files,
            ],
        ));
    }
}

/// The merges in which tiered compaction takes all that there is.
fn merges_of_all(out: &mut Output) {
    out.part("merges-of-all");
    let widths = [8, 30, 14, 16];
    out.line(row(&widths, &[&"behind", &"", &"for a byte of", &"at once, for a"]));
    out.line(row(&widths, &[&"flush", &"reason", &"the oldest run", &"live byte"]));
    let (workload, strategy) = (workload(10_000), tiered());
    let mut tree = Tree::new(workload.clone());
    let writes: Vec<Write> = workload.writes().collect();
    for (flush, memtable) in (1..).zip(writes.chunks(workload.writes_per_flush)) {
        tree.flush(memtable);
        while let Some(plan) = strategy.pick(tree.version()) {
            let takes_all = plan.inputs.len() == tree.version().files().count();
            let (inputs, oldest) = (plan.input_bytes(), oldest(tree.version()));
            tree.compact(&plan);
            if takes_all {
                let after = tree.sample();
                let (outcome, live) = (after.disk_bytes(), after.live_bytes as f64);
                let times = [inputs as f64 / oldest as f64, (inputs + outcome) as f64 / live].map(two);
                let reason = plan.reason.split(" of the").next().unwrap_or_default();
                out.line(row(&widths, &[&flush, &reason, &times[0], &times[1]]));
            }
        }
    }
}

/// The bytes of the oldest run: the last level that has files, or the last file of level 0.
fn oldest(version: &Version) -> u64 {
    let below = (1..LEVELS).rev().map(|level| version.level_bytes(level)).find(|bytes| *bytes > 0);
    let level0 = version.level(0).last().map(|file| file.meta().size_bytes);
    below.or(level0).unwrap_or_default()
}

/// Twice the data, four times, and so on.
fn growth(out: &mut Output) {
    out.part("growth");
    out.line("10 writes for each key, of 100 writes 5 delete; full and tiered as above");
    out.line(format!("{}, tables of {}", told_levels(&leveled(4)), flushes(leveled(4).target_file_bytes)));
    let widths = [8, 8, 8, 8, 8, 10, 8, 8];
    out.line(row(&widths, &[&"", &"written", &"", &"", &"", &"files,", &"", &""]));
    out.line(row(
        &widths,
        &[&"keys", &"none", &"full", &"tiered", &"leveled", &"none", &"tiered", &"leveled"],
    ));
    for keys in [1_250, 2_500, 5_000, 10_000, 20_000] {
        let workload = workload(keys);
        let none = simulate("none", &Never, &workload);
        let full = simulate("full", &full(), &workload);
        let tiered = simulate("tiered", &tiered(), &workload);
        let leveled = simulate("leveled", &leveled(4), &workload);
        let written = |course: &Course| two(course.end().write_amplification());
        let asked = |course: &Course| two(course.mean_files_per_get());
        out.line(row(
            &widths,
            &[
                &keys,
                &written(&none),
                &written(&full),
                &written(&tiered),
                &written(&leveled),
                &asked(&none),
                &asked(&tiered),
                &asked(&leveled),
            ],
        ));
    }
}

/// The knob of each of the two.
fn ratios(out: &mut Output) {
    out.part("ratios");
    let workload = workload(20_000);
    out.line(told(&workload));
    out.line("base level and tables as in the growth of the data");
    let widths = [22, 8, 8, 8, 8, 8];
    out.line(row(&widths, &[&"", &"levels", &"written", &"space,", &"space,", &"files,"]));
    out.line(row(&widths, &[&"", &"below 0", &"", &"at end", &"at most", &"a get"]));
    for size_ratio in [2, 3, 4, 6, 10] {
        let course = simulate("", &leveled(size_ratio), &workload);
        out.line(costs(&widths, &format!("leveled, ratio {size_ratio}"), &course));
    }
    for runs in [3, 4, 8, 16] {
        let course = simulate("", &Tiered { runs, ..tiered() }, &workload);
        out.line(costs(&widths, &format!("tiered, {runs} runs"), &course));
    }
}

fn costs(widths: &[usize], name: &str, course: &Course) -> String {
    let end = course.end();
    let levels = end.level_bytes[1..].iter().filter(|bytes| **bytes > 0).count();
    row(
        widths,
        &[
            &name,
            &levels,
            &two(end.write_amplification()),
            &two(end.space_amplification()),
            &two(course.peak_space_amplification()),
            &two(course.mean_files_per_get()),
        ],
    )
}

/// Bytes moved into a level, and what they dragged along there.
#[derive(Debug, Default, Clone, Copy)]
struct Traffic {
    came: u64,
    dragged: u64,
    written: u64,
}

/// Where the bytes of leveled compaction are written.
fn by_level(out: &mut Output) {
    out.part("by-level");
    let (workload, strategy) = (workload(40_000), leveled(4));
    out.line(told(&workload));
    out.line(format!("{}, tables of {}", told_levels(&strategy), flushes(strategy.target_file_bytes)));
    let mut tree = Tree::new(workload.clone());
    let mut traffic = [Traffic::default(); LEVELS];
    let writes: Vec<Write> = workload.writes().collect();
    let begin = writes.len() / 2;
    let (mut written, mut user, mut flushed) = (0, 0, 0);
    for (index, memtable) in writes.chunks(workload.writes_per_flush).enumerate() {
        // The first half fills the tree; what is counted is its life after that.
        let counts = index * workload.writes_per_flush >= begin;
        let before = tree.sample();
        tree.flush(memtable);
        if counts {
            let now = tree.sample();
            user += now.user_bytes - before.user_bytes;
            flushed += now.flushed_bytes - before.flushed_bytes;
        }
        written = if counts { written } else { tree.sample().compacted_bytes };
        while let Some(plan) = strategy.pick(tree.version()) {
            let (came, dragged) = split(&plan);
            let is_move = plan.is_trivial_move();
            tree.compact(&plan);
            let now = tree.sample().compacted_bytes;
            if counts && !is_move {
                let level = &mut traffic[plan.output_level];
                level.came += came;
                level.dragged += dragged;
                level.written += now - written;
            }
            written = now;
        }
    }
    let sizes = tree.sample().level_bytes;
    let widths = [10, 8, 12, 12, 16, 16];
    out.line(row(&widths, &[&"", &"KiB,", &"came for", &"written for", &"dragged along", &"lies below one"]));
    out.line(row(
        &widths,
        &[&"", &"at end", &"a user byte", &"a user byte", &"by one that came", &"of level above"],
    ));
    let share = |bytes: u64| two(bytes as f64 / user as f64);
    out.line(row(&widths, &[&"level 0", &(sizes[0] / 1024), &"1.00", &share(flushed), &"", &""]));
    for level in (1..LEVELS).filter(|level| sizes[*level] > 0) {
        let Traffic { came, dragged, written } = traffic[level];
        let average = if sizes[level - 1] > 0 && level > 1 {
            two(average_drag(tree.version(), level - 1))
        } else {
            String::new()
        };
        let drag = two(dragged as f64 / came.max(1) as f64);
        out.line(row(
            &widths,
            &[
                &format!("level {level}"),
                &(sizes[level] / 1024),
                &share(came),
                &share(written),
                &drag,
                &average,
            ],
        ));
    }
    let all: u64 = traffic.iter().map(|level| level.written).sum();
    out.line(row(
        &widths,
        &[&"together", &(sizes.iter().sum::<u64>() / 1024), &"", &share(flushed + all), &"", &""],
    ));
}

/// The bytes of a plan that come from above, and those that lie on its output level.
fn split(plan: &Plan) -> (u64, u64) {
    plan.inputs.iter().fold((0, 0), |(came, dragged), (level, file)| {
        let bytes = file.meta().size_bytes;
        if *level == plan.output_level { (came, dragged + bytes) } else { (came + bytes, dragged) }
    })
}

/// For a byte of `level`, the bytes of the files of the next one that its file overlaps, on average
/// over the files as they stand.
fn average_drag(version: &Version, level: usize) -> f64 {
    let (bytes, dragged) = version.level(level).iter().fold((0, 0), |(bytes, dragged), file| {
        let meta = file.meta();
        let below = version.overlapping(level + 1, &meta.smallest.user_key, &meta.largest.user_key);
        let below: u64 = below.iter().map(|file| file.meta().size_bytes).sum();
        (bytes + meta.size_bytes, dragged + below)
    });
    dragged as f64 / bytes as f64
}

/// Leveled compaction whose level sizes are counted from the top: level 1 has a fixed size, and
/// each further one is so many times as large.
#[derive(Debug)]
struct FromTheTop {
    first_level_bytes: u64,
    size_ratio: u64,
    target_file_bytes: u64,
}

impl Strategy for FromTheTop {
    fn pick(&self, version: &Version) -> Option<Plan> {
        let score = |level: usize| match level {
            0 => version.level(0).len() as f64 / 4.0,
            _ => {
                let target = self.first_level_bytes * self.size_ratio.pow(level as u32 - 1);
                version.level_bytes(level) as f64 / target as f64
            }
        };
        let (level, highest) =
            (0..LEVELS - 1).map(|level| (level, score(level))).max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        if highest < 1.0 {
            return None;
        }
        let dragged = |file: &&Arc<TableFile>| {
            let meta = file.meta();
            let below = version.overlapping(level + 1, &meta.smallest.user_key, &meta.largest.user_key);
            below.iter().map(|file| file.meta().size_bytes).sum::<u64>()
        };
        let files = match level {
            0 => version.level(0).to_vec(),
            _ => version.level(level).iter().min_by_key(dragged).into_iter().cloned().collect(),
        };
        Some(Plan {
            inputs: with_overlapping(version, level, files, level + 1),
            output_level: level + 1,
            target_file_bytes: self.target_file_bytes,
            reason: format!("level {level} is at {highest:.1}"),
            rewrites: false,
        })
    }

    fn base_level(&self, _version: &Version) -> usize {
        1
    }

    fn debt_bytes(&self, _version: &Version) -> u64 {
        0
    }

    fn target_file_bytes(&self, _level: usize) -> u64 {
        self.target_file_bytes
    }
}

/// Room, with the sizes of levels counted from either end.
fn fixed_sizes(out: &mut Output) {
    out.part("fixed-sizes");
    out.line("10 writes for each key, none deletes; ratio 4, tables of 1/2 flush");
    out.line("from the top: level 1 of 4 flushes; from the bottom: base level of at most 4 flushes");
    let widths = [8, 24, 8, 24, 8];
    out.line(row(&widths, &[&"", &"from the top, KiB", &"space", &"from the bottom, KiB", &"space"]));
    for keys in [1_600, 2_200, 4_000, 8_000, 9_000, 12_000, 16_000] {
        let workload = Workload { deletion_percent: 0, ..workload(keys) };
        let top = FromTheTop {
            first_level_bytes: 4 * FLUSH_BYTES,
            size_ratio: 4,
            target_file_bytes: FLUSH_BYTES / 2,
        };
        let bottom = Leveled { base_level_bytes: 4 * FLUSH_BYTES, ..leveled(4) };
        let (top, bottom) = (simulate("", &top, &workload).end(), simulate("", &bottom, &workload).end());
        out.line(row(
            &widths,
            &[
                &keys,
                &levels(&top),
                &two(top.space_amplification()),
                &levels(&bottom),
                &two(bottom.space_amplification()),
            ],
        ));
    }
}

/// The sizes of the levels below 0 that have files.
fn levels(sample: &Sample) -> String {
    let sizes = sample.level_bytes[1..].iter().filter(|bytes| **bytes > 0);
    sizes.map(|bytes| (bytes / 1024).to_string()).collect::<Vec<_>>().join(" · ")
}

fn two(number: f64) -> String {
    format!("{number:.2}")
}
