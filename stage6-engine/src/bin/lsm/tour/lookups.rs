//! Chapter 2: one word among many, and one that is not among them.

use std::cmp::Reverse;
use std::time::Instant;

use stage6_engine::memtable::lookup::Touch;
use stage6_engine::{Db, Value};

use super::Tour;
use super::words::Words;
use crate::args::Damage;
use crate::failure::Failure;
use crate::{explain, show};

/// Words to show a lookup with.
const SPECIMENS: [&str; 8] = [
    "serendipity",
    "lighthouse",
    "dragonfly",
    "nightingale",
    "compaction",
    "journal",
    "saxophone",
    "avalanche",
];

/// How many absent words are asked.
const ABSENT_WORDS: usize = 10_000;

/// The most false maybes of `filters` that were asked. About one answer in a
/// hundred is one, with ten bits a key; chance is given some room.
fn most_false_maybes(filters: u64) -> u64 {
    3 + filters * 3 / 100
}

pub(super) fn chapter(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    tour.report.heading("Looking words up")?;
    tour.report.say(
        "A lookup asks the memtable, then level 0 from the newest table to the oldest, then one table a \
         level. Before a table its filter is asked (stage 4): a no is certain, and no block is read.",
    )?;
    let absent = absent_words(&tour.words);
    let specimens = SPECIMENS.map(|word| tour.words.specimen(word));
    show_longest_way(tour, db, &specimens)?;
    show_longest_way(tour, db, &absent[..absent.len().min(100)])?;
    check_all_words(tour, db)?;
    check_absent_words(tour, db, &absent)
}

/// Gets each of `words`, and shows all that the one with the longest way touched:
/// the most tables, and of these the fewest blocks.
fn show_longest_way(tour: &mut Tour<'_>, db: &Db, words: &[Vec<u8>]) -> Result<(), Failure> {
    let explain = |word| db.explain_get(word).map(|(value, touched)| (word, value, touched));
    let lookups: Vec<(&Vec<u8>, Option<Value>, Vec<Touch>)> =
        words.iter().map(explain).collect::<Result<_, _>>()?;
    let longest = lookups.into_iter().rev().max_by_key(|(_, _, touched)| length(touched));
    let (word, value, touched) = longest.expect("there is at least one word");
    tour.report.line(&format!("get {}", show::shortened(&show::on_one_line(&show::text(word)), 60)))?;
    for line in explain::way(&touched, "word") {
        tour.report.indented(&line)?;
    }
    let answer = value.map_or_else(|| "no such word".to_owned(), |value| show::text(&value));
    tour.report.indented(&show::shortened(&format!("= {}", show::on_one_line(&answer)), show::COLUMNS - 3))
}

fn length(touched: &[Touch]) -> (usize, Reverse<usize>) {
    let count = |wanted: fn(&Touch) -> bool| touched.iter().filter(|touch| wanted(touch)).count();
    (
        count(|touch| matches!(touch, Touch::Table { .. })),
        Reverse(count(|touch| matches!(touch, Touch::Block { .. }))),
    )
}

/// Words of the input with an ending that makes them none.
fn absent_words(words: &Words) -> Vec<Vec<u8>> {
    let candidates = words.shuffled().into_iter().map(|(word, _)| [word, b"-ish"].concat());
    candidates.filter(|word| !words.contains(word)).take(ABSENT_WORDS).collect()
}

fn check_all_words(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    if tour.is_to_damage(Damage::Word) {
        db.delete(tour.words.specimen("tree"))?;
    }
    let begin = Instant::now();
    let missed = tour.words.missed_by(db)?;
    let count = tour.words.count();
    tour.report.claim(
        missed == 0,
        &format!(
            "{} of {} found with their definitions, {}",
            show::number(count - missed),
            show::counted(count, "word"),
            show::each(begin.elapsed(), count)
        ),
    )
}

/// What asking for absent words touched.
#[derive(Default)]
struct Touched {
    found: u64,
    tables: u64,
    refusals: u64,
    blocks: u64,
    words_without_block: u64,
}

impl Touched {
    fn add(&mut self, touched: &[Touch]) {
        let count = |wanted: fn(&Touch) -> bool| touched.iter().filter(|touch| wanted(touch)).count() as u64;
        let blocks = count(|touch| matches!(touch, Touch::Block { .. }));
        self.tables += count(|touch| matches!(touch, Touch::Table { .. }));
        self.refusals += count(|touch| matches!(touch, Touch::Filter { may_contain: false }));
        self.blocks += blocks;
        self.words_without_block += u64::from(blocks == 0);
    }
}

fn check_absent_words(tour: &mut Tour<'_>, db: &Db, absent: &[Vec<u8>]) -> Result<(), Failure> {
    let mut sum = Touched::default();
    let begin = Instant::now();
    for word in absent {
        let (value, touched) = db.explain_get(word)?;
        sum.found += u64::from(value.is_some());
        sum.add(&touched);
    }
    let asked = absent.len() as u64;
    tour.report.claim(
        sum.found == 0 && sum.blocks <= most_false_maybes(sum.tables),
        &format!(
            "{} of {} cost no block, {}: of {} filters {} said no, {} a false maybe",
            show::number(sum.words_without_block),
            show::counted(asked, "absent word"),
            show::each(begin.elapsed(), asked),
            show::number(sum.tables),
            show::number(sum.refusals),
            show::number(sum.tables - sum.refusals),
        ),
    )
}
