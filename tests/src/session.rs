//! A database and what it should hold, side by side.
//!
//! ```text
//!   operation ──▶ Db on a FaultVfs on a SimVfs ──▶ answer ──┐
//!       │                                                   ├─ the same?
//!       └───────▶ model: what each batch left behind ───────┘
//! ```
//!
//! **INV-SESSION-1** What an operation answers is what the model says, whatever the
//! options are, and whatever was crashed, broken and mended before. Only while the
//! disk is broken may it be refused.
//!
//! **INV-SESSION-2** A database that is opened again holds the model at one batch
//! boundary: the last one, or after a crash one that is not before the last that
//! was durable. The model then goes on from there.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use stage6_engine::memtable::key::Sequence;
use stage6_engine::wal::vfs::{Fault, FaultVfs, SimVfs};
use stage6_engine::{Commit, Db, Durability, Error, Key, KeyRange, Mode, Read, Snapshot, Value};

use crate::dice::Dice;
use crate::model::{Contents, Model, Write};
use crate::operation::Operation;
use crate::options::Options;
use crate::script::batch_of;
use crate::suite::Tally;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// That it was done.
    Done,
    /// The value of a key.
    Value(Option<Vec<u8>>),
    /// Entries, in the order in which they came.
    Entries(Vec<Entry>),
    /// That this cannot be asked.
    Senseless,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The database refused: with a disk that is well, a violation too.
    Refused(Error),
    /// The answer is not what the model says, or a law is broken.
    Broken(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Refused(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Refused(error) => write!(f, "refused: {error}"),
            Trouble::Broken(what) => write!(f, "{what}"),
        }
    }
}

type Outcome<T = ()> = Result<T, Trouble>;

/// A database and what it should hold.
#[derive(Debug)]
pub struct Session {
    seed: u64,
    sim: SimVfs,
    disk: FaultVfs,
    options: Options,
    /// `None` when it could not be opened.
    db: Option<Db>,
    model: Model,
    snapshots: Vec<(Snapshot, Contents)>,
    /// What was acknowledged as durable.
    durable: Sequence,
    /// What the next open must find at least.
    floor: Sequence,
    /// Calls done, and what was durable, when the last operation began.
    before: (usize, Sequence),
    copies: u64,
    /// How many calls had failed when the disk was last mended.
    struck: u64,
    is_broken: bool,
    /// A call has failed since the last open: until the next, files may be left.
    may_leave_files: bool,
    traces: DefaultHasher,
    tally: Tally,
}

impl Session {
    /// A new database, under the options of `seed`, on a disk that records its
    /// calls.
    ///
    /// # Errors
    /// As every open.
    pub fn begin(seed: u64) -> Outcome<Session> {
        Session::begin_on(seed, SimVfs::new())
    }

    /// The same, on a disk that records nothing and so cannot crash.
    ///
    /// # Errors
    /// As every open.
    pub fn begin_without_trace(seed: u64) -> Outcome<Session> {
        Session::begin_on(seed, SimVfs::without_trace())
    }

    fn begin_on(seed: u64, sim: SimVfs) -> Outcome<Session> {
        let mut session = Session {
            seed,
            disk: FaultVfs::new(Arc::new(sim.clone())),
            sim,
            options: Options::drawn(seed),
            db: None,
            model: Model::default(),
            snapshots: Vec::new(),
            durable: 0,
            floor: 0,
            before: (0, 0),
            copies: 0,
            struck: 0,
            is_broken: false,
            may_leave_files: false,
            traces: DefaultHasher::new(),
            tally: Tally::default(),
        };
        session.open()?;
        Ok(session)
    }

    /// The options under which it is open.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether a fault may strike, or has struck and was not mended.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Carries out `operation`, and compares its answer with the model.
    ///
    /// # Errors
    /// That it was refused, or is wrong.
    pub fn apply(&mut self, operation: &Operation) -> Outcome<Answer> {
        self.before = (self.sim.calls(), self.durable);
        if let Operation::Reopen(number) = operation {
            self.close_for_reopen()?;
            self.options = Options::drawn(self.seed ^ number);
            return self.open().map(|()| Answer::Done);
        }
        if self.db.is_none() {
            self.open()?;
        }
        let Some(db) = self.db.clone() else { return Ok(Answer::Done) };
        match operation {
            Operation::Get(_)
            | Operation::Scan(..)
            | Operation::Prefix(_)
            | Operation::BothEnds(_)
            | Operation::Walk(..)
            | Operation::ReadSnapshot(_) => self.read(&db, operation),
            _ => self.change(&db, operation).map(|()| Answer::Done),
        }
    }

    fn change(&mut self, db: &Db, operation: &Operation) -> Outcome {
        match operation {
            Operation::Put(key, value) => {
                let write = (key.clone(), Some(value.clone()));
                self.write(db, &[write], self.options.durability(), || db.put(key, value))?;
            }
            Operation::Delete(key) => {
                self.write(db, &[(key.clone(), None)], self.options.durability(), || db.delete(key))?;
            }
            Operation::Batch(writes, durability) => {
                self.write(db, writes, *durability, || db.write_opt(&batch_of(writes), *durability))?;
            }
            Operation::Persist => {
                db.persist()?;
                self.durable = self.model.sequence();
            }
            Operation::Flush => {
                db.flush()?;
                self.durable = self.model.sequence();
            }
            Operation::Compact(None) => drop(db.compact_range(..)?),
            Operation::Compact(Some((from, to))) => drop(db.compact_range(from..=to)?),
            Operation::RunJob(index) => {
                let jobs = db.pending_jobs();
                if !jobs.is_empty() {
                    db.run_job(jobs[index % jobs.len()])?;
                }
            }
            Operation::TakeSnapshot if self.snapshots.len() < 4 => {
                self.snapshots.push((db.snapshot()?, self.model.now().clone()));
            }
            Operation::DropSnapshot(index) if *index < self.snapshots.len() => {
                self.snapshots.swap_remove(*index);
            }
            Operation::Checkpoint => self.checkpoint(db)?,
            _ => {}
        }
        Ok(())
    }

    /// Notes what a write did: it counts once it is visible, even if the sync
    /// behind it failed. A failed append never leaves the whole record here.
    fn write(
        &mut self,
        db: &Db,
        writes: &[Write],
        durability: Durability,
        write: impl FnOnce() -> Result<Commit, Error>,
    ) -> Outcome {
        let was_stopped = self.is_broken && matches!(db.status().mode, Mode::Stopped { .. });
        let outcome = write();
        if outcome.is_ok() || db.stats().visible_sequence > self.model.sequence() {
            self.model.apply(writes);
        }
        let commit = outcome?;
        require(!was_stopped, || "a stopped database acknowledges a write".to_owned())?;
        let (told, expected) = (commit.sequence(), self.model.sequence());
        require(told == expected, || format!("a write has sequence {told} instead of {expected}"))?;
        if durability == Durability::Sync {
            require(commit.is_durable(), || "a synced write is not durable".to_owned())?;
            self.durable = expected;
        }
        Ok(())
    }

    /// A checkpoint opens as a database of its own, and holds the same.
    fn checkpoint(&mut self, db: &Db) -> Outcome {
        self.copies += 1;
        let path = format!("copy-{}", self.copies);
        db.checkpoint(&path)?;
        self.durable = self.model.sequence();
        let copy = self.options.builder().open_vfs(Arc::new(self.sim.sibling_at(path.as_ref())))?;
        same("a checkpoint", &entries(copy.range(..))?, &pairs(self.model.now()))?;
        Ok(copy.check_invariants()?)
    }

    fn read(&self, db: &Db, operation: &Operation) -> Outcome<Answer> {
        let model = self.model.now();
        match operation {
            Operation::Get(key) => get(db, model, key),
            Operation::Scan(from, to) if from > to => match entries(db.range(from..to)) {
                Ok(_) => Err(Trouble::Broken("a reversed range is no error".to_owned())),
                Err(_) => Ok(Answer::Senseless),
            },
            Operation::Scan(from, to) => {
                let backward = entries(db.range(from..=to).rev())?;
                same("a scan backward", &backward, &pairs(model.range(from.clone()..=to.clone()).rev()))?;
                scan(db, from..to, model.range(from.clone()..to.clone()))
            }
            Operation::Prefix(prefix) => {
                let found = entries(db.prefix(prefix))?;
                let expected = pairs(model.iter().filter(|(key, _)| key.starts_with(prefix)));
                same("a prefix", &found, &expected).map(|()| Answer::Entries(found))
            }
            Operation::BothEnds(ends) => {
                let found = entries(from_both_ends(db.range(..), ends).into_iter())?;
                let expected = pairs(from_both_ends(model.iter(), ends));
                same("both ends", &found, &expected).map(|()| Answer::Entries(found))
            }
            Operation::Walk(key, steps) => walk(db, model, key, steps),
            Operation::ReadSnapshot(index) => match self.snapshots.get(*index) {
                Some((snapshot, past)) => read_everything(snapshot, past),
                None => Ok(Answer::Done),
            },
            _ => Ok(Answer::Done),
        }
    }

    /// Reads all keys in every way, and checks what must always hold.
    ///
    /// # Errors
    /// As [`Session::apply`].
    pub fn check_all(&self) -> Outcome {
        let Some(db) = &self.db else { return Ok(()) };
        read_everything(db, self.model.now())?;
        let visible = db.stats().visible_sequence;
        require(visible == self.model.sequence(), || format!("it ends at sequence {visible}"))?;
        if !self.is_broken && !self.may_leave_files {
            db.check_invariants()?;
        }
        Ok(())
    }

    /// Lets calls fail as `fault` says, counted from now on.
    pub fn break_disk(&mut self, fault: Fault) {
        self.disk.arm(Fault { at_call: self.disk.calls() + fault.at_call, ..fault });
        (self.is_broken, self.may_leave_files) = (true, true);
    }

    /// The disk is well again: the same handle resumes, or the database must be
    /// opened again.
    ///
    /// # Errors
    /// As [`Session::apply`]; nothing may be refused any more.
    pub fn mend(&mut self) -> Outcome {
        if !self.is_broken {
            return Ok(());
        }
        self.before = (self.sim.calls(), self.durable);
        self.tally.add("struck", u64::from(self.disk.struck() > self.struck));
        self.struck = self.disk.struck();
        self.disk.clear();
        self.is_broken = false;
        match self.db.as_ref().map(Db::try_resume) {
            Some(Ok(())) => self.check_resumed(),
            Some(Err(_)) => {
                // It said that it cannot; closing says so too.
                let _stopped = self.close_for_reopen();
                self.open()
            }
            None => self.open(),
        }
    }

    fn check_resumed(&mut self) -> Outcome {
        let mode = self.db.as_ref().map(|db| db.status().mode);
        require(matches!(mode, Some(Mode::ReadWrite)), || format!("it resumed, and is {mode:?}"))?;
        self.check_all()
    }

    /// Loses the power, at the end of the last operation or in its middle, and opens
    /// what `draw` chooses among the disks that this may leave. Returns how it was
    /// chosen.
    ///
    /// # Errors
    /// As [`Session::apply`].
    pub fn crash(&mut self, draw: u64) -> Outcome<String> {
        let (mut dice, trace) = (Dice::new(draw), self.sim.trace());
        let claimed = self.db.as_ref().map_or(0, |db| db.stats().durable_sequence);
        let under_way = trace.calls.len() - self.before.0;
        let calls = trace.calls.len() - dice.roll(under_way as u64 + 1) as usize;
        let durable = if calls == trace.calls.len() { self.durable.max(claimed) } else { self.before.1 };
        let policies = trace.policies(calls);
        let policy = policies[dice.roll(policies.len() as u64) as usize];
        trace.calls.hash(&mut self.traces);
        self.leave();
        self.sim = SimVfs::from_image(&trace.crash(calls, policy));
        self.disk = FaultVfs::new(Arc::new(self.sim.clone()));
        self.options = Options::drawn(self.seed ^ draw);
        (self.floor, self.durable, self.before) = (durable, durable, (0, durable));
        (self.is_broken, self.struck) = (false, 0);
        self.open()?;
        Ok(format!("after call {calls} of {}, {policy}", trace.calls.len()))
    }

    /// Closes for good. Returns what was done, and a number that is the same for
    /// the same calls to the disk.
    ///
    /// # Errors
    /// As [`Session::apply`].
    pub fn end(mut self) -> Outcome<(Tally, u64)> {
        self.mend()?;
        self.apply(&Operation::Reopen(0))?;
        self.check_all()?;
        self.close_for_reopen()?;
        self.sim.trace().calls.hash(&mut self.traces);
        Ok((self.tally, self.traces.finish()))
    }

    fn close_for_reopen(&mut self) -> Outcome {
        let Some(db) = self.db.clone() else { return Ok(()) };
        let outcome = db.close();
        self.leave();
        self.floor = self.model.sequence();
        if outcome.is_ok() {
            self.durable = self.floor;
        }
        Ok(outcome?)
    }

    /// Lets the database go, and counts what it did.
    fn leave(&mut self) {
        self.snapshots.clear();
        let Some(db) = self.db.take() else { return };
        let stats = db.stats();
        self.tally.add("flushes", stats.flushes);
        self.tally.add("compactions", stats.compactions + stats.moved_tables);
    }

    fn open(&mut self) -> Outcome {
        let db = self.options.builder().open_vfs(Arc::new(self.disk.clone()))?;
        let (found, floor) = (db.stats().visible_sequence, self.floor);
        require(found >= floor, || format!("it ends at sequence {found}, and {floor} must be there"))?;
        let is_boundary = self.model.roll_back_to(found);
        require(is_boundary, || format!("it ends at sequence {found}, in the middle of a batch"))?;
        self.durable = found;
        self.floor = 0;
        self.may_leave_files = self.is_broken;
        self.db = Some(db);
        self.tally.add("reopens", 1);
        self.check_all()
    }
}

/// Errs with `law` unless it holds.
fn require(holds: bool, law: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Trouble::Broken(law())) }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    require(found == expected, || {
        let shown = |value: &T| format!("{value:?}").chars().take(120).collect::<String>();
        format!("{what} answers {} instead of {}", shown(found), shown(expected))
    })
}

fn entries(range: impl Iterator<Item = Result<(Key, Value), Error>>) -> Outcome<Vec<Entry>> {
    let entries = range.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())));
    Ok(entries.collect::<Result<_, Error>>()?)
}

fn pairs<'a>(contents: impl IntoIterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Vec<Entry> {
    contents.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn get(source: &impl Read, model: &Contents, key: &Vec<u8>) -> Outcome<Answer> {
    let found = source.get(key)?.map(|value| value.to_vec());
    same("a get", &found.as_ref(), &model.get(key))?;
    Ok(Answer::Value(found))
}

fn scan<'a>(
    source: &impl Read,
    range: impl KeyRange,
    model: impl IntoIterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
) -> Outcome<Answer> {
    let found = entries(source.range(range))?;
    same("a scan", &found, &pairs(model)).map(|()| Answer::Entries(found))
}

fn read_everything(source: &impl Read, model: &Contents) -> Outcome<Answer> {
    let backward = entries(source.range(..).rev())?;
    same("a scan backward", &backward, &pairs(model.iter().rev()))?;
    for key in model.keys() {
        get(source, model, key)?;
    }
    scan(source, .., model)
}

/// Takes from either end as `ends` says, and then the rest.
fn from_both_ends<I: DoubleEndedIterator>(mut iterator: I, ends: &[bool]) -> Vec<I::Item> {
    let mut taken: Vec<I::Item> =
        ends.iter().map_while(|front| if *front { iterator.next() } else { iterator.next_back() }).collect();
    taken.extend(iterator);
    taken
}

/// Seeks `key` and steps from there, until there is no entry.
fn walk(db: &Db, model: &Contents, key: &[u8], steps: &[bool]) -> Outcome<Answer> {
    let mut cursor = db.cursor();
    cursor.seek(key);
    let mut expected = model.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).next();
    let mut found = Vec::new();
    for forward in steps {
        let here = cursor.is_valid().then(|| (cursor.key().to_vec(), cursor.value().to_vec()));
        cursor.status()?;
        same("a cursor", &here, &expected.map(|(key, value)| (key.clone(), value.clone())))?;
        let Some((key, value)) = here else { break };
        expected = if *forward { after(model, &key) } else { model.range(..key.clone()).next_back() };
        match forward {
            true => cursor.next(),
            false => cursor.prev(),
        }
        found.push((key, value));
    }
    Ok(Answer::Entries(found))
}

fn after<'a>(model: &'a Contents, key: &[u8]) -> Option<(&'a Vec<u8>, &'a Vec<u8>)> {
    model.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded)).next()
}
