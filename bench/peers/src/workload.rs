//! The workloads: what is done, to what, by how many, and how often.
//!
//! ```text
//!   fill…          an empty database   ◄── each record once, in order or in none
//!   overwrite …    a copy of an image  ◄── records chosen anew each time
//!   read…, seek…   an image            ──► gets and scans, caches warm
//!   ycsb-a … f     a copy of an image  ◄─► both, a few records very often
//! ```
//!
//! An image is a database of `records` records, written in no order by batches, at
//! rest, closed, opened and closed again. It is loaded once and measured often;
//! cells that write get a copy.
//!
//! Every record has a number, so every engine is asked the same questions in the
//! same order. YCSB is that of B. Cooper and others, "Benchmarking cloud serving
//! systems with YCSB", 2010, with the records of the other workloads.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::engine::{Durability, Engine, Outcome, Seen, Settings};
use crate::keys::{Key, KeyKind, Values};
use crate::measure::Stopwatch;
use crate::random::{Permutation, Random, Zipfian};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// Puts in the order of the keys.
    Fillseq,
    /// Puts in no order, each record once.
    Fillrandom,
    /// The same, with values of 1 KiB.
    #[value(name = "fillrandom-1k")]
    #[serde(rename = "fillrandom-1k")]
    Fillrandom1k,
    /// Batches of 100 puts in no order, each record once.
    Fillbatch,
    /// Puts in no order that are on the disk when they return.
    Fillsync,
    /// The same, by 8 threads.
    #[value(name = "fillsync-8")]
    #[serde(rename = "fillsync-8")]
    Fillsync8,
    /// Puts in no order, each record once, by 2 threads.
    #[value(name = "fillrandom-2")]
    #[serde(rename = "fillrandom-2")]
    Fillrandom2,
    /// Puts of records that are there, drawn at random.
    Overwrite,
    /// Deletes in no order, each record once.
    Deleterandom,
    /// Gets of records that are there, drawn at random.
    Readrandom,
    /// The same, with a cache of 8 MiB.
    #[value(name = "readrandom-8m")]
    #[serde(rename = "readrandom-8m")]
    Readrandom8m,
    /// The same, by 2 threads.
    #[value(name = "readrandom-2")]
    #[serde(rename = "readrandom-2")]
    Readrandom2,
    /// Gets of keys that are not there, each between two that are.
    Readmissing,
    /// Gets of the first hundredth of the records, again and again.
    Readhot,
    /// The whole database upwards, entry by entry, three times.
    Readseq,
    /// The whole database downwards, three times.
    Readreverse,
    /// A seek to a record drawn at random, and 10 entries upwards.
    #[value(name = "seekrandom-10")]
    #[serde(rename = "seekrandom-10")]
    Seekrandom10,
    /// The same, and 100 entries.
    #[value(name = "seekrandom-100")]
    #[serde(rename = "seekrandom-100")]
    Seekrandom100,
    /// Gets, while another thread overwrites as fast as it can.
    Readwhilewriting,
    /// Half gets, half puts, of records of which a few are asked very often.
    YcsbA,
    /// 95 % gets, 5 % puts, of such records.
    YcsbB,
    /// Gets of such records.
    YcsbC,
    /// 95 % gets of what is new, 5 % new records.
    YcsbD,
    /// 95 % scans of 1 to 100 entries from such records, 5 % new records.
    YcsbE,
    /// Half gets, half gets followed by a put, of such records.
    YcsbF,
    /// Opening a database that was killed with all its records in the log.
    Reopen,
}

/// What a workload begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// An empty directory.
    Empty,
    /// An image, which is only read.
    Image,
    /// A copy of an image, which is written.
    Copy,
    /// What was left by a process that was killed.
    Killed,
}

const USUAL_CACHE_BYTES: usize = 256 << 20;
const SMALL_CACHE_BYTES: usize = 8 << 20;
const BATCH_RECORDS: u64 = 100;

/// Holds every record in memory and log, so that none of them is in a table.
const ENDLESS_BUFFER_BYTES: usize = 1 << 30;

impl Workload {
    /// The name as it is typed.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How many times as fast as the best log-structured peer it is to be. Where the
    /// disk decides, a sync for each write cannot be faster, and one for many can.
    pub(crate) fn goal(self) -> f64 {
        match self {
            Workload::Fillsync => 1.0,
            Workload::Fillsync8 => 1.5,
            Workload::Reopen => 5.0,
            _ => 2.0,
        }
    }

    pub(crate) fn start(self) -> Start {
        use Workload::*;
        match self {
            Fillseq | Fillrandom | Fillrandom1k | Fillbatch | Fillsync | Fillsync8 | Fillrandom2 => {
                Start::Empty
            }
            Readrandom | Readrandom8m | Readrandom2 | Readmissing | Readhot | Readseq | Readreverse
            | Seekrandom10 | Seekrandom100 | YcsbC => Start::Image,
            Overwrite | Deleterandom | Readwhilewriting | YcsbA | YcsbB | YcsbD | YcsbE | YcsbF => {
                Start::Copy
            }
            Reopen => Start::Killed,
        }
    }

    pub(crate) fn settings(self) -> Settings {
        let durability = match self {
            Workload::Fillsync | Workload::Fillsync8 => Durability::Disk,
            _ => Durability::PageCache,
        };
        let cache_bytes = if self == Workload::Readrandom8m { SMALL_CACHE_BYTES } else { USUAL_CACHE_BYTES };
        let write_buffer_bytes = (self == Workload::Reopen).then_some(ENDLESS_BUFFER_BYTES);
        Settings { durability, cache_bytes, write_buffer_bytes }
    }

    /// Whether random keys are worth a cell of their own: not where the order of the
    /// keys is the point, nor where what matters is not the key.
    pub(crate) fn is_worth_random_keys(self) -> bool {
        use Workload::*;
        matches!(
            self,
            Fillrandom
                | Overwrite
                | Readrandom
                | Readmissing
                | Readhot
                | Readseq
                | Seekrandom10
                | YcsbA
                | YcsbE
        )
    }

    /// Whether it is followed as the database grows.
    pub(crate) fn is_worth_growth(self) -> bool {
        use Workload::*;
        matches!(self, Fillrandom | Overwrite | Readrandom | Readmissing | Readseq | Seekrandom10)
    }

    pub(crate) fn value_bytes(self) -> usize {
        if self == Workload::Fillrandom1k { 1024 } else { 100 }
    }

    pub(crate) fn threads(self) -> u64 {
        match self {
            Workload::Fillrandom2 | Workload::Readrandom2 => 2,
            Workload::Fillsync8 => 8,
            _ => 1,
        }
    }

    /// Writes are all timed, as each may stall; of reads one in eight.
    pub(crate) fn timed_every(self) -> u64 {
        use Workload::*;
        match self {
            Readrandom | Readrandom8m | Readrandom2 | Readmissing | Readhot | Readwhilewriting | YcsbB
            | YcsbC | YcsbD => 8,
            _ => 1,
        }
    }

    /// Whether an operation is short enough for its latency to say something.
    pub(crate) fn has_latency(self) -> bool {
        !matches!(self, Workload::Readseq | Workload::Readreverse)
    }

    /// How many operations it takes on `records` records. Fills grow with the
    /// database; gets and scans are enough of a sample at two million records.
    pub(crate) fn operations(self, records: u64) -> u64 {
        use Workload::*;
        let sampled = records.min(2_000_000);
        let operations = match self {
            Fillseq | Fillrandom | Fillrandom1k | Fillrandom2 | Overwrite | Deleterandom | Reopen => records,
            Fillbatch => records / BATCH_RECORDS,
            Fillsync => sampled / 50,
            Fillsync8 => sampled / 10,
            Readmissing => sampled,
            Readrandom | Readrandom8m | Readrandom2 | Readhot | Readwhilewriting => sampled / 2,
            YcsbA | YcsbB | YcsbC | YcsbD | YcsbF => sampled / 2,
            Readseq | Readreverse => 3,
            Seekrandom10 => sampled / 10,
            Seekrandom100 | YcsbE => sampled / 20,
        };
        operations.max(1)
    }

    /// What is counted of one operation: the records of a batch, the entries of a
    /// whole scan, otherwise the operation.
    pub(crate) fn units_per_operation(self, records: u64) -> u64 {
        match self {
            Workload::Fillbatch => BATCH_RECORDS,
            Workload::Readseq | Workload::Readreverse => records,
            _ => 1,
        }
    }
}

/// Everything the threads of a cell share. It is set before the clock starts.
pub(crate) struct Scene<'a> {
    workload: Workload,
    keys: KeyKind,
    records: u64,
    engine: &'a dyn Engine,
    values: Values,
    order: Permutation,
    zipfian: Zipfian,
    deadline: Instant,
}

/// What one thread did.
pub(crate) struct Deeds {
    pub(crate) operations: u64,
    /// Bytes of keys and values that were put.
    pub(crate) user_bytes: u64,
    pub(crate) seen: Seen,
    pub(crate) stopwatch: Stopwatch,
}

/// The order in which records are written and asked for.
const ORDER_SEED: u64 = 3;

impl<'a> Scene<'a> {
    pub(crate) fn new(
        workload: Workload,
        keys: KeyKind,
        records: u64,
        engine: &'a dyn Engine,
        limit: Duration,
    ) -> Scene<'a> {
        Scene {
            workload,
            keys,
            records,
            engine,
            values: Values::new(workload.value_bytes()),
            order: Permutation::new(records, ORDER_SEED),
            zipfian: Zipfian::new(if workload.is_skewed() { records } else { 1 }),
            deadline: Instant::now() + limit,
        }
    }

    /// Does the share of thread `thread`.
    pub(crate) fn perform(&self, thread: u64) -> Outcome<Deeds> {
        let operations = self.workload.operations(self.records);
        let threads = self.workload.threads();
        let share = operations * thread / threads..operations * (thread + 1) / threads;
        let mut actor = Actor::new(self, thread);
        let mut stopwatch = Stopwatch::every(self.workload.timed_every());
        let operations = stopwatch.drive(share, self.deadline, |operation| actor.act(operation))?;
        Ok(Deeds { operations, user_bytes: actor.user_bytes, seen: actor.seen, stopwatch })
    }

    pub(crate) fn threads(&self) -> u64 {
        self.workload.threads()
    }

    /// Overwrites until `is_over`, and says how often.
    pub(crate) fn overwrite_until(&self, is_over: impl Fn() -> bool) -> Outcome<u64> {
        let mut actor = Actor::new(self, self.workload.threads());
        let mut puts = 0;
        while !is_over() {
            actor.overwrite()?;
            puts += 1;
        }
        Ok(puts)
    }
}

/// One thread at work.
struct Actor<'a> {
    scene: &'a Scene<'a>,
    random: Random,
    /// Records so far; YCSB adds to them.
    records: u64,
    user_bytes: u64,
    seen: Seen,
}

impl<'a> Actor<'a> {
    fn new(scene: &'a Scene<'a>, thread: u64) -> Actor<'a> {
        Actor {
            random: Random::new(100 + thread),
            records: scene.records,
            user_bytes: 0,
            seen: Seen::default(),
            scene,
        }
    }

    fn act(&mut self, operation: u64) -> Outcome<()> {
        use Workload::*;
        match self.scene.workload {
            Fillseq => self.put(operation, 0),
            Fillrandom | Fillrandom1k | Fillrandom2 | Fillsync | Fillsync8 | Reopen => {
                self.put(self.scene.order.at(operation), 0)
            }
            Fillbatch => self.put_batch(operation),
            Overwrite => self.overwrite(),
            Deleterandom => self.scene.engine.delete(&self.key(self.scene.order.at(operation))),
            Readrandom | Readrandom8m | Readrandom2 | Readwhilewriting => {
                let record = self.random.below(self.records);
                self.get(record)
            }
            Readmissing => self.get_missing(),
            Readhot => {
                let record = self.random.below((self.records / 100).max(1));
                self.get(record)
            }
            Readseq => self.scene.engine.scan(&[], u64::MAX >> 1, &mut self.seen),
            Readreverse => self.scene.engine.scan_back(u64::MAX >> 1, &mut self.seen),
            Seekrandom10 => self.seek(10),
            Seekrandom100 => self.seek(100),
            YcsbA => self.get_or(50, Actor::update),
            YcsbB => self.get_or(95, Actor::update),
            YcsbC => self.get_frequent(),
            YcsbD => self.read_new_or_insert(),
            YcsbE => self.scan_or_insert(),
            YcsbF => self.get_or(50, Actor::modify),
        }
    }

    fn key(&self, record: u64) -> Key {
        self.scene.keys.present(record)
    }

    fn put(&mut self, record: u64, version: u64) -> Outcome<()> {
        let (key, value) = (self.key(record), self.scene.values.of(record, version));
        self.user_bytes += (key.len() + value.len()) as u64;
        self.scene.engine.put(&key, value)
    }

    fn put_batch(&mut self, operation: u64) -> Outcome<()> {
        let first = operation * BATCH_RECORDS;
        let batch: Vec<(Key, &[u8])> = (first..first + BATCH_RECORDS)
            .map(|place| self.scene.order.at(place))
            .map(|record| (self.key(record), self.scene.values.of(record, 0)))
            .collect();
        self.user_bytes += batch.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
        self.scene.engine.write_batch(&batch)
    }

    fn overwrite(&mut self) -> Outcome<()> {
        let record = self.random.below(self.records);
        self.put(record, 1)
    }

    fn get(&mut self, record: u64) -> Outcome<()> {
        self.scene.engine.get(&self.key(record), &mut self.seen)
    }

    fn get_missing(&mut self) -> Outcome<()> {
        let key = self.scene.keys.absent(self.random.below(self.records));
        self.scene.engine.get(&key, &mut self.seen)
    }

    fn seek(&mut self, entries: u64) -> Outcome<()> {
        let record = self.random.below(self.records);
        let key = self.key(record);
        self.scene.engine.scan(&key, entries, &mut self.seen)
    }

    fn frequent(&mut self) -> u64 {
        self.scene.zipfian.scattered(&mut self.random)
    }

    fn get_frequent(&mut self) -> Outcome<()> {
        let record = self.frequent();
        self.get(record)
    }

    /// Gets `percent` times of a hundred, and does `otherwise` the other times.
    fn get_or(&mut self, percent: u64, otherwise: fn(&mut Self) -> Outcome<()>) -> Outcome<()> {
        if self.random.chance(percent) { self.get_frequent() } else { otherwise(self) }
    }

    fn update(&mut self) -> Outcome<()> {
        let record = self.frequent();
        self.put(record, 1)
    }

    fn modify(&mut self) -> Outcome<()> {
        let record = self.frequent();
        self.get(record)?;
        self.put(record, 1)
    }

    fn insert(&mut self) -> Outcome<()> {
        self.records += 1;
        self.put(self.records - 1, 0)
    }

    /// The newest record is the most frequent.
    fn read_new_or_insert(&mut self) -> Outcome<()> {
        if self.random.chance(5) {
            return self.insert();
        }
        let age = self.scene.zipfian.rank(&mut self.random);
        self.get(self.records - 1 - age)
    }

    fn scan_or_insert(&mut self) -> Outcome<()> {
        if self.random.chance(5) {
            return self.insert();
        }
        let record = self.frequent();
        let key = self.key(record);
        let entries = 1 + self.random.below(100);
        self.scene.engine.scan(&key, entries, &mut self.seen)
    }
}

impl Workload {
    fn is_skewed(self) -> bool {
        use Workload::*;
        matches!(self, YcsbA | YcsbB | YcsbC | YcsbD | YcsbE | YcsbF)
    }
}

/// Puts all records of an image, in no order.
pub(crate) fn load(engine: &dyn Engine, keys: KeyKind, records: u64) -> Outcome<()> {
    const RECORDS_AT_ONCE: u64 = 1_000;
    let values = Values::new(Workload::Readrandom.value_bytes());
    let order = Permutation::new(records, ORDER_SEED);
    for first in (0..records).step_by(RECORDS_AT_ONCE as usize) {
        let batch: Vec<(Key, &[u8])> = (first..records.min(first + RECORDS_AT_ONCE))
            .map(|place| order.at(place))
            .map(|record| (keys.present(record), values.of(record, 0)))
            .collect();
        engine.write_batch(&batch)?;
    }
    Ok(())
}

/// Reads everything once, and some records at random, so that what fits into a cache
/// is there.
pub(crate) fn warm(engine: &dyn Engine, keys: KeyKind, records: u64) -> Outcome<()> {
    let mut seen = Seen::default();
    engine.scan(&[], u64::MAX >> 1, &mut seen)?;
    let mut random = Random::new(99);
    (0..(records / 5).min(400_000))
        .try_for_each(|_| engine.get(&keys.present(random.below(records)), &mut seen))
}

/// How many of the first `written` records that were put in no order are missing.
pub(crate) fn count_lost(engine: &dyn Engine, keys: KeyKind, records: u64, written: u64) -> Outcome<u64> {
    let order = Permutation::new(records, ORDER_SEED);
    let mut seen = Seen::default();
    for place in 0..written {
        engine.get(&keys.present(order.at(place)), &mut seen)?;
    }
    Ok(written - seen.entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    /// The least that answers: a map.
    #[derive(Default)]
    struct Map(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

    impl Engine for Map {
        fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
            self.0.lock().unwrap().insert(key.to_vec(), value.to_vec());
            Ok(())
        }

        fn delete(&self, key: &[u8]) -> Outcome<()> {
            self.0.lock().unwrap().remove(key);
            Ok(())
        }

        fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
            records.iter().try_for_each(|(key, value)| self.put(key, value))
        }

        fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
            if let Some(value) = self.0.lock().unwrap().get(key) {
                seen.see(key, value);
            }
            Ok(())
        }

        fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
            let map = self.0.lock().unwrap();
            map.range(key.to_vec()..).take(limit as usize).for_each(|(key, value)| seen.see(key, value));
            Ok(())
        }

        fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
            let map = self.0.lock().unwrap();
            map.iter().rev().take(limit as usize).for_each(|(key, value)| seen.see(key, value));
            Ok(())
        }

        fn close(self: Box<Self>) -> Outcome<()> {
            Ok(())
        }
    }

    const RECORDS: u64 = 2_000;

    fn perform(map: &Map, workload: Workload) -> Vec<Deeds> {
        let scene = Scene::new(workload, KeyKind::Decimal, RECORDS, map, Duration::from_secs(60));
        (0..workload.threads()).map(|thread| scene.perform(thread).unwrap()).collect()
    }

    fn image() -> Map {
        let map = Map::default();
        load(&map, KeyKind::Decimal, RECORDS).unwrap();
        map
    }

    #[test]
    fn every_fill_puts_each_record_once() {
        for workload in [Workload::Fillseq, Workload::Fillrandom, Workload::Fillbatch, Workload::Fillrandom2]
        {
            let map = Map::default();
            perform(&map, workload);
            let map = map.0.into_inner().unwrap();
            assert_eq!(map.len() as u64, RECORDS, "{workload:?}");
            assert!((0..RECORDS).all(|record| map.contains_key(&KeyKind::Decimal.present(record)[..])));
        }
    }

    #[test]
    fn deleterandom_leaves_nothing() {
        let map = image();
        perform(&map, Workload::Deleterandom);
        assert!(map.0.into_inner().unwrap().is_empty());
    }

    #[test]
    fn every_read_of_a_present_record_finds_it_and_no_other_does() {
        for workload in [Workload::Readrandom, Workload::Readhot, Workload::YcsbC, Workload::YcsbD] {
            let deeds = perform(&image(), workload);
            let gets = deeds[0].operations - deeds[0].user_bytes / 116;
            assert_eq!(deeds[0].seen.entries, gets, "{workload:?}");
        }
        assert_eq!(perform(&image(), Workload::Readmissing)[0].seen.entries, 0);
    }

    #[test]
    fn upwards_and_downwards_the_same_is_seen() {
        let (up, down) = (perform(&image(), Workload::Readseq), perform(&image(), Workload::Readreverse));
        assert_eq!(up[0].seen, down[0].seen);
        assert_eq!(up[0].seen.entries, 3 * RECORDS);
    }

    #[test]
    fn the_same_workload_sees_the_same_twice() {
        for &workload in Workload::value_variants() {
            let seen = |deeds: Vec<Deeds>| deeds.iter().map(|deeds| deeds.seen).collect::<Vec<_>>();
            assert_eq!(seen(perform(&image(), workload)), seen(perform(&image(), workload)), "{workload:?}");
        }
    }

    #[test]
    fn a_lost_record_is_counted() {
        let map = Map::default();
        perform(&map, Workload::Reopen);
        let lost = || count_lost(&map, KeyKind::Decimal, RECORDS, RECORDS).unwrap();
        assert_eq!(lost(), 0);
        map.delete(&KeyKind::Decimal.present(17)).unwrap();
        assert_eq!(lost(), 1);
    }
}
