//! What several threads did to a few keys, and whether one order of it all explains
//! what each of them saw.
//!
//! ```text
//!   thread 1   ├─ put a=1 ─┤        ├── get a ──▶ 2 ──┤
//!   thread 2        ├──── put a=2 ────┤
//!   thread 3   ├───────────── scan ──▶ a=1 ──────────────┤
//!              ──────────────────────────────────────────▶ clock
//!
//!   by its sequences   the writes in one row; each look shows one prefix of it
//!   by itself          each key alone is a register, whatever the sequences say
//! ```
//!
//! The laws, for a history that begins with an empty map:
//!
//! - **INV-HISTORY-1** Sequences are dense, each batch has its range, and of two writes
//!   the one that had ended before the other began has the lower sequences.
//! - **INV-HISTORY-2** A look sees one prefix of the writes, batches whole. It has all
//!   that had ended, and all that had been seen, before it began, and nothing that
//!   began after it ended.
//! - **INV-HISTORY-3** Each key is linearizable as a register. By locality (Herlihy and
//!   Wing, "Linearizability", 1990) all of them together are, but for the batches,
//!   which the law before this one is about. The search is that of Wing and Gong
//!   ("Testing and verifying concurrent objects", 1993) in the form that Lowe calls
//!   just-in-time ("Testing for linearizability", 2017): an operation takes effect
//!   only when it, or one that depends on it, must return, and what was tried once is
//!   not tried again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;

use stage6_engine::memtable::key::Sequence;

/// How many keys there are.
pub const KEYS: usize = 4;

/// A value, which no two puts of a history have in common.
pub type Value = u32;

/// What a deleted key has, and one never written.
pub const ABSENT: Value = 0;

/// What is written to, or seen at, each key; `None` for a key that was left alone.
pub type Cells = [Option<Value>; KEYS];

/// From a call to its return, on one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it was called.
    pub begin: u64,
    /// When it returned.
    pub end: u64,
}

/// One batch, acknowledged.
#[derive(Debug, Clone)]
pub struct Write {
    /// By which thread.
    pub thread: usize,
    /// From when to when.
    pub span: Span,
    /// The sequence of its last entry.
    pub sequence: Sequence,
    /// Its entries.
    pub cells: Cells,
}

/// The moment that a look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// One within its span.
    Now,
    /// One within its span, and behind this sequence: a snapshot that was taken.
    NowAt(Sequence),
    /// That of a snapshot taken earlier.
    Past(Sequence),
}

/// One get or scan, or a snapshot taken.
#[derive(Debug, Clone)]
pub struct Look {
    /// By which thread.
    pub thread: usize,
    /// From when to when.
    pub span: Span,
    /// What it shows.
    pub moment: Moment,
    /// What it saw.
    pub cells: Cells,
}

/// All that happened.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What was written.
    pub writes: Vec<Write>,
    /// What was seen.
    pub looks: Vec<Look>,
}

/// Something that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly(pub String);

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn anomaly<T>(what: String) -> Result<T, Anomaly> {
    Err(Anomaly(what))
}

impl History {
    /// Adds what another thread did.
    pub fn merge(&mut self, other: History) {
        self.writes.extend(other.writes);
        self.looks.extend(other.looks);
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.writes.len() + self.looks.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether one order explains all of it.
    ///
    /// # Errors
    /// The first operation that none explains.
    pub fn check(mut self) -> Result<(), Anomaly> {
        self.writes.sort_by_key(|write| write.sequence);
        self.looks.sort_by_key(|look| look.span.begin);
        check_sequences(&self.writes)?;
        check_looks(&self.writes, &self.looks)?;
        (0..KEYS).try_for_each(|key| check_register(key, &self.register(key)))
    }

    /// What happened to one key.
    fn register(&self, key: usize) -> Vec<Operation> {
        let writes = self.writes.iter().filter_map(|write| {
            let act = Act::Write(write.cells[key]?);
            Some(Operation { thread: write.thread, span: write.span, act })
        });
        let looks = self.looks.iter().filter(|look| look.moment == Moment::Now).filter_map(|look| {
            let act = Act::Read(look.cells[key]?);
            Some(Operation { thread: look.thread, span: look.span, act })
        });
        writes.chain(looks).collect()
    }
}

/// INV-HISTORY-1, of writes in the order of their sequences.
fn check_sequences(writes: &[Write]) -> Result<(), Anomaly> {
    let mut last = 0;
    for write in writes {
        let count = write.cells.iter().flatten().count() as u64;
        if last + count != write.sequence {
            return anomaly(format!("behind sequence {last} comes {write:?}"));
        }
        last = write.sequence;
    }
    let mut first_end = u64::MAX;
    for write in writes.iter().rev() {
        if first_end < write.span.begin {
            return anomaly(format!(
                "a write that ended at {first_end} has a higher sequence than {write:?}"
            ));
        }
        first_end = first_end.min(write.span.end);
    }
    Ok(())
}

/// INV-HISTORY-2, of writes in the order of their sequences and looks in that of
/// their beginnings. The lowest prefix that explains a look is the best for those
/// that come after it.
fn check_looks(writes: &[Write], looks: &[Look]) -> Result<(), Anomaly> {
    let row = Row::of(writes);
    let ends = writes.iter().zip(1usize..).map(|(write, prefix)| Reverse((write.span.end, prefix)));
    let mut to_end: BinaryHeap<_> = ends.collect();
    let mut lowest = 0;
    for look in looks {
        while let Some(&Reverse((_, prefix))) = to_end.peek().filter(|next| next.0.0 < look.span.begin) {
            lowest = lowest.max(prefix);
            to_end.pop();
        }
        let highest = row.begun_before(look.span.end);
        let prefix = match look.moment {
            Moment::Past(sequence) => {
                let prefix = row.ending_at(sequence)?;
                row.find(look, prefix, prefix)?;
                continue;
            }
            Moment::NowAt(sequence) => {
                let prefix = row.ending_at(sequence)?;
                if prefix < lowest || highest < prefix {
                    return anomaly(format!("{look:?} shows {prefix} writes, not {lowest} to {highest}"));
                }
                prefix
            }
            Moment::Now => row.find(look, lowest, highest)?,
        };
        to_end.push(Reverse((look.span.end, prefix)));
    }
    Ok(())
}

/// The writes in one row, and what the map is behind each.
struct Row {
    /// The last sequence of each prefix, and the map behind it.
    states: Vec<(Sequence, [Value; KEYS])>,
    /// By when all writes of each prefix, from one write on, had begun.
    begun: Vec<u64>,
}

impl Row {
    fn of(writes: &[Write]) -> Row {
        let mut row = Row { states: vec![(0, [ABSENT; KEYS])], begun: Vec::new() };
        let (mut map, mut begun) = ([ABSENT; KEYS], 0);
        for write in writes {
            for (value, cell) in map.iter_mut().zip(write.cells) {
                *value = cell.unwrap_or(*value);
            }
            begun = write.span.begin.max(begun);
            row.states.push((write.sequence, map));
            row.begun.push(begun);
        }
        row
    }

    /// The longest prefix whose writes had all begun before `end`.
    fn begun_before(&self, end: u64) -> usize {
        self.begun.partition_point(|begun| *begun < end)
    }

    /// The prefix that ends with `sequence`.
    fn ending_at(&self, sequence: Sequence) -> Result<usize, Anomaly> {
        let found = self.states.binary_search_by_key(&sequence, |(last, _)| *last);
        found.or_else(|_| anomaly(format!("a snapshot at sequence {sequence}, within a batch")))
    }

    /// The first prefix, of these, that shows what `look` saw.
    fn find(&self, look: &Look, lowest: usize, highest: usize) -> Result<usize, Anomaly> {
        let shows = |prefix: &usize| {
            let map = &self.states[*prefix].1;
            look.cells.iter().zip(map).all(|(seen, value)| seen.is_none_or(|seen| seen == *value))
        };
        let maps = || self.states.get(lowest..=highest);
        let found = (lowest..=highest).find(shows);
        found.map_or_else(|| anomaly(format!("{look:?} could have seen only one of {:?}", maps())), Ok)
    }
}

/// What was done to one register.
#[derive(Debug, Clone, Copy)]
struct Operation {
    thread: usize,
    span: Span,
    act: Act,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Read(Value),
    Write(Value),
}

/// A register, and which of the threads that are within an operation have had their
/// effect on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Configuration {
    value: Value,
    done: u64,
}

impl Configuration {
    /// After `act` of `thread`, if it can happen here.
    fn after(self, thread: usize, act: Act) -> Option<Configuration> {
        let done = self.done | 1 << thread;
        match act {
            Act::Read(seen) => (seen == self.value).then_some(Configuration { done, ..self }),
            Act::Write(value) => Some(Configuration { value, done }),
        }
    }
}

/// INV-HISTORY-3.
fn check_register(key: usize, operations: &[Operation]) -> Result<(), Anomaly> {
    let mut moments: Vec<(u64, usize)> = Vec::with_capacity(operations.len() * 2);
    for (index, operation) in operations.iter().enumerate() {
        moments.extend([(operation.span.begin, index), (operation.span.end, index)]);
    }
    moments.sort_unstable();
    let mut reached = vec![Configuration { value: ABSENT, done: 0 }];
    let mut under_way: Vec<Operation> = Vec::new();
    for (time, index) in moments {
        let operation = operations[index];
        if time == operation.span.begin {
            under_way.push(operation);
            continue;
        }
        let before = std::mem::take(&mut reached);
        reached = returning(operation.thread, &before, &under_way);
        if reached.is_empty() {
            let values: Vec<Value> = before.iter().map(|configuration| configuration.value).collect();
            return anomaly(format!(
                "key {key} is one of {values:?} before {operation:?}, beside {under_way:?}"
            ));
        }
        under_way.retain(|other| other.thread != operation.thread);
    }
    Ok(())
}

/// What can be reached when `thread` returns: its operation has had its effect, and
/// any others that are under way may have had theirs before it.
fn returning(thread: usize, from: &[Configuration], under_way: &[Operation]) -> Vec<Configuration> {
    let mut tried: HashSet<Configuration> = from.iter().copied().collect();
    let mut to_try: Vec<Configuration> = from.to_vec();
    let mut reached = Vec::new();
    while let Some(configuration) = to_try.pop() {
        if configuration.done & 1 << thread != 0 {
            reached.push(Configuration { done: configuration.done & !(1 << thread), ..configuration });
            continue;
        }
        let waiting = under_way.iter().filter(|other| configuration.done & 1 << other.thread == 0);
        let next = waiting.filter_map(|other| configuration.after(other.thread, other.act));
        to_try.extend(next.filter(|next| tried.insert(*next)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[(usize, Value)]) -> Cells {
        let mut cells = [None; KEYS];
        values.iter().for_each(|(key, value)| cells[*key] = Some(*value));
        cells
    }

    fn write(thread: usize, begin: u64, end: u64, sequence: Sequence, values: &[(usize, Value)]) -> Write {
        Write { thread, span: Span { begin, end }, sequence, cells: cells(values) }
    }

    fn look(thread: usize, begin: u64, end: u64, values: &[(usize, Value)]) -> Look {
        Look { thread, span: Span { begin, end }, moment: Moment::Now, cells: cells(values) }
    }

    fn check(writes: &[Write], looks: &[Look]) -> Result<(), String> {
        let history = History { writes: writes.to_vec(), looks: looks.to_vec() };
        let whole = history.clone().check();
        // A bad get must be found without the sequences too.
        let by_itself = (0..KEYS).try_for_each(|key| check_register(key, &history.register(key)));
        whole.map_err(|anomaly| if by_itself.is_err() { "by itself".to_owned() } else { anomaly.0 })
    }

    #[test]
    fn operations_that_overlap_may_have_happened_in_either_order() {
        let writes = [write(0, 1, 10, 1, &[(0, 7)]), write(1, 2, 9, 2, &[(0, 8)])];
        for seen in [ABSENT, 7, 8] {
            assert_eq!(check(&writes, &[look(2, 3, 4, &[(0, seen)])]), Ok(()), "{seen}");
        }
        assert_eq!(check(&writes, &[look(2, 3, 4, &[(0, 7)]), look(2, 5, 6, &[(0, 8)])]), Ok(()));
    }

    #[test]
    fn a_stale_read_is_refused() {
        let writes = [write(0, 1, 2, 1, &[(0, 7)]), write(0, 3, 4, 2, &[(0, 8)])];
        assert_eq!(check(&writes, &[look(1, 5, 6, &[(0, 7)])]), Err("by itself".to_owned()));
    }

    #[test]
    fn a_lost_write_is_refused() {
        let writes = [write(0, 1, 2, 1, &[(0, 7)])];
        assert_eq!(check(&writes, &[look(1, 3, 4, &[(0, ABSENT)])]), Err("by itself".to_owned()));
    }

    #[test]
    fn a_value_seen_before_it_was_written_is_refused() {
        let writes = [write(0, 5, 6, 1, &[(0, 7)])];
        assert_eq!(check(&writes, &[look(1, 1, 2, &[(0, 7)])]), Err("by itself".to_owned()));
    }

    #[test]
    fn a_read_that_goes_back_in_time_is_refused_in_any_thread() {
        let writes = [write(0, 1, 20, 1, &[(0, 7)])];
        for thread in [1, 2] {
            let looks = [look(1, 2, 3, &[(0, 7)]), look(thread, 4, 5, &[(0, ABSENT)])];
            assert_eq!(check(&writes, &looks), Err("by itself".to_owned()));
        }
    }

    #[test]
    fn half_a_batch_is_refused() {
        let writes = [write(0, 1, 10, 2, &[(0, 7), (1, 8)])];
        assert_eq!(check(&writes, &[look(1, 2, 3, &[(0, 7), (1, 8)])]), Ok(()));
        assert_eq!(check(&writes, &[look(1, 2, 3, &[(0, ABSENT), (1, ABSENT)])]), Ok(()));
        let half = check(&writes, &[look(1, 2, 3, &[(0, 7), (1, ABSENT)])]);
        assert!(half.is_err_and(|what| what.contains("could have seen only")));
    }

    /// Each key alone is explained; both together are no prefix.
    #[test]
    fn two_looks_that_disagree_about_the_order_of_two_writes_are_refused() {
        let writes = [write(0, 1, 20, 1, &[(0, 7)]), write(1, 1, 20, 2, &[(1, 8)])];
        assert_eq!(check(&writes, &[look(2, 2, 3, &[(0, 7), (1, ABSENT)])]), Ok(()));
        assert!(check(&writes, &[look(2, 2, 3, &[(0, ABSENT), (1, 8)])]).is_err());
    }

    #[test]
    fn a_snapshot_that_changes_or_lies_within_a_batch_is_refused() {
        let writes = [write(0, 1, 2, 2, &[(0, 7), (1, 8)]), write(0, 5, 6, 3, &[(0, 9)])];
        let at =
            |moment, begin, values: &[(usize, Value)]| Look { moment, ..look(1, begin, begin + 1, values) };
        let taken = at(Moment::NowAt(2), 3, &[]);
        let read = |value| at(Moment::Past(2), 7, &[(0, value)]);
        assert_eq!(check(&writes, &[taken.clone(), read(7)]), Ok(()));
        assert!(check(&writes, &[taken, read(9)]).is_err());
        assert!(check(&writes, &[at(Moment::NowAt(1), 3, &[])]).is_err_and(|what| what.contains("within")));
        assert!(check(&writes, &[at(Moment::NowAt(2), 7, &[])]).is_err(), "an older moment than now");
    }

    #[test]
    fn sequences_with_a_gap_or_against_the_order_of_time_are_refused() {
        assert!(check(&[write(0, 1, 2, 2, &[(0, 7)])], &[]).is_err());
        let against = [write(0, 5, 6, 1, &[(0, 7)]), write(1, 1, 2, 2, &[(0, 8)])];
        assert!(check(&against, &[]).is_err());
    }
}
