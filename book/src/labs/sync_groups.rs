//! What durability costs when it is asked for after every write, after eight, or once; and how
//! writers share a sync that come while another one runs.

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
    let widths = [40, 7, 9];
    out.line(row(&widths, &[&"writers who come while a sync runs", &"syncs", &"a sync"]));
    for arriving in [0, 1, 3, 7, 15] {
        let syncs = syncs_when_busy(arriving)?;
        let share = format!("{:.1}", WRITES as f64 / syncs as f64);
        out.line(row(&widths, &[&arriving, &syncs, &share]));
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
    /// The most writes that had returned and were gone.
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

/// How many syncs 64 durable writes take, when so many other writers come during each of them.
fn syncs_when_busy(arriving: u64) -> Result<usize> {
    let disk = SimVfs::new();
    let crowd = Arc::new(Crowd { arriving, journal: OnceLock::new(), state: Mutex::default() });
    let busy = Busy { disk: disk.clone(), crowd: Arc::clone(&crowd) };
    let journal = Arc::new(Journal::create(Arc::new(busy), DATABASE, 1, 0)?);
    crowd.journal.get_or_init(|| Arc::downgrade(&journal));
    let is_done = || crowd.state.lock().written == WRITES;
    loop {
        let waiting = crowd.state.lock().waiting.pop_front();
        match waiting {
            // Each of them asks for itself.
            Some(sequence) => journal.persist(sequence)?,
            None if is_done() => break,
            None => crowd.come(&journal, 1)?,
        }
    }
    let calls = disk.trace().calls;
    Ok(calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count())
}

/// Writers who come while a sync runs: they append, and wait for their turn.
struct Crowd {
    arriving: u64,
    journal: OnceLock<Weak<Journal>>,
    state: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    written: u64,
    waiting: VecDeque<Sequence>,
}

impl Crowd {
    fn come(&self, journal: &Journal, count: u64) -> Result<()> {
        for _ in 0..count {
            if self.state.lock().written < WRITES {
                let last = journal.appender().append(WriteBatch::new().put("fig", "fresh"))?;
                let mut state = self.state.lock();
                state.written += 1;
                state.waiting.push_back(last);
            }
        }
        Ok(())
    }
}

/// A disk whose syncs take so long that others come meanwhile.
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
            Some(journal) => self.crowd.come(&journal, self.crowd.arriving),
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
