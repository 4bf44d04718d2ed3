//! What must hold after a reopen.
//!
//! 1. The database opens, whatever the crash left.
//! 2. It holds the contents of one exact batch boundary: no hole, no half batch.
//! 3. That boundary is at or behind every write that was acknowledged as durable.
//! 4. Levels, manifest and directory agree ([`Db::check_invariants`]).
//! 5. Writing, closing and opening again work.

use std::ops::Range;
use std::sync::Arc;

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::{Image, Policy, Trace};
use stage6_engine::{Db, Durability, Read, WriteBatch};

use crate::model::Contents;
use crate::script::{Run, tiny};

/// Opens the image of every crash that `trace` allows and judges it. Every
/// `again_every`-th image is also written to and opened once more. Returns how
/// many images there were.
///
/// # Errors
/// The first violation: at which call, under which policy, what is wrong.
pub fn judge_every_crash(run: &Run, trace: &Trace, again_every: usize) -> Result<usize, String> {
    judge_crashes(run, trace, 0..usize::MAX, again_every)
}

/// The same for crashes after so many calls only.
///
/// # Errors
/// As [`judge_every_crash`].
pub fn judge_crashes(
    run: &Run,
    trace: &Trace,
    calls_done: Range<usize>,
    again_every: usize,
) -> Result<usize, String> {
    let mut images = 0;
    trace.for_each_crash(|calls, policy, image| {
        if !calls_done.contains(&calls) {
            return Ok(());
        }
        images += 1;
        let again = images % again_every == 0;
        judge(run, calls, &image, again).map_err(|what| describe(calls, policy, &what))
    })?;
    Ok(images)
}

fn describe(calls: usize, policy: Policy, what: &str) -> String {
    format!("a crash after {calls} calls ({policy}): {what}")
}

/// Judges one image of a crash after `calls` calls of `run`.
///
/// # Errors
/// The first violation, in words.
pub fn judge(run: &Run, calls: usize, image: &Image, again: bool) -> Result<(), String> {
    let vfs = SimVfs::from_image(image);
    let db = open(&vfs)?;
    let sequence = db.stats().visible_sequence;
    let durable = run.durable_at(calls);
    if sequence < durable {
        return Err(format!("it ends at sequence {sequence}, but {durable} was acknowledged as durable"));
    }
    let Some(expected) = run.model.at_boundary(sequence) else {
        return Err(format!("it ends at sequence {sequence}, in the middle of a batch"));
    };
    compare(&contents(&db)?, expected)?;
    db.check_invariants().map_err(|error| format!("after the reopen: {error}"))?;
    if again { write_and_reopen(&vfs, db, expected.clone()) } else { Ok(()) }
}

fn open(vfs: &SimVfs) -> Result<Db, String> {
    tiny().open_vfs(Arc::new(vfs.clone())).map_err(|error| format!("it does not open: {error}"))
}

/// Everything that a scan finds.
fn contents(db: &Db) -> Result<Contents, String> {
    db.range(..)
        .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect::<Result<Contents, _>>()
        .map_err(|error| format!("a scan fails: {error}"))
}

fn compare(found: &Contents, expected: &Contents) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let differs = |key: &&Vec<u8>| found.get(*key) != expected.get(*key);
    let keys = expected.keys().chain(found.keys());
    let first = keys.clone().find(differs).map(|key| key.escape_ascii().to_string());
    Err(format!("{} keys differ, {} first", keys.filter(differs).count(), first.unwrap_or_default()))
}

fn write_and_reopen(vfs: &SimVfs, db: Db, mut expected: Contents) -> Result<(), String> {
    let mut batch = WriteBatch::new();
    batch.put("key00", "after the crash").put("key99", "new");
    expected.insert(b"key00".to_vec(), b"after the crash".to_vec());
    expected.insert(b"key99".to_vec(), b"new".to_vec());
    db.write_opt(&batch, Durability::Sync).map_err(|error| format!("a write fails: {error}"))?;
    compare(&contents(&db)?, &expected).map_err(|what| format!("after a write: {what}"))?;
    db.close().map_err(|error| format!("closing fails: {error}"))?;
    drop(db);
    let db = open(vfs).map_err(|what| format!("the second time, {what}"))?;
    compare(&contents(&db)?, &expected).map_err(|what| format!("after the second reopen: {what}"))?;
    db.check_invariants().map_err(|error| format!("after the second reopen: {error}"))
}
