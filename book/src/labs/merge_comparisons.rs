//! How many comparisons a merge needs for each entry: looking at all heads against two ways to use
//! a heap; and how many of them the first 16 bytes of the keys decide.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Display;

use stage1_memtable::key::{InternalKey, KeyHeads};

use super::prelude::{Counted, Dice, comparisons, row};
use super::{Outcome, Output};

const ENTRIES: u64 = 20_000;
const INPUTS: [u64; 6] = [2, 4, 8, 16, 32, 64];

/// Sorted lists, and which entry of each is its head.
type Lists = Vec<Vec<u64>>;

/// Merges the lists into one.
type Merge = fn(&Lists) -> Vec<u64>;

const MERGES: [Merge; 3] = [look_at_all, pop_and_push, replace_the_first];

pub(super) fn run(out: &mut Output) -> Outcome {
    for (name, share_of_first) in [("even", 0), ("uneven", 90)] {
        out.part(name);
        let widths = [6, 16, 16, 20];
        out.line(row(&widths, &[&"inputs", &"look at all", &"pop and push", &"replace the first"]));
        for inputs in INPUTS {
            let lists = spread(inputs, share_of_first);
            let counts = MERGES.map(|merge| tenths(count(merge, &lists), ENTRIES));
            let [all, pop, replace] = &counts;
            out.line(row(&widths, &[&inputs, all, pop, replace]));
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
        let heads = lists.iter().zip(&places).enumerate();
        let heads = heads.filter_map(|(list, (entries, place))| Some((Counted(*entries.get(*place)?), list)));
        let Some((Counted(first), list)) = heads.min_by(|(one, _), (other, _)| one.cmp(other)) else {
            return merged;
        };
        places[list] += 1;
        merged.push(first);
    }
}

fn pop_and_push(lists: &Lists) -> Vec<u64> {
    let mut places = vec![1; lists.len()];
    let heads = lists.iter().enumerate().map(|(list, entries)| Reverse(Counted((entries[0], list))));
    let mut heap: BinaryHeap<_> = heads.collect();
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
    merge_by(lists, |one, other| Counted(*one) < Counted(*other))
}

/// The heap of the engine's merge: the first is replaced by what follows it in its list, and sinks.
fn merge_by<T: Clone>(lists: &[Vec<T>], mut precedes: impl FnMut(&T, &T) -> bool) -> Vec<T> {
    let mut places = vec![0; lists.len()];
    let mut heap: Vec<usize> = (0..lists.len()).collect();
    let mut merged = Vec::new();
    for place in (0..heap.len() / 2).rev() {
        sift_down(&mut heap, place, |one, other| precedes(&lists[one][0], &lists[other][0]));
    }
    while let Some(&list) = heap.first() {
        merged.push(lists[list][places[list]].clone());
        places[list] += 1;
        if places[list] == lists[list].len() {
            heap.swap_remove(0);
        }
        let head = |list: usize| &lists[list][places[list]];
        sift_down(&mut heap, 0, |one, other| precedes(head(one), head(other)));
    }
    merged
}

fn sift_down(heap: &mut [usize], mut place: usize, mut precedes: impl FnMut(usize, usize) -> bool) {
    loop {
        let mut child = 2 * place + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && precedes(heap[child + 1], heap[child]) {
            child += 1;
        }
        if !precedes(heap[child], heap[place]) {
            return;
        }
        heap.swap(child, place);
        place = child;
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
    let merged = merge_by(&lists, |one, other| {
        all += 1;
        let (heads, other_heads) = (KeyHeads::of(&one.0), KeyHeads::of(&other.0));
        if heads != other_heads {
            return heads < other_heads;
        }
        asked += 1;
        InternalKey::new(&one.0, one.1) < InternalKey::new(&other.0, other.1)
    });
    assert_eq!(merged, keys, "a merge is one sorted list");
    (all, asked)
}

/// A quotient with one digit behind the point.
fn tenths(count: u64, of: u64) -> String {
    let tenths = (10 * count + of / 2) / of;
    format!("{}.{}", tenths / 10, tenths % 10)
}
