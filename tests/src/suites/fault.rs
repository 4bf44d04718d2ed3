//! Every call of a workload fails once, in every way, for once or for good: no
//! panic, nothing acknowledged is lost, nothing is acknowledged that was not
//! done, and once the disk is well again so is the database.
//!
//! ```text
//!   workload of 500 calls × 5 kinds of fault × once, sticky
//!        │ a stubborn user: whatever fails, the next step is tried
//!        ▼
//!   the power is lost at the end ─▶ all acknowledged as durable is there
//!   the disk is well ─▶ the same handle resumes, or says that it must be reopened
//!                    ─▶ reopened: all acknowledged, no leaked file, writable
//! ```

use std::sync::Arc;

use stage6_engine::memtable::key::Sequence;
use stage6_engine::wal::vfs::crash::{DataPolicy, NamePolicy, Policy};
use stage6_engine::wal::vfs::{Fault, FaultKind, FaultVfs, SimVfs};
use stage6_engine::{Db, Durability, Mode, Read, Result};

use crate::model::{Contents, Model, Write};
use crate::script::{Step, batch_of, draw, spell, tiny};
use crate::shrink::shrink;
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Every call fails, in every way.
pub const SUITE: Suite = Suite {
    name: "fault",
    about: "every call to the disk fails, in every way, once and for good",
    targets: &[("runs", 20_000)],
    run: torture,
};

const STEPS: usize = 90;

/// Each kind strikes once, or for good.
const WAYS: u64 = 2 * FaultKind::ALL.len() as u64;

fn torture(course: &Course) -> Outcome {
    let only = course.at.as_deref().map(parse_place).transpose()?;
    let scripts = course.cases.unwrap_or(course.pick(1, 6));
    let sum = course.each(scripts * WAYS, |index| {
        let (seed, way) = (course.seed + index / WAYS, index % WAYS);
        match only {
            Some((only, call)) if only == way => in_one_way(seed, way, call..call + 1),
            Some(_) => Ok(Tally::default()),
            None => in_one_way(seed, way, 0..calls_of(&draw(seed, STEPS))),
        }
    })?;
    let (struck, runs) = (sum.get("struck"), sum.get("runs"));
    match only.is_some() || struck > runs / 4 {
        true => Ok(sum),
        false => Err(Failure::new(format!("the faults hardly strike: {struck} of {runs}"))),
    }
}

/// `3/217`: the way numbered 3, at the call numbered 217.
fn parse_place(at: &str) -> std::result::Result<(u64, u64), Box<Failure>> {
    let parts = at.split_once('/').and_then(|(way, call)| Some((way.parse().ok()?, call.parse().ok()?)));
    parts.ok_or_else(|| Failure::new(format!("--at {at}: expected WAY/CALL, such as 3/217")))
}

/// How many calls a run on a sound disk makes.
fn calls_of(script: &[Step]) -> u64 {
    let mut sound = Survivor::new();
    drop(sound.run(script));
    sound.disk.calls()
}

fn in_one_way(seed: u64, way: u64, calls: std::ops::Range<u64>) -> Outcome {
    let script = draw(seed, STEPS);
    let kind = FaultKind::ALL[(way / 2) as usize];
    let mut tally = Tally::of("runs", 0);
    for at_call in calls {
        let fault = Fault { kind, at_call, is_sticky: way % 2 == 1 };
        let is_struck = survive(&script, fault).map_err(|what| explain(seed, way, fault, &script, what))?;
        tally.add("runs", 1);
        tally.add("struck", u64::from(is_struck));
    }
    Ok(tally)
}

/// The failure, with the smallest part of the script that fails under the same
/// fault at any call.
fn explain(seed: u64, way: u64, fault: Fault, script: &[Step], what: String) -> Box<Failure> {
    let fails =
        |part: &[Step]| (0..calls_of(part)).any(|at_call| survive(part, Fault { at_call, ..fault }).is_err());
    Box::new(Failure {
        seed: Some(seed),
        at: Some(format!("{way}/{}", fault.at_call)),
        operation: Some(format!("call {} of {}", fault.at_call, calls_of(script))),
        policy: Some(format!("{:?}, {}", fault.kind, if fault.is_sticky { "for good" } else { "once" })),
        what,
        shrunk: Some(spell(&shrink(script, fails))),
        ..Failure::default()
    })
}

/// Goes through the script under `fault` and recovers. Returns whether it struck.
fn survive(script: &[Step], fault: Fault) -> std::result::Result<bool, String> {
    let mut survivor = Survivor::new();
    survivor.disk.arm(fault);
    let db = survivor.run(script);
    let is_struck = survivor.disk.struck() > 0;
    if let Some(wrong) = survivor.wrong.take() {
        return Err(wrong);
    }
    survivor.lose_power()?;
    survivor.disk.clear();
    if let Some(db) = db {
        survivor.resume(&db, fault.kind)?;
    }
    survivor.reopen()?;
    Ok(is_struck)
}

/// A run on a disk that may fail, and what it was told.
struct Survivor {
    disk: FaultVfs,
    /// What lies under the faults.
    sound: SimVfs,
    /// All that was acknowledged, in its order.
    model: Model,
    /// A write that failed: it may be there or not, as the very last one.
    doubtful: Option<Contents>,
    /// The last sequence that was acknowledged as durable.
    durable: Sequence,
    /// The first law that was broken.
    wrong: Option<String>,
}

impl Survivor {
    fn new() -> Survivor {
        let sound = SimVfs::new();
        let disk = FaultVfs::new(Arc::new(sound.clone()));
        Survivor { disk, sound, model: Model::default(), doubtful: None, durable: 0, wrong: None }
    }

    fn open(&self) -> Result<Db> {
        tiny().open_vfs(Arc::new(self.disk.clone()))
    }

    /// Goes through the script as a stubborn user: whatever fails, the next step
    /// is tried. Returns the database, if it could be opened.
    fn run(&mut self, script: &[Step]) -> Option<Db> {
        let mut db = self.open().ok();
        for step in script {
            let Some(open) = &db else {
                db = self.open().ok();
                continue;
            };
            if let Step::Reopen = step {
                let _may_fail = open.close();
                db = None;
                db = self.open().ok().or(db);
                continue;
            }
            self.step(open, step);
        }
        db
    }

    fn step(&mut self, db: &Db, step: &Step) {
        match step {
            Step::Write(writes) => self.write(db, writes, Durability::Buffer),
            Step::WriteSync(writes) => self.write(db, writes, Durability::Sync),
            Step::Persist => {
                if db.persist().is_ok() {
                    self.durable = self.model.sequence();
                }
            }
            Step::RunJob | Step::Settle => {
                if let Some(job) = db.pending_jobs().first() {
                    drop(db.run_job(*job));
                }
            }
            Step::Flush => drop(db.flush()),
            Step::Compact => drop(db.compact_range(..)),
            Step::Reopen => {}
        }
        let is_right = contents(db).map_or(true, |found| found == *self.model.now());
        self.check(is_right, "a read answers wrong");
    }

    fn write(&mut self, db: &Db, writes: &[Write], durability: Durability) {
        let was_stopped = matches!(db.status().mode, Mode::Stopped { .. });
        let before = db.stats().visible_sequence;
        let outcome = db.write_opt(&batch_of(writes), durability);
        self.check(outcome.is_err() || !was_stopped, "a stopped database acknowledges a write");
        // A sync that fails comes after the write is visible.
        if outcome.is_ok() || db.stats().visible_sequence > before {
            self.model.apply(writes);
            self.doubtful = None;
            if outcome.is_ok() && durability == Durability::Sync {
                self.durable = self.model.sequence();
            }
        } else {
            let mut maybe = self.model.clone();
            maybe.apply(writes);
            self.doubtful = Some(maybe.now().clone());
        }
    }

    fn check(&mut self, is_right: bool, law: &str) {
        if !is_right {
            self.wrong.get_or_insert_with(|| law.to_owned());
        }
    }

    /// On a copy of the disk nothing is left that was not synced; all that was
    /// acknowledged as durable is there.
    fn lose_power(&self) -> std::result::Result<(), String> {
        let in_words = |what: &'static str| move |error| format!("power lost, {what}: {error}");
        let nothing_unsynced = Policy { names: NamePolicy::Prefix(0), data: DataPolicy::Lost };
        let image = self.sound.trace().crash(self.sound.calls(), nothing_unsynced);
        let db =
            tiny().open_vfs(Arc::new(SimVfs::from_image(&image))).map_err(in_words("it does not open"))?;
        let sequence = db.stats().visible_sequence;
        if sequence < self.durable {
            let durable = self.durable;
            return Err(format!("power lost: it ends at {sequence}, {durable} was acknowledged as durable"));
        }
        let found = contents(&db).map_err(in_words("a scan fails"))?;
        match self.model.at_boundary(sequence) == Some(&found) || Some(&found) == self.doubtful.as_ref() {
            true => Ok(()),
            false => Err(format!("power lost: at {sequence} it holds what was never there")),
        }
    }

    /// The same handle resumes and takes writes, or says that it must be opened
    /// again.
    fn resume(&mut self, db: &Db, kind: FaultKind) -> std::result::Result<(), String> {
        if let Err(error) = db.try_resume() {
            return if error.to_string().is_empty() { Err("it does not say why".to_owned()) } else { Ok(()) };
        }
        let written = db.put("resumed", "yes").map(drop).and_then(|()| db.flush());
        // What failed was removed, unless that failed too: then the next open does it.
        let checked = || if kind == FaultKind::Io { Ok(()) } else { db.check_invariants() };
        let written = written.and_then(|()| checked()).and_then(|()| db.close());
        written.map_err(|error| format!("it resumed, and then: {error}"))?;
        self.model.apply(&[(b"resumed".to_vec(), Some(b"yes".to_vec()))]);
        self.doubtful = None;
        Ok(())
    }

    /// Opened again it holds all that was acknowledged and takes writes.
    fn reopen(&self) -> std::result::Result<(), String> {
        let in_words = |what: &'static str| move |error| format!("reopened, {what}: {error}");
        let db = self.open().map_err(in_words("it does not open"))?;
        let found = contents(&db).map_err(in_words("a scan fails"))?;
        if found != *self.model.now() && Some(&found) != self.doubtful.as_ref() {
            let (found, expected) = (found.len(), self.model.now().len());
            return Err(format!("what was acknowledged is not there: {found} keys of {expected}"));
        }
        db.check_invariants().map_err(in_words("a file is leaked or missing"))?;
        db.put("again", "writable").map_err(in_words("a write fails"))?;
        db.flush().map_err(in_words("a flush fails"))
    }
}

fn contents(db: &Db) -> Result<Contents> {
    db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}
