//! What most labs need: a die, columns, a key that counts.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt::Display;
use std::hash::{Hash, Hasher};

/// Numbers that look drawn and are the same in every run (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    pub fn seeded(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A line of a table: the first cell to the left, the others to the right, each in its width.
pub fn row(widths: &[usize], cells: &[&dyn Display]) -> String {
    let cell = |(index, (width, cell)): (usize, (&usize, &&dyn Display))| match index {
        0 => format!("{:<width$}", cell.to_string()),
        _ => format!("{:>width$}", cell.to_string()),
    };
    widths.iter().zip(cells).enumerate().map(cell).collect::<Vec<_>>().join("  ")
}

/// `number` with commas between thousands.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A key that counts how often it is compared, on this thread.
#[derive(Debug)]
pub struct Counted<K>(pub K);

thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

/// How many comparisons there were so far, on this thread.
pub fn comparisons() -> u64 {
    COMPARISONS.get()
}

impl<K: Ord> Ord for Counted<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl<K: Ord> PartialOrd for Counted<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Eq> PartialEq for Counted<K> {
    fn eq(&self, other: &Self) -> bool {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0 == other.0
    }
}

impl<K: Eq> Eq for Counted<K> {}

impl<K: Hash> Hash for Counted<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
