//! Chapter 3: all words in order, backward, and those with a common beginning.

use std::time::Instant;

use stage6_engine::{Db, Read};

use super::Tour;
use super::words::{is_same_walk, shown};
use crate::args::Damage;
use crate::failure::Failure;
use crate::show;

/// How many words of a prefix are shown from each end.
const SHOWN: usize = 2;

pub(super) fn chapter(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    tour.report.heading("Walking through them")?;
    tour.report.say(
        "A walk merges memtables, the tables of level 0 and one cursor a level into one order. It goes \
         both ways, and can begin anywhere.",
    )?;
    if tour.is_to_damage(Damage::Walk) {
        db.put([&tour.words.specimen("tree")[..], b" that was never there"].concat(), "")?;
    }
    check_whole_walks(tour, db)?;
    check_prefix(tour, db)
}

fn check_whole_walks(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    let Tour { report, words, .. } = tour;
    let count = words.count();
    let begin = Instant::now();
    let is_whole = words.equal_walk(db.range(..))?;
    let forward = show::each(begin.elapsed(), count);
    let claim =
        format!("forward: {} in order, each with its definition, {forward}", show::counted(count, "word"));
    report.claim(is_whole, &claim)?;

    let begin = Instant::now();
    let is_mirror = is_same_walk(db.range(..).rev(), words.iter().rev())?;
    let backward = show::each(begin.elapsed(), count);
    report.claim(is_mirror, &format!("backward: the same words, from the last to the first, {backward}"))
}

fn check_prefix(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    let Tour { report, words, .. } = tour;
    let prefix = prefix_of(&words.specimen("photograph"));
    let expected: Vec<_> = words.beginning_with(&prefix).collect();
    report.line(&format!("words that begin with {}:", show::on_one_line(&show::text(&prefix))))?;
    for (index, entry) in expected.iter().enumerate() {
        if index < SHOWN || index + SHOWN >= expected.len() {
            report.indented(&shown(*entry))?;
        } else if index == SHOWN {
            report.indented("…")?;
        }
    }
    let is_same = is_same_walk(db.prefix(&prefix), expected.iter().copied())?;
    let is_mirror = is_same_walk(db.prefix(&prefix).rev(), expected.iter().copied().rev())?;
    let claim = format!(
        "{} have this prefix, as many as in the input, in both directions",
        show::counted(expected.len() as u64, "word")
    );
    report.claim(is_same && is_mirror, &claim)
}

/// The first letters of `word`: enough to leave few words, and some.
fn prefix_of(word: &[u8]) -> Vec<u8> {
    word[..word.len().min(6)].to_vec()
}
