//! What was done to which kind of file, and what came of it.
//!
//! ```text
//!   file         damage           refused at open   at read unchanged shorter wrong
//!   manifest     one bit flipped            22120         0       600       0     0
//!   unchanged: manifest, one bit flipped, in a promise: 600
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::verdict::Verdict;
use crate::suite::Tally;

/// Damages by file, kind and verdict, and where those lay that no error told of.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<[&'static str; 2], Count>,
    /// Verdict, file, damage, field.
    places: BTreeMap<[&'static str; 4], u64>,
    /// The bytes of each file whose flips change nothing, and what they are.
    needless: BTreeMap<(String, &'static str), Vec<Range<usize>>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    at_open: u64,
    at_read: u64,
    unchanged: u64,
    shorter: u64,
}

impl Count {
    fn of(verdict: &Verdict) -> Count {
        let mut count = Count::default();
        match verdict {
            Verdict::RefusedAtOpen(_) => count.at_open = 1,
            Verdict::RefusedAtRead(_) => count.at_read = 1,
            Verdict::Unchanged => count.unchanged = 1,
            Verdict::Shorter(_) => count.shorter = 1,
        }
        count
    }

    fn add(&mut self, other: Count) {
        self.at_open += other.at_open;
        self.at_read += other.at_read;
        self.unchanged += other.unchanged;
        self.shorter += other.shorter;
    }
}

impl Table {
    /// Counts a verdict on damage of this kind to a file of this kind.
    pub(super) fn add(&mut self, file: &'static str, damage: &'static str, verdict: &Verdict) {
        self.rows.entry([file, damage]).or_default().add(Count::of(verdict));
    }

    /// Counts where damage lay that no error told of.
    pub(super) fn add_place(&mut self, place: [&'static str; 4]) {
        *self.places.entry(place).or_default() += 1;
    }

    /// Keeps a byte that nobody needs. Those of a file come in ascending order.
    pub(super) fn add_needless(&mut self, file: String, place: &'static str, byte: usize) {
        let ranges = self.needless.entry((file, place)).or_default();
        match ranges.last_mut() {
            Some(last) if byte <= last.end => last.end = byte + 1,
            _ => ranges.push(byte..byte + 1),
        }
    }

    /// Forgets the ranges: those of one database show where they lie.
    pub(super) fn forget_ranges(&mut self) {
        self.needless.clear();
    }

    /// Adds all that another counted. Its ranges are those of other files.
    pub(super) fn merge(&mut self, other: Table) {
        for (row, count) in other.rows {
            self.rows.entry(row).or_default().add(count);
        }
        for (place, count) in other.places {
            *self.places.entry(place).or_default() += count;
        }
        self.needless.extend(other.needless);
    }

    /// The counts without the places.
    pub(super) fn tally(&self) -> Tally {
        let mut sum = Count::default();
        self.rows.values().for_each(|count| sum.add(*count));
        Tally::of("damages", sum.at_open + sum.at_read + sum.unchanged + sum.shorter)
            .and("refused at open", sum.at_open)
            .and("refused at read", sum.at_read)
            .and("unchanged where nobody needs it", sum.unchanged)
            .and("like a torn tail", sum.shorter)
    }

    /// How many flips in `place` of any file of this kind changed nothing.
    pub(super) fn unchanged(&self, file: &'static str, place: &'static str) -> u64 {
        self.places.get(&["unchanged", file, "one bit flipped", place]).copied().unwrap_or(0)
    }

    /// How many damages of this kind no error told of.
    pub(super) fn untold(&self, file: &'static str, damage: &'static str) -> u64 {
        self.rows.get(&[file, damage]).map_or(0, |count| count.unchanged + count.shorter)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ("file", "damage", "refused at open", "at read", "unchanged", "shorter", "wrong");
        let (file, damage, open, read, unchanged, shorter, wrong) = header;
        writeln!(f, "{file:<12} {damage:<16} {open:>15} {read:>9} {unchanged:>9} {shorter:>7} {wrong:>5}")?;
        for ([file, damage], count) in &self.rows {
            let Count { at_open, at_read, unchanged, shorter } = count;
            write!(f, "{file:<12} {damage:<16} {at_open:>15} {at_read:>9} {unchanged:>9} {shorter:>7}")?;
            writeln!(f, " {:>5}", 0)?;
        }
        for ([verdict, file, damage, place], count) in &self.places {
            writeln!(f, "{verdict}: {file}, {damage}, in {place}: {count}")?;
        }
        for ((file, place), ranges) in &self.needless {
            let ranges: Vec<String> =
                ranges.iter().map(|range| format!("{}..{}", range.start, range.end)).collect();
            writeln!(f, "needed by nobody: {file}, {place}, bytes {}", ranges.join(", "))?;
        }
        Ok(())
    }
}
