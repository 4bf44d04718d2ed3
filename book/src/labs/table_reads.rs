//! Every read of a table's file, counted: to open it, to ask it, and when what is known of it is
//! kept for long, for a short time, or not at all.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::error::Result;
use stage1_memtable::key::{InternalKey, Kind, MAX_SEQUENCE};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage1_memtable::sync::Mutex;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::vfs::{FileId, ReadFile, SimVfs, Vfs};
use stage3_sstable::block::Block;
use stage3_sstable::cache::BlockCache;
use stage3_sstable::compression::Codec;
use stage3_sstable::layout::{Contents, table_parts};
use stage3_sstable::table::{Table, TableBuilder, TableOptions};

use super::prelude::{Dice, number, row};
use super::{Outcome, Output};

const DATABASE: DatabaseId = DatabaseId(7);
const LOOKUPS: u64 = 10_000;
pub(super) const VALUE_BYTES: usize = 100;

pub(super) fn run(out: &mut Output) -> Outcome {
    let shelf = Shelf::default();
    out.part("opening");
    opening(out, &shelf)?;
    out.part("sizes");
    sizes(out, &shelf)?;
    out.part("lookups");
    lookups(out, &shelf)?;
    out.part("cache");
    caches(out, &shelf)?;
    out.part("queues");
    queues(out, &shelf)?;
    out.part("separators");
    separators(out, &shelf)?;
    out.part("keeping");
    keeping(out)
}

/// Tables in memory, and what is read of them.
#[derive(Default)]
struct Shelf {
    disk: SimVfs,
    reads: Arc<Mutex<Vec<(u64, usize)>>>,
}

/// A file that notes what is read of it.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) file: Arc<dyn ReadFile>,
    pub(super) reads: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl ReadFile for Noted {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.reads.lock().push((offset, length));
        self.file.read_at(offset, length)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }

    fn describe(&self) -> String {
        self.file.describe()
    }
}

impl Shelf {
    /// Writes a table of these keys, each with a value of 100 bytes, and compresses nothing.
    fn write(&self, table: u64, keys: impl IntoIterator<Item = (String, u64)>) -> Result<()> {
        let file = FileId::Table(table);
        let options = TableOptions { codec: Codec::None, ..TableOptions::default() };
        let salt = file_salt(DATABASE, table);
        let mut builder = TableBuilder::new(self.disk.create(file)?, file.to_string(), salt, options);
        for (key, sequence) in keys {
            builder.add(InternalKey::new(key.as_bytes(), sequence), Kind::Value, &[b'v'; VALUE_BYTES])?;
        }
        builder.finish()?;
        Ok(())
    }

    fn open(&self, table: u64, cache: &Arc<BlockCache>) -> Result<Table> {
        let file = self.disk.open(FileId::Table(table))?;
        let noted = Arc::new(Noted { file, reads: Arc::clone(&self.reads) });
        Table::open(noted, file_salt(DATABASE, table), table, Arc::clone(cache))
    }

    /// What was read since the last call: offset and length of each.
    fn reads(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.reads.lock())
    }
}

fn no_cache() -> Arc<BlockCache> {
    Arc::new(BlockCache::new(0))
}

fn order(number: u64) -> String {
    format!("order/2025-{:02}/{:06}", number / 10_000 + 1, number % 10_000 * 7)
}

/// So many orders, each written once.
pub(super) fn orders(count: u64) -> impl Iterator<Item = (String, u64)> {
    (0..count).map(|number| (order(number), number + 1))
}

fn bytes_of(reads: &[(u64, usize)]) -> u64 {
    reads.iter().map(|(_, length)| *length as u64).sum()
}

/// Each read of an opening, in its order, with what lies there.
fn opening(out: &mut Output, shelf: &Shelf) -> Outcome {
    const TABLE: u64 = 2;
    shelf.write(TABLE, orders(10_000))?;
    let parts = table_parts(&shelf.disk.open(FileId::Table(TABLE))?)?;
    shelf.open(TABLE, &no_cache())?;
    let widths = [6, 10, 8, 12];
    out.line(row(&widths, &[&"read", &"offset", &"bytes", &"what"]));
    for (ordinal, (offset, length)) in (1..).zip(shelf.reads()) {
        let part = parts.iter().find(|part| part.start as u64 == offset);
        let what = part.and_then(|part| part.contents.as_ref().ok()).map_or("?", name_of);
        out.line(row(&widths, &[&ordinal, &number(offset), &number(length as u64), &what]));
    }
    Ok(())
}

fn name_of(contents: &Contents) -> &'static str {
    match contents {
        Contents::Data { .. } => "data",
        Contents::Meta { .. } => "meta",
        Contents::Properties(_) => "properties",
        Contents::Metaindex(_) => "metaindex",
        Contents::Index(_) => "index",
        Contents::Footer(_) => "footer",
    }
}

/// What an opening reads of tables of growing size.
fn sizes(out: &mut Output, shelf: &Shelf) -> Outcome {
    let widths = [9, 12, 12, 6, 11, 10];
    out.line(row(&widths, &[&"entries", &"file bytes", &"data blocks", &"reads", &"bytes read", &"of file"]));
    for (table, count) in (10..).zip([1, 100, 10_000, 100_000]) {
        shelf.write(table, orders(count))?;
        let opened = shelf.open(table, &no_cache())?;
        let reads = shelf.reads();
        let share = format!("{:.2} %", 100.0 * bytes_of(&reads) as f64 / opened.file_bytes() as f64);
        let blocks = opened.properties().data_blocks;
        let counts = [count, opened.file_bytes(), blocks, reads.len() as u64, bytes_of(&reads)].map(number);
        let [count, file, blocks, reads, bytes] = &counts;
        out.line(row(&widths, &[count, file, blocks, reads, bytes, &share]));
    }
    Ok(())
}

/// Lookups of every sort, without a cache: blocks searched, and keys found.
fn lookups(out: &mut Output, shelf: &Shelf) -> Outcome {
    const TABLE: u64 = 20;
    const COUNT: u64 = 20_000;
    const VERSIONS: u64 = 500;
    let history = (1..=VERSIONS).rev().map(|version| ("order/none".to_owned(), version));
    shelf.write(TABLE, orders(COUNT).chain(history))?;
    let table = shelf.open(TABLE, &no_cache())?;
    let widths = [34, 9, 7, 7];
    out.line(row(&widths, &[&"10,000 lookups of", &"found", &"reads", &"most"]));
    let mut dice = Dice::seeded(6);
    let mut ask = |name: &str, draw: &mut dyn FnMut(u64) -> (String, u64)| -> Result<()> {
        let (mut found, mut reads, mut most) = (0, 0, 0);
        shelf.reads();
        for _ in 0..LOOKUPS {
            let (key, sequence) = draw(dice.next());
            let answer = table.lookup(&LookupKey::new(key.as_bytes(), sequence), &mut ())?;
            found += u64::from(answer != Answer::Absent);
            let read = shelf.reads().len() as u64;
            reads += read;
            most = most.max(read);
        }
        out.line(row(&widths, &[&name, &number(found), &number(reads), &most]));
        Ok(())
    };
    ask("a key that is there", &mut |drawn| (order(drawn % COUNT), MAX_SEQUENCE))?;
    ask("one of 500 versions of one key", &mut |drawn| ("order/none".to_owned(), drawn % VERSIONS + 1))?;
    ask("a key between two that are there", &mut |drawn| (order(drawn % COUNT) + "x", MAX_SEQUENCE))?;
    ask("a key before the first", &mut |_| ("apple".to_owned(), MAX_SEQUENCE))?;
    ask("a key behind the last", &mut |_| ("zebra".to_owned(), MAX_SEQUENCE))?;
    Ok(())
}

/// The same lookups with caches of several sizes, some keys asked more often than others.
fn caches(out: &mut Output, shelf: &Shelf) -> Outcome {
    const TABLE: u64 = 12;
    const COUNT: u64 = 10_000;
    let widths = [16, 9, 9, 10, 13];
    out.line(row(&widths, &[&"cache bytes", &"searched", &"in cache", &"reads", &"bytes read"]));
    for capacity in [0, 64 << 10, 256 << 10, 2 << 20] {
        let cache = Arc::new(BlockCache::new(capacity));
        let table = shelf.open(TABLE, &cache)?;
        shelf.reads();
        let mut dice = Dice::seeded(6);
        let (mut searched, mut cached) = (0, 0);
        for _ in 0..LOOKUPS {
            let mut way = Vec::new();
            let key = order(skewed(&mut dice, COUNT));
            let answer = table.lookup(&LookupKey::new(key.as_bytes(), MAX_SEQUENCE), &mut way)?;
            debug_assert!(answer != Answer::Absent, "{key}");
            searched += way.len() as u64;
            let hits = way.iter().filter(|touch| matches!(touch, Touch::Block { cached: true, .. }));
            cached += hits.count() as u64;
        }
        let reads = shelf.reads();
        let counts = [capacity as u64, searched, cached, reads.len() as u64, bytes_of(&reads)].map(number);
        let cells: Vec<&dyn Display> = counts.iter().map(|count| count as &dyn Display).collect();
        out.line(row(&widths, &cells));
    }
    Ok(())
}

/// Six requests to a cache with room for three blocks: which are hits, and what is kept after each.
fn queues(out: &mut Output, shelf: &Shelf) -> Outcome {
    const ASKED: [char; 6] = ['A', 'A', 'B', 'C', 'D', 'B'];
    let widths = [9, 5, 10];
    out.line(row(&widths, &[&"asked for", &"hit", &"then kept"]));
    for asked in 1..=ASKED.len() {
        let asked = &ASKED[..asked];
        let hit = if is_hit(shelf, asked)? { "yes" } else { "no" };
        let mut kept = String::new();
        for block in 'A'..='D' {
            if is_hit(shelf, &[asked, &[block]].concat())? {
                kept.push(block);
            }
        }
        out.line(row(&widths, &[&asked[asked.len() - 1], &hit, &kept]));
    }
    Ok(())
}

/// Whether the last of these requests, to a new cache, finds its block there.
fn is_hit(shelf: &Shelf, asked: &[char]) -> Result<bool> {
    const TABLE: u64 = 12;
    let table = shelf.open(TABLE, &Arc::new(BlockCache::new(13_000)))?;
    let mut way = Vec::new();
    for block in asked {
        // 50 orders are more than a block holds.
        let key = order(50 * (u64::from(*block) - u64::from('A')));
        let answer = table.lookup(&LookupKey::new(key.as_bytes(), MAX_SEQUENCE), &mut way)?;
        debug_assert!(answer != Answer::Absent, "{key}");
    }
    Ok(matches!(way.last(), Some(Touch::Block { cached: true, .. })))
}

/// A number below `limit`, small ones far more often.
fn skewed(dice: &mut Dice, limit: u64) -> u64 {
    let widest = dice.below(limit) + 1;
    let middle = dice.below(widest) + 1;
    dice.below(middle)
}

/// An index four ways, and how many absent keys lie between two blocks.
fn separators(out: &mut Output, shelf: &Shelf) -> Outcome {
    const COUNT: u64 = 10_000;
    let mut dice = Dice::seeded(9);
    let mut random: Vec<String> = (0..COUNT).map(|_| format!("{:016x}", dice.next())).collect();
    random.sort();
    let days =
        (0..COUNT).map(|at| format!("log/host-{:02}/day-{:03}/{:04}", at / 1_000, at / 20 % 50, at % 20));
    let tables: [(&str, Vec<String>); 3] =
        [("orders", (0..COUNT).map(order).collect()), ("logs", days.collect()), ("random", random)];
    let widths = [8, 8, 14, 10, 11, 10, 13];
    out.line(row(
        &widths,
        &[&"keys", &"blocks", &"first + last", &"last key", &"separator", &"in file", &"in no block"],
    ));
    for (table, (name, keys)) in (30..).zip(tables) {
        shelf.write(table, (1..).zip(&keys).map(|(sequence, key)| (key.clone(), sequence)))?;
        let cells = key_bytes(shelf, table)?.map(number);
        let [blocks, both, last, short, stored] = &cells;
        let between = format!("{:.1} %", 100.0 * between_blocks(shelf, table, &keys)?);
        out.line(row(&widths, &[&name, blocks, both, last, short, stored, &between]));
    }
    Ok(())
}

/// Data blocks; bytes of keys, were first and last kept, or the last; of the separators; and of
/// the whole index as it is stored.
fn key_bytes(shelf: &Shelf, table: u64) -> Result<[u64; 5]> {
    let [mut blocks, mut both, mut last, mut short, mut stored] = [0; 5];
    for part in table_parts(&shelf.disk.open(FileId::Table(table))?)? {
        match part.contents {
            Ok(Contents::Data { block, separator, .. }) => {
                let ends = ends_of(&block);
                blocks += 1;
                both += (ends.0.len() + ends.1.len()) as u64;
                last += ends.1.len() as u64;
                short += separator.user_key.len() as u64;
            }
            Ok(Contents::Index(_)) => stored = (part.end - part.start) as u64,
            _ => {}
        }
    }
    Ok([blocks, both, last, short, stored])
}

/// Of the gaps between two neighbouring keys, the share that lies between two blocks.
fn between_blocks(shelf: &Shelf, table: u64, keys: &[String]) -> Result<f64> {
    let parts = table_parts(&shelf.disk.open(FileId::Table(table))?)?;
    let is_data = |contents: &&Contents| matches!(contents, Contents::Data { .. });
    let blocks = parts.iter().filter_map(|part| part.contents.as_ref().ok()).filter(is_data).count();
    Ok((blocks - 1) as f64 / (keys.len() - 1) as f64)
}

/// The first and the last user key of a block that was just written.
fn ends_of(block: &Block) -> (Vec<u8>, Vec<u8>) {
    let mut cursor = block.cursor();
    let moved = cursor.seek_to_first();
    let first = cursor.key().map_or(Vec::new(), |key| key.user_key.to_vec());
    let moved = moved.and_then(|_| cursor.seek_to_last());
    debug_assert!(moved.is_ok(), "{moved:?}");
    let last = cursor.key().map_or(Vec::new(), |key| key.user_key.to_vec());
    (first, last)
}

/// How many of the tables stay open between two lookups.
const KEPT: [(&str, usize); 5] =
    [("all, from the start", usize::MAX), ("all, once asked", 64), ("16", 16), ("4", 4), ("none", 0)];

/// 64 tables, of which some are asked often: what it costs to know them all, some, or none.
fn keeping(out: &mut Output) -> Outcome {
    const TABLES: u64 = 64;
    const EACH: u64 = 1_000;
    let shelf = Shelf::default();
    for table in 0..TABLES {
        shelf.write(table, (0..EACH).map(|number| (order(table * EACH + number), number + 1)))?;
    }
    let widths = [20, 14, 9, 10, 12, 11];
    out.line(row(
        &widths,
        &[&"tables kept open", &"before 1st", &"openings", &"reads", &"bytes read", &"memory"],
    ));
    for (name, keep) in KEPT {
        let mut desk = Desk { shelf: &shelf, keep, open: VecDeque::new(), openings: 0 };
        if keep == usize::MAX {
            (0..TABLES).try_for_each(|table| desk.table(table).map(drop))?;
        }
        let mut dice = Dice::seeded(6);
        let (mut reads, mut before, mut memory) = (shelf.reads(), 0, 0);
        for lookup in 0..LOOKUPS {
            let table = skewed(&mut dice, TABLES);
            let key = order(table * EACH + dice.below(EACH));
            let opened = desk.table(table)?;
            if lookup == 0 {
                reads.extend(shelf.reads());
                before = reads.len() as u64;
            }
            let answer = opened.lookup(&LookupKey::new(key.as_bytes(), MAX_SEQUENCE), &mut ())?;
            debug_assert!(answer != Answer::Absent, "{key}");
            memory = memory.max(desk.memory_bytes().max(opened.memory_bytes()));
        }
        reads.extend(shelf.reads());
        let counts = [before, desk.openings, reads.len() as u64, bytes_of(&reads), memory as u64].map(number);
        let [before, openings, reads, bytes, memory] = &counts;
        out.line(row(&widths, &[&name, before, openings, reads, bytes, memory]));
    }
    Ok(())
}

/// The tables that are open, the one asked last in front.
struct Desk<'a> {
    shelf: &'a Shelf,
    keep: usize,
    open: VecDeque<Arc<Table>>,
    openings: u64,
}

impl Desk<'_> {
    fn table(&mut self, table: u64) -> Result<Arc<Table>> {
        let open = match self.open.iter().position(|open| open.number() == table) {
            Some(at) => self.open.remove(at),
            None => None,
        };
        let table = match open {
            Some(table) => table,
            None => {
                self.openings += 1;
                Arc::new(self.shelf.open(table, &no_cache())?)
            }
        };
        self.open.push_front(Arc::clone(&table));
        self.open.truncate(self.keep);
        Ok(table)
    }

    fn memory_bytes(&self) -> usize {
        self.open.iter().map(|table| table.memory_bytes()).sum()
    }
}
