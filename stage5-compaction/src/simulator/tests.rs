//! The simulated tree holds what a map holds, and its figures are what they say.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stage4_bloom::memtable::key::Kind;

use super::*;
use crate::compaction::{Full, Leveled, Never, Strategy, Tiered};
use crate::version::Version;

/// A small tree on several levels.
fn workload() -> Workload {
    Workload { keys: 5_000, writes: 60_000, writes_per_flush: 250, ..Workload::default() }
}

fn leveled() -> Leveled {
    Leveled { level0_files: 4, base_level_bytes: 128 << 10, size_ratio: 4, target_file_bytes: 32 << 10 }
}

fn tiered() -> Tiered {
    Tiered { target_file_bytes: 32 << 10, ..Tiered::default() }
}

fn full() -> Full {
    Full { target_file_bytes: 32 << 10, ..Full::default() }
}

fn comparison(workload: &Workload) -> Comparison {
    let strategies: [(&str, &dyn Strategy); 4] =
        [("none", &Never), ("full", &full()), ("tiered", &tiered()), ("leveled", &leveled())];
    Comparison::of(&strategies, workload)
}

#[test]
fn the_table_of_four_strategies() {
    let shown = [Access::Uniform, Access::Skewed, Access::Ascending]
        .map(|access| format!("{access:?}\n{}", comparison(&Workload { access, ..workload() })));
    insta::assert_snapshot!("amplification", shown.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_course_and_another_seed_another() {
    let workload = Workload { writes: 5_000, access: Access::Skewed, ..workload() };
    let course = |seed| simulate("leveled", &leveled(), &Workload { seed, ..workload.clone() });
    assert_eq!(course(1), course(1));
    assert_ne!(course(1), course(2));
}

#[test]
fn without_a_merge_every_byte_is_written_once() {
    let workload = Workload { access: Access::Ascending, writes: 5_000, deletion_percent: 0, ..workload() };
    let end = simulate("none", &Never, &workload).end();
    assert_eq!((end.write_amplification(), end.files, end.compactions), (1.0, 20, 0));
}

#[test]
fn ordered_writes_are_moved_and_never_merged_by_levels() {
    let workload = Workload { access: Access::Ascending, writes: 5_000, deletion_percent: 0, ..workload() };
    let end = simulate("leveled", &leveled(), &workload).end();
    assert_eq!((end.write_amplification(), end.compactions), (1.0, 0));
    assert!(end.moves > 0);
}

#[test]
fn four_of_five_skewed_writes_go_to_a_fifth_of_the_keys() {
    let workload = Workload { access: Access::Skewed, ..workload() };
    let mut writes: BTreeMap<u64, u64> = BTreeMap::new();
    workload.writes().for_each(|write| *writes.entry(write.key).or_default() += 1);
    let mut by_key: Vec<u64> = writes.into_values().collect();
    by_key.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
    let hot: u64 = by_key.iter().take(1_000).sum();
    assert!((47_500..49_500).contains(&hot), "{hot} of 60,000");
}

/// Where a thousand runs may stand, their number keeps nothing within a bound.
#[test]
fn the_space_of_tiered_runs_stays_within_its_bound() {
    for runs in [8, 1_000] {
        let strategy = Tiered { runs, ..tiered() };
        let mut tree = Tree::new(workload());
        let writes: Vec<Write> = workload().writes().collect();
        for memtable in writes.chunks(workload().writes_per_flush) {
            tree.flush(memtable);
            while let Some(plan) = strategy.pick(tree.version()) {
                tree.compact(&plan);
            }
            let (all, oldest) = (tree.sample().disk_bytes(), oldest_run_bytes(tree.version()));
            // The strategy counts whole percents.
            assert!(100 * (all - oldest) < 201 * oldest, "{runs} runs: {all} bytes, {oldest} in the oldest");
        }
    }
}

fn oldest_run_bytes(version: &Version) -> u64 {
    let level = version.levels().filter(|(_, files)| !files.is_empty()).last();
    let (level, files) = level.expect("there was a flush");
    let mut sizes = files.iter().map(|file| file.meta().size_bytes);
    // Of level 0 each file is a run.
    if level == 0 { sizes.next_back().unwrap_or(0) } else { sizes.sum() }
}

#[test]
fn the_figure_has_words_and_no_colours_of_its_own() {
    let svg = comparison(&Workload { writes: 5_000, ..workload() }).to_svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("<title>Amplification by strategy, over time</title>"));
    for name in ["none", "full", "tiered", "leveled"] {
        assert!(svg.contains(&format!("{name}: each byte was written")), "{name} in words");
    }
    assert!(!svg.contains('#') && !svg.contains("rgb") && !svg.contains("NaN") && !svg.contains("inf"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_simulated_tree_reads_like_a_map(seed: u64, skewed: bool, deletion_percent in 0u64..60, strategy in 0usize..4) {
        let access = if skewed { Access::Skewed } else { Access::Uniform };
        let workload = Workload { seed, access, deletion_percent, keys: 300, writes: 3_000, writes_per_flush: 40, ..workload() };
        let small = Leveled { base_level_bytes: 16 << 10, target_file_bytes: 4 << 10, ..leveled() };
        let strategies: [&dyn Strategy; 4] = [&Never, &full(), &tiered(), &small];
        let mut tree = Tree::new(workload.clone());
        let mut model = BTreeMap::new();
        let writes: Vec<Write> = workload.writes().collect();
        for memtable in writes.chunks(40) {
            tree.flush(memtable);
            model.extend(memtable.iter().map(|write| (write.key, *write)));
            while let Some(plan) = strategies[strategy].pick(tree.version()) {
                tree.compact(&plan);
            }
            for key in 0..workload.keys {
                let newest = model.get(&key).filter(|write| write.kind == Kind::Value);
                prop_assert_eq!(tree.get(key), newest.map(|write| write.sequence));
            }
        }
        let live = model.values().filter(|write| write.kind == Kind::Value).count() as u64;
        prop_assert_eq!(tree.sample().live_bytes, live * workload.entry_bytes);
    }
}
