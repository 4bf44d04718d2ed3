//! Chapters 4 and 5: the present changes, a snapshot keeps the past, and a
//! compaction gives back what nobody can read any more.

use stage6_engine::{CompactionReport, Db, Read, Snapshot, Stats, WriteBatch};

use super::Tour;
use super::words::Words;
use crate::args::Damage;
use crate::database::settle;
use crate::failure::Failure;
use crate::{levels, show};

/// Every so many words one is overwritten, and every so many one is deleted.
const OVERWRITE_EVERY: usize = 3;
const DELETE_EVERY: usize = 5;

pub(super) fn chapter(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    let snapshot = change_the_present(tour, db)?;
    compact(tour, db, snapshot)
}

/// Overwrites and deletes words while a snapshot is held, and reads both times.
fn change_the_present(tour: &mut Tour<'_>, db: &Db) -> Result<Snapshot, Failure> {
    tour.report.heading("Changing them, and reading the past")?;
    tour.report.say(
        "Nothing is changed in place: an overwritten word is a newer entry, a deletion is an entry too. A \
         snapshot is a number: it sees the newest entries up to it.",
    )?;
    let past = tour.words.clone();
    let early = db.snapshot()?;
    let changes = changes(&past);
    write(db, &changes)?;
    let snapshot = if tour.is_to_damage(Damage::Snapshot) { db.snapshot()? } else { early };
    changes.iter().for_each(|change| change.apply(&mut tour.words));

    check_the_past(tour, &snapshot, &past)?;
    check_the_present(tour, db, &changes)?;
    Ok(snapshot)
}

/// What becomes of a word.
enum Change {
    Overwrite { word: Vec<u8>, definition: Vec<u8> },
    Delete { word: Vec<u8> },
}

impl Change {
    fn apply(&self, words: &mut Words) {
        match self {
            Change::Overwrite { word, definition } => words.put(word, definition),
            Change::Delete { word } => words.delete(word),
        }
    }

    fn add_to(&self, batch: &mut WriteBatch) {
        match self {
            Change::Overwrite { word, definition } => batch.put(word, definition),
            Change::Delete { word } => batch.delete(word),
        };
    }
}

fn changes(words: &Words) -> Vec<Change> {
    let change = |(index, (word, definition)): (usize, (&[u8], &[u8]))| {
        let word = word.to_vec();
        if index % DELETE_EVERY == 0 {
            return Some(Change::Delete { word });
        }
        let definition = [b"(revised) ", definition].concat();
        (index % OVERWRITE_EVERY == 0).then_some(Change::Overwrite { word, definition })
    };
    words.iter().enumerate().filter_map(change).collect()
}

fn write(db: &Db, changes: &[Change]) -> Result<(), Failure> {
    let mut batch = WriteBatch::new();
    for changes in changes.chunks(100) {
        changes.iter().for_each(|change| change.add_to(&mut batch));
        db.write(&batch)?;
        batch.clear();
    }
    Ok(())
}

fn check_the_past(tour: &mut Tour<'_>, snapshot: &Snapshot, past: &Words) -> Result<(), Failure> {
    let missed = past.missed_by(snapshot)?;
    tour.report.claim(
        missed == 0,
        &format!(
            "at sequence {} the snapshot still finds {} of {}, as they were",
            show::number(snapshot.sequence()),
            show::number(past.count() - missed),
            show::counted(past.count(), "word"),
        ),
    )
}

fn check_the_present(tour: &mut Tour<'_>, db: &Db, changes: &[Change]) -> Result<(), Failure> {
    let deleted = changes.iter().filter(|change| matches!(change, Change::Delete { .. })).count() as u64;
    let is_same = tour.words.equal_walk(db.range(..))?;
    tour.report.claim(
        is_same,
        &format!(
            "at sequence {} the present has {}: {} overwritten, {} deleted",
            show::number(db.stats().visible_sequence),
            show::counted(tour.words.count(), "word"),
            show::number(changes.len() as u64 - deleted),
            show::number(deleted),
        ),
    )
}

/// Merges everything twice: with the snapshot, and when it is gone.
fn compact(tour: &mut Tour<'_>, db: &Db, snapshot: Snapshot) -> Result<(), Failure> {
    tour.report.heading("Compacting")?;
    tour.report.say(
        "A merge writes only what somebody can still read. With the snapshot that is the past too; once it \
         is gone, the newest entry of each word is enough.",
    )?;
    settle(db)?;
    draw(tour, "before", db)?;
    let held = merge_everything(tour, "with the snapshot", db)?;
    drop(snapshot);
    let free = merge_everything(tour, "without it", db)?;
    draw(tour, "after", db)?;
    check_what_is_left(tour, db, &held, &free)
}

fn merge_everything(tour: &mut Tour<'_>, when: &str, db: &Db) -> Result<Stats, Failure> {
    let CompactionReport {
        files_read,
        files_written,
        bytes_read,
        bytes_written,
        entries_hidden,
        deletions_spent,
        ..
    } = db.compact_range(..)?;
    settle(db)?;
    tour.report.line(&format!(
        "merged {when}: {}, {} -> {}, {}; {} hidden, {} dropped",
        show::counted(files_read, "table"),
        show::size(bytes_read),
        show::number(files_written),
        show::size(bytes_written),
        show::number(entries_hidden),
        show::counted(deletions_spent, "deletion"),
    ))?;
    Ok(db.stats())
}

fn draw(tour: &mut Tour<'_>, when: &str, db: &Db) -> Result<(), Failure> {
    let levels = db.levels();
    let largest = tour.words.bytes();
    tour.report.line(when)?;
    levels::picture(&levels, largest).iter().try_for_each(|line| tour.report.indented(line))
}

fn check_what_is_left(tour: &mut Tour<'_>, db: &Db, held: &Stats, free: &Stats) -> Result<(), Failure> {
    let is_same = tour.words.equal_walk(db.range(..))?;
    let words = show::counted(tour.words.count(), "word");
    tour.report.claim(is_same, &format!("the contents are the same as before: {words}"))?;
    let deletions: u64 = db.levels().iter().flatten().map(|table| table.deletions).sum();
    tour.report.claim(
        free.table_entries == tour.words.count() && deletions == 0,
        &format!(
            "one entry for each word is left: {} of {}, {deletions} deletions; {} given back",
            show::number(free.table_entries),
            show::number(held.table_entries),
            show::size(held.table_bytes.saturating_sub(free.table_bytes)),
        ),
    )
}
