//! A short life of a database, from its first open to its last close: a crash after every call of it,
//! and after every call of the recovery; the same life with one sync left out; every call failing in
//! every way; and torn ends of logs that other logs have followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stage1_memtable::error::Result as DiskResult;
use stage1_memtable::key::Sequence;
use stage2_wal::log::format::HEADER_BYTES;
use stage2_wal::vfs::crash::{Call, DataPolicy, Image, Inode, NamePolicy, Policy, Trace};
use stage2_wal::vfs::{
    AppendFile, Fault, FaultKind, FaultVfs, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs,
};
use stage6_engine::{
    Builder, Codec, Db, Durability, Leveled, Read, RecoveryReport, Result, SimRuntime, WriteBatch,
};

use super::prelude::{number, row};
use super::{Outcome, Output};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

const NOTHING_UNSYNCED: Policy = Policy { names: NamePolicy::Prefix(0), data: DataPolicy::Lost };

/// Of so many different disks of a first crash, one is recovered under a second.
const RECOVERED_EVERY: usize = 40;

pub(super) fn run(out: &mut Output) -> Outcome {
    let life = Life::lived(LeftOut::Nothing)?;
    out.part("matrix");
    let disks = matrix(out, &life)?;
    out.part("recovery");
    recovery(out, &life)?;
    out.part("second");
    second(out, &disks)?;
    out.part("left-out");
    left_out(out)?;
    out.part("torn");
    torn(out)?;
    out.part("faults");
    faults(out)
}

/// So small that a dozen batches reach every part of it.
fn small() -> Builder {
    let small = Leveled { level0_files: 2, base_level_bytes: 1_500, size_ratio: 4, target_file_bytes: 1_000 };
    let builder = Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1))).strategy(small);
    builder.memtable_bytes(700).max_immutables(3).block_size_bytes(256).codec(Codec::None)
}

/// Which sync the disk answers and leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    Directory,
    Table,
    Manifest,
    Temporary,
    OlderLog,
    CurrentLog,
}

/// A disk that leaves out one kind of sync.
#[derive(Debug, Clone)]
struct Forgetful {
    disk: SimVfs,
    left_out: LeftOut,
    /// The highest log that holds a record.
    newest_log: Arc<AtomicU64>,
}

impl Forgetful {
    fn leaves_out(&self, file: FileId) -> bool {
        let newest = self.newest_log.load(Ordering::Relaxed);
        match file {
            FileId::Table(_) => self.left_out == LeftOut::Table,
            FileId::Manifest(_) => self.left_out == LeftOut::Manifest,
            FileId::Temporary(_) => self.left_out == LeftOut::Temporary,
            FileId::Log(log) if log < newest => self.left_out == LeftOut::OlderLog,
            FileId::Log(_) => self.left_out == LeftOut::CurrentLog,
            _ => false,
        }
    }
}

impl Vfs for Forgetful {
    fn create(&self, file: FileId) -> DiskResult<Arc<dyn AppendFile>> {
        let inner = self.disk.create(file)?;
        Ok(Arc::new(ForgetfulFile { file, inner, disk: self.clone(), appends: AtomicU64::new(0) }))
    }

    fn open(&self, file: FileId) -> DiskResult<Arc<dyn ReadFile>> {
        self.disk.open(file)
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
        if self.left_out == LeftOut::Directory { Ok(()) } else { self.disk.sync_directory() }
    }

    fn lock(&self, mode: LockMode) -> DiskResult<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

#[derive(Debug)]
struct ForgetfulFile {
    file: FileId,
    inner: Arc<dyn AppendFile>,
    disk: Forgetful,
    appends: AtomicU64,
}

impl AppendFile for ForgetfulFile {
    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        // The first append is the header: a log without a record follows nothing.
        let is_record = self.appends.fetch_add(1, Ordering::Relaxed) > 0;
        if let (FileId::Log(log), true) = (self.file, is_record) {
            self.disk.newest_log.fetch_max(log, Ordering::Relaxed);
        }
        self.inner.append(bytes)
    }

    fn sync(&self) -> DiskResult<()> {
        if self.disk.leaves_out(self.file) { Ok(()) } else { self.inner.sync() }
    }

    fn finish(&self, length: u64) -> DiskResult<()> {
        self.inner.finish(length)
    }
}

/// A database from its first open to its last close, and what it should hold meanwhile.
struct Life {
    disk: SimVfs,
    /// What it was at, and at which call that began.
    phases: Vec<(&'static str, usize)>,
    /// What it should hold behind each batch.
    history: BTreeMap<Sequence, Contents>,
    /// After how many calls which sequence had been written, and which had been called durable.
    written: Vec<(usize, Sequence)>,
    durable: Vec<(usize, Sequence)>,
}

impl Life {
    fn lived(left_out: LeftOut) -> Result<Life> {
        let disk = SimVfs::new();
        let vfs = Arc::new(Forgetful { disk: disk.clone(), left_out, newest_log: Arc::default() });
        let history = BTreeMap::from([(0, Contents::new())]);
        let (phases, written, durable) = (Vec::new(), Vec::new(), Vec::new());
        let mut life = Life { disk, phases, history, written, durable };
        life.begin("the first open");
        let db = small().open_vfs(vfs.clone())?;
        life.begin("5 batches into 3 logs");
        (0..5).try_for_each(|batch| life.write(&db, batch, batch == 2 || batch == 4))?;
        life.begin("a flush");
        db.flush()?;
        life.call_durable();
        life.begin("3 batches, a flush");
        (5..8).try_for_each(|batch| life.write(&db, batch, false))?;
        db.flush()?;
        life.call_durable();
        life.begin("a compaction");
        while let Some(job) = db.pending_jobs().first() {
            db.run_job(*job)?;
        }
        life.begin("2 batches, the close");
        (8..10).try_for_each(|batch| life.write(&db, batch, false))?;
        db.close()?;
        life.call_durable();
        drop(db);
        life.begin("the second open");
        let db = small().open_vfs(vfs)?;
        life.begin("2 batches, the close");
        (10..12).try_for_each(|batch| life.write(&db, batch, false))?;
        db.close()?;
        life.call_durable();
        Ok(life)
    }

    fn begin(&mut self, phase: &'static str) {
        self.phases.push((phase, self.disk.calls()));
    }

    /// A batch of three: two fruits put, and one deleted.
    fn write(&mut self, db: &Db, batch: usize, is_durable: bool) -> Result<()> {
        const FRUITS: [&str; 5] = ["apple", "fig", "kiwi", "lemon", "mango"];
        let mut contents = self.history.values().next_back().cloned().unwrap_or_default();
        let mut writes = WriteBatch::new();
        for place in [batch, batch + 1] {
            let (fruit, value) = (FRUITS[place % FRUITS.len()], format!("from batch {batch:030}"));
            writes.put(fruit, &value);
            contents.insert(fruit.into(), value.into());
        }
        let gone = FRUITS[(batch + 3) % FRUITS.len()];
        writes.delete(gone);
        contents.remove(gone.as_bytes());
        let durability = if is_durable { Durability::Sync } else { Durability::Buffer };
        let sequence = db.write_opt(&writes, durability)?.sequence();
        self.history.insert(sequence, contents);
        self.written.push((self.disk.calls(), sequence));
        if is_durable {
            self.call_durable();
        }
        Ok(())
    }

    /// Everything written so far is durable from this call on.
    fn call_durable(&mut self) {
        let last = self.history.keys().next_back().copied().unwrap_or_default();
        self.durable.push((self.disk.calls(), last));
    }

    /// How many batches end at or below this sequence.
    fn batches(&self, sequence: Sequence) -> usize {
        self.history.keys().filter(|end| (1..=sequence).contains(*end)).count()
    }
}

/// The highest sequence noted by the time that `calls` calls were done.
fn by_then(noted: &[(usize, Sequence)], calls: usize) -> Sequence {
    let by_then = noted.iter().filter(|(call, _)| *call <= calls);
    by_then.map(|(_, sequence)| *sequence).max().unwrap_or_default()
}

/// What a directory holds when it is opened; `None` when it is refused.
type Found = Option<(Sequence, Contents)>;

fn found_on(image: &Image) -> Found {
    let open = || {
        let db = small().open_vfs(Arc::new(SimVfs::from_image(image)))?;
        db.check_invariants()?;
        Ok::<_, stage6_engine::Error>((db.stats().visible_sequence, contents(&db)?))
    };
    open().ok()
}

fn contents(db: &Db) -> Result<Contents> {
    db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// What was found on each disk that was opened so far.
#[derive(Default)]
struct Opened(BTreeMap<u64, Found>);

impl Opened {
    fn found_on(&mut self, image: &Image) -> &Found {
        self.0.entry(digest(image)).or_insert_with(|| found_on(image))
    }
}

fn digest(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    image.hash(&mut hasher);
    hasher.finish()
}

/// What became of the crashes of a phase, or of a life.
#[derive(Default)]
struct Verdicts {
    disks: u64,
    different: BTreeSet<u64>,
    refused: u64,
    /// Something that had been called durable is gone, and nobody says so.
    lost: u64,
    /// It holds what it never held: half of a batch, or one without one before it.
    wrong: u64,
    /// How many batches had been written that are gone, at most.
    most_gone: usize,
}

impl Verdicts {
    fn judge(&mut self, life: &Life, calls: usize, image: &Image, found: &Found) {
        self.disks += 1;
        self.different.insert(digest(image));
        let Some((sequence, contents)) = found else {
            self.refused += 1;
            return;
        };
        if life.history.get(sequence) != Some(contents) {
            self.wrong += 1;
        } else if *sequence < by_then(&life.durable, calls) {
            self.lost += 1;
        }
        let written = life.batches(by_then(&life.written, calls));
        self.most_gone = self.most_gone.max(written.saturating_sub(life.batches(*sequence)));
    }
}

fn cells(out: &mut Output, widths: &[usize], name: &dyn Display, numbers: &[u64]) {
    let numbers: Vec<String> = numbers.iter().map(|count| number(*count)).collect();
    let mut cells = vec![name];
    cells.extend(numbers.iter().map(|number| number as &dyn Display));
    out.line(row(widths, &cells));
}

/// A crash after each call. Returns the different disks that this gave.
fn matrix(out: &mut Output, life: &Life) -> std::result::Result<Vec<Image>, Failure> {
    let trace = life.disk.trace();
    let phase_of = |calls: usize| life.phases.partition_point(|(_, begin)| *begin < calls).max(1) - 1;
    let mut verdicts: Vec<Verdicts> = life.phases.iter().map(|_| Verdicts::default()).collect();
    let (mut opened, mut disks) = (Opened::default(), BTreeMap::new());
    trace.for_each_crash(|calls, _, image| {
        verdicts[phase_of(calls)].judge(life, calls, &image, opened.found_on(&image));
        disks.entry(digest(&image)).or_insert(image);
        Ok::<(), Failure>(())
    })?;
    let widths = [24, 6, 8, 10, 8, 23, 14, 12];
    out.line(row(
        &widths,
        &[
            &"a crash during",
            &"calls",
            &"disks",
            &"different",
            &"refused",
            &"acknowledged and lost",
            &"never existed",
            &"most gone",
        ],
    ));
    let ends = life.phases.iter().skip(1).map(|(_, begin)| *begin).chain([trace.calls.len()]);
    for (((phase, begin), end), found) in life.phases.iter().zip(ends).zip(&verdicts) {
        let Verdicts { disks, different, refused, lost, wrong, most_gone } = found;
        let numbers = [
            (end - begin) as u64,
            *disks,
            different.len() as u64,
            *refused,
            *lost,
            *wrong,
            *most_gone as u64,
        ];
        cells(out, &widths, phase, &numbers);
    }
    let all: u64 = verdicts.iter().map(|found| found.disks).sum();
    let different = disks.len() as u64;
    out.line(format!("\n{} disks, {} of them different", number(all), number(different)));
    Ok(disks.into_values().collect())
}

/// The calls of a recovery, and what it found.
fn recovered(image: &Image) -> Result<(Trace, Sequence, Contents, Db)> {
    let disk = SimVfs::from_image(image);
    let db = small().open_vfs(Arc::new(disk.clone()))?;
    // Now, because closing makes calls too.
    let trace = disk.trace();
    let found = contents(&db)?;
    Ok((trace, db.stats().visible_sequence, found, db))
}

/// A recovery under a second crash.
pub(crate) struct SecondCrash {
    /// The files that the first crash left, and those behind the recovery.
    before: Vec<FileId>,
    after: Vec<FileId>,
    report: RecoveryReport,
    /// Behind each call: its words, and the disks of a second crash.
    pub(crate) calls: Vec<(String, Disks)>,
}

/// The disks that a second crash may leave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Disks {
    /// `CURRENT` is what it was: the next recovery begins again.
    pub(crate) old: u64,
    /// It is the new one: the next recovery finds all in tables.
    pub(crate) new: u64,
    /// The next recovery comes to another end, or to none.
    pub(crate) other_end: u64,
}

impl SecondCrash {
    /// The first crash: a flush has written its table and synced its name, and no more.
    pub(crate) fn observed() -> std::result::Result<SecondCrash, Failure> {
        SecondCrash::of(&Life::lived(LeftOut::Nothing)?)
    }

    fn of(life: &Life) -> std::result::Result<SecondCrash, Failure> {
        let image = left_within_a_flush(life)?;
        let (recovery, sequence, found, db) = recovered(&image)?;
        let mut disks = vec![Disks::default(); recovery.calls.len() + 1];
        let mut opened = Opened::default();
        recovery.for_each_crash(|calls, _, disk| {
            let is_old = disk.get(&FileId::Current) == image.get(&FileId::Current);
            let behind = &mut disks[calls];
            behind.old += u64::from(is_old);
            behind.new += u64::from(!is_old);
            let is_same = opened.found_on(&disk).as_ref() == Some(&(sequence, found.clone()));
            behind.other_end += u64::from(!is_same);
            Ok::<(), Failure>(())
        })?;
        let everything = Policy { names: NamePolicy::Prefix(usize::MAX), data: DataPolicy::Kept };
        let after = recovery.crash(recovery.calls.len(), everything);
        let words = recovery.calls.iter().map(|call| in_words(&recovery, call));
        Ok(SecondCrash {
            before: image.keys().copied().collect(),
            after: after.keys().copied().collect(),
            report: db.recovery_report().clone(),
            calls: words.zip(disks.into_iter().skip(1)).collect(),
        })
    }
}

fn left_within_a_flush(life: &Life) -> std::result::Result<Image, Failure> {
    let trace = life.disk.trace();
    let begin = life.phases.iter().find(|(phase, _)| *phase == "a flush").map_or(0, |(_, begin)| *begin);
    let after = |from: usize, wanted: fn(&Call) -> bool| {
        (from..trace.calls.len()).find(|place| wanted(&trace.calls[*place])).ok_or("there is no such call")
    };
    let table = after(begin, |call| matches!(call, Call::Create { file: FileId::Table(_), .. }))?;
    let name = after(table, |call| matches!(call, Call::SyncDirectory))?;
    Ok(trace.crash(name + 1, NOTHING_UNSYNCED))
}

/// One recovery, call by call, and a second crash behind each of them.
fn recovery(out: &mut Output, life: &Life) -> Outcome {
    let SecondCrash { before, after, report, calls } = SecondCrash::of(life)?;
    let names = |files: &[FileId]| files.iter().map(ToString::to_string).collect::<Vec<_>>().join("  ");
    out.line(format!("the crash left     {}", names(&before)));
    out.line(format!("the recovery left  {}", names(&after)));
    out.line(format!(
        "replayed {} batches of {} logs, up to sequence {}; wrote {} table; removed {} files\n",
        report.replay.batches,
        report.replay.logs,
        report.replay.last_sequence,
        report.tables_written,
        report.files_removed,
    ));
    let widths = [38, 8, 14, 14, 12];
    out.line(row(
        &widths,
        &[&"a second crash behind", &"disks", &"begins again", &"finds it done", &"other end"],
    ));
    for (call, Disks { old, new, other_end }) in &calls {
        cells(out, &widths, call, &[old + new, *old, *new, *other_end]);
    }
    Ok(())
}

fn in_words(trace: &Trace, call: &Call) -> String {
    let name = |wanted: &Inode| {
        let created = trace.calls.iter().find_map(|call| match call {
            Call::Create { file, inode } if inode == wanted => Some(file.to_string()),
            _ => None,
        });
        created.unwrap_or_default()
    };
    match call {
        Call::Create { file, .. } => format!("create {file}"),
        Call::Append { inode, bytes } => format!("{}: {} bytes", name(inode), bytes.len()),
        Call::Sync { inode } => format!("sync {}", name(inode)),
        Call::Rename { from, to } => format!("rename {from} to {to}"),
        Call::Remove { file } => format!("remove {file}"),
        Call::SyncDirectory => "sync the directory".to_owned(),
    }
}

/// Recoveries of many disks, each with a second crash after each of its calls.
fn second(out: &mut Output, disks: &[Image]) -> Outcome {
    let (mut recoveries, mut crashes, mut other, mut opened) = (0, 0, 0, Opened::default());
    for image in disks.iter().step_by(RECOVERED_EVERY) {
        let (trace, sequence, found, _db) = recovered(image)?;
        recoveries += 1;
        trace.for_each_crash(|_, _, disk| {
            crashes += 1;
            other += u64::from(opened.found_on(&disk).as_ref() != Some(&(sequence, found.clone())));
            Ok::<(), Failure>(())
        })?;
    }
    out.line(format!("recoveries, of disks that a first crash left    {recoveries:>8}"));
    out.line(format!("disks that a second crash may leave             {:>8}", number(crashes)));
    out.line(format!("refused, or come to another end than the first  {other:>8}"));
    Ok(())
}

fn left_out(out: &mut Output) -> Outcome {
    let rows = [
        ("nothing", LeftOut::Nothing),
        ("of tables", LeftOut::Table),
        ("of the directory", LeftOut::Directory),
        ("of manifests", LeftOut::Manifest),
        ("of the file that becomes CURRENT", LeftOut::Temporary),
        ("of logs that another has followed", LeftOut::OlderLog),
        ("of the log that is written to", LeftOut::CurrentLog),
    ];
    let widths = [36, 8, 10, 18, 16];
    out.line(row(
        &widths,
        &[&"the sync that is left out", &"disks", &"refused", &"lost in silence", &"never existed"],
    ));
    for (name, left_out) in rows {
        let life = Life::lived(left_out)?;
        let (mut verdicts, mut opened) = (Verdicts::default(), Opened::default());
        life.disk.trace().for_each_crash(|calls, _, image| {
            verdicts.judge(&life, calls, &image, opened.found_on(&image));
            Ok::<(), Failure>(())
        })?;
        let Verdicts { disks, refused, lost, wrong, .. } = verdicts;
        cells(out, &widths, &name, &[disks, refused, lost, wrong]);
    }
    Ok(())
}

/// Three fruits, each in a log of its own.
fn torn(out: &mut Output) -> Outcome {
    let [unpromised, promised, promised_between] =
        [None, Some("kiwi"), Some("fig")].map(Harvest::persisted_behind);
    let (unpromised, promised, promised_between) = (unpromised?, promised?, promised_between?);
    let is_used = |(file, bytes): &(&FileId, &bytes::Bytes)| {
        matches!(file, FileId::Log(_)) && bytes.len() > HEADER_BYTES
    };
    let logs: Vec<FileId> = unpromised.image.iter().filter(is_used).map(|(file, _)| *file).collect();
    let [first, second, third] = logs[..] else { return Err("there are not three logs".into()) };
    type Harm = fn(&mut Image, FileId);
    let cut: Harm = |image, log| change(image, log, |bytes| bytes.truncate(bytes.len() - 1));
    let cut_in_record: Harm = |image, log| change(image, log, |bytes| bytes.truncate(HEADER_BYTES + 1));
    let remove: Harm = |image, log| drop(image.remove(&log));
    let rows: [(&str, Harm, FileId); 5] = [
        ("the first log torn", cut, first),
        ("the second log torn", cut, second),
        ("the second log missing", remove, second),
        ("the third log torn", cut, third),
        ("the third, up to within its record", cut_in_record, third),
    ];
    let widths = [34, 22, 22];
    out.line(row(&widths, &[&"", &"nothing synced", &"all acknowledged"]));
    for (name, harm, log) in rows {
        let told = [&unpromised, &promised].map(|harvest| harvest.after(|image| harm(image, log)));
        out.line(row(&widths, &[&name, &told[0], &told[1]]));
    }
    let told = promised_between.after(|image| cut(image, second));
    out.line(format!("\napple and fig acknowledged, their promise behind fig torn: {told}"));
    Ok(())
}

/// Three logs with a fruit in each, and every disk that the walk makes of a crash behind them.
struct Harvest {
    image: Image,
    crashes: BTreeSet<u64>,
}

impl Harvest {
    const FRUITS: [&str; 3] = ["apple", "fig", "kiwi"];

    /// Behind this fruit all so far are made durable, which leaves a promise in its log.
    fn persisted_behind(persisted: Option<&str>) -> Result<Harvest> {
        let disk = SimVfs::new();
        let db = small().memtable_bytes(1).max_immutables(9).open_vfs(Arc::new(disk.clone()))?;
        for fruit in Harvest::FRUITS {
            db.put(fruit, "fresh")?;
            if persisted == Some(fruit) {
                db.persist()?;
            }
        }
        let (trace, calls) = (disk.trace(), disk.calls());
        let crashes = trace.policies(calls).into_iter().map(|policy| digest(&trace.crash(calls, policy)));
        Ok(Harvest { image: disk.image(), crashes: crashes.collect() })
    }

    /// How many come back after `harm`, and whether a crash can do that.
    fn after(&self, harm: impl FnOnce(&mut Image)) -> String {
        let mut image = self.image.clone();
        harm(&mut image);
        let back = match small().open_vfs(Arc::new(SimVfs::from_image(&image))) {
            Ok(db) => {
                let is_back = |fruit: &&&str| db.contains(fruit).unwrap_or(false);
                Harvest::FRUITS.iter().filter(is_back).count().to_string()
            }
            Err(_) => "refused".to_owned(),
        };
        let by = if self.crashes.contains(&digest(&image)) { "a crash" } else { "damage" };
        format!("{back} ({by})")
    }
}

fn change(image: &mut Image, log: FileId, change: impl FnOnce(&mut Vec<u8>)) {
    if let Some(bytes) = image.get_mut(&log) {
        let mut changed = bytes.to_vec();
        change(&mut changed);
        *bytes = changed.into();
    }
}

/// A shop that goes on whatever it is told.
struct Shop {
    disk: FaultVfs,
    /// What lies under the faults.
    sound: SimVfs,
    db: Option<Db>,
    /// Each order that was acknowledged.
    acknowledged: Vec<usize>,
}

const ORDERS: usize = 8;

fn order(number: usize) -> String {
    format!("order {number:060}")
}

impl Shop {
    fn opened() -> Shop {
        let sound = SimVfs::new();
        let disk = FaultVfs::new(Arc::new(sound.clone()));
        Shop { disk, sound, db: None, acknowledged: Vec::new() }
    }

    /// The disk, should the power fail now: nothing on it that was not synced.
    fn without_power(&self) -> SimVfs {
        SimVfs::from_image(&self.sound.trace().crash(self.sound.calls(), NOTHING_UNSYNCED))
    }

    /// Takes orders, flushes and merges in between, and opens again behind the sixth.
    fn trade(&mut self) {
        for number in 0..ORDERS {
            if number == 6
                && let Some(db) = self.db.take()
            {
                let _may_fail = db.close();
            }
            if self.db.is_none() {
                self.db = small().open_vfs(Arc::new(self.disk.clone())).ok();
            }
            let Some(db) = &self.db else { continue };
            let mut batch = WriteBatch::new();
            if db.write_opt(batch.put(order(number), "taken"), Durability::Sync).is_ok() {
                self.acknowledged.push(number);
            }
            if number == 2 || number == 4 {
                let _may_fail = db.flush();
            }
            if let Some(job) = db.pending_jobs().first() {
                let _may_fail = db.run_job(*job);
            }
        }
    }

    /// How many acknowledged orders a reader is told not to exist.
    fn missing(&self, db: &Db) -> u64 {
        let is_missing = |number: &&usize| matches!(db.get(order(**number)), Ok(None));
        self.acknowledged.iter().filter(is_missing).count() as u64
    }
}

fn faults(out: &mut Output) -> Outcome {
    let names = [
        (FaultKind::Io, "any call: input/output error"),
        (FaultKind::NoSpace, "what needs room: no space"),
        (FaultKind::ShortWrite, "an append: half of it, no space"),
        (FaultKind::ShortRead, "a read: less than there is"),
        (FaultKind::FailedSync, "a sync"),
    ];
    let widths = [44, 6, 8, 10, 11, 12, 6];
    out.line(row(
        &widths,
        &[&"what fails", &"runs", &"struck", &"goes on", &"open anew", &"not opened", &"lost"],
    ));
    let calls = {
        let mut sound = Shop::opened();
        sound.trade();
        sound.disk.calls()
    };
    for (kind, name) in names {
        for is_sticky in [false, true] {
            let [mut struck, mut goes_on, mut anew, mut not_opened, mut lost] = [0; 5];
            for at_call in 0..calls {
                let mut shop = Shop::opened();
                shop.disk.arm(Fault { kind, at_call, is_sticky });
                shop.trade();
                struck += u64::from(shop.disk.struck() > 0);
                lost += shop.db.as_ref().map_or(0, |db| shop.missing(db));
                lost += shop.missing(&small().open_vfs(Arc::new(shop.without_power()))?);
                shop.disk.clear();
                match shop.db.take().map(|db| db.try_resume().and_then(|()| db.put("resumed", "").map(drop)))
                {
                    Some(Ok(())) => goes_on += 1,
                    Some(Err(_)) => anew += 1,
                    None => not_opened += 1,
                }
                let db = small().open_vfs(Arc::new(shop.disk.clone()))?;
                db.check_invariants()?;
                lost += shop.missing(&db);
            }
            let when = if is_sticky { "for good" } else { "once" };
            let name = format!("{name}, {when}");
            cells(out, &widths, &name, &[calls, struck, goes_on, anew, not_opened, lost]);
        }
    }
    Ok(())
}
