//! How many keys a search looks at while a map grows: the skip list of the memtable, a
//! `BTreeMap` and a `HashMap`; and what an entry of a memtable occupies.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::hash::BuildHasherDefault;

use stage1_memtable::key::Kind;
use stage1_memtable::memtable::MemTable;

use super::prelude::{Counted, Dice, comparisons, number, row};
use super::skip_list::SkipList;
use super::{Outcome, Output};

const COUNTS: [usize; 6] = [250, 1_000, 4_000, 16_000, 64_000, 256_000];
/// No more keys than so many of each map are searched for.
const SEARCHES: usize = 10_000;

pub(super) fn run(out: &mut Output) -> Outcome {
    growth(out);
    orders(out);
    bytes(out);
    Ok(())
}

fn growth(out: &mut Output) {
    out.part("growth");
    let widths = [8, 22, 8, 22, 22, 22];
    let heading: [&dyn Display; 6] = [
        &"keys",
        &"a skip list looks at",
        &"at most",
        &"more than a row above",
        &"a BTreeMap compares",
        &"a HashMap compares",
    ];
    out.line(row(&widths, &heading));
    let mut above = None;
    for count in COUNTS {
        let keys = keys(count);
        let Looks { mean, most } = Looks::of(&keys);
        let more = above.replace(mean).map_or_else(String::new, |above| format!("{:.1}", mean - above));
        let [tree, hash] =
            [tree_comparisons(&keys), hash_comparisons(&keys)].map(|mean| format!("{mean:.1}"));
        out.line(row(&widths, &[&number(count as u64), &format!("{mean:.1}"), &most, &more, &tree, &hash]));
    }
}

/// The same keys in three orders, and keys that fit the throws.
fn orders(out: &mut Output) {
    out.part("orders");
    let widths = [22, 22, 8];
    out.line(row(&widths, &[&"16,000 keys inserted", &"a skip list looks at", &"at most"]));
    let drawn = keys(16_000);
    let mut ascending = drawn.clone();
    ascending.sort();
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    let cases = [
        ("as they were drawn", drawn),
        ("ascending", ascending),
        ("descending", descending),
        ("chosen by the throws", chosen(16_000)),
    ];
    for (name, keys) in cases {
        let Looks { mean, most } = Looks::of(&keys);
        out.line(row(&widths, &[&name, &format!("{mean:.1}"), &most]));
    }
}

/// What somebody inserts who knows the throws: the low towers side by side, and the high ones
/// where nobody passes.
fn chosen(count: usize) -> Vec<String> {
    let mut list = SkipList::default();
    (0..count).for_each(|key| list.insert(key));
    let key = |(number, _, height): (&usize, usize, usize)| match height {
        1 => format!("fig{:05}", count - number),
        _ => format!("kiwi{number:05}"),
    };
    list.towers().into_iter().map(key).collect()
}

/// What a memtable counts for its entries, beside what was written.
fn bytes(out: &mut Output) {
    out.part("bytes");
    let widths = [28, 22, 22, 22];
    out.line(row(&widths, &[&"1,000 entries", &"bytes written", &"bytes counted", &"more for each"]));
    for (name, value_bytes) in [("keys of 16, no value", 0), ("keys of 16, values of 100", 100)] {
        let memtable = MemTable::new();
        let mut written = 0;
        for sequence in 1..=1_000 {
            let (key, value) = (format!("fruit{sequence:011}"), vec![b'x'; value_bytes]);
            memtable.insert(sequence, Kind::Value, key.as_bytes(), &value);
            written += key.len() + value.len();
        }
        let counted = memtable.size_bytes();
        let [shown, sum] = [written, counted].map(|bytes| number(bytes as u64));
        out.line(row(&widths, &[&name, &shown, &sum, &((counted - written) / memtable.len())]));
    }
}

/// So many different keys, in no order.
fn keys(count: usize) -> Vec<String> {
    let mut dice = Dice::seeded(1);
    (0..count).map(|_| format!("fruit{:016x}", dice.next())).collect()
}

/// Those that are searched for.
fn sought(keys: &[String]) -> impl Iterator<Item = &String> {
    keys.iter().step_by(keys.len().div_ceil(SEARCHES))
}

/// Of the searches in a skip list.
struct Looks {
    mean: f64,
    most: usize,
}

impl Looks {
    fn of(keys: &[String]) -> Looks {
        let mut list = SkipList::default();
        keys.iter().for_each(|key| list.insert(key));
        let looks: Vec<usize> = sought(keys).map(|key| list.looks(&key)).collect();
        let mean = looks.iter().sum::<usize>() as f64 / looks.len() as f64;
        Looks { mean, most: looks.into_iter().max().unwrap_or(0) }
    }
}

fn tree_comparisons(keys: &[String]) -> f64 {
    let tree: BTreeMap<Counted<&String>, ()> = keys.iter().map(|key| (Counted(key), ())).collect();
    mean_comparisons(keys, |key| tree.contains_key(key))
}

/// With the standard library's hash function, but the same in every run.
fn hash_comparisons(keys: &[String]) -> f64 {
    let map: HashMap<Counted<&String>, (), BuildHasherDefault<DefaultHasher>> =
        keys.iter().map(|key| (Counted(key), ())).collect();
    mean_comparisons(keys, |key| map.contains_key(key))
}

fn mean_comparisons<'a>(keys: &'a [String], is_there: impl Fn(&Counted<&'a String>) -> bool) -> f64 {
    let before = comparisons();
    let found = sought(keys).filter(|key| is_there(&Counted(key))).count();
    (comparisons() - before) as f64 / found as f64
}
