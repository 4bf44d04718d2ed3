//! A second database of the same contents, made by links.

use std::io::{ErrorKind, Write};
use std::path::Path;

use stage6_engine::Db;
use stage6_engine::memtable::error::Error as StorageError;

use crate::args::Checkpoint;
use crate::database::open_existing;
use crate::failure::Failure;
use crate::show;

pub(crate) fn checkpoint(args: &Checkpoint, out: &mut dyn Write) -> Result<(), Failure> {
    let db = open_existing(&args.directory)?;
    report(&db, &args.target, out)?;
    Ok(db.close()?)
}

/// Makes the checkpoint of an open database in `target`.
pub(crate) fn report(db: &Db, target: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let report = db.checkpoint(target).map_err(|error| explained(error, target))?;
    let (tables, size) = (show::counted(report.tables as u64, "table"), show::size(report.bytes));
    let sequence = show::number(report.sequence);
    Ok(writeln!(out, "{}: {tables} of {size} by links, up to write {sequence}", target.display())?)
}

/// Says what a link to another file system means.
fn explained(error: stage6_engine::Error, target: &Path) -> Failure {
    let is_elsewhere = match &error {
        stage6_engine::Error::Storage(StorageError::Io { source, .. }) => {
            source.kind() == ErrorKind::CrossesDevices
        }
        _ => false,
    };
    let target = target.display();
    match is_elsewhere {
        true => Failure::Unfit {
            what: format!(
                "{target} lies on another file system: a checkpoint is made of links, so choose a directory beside the database"
            ),
        },
        false => error.into(),
    }
}
