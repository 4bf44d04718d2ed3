//! A flush, call by call, with a crash after each of them; the same with a step left out or in
//! another place; damage to the last edit; a manifest from which another takes over; a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use stage2_wal::log::format::{HEADER_BYTES, PROMISE_BYTES};
use stage2_wal::log::parts::{Contents, log_parts};
use stage2_wal::vfs::crash::{Call, DataPolicy, Image, Inode, NamePolicy, Policy, Trace};
use stage2_wal::vfs::{FileId, SimVfs};
use stage3_sstable::cache::BlockCache;
use stage5_compaction::manifest::Current;
use stage5_compaction::table_cache::TableCache;
use stage5_compaction::version_set::recover;
use stage6_engine::{Builder, Db, Durability, Read, SimRuntime, WriteBatch};

use super::prelude::{number, row};
use super::{Outcome, Output};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const FRUITS: [&str; 4] = ["apple", "fig", "kiwi", "lemon"];
/// A file that does not exist: whose sync does nothing.
const NOBODY: Inode = Inode::MAX;
const NOTHING_UNSYNCED: Policy = Policy { names: NamePolicy::Prefix(0), data: DataPolicy::Lost };
const EVERYTHING: Policy = Policy { names: NamePolicy::Prefix(usize::MAX), data: DataPolicy::Kept };

pub(super) fn run(out: &mut Output) -> Outcome {
    let flush = Flush::observed()?;
    out.part("calls");
    calls(out, &flush)?;
    out.part("left-out");
    left_out(out, &flush)?;
    out.part("promise");
    promise(out, &flush)?;
    out.part("takeover");
    takeover(out)?;
    out.part("checkpoint");
    checkpoint(out)
}

fn quiet() -> Builder {
    Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1)))
}

fn put_durably(db: &Db, fruit: &str) -> Result<(), stage6_engine::Error> {
    db.write_opt(WriteBatch::new().put(fruit, "fresh"), Durability::Sync).map(drop)
}

/// Runs what waits to be run: on one thread nobody else does.
fn settle(db: &Db) -> Result<(), stage6_engine::Error> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

/// A run of the database, in which one flush is looked at.
pub(crate) struct Flush {
    pub(crate) trace: Trace,
    /// The calls of the flush.
    pub(crate) calls: Range<usize>,
    names: BTreeMap<Inode, FileId>,
}

impl Flush {
    /// Two fruits, flushed; two more, durable, and their flush is what is looked at.
    pub(crate) fn observed() -> Result<Flush, Failure> {
        let disk = SimVfs::new();
        let db = quiet().open_vfs(Arc::new(disk.clone()))?;
        FRUITS[..2].iter().try_for_each(|fruit| put_durably(&db, fruit))?;
        db.flush()?;
        settle(&db)?;
        FRUITS[2..].iter().try_for_each(|fruit| put_durably(&db, fruit))?;
        let begin = disk.calls();
        db.flush()?;
        settle(&db)?;
        Ok(Flush::of(disk.trace(), begin..disk.calls()))
    }

    fn of(trace: Trace, calls: Range<usize>) -> Flush {
        let created = |call: &Call| match call {
            Call::Create { file, inode } => Some((*inode, *file)),
            _ => None,
        };
        let names = trace.calls.iter().filter_map(created).collect();
        Flush { trace, calls, names }
    }

    /// The file that a call is about, if it is about one.
    pub(crate) fn file(&self, call: &Call) -> Option<FileId> {
        match call {
            Call::Create { file, .. } | Call::Remove { file } => Some(*file),
            Call::Append { inode, .. } | Call::Sync { inode } => self.names.get(inode).copied(),
            Call::Rename { to, .. } => Some(*to),
            Call::SyncDirectory => None,
        }
    }

    pub(crate) fn in_words(&self, call: &Call) -> String {
        let file = self.file(call).map(|file| file.to_string()).unwrap_or_default();
        match call {
            Call::Create { .. } => format!("create {file}"),
            Call::Remove { .. } => format!("remove {file}"),
            Call::Append { bytes, .. } => format!("{file}: {}", self.appended(call, bytes.len())),
            Call::Sync { .. } => format!("sync {file}"),
            Call::Rename { from, to } => format!("rename {from} to {to}"),
            Call::SyncDirectory => "sync the directory".to_owned(),
        }
    }

    /// What an append brings.
    pub(crate) fn appended(&self, call: &Call, bytes: usize) -> String {
        match self.file(call) {
            Some(FileId::Log(_)) => format!("its header, {bytes} bytes"),
            Some(FileId::Manifest(_)) if bytes == HEADER_BYTES => format!("its header, {bytes} bytes"),
            Some(FileId::Manifest(_)) if bytes == PROMISE_BYTES => format!("a promise, {bytes} bytes"),
            Some(FileId::Manifest(_)) => format!("the edit, {bytes} bytes"),
            _ => format!("{bytes} bytes"),
        }
    }

    /// The places of the calls of the flush to which `wanted` applies.
    fn places(&self, wanted: impl Fn(&Call) -> bool) -> Vec<usize> {
        self.calls.clone().filter(|&place| wanted(&self.trace.calls[place])).collect()
    }

    /// The first of them.
    fn place(&self, wanted: impl Fn(&Call) -> bool) -> Result<usize, Failure> {
        self.places(wanted).first().copied().ok_or_else(|| "the flush has no such call".into())
    }

    fn is_of(&self, call: &Call, kind: fn(FileId) -> bool) -> bool {
        self.file(call).is_some_and(kind)
    }
}

fn is_table(file: FileId) -> bool {
    matches!(file, FileId::Table(_))
}

fn is_manifest(file: FileId) -> bool {
    matches!(file, FileId::Manifest(_))
}

/// What a directory says when it is opened after a crash.
pub(crate) struct Found {
    /// The tables that the manifest names.
    pub(crate) tables: BTreeSet<u64>,
    /// Those that it does not.
    pub(crate) orphans: BTreeSet<u64>,
    /// Logs below this number do not count.
    pub(crate) log_floor: u64,
    /// How many batches were replayed from logs.
    batches: u64,
    fruits: usize,
    /// The numbers that the opening gave to files.
    given: BTreeSet<u64>,
}

impl Found {
    pub(crate) fn on(image: &Image) -> Result<Found, Failure> {
        let disk = SimVfs::from_image(image);
        let current = Current::read(&disk)?.ok_or("there is no CURRENT")?;
        let blocks = Arc::new(BlockCache::new(1 << 16));
        let cache = TableCache::new(Arc::new(disk.clone()), current.database, blocks, 8);
        let recovered = recover(&disk, current, &cache)?;
        let tables: BTreeSet<u64> = recovered.version.files().map(|(_, file)| file.meta().number).collect();
        let there = image.keys().filter(|file| is_table(**file)).filter_map(|file| file.number());
        let orphans = there.filter(|number| !tables.contains(number)).collect();
        let db = quiet().open_vfs(Arc::new(disk.clone()))?;
        let batches = db.recovery_report().replay.batches;
        let (log_floor, fruits) = (recovered.log_floor, db.range(..).count());
        Ok(Found { tables, orphans, log_floor, batches, fruits, given: numbers_given(&disk.trace().calls) })
    }
}

fn numbers_given(calls: &[Call]) -> BTreeSet<u64> {
    let created = |call: &Call| if let Call::Create { file, .. } = call { file.number() } else { None };
    calls.iter().filter_map(created).collect()
}

fn listed(numbers: &BTreeSet<u64>) -> String {
    match numbers.is_empty() {
        true => "-".to_owned(),
        false => numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn calls(out: &mut Output, flush: &Flush) -> Outcome {
    let widths = [36, 8, 8, 10, 12, 8, 10];
    out.line(row(&[36, 28, 34], &[&"", &"only what was synced is there", &"all is there"]));
    out.line(row(
        &widths,
        &[&"crash behind this call", &"tables", &"orphan", &"replayed", &"tables", &"orphan", &"replayed"],
    ));
    let (mut incomplete, mut again, mut openings) = (0, BTreeSet::new(), 0);
    for place in flush.calls.clone() {
        let lost = Found::on(&flush.trace.crash(place + 1, NOTHING_UNSYNCED))?;
        let kept = Found::on(&flush.trace.crash(place + 1, EVERYTHING))?;
        let before = numbers_given(&flush.trace.calls[..=place]);
        for found in [&lost, &kept] {
            incomplete += usize::from(found.fruits != FRUITS.len());
            openings += usize::from(!found.given.is_disjoint(&before));
            again.extend(found.given.intersection(&before));
        }
        out.line(row(
            &widths,
            &[
                &flush.in_words(&flush.trace.calls[place]),
                &listed(&lost.tables),
                &listed(&lost.orphans),
                &lost.batches,
                &listed(&kept.tables),
                &listed(&kept.orphans),
                &kept.batches,
            ],
        ));
    }
    out.line(format!("\nopened without all {} fruits: {incomplete}", FRUITS.len()));
    out.line(format!(
        "numbers given out before the crash and given again: {}, by {openings} openings",
        listed(&again)
    ));
    Ok(())
}

/// How many crashes there are from the call `begin` on, how many are refused when the database is
/// opened, and in how many a fruit that had been called durable is gone in silence.
fn judged(trace: &Trace, begin: usize) -> Result<[usize; 3], Failure> {
    let [mut crashes, mut refused, mut lost] = [0; 3];
    trace.for_each_crash(|done, _, image| {
        if done < begin {
            return Ok(());
        }
        crashes += 1;
        // An error when it is opened or when a fruit is read: it was noticed.
        match quiet_reader(&image)
            .and_then(|db| FRUITS.iter().map(|fruit| db.get(fruit)).collect::<Result<Vec<_>, _>>())
        {
            Ok(found) => lost += usize::from(found.iter().any(Option::is_none)),
            Err(_) => refused += 1,
        }
        Ok::<(), Failure>(())
    })?;
    Ok([crashes, refused, lost])
}

/// Opened to be read only: nothing is written, so it is quick.
fn quiet_reader(image: &Image) -> Result<Db, stage6_engine::Error> {
    let options = Db::builder().runtime(Arc::new(SimRuntime::new(1))).read_only();
    options.open_vfs(Arc::new(SimVfs::from_image(image)))
}

fn left_out(out: &mut Output, flush: &Flush) -> Outcome {
    let is_sync = |call: &Call| matches!(call, Call::Sync { .. });
    let sync_of_table = flush.place(|call| is_sync(call) && flush.is_of(call, is_table))?;
    let directories = flush.places(|call| matches!(call, Call::SyncDirectory));
    let sync_of_name =
        directories.into_iter().find(|place| *place > sync_of_table).ok_or("the name is not synced")?;
    let manifest = flush.places(|call| flush.is_of(call, is_manifest));
    let [edit, sync_of_edit, _promise, sync_of_promise] = manifest[..] else {
        return Err("an edit is not four calls".into());
    };
    let table_begins = flush.place(|call| flush.is_of(call, is_table))?;
    let removal =
        flush.place(|call| matches!(call, Call::Remove { file } if matches!(file, FileId::Log(_))))?;
    let without = |place: usize| {
        let mut trace = flush.trace.clone();
        trace.calls[place] = Call::Sync { inode: NOBODY };
        trace
    };
    let moved = |from: Range<usize>, to: usize| {
        let mut trace = flush.trace.clone();
        trace.calls[to..from.end].rotate_right(from.len());
        trace
    };
    let courses = [
        ("as it is", flush.trace.clone()),
        ("without the sync of the table", without(sync_of_table)),
        ("without the sync of the directory", without(sync_of_name)),
        ("without the sync of the edit", without(sync_of_edit)),
        ("without the sync of the promise", without(sync_of_promise)),
        ("the edit in front of the table", moved(edit..sync_of_promise + 1, table_begins)),
        ("the log removed in front of the edit", moved(removal..removal + 1, edit)),
    ];
    let widths = [38, 8, 8, 16];
    out.line(row(&widths, &[&"the flush", &"crashes", &"refused", &"lost in silence"]));
    for (name, trace) in courses {
        let [crashes, refused, lost] = judged(&trace, flush.calls.start)?;
        out.line(row(
            &widths,
            &[&name, &number(crashes as u64), &number(refused as u64), &number(lost as u64)],
        ));
    }
    Ok(())
}

/// A bit of the last edit flipped, with the promise behind it and without.
fn promise(out: &mut Output, flush: &Flush) -> Outcome {
    let image = flush.trace.crash(flush.trace.calls.len(), EVERYTHING);
    let (file, bytes) = image.iter().rfind(|(file, _)| is_manifest(**file)).ok_or("there is no manifest")?;
    let flipped = |cut: usize| {
        let mut bytes = bytes[..bytes.len() - cut].to_vec();
        let place = bytes.len() - 1 - (PROMISE_BYTES - cut);
        bytes[place] ^= 1;
        let mut image = image.clone();
        image.insert(*file, bytes.into());
        image
    };
    for (name, cut) in [("with its promise", 0), ("without it", PROMISE_BYTES)] {
        let told = match quiet_reader(&flipped(cut)) {
            Ok(db) => format!("opens, with {} of {} fruits", db.range(..).count(), FRUITS.len()),
            Err(error) => format!("is refused:\n{}", wrapped(&error)),
        };
        out.line(format!("a bit of the last edit flipped, {name}: {told}"));
    }
    Ok(())
}

/// The words of an error in lines of a page's width.
fn wrapped(error: &stage6_engine::Error) -> String {
    let mut lines = vec![String::from(" ")];
    for word in error.to_string().split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + word.len() > 96) {
            lines.push(String::from(" "));
        }
        lines.iter_mut().last().expect("there is a line").extend([" ", word]);
    }
    lines.join("\n")
}

/// A manifest to which nothing more is appended.
struct Replaced {
    edits: usize,
    /// How long it was with nothing but its first record and the promise of it.
    first_bytes: u64,
    bytes: u64,
}

impl Replaced {
    fn of(file: FileId, trace: &Trace) -> Result<Replaced, Failure> {
        let of_it = |call: &Call| matches!(call, Call::Create { file: created, .. } if *created == file);
        let created = trace.calls.iter().find(|call| of_it(call));
        let Some(Call::Create { inode, .. }) = created else { return Err("nobody created it".into()) };
        let appended = trace.calls.iter().filter_map(|call| match call {
            Call::Append { inode: to, bytes } if to == inode => Some(&bytes[..]),
            _ => None,
        });
        let bytes = appended.collect::<Vec<_>>().concat();
        let parts = log_parts(&bytes, &file.to_string())?;
        let first = parts.iter().find(|part| matches!(part.contents, Ok(Contents::Promise(_))));
        let records = parts.iter().filter(|part| matches!(part.contents, Ok(Contents::Record { .. })));
        Ok(Replaced {
            edits: records.count() - 1,
            first_bytes: first.ok_or("it promises nothing")?.end as u64,
            bytes: bytes.len() as u64,
        })
    }
}

fn manifest_that_counts(disk: &SimVfs) -> Result<FileId, Failure> {
    let current = Current::read(disk)?.ok_or("there is no CURRENT")?;
    Ok(FileId::Manifest(current.manifest))
}

/// One fruit a flush, until three manifests have come and gone.
fn takeover(out: &mut Output) -> Outcome {
    let disk = SimVfs::new();
    let db = quiet().open_vfs(Arc::new(disk.clone()))?;
    let widths = [18, 14, 18, 8, 14];
    out.line(row(
        &widths,
        &[&"manifest", &"bytes at first", &"8 times, or 4,096", &"edits", &"bytes at last"],
    ));
    let mut manifest = manifest_that_counts(&disk)?;
    let mut taken_over = Vec::new();
    for fruit in 0u32.. {
        let begin = disk.calls();
        put_durably(&db, &format!("fruit{fruit:05}"))?;
        db.flush()?;
        settle(&db)?;
        let now = manifest_that_counts(&disk)?;
        if now != manifest {
            let Replaced { edits, first_bytes, bytes } = Replaced::of(manifest, &disk.trace())?;
            let limit = (8 * first_bytes).max(4096);
            out.line(row(
                &widths,
                &[&manifest, &number(first_bytes), &number(limit), &edits, &number(bytes)],
            ));
            taken_over.push(begin..disk.calls());
        }
        manifest = now;
        if taken_over.len() == 3 {
            break;
        }
    }
    out.line("");
    out.line("the first time:");
    let flush = Flush::of(disk.trace(), taken_over.first().cloned().ok_or("no manifest took over")?);
    let is_new = |call: &&Call| !matches!(call, Call::Create { file, .. } if is_manifest(*file));
    let calls = &flush.trace.calls[flush.calls.clone()];
    for call in calls.iter().skip_while(is_new).take(12) {
        let words = flush.in_words(call);
        // The first record is an edit to nothing.
        out.line(format!("  {}", words.replace("the edit", "the whole version")));
    }
    Ok(())
}

fn checkpoint(out: &mut Output) -> Outcome {
    let disk = SimVfs::new();
    let db = quiet().open_vfs(Arc::new(disk.clone()))?;
    for fruit in FRUITS {
        put_durably(&db, fruit)?;
        db.flush()?;
    }
    settle(&db)?;
    let path = Path::new("copy");
    let report = db.checkpoint(path)?;
    let copy = disk.sibling_at(path).image();
    let widths = [18, 8, 8, 14];
    out.line(row(&widths, &[&"file", &"origin", &"copy", &""]));
    let origin = disk.image();
    let files: BTreeSet<FileId> = origin.keys().chain(copy.keys()).copied().collect();
    let size = |image: &Image, file: &FileId| {
        image.get(file).map_or_else(|| "-".to_owned(), |bytes| bytes.len().to_string())
    };
    for file in files {
        let is_shared = is_table(file) && origin.contains_key(&file) && copy.contains_key(&file);
        let how = if is_shared { "one file" } else { "" };
        out.line(row(&widths, &[&file, &size(&origin, &file), &size(&copy, &file), &how]));
    }
    out.line(format!(
        "\nlinked: {} tables, {} bytes, up to write {}",
        report.tables, report.bytes, report.sequence
    ));
    let mut unfinished = copy.clone();
    unfinished.remove(&FileId::Current);
    if let Err(error) = quiet().open_vfs(Arc::new(SimVfs::from_image(&unfinished))) {
        out.line(format!("the copy without its CURRENT is refused:\n{}", wrapped(&error)));
    }
    Ok(())
}
