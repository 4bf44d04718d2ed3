//! What lies between two blocks: seeks into every gap of a table, walks over every border, and
//! what a cursor says when a block is damaged.
//!
//! ```text
//!   cursor ──▶ table ──▶ a file that notes each read ──▶ which blocks were entered
//! ```

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::cursor::Cursor;
use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::{InternalKey, Kind, MAX_SEQUENCE, OwnedKey};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::sync::Mutex;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::layout::Part;
use stage2_wal::vfs::{FileId, ReadFile, SimVfs, Vfs};
use stage3_sstable::cache::BlockCache;
use stage3_sstable::compression::Codec;
use stage3_sstable::layout::{Contents, table_parts};
use stage3_sstable::table::{Table, TableBuilder, TableCursor, TableOptions};

use super::prelude::{number, row};
use super::table_reads::Noted;
use super::{Outcome, Output};

const FILE: FileId = FileId::Table(2);
const ORDERS: u64 = 10_000;
const VERSIONS: u64 = 500;
const USUAL_BYTES: usize = 4096;
/// So many times over a border and back.
const TURNS: usize = 10;

/// Nine versions of seven fruits, in five blocks.
pub const FRUITS: [(&str, u64); 9] = [
    ("apple", 9),
    ("apricot", 4),
    ("banana", 12),
    ("cherry", 3),
    ("fig", 14),
    ("fig", 8),
    ("fig", 2),
    ("kiwi", 7),
    ("lemon", 5),
];

/// A place before all versions of this key.
const NEWEST: u64 = MAX_SEQUENCE;

/// Where the seeks go.
const TARGETS: [(&str, u64); 16] = [
    ("", NEWEST),
    ("apple", 9),
    ("apple", 5),
    ("avocado", NEWEST),
    ("banan", NEWEST),
    ("blueberry", NEWEST),
    ("coconut", NEWEST),
    ("date", NEWEST),
    ("fig", NEWEST),
    ("fig", 10),
    ("fig", 5),
    ("fig", 1),
    ("kiwis", NEWEST),
    ("lemo", NEWEST),
    ("lemon", 4),
    ("plum", NEWEST),
];

pub(super) fn run(out: &mut Output) -> Outcome {
    let fruits = Shelf::of_fruits()?;
    out.part("blocks");
    blocks(out, &fruits);
    out.part("gaps");
    gaps(out, &fruits)?;
    let shelf = Shelf::of(orders(), 100, USUAL_BYTES)?;
    out.part("all");
    all(out, &shelf)?;
    out.part("walks");
    walks(out, &shelf)?;
    out.part("damage");
    damage(out, &shelf)
}

fn order(number: u64) -> String {
    format!("order/2025-03/{number:06}")
}

fn orders() -> impl Iterator<Item = (String, u64)> {
    (0..ORDERS).map(|number| (order(number * 7), number + 1))
}

/// A table whose file notes what is read of it.
#[derive(Debug)]
pub struct Shelf {
    bytes: Bytes,
    reads: Arc<Mutex<Vec<(u64, usize)>>>,
    table: Arc<Table>,
    /// Of each data block the first byte, the keys and the separator.
    pub blocks: Vec<(u64, Vec<OwnedKey>, OwnedKey)>,
}

impl Shelf {
    /// The fruits, in blocks of 64 bytes.
    ///
    /// # Errors
    /// Those of the table.
    pub fn of_fruits() -> Result<Shelf> {
        Shelf::of(FRUITS.map(|(key, sequence)| (key.to_owned(), sequence)), 8, 64)
    }

    fn of(
        keys: impl IntoIterator<Item = (String, u64)>,
        value_bytes: usize,
        block_size_bytes: usize,
    ) -> Result<Shelf> {
        let disk = SimVfs::new();
        let options = TableOptions { block_size_bytes, codec: Codec::None };
        let mut builder = TableBuilder::new(disk.create(FILE)?, FILE.to_string(), salt(), options);
        for (key, sequence) in keys {
            builder.add(InternalKey::new(key.as_bytes(), sequence), Kind::Value, &vec![b'v'; value_bytes])?;
        }
        builder.finish()?;
        Shelf::holding(disk.open(FILE)?.read_all()?, 0)
    }

    /// The table that has these bytes, behind a cache of this size.
    fn holding(bytes: Bytes, cache_bytes: usize) -> Result<Shelf> {
        let disk = SimVfs::new();
        disk.create(FILE)?.append(&bytes)?;
        let blocks = table_parts(&disk.open(FILE)?)?.into_iter().filter_map(data_block).collect();
        let reads = Arc::default();
        let noted = Noted { file: disk.open(FILE)?, reads: Arc::clone(&reads) };
        let cache = Arc::new(BlockCache::new(cache_bytes));
        let table = Arc::new(Table::open(Arc::new(noted), salt(), 2, cache)?);
        reads.lock().clear();
        Ok(Shelf { bytes, reads, table, blocks })
    }

    /// A cursor that has seen nothing and reads past the cache.
    pub fn cursor(&self) -> TableCursor {
        self.table.cursor_past_cache()
    }

    /// The blocks that were read since the last call, in their order.
    pub fn entered(&self) -> Vec<usize> {
        let reads = std::mem::take(&mut *self.reads.lock());
        let ordinal = |(offset, _)| self.blocks.partition_point(|(start, ..)| *start < offset);
        reads.into_iter().map(ordinal).collect()
    }

    fn keys(&self) -> Vec<OwnedKey> {
        self.blocks.iter().flat_map(|(_, keys, _)| keys.iter().cloned()).collect()
    }
}

fn salt() -> u32 {
    file_salt(DatabaseId(7), 2)
}

fn data_block(part: Part<Contents>) -> Option<(u64, Vec<OwnedKey>, OwnedKey)> {
    let Ok(Contents::Data { block, separator, .. }) = part.contents else { return None };
    let mut cursor = block.cursor();
    let mut keys = Vec::new();
    let mut moved = cursor.seek_to_first();
    while let (Ok(true), Some(key)) = (&moved, cursor.key()) {
        keys.push(key.to_owned());
        moved = cursor.advance();
    }
    Some((part.start as u64, keys, separator))
}

/// The key on which `cursor` stands.
fn standing(cursor: &TableCursor) -> Option<OwnedKey> {
    cursor.is_valid().then(|| cursor.key().to_owned())
}

/// `key @ sequence`, without words for a place before all versions.
pub fn shown(key: InternalKey<'_>) -> String {
    let user_key =
        if key.user_key.is_empty() { "(empty)".into() } else { key.user_key.escape_ascii().to_string() };
    match key.sequence {
        NEWEST => user_key,
        sequence => format!("{user_key} @ {sequence}"),
    }
}

fn or_none(key: Option<&OwnedKey>) -> String {
    key.map_or_else(|| "none".to_owned(), |key| shown(key.as_key()))
}

/// A separator, without words for a place behind all versions.
pub fn short(separator: &OwnedKey) -> String {
    shown(separator.as_key()).trim_end_matches(" @ 0").to_owned()
}

/// The ordinals with spaces between them.
pub fn listed(ordinals: &[usize]) -> String {
    match ordinals {
        [] => "none".to_owned(),
        some => some.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn blocks(out: &mut Output, shelf: &Shelf) {
    let widths = [6, 24, 12];
    out.line(row(&widths, &[&"block", &"entries", &"separator"]));
    for (ordinal, (_, keys, separator)) in shelf.blocks.iter().enumerate() {
        let keys: Vec<String> = keys.iter().map(|key| shown(key.as_key())).collect();
        out.line(row(&widths, &[&ordinal, &keys.join("  "), &shown(separator.as_key())]));
    }
}

/// Each target: where it lies, which blocks a seek reads, and where it comes to stand.
fn gaps(out: &mut Output, shelf: &Shelf) -> Outcome {
    let widths = [12, 24, 8, 12, 9, 13, 12];
    out.line(row(
        &widths,
        &[&"seek", &"lies", &"reads", &"stands on", &"lookup", &"seek_before", &"stands on"],
    ));
    for (user_key, sequence) in TARGETS {
        let target = InternalKey::new(user_key.as_bytes(), sequence);
        let mut cursor = shelf.cursor();
        cursor.seek(target);
        let (reads, found) = (shelf.entered(), standing(&cursor));
        let _answer = shelf.table.lookup(&LookupKey::new(user_key.as_bytes(), sequence), &mut ())?;
        let looked = shelf.entered();
        let mut cursor = shelf.cursor();
        cursor.seek_before(target);
        let (before, last) = (shelf.entered(), standing(&cursor));
        check(shelf, target, found.as_ref(), last.as_ref())?;
        let cells: [&dyn Display; 7] = [
            &shown(target),
            &place(shelf, target),
            &listed(&reads),
            &or_none(found.as_ref()),
            &listed(&looked),
            &listed(&before),
            &or_none(last.as_ref()),
        ];
        out.line(row(&widths, &cells));
    }
    Ok(())
}

/// Compares both answers with the sorted list of all keys.
fn check(
    shelf: &Shelf,
    target: InternalKey<'_>,
    found: Option<&OwnedKey>,
    last: Option<&OwnedKey>,
) -> Outcome {
    let keys = shelf.keys();
    let at = keys.partition_point(|key| key.as_key() < target);
    if keys.get(at) != found || at.checked_sub(1).map(|before| &keys[before]) != last {
        return Err(format!("{target:?}: stood on {found:?} and {last:?}").into());
    }
    Ok(())
}

/// In which gap a target lies.
fn place(shelf: &Shelf, target: InternalKey<'_>) -> String {
    let is_before = |(_, keys, _): &&(u64, Vec<OwnedKey>, OwnedKey)| {
        keys.last().is_some_and(|last| last.as_key() < target)
    };
    let ordinal = shelf.blocks.iter().take_while(is_before).count();
    let Some((_, keys, _)) = shelf.blocks.get(ordinal) else { return "behind the last".to_owned() };
    let is_first = keys.first().is_some_and(|first| target < first.as_key());
    match (ordinal.checked_sub(1), is_first) {
        _ if keys.iter().any(|key| key.as_key() == target) => format!("on an entry of {ordinal}"),
        (_, false) => format!("inside {ordinal}"),
        (None, true) => "before the first".to_owned(),
        (Some(before), true) => {
            let separator = &shelf.blocks[before].2;
            let side = if target <= separator.as_key() { "to" } else { "behind" };
            format!("{before} | {ordinal}, {side} {}", short(separator))
        }
    }
}

/// How many moves read no block, one, two, three.
#[derive(Default)]
struct Tally {
    moves: u64,
    reads: [u64; 4],
}

impl Tally {
    fn note(&mut self, entered: &[usize]) {
        self.moves += 1;
        if let Some(count) = self.reads.get_mut(entered.len()) {
            *count += 1;
        }
    }

    fn print(&self, out: &mut Output, widths: &[usize], name: &str) {
        let cells = [self.moves, self.reads[0], self.reads[1], self.reads[2], self.reads[3]].map(number);
        let mut all: Vec<&dyn Display> = vec![&name];
        all.extend(cells.iter().map(|cell| cell as &dyn Display));
        out.line(row(widths, &all));
    }
}

/// Every gap of a table of usual blocks, from each of its sides.
fn all(out: &mut Output, shelf: &Shelf) -> Outcome {
    let widths = [36, 8, 8, 8, 8, 8];
    out.line(format!("{} entries in {} blocks", number(ORDERS), shelf.blocks.len()));
    out.line(row(&widths, &[&"blocks read", &"moves", &"none", &"one", &"two", &"three"]));
    let keys = shelf.keys();
    let between: Vec<OwnedKey> = (0..ORDERS)
        .map(|place| InternalKey::before_all(order(place * 7 + 3).as_bytes()).to_owned())
        .collect();
    let here: Vec<OwnedKey> =
        keys.iter().map(|key| InternalKey::before_all(&key.user_key).to_owned()).collect();
    let behind: Vec<OwnedKey> =
        keys.iter().map(|key| InternalKey::after_all(&key.user_key).to_owned()).collect();
    let seek: Move = TableCursor::seek;
    let before: Move = TableCursor::seek_before;
    let moves: [(&str, &[OwnedKey], Move); 6] = [
        ("seek, from a key on", &here, seek),
        ("seek, from between two keys on", &between, seek),
        ("seek, behind a key", &behind, seek),
        ("seek_before, up to a key", &here, before),
        ("seek_before, up to between two keys", &between, before),
        ("seek_before, up to and with a key", &behind, before),
    ];
    for (name, targets, go) in moves {
        let mut tally = Tally::default();
        for target in targets {
            let mut cursor = shelf.cursor();
            go(&mut cursor, target.as_key());
            cursor.status()?;
            tally.note(&shelf.entered());
        }
        tally.print(out, &widths, name);
    }
    let history =
        Shelf::of((1..=VERSIONS).rev().map(|version| ("fig".to_owned(), version)), 100, USUAL_BYTES)?;
    let mut tally = Tally::default();
    for sequence in 1..=VERSIONS {
        let mut cursor = history.cursor();
        cursor.seek(InternalKey::new(b"fig", sequence));
        if standing(&cursor).is_none_or(|key| key.sequence != sequence) {
            return Err(format!("version {sequence} is not found").into());
        }
        tally.note(&history.entered());
    }
    let name = format!("seek, one of {VERSIONS} versions in {} blocks", history.blocks.len());
    tally.print(out, &widths, &name);
    Ok(())
}

type Move = fn(&mut TableCursor, InternalKey<'_>);

/// Says how many entries it saw.
type Walk = fn(&mut TableCursor) -> u64;

/// Walks, and how many blocks they read.
fn walks(out: &mut Output, shelf: &Shelf) -> Outcome {
    let widths = [34, 9, 13, 15];
    out.line(row(&widths, &[&"walk", &"entries", &"past cache", &"through cache"]));
    let walks: [(&str, Walk); 3] =
        [("forward", forward), ("backward", backward), ("10 times over each border and back", over_borders)];
    for (name, walk) in walks {
        let cached = Shelf::holding(shelf.bytes.clone(), 4 << 20)?;
        let mut cursors = [shelf.cursor(), cached.table.cursor()];
        let entries = cursors.each_mut().map(walk);
        for cursor in &cursors {
            cursor.status()?;
        }
        let reads = [shelf.entered(), cached.entered()].map(|reads| number(reads.len() as u64));
        out.line(row(&widths, &[&name, &number(entries[0]), &reads[0], &reads[1]]));
    }
    Ok(())
}

fn forward(cursor: &mut TableCursor) -> u64 {
    cursor.seek_to_first();
    rest(cursor)
}

/// Goes on to the end.
fn rest(cursor: &mut TableCursor) -> u64 {
    let mut entries = 0;
    while cursor.is_valid() {
        entries += 1;
        cursor.next();
    }
    entries
}

fn backward(cursor: &mut TableCursor) -> u64 {
    let mut entries = 0;
    cursor.seek_to_last();
    while cursor.is_valid() {
        entries += 1;
        cursor.prev();
    }
    entries
}

/// Forward, and ten times over each step and back. Most steps are over no border.
fn over_borders(cursor: &mut TableCursor) -> u64 {
    let mut entries = 0;
    cursor.seek_to_first();
    while cursor.is_valid() {
        entries += 1;
        let here = cursor.key().to_owned();
        cursor.next();
        for _ in 0..TURNS {
            if cursor.is_valid() {
                cursor.prev();
                debug_assert!(cursor.key() == here.as_key(), "back where it was");
                cursor.next();
                entries += 2;
            }
        }
    }
    entries
}

/// One bit of block 100 is flipped; who notices, and what is still to be had.
fn damage(out: &mut Output, shelf: &Shelf) -> Outcome {
    const DAMAGED: usize = 100;
    let mut bytes = shelf.bytes.to_vec();
    bytes[shelf.blocks[DAMAGED].0 as usize + 10] ^= 1;
    let bad = Broken::holding(&bytes)?;
    let firsts = shelf.blocks.iter().map(|(_, keys, _)| keys[0].as_key());
    let behind =
        |ordinal: usize| InternalKey::after_all(&shelf.blocks[ordinal].1.last().expect("a key").user_key);
    let widths = [44, 9];
    out.line(row(&widths, &[&"the damaged block is number 100", &"entries"]));
    let mut cursor = bad.0.cursor();
    let seen = forward(&mut cursor);
    let says = said(cursor.status());
    out.line(row(&widths, &[&"forward from the first", &number(seen)]) + "  " + &says);
    cursor.seek_to_first();
    let valid = u64::from(cursor.is_valid());
    out.line(
        row(&widths, &[&"the same cursor, asked for the first again", &valid])
            + "  "
            + &said(cursor.status()),
    );
    let mut cursor = bad.0.cursor();
    let seen = backward(&mut cursor);
    out.line(row(&widths, &[&"backward from the last", &number(seen)]) + "  " + &said(cursor.status()));
    let next = &shelf.blocks[DAMAGED + 1].1[0];
    for (name, target) in [
        ("a new one, from behind its last entry on", behind(DAMAGED)),
        ("a new one, from the next entry on", next.as_key()),
    ] {
        let mut cursor = bad.0.cursor();
        cursor.seek(target);
        let seen = rest(&mut cursor);
        out.line(row(&widths, &[&name, &number(seen)]) + "  " + &said(cursor.status()));
    }
    let fails = |target| {
        let mut cursor = bad.0.cursor();
        cursor.seek(target);
        cursor.status().is_err()
    };
    let failed = firsts.filter(|first| fails(*first)).count();
    out.line(format!(
        "new ones, one at the first entry of each block: {failed} of {} fails",
        shelf.blocks.len()
    ));
    let gap = behind(DAMAGED - 1);
    let answer = bad.0.lookup(&LookupKey::new(gap.user_key, 0), &mut ())?;
    let answer = if answer == Answer::Absent { "absent" } else { "found" };
    let seek = if fails(gap) { "fails" } else { "goes on" };
    out.line(format!("behind the last entry of block 99: a seek {seek}, a lookup says {answer}"));
    Ok(())
}

/// A table with a damaged block.
struct Broken(Arc<Table>);

impl Broken {
    fn holding(bytes: &[u8]) -> Result<Broken> {
        let disk = SimVfs::new();
        disk.create(FILE)?.append(bytes)?;
        let file: Arc<dyn ReadFile> = disk.open(FILE)?;
        Ok(Broken(Arc::new(Table::open(file, salt(), 2, Arc::new(BlockCache::new(0)))?)))
    }
}

fn said(status: Result<(), Error>) -> String {
    match status {
        Ok(()) => "ok: the end".to_owned(),
        Err(error) => error.to_string(),
    }
}
