//! How many comparisons a merge needs for each entry: to look at the front of every list, against
//! three ways to use a heap, of which the last is the engine's; and how many of them the first 16
//! bytes of the keys decide.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Display;
use std::rc::Rc;

use bytes::Bytes;
use stage1_memtable::cursor::Cursor;
use stage1_memtable::error::Result;
use stage1_memtable::key::{InternalKey, KeyHeads, Kind};
use stage5_compaction::merge::MergingCursor;

use super::prelude::{Counted, Dice, comparisons, row};
use super::{Outcome, Output};

const ENTRIES: u64 = 20_000;
const INPUTS: [u64; 6] = [2, 4, 8, 16, 32, 64];

/// Sorted lists.
type Lists = Vec<Vec<u64>>;

/// Merges the lists into one.
type Merge = fn(&Lists) -> Vec<u64>;

const MERGES: [(&str, Merge); 4] = [
    ("look at all", look_at_all),
    ("pop and push", pop_and_push),
    ("replace the first", replace_the_first),
    ("ask the runner-up", ask_the_runner_up),
];

pub(super) fn run(out: &mut Output) -> Outcome {
    for (name, share_of_first) in [("even", 0), ("uneven", 90)] {
        out.part(name);
        let widths = [6, 12, 13, 18, 18];
        let [all, pop, replace, ask] = MERGES.map(|(name, _)| name);
        out.line(row(&widths, &[&"inputs", &all, &pop, &replace, &ask]));
        for inputs in INPUTS {
            let lists = spread(inputs, share_of_first);
            let counts = MERGES.map(|(_, merge)| count(merge, &lists));
            assert_eq!(counts[3], of_the_engine(&lists), "the last column is the engine's");
            let [all, pop, replace, ask] = counts.map(|count| tenths(count, ENTRIES));
            out.line(row(&widths, &[&inputs, &all, &pop, &replace, &ask]));
        }
    }
    out.part("heads");
    let widths = [44, 14, 20];
    out.line(row(&widths, &[&"keys", &"comparisons", &"ask the sources"]));
    for (name, keys) in kinds_of_keys() {
        let (all, asked) = decided(&keys);
        let cells: [&dyn Display; 3] = [&name, &tenths(all, ENTRIES), &tenths(asked, ENTRIES)];
        out.line(row(&widths, &cells));
    }
    Ok(())
}

/// Spreads the numbers below [`ENTRIES`]: so many of a hundred go to the first list, the rest to
/// all alike.
fn spread(inputs: u64, share_of_first: u64) -> Lists {
    let mut dice = Dice::seeded(9);
    let mut lists = vec![Vec::new(); inputs as usize];
    for entry in 0..ENTRIES {
        let list = if dice.below(100) < share_of_first { 0 } else { dice.below(inputs) };
        lists[list as usize].push(entry);
    }
    lists
}

/// The comparisons of a merge, which must bring all numbers in their order.
fn count(merge: Merge, lists: &Lists) -> u64 {
    let before = comparisons();
    let merged = merge(lists);
    let counted = comparisons() - before;
    assert!(merged.into_iter().eq(0..ENTRIES), "a merge is one sorted list");
    counted
}

fn look_at_all(lists: &Lists) -> Vec<u64> {
    let mut places = vec![0; lists.len()];
    let mut merged = Vec::new();
    loop {
        let fronts = lists.iter().zip(&places).enumerate();
        let fronts =
            fronts.filter_map(|(list, (entries, place))| Some((Counted(*entries.get(*place)?), list)));
        let Some((Counted(first), list)) = fronts.min_by(|(one, _), (other, _)| one.cmp(other)) else {
            return merged;
        };
        places[list] += 1;
        merged.push(first);
    }
}

fn pop_and_push(lists: &Lists) -> Vec<u64> {
    let mut places = vec![1; lists.len()];
    let fronts = lists.iter().enumerate().map(|(list, entries)| Reverse(Counted((entries[0], list))));
    let mut heap: BinaryHeap<_> = fronts.collect();
    let mut merged = Vec::new();
    while let Some(Reverse(Counted((first, list)))) = heap.pop() {
        merged.push(first);
        if let Some(next) = lists[list].get(places[list]) {
            places[list] += 1;
            heap.push(Reverse(Counted((*next, list))));
        }
    }
    merged
}

fn replace_the_first(lists: &Lists) -> Vec<u64> {
    Heap::of(lists, |one, other| Counted(*one) < Counted(*other)).merge(|heap, _| heap.sift_down(0))
}

fn ask_the_runner_up(lists: &Lists) -> Vec<u64> {
    Heap::of(lists, |one, other| Counted(*one) < Counted(*other)).merge(Heap::settle)
}

/// The heap of the engine's merge, over lists.
struct Heap<'a, T, F> {
    lists: &'a [Vec<T>],
    /// Which entry of each list is its front.
    places: Vec<usize>,
    /// The lists that have a front.
    standing: Vec<usize>,
    runner_up: usize,
    precedes: F,
}

impl<'a, T: Clone, F: FnMut(&T, &T) -> bool> Heap<'a, T, F> {
    fn of(lists: &'a [Vec<T>], precedes: F) -> Self {
        let (places, standing) = (vec![0; lists.len()], (0..lists.len()).collect());
        let mut heap = Heap { lists, places, standing, runner_up: 1, precedes };
        (1..lists.len() / 2).rev().for_each(|place| heap.sift_down(place));
        heap.order_first();
        heap
    }

    /// Takes the first front until there is none; the first is replaced by what follows it in its
    /// list, or by the last of the heap, and `settle` restores the order.
    fn merge(mut self, settle: impl Fn(&mut Self, Moved)) -> Vec<T> {
        let mut merged = Vec::new();
        while let Some(&list) = self.standing.first() {
            merged.push(self.lists[list][self.places[list]].clone());
            self.places[list] += 1;
            if self.places[list] < self.lists[list].len() {
                settle(&mut self, Moved::On);
            } else {
                self.standing.swap_remove(0);
                settle(&mut self, Moved::BehindTheEnd);
            }
        }
        merged
    }

    fn settle(&mut self, moved: Moved) {
        match moved {
            Moved::BehindTheEnd => self.order_first(),
            Moved::On if self.comes_before(self.runner_up, 0) => self.pass(),
            Moved::On => {}
        }
    }

    fn pass(&mut self) {
        self.standing.swap(0, self.runner_up);
        self.sift_down(self.runner_up);
        self.find_runner_up();
    }

    fn order_first(&mut self) {
        self.sift_down(0);
        self.find_runner_up();
    }

    fn find_runner_up(&mut self) {
        self.runner_up = if self.comes_before(2, 1) { 2 } else { 1 };
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            let child = if self.comes_before(left + 1, left) { left + 1 } else { left };
            if !self.comes_before(child, place) {
                return;
            }
            self.standing.swap(child, place);
            place = child;
        }
    }

    /// Whether there is something at the first of two places, and it comes before what is at the
    /// second.
    fn comes_before(&mut self, one: usize, other: usize) -> bool {
        let front = |list: &usize| &self.lists[*list][self.places[*list]];
        match (self.standing.get(one).map(front), self.standing.get(other).map(front)) {
            (Some(one), Some(other)) => (self.precedes)(one, other),
            _ => false,
        }
    }
}

/// Where a step in the first list led.
#[derive(Clone, Copy)]
enum Moved {
    On,
    BehindTheEnd,
}

/// The comparisons of the engine's own merge. All keys begin with the same 16 bytes, so each
/// comparison asks two sources for theirs.
fn of_the_engine(lists: &Lists) -> u64 {
    let asked = Rc::new(Cell::new(0));
    let mut merge = MergingCursor::new(lists.iter().map(|list| Source::of(list, &asked)).collect());
    let (mut standing, mut asserted) = (lists.len() as u64, 0);
    merge.seek_to_first();
    for entry in 0..ENTRIES {
        assert_eq!(merge.value(), entry.to_be_bytes(), "a merge is one sorted list");
        standing -= u64::from(lists.iter().any(|list| list.last() == Some(&entry)));
        asserted += of_the_assertions(standing);
        merge.next();
    }
    asked.get() / 2 - asserted
}

/// What a step compares only to assert its laws: each but the first with another one, and the two
/// that may be the runner-up.
fn of_the_assertions(standing: u64) -> u64 {
    match cfg!(debug_assertions) {
        true => standing.saturating_sub(1) + u64::from(standing > 2),
        false => 0,
    }
}

/// A list as the engine sees it; counts how often it is asked for a key.
struct Source {
    keys: Vec<Vec<u8>>,
    place: usize,
    asked: Rc<Cell<u64>>,
}

impl Source {
    fn of(list: &[u64], asked: &Rc<Cell<u64>>) -> Source {
        let key = |entry: &u64| [[b'k'; KeyHeads::BYTES].as_slice(), &entry.to_be_bytes()].concat();
        Source { keys: list.iter().map(key).collect(), place: usize::MAX, asked: Rc::clone(asked) }
    }
}

impl Cursor for Source {
    fn seek_to_first(&mut self) {
        self.place = 0;
    }
    fn seek_to_last(&mut self) {
        self.place = self.keys.len().wrapping_sub(1);
    }
    fn seek(&mut self, target: InternalKey<'_>) {
        self.place = self.keys.partition_point(|key| InternalKey::new(key, 1) < target);
    }
    fn next(&mut self) {
        self.place = self.place.saturating_add(1);
    }
    fn prev(&mut self) {
        self.place = self.place.wrapping_sub(1);
    }
    fn is_valid(&self) -> bool {
        self.place < self.keys.len()
    }
    fn key(&self) -> InternalKey<'_> {
        self.asked.set(self.asked.get() + 1);
        InternalKey::new(&self.keys[self.place], 1)
    }
    fn kind(&self) -> Kind {
        Kind::Value
    }
    fn value(&self) -> &[u8] {
        &self.keys[self.place][KeyHeads::BYTES..]
    }
    fn value_owned(&self) -> Bytes {
        Bytes::copy_from_slice(self.value())
    }
    fn standing(&self) -> Option<(InternalKey<'_>, Kind)> {
        Some((InternalKey::new(self.keys.get(self.place)?, 1), Kind::Value))
    }
    fn status(&self) -> Result<()> {
        Ok(())
    }
}

/// A user key and a sequence.
type Owned = (Vec<u8>, u64);

fn kinds_of_keys() -> [(&'static str, Vec<Owned>); 3] {
    let one = |entry: u64| (format!("fruit{entry:05}").into_bytes(), 1);
    let eight = |entry: u64| (format!("fruit{:05}", entry / 8).into_bytes(), 8 - entry % 8);
    let long = |entry: u64| (format!("orchard/row-007/fruit{entry:05}").into_bytes(), 1);
    [
        ("10 bytes, one version each", (0..ENTRIES).map(one).collect()),
        ("10 bytes, eight versions each", (0..ENTRIES).map(eight).collect()),
        ("26 bytes, of which 16 are the same in all", (0..ENTRIES).map(long).collect()),
    ]
}

/// How many comparisons a merge of eight inputs makes, and how many of them the heads leave open.
fn decided(keys: &[Owned]) -> (u64, u64) {
    let lists: Vec<Vec<Owned>> = spread(8, 0)
        .into_iter()
        .map(|list| list.into_iter().map(|entry| keys[entry as usize].clone()).collect())
        .collect();
    let (mut all, mut asked) = (0, 0);
    let heap = Heap::of(&lists, |one: &Owned, other: &Owned| {
        all += 1;
        let (heads, other_heads) = (KeyHeads::of(&one.0), KeyHeads::of(&other.0));
        if heads != other_heads {
            return heads < other_heads;
        }
        asked += 1;
        InternalKey::new(&one.0, one.1) < InternalKey::new(&other.0, other.1)
    });
    assert_eq!(heap.merge(Heap::settle), keys, "a merge is one sorted list");
    (all, asked)
}

/// A quotient with one digit behind the point.
fn tenths(count: u64, of: u64) -> String {
    let tenths = (10 * count + of / 2) / of;
    format!("{}.{}", tenths / 10, tenths % 10)
}
