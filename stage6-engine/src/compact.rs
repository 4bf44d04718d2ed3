//! Compaction at the running database: when, and by whose order.
//!
//! ```text
//!   in the background   strategy.pick(version) ──▶ plan ──▶ run ──▶ install
//!                       else, once scans have paid for it: pick_for_scans(version)
//!   by compact_range    everything that overlaps the range ──▶ one plan ──▶ …
//! ```
//!
//! What a compaction does stands in stage 5; here is only who may start one. One
//! runs at a time, so the files that a plan names are there until it is
//! installed. A flush may run beside it: it only adds to level 0, above
//! everything that the plan takes.

use std::sync::Arc;

use stage5_compaction::compaction::{Plan, run};
use stage5_compaction::file::LEVELS;
use stage5_compaction::memtable::key::OwnedKey;
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::version::Version;

use crate::engine::{Engine, Writer};
use crate::error::Result;
use crate::events::Event;
use crate::range::{Bounds, check_order};
use crate::state::State;

/// What a manual compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// How many tables were merged.
    pub files_read: u64,
    /// How many tables were written.
    pub files_written: u64,
    /// The size of the tables merged, in bytes.
    pub bytes_read: u64,
    /// The size of the tables written, in bytes.
    pub bytes_written: u64,
    /// Entries dropped because a newer version hides them.
    pub entries_hidden: u64,
    /// Deletions dropped because they hide nothing any more.
    pub deletions_spent: u64,
    /// The level on which the range lies now.
    pub level: usize,
}

impl Engine {
    /// Carries out the compaction that the strategy wants, if it wants one.
    pub(crate) fn compact_once(&self, writer: &Writer) -> Result<()> {
        self.compact(writer, |state| self.plan_due(state)).map(drop)
    }

    /// What writes need first; then what scans have paid for.
    pub(crate) fn plan_due(&self, state: &State) -> Option<Plan> {
        let strategy = &self.options.strategy;
        let for_scans = || state.toll.is_paid().then(|| strategy.pick_for_scans(&state.version));
        strategy.pick(&state.version).or_else(|| for_scans().flatten())
    }

    /// Flushes, and merges everything that overlaps `bounds` into one level.
    pub(crate) fn compact_range(&self, bounds: &Bounds) -> Result<CompactionReport> {
        check_order(bounds)?;
        self.flush()?;
        let writer = self.writer()?;
        let report = self.compact(writer, |state| self.plan_for(bounds, &state.version))?;
        Ok(report.unwrap_or_default())
    }

    /// Carries out what `plan` chooses from the current state.
    fn compact(
        &self,
        writer: &Writer,
        plan: impl FnOnce(&State) -> Option<Plan>,
    ) -> Result<Option<CompactionReport>> {
        // Let go last: by then the inputs are, so they can be removed.
        let _compacting = writer.alone();
        self.check_open()?;
        // Not the state: its memtables would stay for as long as this takes.
        let (plan, version) = {
            let state = self.published.load_full();
            (plan(&state), Arc::clone(&state.version))
        };
        plan.map(|plan| self.carry_out(writer, &plan, &version)).transpose()
    }

    fn carry_out(&self, writer: &Writer, plan: &Plan, version: &Version) -> Result<CompactionReport> {
        let began = self.options.runtime.now();
        self.emit(|| Event::CompactionBegun {
            reason: plan.reason.clone(),
            tables: plan.inputs.len(),
            bytes: plan.input_bytes(),
            output_level: plan.output_level,
            is_move: plan.is_trivial_move(),
        });
        let mut outcome = run(plan, version, self.snapshots.drop_rule(), &writer.factory)?;
        let report = CompactionReport {
            files_read: plan.inputs.len() as u64,
            files_written: outcome.tables.len() as u64,
            bytes_read: outcome.work.bytes_read,
            bytes_written: outcome.work.bytes_written,
            entries_hidden: outcome.work.entries_hidden,
            deletions_spent: outcome.work.deletions_spent,
            level: plan.output_level,
        };
        self.install(writer, &mut outcome, State::with_version)?;
        match plan.is_trivial_move() {
            true => self.counters.count_move(plan),
            false => self.counters.count_compaction(&outcome.work),
        }
        self.emit(|| Event::CompactionEnded {
            tables: outcome.tables.len(),
            bytes: outcome.work.bytes_written,
            entries_hidden: outcome.work.entries_hidden,
            deletions_spent: outcome.work.deletions_spent,
            took: self.options.runtime.now() - began,
        });
        Ok(report)
    }

    /// Every file that overlaps `bounds`, and every file that overlaps one of
    /// those, until there are no more: then no order between levels is broken,
    /// whichever level the outcome goes to.
    fn plan_for(&self, bounds: &Bounds, version: &Version) -> Option<Plan> {
        let (mut smallest, mut largest) = clamp(bounds, version)?;
        let mut inputs: Vec<(usize, Arc<TableFile>)> = Vec::new();
        loop {
            let found: Vec<(usize, Arc<TableFile>)> = (0..LEVELS)
                .flat_map(|level| {
                    let files = version.overlapping(level, &smallest, &largest);
                    files.into_iter().map(move |file| (level, file))
                })
                .collect();
            if found.len() == inputs.len() {
                break;
            }
            inputs = found;
            for (_, file) in &inputs {
                smallest = smallest.min(file.meta().smallest.user_key.to_vec());
                largest = largest.max(file.meta().largest.user_key.to_vec());
            }
        }
        let lowest = inputs.iter().map(|(level, _)| *level).max()?;
        let output_level = if lowest == 0 { self.options.strategy.base_level(version) } else { lowest };
        Some(Plan {
            inputs,
            output_level,
            target_file_bytes: self.options.strategy.target_file_bytes(output_level),
            reason: "asked for by hand".to_owned(),
            rewrites: true,
        })
    }
}

/// The ends of `bounds` as keys that overlap at least what lies inside; `None`
/// when there is no table.
fn clamp(bounds: &Bounds, version: &Version) -> Option<(Vec<u8>, Vec<u8>)> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let (first, last): (OwnedKey, OwnedKey) = version.key_range()?;
    let smallest = match &bounds.0 {
        Unbounded => first.user_key.to_vec(),
        Included(key) | Excluded(key) => key.to_vec(),
    };
    let largest = match &bounds.1 {
        Unbounded => last.user_key.to_vec(),
        Included(key) | Excluded(key) => key.to_vec(),
    };
    Some((smallest, largest))
}
