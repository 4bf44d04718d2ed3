//! Real threads on hot keys: one order of all they did explains what each of them saw.
//!
//! ```text
//!   seed ─▶ 3 to 6 threads, 4 keys ──▶ put · delete · batch · get · scan · snapshot
//!                                        │ each with its call and return on one clock
//!           flushes, compactions beside  ▼
//!                                      History::check
//! ```
//!
//! Memtables and levels are so small that a key moves through all of them while it is
//! read. What each thread does follows from the seed; how they interleave does not, so
//! a failure prints what no order explains, and its replay may need more than one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;

use stage6_engine::{Builder, Codec, Db, Leveled, Read, Result, Snapshot, ThreadRuntime, WriteBatch};

use crate::dice::Dice;
use crate::history::{ABSENT, Cells, History, KEYS, Look, Moment, Span, Value, Write};
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Histories of real threads.
pub const SUITE: Suite = Suite {
    name: "lin",
    about: "histories of real threads on hot keys, explained by one order",
    targets: &[("operations", 10_000_000), ("flushes", 1_000), ("compactions", 1_000)],
    run: torture,
};

/// How many operations each thread of a history does.
const OPERATIONS: usize = 4_000;

fn torture(course: &Course) -> Outcome {
    course.cases(16, 700, history)
}

/// Memtables of some twenty writes.
fn busy() -> Builder {
    let small = Leveled { level0_files: 2, base_level_bytes: 4_000, size_ratio: 4, target_file_bytes: 2_000 };
    let builder = Db::builder().runtime(Arc::new(ThreadRuntime::new(2))).strategy(small).codec(Codec::None);
    builder.memtable_bytes(4_000).cache_bytes(20_000).max_open_files(4).block_size_bytes(200)
}

/// One history of the threads that `seed` gives.
fn history(seed: u64) -> Outcome {
    let threads = 3 + (seed % 4) as usize;
    let failed = |error| Failure::new(format!("on a sound disk: {error}"));
    let db = busy().open_in_memory().map_err(failed)?;
    let clock = AtomicU64::new(1);
    let mut history = History::default();
    scope(|scope| {
        let hands: Vec<_> = (0..threads)
            .map(|thread| {
                let dice = Dice::new(seed * 8 + thread as u64 + 1);
                let mut hand = Hand::new(thread, &db, &clock, dice);
                scope.spawn(move || (0..OPERATIONS).try_for_each(|_| hand.act()).map(|()| hand.history))
            })
            .collect();
        for hand in hands {
            history.merge(hand.join().expect("no hand panics")?);
        }
        Ok(())
    })
    .map_err(failed)?;
    let (operations, stats) = (history.len() as u64, db.stats());
    let scans = history.looks.iter().filter(|look| look.cells.iter().all(Option::is_some)).count() as u64;
    history.check().map_err(|anomaly| Failure::new(anomaly.to_string()))?;
    db.check_invariants().map_err(failed)?;
    Ok(Tally::of("operations", operations)
        .and("scans", scans)
        .and("histories", 1)
        .and("flushes", stats.flushes)
        .and("compactions", stats.compactions + stats.moved_tables))
}

/// One thread, and what it has done.
struct Hand<'a> {
    thread: usize,
    db: &'a Db,
    clock: &'a AtomicU64,
    dice: Dice,
    history: History,
    snapshot: Option<Snapshot>,
    /// How many values it has given out.
    values: Value,
}

impl<'a> Hand<'a> {
    fn new(thread: usize, db: &'a Db, clock: &'a AtomicU64, dice: Dice) -> Hand<'a> {
        Hand { thread, db, clock, dice, history: History::default(), snapshot: None, values: 0 }
    }

    fn act(&mut self) -> Result<()> {
        match self.dice.roll(100) {
            0..20 => self.write(1, false),
            20..28 => self.write(1, true),
            28..38 => {
                let entries = 2 + self.dice.roll(KEYS as u64 - 1) as usize;
                self.write(entries, false)
            }
            38..78 => self.get(),
            78..88 => self.scan(),
            88..90 => self.take_snapshot(),
            90..99 => self.look_at_snapshot(),
            _ => {
                self.snapshot = None;
                Ok(())
            }
        }
    }

    /// Notes when `call` began and ended.
    fn timed<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<(T, Span)> {
        let begin = self.clock.fetch_add(1, Ordering::SeqCst);
        let result = call()?;
        let end = self.clock.fetch_add(1, Ordering::SeqCst);
        Ok((result, Span { begin, end }))
    }

    /// A value that nobody else gives.
    fn new_value(&mut self) -> Value {
        self.values += 1;
        self.values << 3 | self.thread as Value
    }

    /// Writes to so many neighbouring keys at once. Of a batch, one entry in four
    /// is a deletion too.
    fn write(&mut self, entries: usize, deletes: bool) -> Result<()> {
        let first = self.dice.roll(KEYS as u64) as usize;
        let (mut batch, mut cells) = (WriteBatch::new(), [None; KEYS]);
        for key in (first..first + entries).map(|key| key % KEYS) {
            if deletes || (entries > 1 && self.dice.roll(4) == 0) {
                batch.delete(name(key));
                cells[key] = Some(ABSENT);
            } else {
                let value = self.new_value();
                batch.put(name(key), spelled(value, self.dice.roll(100) as usize));
                cells[key] = Some(value);
            }
        }
        let (commit, span) = self.timed(|| self.db.write(&batch))?;
        self.history.writes.push(Write { thread: self.thread, span, sequence: commit.sequence(), cells });
        Ok(())
    }

    fn get(&mut self) -> Result<()> {
        let key = self.dice.roll(KEYS as u64) as usize;
        let (cells, span) = self.timed(|| get(self.db, key))?;
        self.note(span, Moment::Now, cells);
        Ok(())
    }

    fn scan(&mut self) -> Result<()> {
        let is_backward = self.dice.roll(2) == 0;
        let (cells, span) = self.timed(|| scan(self.db, is_backward))?;
        self.note(span, Moment::Now, cells);
        Ok(())
    }

    fn take_snapshot(&mut self) -> Result<()> {
        let (snapshot, span) = self.timed(|| self.db.snapshot())?;
        self.note(span, Moment::NowAt(snapshot.sequence()), [None; KEYS]);
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// Looks at the snapshot that it holds, if it holds one.
    fn look_at_snapshot(&mut self) -> Result<()> {
        let (key, how) = (self.dice.roll(KEYS as u64) as usize, self.dice.roll(4));
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let (cells, span) = self.timed(|| match how {
            0 | 1 => get(snapshot, key),
            how => scan(snapshot, how == 2),
        })?;
        let sequence = snapshot.sequence();
        self.note(span, Moment::Past(sequence), cells);
        Ok(())
    }

    fn note(&mut self, span: Span, moment: Moment, cells: Cells) {
        self.history.looks.push(Look { thread: self.thread, span, moment, cells });
    }
}

fn name(key: usize) -> [u8; 1] {
    [b'a' + key as u8]
}

/// The value and so many bytes behind it.
fn spelled(value: Value, more: usize) -> Vec<u8> {
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.resize(bytes.len() + more, b'.');
    bytes
}

fn value(bytes: &[u8]) -> Value {
    bytes.first_chunk().map_or(Value::MAX, |first| Value::from_le_bytes(*first))
}

fn get(from: &impl Read, key: usize) -> Result<Cells> {
    let mut cells = [None; KEYS];
    cells[key] = Some(from.get(name(key))?.map_or(ABSENT, |bytes| value(&bytes)));
    Ok(cells)
}

fn scan(from: &impl Read, is_backward: bool) -> Result<Cells> {
    let mut cells = [Some(ABSENT); KEYS];
    let mut range = from.range(..);
    while let Some(entry) = if is_backward { range.next_back() } else { range.next() } {
        let (key, bytes) = entry?;
        cells[usize::from(key[0] - b'a')] = Some(value(&bytes));
    }
    Ok(cells)
}
