//! A skip list small enough to be read, with the towers that the memtable's has.
//!
//! ```text
//!   level 2   head ───────────────────────────▶ kiwi ──────────▶
//!   level 1   head ──────────▶ cherry ────────▶ kiwi ──────────▶
//!   level 0   head ──▶ apple ▶ cherry ──▶ fig ▶ kiwi ──▶ plum ─▶
//! ```
//!
//! It throws the same dice as the memtable's own list, so it builds the same towers, and its
//! searches look at the same keys. What it leaves out is all that threads need, and where
//! memory has to be.

use stage1_memtable::skiplist::floors_on;

/// As high as a tower can be.
const MAX_HEIGHT: usize = 16;

/// The number of the head: a tower without a key, before all others.
const HEAD: usize = 0;

/// Keys in order, for one thread.
#[derive(Debug)]
pub struct SkipList<K> {
    /// The head, and behind it one tower for each key, in the order of inserts.
    towers: Vec<Tower<K>>,
}

#[derive(Debug)]
struct Tower<K> {
    /// `None`: the head.
    key: Option<K>,
    /// On each of its levels, the number of the tower that comes next there.
    next: Vec<Option<usize>>,
}

/// A search looked at a tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// On which level.
    pub level: usize,
    /// The number of the tower: its key was the so many-th to be inserted.
    pub tower: usize,
    /// Whether its key lies before what is sought.
    pub is_before: bool,
}

impl<K: Ord> Default for SkipList<K> {
    fn default() -> SkipList<K> {
        let head = Tower { key: None, next: vec![None; MAX_HEIGHT] };
        SkipList { towers: vec![head] }
    }
}

impl<K: Ord> SkipList<K> {
    /// Adds a key, which must be new.
    pub fn insert(&mut self, key: K) {
        let before = self.search(&key, |_| ());
        let number = self.towers.len();
        let height = height_of(number);
        let next = (0..height).map(|level| self.towers[before[level]].next[level].replace(number)).collect();
        self.towers.push(Tower { key: Some(key), next });
    }

    /// From the highest level down: right while what comes next lies before `sought`. Tells
    /// each look, and returns the last tower before `sought` on each level.
    pub fn search(&self, sought: &K, mut looked: impl FnMut(Look)) -> [usize; MAX_HEIGHT] {
        let mut before = [HEAD; MAX_HEIGHT];
        let (mut here, mut behind) = (HEAD, None);
        for level in (0..self.height()).rev() {
            while self.towers[here].next[level] != behind
                && let Some(tower) = self.towers[here].next[level]
            {
                let is_before = self.towers[tower].key.as_ref() < Some(sought);
                looked(Look { level, tower, is_before });
                if !is_before {
                    behind = Some(tower);
                    break;
                }
                here = tower;
            }
            before[level] = here;
        }
        before
    }

    /// How many looks a search for `sought` takes.
    pub fn looks(&self, sought: &K) -> usize {
        let mut looks = 0;
        self.search(sought, |_| looks += 1);
        looks
    }

    /// The key of each tower, its number and its height, in the order of keys.
    pub fn towers(&self) -> Vec<(&K, usize, usize)> {
        let next = |tower: &usize| self.towers[*tower].next[0];
        std::iter::successors(next(&HEAD), next)
            .filter_map(|number| {
                let Tower { key, next } = &self.towers[number];
                Some((key.as_ref()?, number, next.len()))
            })
            .collect()
    }

    /// How many levels are in use.
    pub fn height(&self) -> usize {
        self.towers[HEAD].next.iter().take_while(|next| next.is_some()).count()
    }
}

/// One level, and as many above it as a throw says.
fn height_of(number: usize) -> usize {
    1 + floors_on(number as u32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towers_stand_in_the_order_of_their_keys() {
        let mut list = SkipList::default();
        ["kiwi", "apple", "plum", "fig"].into_iter().for_each(|key| list.insert(key));
        let keys: Vec<_> = list.towers().into_iter().map(|(key, number, _)| (*key, number)).collect();
        assert_eq!(keys, [("apple", 2), ("fig", 4), ("kiwi", 1), ("plum", 3)]);
    }
}
