//! Counts by engine, scenario and kind of file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::Engine;
use crate::image::Image;
use crate::plan::Planned;
use crate::supervise::Finding;
use crate::verdict::Verdict;

/// What one line of a table counts.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// How many bits there were to flip.
    pub bits: u64,
    /// How many flips each verdict was given to.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Silent losses of which the engine's own check tells; none, if it has no check
    /// or nothing was lost.
    pub told_by_check: Option<u64>,
    /// The first flip of each verdict, in words.
    pub examples: BTreeMap<Verdict, String>,
}

impl Counts {
    /// All flips.
    pub fn flips(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// Flips with this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// Adds what another line counts.
    pub fn add(&mut self, other: &Counts) {
        self.bits += other.bits;
        for (verdict, count) in &other.verdicts {
            *self.verdicts.entry(*verdict).or_default() += count;
        }
        if let Some(told) = other.told_by_check {
            *self.told_by_check.get_or_insert(0) += told;
        }
    }

    fn note(&mut self, finding: &Finding, example: String) {
        *self.verdicts.entry(finding.verdict).or_default() += 1;
        if let Some(told) = finding.told_by_check {
            *self.told_by_check.get_or_insert(0) += u64::from(told);
        }
        self.examples.entry(finding.verdict).or_insert(example);
    }
}

/// One line: what was flipped where, and what came of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The engine's name.
    pub engine: &'static str,
    /// The scenario's name.
    pub scenario: &'static str,
    /// The kind of file; of sectors of zeros, with that said.
    pub kind: String,
    /// The counts.
    pub counts: Counts,
}

/// The lines of one engine in one scenario, by kind of file.
pub fn rows(engine: &dyn Engine, scenario: &'static str, image: &Image, findings: &[Finding]) -> Vec<Row> {
    let mut by_kind: BTreeMap<String, Counts> = BTreeMap::new();
    for file in &image.files {
        for (in_zeros, ranges) in [(false, file.live()), (true, file.zeros())] {
            let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            by_kind.entry(kind(engine, &file.name, in_zeros)).or_default().bits += bytes * 8;
        }
    }
    for finding in findings {
        let Planned { flip, in_zeros } = finding.planned;
        let file = &image.files[flip.file].name;
        let example = format!("{} bit {}: {}", file.display(), flip.bit, finding.note);
        by_kind.entry(kind(engine, file, in_zeros)).or_default().note(finding, example);
    }
    by_kind.retain(|_, counts| counts.bits > 0);
    let row = |(kind, counts)| Row { engine: engine.name(), scenario, kind, counts };
    by_kind.into_iter().map(row).collect()
}

fn kind(engine: &dyn Engine, file: &Path, in_zeros: bool) -> String {
    format!("{}{}", engine.kind(file), if in_zeros { ", zeros" } else { "" })
}

/// The same lines, added up where `key` is equal, in the order of their first.
pub fn grouped<K: PartialEq>(rows: &[Row], key: impl Fn(&Row) -> K) -> Vec<(K, Counts)> {
    let mut groups: Vec<(K, Counts)> = Vec::new();
    for row in rows {
        let this = key(row);
        match groups.iter_mut().find(|(other, _)| *other == this) {
            Some((_, counts)) => counts.add(&row.counts),
            None => groups.push((this, row.counts.clone())),
        }
    }
    groups
}
