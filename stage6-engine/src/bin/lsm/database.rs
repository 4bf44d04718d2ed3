//! How the verbs open a database.

use std::path::Path;
use std::time::Duration;

use stage6_engine::{Db, Durability, Mode, Result};

/// Opens for reading alone: nothing in `directory` is changed.
pub(crate) fn open_to_read(directory: &Path) -> Result<Db> {
    Db::builder().read_only().open(directory)
}

/// Opens for writing, and creates what is missing.
pub(crate) fn open_to_write(directory: &Path, sync: bool) -> Result<Db> {
    let durability = if sync { Durability::Sync } else { Durability::Buffer };
    Db::builder().durability(durability).open(directory)
}

/// Flushes, and waits until no background work is due.
pub(crate) fn settle(db: &Db) -> Result<()> {
    db.flush()?;
    loop {
        let status = db.status();
        if let Mode::Stopped(because) = status.mode {
            return Err(stage6_engine::Error::Stopped { because });
        }
        match (status.pending.first(), status.running.is_empty()) {
            (None, true) => return Ok(()),
            // A reader that lets go of a table leaves its file to be removed, and
            // wakes nobody for it.
            (Some(job), true) => db.run_job(*job)?,
            (_, false) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
