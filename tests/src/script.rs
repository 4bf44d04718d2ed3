//! A run of a database, as data: the same script gives the same calls.
//!
//! A script runs on one thread: background jobs are run where it says so, and by
//! writers who would have to wait. So the trace of a run is the same every time,
//! and a failure is named by a call number.

use std::fmt;
use std::sync::Arc;

use stage6_engine::memtable::key::Sequence;
use stage6_engine::wal::vfs::{SimVfs, Vfs};
use stage6_engine::{Builder, Codec, Db, Durability, Leveled, SimRuntime, WriteBatch};

use crate::dice::Dice;
use crate::model::{Model, Write};

/// One step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// Write a batch that is in the operating system when it returns.
    Write(Vec<Write>),
    /// Write a batch that is durable when it returns.
    WriteSync(Vec<Write>),
    /// Make everything durable.
    Persist,
    /// Run the most urgent job that is due.
    RunJob,
    /// Run jobs until none is due.
    Settle,
    /// Rotate, flush, and wait.
    Flush,
    /// Compact everything.
    Compact,
    /// Close, and open again.
    Reopen,
}

/// What a run did.
#[derive(Debug)]
pub struct Run {
    /// The disk, with its trace.
    pub vfs: SimVfs,
    /// What was written.
    pub model: Model,
    /// At which call which sequence had been acknowledged as durable.
    pub acknowledged: Vec<(usize, Sequence)>,
    /// Flushes, compactions (with moves) and reopens, to show what was covered.
    pub covered: Covered,
    /// How many calls were done when each step began.
    begun: Vec<usize>,
}

/// How often a run came by the places that matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Covered {
    /// Tables were written from memtables.
    pub flushes: u64,
    /// Tables were merged or moved.
    pub compactions: u64,
    /// The database was opened again.
    pub reopens: u64,
    /// A log followed another while the database was open.
    pub rollovers: u64,
}

/// A database small enough that a few hundred writes reach every part of it.
pub fn tiny() -> Builder {
    Db::builder()
        .memtable_bytes(4_000)
        .max_immutables(3)
        .block_size_bytes(256)
        .codec(Codec::None)
        .cache_bytes(64 << 10)
        .database_id(0x7e57)
        .runtime(Arc::new(SimRuntime::new(1)))
        .strategy(Leveled {
            level0_files: 2,
            base_level_bytes: 4_000,
            size_ratio: 4,
            target_file_bytes: 2_000,
        })
        .level0_limits(4, 8)
}

/// Runs `script` on `vfs`, which leads to the disk `sim`.
///
/// # Errors
/// The first error of the database: a simulated disk gives it no reason for one.
pub fn run(script: &[Step], vfs: &Arc<dyn Vfs>, sim: &SimVfs) -> stage6_engine::Result<Run> {
    let mut run = Run {
        vfs: sim.clone(),
        model: Model::default(),
        acknowledged: Vec::new(),
        covered: Covered::default(),
        begun: Vec::new(),
    };
    let mut db = tiny().open_vfs(Arc::clone(vfs))?;
    for step in script {
        run.begun.push(sim.calls());
        match step {
            Step::Write(writes) => run.write(&db, writes, Durability::Buffer)?,
            Step::WriteSync(writes) => run.write(&db, writes, Durability::Sync)?,
            Step::Persist => {
                db.persist()?;
                run.acknowledge();
            }
            Step::RunJob => run_job(&db)?,
            Step::Settle => {
                while !db.pending_jobs().is_empty() {
                    run_job(&db)?;
                }
            }
            Step::Flush => {
                db.flush()?;
                run.acknowledge();
            }
            Step::Compact => drop(db.compact_range(..)?),
            Step::Reopen => {
                run.count(&db);
                run.covered.reopens += 1;
                db.close()?;
                run.acknowledge();
                db = tiny().open_vfs(Arc::clone(vfs))?;
            }
        }
    }
    run.count(&db);
    db.close()?;
    run.acknowledge();
    Ok(run)
}

fn run_job(db: &Db) -> stage6_engine::Result<()> {
    db.pending_jobs().first().map_or(Ok(()), |job| db.run_job(*job))
}

impl Run {
    fn write(&mut self, db: &Db, writes: &[Write], durability: Durability) -> stage6_engine::Result<()> {
        db.write_opt(&batch_of(writes), durability)?;
        self.model.apply(writes);
        if durability == Durability::Sync {
            self.acknowledge();
        }
        Ok(())
    }

    /// Everything written so far is durable from this call on.
    fn acknowledge(&mut self) {
        self.acknowledged.push((self.vfs.calls(), self.model.sequence()));
    }

    fn count(&mut self, db: &Db) {
        let stats = db.stats();
        self.covered.flushes += stats.flushes;
        self.covered.compactions += stats.compactions + stats.moved_tables;
        // Every flushed memtable had a log of its own.
        self.covered.rollovers += stats.flushes;
    }

    /// The number of the step that was under way when `calls` calls were done:
    /// one behind the last for the closing.
    pub fn step_at(&self, calls: usize) -> usize {
        self.begun.partition_point(|begin| *begin <= calls).saturating_sub(1)
    }

    /// The highest sequence that was acknowledged as durable by the time that
    /// `calls` calls were done.
    pub fn durable_at(&self, calls: usize) -> Sequence {
        let by_then = self.acknowledged.iter().filter(|(call, _)| *call <= calls);
        by_then.map(|(_, sequence)| *sequence).max().unwrap_or(0)
    }
}

/// The writes as a batch.
pub fn batch_of(writes: &[Write]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        };
    }
    batch
}

/// Writes, flushes, compactions and reopens drawn from `seed`: `steps` of them.
pub fn draw(seed: u64, steps: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..steps)
        .map(|_| match dice.roll(100) {
            0..62 => Step::Write(dice.writes()),
            62..76 => Step::WriteSync(dice.writes()),
            76..79 => Step::Persist,
            79..91 => Step::RunJob,
            91..94 => Step::Settle,
            94..97 => Step::Flush,
            97 => Step::Compact,
            _ => Step::Reopen,
        })
        .collect()
}

/// The script as a list that can be read.
pub fn spell(script: &[Step]) -> String {
    let spelled: Vec<String> = script.iter().map(Step::to_string).collect();
    spelled.join(", ")
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Write(writes) => write!(f, "write {}", spell_writes(writes)),
            Step::WriteSync(writes) => write!(f, "write synced {}", spell_writes(writes)),
            Step::Persist => write!(f, "persist"),
            Step::RunJob => write!(f, "run a job"),
            Step::Settle => write!(f, "run all jobs"),
            Step::Flush => write!(f, "flush"),
            Step::Compact => write!(f, "compact"),
            Step::Reopen => write!(f, "reopen"),
        }
    }
}

fn spell_writes(writes: &[Write]) -> String {
    let spelled = writes.iter().map(|(key, value)| match value {
        Some(value) => format!("{} = {} bytes", key.escape_ascii(), value.len()),
        None => format!("no {}", key.escape_ascii()),
    });
    format!("[{}]", spelled.collect::<Vec<_>>().join(", "))
}
