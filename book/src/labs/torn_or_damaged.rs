//! One log, four batches, and everything that can be done to it: which damage is told from a
//! torn tail, and by what.

use std::sync::Arc;

use stage2_wal::batch::{Batch, WriteBatch};
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::journal::{Journal, replay};
use stage2_wal::log::parts::{Contents, log_parts};
use stage2_wal::log::reader::read_log;
use stage2_wal::memtable::Error;
use stage2_wal::vfs::{FileId, SimVfs, Vfs};

use super::prelude::row;
use super::{Outcome, Output};

const DATABASE: DatabaseId = DatabaseId(7);
const LOG: FileId = FileId::Log(1);
/// The last sequence that was promised, and the last that was written.
const PROMISED: u64 = 3;
const WRITTEN: u64 = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What replay makes of a log that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is missing.
    Whole,
    /// A batch that nobody promised is missing, and replay says so.
    TornTail,
    /// Something promised is missing: an error.
    Corruption,
    /// Something promised is missing, and nobody says so.
    Silent,
}

/// A stretch of the log, and what becomes of it.
pub(crate) struct Stretch {
    pub(crate) name: String,
    pub(crate) start: usize,
    /// For each of its bytes, a verdict for each of its bits.
    pub(crate) flips: Vec<[Verdict; 8]>,
    /// For each of its bytes, the verdict when the file ends in front of it.
    cuts: Vec<Verdict>,
    /// How many of the flips would lose something durable, and nobody would know, if there were
    /// no promises.
    silent_flips: usize,
}

pub(super) fn run(out: &mut Output) -> Outcome {
    let stretches = stretches()?;
    out.part("flips");
    show(out, &stretches, "flips", |stretch| (stretch.flips.concat(), Some(stretch.silent_flips)));
    out.part("cuts");
    show(out, &stretches, "cuts", |stretch| (stretch.cuts.clone(), None));
    Ok(())
}

/// A row for each stretch: what becomes of the trials on it, and how many of them would lose
/// something in silence if there were no promises, where that is asked.
fn show(
    out: &mut Output,
    stretches: &[Stretch],
    heading: &str,
    trials: impl Fn(&Stretch) -> (Vec<Verdict>, Option<usize>),
) {
    let widths = [12, 7, 12, 11, 8, 18];
    let mut sums: Vec<usize> = Vec::new();
    let mut rows: Vec<(&str, Vec<usize>)> = Vec::new();
    for stretch in stretches {
        let (verdicts, without_promises) = trials(stretch);
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        let of_verdicts = [Verdict::Corruption, Verdict::TornTail, Verdict::Silent].map(count);
        let mut counts = vec![verdicts.len()];
        counts.extend(of_verdicts);
        counts.extend(without_promises);
        sums.resize(counts.len(), 0);
        sums.iter_mut().zip(&counts).for_each(|(sum, count)| *sum += count);
        rows.push((&stretch.name, counts));
    }
    let titles = ["in", heading, "corruption", "torn tail", "silent", "without promises"];
    let titles: Vec<&dyn std::fmt::Display> = titles[..=sums.len()].iter().map(|title| title as _).collect();
    out.line(row(&widths, &titles));
    rows.push(("in all", sums));
    for (name, counts) in &rows {
        let mut cells: Vec<&dyn std::fmt::Display> = vec![name];
        cells.extend(counts.iter().map(|count| count as &dyn std::fmt::Display));
        out.line(row(&widths, &cells));
    }
}

/// The log: two promises, and a batch behind the second.
fn log() -> Result<SimVfs, Failure> {
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), DATABASE, 1, 0)?;
    let write = |batch: &WriteBatch| journal.appender().append(batch);
    let first = write(WriteBatch::new().put("fig", "green"))?;
    journal.persist(first)?;
    write(WriteBatch::new().put("kiwi", "brown"))?;
    let third = write(WriteBatch::new().delete("fig"))?;
    journal.persist(third)?;
    write(WriteBatch::new().put("fig", "ripe"))?;
    Ok(disk)
}

/// Every part of the log, with everything tried on it.
pub(crate) fn stretches() -> Result<Vec<Stretch>, Failure> {
    let disk = log()?;
    let bytes = disk.open(LOG)?.read_all()?;
    let mut stretches = Vec::new();
    for part in log_parts(&bytes, "the log")? {
        let name = match part.contents? {
            Contents::Header(_) => "the header".to_owned(),
            Contents::Record { payload, .. } => {
                format!("batch {}", Batch::decode(&payload)?.first_sequence())
            }
            Contents::Promise(sequence) => format!("promise {sequence}"),
            Contents::Padding | Contents::Zeros => continue,
        };
        let mut stretch =
            Stretch { name, start: part.start, flips: Vec::new(), cuts: Vec::new(), silent_flips: 0 };
        for byte in part.start..part.end {
            let mut verdicts = [Verdict::Whole; 8];
            for (bit, verdict) in verdicts.iter_mut().enumerate() {
                let flip = |bytes: &mut Vec<u8>| bytes[byte] ^= 1 << bit;
                disk.corrupt(LOG, flip)?;
                *verdict = judge(&disk)?;
                stretch.silent_flips += usize::from(loses_in_silence(&disk));
                disk.corrupt(LOG, flip)?;
            }
            stretch.flips.push(verdicts);
            disk.corrupt(LOG, |bytes| bytes.truncate(byte))?;
            stretch.cuts.push(judge(&disk)?);
            disk.corrupt(LOG, |held| *held = bytes.to_vec())?;
        }
        // Without promises these bytes would not be there.
        if stretch.name.starts_with("promise") {
            stretch.silent_flips = 0;
        }
        stretches.push(stretch);
    }
    Ok(stretches)
}

fn judge(disk: &SimVfs) -> Result<Verdict, Failure> {
    match replay(disk, DATABASE, &[1], 0, |_| {}) {
        Ok(report) if report.last_sequence == WRITTEN => Ok(Verdict::Whole),
        Ok(report) if report.last_sequence >= PROMISED => Ok(Verdict::TornTail),
        Ok(_) => Ok(Verdict::Silent),
        Err(Error::Corruption { .. } | Error::Unsupported { .. }) => Ok(Verdict::Corruption),
        Err(error) => Err(error.into()),
    }
}

/// Whether somebody who takes the records up to the first damage, and knows nothing of promises,
/// would go on without a word and without something that was promised.
fn loses_in_silence(disk: &SimVfs) -> bool {
    let contents = disk.open(LOG).and_then(|file| read_log(&*file, 1, file_salt(DATABASE, 1)));
    // An error of the header is an error for everybody.
    contents.is_ok_and(|contents| (contents.records.len() as u64) < PROMISED)
}
