//! What a database makes of a damaged file.
//!
//! ```text
//!   image ──open, scan, get──▶ refused at open, at read · unchanged · shorter
//! ```
//!
//! There is no other answer that is not wrong. Whether a shorter prefix is one that
//! nobody could have told from a torn tail is for whoever did the damage to say.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stage6_engine::memtable::error::Error as StorageError;
use stage6_engine::memtable::key::Sequence;
use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::{Builder, Codec, Db, Durability, Error, Read, Result, SimRuntime};

use super::subject::{KEYS, key, writer};
use crate::model::{Contents, Model};
use crate::script::batch_of;

/// What a reader was told by a database with one damaged file.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Opening it failed with this error.
    RefusedAtOpen(Error),
    /// It opened, some reads failed with this error, and all others were right.
    RefusedAtRead(Error),
    /// Every answer was right.
    Unchanged,
    /// Every answer was right as of this earlier batch boundary.
    Shorter(Sequence),
}

impl Verdict {
    /// The error, if that was the answer.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Verdict::RefusedAtOpen(error) | Verdict::RefusedAtRead(error) => Some(error),
            Verdict::Unchanged | Verdict::Shorter(_) => None,
        }
    }

    /// The file that the error names, if it names one and a place in it.
    pub fn named(&self) -> Option<(&str, u64)> {
        match self.error()? {
            Error::Storage(StorageError::Corruption { file, offset, .. }) => Some((file, *offset)),
            _ => None,
        }
    }
}

/// Opens for reading only, with a cold cache that stays cold.
pub(super) fn reader() -> Builder {
    Db::builder().cache_bytes(0).runtime(Arc::new(SimRuntime::new(1))).read_only()
}

/// The verdict; a panic is a wrong answer.
///
/// # Errors
/// A wrong answer, in words.
pub(super) fn answer(judge: impl FnOnce() -> Result<Verdict, String>) -> Result<Verdict, String> {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| Err("it panics".to_owned()))
}

/// Opens what `vfs` holds for reading, and judges every answer.
///
/// # Errors
/// A wrong answer, in words.
pub fn judge_reading(model: &Model, vfs: &SimVfs) -> Result<Verdict, String> {
    match reader().open_vfs(Arc::new(vfs.clone())) {
        Ok(db) => judge(model, &db),
        Err(error) => Ok(Verdict::RefusedAtOpen(error)),
    }
}

/// Opens what `image` holds for writing, compacts everything, and judges every
/// answer before and after. One that opens sound is also written to and opened again;
/// one that is refused must be as it was.
///
/// # Errors
/// A wrong answer, in words.
pub fn judge_writing(model: &Model, image: &Image, codec: Codec) -> Result<Verdict, String> {
    let vfs = SimVfs::from_image(image);
    let open = || writer(codec).cache_bytes(0).open_vfs(Arc::new(vfs.clone()));
    let db = match open() {
        Ok(db) => db,
        Err(error) if vfs.image() == *image => return Ok(Verdict::RefusedAtOpen(error)),
        Err(error) => return Err(format!("it was changed, and then refused: {error}")),
    };
    let verdict = judge(model, &db)?;
    let compacted = db.compact_range(..);
    let again = judge(model, &db).map_err(|what| format!("after a compaction: {what}"))?;
    match (&verdict, compacted) {
        (Verdict::RefusedAtRead(_), Ok(_)) if again.error().is_none() => {
            return Err("a compaction made damage disappear".to_owned());
        }
        (Verdict::RefusedAtRead(_), _) => return Ok(verdict),
        (_, Err(error)) => return Err(format!("what can be read cannot be compacted: {error}")),
        (_, Ok(_)) => {}
    }
    let mut expected = model.at_boundary(db.stats().visible_sequence).cloned().unwrap_or_default();
    expected.insert(key(3), b"behind the damage".to_vec());
    let found = write_and_reopen(db, open).map_err(|error| format!("it opened, and then failed: {error}"))?;
    match found == expected {
        true => Ok(verdict),
        false => Err(format!("after a write and a reopen: {} keys of {}", found.len(), expected.len())),
    }
}

fn write_and_reopen(db: Db, open: impl Fn() -> Result<Db>) -> Result<Contents> {
    db.write_opt(&batch_of(&[(key(3), Some(b"behind the damage".to_vec()))]), Durability::Sync)?;
    db.close()?;
    drop(db);
    let db = open()?;
    db.check_invariants()?;
    db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// Scans everything and gets every key. Each answer is right, or an error.
fn judge(model: &Model, db: &Db) -> Result<Verdict, String> {
    let sequence = db.stats().visible_sequence;
    let expected =
        model.at_boundary(sequence).ok_or_else(|| format!("it ends at {sequence}, inside of a batch"))?;
    let mut refusal = None;
    let mut left = expected.iter();
    for entry in db.range(..) {
        match entry {
            Ok((key, value)) if left.next().is_some_and(|(k, v)| key == *k && value == *v) => {}
            Ok((key, _)) => return Err(format!("a scan finds {key:?}, which is wrong there")),
            Err(error) => refusal = Some(error),
        }
    }
    if let (None, Some((key, _))) = (&refusal, left.next()) {
        return Err(format!("a scan ends before {}", key.escape_ascii()));
    }
    for key in (0..=KEYS).map(key) {
        match db.get(&key) {
            Ok(value) if value.as_deref() == expected.get(&key).map(Vec::as_slice) => {}
            Ok(value) => return Err(format!("get({}) gives {value:?}", key.escape_ascii())),
            Err(error) => drop(refusal.get_or_insert(error)),
        }
    }
    Ok(match refusal {
        Some(error) => Verdict::RefusedAtRead(error),
        None if sequence == model.sequence() => Verdict::Unchanged,
        None => Verdict::Shorter(sequence),
    })
}
