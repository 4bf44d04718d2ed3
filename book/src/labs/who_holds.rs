//! What a get touches, cold and warm, with filters and without; which files, versions and blocks
//! stay because somebody still holds them, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stage1_memtable::error::Result as DiskResult;
use stage1_memtable::lookup::Touch;
use stage1_memtable::sync::Mutex;
use stage2_wal::vfs::crash::Image;
use stage2_wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};
use stage6_engine::{Builder, Codec, Db, Read, Result, SimRuntime, Value};

use super::prelude::{Dice, number, row};
use super::table_reads::Noted;
use super::{Outcome, Output};

const RECORDS: u64 = 20_000;
const GETS: u64 = 1_000;
const VALUE_BYTES: usize = 100;

pub(super) fn run(out: &mut Output) -> Outcome {
    let (with, without) = (Library::filled(true)?, Library::filled(false)?);
    out.part("explain");
    explain(out, &with)?;
    out.part("reads");
    reads(out, &with, &without)?;
    out.part("holds");
    holds(out)?;
    out.part("files");
    files(out)?;
    out.part("snapshots");
    snapshots(out)?;
    out.part("values");
    values(out, &with)
}

fn quiet() -> Builder {
    Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1))).codec(Codec::None)
}

/// Runs what waits to be run: on one thread nobody else does.
fn settle(db: &Db) -> Result<()> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

/// A disk that counts who asks for tables.
#[derive(Debug, Clone)]
struct Noting {
    disk: SimVfs,
    /// Offset and length of each read of a table.
    reads: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl Noting {
    fn on(image: &Image) -> Noting {
        Noting { disk: SimVfs::from_image(image), reads: Arc::default() }
    }

    /// How many reads there were since the last call, and how many bytes.
    fn taken(&self) -> (u64, u64) {
        let reads = std::mem::take(&mut *self.reads.lock());
        (reads.len() as u64, reads.iter().map(|(_, bytes)| *bytes as u64).sum())
    }
}

impl Vfs for Noting {
    fn create(&self, file: FileId) -> DiskResult<Arc<dyn AppendFile>> {
        self.disk.create(file)
    }

    fn open(&self, file: FileId) -> DiskResult<Arc<dyn ReadFile>> {
        let opened = self.disk.open(file)?;
        match file {
            FileId::Table(_) => Ok(Arc::new(Noted { file: opened, reads: Arc::clone(&self.reads) })),
            _ => Ok(opened),
        }
    }

    fn rename(&self, from: FileId, to: FileId) -> DiskResult<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, file: FileId) -> DiskResult<()> {
        self.disk.remove(file)
    }

    fn list(&self) -> DiskResult<Vec<FileId>> {
        self.disk.list()
    }

    fn sync_directory(&self) -> DiskResult<()> {
        self.disk.sync_directory()
    }

    fn lock(&self, mode: LockMode) -> DiskResult<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

/// A disk with one large run and three small tables above it, each over all keys.
struct Library(Image);

impl Library {
    fn filled(with_filter: bool) -> Result<Library> {
        let disk = SimVfs::without_trace();
        let options = if with_filter { quiet() } else { quiet().filter(None) };
        let db = options.open_vfs(Arc::new(disk.clone()))?;
        (0..RECORDS).try_for_each(|record| db.put(present(record), value(record)).map(drop))?;
        db.compact_range(..)?;
        for layer in 1..=3 {
            for record in (layer..RECORDS).step_by(200) {
                db.put(present(record), value(record))?;
            }
            db.flush()?;
        }
        settle(&db)?;
        db.close()?;
        Ok(Library(disk.image()))
    }

    fn open(&self, cache_bytes: usize) -> Result<(Noting, Db)> {
        let disk = Noting::on(&self.0);
        let db = quiet().cache_bytes(cache_bytes).open_vfs(Arc::new(disk.clone()))?;
        Ok((disk, db))
    }
}

/// Keys that are there have even numbers.
fn present(record: u64) -> String {
    format!("order/{:08}", 2 * record)
}

fn absent(record: u64) -> String {
    format!("order/{:08}", 2 * record + 1)
}

/// Bytes that are nobody else's.
fn value(record: u64) -> Vec<u8> {
    let mut dice = Dice::seeded(record);
    (0..VALUE_BYTES).map(|_| dice.below(256) as u8).collect()
}

/// The records that are asked for, each once, far from the one before.
fn asked() -> impl Iterator<Item = u64> {
    (0..GETS).map(|get| get * 7_919 % RECORDS)
}

fn explain(out: &mut Output, library: &Library) -> Outcome {
    let (_, db) = library.open(64 << 20)?;
    db.put("order/00000000", "first of all")?;
    let questions = [
        (present(4_711), "for the first time"),
        (present(4_711), "again"),
        (absent(4_711), "which is not there"),
        (present(0), "written a moment ago"),
    ];
    for (key, when) in questions {
        let (found, touched) = db.explain_get(&key)?;
        out.line(format!("get {key}, {when}: {}", if found.is_some() { "found" } else { "nothing" }));
        touched.iter().for_each(|touch| out.line(format!("  {}", in_words(touch))));
    }
    Ok(())
}

fn in_words(touch: &Touch) -> String {
    match touch {
        Touch::Memtable { entries: 1 } => "the memtable, of 1 entry".to_owned(),
        Touch::Memtable { entries } => format!("the memtable, of {entries} entries"),
        Touch::Table { number, level } => format!("table {number:06} on level {level}"),
        Touch::Filter { may_contain: true } => "    its filter: perhaps".to_owned(),
        Touch::Filter { may_contain: false } => "    its filter: no".to_owned(),
        Touch::Block { offset, bytes, cached } => {
            let from = if *cached { "in the cache" } else { "read from the file" };
            format!("    its block at {}, {} bytes: {from}", number(*offset), number(u64::from(*bytes)))
        }
        _ => "something new".to_owned(),
    }
}

fn reads(out: &mut Output, with: &Library, without: &Library) -> Outcome {
    type Key = fn(u64) -> String;
    const LARGE: usize = 64 << 20;
    const SMALL: usize = 256 << 10;
    let rows: [(&str, &Library, Key, usize, bool); 10] = [
        ("there, cold", with, present, LARGE, false),
        ("there, warm", with, present, LARGE, true),
        ("there, cold, no filters", without, present, LARGE, false),
        ("there, warm, no filters", without, present, LARGE, true),
        ("there, warm, a cache of 256 KiB", with, present, SMALL, true),
        ("there, no cache", with, present, 0, true),
        ("there, no cache, no filters", without, present, 0, true),
        ("not there, cold", with, absent, LARGE, false),
        ("not there, cold, no filters", without, absent, LARGE, false),
        ("not there, no cache, no filters", without, absent, 0, true),
    ];
    let widths = [34, 8, 8, 8, 8, 10, 12];
    let heads: [&dyn std::fmt::Display; 7] =
        [&"1,000 gets of keys", &"tables", &"blocks", &"cached", &"read", &"to open", &"bytes read"];
    out.line(row(&widths, &heads));
    for (name, library, key, cache_bytes, is_warm) in rows {
        let (disk, db) = library.open(cache_bytes)?;
        let gets = || asked().map(|record| db.explain_get(key(record)).map(|(_, touched)| touched));
        if is_warm {
            gets().try_for_each(|touched| touched.map(drop))?;
        }
        disk.taken();
        let touched = gets().collect::<Result<Vec<_>>>()?.concat();
        let (all_reads, bytes) = disk.taken();
        let count = |wanted: fn(&Touch) -> bool| touched.iter().filter(|touch| wanted(touch)).count() as u64;
        let tables = count(|touch| matches!(touch, Touch::Table { .. }));
        let cached = count(|touch| matches!(touch, Touch::Block { cached: true, .. }));
        let read = count(|touch| matches!(touch, Touch::Block { cached: false, .. }));
        let numbers = [tables, cached + read, cached, read, all_reads - read, bytes].map(number);
        let mut cells: Vec<&dyn std::fmt::Display> = vec![&name];
        cells.extend(numbers.iter().map(|number| number as &dyn std::fmt::Display));
        out.line(row(&widths, &cells));
    }
    Ok(())
}

/// Who may hold something of a database.
type Holder = Box<dyn std::any::Any>;
type Take = fn(&Db) -> Result<Holder>;

const HOLDERS: [(&str, Take); 6] = [
    ("nothing", |_| Ok(Box::new(()))),
    ("a value", |db| Ok(Box::new(db.get(present(1))?))),
    ("a commit", |db| Ok(Box::new(db.put("newest", "")?))),
    ("a snapshot", |db| Ok(Box::new(db.snapshot()?))),
    ("a cursor that was never moved", |db| Ok(Box::new(db.cursor()))),
    ("a range, half-way", |db| {
        let mut range = db.range(..);
        range.by_ref().take(1_000).try_for_each(|entry| entry.map(drop))?;
        Ok(Box::new(range))
    }),
];

/// What somebody keeps from going by what he holds.
pub(crate) struct Kept {
    pub(crate) holder: &'static str,
    /// The database stays open when the last `Db` is dropped.
    pub(crate) lock: bool,
    /// Tables that were merged away stay in the directory.
    pub(crate) files: bool,
    /// Versions that were overwritten are carried along by merges.
    pub(crate) versions: bool,
}

/// What each of the holders keeps.
pub(crate) fn kept_by_holders() -> Result<Vec<Kept>> {
    HOLDERS.into_iter().map(|(holder, take)| kept_by(holder, take)).collect()
}

/// Takes what is held; then all keys are written anew and merged.
fn kept_by(holder: &'static str, take: Take) -> Result<Kept> {
    const KEYS: u64 = 2_000;
    let disk = SimVfs::without_trace();
    let db = quiet().open_vfs(Arc::new(disk.clone()))?;
    let write = |round: u64| (0..KEYS).try_for_each(|key| db.put(present(key), value(round)).map(drop));
    write(1)?;
    db.flush()?;
    let held = take(&db)?;
    write(2)?;
    db.compact_range(..)?;
    settle(&db)?;
    let files = tables_on(&disk).len() > db.levels().iter().flatten().count();
    // A commit has brought one more key.
    let versions = db.stats().table_entries > KEYS + 1;
    drop(db);
    let lock = quiet().open_vfs(Arc::new(disk)).is_err();
    drop(held);
    Ok(Kept { holder, lock, files, versions })
}

fn holds(out: &mut Output) -> Outcome {
    let widths = [32, 20, 14, 18];
    let heads: [&dyn std::fmt::Display; 4] = [&"you hold", &"the directory", &"old files", &"old versions"];
    out.line(row(&widths, &heads));
    let word = |stays: bool| if stays { "stay" } else { "-" };
    for Kept { holder, lock, files, versions } in kept_by_holders()? {
        let locked = if lock { "stays locked" } else { "-" };
        out.line(row(&widths, &[&holder, &locked, &word(files), &word(versions)]));
    }
    Ok(())
}

fn files(out: &mut Output) -> Outcome {
    let widths = [32, 12, 12, 12, 14, 12];
    out.line(row(
        &widths,
        &[&"you hold", &"files before", &"in version", &"on disk", &"bytes on disk", &"afterwards"],
    ));
    for (name, take) in HOLDERS {
        let disk = SimVfs::without_trace();
        let db = quiet().open_vfs(Arc::new(disk.clone()))?;
        for round in 0..3 {
            (0..2_000).try_for_each(|record| db.put(present(record), value(round)).map(drop))?;
            db.flush()?;
        }
        settle(&db)?;
        let before = tables_on(&disk).len();
        let held = take(&db)?;
        db.compact_range(..)?;
        settle(&db)?;
        let while_held = tables_on(&disk);
        let in_version = db.levels().iter().flatten().count();
        drop(held);
        settle(&db)?;
        out.line(row(
            &widths,
            &[
                &name,
                &before,
                &in_version,
                &while_held.len(),
                &number(while_held.iter().sum()),
                &tables_on(&disk).len(),
            ],
        ));
    }
    Ok(())
}

/// The sizes of the tables in a directory.
fn tables_on(disk: &SimVfs) -> Vec<u64> {
    let image = disk.image();
    let tables = image.iter().filter(|(file, _)| matches!(file, FileId::Table(_)));
    tables.map(|(_, bytes)| bytes.len() as u64).collect()
}

fn snapshots(out: &mut Output) -> Outcome {
    const KEYS: u64 = 5_000;
    let widths = [44, 10, 12];
    out.line(row(&widths, &[&"5,000 keys written four times, then merged", &"entries", &"bytes"]));
    let kept_after: [(&str, &[u64]); 5] = [
        ("without a snapshot", &[]),
        ("with one from behind the 1st round", &[1]),
        ("with ten from behind the 1st round", &[1; 10]),
        ("with one from behind each of the first three", &[1, 2, 3]),
        ("with one from behind the 4th round", &[4]),
    ];
    let measured = |db: &Db| {
        let stats = db.stats();
        (number(stats.table_entries), number(stats.table_bytes))
    };
    for (name, rounds) in kept_after {
        let db = quiet().open_in_memory()?;
        let mut held = Vec::new();
        for round in 1..=4 {
            (0..KEYS).try_for_each(|key| db.put(present(key), value(round * KEYS + key)).map(drop))?;
            for _ in rounds.iter().filter(|behind| **behind == round) {
                held.push(db.snapshot()?);
            }
        }
        db.compact_range(..)?;
        let (entries, bytes) = measured(&db);
        out.line(row(&widths, &[&name, &entries, &bytes]));
        if rounds.len() == 3 {
            held.clear();
            let (entries, bytes) = measured(&db);
            out.line(row(&widths, &[&"  … when they have been dropped", &entries, &bytes]));
            db.compact_range(..)?;
            let (entries, bytes) = measured(&db);
            out.line(row(&widths, &[&"  … and it is merged again", &entries, &bytes]));
        }
    }
    let db = quiet().open_in_memory()?;
    (0..KEYS).try_for_each(|key| db.put(present(key), value(key)).map(drop))?;
    let before = db.snapshot()?;
    (0..KEYS).try_for_each(|key| db.delete(present(key)).map(drop))?;
    db.compact_range(..)?;
    let (entries, bytes) = measured(&db);
    out.line(row(&widths, &[&"all deleted, with a snapshot from before", &entries, &bytes]));
    drop(before);
    db.compact_range(..)?;
    let (entries, bytes) = measured(&db);
    out.line(row(&widths, &[&"  … dropped, and merged again", &entries, &bytes]));
    Ok(())
}

fn values(out: &mut Output, library: &Library) -> Outcome {
    for (name, cache_bytes) in [("with a cache", 64 << 20), ("without one", 0)] {
        let (_, db) = library.open(cache_bytes)?;
        let [first, second] = [db.get(present(4_711))?, db.get(present(4_711))?];
        let place = |value: &Option<stage6_engine::Value>| value.as_ref().map(|value| value.as_ptr());
        let same = if place(&first) == place(&second) { "the same memory" } else { "two copies" };
        out.line(format!("one key got twice, {name}: {same}"));
    }
    for (name, cache_bytes) in [("with a cache", 64 << 20), ("without one", 0)] {
        let (kept, blocks) = kept_values(library, cache_bytes)?;
        let are_right = kept.iter().zip(asked()).all(|(kept, record)| *kept == value(record));
        let own: usize = kept.iter().map(|value| value.len()).sum();
        let held: u64 = blocks.iter().map(|block| u64::from(block.bytes)).sum();
        out.line(format!(
            "\n{} values kept, {} bytes, {name}",
            number(kept.len() as u64),
            number(own as u64)
        ));
        out.line(format!("they hold {} blocks, {} bytes", number(blocks.len() as u64), number(held)));
        out.line(format!("the database is closed, and all values are right: {are_right}"));
    }
    Ok(())
}

/// A block in memory: each time that it is read makes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct InMemory {
    table: u64,
    offset: u64,
    bytes: u32,
    reads: u32,
}

/// The values of all gets, the database closed behind them, and the blocks that they hold: of each
/// get the last that it touched.
fn kept_values(library: &Library, cache_bytes: usize) -> Result<(Vec<Value>, BTreeSet<InMemory>)> {
    let (_, db) = library.open(cache_bytes)?;
    let (mut kept, mut reads_of, mut blocks) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for record in asked() {
        let (value, touched) = db.explain_get(present(record))?;
        kept.extend(value);
        let (mut table, mut last) = (0, None);
        for touch in touched {
            match touch {
                Touch::Table { number, .. } => table = number,
                Touch::Block { offset, bytes, cached } => {
                    let reads = reads_of.entry((table, offset)).or_insert(0);
                    *reads += u32::from(!cached);
                    last = Some(InMemory { table, offset, bytes, reads: *reads });
                }
                _ => {}
            }
        }
        blocks.extend(last);
    }
    db.close()?;
    Ok((kept, blocks))
}
