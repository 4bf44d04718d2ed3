//! What durability costs when it is asked for after every write, after eight, or once.

use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::log::format::{HEADER_BYTES, PROMISE_BYTES};
use stage2_wal::memtable::error::Result;
use stage2_wal::vfs::crash::{Call, Image};
use stage2_wal::vfs::{FileId, SimVfs};

use super::prelude::row;
use super::{Outcome, Output};

const DATABASE: DatabaseId = DatabaseId(7);
const WRITES: u64 = 64;

pub(super) fn run(out: &mut Output) -> Outcome {
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
