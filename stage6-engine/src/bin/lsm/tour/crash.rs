//! Chapter 6: a child writes to the same database until it is killed.
//!
//! ```text
//!   child    batch 1 ─ack─ batch 2 ─ack─ … batch n ─ack─ batch n+1 ─✗ killed
//!   parent                     reads every ack from a pipe            │
//!   reopened                   batches 1 … m, whole, with m ≥ n ◀─────┘
//! ```
//!
//! An acknowledgement is a number on a line of its own, printed when the write
//! has returned. Batch n has a few entries that only it has, and one that every
//! batch overwrites with its number: so a batch that is there by half shows.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use stage6_engine::{Db, Durability, Read, RecoveryReport, WriteBatch};

use super::{Tour, options};
use crate::args::{Damage, TourChild};
use crate::failure::Failure;
use crate::show;

/// How many entries a batch has for itself.
const PARTS: u64 = 4;

/// Every so many batches one is made durable.
const SYNC_EVERY: u64 = 16;

/// Between the first acknowledgement and the kill, in milliseconds: chance
/// decides, so that no two tours kill at the same place.
const KILL_AFTER_MILLIS: std::ops::Range<u64> = 300..700;

pub(super) fn chapter(tour: &mut Tour<'_>, directory: &Path) -> Result<(), Failure> {
    tour.report.heading("Killed while writing")?;
    tour.report.say(&format!(
        "A child process opens the same database, writes numbered batches of {PARTS} new entries and one \
         counter that each overwrites, and prints each number when its write has returned; every {SYNC_EVERY}th \
         is synced. At a moment that it does not know we send it signal 9."
    ))?;
    let prefix = unused_prefix(tour);
    let killed = run_and_kill(directory, &prefix)?;
    check_the_kill(tour, &killed)?;

    let db = options(None).open(directory)?;
    show_recovery(tour, db.recovery_report())?;
    if tour.is_to_damage(Damage::Batch) {
        db.delete(part_key(&prefix, killed.acknowledged.max(1), 0))?;
    }
    check_batches(tour, &db, &prefix, killed.acknowledged)?;
    check_the_rest(tour, &db)?;
    Ok(db.close()?)
}

/// The child's keys begin with this, and no word does.
fn unused_prefix(tour: &Tour<'_>) -> String {
    let mut prefix = "batch/".to_owned();
    while tour.words.beginning_with(prefix.as_bytes()).next().is_some() {
        prefix.insert(0, '~');
    }
    prefix
}

/// What is known of the child when it is gone.
struct Killed {
    status: ExitStatus,
    /// The last number that it printed whole.
    acknowledged: u64,
}

fn run_and_kill(directory: &Path, prefix: &str) -> Result<Killed, Failure> {
    let mut child = start(directory, prefix)?;
    let acks = child.stdout.take().expect("its stdout is a pipe");
    let mut acks = BufReader::new(acks);
    let first =
        read_ack(&mut acks).ok_or_else(|| Failure::Child { what: "ended before its first batch".to_owned() });
    let last = first.and_then(|first| {
        std::thread::scope(|scope| {
            // Somebody must read while it writes, or the pipe fills and it waits.
            let reader = scope.spawn(|| std::iter::from_fn(|| read_ack(&mut acks)).last());
            std::thread::sleep(Duration::from_millis(rand::random_range(KILL_AFTER_MILLIS)));
            child.kill().map_err(|error| child_failed("cannot be killed", &error))?;
            let last = reader.join().expect("reading a pipe does not panic");
            Ok(last.unwrap_or(first))
        })
    });
    let status = child.wait().map_err(|error| child_failed("cannot be waited for", &error))?;
    Ok(Killed { status, acknowledged: last? })
}

fn start(directory: &Path, prefix: &str) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|error| child_failed("has no program", &error))?;
    let mut command = Command::new(program);
    command.arg("tour-child").arg(directory).arg(prefix).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().map_err(|error| child_failed("cannot be started", &error))
}

fn child_failed(what: &str, error: &std::io::Error) -> Failure {
    Failure::Child { what: format!("{what}: {error}") }
}

/// The next number; none behind the end, or in a line that the kill cut off.
fn read_ack(acks: &mut impl BufRead) -> Option<u64> {
    let mut line = String::new();
    acks.read_line(&mut line).ok()?;
    line.strip_suffix('\n')?.parse().ok()
}

/// The child. Ends only by a failure, or by force.
pub(crate) fn write_until_killed(args: &TourChild, out: &mut dyn Write) -> Result<(), Failure> {
    let db = options(None).open(&args.directory)?;
    for number in 1.. {
        let durability = if is_synced(number) { Durability::Sync } else { Durability::Buffer };
        db.write_opt(&batch(&args.prefix, number), durability)?;
        writeln!(out, "{number}")?;
    }
    Ok(())
}

fn is_synced(number: u64) -> bool {
    number.is_multiple_of(SYNC_EVERY)
}

fn batch(prefix: &str, number: u64) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for part in 0..PARTS {
        batch.put(part_key(prefix, number, part), part_value(number, part));
    }
    batch.put(last_key(prefix), number.to_string());
    batch
}

fn part_key(prefix: &str, number: u64, part: u64) -> String {
    format!("{prefix}{number:010}/{part}")
}

fn part_value(number: u64, part: u64) -> String {
    format!("part {part} of batch {number}. ").repeat(8)
}

/// Every batch overwrites it with its number.
fn last_key(prefix: &str) -> String {
    format!("{prefix}last")
}

fn check_the_kill(tour: &mut Tour<'_>, killed: &Killed) -> Result<(), Failure> {
    tour.report.claim(
        is_by_force(killed.status),
        &format!(
            "the child was ended by {}; it had acknowledged {}, {} of them synced",
            killed.status,
            show::counted(killed.acknowledged, "batch"),
            show::number(killed.acknowledged / SYNC_EVERY),
        ),
    )
}

#[cfg(unix)]
fn is_by_force(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
}

#[cfg(not(unix))]
fn is_by_force(status: ExitStatus) -> bool {
    !status.success()
}

fn show_recovery(tour: &mut Tour<'_>, recovery: &RecoveryReport) -> Result<(), Failure> {
    let replay = &recovery.replay;
    tour.report.item(
        "reopened:",
        &format!(
            "{} replayed from {} into {}; {} that counted no more removed",
            show::counted(replay.batches, "batch"),
            show::counted(replay.logs as u64, "log"),
            show::counted(recovery.tables_written as u64, "table"),
            show::counted(recovery.files_removed as u64, "file"),
        ),
    )?;
    for dropped in &replay.dropped {
        tour.report.item(
            "dropped:",
            &format!(
                "{} at {} of {}: {}",
                show::size(dropped.bytes),
                dropped.offset,
                dropped.file,
                dropped.what
            ),
        )?;
    }
    Ok(())
}

/// Whether the batches that are there are 1 to m, whole, and m is not below what
/// was acknowledged.
fn check_batches(tour: &mut Tour<'_>, db: &Db, prefix: &str, acknowledged: u64) -> Result<(), Failure> {
    let last = match db.get(last_key(prefix))? {
        Some(value) => show::text(&value).parse().unwrap_or(0),
        None => 0,
    };
    let whole = whole_batches(db, prefix, last)?;
    tour.report.claim(
        acknowledged <= whole,
        &format!(
            "{} of {} acknowledged batches are there, and {} that was written but not acknowledged",
            show::number(whole.min(acknowledged)),
            show::number(acknowledged),
            show::number(whole.saturating_sub(acknowledged)),
        ),
    )?;
    let entries = db.prefix(prefix).count() as u64;
    let expected = last * PARTS + 1;
    tour.report.claim(
        whole == last && entries == expected,
        &format!(
            "batches 1 to {} without a hole, none by half: {} of {} entries",
            show::number(last),
            show::number(entries),
            show::number(expected),
        ),
    )
}

/// How many batches from 1 on are there with all their parts.
fn whole_batches(db: &Db, prefix: &str, last: u64) -> Result<u64, Failure> {
    for number in 1..=last {
        for part in 0..PARTS {
            let value = db.get(part_key(prefix, number, part))?;
            if value.as_deref() != Some(part_value(number, part).as_bytes()) {
                return Ok(number - 1);
            }
        }
    }
    Ok(last)
}

fn check_the_rest(tour: &mut Tour<'_>, db: &Db) -> Result<(), Failure> {
    let missed = tour.words.missed_by(db)?;
    let count = tour.words.count();
    let claim = format!(
        "beside them {} of {} are there with their definitions",
        show::number(count - missed),
        show::counted(count, "word")
    );
    tour.report.claim(missed == 0, &claim)?;
    tour.report.claim_without_error(
        &db.check_invariants(),
        "manifest, levels and directory agree, and what the crash left over is gone",
    )
}
