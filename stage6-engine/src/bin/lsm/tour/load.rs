//! Chapter 1: the words go in, and what each layer does with them.

use std::time::Instant;

use stage6_engine::memtable::sync::Mutex;
use stage6_engine::{Db, Event, Listener, TableInfo, WriteBatch};

use super::Tour;
use crate::database::settle;
use crate::failure::Failure;
use crate::{levels, show, watch};

/// How many words a batch has.
const BATCH_WORDS: usize = 100;

/// The merge that was begun last, in words.
#[derive(Debug, Default)]
pub(super) struct LastMerge(Mutex<Option<String>>);

impl Listener for LastMerge {
    fn on_event(&self, event: &Event) {
        if let Event::CompactionBegun { .. } = event {
            *self.0.lock() = Some(watch::line(event));
        }
    }
}

pub(super) fn chapter(tour: &mut Tour<'_>, db: &Db, last_merge: &LastMerge) -> Result<(), Failure> {
    tour.report.heading("The words go in, in no order")?;
    tour.report.say(&format!(
        "A batch of {BATCH_WORDS} words is one record of the journal (stage 2); then its words go into the memtable \
         (stage 1). A full memtable is flushed to a table of level 0 (stages 3 and 4). Compactions merge \
         tables into the levels below (stage 5). While the words go in:"
    ))?;
    load(tour, db, last_merge)?;
    settle(db)?;
    tour.report.say("And when all background work is done:")?;
    draw(tour, db)?;
    check(tour, db)
}

/// Writes all words, and draws the levels four times on the way, below the merge that
/// was begun last.
fn load(tour: &mut Tour<'_>, db: &Db, last_merge: &LastMerge) -> Result<(), Failure> {
    let Tour { report, words, .. } = tour;
    let full_bytes = full_bar_bytes(words.bytes());
    let entries = words.shuffled();
    let batches = entries.chunks(BATCH_WORDS);
    let quarters: Vec<usize> = (1..=4).map(|quarter| (batches.len() * quarter).div_ceil(4)).collect();
    let begin = Instant::now();
    for (index, words) in batches.enumerate() {
        write(db, words)?;
        if let Some(quarter) = quarters.iter().rposition(|end| *end == index + 1) {
            report.line(&progress(db, 25 * (quarter + 1), begin))?;
            if let Some(merge) = &*last_merge.0.lock() {
                report.indented(&show::shortened(merge, show::COLUMNS - 3))?;
            }
            for line in levels::picture(&db.levels(), full_bytes) {
                report.indented(&line)?;
            }
        }
    }
    Ok(())
}

fn write(db: &Db, words: &[(&[u8], &[u8])]) -> Result<(), Failure> {
    let mut batch = WriteBatch::new();
    for (word, definition) in words {
        batch.put(word, definition);
    }
    db.write(&batch)?;
    Ok(())
}

fn progress(db: &Db, percent: usize, begin: Instant) -> String {
    let stats = db.stats();
    format!(
        "{percent:>3} %  {:.2} s · {} of journal · {} wrote {} · {} wrote {}",
        begin.elapsed().as_secs_f64(),
        show::size(stats.bytes_written),
        show::counted(stats.flushes, "flush"),
        show::size(stats.flushed_bytes),
        show::counted(stats.compactions, "merge"),
        show::size(stats.compaction_bytes_written),
    )
}

/// Compressed text takes about two thirds of its size: the longest bar is what
/// the whole dictionary will take, so that the pictures can be compared.
fn full_bar_bytes(text_bytes: u64) -> u64 {
    text_bytes * 2 / 3
}

fn draw(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    let full_bytes = full_bar_bytes(tour.words.bytes());
    let lines = levels::picture(&db.levels(), full_bytes);
    lines.iter().try_for_each(|line| tour.report.indented(line))
}

fn check(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    let Tour { report, words, .. } = tour;
    let stats = db.stats();
    report.claim(
        stats.entries_written == words.count() && stats.visible_sequence == words.count(),
        &format!(
            "{} written and visible; tables took {:.1} bytes for each byte that came in",
            show::counted(stats.entries_written, "word"),
            stats.write_amplification()
        ),
    )?;
    let levels = db.levels();
    let (pairs, overlaps) = neighbours(&levels[1..]);
    report.claim(
        overlaps == 0,
        &format!(
            "below level 0 no two tables overlap: of {} of neighbours, {overlaps} do",
            show::counted(pairs, "pair")
        ),
    )?;
    report.claim_without_error(
        &db.check_invariants(),
        "manifest, levels and directory agree; every file belongs to somebody",
    )
}

/// How many neighbours there are on `levels`, and how many of them overlap.
fn neighbours(levels: &[Vec<TableInfo>]) -> (u64, u64) {
    let pairs = || levels.iter().flat_map(|tables| tables.windows(2));
    let overlaps = pairs().filter(|pair| pair[0].largest >= pair[1].smallest);
    (pairs().count() as u64, overlaps.count() as u64)
}
