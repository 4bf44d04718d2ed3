//! The skip list: a sorted list, and above it floors that leave out ever more of it.
//!
//! ```text
//!   floor 2   ●──────────────────────────────────▶▢──────────────────▶
//!   floor 1   ●─────────────────▶▢───────────────▶▢────────▶▢────────▶
//!   nodes     ●──▶(fig,9)──▶(fig,5)──▶(fig,2)──▶(kiwi,8)──▶(plum,1)──▶
//!            head                               └─┬──┘
//!                                                 a tower: a node with two floors
//! ```
//!
//! A search begins at the head, on the highest floor. It goes right while what comes next
//! lies before what is sought, else one floor down, and ends between two nodes. Of four
//! towers one is a floor higher, so there are log₄ n floors, and on each a search looks at
//! about three.
//!
//! Nodes and floors have numbers, and links are numbers (`Chunks`). A node and a floor
//! look the same: two of them fill a cache line, with all that a search compares (`Label`)
//! unless keys are longer than 16 bytes and begin alike. Floors lie by themselves. They are
//! a third as many as the nodes, few enough to stay in the cache, and nodes are met on the
//! last steps only. The floors of a tower are numbered in a row: one floor down is one less.
//!
//! **INV-SKIP-1** A tower is whole before the first link to it, and is linked from the node
//! upward. So whoever comes by a link finds all that he reads, and a tower that he meets on
//! a floor stands on every floor below.
//!
//! **INV-SKIP-2** A link changes only to lead to something nearer, and nothing is taken
//! out. So a search beside the writer may miss what appears meanwhile, never what was there.
//!
//! What it does not do: let two write at once, or take anything out. A list that can (that
//! of crossbeam 0.1.3, which stood here before) counts who refers to a node, and allocates
//! each. Measured against it with 36,000 entries of 116 bytes: an insert takes 0.96 of the
//! time, or 0.45 where keys ascend, a step of a scan 0.75, and to free it a quarter. Batches
//! beside their flushes and compactions are written 1.19 times as fast.

use std::num::NonZeroU32;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::chunks::Chunks;
use crate::key::{InternalKey, Kind, Sequence};
use crate::position::{Label, Position};
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// How many floors a tower has at most: with so many, a search among 2³² nodes begins on
/// a floor of four.
const MAX_FLOORS: usize = 15;

/// Of so many towers, as a power of two, one has another floor.
const FLOOR_BITS: u32 = 2;

/// The number of the head: of its node, and of its lowest floor.
const HEAD: u32 = 0;

/// A link that leads nowhere. Nothing leads back to the head, so its number is free.
const END: u32 = 0;

/// Room for no more entries than these is made at once, however many are expected.
const MOST_AT_ONCE: usize = 64 << 10;

/// What an entry takes beside its bytes: a node, a third of a floor, and its content.
pub(crate) const ENTRY_BYTES: usize = size_of::<Stop>() * 4 / 3 + size_of::<Content>();

/// The number of a node that holds an entry.
pub(crate) type NodeNumber = NonZeroU32;

/// A sorted list of entries.
#[derive(Debug)]
pub(crate) struct SkipList {
    nodes: Chunks<Stop>,
    contents: Chunks<Content>,
    floors: Chunks<Stop>,
    /// How many floors the highest tower has; one at least, for a search to begin on.
    height: AtomicUsize,
    /// How many entries there are. Their numbers begin with 1.
    len: AtomicU32,
}

/// A place where a search stops and looks: a node, or a floor above it.
#[derive(Debug, Default)]
#[repr(align(32))]
struct Stop {
    label: Label,
    next: AtomicU32,
    /// The node itself, or the one that the floor stands on.
    node: AtomicU32,
}

/// What a node holds: the key and, behind it, the value.
#[derive(Debug, Default)]
struct Content {
    key_bytes: AtomicU32,
    bytes: OnceLock<Bytes>,
}

impl Content {
    #[inline]
    fn bytes(&self) -> &Bytes {
        self.bytes.get().expect("INV-SKIP-1: its bytes were there before any link to it")
    }

    #[inline]
    fn key_bytes(&self) -> usize {
        self.key_bytes.load(Ordering::Relaxed) as usize
    }

    #[inline]
    fn user_key(&self) -> &[u8] {
        &self.bytes()[..self.key_bytes()]
    }
}

/// Where the writer is: behind what he inserted last.
#[derive(Debug)]
pub(crate) struct Finger {
    /// What lies before it: the node, and on each floor the last.
    before: [u32; 1 + MAX_FLOORS],
    /// How many floors are taken.
    floors: u32,
}

impl Default for Finger {
    /// Behind the head, whose floors are the first.
    fn default() -> Finger {
        let floor_of_head = |level: usize| level.saturating_sub(1) as u32;
        Finger { before: std::array::from_fn(floor_of_head), floors: MAX_FLOORS as u32 }
    }
}

impl Default for SkipList {
    fn default() -> SkipList {
        SkipList::for_count(0)
    }
}

impl SkipList {
    /// For about `count` entries. There may be more: those are found more slowly.
    pub(crate) fn for_count(count: usize) -> SkipList {
        let near = count.min(MOST_AT_ONCE);
        SkipList {
            nodes: Chunks::new(1 + near),
            contents: Chunks::new(1 + near),
            floors: Chunks::new(MAX_FLOORS + near / 3),
            height: AtomicUsize::new(1),
            len: AtomicU32::new(0),
        }
    }

    /// How many entries it holds.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) as usize
    }

    /// Inserts an entry whose `bytes` begin with its key. `finger` is this list's only one.
    pub(crate) fn insert(&self, finger: &mut Finger, position: &Position<'_>, bytes: Bytes) -> NodeNumber {
        self.point(finger, position);
        debug_assert!(
            !self.is_behind(finger.before[0], position.key()),
            "INV-MEM-1: an entry inserted twice"
        );
        let node = self.build_node(position, bytes);
        let floors = finger.floors..finger.floors + floors_on(node.get());
        finger.floors = floors.end;
        floors.clone().for_each(|floor| build(&self.floors, floor, position, node.get()));

        link(&self.nodes, &mut finger.before[0], node.get());
        for (floor, before) in floors.clone().zip(&mut finger.before[1..]) {
            link(&self.floors, before, floor);
        }
        self.height.store(self.height.load(Ordering::Relaxed).max(floors.len()), Ordering::Relaxed);
        node
    }

    /// Points to where `position` belongs. There it is already if the entry before was
    /// its neighbour, as when keys ascend.
    fn point(&self, finger: &mut Finger, position: &Position<'_>) {
        let last = finger.before[0];
        let next = self.nodes.get(last).next.load(Ordering::Relaxed);
        let is_behind_last = last == HEAD || self.is_before(self.nodes.get(last), position);
        if !is_behind_last || (next != END && self.is_before(self.nodes.get(next), position)) {
            self.search(|stop| self.is_before(stop, position), |level, before| finger.before[level] = before);
        }
    }

    /// Whether the entry with `key` comes next behind `before`.
    fn is_behind(&self, before: u32, key: InternalKey<'_>) -> bool {
        self.next_of(before).is_some_and(|next| self.entry(next).key() == key)
    }

    /// Writes a node that nobody is led to yet.
    fn build_node(&self, position: &Position<'_>, bytes: Bytes) -> NodeNumber {
        let node = NodeNumber::MIN
            .checked_add(self.len.load(Ordering::Relaxed))
            .expect("so many entries take 400 GB");
        let number = node.get();
        let content = self.contents.add(number);
        content.key_bytes.store(position.key().user_key.len() as u32, Ordering::Relaxed);
        content.bytes.get_or_init(|| bytes);
        build(&self.nodes, number, position, number);
        self.len.store(number, Ordering::Relaxed);
        node
    }
}

fn build(row: &Chunks<Stop>, number: u32, position: &Position<'_>, node: u32) {
    let stop = row.add(number);
    stop.label.write(position);
    stop.node.store(node, Ordering::Relaxed);
}

/// Puts `number` behind `before`, which it takes the place of.
#[inline]
fn link(row: &Chunks<Stop>, before: &mut u32, number: u32) {
    let link = &row.get(*before).next;
    row.get(number).next.store(link.load(Ordering::Relaxed), Ordering::Relaxed);
    link.store(number, Ordering::Release);
    *before = number;
}

/// How many floors stand on the node with this number: none on three of four, and so on.
/// Thrown from the number alone, so that the same inserts build the same towers.
#[inline]
pub fn floors_on(node: u32) -> u32 {
    let mut word = u64::from(node).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word.leading_zeros() / FLOOR_BITS).min(MAX_FLOORS as u32)
}

/// Searches.
impl SkipList {
    /// The first entry at or behind `position`.
    pub(crate) fn at_or_behind(&self, position: &Position<'_>) -> Option<NodeNumber> {
        NodeNumber::new(self.search(|stop| self.is_before(stop, position), |_, _| ()).behind)
    }

    /// The last entry before `position`.
    pub(crate) fn before(&self, position: &Position<'_>) -> Option<NodeNumber> {
        NodeNumber::new(self.search(|stop| self.is_before(stop, position), |_, _| ()).before)
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<NodeNumber> {
        self.next_of(HEAD)
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<NodeNumber> {
        NodeNumber::new(self.search(|_| true, |_, _| ()).before)
    }

    /// The entry behind that one.
    #[inline]
    pub(crate) fn next(&self, node: NodeNumber) -> Option<NodeNumber> {
        self.next_of(node.get())
    }

    /// The entry before that one, by a search: links lead forward only.
    pub(crate) fn prev(&self, node: NodeNumber) -> Option<NodeNumber> {
        let user_key = self.contents.get(node.get()).user_key();
        self.before(&self.nodes.get(node.get()).label.position(user_key))
    }

    #[inline]
    fn next_of(&self, node: u32) -> Option<NodeNumber> {
        NodeNumber::new(self.nodes.get(node).next.load(Ordering::Acquire))
    }

    #[inline]
    fn is_before(&self, stop: &Stop, position: &Position<'_>) -> bool {
        stop.label.is_before(position, || self.contents.get(stop.node.load(Ordering::Relaxed)).user_key())
    }

    /// Goes from the head down to the gap between what `is_before` and what is not.
    /// `passed` is told, for each level from the highest to the nodes' (0), what lies there
    /// before the gap.
    #[inline]
    fn search(&self, is_before: impl Fn(&Stop) -> bool, mut passed: impl FnMut(usize, u32)) -> Gap {
        let mut level = self.height.load(Ordering::Relaxed);
        let mut gap = Gap { before: level as u32 - 1, behind: END };
        loop {
            gap = walk(&self.floors, gap, &is_before);
            passed(level, gap.before);
            level -= 1;
            if level == 0 {
                break;
            }
            gap = Gap { before: gap.before - 1, behind: gap.behind.saturating_sub(1) };
        }
        let node = |floor| self.floors.get(floor).node.load(Ordering::Relaxed);
        gap = walk(&self.nodes, Gap { before: node(gap.before), behind: node(gap.behind) }, &is_before);
        passed(0, gap.before);
        gap
    }
}

/// Two on one row, or its ends, between which a search goes on.
#[derive(Clone, Copy)]
struct Gap {
    before: u32,
    behind: u32,
}

/// Narrows the gap until nothing on this row lies in it. What the floor above has shown
/// to lie behind is not looked at again.
#[inline]
fn walk(row: &Chunks<Stop>, mut gap: Gap, is_before: &impl Fn(&Stop) -> bool) -> Gap {
    let mut here = row.get(gap.before);
    loop {
        let next = here.next.load(Ordering::Acquire);
        if next == gap.behind {
            return gap;
        }
        debug_assert_ne!(next, END, "INV-SKIP-1: what is linked above is linked here");
        let there = row.get(next);
        if !is_before(there) {
            return Gap { behind: next, ..gap };
        }
        (gap.before, here) = (next, there);
    }
}

/// What the nodes hold.
impl SkipList {
    /// The entry of a node.
    #[inline]
    pub(crate) fn entry(&self, node: NodeNumber) -> Entry<'_> {
        Entry { label: &self.nodes.get(node.get()).label, content: self.contents.get(node.get()) }
    }
}

/// An entry as it lies in the list.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    label: &'a Label,
    content: &'a Content,
}

impl<'a> Entry<'a> {
    /// Whether it has the user key of `position`.
    #[inline]
    pub(crate) fn is_of(&self, position: &Position<'_>) -> bool {
        self.label.has_key_of(position, || self.content.user_key())
    }

    #[inline]
    pub(crate) fn key(&self) -> InternalKey<'a> {
        InternalKey::new(self.content.user_key(), self.sequence())
    }

    #[inline]
    pub(crate) fn sequence(&self) -> Sequence {
        self.label.sequence()
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.label.kind()
    }

    #[inline]
    pub(crate) fn value(&self) -> &'a [u8] {
        &self.content.bytes()[self.content.key_bytes()..]
    }

    #[inline]
    pub(crate) fn value_owned(&self) -> Bytes {
        self.content.bytes().slice(self.content.key_bytes()..)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::key::KeyHeads;

    /// A list, and where its only writer is.
    #[derive(Default)]
    struct Writing {
        list: SkipList,
        finger: Finger,
    }

    impl Writing {
        fn of(keys: impl IntoIterator<Item = Vec<u8>>) -> Writing {
            let mut writing = Writing::default();
            keys.into_iter().zip(1..).for_each(|(key, sequence)| writing.insert(&key, sequence));
            writing
        }

        fn insert(&mut self, key: &[u8], sequence: Sequence) {
            let position = Position::of(InternalKey::new(key, sequence), Kind::Value);
            self.list.insert(&mut self.finger, &position, Bytes::copy_from_slice(key));
        }

        fn forward(&self) -> Vec<InternalKey<'_>> {
            let nodes = std::iter::successors(self.list.first(), |node| self.list.next(*node));
            nodes.map(|node| self.list.entry(node).key()).collect()
        }

        fn backward(&self) -> Vec<InternalKey<'_>> {
            let nodes = std::iter::successors(self.list.last(), |node| self.list.prev(*node));
            nodes.map(|node| self.list.entry(node).key()).collect()
        }
    }

    fn sought(key: InternalKey<'_>) -> Position<'_> {
        Position::sought(key, KeyHeads::of(key.user_key))
    }

    /// Keys of one, few or many versions, with heads that are equal or padded.
    fn keys() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let rest = || vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 0..5);
        let key = prop_oneof![
            rest(),
            rest().prop_map(|rest| [&[0; 14][..], &rest].concat()),
            rest().prop_map(|rest| [&b"sixteen bytes..."[..], &rest].concat()),
        ];
        vec(key, 0..400)
    }

    fn numbers(count: u64) -> impl DoubleEndedIterator<Item = Vec<u8>> {
        (0..count).map(|number| number.to_be_bytes().to_vec())
    }

    fn scattered(count: u64) -> impl Iterator<Item = Vec<u8>> {
        (0..count).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec())
    }

    proptest! {
        #[test]
        fn entries_lie_in_the_one_order_whatever_the_order_of_their_inserts(keys in keys()) {
            let writing = Writing::of(keys.clone());
            let mut order: Vec<_> = keys.iter().zip(1..).map(|(key, sequence)| InternalKey::new(key, sequence)).collect();
            order.sort_unstable();
            prop_assert_eq!(writing.forward(), order.clone());
            order.reverse();
            prop_assert_eq!(writing.backward(), order);
        }

        #[test]
        fn a_search_ends_between_its_two_neighbours(keys in keys(), strangers in keys()) {
            let writing = Writing::of(keys);
            let order = writing.forward();
            for (key, sequence) in strangers.iter().zip(1..) {
                let target = InternalKey::new(key, sequence);
                let place = order.partition_point(|key| *key < target);
                let found = |node: Option<NodeNumber>| node.map(|node| writing.list.entry(node).key());
                prop_assert_eq!(found(writing.list.at_or_behind(&sought(target))), order.get(place).copied());
                let before = place.checked_sub(1).map(|place| order[place]);
                prop_assert_eq!(found(writing.list.before(&sought(target))), before);
            }
        }
    }

    #[test]
    fn a_long_list_is_in_order_whether_keys_ascend_descend_or_scatter() {
        let sorted: Vec<_> = numbers(20_000).collect();
        for writing in [Writing::of(numbers(20_000)), Writing::of(numbers(20_000).rev())] {
            assert!(writing.forward().iter().map(|key| key.user_key).eq(&sorted));
        }
        assert!(Writing::of(scattered(20_000)).forward().is_sorted());
    }

    #[test]
    fn of_four_towers_one_is_a_floor_higher() {
        for floors in 1..5 {
            let expected = 40_000 >> (FLOOR_BITS * floors);
            let found = (1..=40_000).filter(|node| floors_on(*node) >= floors).count();
            assert!(
                found.abs_diff(expected) < expected / 3,
                "{found} towers of {floors} floors, not {expected}"
            );
        }
    }
}
