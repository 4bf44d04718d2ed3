//! How the verbs open a database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stage6_engine::{Builder, Db, Durability, Leveled, Mode, Result, Tiered};

use crate::args::{Recovery, Strategy, Tuning};
use crate::show;
use crate::watch::Watch;

/// Opens for reading alone: nothing in `directory` is changed.
pub(crate) fn open_to_read(directory: &Path) -> Result<Db> {
    open_to_read_as(directory, Recovery::default())
}

/// The same, in a recovery mode of the user's choice.
pub(crate) fn open_to_read_as(directory: &Path, recovery: Recovery) -> Result<Db> {
    Db::builder().read_only().recovery(recovery.into()).open(directory).inspect(note_losses)
}

/// Opens for writing, and creates what is missing.
pub(crate) fn open_to_write(directory: &Path, sync: bool) -> Result<Db> {
    Db::builder().durability(durability(sync)).open(directory).inspect(note_losses)
}

/// Opens for writing what is there already.
pub(crate) fn open_existing(directory: &Path) -> Result<Db> {
    Db::builder().create_if_missing(false).open(directory).inspect(note_losses)
}

/// Says on stderr what opening found in the logs that does not count. That is
/// legal behind a crash, and worth knowing behind anything else.
fn note_losses(db: &Db) {
    let replay = &db.recovery_report().replay;
    for dropped in &replay.dropped {
        let (file, bytes) = (&dropped.file, show::counted(dropped.bytes, "byte"));
        eprintln!(
            "lsm: note: {file}: {bytes} from offset {} do not count: {}; all up to write {} is there",
            dropped.offset, dropped.what, replay.last_sequence
        );
    }
    for lost in &replay.lost {
        eprintln!("lsm: note: the writes {} to {} are lost", lost.start(), lost.end());
    }
    for copy in &db.recovery_report().damaged_logs {
        eprintln!("lsm: note: the damaged log is kept as {copy}");
    }
}

pub(crate) fn durability(sync: bool) -> Durability {
    if sync { Durability::Sync } else { Durability::Buffer }
}

/// A builder with what the command line says about merging and watching.
pub(crate) fn tuned(tuning: &Tuning) -> Builder {
    let builder = match tuning.strategy {
        Strategy::Leveled => Db::builder().strategy(Leveled::default()),
        Strategy::Tiered => Db::builder().strategy(Tiered::default()),
    };
    if tuning.watch { builder.listener(Arc::new(Watch::begin())) } else { builder }
}

/// Flushes, and waits until no background work is due.
pub(crate) fn settle(db: &Db) -> Result<()> {
    db.flush()?;
    loop {
        let status = db.status();
        if let Mode::Stopped { because, is_final } = status.mode {
            return Err(stage6_engine::Error::Stopped { because, is_final });
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
