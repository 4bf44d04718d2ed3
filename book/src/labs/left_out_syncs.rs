//! What each sync of the journal is for: it is left out, and every crash is tried. And all the
//! disks that one crash may leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::log::format::PROMISE_BYTES;
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::Sequence;
use stage2_wal::vfs::crash::{Call, Image, Trace};
use stage2_wal::vfs::{FileId, SimVfs};

use super::prelude::row;
use super::{Outcome, Output};

const DATABASE: DatabaseId = DatabaseId(7);
/// A file that does not exist: whose sync does nothing.
const NOBODY: usize = usize::MAX;

pub(super) fn run(out: &mut Output) -> Outcome {
    out.part("left-out");
    left_out(out)?;
    out.part("images");
    images(out)
}

/// A journal's run, and which sequence had been called durable after how many calls.
struct Run {
    disk: SimVfs,
    called_durable: Vec<(usize, Sequence)>,
}

impl Run {
    /// Two fruits, the second in another log, and both are called durable; then one more, and
    /// that is, too; then one that nobody waits for.
    fn of_two_logs() -> Result<Run> {
        let disk = SimVfs::new();
        let journal = Journal::create(Arc::new(disk.clone()), DATABASE, 1, 0)?;
        let mut called_durable = Vec::new();
        let put = |fruit: &str| journal.appender().append(WriteBatch::new().put(fruit, "fresh"));
        put("apple")?;
        let log = journal.prepare(2)?;
        journal.appender().rotate(log)?;
        for fruit in ["fig", "kiwi"] {
            let last = put(fruit)?;
            journal.persist(last)?;
            called_durable.push((disk.calls(), last));
        }
        put("lemon")?;
        Ok(Run { disk, called_durable })
    }

    fn durable_after(&self, calls: usize) -> Sequence {
        let done = self.called_durable.iter().filter(|(returned, _)| *returned <= calls);
        done.map(|(_, sequence)| *sequence).max().unwrap_or(0)
    }
}

fn left_out(out: &mut Output) -> Outcome {
    let run = Run::of_two_logs()?;
    let widths = [38, 8, 8, 16];
    out.line(row(&widths, &[&"left out", &"crashes", &"refused", &"lost in silence"]));
    let trace = run.disk.trace();
    let without = |left_out: Call| {
        let mut trace = trace.clone();
        trace
            .calls
            .iter_mut()
            .filter(|call| **call == left_out)
            .for_each(|call| *call = Call::Sync { inode: NOBODY });
        trace
    };
    // Files are numbered as they are created.
    let (first_log, second_log) = (0, 1);
    let lies = [
        ("nothing", trace.clone()),
        ("the sync of the directory", without(Call::SyncDirectory)),
        ("the sync of the older log", without(Call::Sync { inode: first_log })),
        ("the sync of the current log", without(Call::Sync { inode: second_log })),
        ("nothing, but the promise comes first", promise_first(&trace)),
    ];
    for (name, trace) in lies {
        let (mut refused, mut lost) = (0, 0);
        let crashes = trace.for_each_crash(|calls, _, image| {
            match survivors(&image) {
                Ok(last) => lost += usize::from(last < run.durable_after(calls)),
                Err(Error::Corruption { .. }) => refused += 1,
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        out.line(row(&widths, &[&name, &crashes, &refused, &lost]));
    }
    Ok(())
}

/// The same calls, but that each promise stands in front of the sync of its log.
fn promise_first(trace: &Trace) -> Trace {
    let mut trace = trace.clone();
    let is_promise = |call: &Call| matches!(call, Call::Append { bytes, .. } if bytes.len() == PROMISE_BYTES);
    for at in 1..trace.calls.len() {
        if is_promise(&trace.calls[at]) && matches!(trace.calls[at - 1], Call::Sync { .. }) {
            trace.calls.swap(at - 1, at);
        }
    }
    trace
}

/// The last sequence that a replay of the logs finds.
fn survivors(image: &Image) -> Result<Sequence> {
    let logs: Vec<u64> = image.keys().filter_map(|file| file.number()).collect();
    Ok(replay(&SimVfs::from_image(image), DATABASE, &logs, 0, |_| {})?.last_sequence)
}

/// One log: a batch that is durable, two that are not (one of them on two pages), and the power
/// goes.
fn images(out: &mut Output) -> Outcome {
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), DATABASE, 1, 0)?;
    let put = |fruit: &str, bytes: usize| {
        journal.appender().append(WriteBatch::new().put(fruit, vec![b'x'; bytes]))
    };
    let apple = put("apple", 5)?;
    journal.persist(apple)?;
    put("fig", 5_000)?;
    put("kiwi", 600)?;
    let trace = disk.trace();
    let calls = trace.calls.len();
    let mut seen: BTreeMap<Vec<u8>, (String, usize)> = BTreeMap::new();
    let policies = trace.policies(calls);
    for policy in &policies {
        let image = trace.crash(calls, *policy);
        let bytes = image.get(&FileId::Log(1)).cloned().unwrap_or_default();
        let way = format!("{:?}", policy.data);
        seen.entry(bytes.to_vec()).or_insert((way, 0)).1 += 1;
    }
    let mut rows: Vec<(String, usize, Sequence)> = Vec::new();
    for (bytes, (way, _)) in &seen {
        let image = Image::from([(FileId::Log(1), bytes::Bytes::copy_from_slice(bytes))]);
        rows.push((way.clone(), bytes.len(), survivors(&image)?));
    }
    rows.sort_by_key(|(way, bytes, survivors)| (*survivors, *bytes, way.clone()));
    let widths = [34, 10, 22];
    out.line(row(&widths, &[&"what reached the disk", &"log bytes", &"batches replayed"]));
    for (way, bytes, survivors) in rows {
        out.line(row(&widths, &[&way, &bytes, &survivors]));
    }
    out.line(format!("\n{} ways to crash, {} different disks", policies.len(), seen.len()));
    Ok(())
}
