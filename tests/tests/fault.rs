//! Every call of a workload fails once, in every way, for once or for good: no
//! panic, nothing acknowledged is lost, nothing is acknowledged that was not
//! done, and once the disk is well again so is the database.

use std::sync::Arc;

use stage6_engine::wal::vfs::{Fault, FaultKind, FaultVfs, SimVfs};
use stage6_engine::{Db, Durability, Mode, Read, Result};
use tests::model::{Contents, Model};
use tests::script::{Step, batch_of, draw, tiny};

/// A run on a disk that may fail, and what it was told.
struct Survivor {
    disk: FaultVfs,
    /// All that was acknowledged, in its order.
    model: Model,
    /// A write that failed: it may be there or not, as the very last one.
    doubtful: Option<Contents>,
    acknowledged_after_failed_sync: u64,
}

impl Survivor {
    fn new() -> Survivor {
        let sim = SimVfs::without_trace();
        let disk = FaultVfs::new(Arc::new(sim));
        Survivor { disk, model: Model::default(), doubtful: None, acknowledged_after_failed_sync: 0 }
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
            Step::Write(writes) | Step::WriteSync(writes) => {
                let is_sync = matches!(step, Step::WriteSync(_));
                let durability = if is_sync { Durability::Sync } else { Durability::Buffer };
                let was_stopped = matches!(db.status().mode, Mode::Stopped(_));
                let before = db.stats().visible_sequence;
                let outcome = db.write_opt(&batch_of(writes), durability);
                if outcome.is_ok() && was_stopped {
                    self.acknowledged_after_failed_sync += 1;
                }
                // A sync that fails comes after the write is visible.
                if outcome.is_ok() || db.stats().visible_sequence > before {
                    self.model.apply(writes);
                    self.doubtful = None;
                } else {
                    let mut maybe = self.model.clone();
                    maybe.apply(writes);
                    self.doubtful = Some(maybe.now().clone());
                }
            }
            Step::Persist => drop(db.persist()),
            Step::RunJob | Step::Settle => {
                if let Some(job) = db.pending_jobs().first() {
                    drop(db.run_job(*job));
                }
            }
            Step::Flush => drop(db.flush()),
            Step::Compact => drop(db.compact_range(..)),
            Step::Reopen => {}
        }
        if let Ok(found) = contents(db) {
            assert_eq!(found, *self.model.now(), "reads go on, and answer right");
        }
    }

    /// The disk is well again: the same handle resumes, or says that it must be
    /// opened again; an opened one holds all that was acknowledged.
    fn recover(&mut self, db: Option<Db>) {
        self.disk.clear();
        if let Some(db) = db {
            match db.try_resume() {
                Ok(()) => {
                    db.put("resumed", "yes").expect("it resumed");
                    self.model.apply(&[(b"resumed".to_vec(), Some(b"yes".to_vec()))]);
                    self.doubtful = None;
                    db.flush().expect("it resumed");
                    db.close().expect("it resumed");
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        let db = self.open().expect("the disk is well");
        let found = contents(&db).expect("the disk is well");
        assert!(
            found == *self.model.now() || Some(&found) == self.doubtful.as_ref(),
            "what was acknowledged is there: {} keys found, {} expected",
            found.len(),
            self.model.now().len()
        );
        db.check_invariants().expect("no file is leaked");
        db.put("again", "writable").expect("the disk is well");
        db.flush().expect("the disk is well");
    }
}

fn contents(db: &Db) -> Result<Contents> {
    db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

#[test]
fn every_call_may_fail_in_every_way_and_nothing_acknowledged_is_lost() {
    let script = draw(5, 90);
    let calls = {
        let mut sound = Survivor::new();
        let db = sound.run(&script);
        drop(db);
        sound.disk.calls()
    };
    let every = std::env::var("FAULT_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (mut runs, mut struck) = (0u64, 0u64);
    for kind in FaultKind::ALL {
        for is_sticky in [false, true] {
            for at_call in (0..calls).step_by(every) {
                let mut survivor = Survivor::new();
                survivor.disk.arm(Fault { kind, at_call, is_sticky });
                let db = survivor.run(&script);
                struck += u64::from(survivor.disk.struck() > 0);
                assert_eq!(survivor.acknowledged_after_failed_sync, 0, "{kind:?} at {at_call}");
                survivor.recover(db);
                runs += 1;
            }
        }
    }
    println!(
        "fault: {calls} calls, every {every}, × {} kinds × once and sticky = {runs} runs, {struck} struck, \
         0 acknowledged lost, 0 leaked files",
        FaultKind::ALL.len()
    );
    assert!(struck > runs / 4, "the faults hardly strike");
    assert!(calls > 300, "the script shrank to {calls} calls");
}
