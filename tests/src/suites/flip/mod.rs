//! Damaged files: an error that names the file and a place in it, or the answers that
//! were right before. Never a wrong one, never a panic, never a hang.
//!
//! ```text
//!   seed ─▶ one database, left in three ways, one with padding, one of equal blocks
//!             │ every bit of every file flipped, every length cut to, every sector
//!             │ zeroed; every two files and every two blocks swapped
//!             ▼
//!           refused     names file and offset
//!           unchanged   in what nobody needs
//!           shorter     what no reader can tell from a torn tail
//! ```
//!
//! A case replays with `--seed N --cases 1`, one damage in it with
//! `--at killed/000006.sst/bit-812`.
//!
//! - [`damage`]: what happens to the bytes of one file.
//! - [`subject`]: a database with every kind of file.
//! - [`verdict`]: what a database makes of damage.
//! - `table`, `watch`: what was counted; whether it goes on.
//! - `attack`: all damages, and what is right about the verdicts.

pub mod damage;
pub mod verdict;
pub mod subject;
mod table;
mod watch;
mod attack;

use std::sync::{Mutex, PoisonError};

use stage6_engine::Codec;
use stage6_engine::wal::layout::Field;
use stage6_engine::wal::vfs::FileId;

use crate::suite::{Course, Failure, Outcome, Suite, Tally};
use attack::Attack;
use damage::Damage;
use subject::{Ending, Subject};
use table::Table;
use watch::Watch;

/// Every bit, cut, zeroed sector and swap.
pub const SUITE: Suite = Suite {
    name: "flip",
    about: "every bit, cut and zeroed sector of every kind of file; files and blocks swapped",
    targets: &[("damages", 1_000_000), ("pairs of files swapped", 500), ("blocks of another table", 500)],
    run: torture,
};

/// What else is counted, beside damages to one file.
const SWAPS: [&str; 3] = ["pairs of files swapped", "pairs of blocks swapped", "blocks of another table"];

fn torture(course: &Course) -> Outcome {
    let (watch, table) = (Watch::default(), Mutex::new(Table::default()));
    let case = |seed| {
        let (mut found, tally) = database(seed, course.at.as_deref(), &watch)?;
        if seed != course.seed {
            found.forget_ranges();
        }
        table.lock().unwrap_or_else(PoisonError::into_inner).merge(found);
        Ok(tally)
    };
    let rest = watch.over(|| course.cases(2, 24, case))?;
    let table = table.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{table}");
    let mut tally = table.tally();
    tally.merge(rest);
    match &course.at {
        None => check_needed(&table).map_err(Failure::new)?,
        Some(at) if tally.get("damages") + SWAPS.iter().map(|swaps| tally.get(swaps)).sum::<u64>() == 0 => {
            return Err(Failure::new(format!(
                "--at {at}: there is no such place, such as killed/CURRENT/bit-12"
            )));
        }
        Some(_) => {}
    }
    Ok(tally)
}

/// Attacks the database of `seed`; odd ones are not compressed, even ones are.
fn database(seed: u64, only: Option<&str>, watch: &Watch) -> Result<(Table, Tally), Box<Failure>> {
    let codec = if seed % 2 == 1 { Codec::None } else { Codec::Lz4 };
    let (mut table, mut tally) = (Table::default(), Tally::of("databases", 1));
    let mut killed = None;
    for ending in Ending::ALL {
        let subject = Subject::write(seed + 2, codec, ending).map_err(unexpected)?;
        check_size(&subject).map_err(Failure::new)?;
        let mut attack = Attack::new(&subject, only, watch);
        // A table that is the same as before was struck then: what lies in the
        // logs is nothing to it.
        let is_same = |file| matches!(file, FileId::Table(_)) && is_same(killed.as_ref(), &subject, file);
        attack.strike_files(|file| !is_same(file))?;
        if ending == Ending::Killed {
            attack.swap_files()?;
            attack.swap_blocks()?;
        }
        table.merge(attack.table);
        tally.merge(attack.tally);
        killed.get_or_insert(subject);
    }
    for (more, rest) in [padded(only, watch)?, exchanged(only, watch)?] {
        table.merge(more);
        tally.merge(rest);
    }
    Ok((table, tally))
}

fn is_same(first: Option<&Subject>, subject: &Subject, file: FileId) -> bool {
    first.is_some_and(|first| first.image.get(&file) == subject.image.get(&file))
}

/// Flips every bit at the front and at the end of each field of a log with padding.
fn padded(only: Option<&str>, watch: &Watch) -> Result<(Table, Tally), Box<Failure>> {
    let subject = Subject::with_padding().map_err(unexpected)?;
    let log = subject.logs().last().ok_or_else(|| Failure::new("it has no log"))?;
    let fields = subject.layout(log).map_err(unexpected)?;
    let bits = fields.iter().flat_map(ends).flat_map(|byte| byte * 8..byte * 8 + 8).map(Damage::Bit);
    let mut attack = Attack::new(&subject, only, watch);
    attack.strike(log, bits)?;
    Ok((attack.table, attack.tally))
}

/// Swaps blocks that are alike in all but their keys.
fn exchanged(only: Option<&str>, watch: &Watch) -> Result<(Table, Tally), Box<Failure>> {
    let subject = Subject::with_equal_blocks().map_err(unexpected)?;
    let mut attack = Attack::new(&subject, only, watch);
    attack.swap_blocks()?;
    Ok((attack.table, attack.tally))
}

/// A few bytes at both ends of a field.
fn ends(field: &Field) -> impl Iterator<Item = usize> + use<> {
    let head = field.start..field.end.min(field.start + 4);
    let tail = field.end.saturating_sub(12).max(head.end)..field.end;
    head.chain(tail)
}

fn check_size(subject: &Subject) -> Result<(), String> {
    let (levels, tables, logs) = (subject.levels(), subject.tables().count(), subject.logs().count());
    match levels >= 3 && tables >= 4 && logs >= 2 {
        true => Ok(()),
        false => Err(format!("the database shrank: {levels} levels, {tables} tables, {logs} logs")),
    }
}

/// What no single verdict shows: every byte of a table and of `CURRENT` is needed,
/// padding is needed by nobody, and the end of the newest log can always be lost.
fn check_needed(table: &Table) -> Result<(), String> {
    for file in ["CURRENT", "table"] {
        for damage in ["one bit flipped", "cut short", "a sector zeroed"] {
            if table.untold(file, damage) > 0 {
                return Err(format!("not every byte of a {file} is needed: {damage}"));
            }
        }
    }
    if table.unchanged("newest log", "padding") == 0 || table.untold("newest log", "cut short") == 0 {
        return Err("padding, or the end of the newest log, is needed".to_owned());
    }
    Ok(())
}

fn unexpected(error: impl std::fmt::Display) -> Box<Failure> {
    Failure::new(format!("on an undamaged disk: {error}"))
}
