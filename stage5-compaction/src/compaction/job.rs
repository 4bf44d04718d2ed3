//! Carries a plan out: merge, drop, write.
//!
//! ```text
//!   inputs ─▶ cursors ─▶ MergingCursor ─▶ DropRule ─▶ TableWriter ─▶ NewTable …
//! ```
//!
//! A flush and a compaction are the same merge; they differ only in where the
//! entries come from ([`merge_into_tables`] serves both). Nothing is changed
//! here: the outcome is an edit and some tables, and
//! [`VersionSet::install`](crate::version_set::VersionSet::install) makes them count.

use std::sync::Arc;

use stage4_bloom::memtable::cursor::Cursor;
use stage4_bloom::memtable::error::Result;

use super::drop_rule::{DropRule, Verdict};
use super::strategy::Plan;
use crate::concat::ConcatCursor;
use crate::edit::VersionEdit;
use crate::merge::MergingCursor;
use crate::source::SourceCursor;
use crate::table_cache::TableFile;
use crate::table_writer::{NewTable, TableFactory, TableWriter};
use crate::version::Version;

/// What a job made: to be installed, or discarded.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The change of the version.
    pub edit: VersionEdit,
    /// The tables that it adds.
    pub tables: Vec<NewTable>,
    /// What was read and written.
    pub work: Work,
}

/// How much a job did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Entries read.
    pub entries_read: u64,
    /// Entries dropped, because a newer version hides them.
    pub entries_hidden: u64,
    /// Deletions dropped, because they hide nothing any more.
    pub deletions_spent: u64,
    /// Bytes of the input tables.
    pub bytes_read: u64,
    /// Bytes of the output tables.
    pub bytes_written: u64,
}

/// Carries out `plan` on `version`.
///
/// # Errors
/// That of reading an input or writing an output; what was written is removed.
pub fn run(plan: &Plan, version: &Version, rule: DropRule, factory: &TableFactory) -> Result<Outcome> {
    let mut outcome =
        if plan.is_trivial_move() { move_files(plan) } else { merge(plan, version, rule, factory)? };
    outcome.edit.removed = plan.inputs.iter().map(|(level, file)| (*level, file.meta().number)).collect();
    Ok(outcome)
}

fn merge(plan: &Plan, version: &Version, rule: DropRule, factory: &TableFactory) -> Result<Outcome> {
    let cursors = input_cursors(plan)?;
    let level = plan.output_level;
    let mut outcome = merge_into_tables(cursors, version, level, plan.target_file_bytes, rule, factory)?;
    outcome.work.bytes_read = plan.input_bytes();
    Ok(outcome)
}

/// Merges `cursors` into tables of `level`, dropping what `rule` lets go.
///
/// # Errors
/// As [`run`].
pub fn merge_into_tables<C: Cursor>(
    cursors: Vec<C>,
    version: &Version,
    level: usize,
    target_file_bytes: u64,
    rule: DropRule,
    factory: &TableFactory,
) -> Result<Outcome> {
    let mut writer = TableWriter::new(factory, target_file_bytes);
    let mut work = Work::default();
    match pour(cursors, version, level, rule, &mut writer, &mut work) {
        Ok(tables) => {
            work.bytes_written = tables.iter().map(|table| table.meta.size_bytes).sum();
            let added = tables.iter().map(|table| (level, table.meta.clone())).collect();
            Ok(Outcome { edit: VersionEdit { added, ..VersionEdit::default() }, tables, work })
        }
        Err(error) => {
            writer.discard();
            Err(error)
        }
    }
}

fn pour<C: Cursor>(
    cursors: Vec<C>,
    version: &Version,
    level: usize,
    mut rule: DropRule,
    writer: &mut TableWriter<'_>,
    work: &mut Work,
) -> Result<Vec<NewTable>> {
    let mut cursor = MergingCursor::new(cursors);
    cursor.seek_to_first();
    while cursor.is_valid() {
        let key = cursor.key();
        work.entries_read += 1;
        match rule.judge(key, cursor.kind(), || version.is_bottom_for(level, key.user_key)) {
            Verdict::Keep => writer.add(key, cursor.kind(), cursor.value())?,
            Verdict::Hidden => work.entries_hidden += 1,
            Verdict::Spent => work.deletions_spent += 1,
        }
        cursor.next();
    }
    cursor.status()?;
    writer.finish()
}

/// A cursor for each file of level 0 and one for the files of each other level.
fn input_cursors(plan: &Plan) -> Result<Vec<SourceCursor>> {
    let mut cursors = Vec::new();
    let mut levels: Vec<(usize, Vec<Arc<TableFile>>)> = Vec::new();
    for (level, file) in &plan.inputs {
        if *level == 0 {
            cursors.push(SourceCursor::Table(file.table()?.table().cursor_past_cache()));
            continue;
        }
        match levels.iter_mut().find(|(known, _)| known == level) {
            Some((_, files)) => files.push(Arc::clone(file)),
            None => levels.push((*level, vec![Arc::clone(file)])),
        }
    }
    cursors.extend(
        levels.into_iter().map(|(_, files)| SourceCursor::Level(ConcatCursor::past_cache(files.into()))),
    );
    Ok(cursors)
}

fn move_files(plan: &Plan) -> Outcome {
    let added = plan.inputs.iter().map(|(_, file)| (plan.output_level, file.meta().clone())).collect();
    Outcome { edit: VersionEdit { added, ..VersionEdit::default() }, ..Outcome::default() }
}
