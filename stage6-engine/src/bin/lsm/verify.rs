//! Reads a whole database, and says what is wrong with it.
//!
//! ```text
//!   tables                                          23
//!   …
//!   problem: words.db/000012.sst is corrupt at offset 4101: …      a line for each
//!   sound: every checksum, order and count is right                the last line
//! ```
//!
//! The database is opened read-only: opening replays the logs, and thereby checks
//! each record of them. Damage does not end it: a damaged log is a problem, and what
//! is whole of it is taken (by salvage, which writes nothing here), so that the
//! tables are read all the same. Only a damaged manifest or `CURRENT` ends it:
//! without them nobody knows which files count.

use std::io::Write;

use stage6_engine::{Db, Error, ErrorKind, Mode};

use crate::args::{Inspect, Recovery};
use crate::database::{open_to_read, open_to_read_as};
use crate::failure::Failure;
use crate::{progress, show};

pub(crate) fn verify(args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    let because = match open_to_read(&args.directory) {
        Ok(db) => return report(&db, None, out),
        Err(because) => because,
    };
    match because.kind() {
        ErrorKind::Corruption | ErrorKind::Unsupported => {}
        _ => return Err(because.into()),
    }
    match open_to_read_as(&args.directory, Recovery::Salvage) {
        Ok(db) => report(&db, Some(&because), out),
        Err(_) => Err(Failure::Unopened { because }),
    }
}

/// Verifies an open database, and fails when it is not sound. `found` is a problem
/// that was found by opening it.
pub(crate) fn report(db: &Db, found: Option<&Error>, out: &mut dyn Write) -> Result<(), Failure> {
    let bar = progress::of_bytes("verifying");
    let report = db.verify_with(|progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    });
    bar.finish_and_clear();
    let report = report?;
    for (name, count) in [
        ("tables", report.tables),
        ("blocks", report.blocks),
        ("entries in tables", report.entries),
        ("bytes in tables", report.table_bytes),
        ("records of manifest and logs", report.records + replayed_records(db)),
    ] {
        writeln!(out, "{}", show::row(name, &show::number(count)))?;
    }
    if db.recovery_report().replay.logs == 0 && !db.recovery_report().created {
        let last = show::number(db.stats().visible_sequence);
        writeln!(out, "note: there is no log: writes behind number {last}, if there were any, were in it")?;
    }
    let problems = report.problems.iter().map(ToString::to_string);
    let problems: Vec<String> = found.map(ToString::to_string).into_iter().chain(problems).collect();
    for problem in &problems {
        writeln!(out, "problem: {}", show::on_one_line(problem))?;
    }
    match problems.len() {
        0 if db.recovery_report().replay.dropped.is_empty() => {
            Ok(writeln!(out, "sound: every checksum, order and count is right")?)
        }
        0 => Ok(writeln!(
            out,
            "sound, but for the end of a log: every checksum, order and count of the rest is right"
        )?),
        problems => Err(Failure::Unsound { problems }),
    }
}

/// The logs of a database that was opened read-only were read by opening it, and
/// are not read again.
fn replayed_records(db: &Db) -> u64 {
    match db.status().mode {
        Mode::ReadOnly => db.recovery_report().replay.batches,
        _ => 0,
    }
}
