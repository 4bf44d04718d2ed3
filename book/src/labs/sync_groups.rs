//! What durability costs when it is asked for after every write, after eight, or once; and how
//! writers share a sync who come while another one runs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::log::format::{HEADER_BYTES, PROMISE_BYTES};
use stage2_wal::memtable::error::Result;
use stage2_wal::memtable::key::Sequence;
use stage2_wal::memtable::sync::Mutex;
use stage2_wal::vfs::crash::{Call, Image};
use stage2_wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};

use super::prelude::row;
use super::{Outcome, Output};

const DATABASE: DatabaseId = DatabaseId(7);
const WRITES: u64 = 64;

pub(super) fn run(out: &mut Output) -> Outcome {
    out.part("groups");
    groups(out)?;
    out.part("meanwhile");
    let widths = [8, 7, 13];
    out.line(row(&widths, &[&"writers", &"syncs", &"writes a sync"]));
    for writers in [1, 2, 4, 8, 16] {
        let syncs = syncs_of(writers)?;
        let share = format!("{:.1}", WRITES as f64 / syncs as f64);
        out.line(row(&widths, &[&writers, &syncs, &share]));
    }
    Ok(())
}

fn groups(out: &mut Output) -> Outcome {
    let widths = [9, 7, 6, 10, 8, 18, 15];
    let heading: [&dyn std::fmt::Display; 7] = [
        &"group of",
        &"appends",
        &"syncs",
        &"log bytes",
        &"crashes",
        &"promised and lost",
        &"at risk at most",
    ];
    out.line(row(&widths, &heading));
    for group in [1, 8, 64] {
        let disk = write_in_groups(group)?;
        let calls = disk.trace().calls;
        let appends = calls.iter().filter(|call| matches!(call, Call::Append { .. })).count();
        let syncs = calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count();
        let bytes: usize = disk.image().values().map(bytes::Bytes::len).sum();
        let Crashes { images, lost, at_risk } = crash_everywhere(&disk, group)?;
        out.line(row(&widths, &[&group, &appends, &syncs, &bytes, &images, &lost, &at_risk]));
    }
    Ok(())
}

/// 64 writes to one journal; after each group of them they are asked to be durable.
fn write_in_groups(group: u64) -> Result<SimVfs> {
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), DATABASE, 1, 0)?;
    for number in 1..=WRITES {
        let mut batch = WriteBatch::new();
        batch.put(format!("fruit{number:03}"), "fresh");
        let last = journal.appender().append(&batch)?;
        if number % group == 0 {
            journal.persist(last)?;
        }
    }
    Ok(disk)
}

struct Crashes {
    images: usize,
    /// Images in which a write is missing that had been called durable.
    lost: usize,
    /// The most writes that had been appended and were gone.
    at_risk: u64,
}

/// Builds every disk that a crash may leave, after every call, and replays it.
fn crash_everywhere(disk: &SimVfs, group: u64) -> Result<Crashes> {
    let trace = disk.trace();
    let mut crashes = Crashes { images: 0, lost: 0, at_risk: 0 };
    // A group was called durable once its promise had been appended.
    let promised_after = |calls: usize| {
        let syncs =
            trace.calls[..calls].iter().filter(|call| matches!(call, Call::Sync { .. })).count() as u64;
        let is_under_way = matches!(trace.calls[..calls].last(), Some(Call::Sync { .. }));
        (syncs - u64::from(is_under_way)) * group
    };
    let is_write = |call: &&Call| matches!(call, Call::Append { bytes, .. } if ![HEADER_BYTES, PROMISE_BYTES].contains(&bytes.len()));
    let written_after = |calls: usize| trace.calls[..calls].iter().filter(is_write).count() as u64;
    crashes.images = trace.for_each_crash(|calls, _policy, image| {
        let survivors = survivors(&image)?;
        crashes.lost += usize::from(survivors < promised_after(calls));
        crashes.at_risk = crashes.at_risk.max(written_after(calls) - survivors);
        Ok::<(), stage2_wal::memtable::Error>(())
    })?;
    Ok(crashes)
}

/// How many writes a replay finds: they are a prefix, so their number says which.
fn survivors(image: &Image) -> Result<u64> {
    let disk = SimVfs::from_image(image);
    let logs: &[u64] = if image.contains_key(&FileId::Log(1)) { &[1] } else { &[] };
    Ok(replay(&disk, DATABASE, logs, 0, |_| {})?.last_sequence)
}

/// How many syncs 64 durable writes take, of so many writers who each wait for their own write
/// before they begin the next.
fn syncs_of(writers: u64) -> Result<usize> {
    let disk = SimVfs::new();
    let state = Mutex::new(State { idle: writers, ..State::default() });
    let crowd = Arc::new(Crowd { journal: OnceLock::new(), state });
    let busy = Busy { disk: disk.clone(), crowd: Arc::clone(&crowd) };
    let journal = Arc::new(Journal::create(Arc::new(busy), DATABASE, 1, 0)?);
    crowd.journal.get_or_init(|| Arc::downgrade(&journal));
    loop {
        match crowd.first_waiting() {
            Some(sequence) => {
                journal.persist(sequence)?;
                crowd.answer(journal.durable_sequence());
            }
            None if crowd.is_done() => break,
            // Nobody waits, so one comes alone.
            None => crowd.come(&journal, 1)?,
        }
    }
    let calls = disk.trace().calls;
    Ok(calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count())
}

/// Writers who append, wait until that is durable, and come again while the next sync runs.
struct Crowd {
    journal: OnceLock<Weak<Journal>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    written: u64,
    /// How many writers wait for nothing.
    idle: u64,
    /// What the others wait for.
    waiting: VecDeque<Sequence>,
}

impl Crowd {
    fn is_done(&self) -> bool {
        self.state.lock().written == WRITES
    }

    fn first_waiting(&self) -> Option<Sequence> {
        self.state.lock().waiting.front().copied()
    }

    /// Those who wait for nothing append, `most` of them at most.
    fn come(&self, journal: &Journal, most: u64) -> Result<()> {
        let coming = {
            let mut state = self.state.lock();
            let coming = state.idle.min(most).min(WRITES - state.written);
            state.idle -= coming;
            state.written += coming;
            coming
        };
        for _ in 0..coming {
            let last = journal.appender().append(WriteBatch::new().put("fig", "fresh"))?;
            self.state.lock().waiting.push_back(last);
        }
        Ok(())
    }

    /// Who waited for a sequence up to `durable` waits no more.
    fn answer(&self, durable: Sequence) {
        let mut state = self.state.lock();
        while state.waiting.front().is_some_and(|sequence| *sequence <= durable) {
            state.waiting.pop_front();
            state.idle += 1;
        }
    }
}

/// A disk whose syncs take so long that everybody who waits for nothing comes meanwhile.
struct Busy {
    disk: SimVfs,
    crowd: Arc<Crowd>,
}

struct BusyFile {
    inner: Arc<dyn AppendFile>,
    crowd: Arc<Crowd>,
}

impl AppendFile for BusyFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.inner.append(bytes)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()?;
        match self.crowd.journal.get().and_then(Weak::upgrade) {
            Some(journal) => self.crowd.come(&journal, u64::MAX),
            None => Ok(()),
        }
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.inner.finish(length)
    }
}

impl Vfs for Busy {
    fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(BusyFile { inner: self.disk.create(file)?, crowd: Arc::clone(&self.crowd) }))
    }

    fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
        self.disk.open(file)
    }

    fn rename(&self, from: FileId, to: FileId) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, file: FileId) -> Result<()> {
        self.disk.remove(file)
    }

    fn list(&self) -> Result<Vec<FileId>> {
        self.disk.list()
    }

    fn sync_directory(&self) -> Result<()> {
        self.disk.sync_directory()
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl fmt::Debug for BusyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
