//! Merges that break a rule, each beside the one that keeps it: a deletion dropped too early, a file
//! that sinks past an older one, an overlap left behind, a version that a snapshot reads.

use std::sync::Arc;

use stage1_memtable::cursor::Cursor;
use stage1_memtable::error::Result;
use stage1_memtable::key::{InternalKey, Kind, OwnedKey, Sequence};
use stage5_compaction::compaction::drop_rule::{DropRule, Verdict};
use stage5_compaction::compaction::strategy::with_overlapping;
use stage5_compaction::compaction::{Plan, run as carry_out};
use stage5_compaction::edit::VersionEdit;
use stage5_compaction::file::FileMeta;
use stage5_compaction::merge::MergingCursor;
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::table_writer::TableWriter;
use stage5_compaction::version::Version;

use super::broken_level::{Shop, Write, ask, in_words};
use super::prelude::row;
use super::{Outcome, Output};

pub(super) fn run(out: &mut Output) -> Outcome {
    too_early(out)?;
    wrong_age(out)?;
    left_behind(out)?;
    blind_move(out)?;
    stripes(out);
    Ok(())
}

const BOTTOM: &[Write] = &[("apple", 1, Some("red")), ("fig", 2, Some("green")), ("pear", 3, Some("green"))];
const MIDDLE: &[Write] = &[("cherry", 4, Some("black")), ("grape", 5, Some("blue"))];
const DELETES: &[Write] = &[("fig", 9, None), ("kiwi", 8, Some("brown"))];

/// A deletion merged to a level that is not the last one that holds its key.
fn too_early(out: &mut Output) -> Outcome {
    out.part("too-early");
    let shop = Shop::new();
    let version =
        shop.version(vec![(6, shop.table(BOTTOM)?), (5, shop.table(MIDDLE)?), (0, shop.table(DELETES)?)])?;
    out.line(format!("before:                          fig is {}", read(&version, "fig", 9)?));
    let plan = plan(&version, 0, version.level(0).to_vec(), 5);
    let right = shop.merged(&version, &plan)?;
    out.line(format!("level 0 to level 5, by the rule: fig is {}", read(&right, "fig", 9)?));
    let wrong = shop.merged_without_deletions(&version, &plan)?;
    out.line(format!("deletions dropped on the way:    fig is {}", read(&wrong, "fig", 9)?));

    let down = |version: &Version| plan_of(version, 5, 6);
    let (right, wrong) = (shop.merged(&right, &down(&right))?, shop.merged(&wrong, &down(&wrong))?);
    out.line(format!("and on to level 6, by the rule:  fig is {}", read(&right, "fig", 9)?));
    out.line(format!("the other one, likewise:         fig is {}", read(&wrong, "fig", 9)?));
    out.line(format!("left by the rule: {}", entries(&right)?));
    out.line(format!("left by the other: {}", entries(&wrong)?));
    Ok(())
}

/// The newest file of level 0 alone, with an older one left above it.
fn wrong_age(out: &mut Output) -> Outcome {
    out.part("wrong-age");
    let shop = Shop::new();
    let older: &[Write] = &[("fig", 5, Some("purple")), ("kiwi", 4, Some("brown"))];
    let newer: &[Write] = &[("cherry", 8, Some("black")), ("fig", 9, Some("ripe"))];
    let version =
        shop.version(vec![(6, shop.table(BOTTOM)?), (0, shop.table(older)?), (0, shop.table(newer)?)])?;
    out.line(format!("before:                       fig is {}", read(&version, "fig", 9)?));
    let all = plan(&version, 0, version.level(0).to_vec(), 6);
    out.line(format!(
        "all of level 0 to level 6:    fig is {}",
        read(&shop.merged(&version, &all)?, "fig", 9)?
    ));
    let newest = plan(&version, 0, version.level(0)[..1].to_vec(), 6);
    let wrong = shop.merged(&version, &newest)?;
    out.line(format!("only the newest to level 6:   fig is {}", read(&wrong, "fig", 9)?));
    out.line(format!("the laws of that version:     {:?}", wrong.check_invariants()));
    let oldest = plan(&version, 0, version.level(0)[1..].to_vec(), 6);
    let allowed = shop.merged(&version, &oldest)?;
    out.line(format!("only the oldest to level 6:   fig is {}", read(&allowed, "fig", 9)?));
    Ok(())
}

/// A merge that takes one of the two files that it overlaps.
fn left_behind(out: &mut Output) -> Outcome {
    out.part("left-behind");
    let shop = Shop::new();
    let left: &[Write] = &[("apple", 1, Some("red")), ("fig", 2, Some("green"))];
    let right: &[Write] = &[("grape", 4, Some("blue")), ("pear", 3, Some("green"))];
    let upper: &[Write] = &[("date", 7, Some("brown")), ("kiwi", 8, Some("brown"))];
    let version =
        shop.version(vec![(6, shop.table(left)?), (6, shop.table(right)?), (5, shop.table(upper)?)])?;
    for (level, file) in version.files() {
        let FileMeta { number, smallest, largest, .. } = file.meta();
        let end = |key: &OwnedKey| key.user_key.escape_ascii().to_string();
        out.line(format!("table {number}, level {level}: {} to {}", end(smallest), end(largest)));
    }
    let whole = plan_of(&version, 5, 6);
    let taken: Vec<u64> = whole.inputs.iter().map(|(_, file)| file.meta().number).collect();
    out.line(format!("a plan of {taken:?}: {}", verdict(shop.merged(&version, &whole))));
    let part = Plan { inputs: whole.inputs[..2].to_vec(), ..whole };
    let taken: Vec<u64> = part.inputs.iter().map(|(_, file)| file.meta().number).collect();
    out.line(format!("a plan of {taken:?}:    {}", verdict(shop.merged(&version, &part))));
    Ok(())
}

/// Deletions come to the last level without a merge.
fn blind_move(out: &mut Output) -> Outcome {
    out.part("blind-move");
    let shop = Shop::new();
    let alone: &[Write] = &[("date", 6, None), ("fig", 9, None)];
    let version = shop.version(vec![(0, shop.table(alone)?)])?;
    let plan = plan(&version, 0, version.level(0).to_vec(), 6);
    for (name, plan) in [("as it is", plan.clone()), ("asked to rewrite", Plan { rewrites: true, ..plan })] {
        let after = shop.merged(&version, &plan)?;
        out.line(format!(
            "{name:<17} a move: {:<6} entries of level 6: {}",
            plan.is_trivial_move(),
            after.level(6).iter().map(|file| file.meta().entries).sum::<u64>()
        ));
    }
    Ok(())
}

/// One history, under several sets of protected sequences.
fn stripes(out: &mut Output) {
    const HISTORY: [(Sequence, Kind); 6] = [
        (11, Kind::Value),
        (9, Kind::Deletion),
        (6, Kind::Value),
        (4, Kind::Value),
        (2, Kind::Deletion),
        (1, Kind::Value),
    ];
    out.part("stripes");
    let widths = [16, 8, 8, 8, 8, 8, 8];
    let heads: Vec<String> = HISTORY
        .iter()
        .map(|(sequence, kind)| format!("{sequence}{}", if *kind == Kind::Deletion { " del" } else { "" }))
        .collect();
    out.line(line(&widths, "versions of fig", &heads));
    let cases: [(&str, &[Sequence], Sequence, bool); 6] = [
        ("12, bottom", &[], 12, true),
        ("12, not bottom", &[], 12, false),
        ("10, bottom", &[], 10, true),
        ("3 7 12, bottom", &[3, 7], 12, true),
        ("3 7 12, not", &[3, 7], 12, false),
        ("1 10 12, bottom", &[1, 10], 12, true),
    ];
    for (name, snapshots, visible, bottom) in cases {
        let mut rule = DropRule::new(snapshots, visible);
        let cells: Vec<String> = HISTORY
            .iter()
            .map(|(sequence, kind)| {
                let verdict = rule.judge(InternalKey::new(b"fig", *sequence), *kind, || bottom);
                if verdict == Verdict::Keep {
                    "keep".to_owned()
                } else {
                    format!("{verdict:?}").to_lowercase()
                }
            })
            .collect();
        out.line(line(&widths, name, &cells));
    }
}

fn line(widths: &[usize], name: &str, cells: &[String]) -> String {
    let mut all: Vec<&dyn std::fmt::Display> = vec![&name];
    all.extend(cells.iter().map(|cell| cell as &dyn std::fmt::Display));
    row(widths, &all)
}

fn verdict(version: std::result::Result<Version, Box<dyn std::error::Error + Send + Sync>>) -> String {
    version.map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

fn read(version: &Version, key: &str, at: Sequence) -> Result<String> {
    Ok(in_words(&ask(version, key, at)?.0))
}

/// Every entry, by its key and sequence.
fn entries(version: &Version) -> Result<String> {
    let mut words = Vec::new();
    for (_, file) in version.files() {
        let mut cursor = file.table()?.table().cursor_past_cache();
        cursor.seek_to_first();
        while cursor.is_valid() {
            let InternalKey { user_key, sequence } = cursor.key();
            words.push(format!("{} {sequence}", user_key.escape_ascii()));
            cursor.next();
        }
        cursor.status()?;
    }
    Ok(words.join(", "))
}

/// `files` of `level`, with what they overlap on the output level.
fn plan(version: &Version, level: usize, files: Vec<Arc<TableFile>>, output_level: usize) -> Plan {
    Plan {
        inputs: with_overlapping(version, level, files, output_level),
        output_level,
        target_file_bytes: u64::MAX,
        reason: "the lab".to_owned(),
        rewrites: false,
    }
}

fn plan_of(version: &Version, level: usize, output_level: usize) -> Plan {
    plan(version, level, version.level(level).to_vec(), output_level)
}

impl Shop {
    /// The version behind a plan that is carried out as the engine does it.
    fn merged(
        &self,
        version: &Version,
        plan: &Plan,
    ) -> std::result::Result<Version, Box<dyn std::error::Error + Send + Sync>> {
        let outcome = carry_out(plan, version, DropRule::new(&[], 9), &self.factory)?;
        Ok(version.apply(&outcome.edit, &self.cache)?)
    }

    /// The same, but whatever the level, it is taken for the bottom.
    fn merged_without_deletions(
        &self,
        version: &Version,
        plan: &Plan,
    ) -> std::result::Result<Version, Box<dyn std::error::Error + Send + Sync>> {
        let cursors: Result<Vec<_>> =
            plan.inputs.iter().map(|(_, file)| Ok(file.table()?.table().cursor_past_cache())).collect();
        let mut cursor = MergingCursor::new(cursors?);
        let mut writer = TableWriter::new(&self.factory, plan.target_file_bytes);
        let mut rule = DropRule::new(&[], 9);
        cursor.seek_to_first();
        while cursor.is_valid() {
            if rule.judge(cursor.key(), cursor.kind(), || true) == Verdict::Keep {
                writer.add(cursor.key(), cursor.kind(), cursor.value())?;
            }
            cursor.next();
        }
        cursor.status()?;
        let tables = writer.finish()?;
        let edit = VersionEdit {
            added: tables.into_iter().map(|table| (plan.output_level, table.meta)).collect(),
            removed: plan.inputs.iter().map(|(level, file)| (*level, file.meta().number)).collect(),
            ..VersionEdit::default()
        };
        Ok(version.apply(&edit, &self.cache)?)
    }
}
