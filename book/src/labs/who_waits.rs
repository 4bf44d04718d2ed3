//! Who waits for whom: writers who share syncs, writers who are slowed down and stopped, and who may
//! go on while somebody stands in the middle of a call to the disk.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use stage2_wal::memtable::error::Result as DiskResult;
use stage2_wal::memtable::sync::Mutex;
use stage2_wal::vfs::crash::Call;
use stage2_wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};
use stage6_engine::{
    Builder, Codec, Commit, Db, Durability, Job, Leveled, Pressure, Read, Runtime, SimRuntime, WriteBatch,
};

use super::prelude::{Dice, number, row};
use super::{Outcome, Output};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const WRITES: usize = 64;
const MEMTABLE_BYTES: usize = 64 << 10;
/// Where it is counted how long writers sleep.
const ONSET_MEMTABLE_BYTES: usize = 256 << 10;
/// Where many writers sleep at the same time: so much that a millisecond is little.
const MANY_MEMTABLE_BYTES: usize = 1 << 20;
const VALUE_BYTES: usize = 1_000;

pub(super) fn run(out: &mut Output) -> Outcome {
    out.part("writers");
    writers(out)?;
    out.part("onset");
    onset(out)?;
    out.part("many");
    many(out)?;
    out.part("meanwhile");
    meanwhile(out)
}

// A disk that calls back.

/// A call to the disk, under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Append(FileId),
    Sync(FileId),
    SyncDirectory,
    Remove(FileId),
}

type Hook = Arc<dyn Fn(Doing) + Send + Sync>;

/// A disk in memory, whose calls last until somebody else has been at work.
#[derive(Clone)]
struct Slow {
    disk: SimVfs,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Slow {
    fn new() -> Slow {
        Slow { disk: SimVfs::new(), hook: Arc::default() }
    }

    fn during(&self, hook: Hook) {
        *self.hook.lock() = Some(hook);
    }

    fn quiet(&self) {
        *self.hook.lock() = None;
    }

    fn tell(&self, doing: Doing) {
        let hook = self.hook.lock().clone();
        if let Some(hook) = hook {
            hook(doing);
        }
    }
}

struct SlowFile {
    file: FileId,
    inner: Arc<dyn AppendFile>,
    disk: Slow,
}

impl AppendFile for SlowFile {
    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        self.disk.tell(Doing::Append(self.file));
        self.inner.append(bytes)
    }

    fn sync(&self) -> DiskResult<()> {
        self.inner.sync()?;
        self.disk.tell(Doing::Sync(self.file));
        Ok(())
    }

    fn finish(&self, length: u64) -> DiskResult<()> {
        self.inner.finish(length)
    }
}

impl Vfs for Slow {
    fn create(&self, file: FileId) -> DiskResult<Arc<dyn AppendFile>> {
        Ok(Arc::new(SlowFile { file, inner: self.disk.create(file)?, disk: self.clone() }))
    }

    fn open(&self, file: FileId) -> DiskResult<Arc<dyn ReadFile>> {
        self.disk.open(file)
    }

    fn rename(&self, from: FileId, to: FileId) -> DiskResult<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, file: FileId) -> DiskResult<()> {
        self.tell(Doing::Remove(file));
        self.disk.remove(file)
    }

    fn list(&self) -> DiskResult<Vec<FileId>> {
        self.disk.list()
    }

    fn sync_directory(&self) -> DiskResult<()> {
        self.disk.sync_directory()?;
        self.tell(Doing::SyncDirectory);
        Ok(())
    }

    fn lock(&self, mode: LockMode) -> DiskResult<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl fmt::Debug for SlowFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

// Writers who share syncs.

/// When a writer who was served comes back with his next write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ComesBack {
    /// While the next sync runs: too late for it.
    Meanwhile,
    /// Before the next sync begins.
    Before,
}

fn writers(out: &mut Output) -> Outcome {
    let widths = [9, 22, 9, 26, 9];
    let heading: [&dyn fmt::Display; 5] =
        [&"writers", &"syncs: back meanwhile", &"a sync", &"syncs: back before it", &"a sync"];
    out.line(row(&widths, &heading));
    for writers in [1, 2, 4, 8, 16] {
        let meanwhile = syncs_of(writers, ComesBack::Meanwhile)?;
        let before = syncs_of(writers, ComesBack::Before)?;
        let share = |syncs: usize| format!("{:.1}", WRITES as f64 / syncs as f64);
        out.line(row(&widths, &[&writers, &meanwhile, &share(meanwhile), &before, &share(before)]));
    }
    Ok(())
}

/// Writers, each with one durable write at a time.
struct Crowd {
    idle: usize,
    written: usize,
    waiting: VecDeque<Commit>,
}

impl Crowd {
    /// All who are idle write, and begin to wait.
    fn write(crowd: &Mutex<Crowd>, db: &Db, most: usize) -> Result<(), stage6_engine::Error> {
        for _ in 0..most {
            let mut crowd = crowd.lock();
            if crowd.idle == 0 || crowd.written == WRITES {
                break;
            }
            crowd.waiting.push_back(db.put("fig", "fresh")?);
            crowd.idle -= 1;
            crowd.written += 1;
        }
        Ok(())
    }
}

/// How many syncs of the log 64 durable writes take.
fn syncs_of(writers: usize, back: ComesBack) -> Result<usize, Failure> {
    let slow = Slow::new();
    let db = still().open_vfs(Arc::new(slow.clone()))?;
    let crowd = Arc::new(Mutex::new(Crowd { idle: writers, written: 0, waiting: VecDeque::new() }));
    let begin = slow.disk.calls();
    slow.during({
        let (crowd, db) = (Arc::clone(&crowd), db.clone());
        Arc::new(move |doing| {
            if matches!(doing, Doing::Sync(_)) && back == ComesBack::Meanwhile {
                Crowd::write(&crowd, &db, writers).expect("the disk is sound");
            }
        })
    });
    loop {
        let at_first = if back == ComesBack::Before { writers } else { 1 };
        let is_empty = crowd.lock().waiting.is_empty();
        if is_empty || back == ComesBack::Before {
            Crowd::write(&crowd, &db, at_first)?;
        }
        let next = crowd.lock().waiting.front().cloned();
        let Some(next) = next else { break };
        next.wait_durable()?;
        let mut crowd = crowd.lock();
        let before = crowd.waiting.len();
        crowd.waiting.retain(|commit| !commit.is_durable());
        crowd.idle += before - crowd.waiting.len();
    }
    slow.quiet();
    let calls = slow.disk.trace().calls;
    Ok(calls[begin..].iter().filter(|call| matches!(call, Call::Sync { .. })).count())
}

fn still() -> Builder {
    Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1)))
}

// The onset of a stall.

/// What presses on writers, and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Memtables,
    Level0,
    Debt,
}

/// What a writer saw while it filled a memtable.
pub(crate) struct Onset {
    /// What pressed on it, and how hard, when it began.
    pub(crate) pressure: Option<Pressure>,
    /// How long it was made to sleep, by the clock of the simulation.
    pub(crate) slept: Duration,
    /// The longest that one put slept.
    longest: Duration,
    /// The bytes of its batches.
    bytes: u64,
}

/// The memtables that were filled before a writer was stopped, and what it then had to run.
pub(crate) struct Stall {
    pub(crate) filled: Vec<Onset>,
    flushes: u64,
    flushed_bytes: u64,
    merges: u64,
    merged_bytes: u64,
}

/// Fills memtables until the writer is stopped; what is flushed meanwhile, `cause` says.
pub(crate) fn until_stopped(cause: Cause) -> Result<Stall, Failure> {
    let runtime = Arc::new(SimRuntime::new(1));
    let mut builder = still().runtime(Arc::clone(&runtime) as _).memtable_bytes(ONSET_MEMTABLE_BYTES);
    builder = builder.codec(Codec::None);
    if cause == Cause::Debt {
        // So many files that they do not press.
        builder = builder.level0_limits(1_000, 2_000);
    }
    let db = builder.open_in_memory()?;
    let mut dice = Dice::seeded(13);
    let mut filled = Vec::new();
    loop {
        let (before, began) = (db.stats(), runtime.now());
        let pressure = db.status().pressure;
        let mut longest = Duration::ZERO;
        while db.stats().waiting_memtables == before.waiting_memtables && db.stats().stops == 0 {
            let asked = runtime.now();
            put_fruit(&db, &mut dice)?;
            longest = longest.max(runtime.now() - asked);
        }
        let after = db.stats();
        // Who is stopped by the first byte fills none.
        if pressure.is_none_or(|pressure| pressure.level < 1.0) {
            let bytes = after.bytes_written - before.bytes_written;
            filled.push(Onset { pressure, slept: runtime.now() - began, longest, bytes });
        }
        if after.stops > 0 {
            return Ok(Stall {
                filled,
                flushes: after.flushes - before.flushes,
                flushed_bytes: after.flushed_bytes - before.flushed_bytes,
                merges: after.compactions - before.compactions,
                merged_bytes: after.compaction_bytes_read - before.compaction_bytes_read,
            });
        }
        if cause != Cause::Memtables {
            db.run_job(Job::Flush)?;
        }
    }
}

fn put_fruit(db: &Db, dice: &mut Dice) -> Result<(), stage6_engine::Error> {
    let value: Vec<u8> = (0..VALUE_BYTES).map(|_| dice.next() as u8).collect();
    db.put(format!("fruit{:08}", dice.below(100_000_000)), value).map(drop)
}

fn onset(out: &mut Output) -> Outcome {
    let widths = [40, 8, 13, 8, 13, 12];
    out.line(row(
        &widths,
        &[&"what presses", &"pressure", &"bytes put", &"slept", &"longest sleep", &"bytes/slept"],
    ));
    for cause in [Cause::Memtables, Cause::Level0, Cause::Debt] {
        let stall = until_stopped(cause)?;
        let pressed =
            stall.filled.iter().filter_map(|onset| onset.pressure.map(|pressure| (onset, pressure)));
        let mut told = 0.0;
        for (onset, pressure) in pressed {
            // Not each of a hundred steps.
            if pressure.level < told {
                continue;
            }
            told = pressure.level + 0.2;
            let reason = pressure.reason.to_string();
            let reason = reason.split(" (").next().unwrap_or_default();
            let percent = format!("{:.0} %", pressure.level * 100.0);
            let rate = rate(onset.bytes, onset.slept);
            let cells: [&dyn fmt::Display; 6] = [
                &reason,
                &percent,
                &number(onset.bytes),
                &milliseconds(onset.slept),
                &milliseconds(onset.longest),
                &rate,
            ];
            out.line(row(&widths, &cells));
        }
        let free = stall.filled.iter().take_while(|onset| onset.pressure.is_none()).count();
        out.line(format!(
            "  {free} memtables were filled before, without any sleep; at the end the writer is stopped,"
        ));
        out.line(match stall.merges {
            0 => format!("  until {} flush has written {} bytes", stall.flushes, number(stall.flushed_bytes)),
            merges => format!("  until {merges} merge has read {} bytes", number(stall.merged_bytes)),
        });
    }
    Ok(())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn rate(bytes: u64, time: Duration) -> String {
    match time.as_secs_f64() {
        0.0 => "-".to_owned(),
        seconds => format!("{:.1} MiB/s", bytes as f64 / seconds / f64::from(1 << 20)),
    }
}

/// Writers on one thread, each with a clock of its own: whoever sleeps holds up nobody else.
#[derive(Debug)]
struct SideBySide {
    clocks: Mutex<Vec<Duration>>,
    now_writes: AtomicUsize,
    slept: Mutex<Duration>,
}

impl SideBySide {
    /// The turn of the writer whose clock is furthest behind. Returns the time on it.
    fn next(&self) -> Duration {
        let clocks = self.clocks.lock();
        let first = (0..clocks.len()).min_by_key(|writer| clocks[*writer]).unwrap_or_default();
        self.now_writes.store(first, Ordering::Relaxed);
        clocks[first]
    }
}

impl Runtime for SideBySide {
    fn now(&self) -> Duration {
        self.clocks.lock()[self.now_writes.load(Ordering::Relaxed)]
    }

    fn sleep(&self, duration: Duration) {
        self.clocks.lock()[self.now_writes.load(Ordering::Relaxed)] += duration;
        *self.slept.lock() += duration;
    }

    fn random(&self) -> u64 {
        7
    }

    fn workers(&self) -> usize {
        0
    }

    fn spawn(&self, _name: String, _work: stage6_engine::runtime::Work) -> std::io::Result<JoinHandle<()>> {
        Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
    }
}

fn many(out: &mut Output) -> Outcome {
    let widths = [9, 13, 20, 13, 16];
    let heading: [&dyn fmt::Display; 5] =
        [&"writers", &"bytes put", &"slept by all of them", &"it took", &"all together"];
    out.line(row(&widths, &heading));
    for writers in [1, 4, 16] {
        let runtime = Arc::new(SideBySide {
            clocks: Mutex::new(vec![Duration::ZERO; writers]),
            now_writes: AtomicUsize::new(0),
            slept: Mutex::default(),
        });
        let builder = still().runtime(Arc::clone(&runtime) as _).memtable_bytes(MANY_MEMTABLE_BYTES);
        let db = builder.open_in_memory()?;
        let mut dice = Dice::seeded(13);
        while db.stats().waiting_memtables < 11 {
            runtime.next();
            put_fruit(&db, &mut dice)?;
        }
        let (bytes, slept, began) = (db.stats().bytes_written, *runtime.slept.lock(), runtime.next());
        while db.stats().waiting_memtables == 11 {
            runtime.next();
            put_fruit(&db, &mut dice)?;
        }
        let (bytes, took) = (db.stats().bytes_written - bytes, runtime.next() - began);
        let slept = *runtime.slept.lock() - slept;
        let cells: [&dyn fmt::Display; 5] =
            [&writers, &number(bytes), &milliseconds(slept), &milliseconds(took), &rate(bytes, took)];
        out.line(row(&widths, &cells));
    }
    Ok(())
}

// Who goes on meanwhile.

/// Threads that are never given the processor: whoever counts on them waits.
#[derive(Debug)]
struct Starved;

impl Runtime for Starved {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _duration: Duration) {}

    fn random(&self) -> u64 {
        7
    }

    fn workers(&self) -> usize {
        1
    }

    fn spawn(&self, _name: String, _work: stage6_engine::runtime::Work) -> std::io::Result<JoinHandle<()>> {
        Ok(thread::spawn(|| {}))
    }
}

/// Whoever has not come back after this time waits for the call to end. It is the only clock
/// here, and far longer than any of them needs.
const LONG: Duration = Duration::from_millis(1_000);

type Story = fn(&Db, &Stage) -> Outcome;

/// A call to the disk that is looked at: what leads to it, and which call it is.
struct Scene {
    name: &'static str,
    lead: Story,
    act: Story,
    is_it: fn(Doing) -> bool,
    /// It is the so manieth of them.
    nth: usize,
}

/// What a scene needs.
struct Stage {
    disk: Slow,
}

fn meanwhile(out: &mut Output) -> Outcome {
    let widths = [56, 14, 8, 14];
    out.line(row(&widths, &[&"while a thread stands in", &"get, snapshot", &"a put", &"a durable put"]));
    for scene in scenes() {
        let [reads, put, durable] = scene.play()?;
        let word = |goes_on: bool| if goes_on { "goes on" } else { "waits" };
        out.line(row(&widths, &[&scene.name, &word(reads), &word(put), &word(durable)]));
    }
    Ok(())
}

fn put(db: &Db, _stage: &Stage) -> Outcome {
    Ok(db.put("kiwi", "brown").map(drop)?)
}

fn put_durably(db: &Db, _stage: &Stage) -> Outcome {
    Ok(db.write_opt(WriteBatch::new().put("kiwi", "brown"), Durability::Sync).map(drop)?)
}

fn nothing(_db: &Db, _stage: &Stage) -> Outcome {
    Ok(())
}

/// Fills the memtable to its limit.
fn fill(db: &Db, _stage: &Stage) -> Outcome {
    fill_to(db, MEMTABLE_BYTES as u64)
}

fn fill_to(db: &Db, bytes: u64) -> Outcome {
    let mut number = 0;
    while db.stats().memtable_bytes < bytes {
        db.put(format!("fruit{number:05}"), [b'.'; VALUE_BYTES])?;
        number += 1;
    }
    Ok(())
}

/// Fills the memtable until a writer rotates it. Returns how large it was.
fn rotated(db: &Db) -> Result<u64, Failure> {
    let waiting = db.stats().waiting_memtables;
    let mut bytes = 0;
    for number in 0.. {
        if db.stats().waiting_memtables > waiting {
            break;
        }
        bytes = db.stats().memtable_bytes;
        db.put(format!("fruit{number:05}"), [b'.'; VALUE_BYTES])?;
    }
    Ok(bytes)
}

fn rotate(db: &Db, _stage: &Stage) -> Outcome {
    rotated(db).map(drop)
}

/// One full memtable that waits, and another that has grown by a half beyond its limit.
fn overfill(db: &Db, _stage: &Stage) -> Outcome {
    let waiting = rotated(db)?;
    fill_to(db, waiting + 3 * MEMTABLE_BYTES as u64 / 2)
}

fn prepare(db: &Db, _stage: &Stage) -> Outcome {
    Ok(db.run_job(Job::PrepareLog)?)
}

fn flush(db: &Db, _stage: &Stage) -> Outcome {
    Ok(db.run_job(Job::Flush)?)
}

fn flushed_twice(db: &Db, stage: &Stage) -> Outcome {
    for _ in 0..2 {
        rotate(db, stage)?;
        flush(db, stage)?;
        db.run_job(Job::PrepareLog)?;
    }
    Ok(())
}

fn scenes() -> Vec<Scene> {
    let scene = |name, lead, act, is_it, nth| Scene { name, lead, act, is_it, nth };
    let log = |doing| matches!(doing, Doing::Append(FileId::Log(_)));
    let table = |doing| matches!(doing, Doing::Append(FileId::Table(_)));
    let directory = |doing| doing == Doing::SyncDirectory;
    vec![
        scene("put: append the batch to the log", nothing, put, log, 1),
        scene(
            "durable put: sync the log",
            nothing,
            put_durably,
            |doing| matches!(doing, Doing::Sync(FileId::Log(_))),
            1,
        ),
        scene("durable put: append the promise", nothing, put_durably, log, 2),
        scene("making the next log: sync its name", fill, prepare, directory, 1),
        scene("the same, the memtable over by a half", overfill, prepare, directory, 1),
        scene("flush: write the table", rotate, flush, table, 1),
        scene(
            "flush: sync the table",
            rotate,
            flush,
            |doing| matches!(doing, Doing::Sync(FileId::Table(_))),
            1,
        ),
        scene("flush: sync the directory", rotate, flush, directory, 1),
        scene(
            "flush: sync the edit",
            rotate,
            flush,
            |doing| matches!(doing, Doing::Sync(FileId::Manifest(_))),
            1,
        ),
        scene("compaction: write a table", flushed_twice, |db, _| Ok(db.run_job(Job::Compact)?), table, 1),
        scene(
            "remove a log that counts no more",
            |db, stage| {
                rotate(db, stage)?;
                flush(db, stage)
            },
            |db, _| Ok(db.run_job(Job::RemoveFiles)?),
            |doing| matches!(doing, Doing::Remove(FileId::Log(_))),
            1,
        ),
    ]
}

impl Scene {
    /// Whether a reader, a put and a durable put come back while the call lasts.
    fn play(&self) -> Result<[bool; 3], Failure> {
        let stage = Stage { disk: Slow::new() };
        let strategy = Leveled { level0_files: 2, ..Leveled::default() };
        let builder = Db::builder().database_id(7).runtime(Arc::new(Starved)).strategy(strategy);
        let db = builder.memtable_bytes(MEMTABLE_BYTES).open_vfs(Arc::new(stage.disk.clone()))?;
        (self.lead)(&db, &stage)?;
        let actor: ThreadId = thread::current().id();
        let seen = Arc::new(Mutex::new((0, None, Vec::new())));
        stage.disk.during({
            let (db, seen, is_it, nth) = (db.clone(), Arc::clone(&seen), self.is_it, self.nth);
            Arc::new(move |doing| {
                if thread::current().id() != actor || !is_it(doing) {
                    return;
                }
                let mut seen = seen.lock();
                seen.0 += 1;
                if seen.0 == nth {
                    let (goes_on, threads) = passers_by(&db);
                    (seen.1, seen.2) = (Some(goes_on), threads);
                }
            })
        });
        (self.act)(&db, &stage)?;
        stage.disk.quiet();
        let (_, goes_on, threads) = std::mem::take(&mut *seen.lock());
        threads.into_iter().try_for_each(JoinHandle::join).map_err(|_| "somebody panicked")?;
        goes_on.ok_or_else(|| format!("there was no such call: {}", self.name).into())
    }
}

/// Three who come by, each in a thread of his own: which of them come back soon?
fn passers_by(db: &Db) -> ([bool; 3], Vec<JoinHandle<()>>) {
    let reads = |db: &Db| {
        let snapshot = db.snapshot().expect("it is open");
        let of_snapshot = snapshot.get("fruit00001").expect("the disk is sound");
        assert_eq!(of_snapshot, db.get("fruit00001").expect("the disk is sound"));
        assert!(db.range(..).take(3).all(|entry| entry.is_ok()));
    };
    let writes = |db: &Db| drop(db.put("plum", "blue").expect("the disk is sound"));
    let durably = |db: &Db| {
        let mut batch = WriteBatch::new();
        batch.put("pear", "green");
        assert!(db.write_opt(&batch, Durability::Sync).expect("the disk is sound").is_durable());
    };
    let visits: [fn(&Db); 3] = [reads, writes, durably];
    let (done, threads): (Vec<Receiver<()>>, Vec<JoinHandle<()>>) = visits
        .into_iter()
        .map(|visit| {
            let (tell, told) = channel();
            let db = db.clone();
            let thread = thread::spawn(move || {
                visit(&db);
                let _nobody_asks_any_more = tell.send(());
            });
            (told, thread)
        })
        .unzip();
    let end = std::time::Instant::now() + LONG;
    let mut came_back = [false; 3];
    for (came_back, told) in came_back.iter_mut().zip(&done) {
        let left = end.saturating_duration_since(std::time::Instant::now());
        *came_back = told.recv_timeout(left).is_ok();
    }
    (came_back, threads)
}
