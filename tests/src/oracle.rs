//! What must hold after a reopen.
//!
//! 1. The database opens, whatever the crash left.
//! 2. It holds the contents of one exact batch boundary: no hole, no half batch.
//! 3. That boundary is at or behind every write that was acknowledged as durable.
//! 4. Levels, manifest and directory agree ([`Db::check_invariants`]).
//! 5. Writing, closing and opening again work.

use std::fmt;
use std::sync::Arc;

use stage6_engine::memtable::key::Sequence;
use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::{Image, Policy, Trace};
use stage6_engine::{Db, Durability, Read, WriteBatch};

use crate::model::Contents;
use crate::script::{Run, tiny};

/// An image of which one of these does not hold.
#[derive(Debug)]
pub struct Violation {
    /// How many calls were done before the crash.
    pub calls: usize,
    /// Which of the policies at this call, counted from 0.
    pub index: usize,
    /// The policy itself.
    pub policy: Policy,
    /// What does not hold.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a crash after {} calls ({}): {}", self.calls, self.policy, self.what)
    }
}

/// Opens the image of every crash that `trace` allows and judges it. Every
/// `again_every`-th image is also written to and opened once more. Returns how
/// many images there were.
///
/// # Errors
/// The first violation: at which call, under which policy, what is wrong.
pub fn judge_every_crash(run: &Run, trace: &Trace, again_every: usize) -> Result<u64, Violation> {
    judge_crashes(
        trace,
        |_, _| true,
        |calls, count, image| judge(run, calls, image, count % again_every == 0),
    )
}

/// Gives the images that `is_chosen` takes, by their call and index, to `judge`,
/// with the number of calls done and how many were given so far. Returns how
/// many there were.
///
/// # Errors
/// The first violation that `judge` tells.
pub fn judge_crashes(
    trace: &Trace,
    mut is_chosen: impl FnMut(usize, usize) -> bool,
    mut judge: impl FnMut(usize, usize, &Image) -> Result<(), String>,
) -> Result<u64, Violation> {
    let (mut images, mut call, mut next_index) = (0, 0, 0);
    trace.for_each_crash(|calls, policy, image| {
        let index = if calls == call { next_index } else { 0 };
        (call, next_index) = (calls, index + 1);
        if !is_chosen(calls, index) {
            return Ok(());
        }
        images += 1;
        judge(calls, images, &image).map_err(|what| Violation { calls, index, policy, what })
    })?;
    Ok(images as u64)
}

/// Judges one image of a crash after `calls` calls of `run`.
///
/// # Errors
/// The first violation, in words.
pub fn judge(run: &Run, calls: usize, image: &Image, again: bool) -> Result<(), String> {
    let vfs = SimVfs::from_image(image);
    let db = open(&vfs)?;
    let sequence = judge_contents(run, calls, &db)?;
    let expected = run.model.at_boundary(sequence).cloned().unwrap_or_default();
    if again { write_and_reopen(&vfs, db, expected) } else { Ok(()) }
}

/// Judges what `db` holds, opened after a crash after `calls` calls of `run`.
/// Returns the sequence at which it ends.
///
/// # Errors
/// The first violation, in words.
pub fn judge_contents(run: &Run, calls: usize, db: &Db) -> Result<Sequence, String> {
    let sequence = db.stats().visible_sequence;
    let durable = run.durable_at(calls);
    if sequence < durable {
        return Err(format!("it ends at sequence {sequence}, but {durable} was acknowledged as durable"));
    }
    let Some(expected) = run.model.at_boundary(sequence) else {
        return Err(format!("it ends at sequence {sequence}, in the middle of a batch"));
    };
    compare(&contents(db)?, expected)?;
    db.check_invariants().map_err(|error| format!("after the reopen: {error}"))?;
    Ok(sequence)
}

/// Opens the database on `vfs`.
///
/// # Errors
/// That it does not open, in words.
pub fn open(vfs: &SimVfs) -> Result<Db, String> {
    tiny().open_vfs(Arc::new(vfs.clone())).map_err(|error| format!("it does not open: {error}"))
}

/// Everything that a scan finds.
///
/// # Errors
/// That it fails, in words.
pub fn contents(db: &Db) -> Result<Contents, String> {
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
