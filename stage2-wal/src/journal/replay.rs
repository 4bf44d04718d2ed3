//! Replay: from the logs that a crash left to the batches that count.
//!
//! ```text
//!   000004.log  [11..13][14][15..20]  ✂ torn
//!   000005.log  [21][22..23]  promise 20  [24]
//!                │                   └─ P = 20: the highest promise of all logs
//!                └─ follows 20: the chain goes on into the next log
//!
//!   flushed = 13:  11..13 skipped · 14 … 24 accepted · 24 ≥ P: sound
//! ```
//!
//! What a [`RecoveryMode`] makes of a log that is not whole, here one whose second
//! batch is damaged below a promise:
//!
//! ```text
//!   000006.log  [25][▒▒][27]  promise 27  [28]
//!
//!   Strict             Corruption, at the damage
//!   TolerateTornTail   25, then Corruption: 27 was promised
//!   PointInTime        25                    lost 26..=28, writing goes on at 29
//!   Salvage            25 · 27 · 28          lost 26..=26, writing goes on at 29
//! ```
//!
//! | found | `Strict` | `TolerateTornTail` | `PointInTime` | `Salvage` |
//! |---|---|---|---|---|
//! | damage | error | ends its log | ends the replay | is skipped |
//! | a gap between two batches | error | ends the replay | ends the replay | is listed |
//! | a sound record that is no batch | error | error | as damage | as damage |
//! | the end below a promise | error | error | is reported | is reported |
//!
//! **INV-REPLAY-1** What is accepted ascends, and is a chain: each batch begins one
//! behind the last accepted, beginning behind the flushed sequence. A gap ends it.
//! So what is recovered has no hole, except in `Salvage`, which is asked for what
//! lies behind the holes.
//!
//! **INV-REPLAY-2** A chain that ends below the highest promise is corruption, and
//! not a torn tail: somebody was told that the missing batches are durable. Only
//! `PointInTime` and `Salvage` go on from there, because they were asked to.
//! Above the highest promise any loss is legal, because a power cut may take
//! unsynced pages in any order.
//!
//! **INV-REPLAY-3** Nothing is passed over in silence. What is not accepted, and not
//! flushed, lies in a stretch of [`ReplayReport::dropped`]; a sequence that a promise
//! or a sound batch names, as far as was read, and that is not recovered lies in
//! [`ReplayReport::lost`]. The modes that accept loss read to the end of every log.
//!
//! **INV-REPLAY-4** In `PointInTime` and `Salvage` writing goes on above everything
//! accepted, promised or seen: no sequence of a write that was durable, or that is seen
//! to be lost, comes to mean another write. In the other modes nothing durable is lost,
//! and the sequences of a torn tail are given out again.
//!
//! `PointInTime` ends at the damage of an older log even where the next log continues
//! the chain, as it does when the damage took no batch: so it may open with less than
//! the default mode. Its answer is the database as it was when the last sound byte
//! before the first bad one was written, however the logs behind look. A crash alone
//! never makes it lose what was promised, since a promise in a newer log is made
//! only when the older logs are synced whole.
//!
//! What no mode skips is a sound log in the wrong place: of another number, another
//! database or a later release. It is misplaced and not damaged, and a person can
//! put it right. Nor a read that the disk refuses: copy the directory to a sound
//! disk first. What no protocol can tell from a torn tail: damage that takes a
//! record together with every promise covering it, at the end of the newest log.

use std::ops::RangeInclusive;

use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::{MAX_SEQUENCE, Sequence};

use crate::batch::Batch;
use crate::identity::{DatabaseId, file_salt};
use crate::log::format::FRAGMENT_HEADER_BYTES;
use crate::log::reader::read_log;
use crate::log::{Damage, End, LogContents, Record, Records, salvage_log};
use crate::vfs::{FileId, Vfs};

/// What to make of logs that are not whole.
///
/// | mode | opens | with |
/// |---|---|---|
/// | `Strict` | whole logs only | everything |
/// | `TolerateTornTail` | whatever a crash may leave | everything that was promised durable |
/// | `PointInTime` | damaged logs too | everything before the first damage |
/// | `Salvage` | damaged logs too | every batch that can be read |
///
/// The last two are for the day when a disk has failed and the last copy is too
/// old. They lose data that was promised durable, and say how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecoveryMode {
    /// Any damage in any log is an error, even the torn tail that every crash may
    /// leave. Zeros to the end of a log are no damage: room that was given ahead.
    Strict,
    /// A torn tail is dropped; a loss of what was promised durable is an error. The
    /// default.
    #[default]
    TolerateTornTail,
    /// Everything before the first damage, and nothing behind it.
    PointInTime,
    /// Every batch that can be read, with holes between them where damage was. A
    /// later write may be there without an earlier one that it was built on.
    Salvage,
}

impl RecoveryMode {
    /// Whether it goes on where something promised durable is lost.
    pub fn accepts_loss(self) -> bool {
        matches!(self, RecoveryMode::PointInTime | RecoveryMode::Salvage)
    }
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// How many logs were read.
    pub logs: usize,
    /// How many batches were accepted.
    pub batches: u64,
    /// The sequence of the last batch accepted, or the flushed sequence.
    pub last_sequence: Sequence,
    /// The first sequence for new writes (INV-REPLAY-4).
    pub next_sequence: Sequence,
    /// The highest promise found; 0 if there was none.
    pub promised: Sequence,
    /// What was in the logs and does not count, in order.
    pub dropped: Vec<Dropped>,
    /// The sequences that were given out and are not recovered, ascending. How much
    /// a torn tail held that nobody promised is not known, and not here.
    pub lost: Vec<RangeInclusive<Sequence>>,
}

/// A stretch of a log that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The number of the log.
    pub log: u64,
    /// Its name.
    pub file: String,
    /// Where the stretch begins.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Why it does not count.
    pub what: String,
}

/// Replays `logs` (numbers, ascending, none below the manifest's log floor) and
/// calls `accept` with each batch behind `flushed`, in order, in the default mode.
///
/// # Errors
/// As [`replay_in_mode`].
pub fn replay(
    vfs: &dyn Vfs,
    database: DatabaseId,
    logs: &[u64],
    flushed: Sequence,
    accept: impl FnMut(Batch<'_>),
) -> Result<ReplayReport> {
    replay_in_mode(RecoveryMode::default(), vfs, database, logs, flushed, accept)
}

/// Replays as [`replay`] does, and makes of damage what `mode` says. One log at a time
/// is in memory.
///
/// # Errors
/// [`Error::Corruption`] where the mode says so, and for a log of another number or
/// database; [`Error::Unsupported`] for one of a later release. That of reading a
/// file. `accept` may have been called before.
pub fn replay_in_mode(
    mode: RecoveryMode,
    vfs: &dyn Vfs,
    database: DatabaseId,
    logs: &[u64],
    flushed: Sequence,
    mut accept: impl FnMut(Batch<'_>),
) -> Result<ReplayReport> {
    debug_assert!(logs.is_sorted(), "logs are replayed in the order of their numbers");
    let mut replay = Replay::begin(mode, flushed);
    for number in logs {
        replay.follow(&Log::read(vfs, database, *number, mode)?, &mut accept)?;
    }
    replay.finish()
}

/// A log in memory, each fragment checked.
#[derive(Debug)]
pub struct Log {
    number: u64,
    name: String,
    file_bytes: u64,
    promised: Option<Sequence>,
    /// In the order of the file, as is what cannot be read between them.
    records: Records,
    damages: Vec<Damage>,
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Record(Record<'a>),
    Damage(&'a Damage),
}

impl<'a> Piece<'a> {
    fn offset(self) -> u64 {
        match self {
            Piece::Record(record) => record.offset,
            Piece::Damage(damage) => damage.offset,
        }
    }

    /// At least so far it reaches: a record of several fragments goes on by their
    /// headers.
    fn end(self) -> u64 {
        match self {
            Piece::Record(record) => record.offset + (FRAGMENT_HEADER_BYTES + record.payload.len()) as u64,
            Piece::Damage(damage) => damage.end,
        }
    }

    /// The batch, or what is wrong here.
    fn batch(self) -> Result<Batch<'a>, String> {
        match self {
            Piece::Record(record) => {
                Batch::decode(record.payload).map_err(|error| format!("a record is no batch: {error}"))
            }
            Piece::Damage(damage) => Err(damage.what.clone()),
        }
    }
}

impl Log {
    /// Reads log `number` as far as `mode` looks at it.
    ///
    /// # Errors
    /// As [`replay_in_mode`], but for what only all logs together show.
    pub fn read(vfs: &dyn Vfs, database: DatabaseId, number: u64, mode: RecoveryMode) -> Result<Log> {
        let file = vfs.open(FileId::Log(number))?;
        let salt = file_salt(database, number);
        let (contents, damages) = match mode.accepts_loss() {
            true => salvage_log(&*file, number, salt)?,
            false => up_to_damage(read_log(&*file, number, salt)?),
        };
        let LogContents { records, promised, file_bytes, .. } = contents;
        if promised.is_some_and(|promised| promised > MAX_SEQUENCE) {
            return Err(Error::corruption(
                file.describe(),
                0,
                "it promises a sequence that no write can have",
            ));
        }
        Ok(Log { number, name: file.describe(), file_bytes, promised, records, damages })
    }

    /// About what it takes in memory.
    pub fn size_bytes(&self) -> u64 {
        self.records.size_bytes()
    }

    /// In the order of the file.
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let (mut records, mut damages) = (self.records.iter().peekable(), self.damages.iter().peekable());
        std::iter::from_fn(move || {
            let next = records.peek().map_or(u64::MAX, |record| record.offset);
            let damage = damages.next_if(|damage| damage.offset < next).map(Piece::Damage);
            damage.or_else(|| records.next().map(Piece::Record))
        })
    }

    fn dropped(&self, from: Piece<'_>, end: u64, what: String) -> Dropped {
        let offset = from.offset();
        let bytes = end.saturating_sub(offset);
        Dropped { log: self.number, file: self.name.clone(), offset, bytes, what }
    }

    fn corruption(&self, at: Piece<'_>, what: String) -> Error {
        Error::corruption(&self.name, at.offset(), what)
    }
}

/// A log whose damage reaches to its end, since nobody looks behind it.
fn up_to_damage(contents: LogContents) -> (LogContents, Vec<Damage>) {
    let damage = match &contents.end {
        End::Clean => None,
        End::Damaged(damage) => {
            let (offset, end) = (damage.offset as u64, contents.file_bytes);
            Some(Damage { offset, end, what: damage.what.clone() })
        }
    };
    (contents, damage.into_iter().collect())
}

/// A replay under way: what counts of the logs followed so far.
#[derive(Debug)]
pub struct Replay {
    mode: RecoveryMode,
    flushed: Sequence,
    report: ReplayReport,
    /// Whether nothing counts any more.
    has_ended: bool,
    /// The highest sequence of a batch that does not count.
    seen: Sequence,
}

impl Replay {
    /// Begins behind `flushed`.
    pub fn begin(mode: RecoveryMode, flushed: Sequence) -> Replay {
        let report = ReplayReport { last_sequence: flushed, ..ReplayReport::default() };
        Replay { mode, flushed, report, has_ended: false, seen: 0 }
    }

    /// Calls `accept` with each batch of `log` that counts, in order. Logs are
    /// followed in the order of their numbers, each read in this replay's mode.
    ///
    /// # Errors
    /// As [`replay_in_mode`].
    pub fn follow<'a>(&mut self, log: &'a Log, mut accept: impl FnMut(Batch<'a>)) -> Result<()> {
        self.report.logs += 1;
        self.report.promised = self.report.promised.max(log.promised.unwrap_or_default());
        if let (true, Some(first)) = (self.has_ended, log.pieces().next()) {
            let what = "it lies behind the end of the replay".to_owned();
            self.report.dropped.push(log.dropped(first, log.file_bytes, what));
        }
        for piece in log.pieces() {
            match piece.batch() {
                Ok(batch) if self.has_ended => self.pass_over(&batch),
                Err(_) if self.has_ended => {}
                Ok(batch) if self.takes(&batch, log, piece)? => accept(batch),
                Ok(_) => {}
                Err(what) => self.meet(what, log, piece)?,
            }
        }
        Ok(())
    }

    /// At or below the flushed sequence: skipped. Next in the chain: accepted.
    /// Anything else, a missing sequence or one that comes twice: a gap.
    fn takes(&mut self, batch: &Batch<'_>, log: &Log, piece: Piece<'_>) -> Result<bool> {
        if batch.last_sequence() <= self.flushed {
            return Ok(false);
        }
        let (expected, first) = (self.report.last_sequence + 1, batch.first_sequence());
        if first == expected {
            self.count(batch);
            return Ok(true);
        }
        let what = format!("sequence {expected} is missing before {first}");
        match self.mode {
            RecoveryMode::Strict => return Err(log.corruption(piece, what)),
            RecoveryMode::TolerateTornTail | RecoveryMode::PointInTime => {
                self.end_at(log, piece, what);
                self.pass_over(batch);
            }
            RecoveryMode::Salvage if first > expected => {
                self.report.lost.push(expected..=first - 1);
                self.count(batch);
                return Ok(true);
            }
            RecoveryMode::Salvage => {
                // Two batches claim the same sequences: the first one has them.
                let what = format!("sequence {first} was there before");
                self.report.dropped.push(log.dropped(piece, piece.end(), what));
                self.pass_over(batch);
            }
        }
        Ok(false)
    }

    fn count(&mut self, batch: &Batch<'_>) {
        debug_assert!(batch.first_sequence() > self.report.last_sequence, "INV-REPLAY-1: it ascends");
        self.report.last_sequence = batch.last_sequence();
        self.report.batches += 1;
    }

    fn pass_over(&mut self, batch: &Batch<'_>) {
        self.seen = self.seen.max(batch.last_sequence());
    }

    /// Damage. A record whose checksum is sound and that is no batch is none that a
    /// crash leaves.
    fn meet(&mut self, what: String, log: &Log, piece: Piece<'_>) -> Result<()> {
        match (self.mode, piece) {
            (RecoveryMode::Strict, _) | (RecoveryMode::TolerateTornTail, Piece::Record(_)) => {
                return Err(log.corruption(piece, what));
            }
            (RecoveryMode::PointInTime, _) => self.end_at(log, piece, what),
            (RecoveryMode::TolerateTornTail | RecoveryMode::Salvage, _) => {
                self.report.dropped.push(log.dropped(piece, piece.end(), what));
            }
        }
        Ok(())
    }

    fn end_at(&mut self, log: &Log, piece: Piece<'_>, what: String) {
        self.report.dropped.push(log.dropped(piece, log.file_bytes, what));
        self.has_ended = true;
    }

    /// Ends the replay: no log follows.
    ///
    /// # Errors
    /// [`Error::Corruption`] for a chain that ends below a promise (INV-REPLAY-2).
    pub fn finish(mut self) -> Result<ReplayReport> {
        let ReplayReport { last_sequence, promised, .. } = self.report;
        if last_sequence < promised && !self.mode.accepts_loss() {
            return Err(self.below_promise());
        }
        let given_out = promised.max(self.seen).max(last_sequence);
        if last_sequence < given_out {
            self.report.lost.push(last_sequence + 1..=given_out);
        }
        self.report.next_sequence = 1 + if self.mode.accepts_loss() { given_out } else { last_sequence };
        Ok(self.report)
    }

    fn below_promise(&self) -> Error {
        let ReplayReport { last_sequence, promised, .. } = self.report;
        let (file, offset, why) = match self.report.dropped.first() {
            Some(dropped) => (dropped.file.clone(), dropped.offset, dropped.what.clone()),
            None => ("the journal".to_owned(), 0, "a log is missing or cut short".to_owned()),
        };
        let what = format!(
            "the batches end at sequence {last_sequence}, but up to {promised} was promised durable ({why}); \
             restore the database from a copy, or keep what is left by another recovery mode"
        );
        Error::corruption(file, offset, what)
    }
}
