//! One log, four batches, and everything that can be done to it: which damage is told from a
//! torn tail, and by what.

use std::collections::BTreeMap;
use std::fmt;
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
/// The row of the sums.
const ALL: &str = "in all";

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
}

/// Of the flips in each part of a log without promises, those that lose something durable, and
/// nobody knows.
type Losses = BTreeMap<String, Tally>;

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    lost: usize,
    tried: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.lost, self.tried)
    }
}

pub(super) fn run(out: &mut Output) -> Outcome {
    let stretches = stretches()?;
    let losses = losses_without_promises()?;
    out.part("flips");
    show(out, &stretches, "flips", Some(&losses), |stretch| stretch.flips.concat());
    out.part("cuts");
    show(out, &stretches, "cuts", None, |stretch| stretch.cuts.clone());
    Ok(())
}

/// A row for each stretch: what becomes of the trials on it, and what is lost in silence in the
/// same part of a log without promises, where that was tried.
fn show(
    out: &mut Output,
    stretches: &[Stretch],
    heading: &str,
    losses: Option<&Losses>,
    trials: impl Fn(&Stretch) -> Vec<Verdict>,
) {
    let widths = [12, 7, 12, 11, 8, 18];
    let columns = 5 + usize::from(losses.is_some());
    let titles: [&dyn fmt::Display; 6] =
        [&"in", &heading, &"corruption", &"torn tail", &"silent", &"without promises"];
    out.line(row(&widths, &titles[..columns]));
    let mut rows: Vec<(&str, Vec<Verdict>)> =
        stretches.iter().map(|stretch| (stretch.name.as_str(), trials(stretch))).collect();
    let all = rows.iter().flat_map(|(_, verdicts)| verdicts).copied().collect();
    rows.push((ALL, all));
    for (name, verdicts) in &rows {
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        let counts = [Verdict::Corruption, Verdict::TornTail, Verdict::Silent].map(count);
        let lost = losses.and_then(|losses| losses.get(*name));
        let lost = lost.map_or("-".to_owned(), Tally::to_string);
        let tried = verdicts.len();
        let cells: [&dyn fmt::Display; 6] = [name, &tried, &counts[0], &counts[1], &counts[2], &lost];
        out.line(row(&widths, &cells[..columns]));
    }
}

/// Four batches. With promises there are two, the last batch behind the second.
fn log(with_promises: bool) -> Result<SimVfs, Failure> {
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), DATABASE, 1, 0)?;
    let write = |batch: &WriteBatch| journal.appender().append(batch);
    let persist = |sequence| if with_promises { journal.persist(sequence) } else { Ok(()) };
    let first = write(WriteBatch::new().put("fig", "green"))?;
    persist(first)?;
    write(WriteBatch::new().put("kiwi", "brown"))?;
    let third = write(WriteBatch::new().delete("fig"))?;
    persist(third)?;
    write(WriteBatch::new().put("fig", "ripe"))?;
    Ok(disk)
}

/// What the part of a log is called; nothing where no record can be.
fn name_of(contents: Contents) -> Result<Option<String>, Failure> {
    Ok(match contents {
        Contents::Header(_) => Some("the header".to_owned()),
        Contents::Record { payload, .. } => {
            Some(format!("batch {}", Batch::decode(&payload)?.first_sequence()))
        }
        Contents::Promise(sequence) => Some(format!("promise {sequence}")),
        Contents::Padding | Contents::Zeros => None,
    })
}

/// Every part of the log, with everything tried on it.
pub(crate) fn stretches() -> Result<Vec<Stretch>, Failure> {
    let disk = log(true)?;
    let bytes = disk.open(LOG)?.read_all()?;
    let mut stretches = Vec::new();
    for part in log_parts(&bytes, "the log")? {
        let Some(name) = name_of(part.contents?)? else { continue };
        let mut stretch = Stretch { name, start: part.start, flips: Vec::new(), cuts: Vec::new() };
        for byte in part.start..part.end {
            let mut verdicts = [Verdict::Whole; 8];
            for (bit, verdict) in verdicts.iter_mut().enumerate() {
                *verdict = flipped(&disk, byte, bit, judge)??;
            }
            stretch.flips.push(verdicts);
            disk.corrupt(LOG, |bytes| bytes.truncate(byte))?;
            stretch.cuts.push(judge(&disk)?);
            disk.corrupt(LOG, |held| *held = bytes.to_vec())?;
        }
        stretches.push(stretch);
    }
    Ok(stretches)
}

/// The same batches without promises, every bit of them flipped.
fn losses_without_promises() -> Result<Losses, Failure> {
    let disk = log(false)?;
    let bytes = disk.open(LOG)?.read_all()?;
    let (mut losses, mut all) = (Losses::new(), Tally::default());
    for part in log_parts(&bytes, "the log")? {
        let Some(name) = name_of(part.contents?)? else { continue };
        let mut tally = Tally::default();
        for bit in part.start * 8..part.end * 8 {
            tally.lost += usize::from(flipped(&disk, bit / 8, bit % 8, loses_in_silence)?);
            tally.tried += 1;
        }
        all = Tally { lost: all.lost + tally.lost, tried: all.tried + tally.tried };
        losses.insert(name, tally);
    }
    losses.insert(ALL.to_owned(), all);
    Ok(losses)
}

/// What `look` says of the log while this bit of it is flipped.
fn flipped<T>(disk: &SimVfs, byte: usize, bit: usize, look: fn(&SimVfs) -> T) -> Result<T, Failure> {
    let flip = |bytes: &mut Vec<u8>| bytes[byte] ^= 1 << bit;
    disk.corrupt(LOG, flip)?;
    let seen = look(disk);
    disk.corrupt(LOG, flip)?;
    Ok(seen)
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

/// Whether somebody who takes the records up to the first damage, and has no promises, would go on
/// without a word and without something that was durable.
fn loses_in_silence(disk: &SimVfs) -> bool {
    let contents = disk.open(LOG).and_then(|file| read_log(&*file, 1, file_salt(DATABASE, 1)));
    // An error of the header is an error for everybody.
    contents.is_ok_and(|contents| (contents.records.len() as u64) < PROMISED)
}
