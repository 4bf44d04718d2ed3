//! Test your own program: under a crash at every call to the disk, and under every
//! fault of every call.
//!
//! ```text
//!   your program ──▶ Db ──▶ FaultVfs ──▶ SimVfs        one thread, one seed
//!                           call k fails   remembers every call: all disks that
//!                                          a crash may leave can be built
//! ```
//!
//! The program here is a queue of jobs. Whoever takes a job moves it to the done
//! ones in one batch with its result. Its law: **a job that was accepted is waiting
//! or done, exactly one of the two, whatever happens to the disk.** What tests it is
//! the second half of this file, and only needs what the crate makes public.

use std::sync::Arc;

use stage6_engine::wal::vfs::{Fault, FaultKind, FaultVfs, SimVfs, Vfs};
use stage6_engine::{Builder, Db, Durability, Read, Result, SimRuntime, WriteBatch};

/// How many jobs one run submits.
const JOBS: u64 = 24;

fn main() -> Result<()> {
    crash_at_every_call()?;
    fail_every_call()
}

/// The program: a queue in which no job is lost and none is done twice.
struct Queue {
    db: Db,
}

impl Queue {
    fn open(builder: Builder, disk: Arc<dyn Vfs>) -> Result<Queue> {
        Ok(Queue { db: builder.open_vfs(disk)? })
    }

    /// Accepts a job: it is on the disk when this returns.
    fn submit(&self, number: u64) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put(format!("waiting/{number:04}"), "resize a picture");
        self.db.write_opt(&batch, Durability::Sync).map(drop)
    }

    /// Does the oldest job that waits. Returns its number, or `None` if none waits.
    fn work(&self) -> Result<Option<u64>> {
        let Some(first) = self.db.prefix("waiting/").next() else { return Ok(None) };
        let (key, _) = first?;
        let number = number_in(&key);
        let mut batch = WriteBatch::new();
        batch.delete(&key);
        batch.put(format!("done/{number:04}"), "a small picture");
        self.db.write_opt(&batch, Durability::Sync)?;
        Ok(Some(number))
    }

    fn numbers(&self, prefix: &str) -> Result<Vec<u64>> {
        self.db.prefix(prefix).map(|entry| entry.map(|(key, _)| number_in(&key))).collect()
    }
}

fn number_in(key: &[u8]) -> u64 {
    let digits = String::from_utf8_lossy(key);
    digits.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// One thread, so that every run makes the same calls; memtables so small that jobs
/// reach tables.
fn on_one_thread() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1))).database_id(1).memtable_bytes(1_000)
}

/// What the program was told: these jobs are accepted, and these are done.
#[derive(Debug, Clone, Default)]
struct Told {
    accepted: Vec<u64>,
    done: Vec<u64>,
}

/// Submits jobs and works them off, two for one. After an error the next step is
/// tried, as a service would. `tell` hears of all that was acknowledged.
fn run(disk: Arc<dyn Vfs>, mut tell: impl FnMut(&Told)) -> Told {
    let mut told = Told::default();
    let Ok(queue) = Queue::open(on_one_thread(), disk) else { return told };
    for number in 1..=JOBS {
        if queue.submit(number).is_ok() {
            told.accepted.push(number);
        }
        tell(&told);
        if number % 2 == 0 {
            told.done.extend(queue.work().ok().flatten());
        }
        tell(&told);
    }
    told
}

/// The law. A write that failed may be there or not, so there may be more than was
/// told, and never less.
fn check(queue: &Queue, told: &Told) -> Result<()> {
    let (waiting, done) = (queue.numbers("waiting/")?, queue.numbers("done/")?);
    assert!(done.iter().all(|job| !waiting.contains(job)), "a job waits and is done: it would be done twice");
    assert!(
        told.accepted.iter().all(|job| waiting.contains(job) || done.contains(job)),
        "a job that was accepted is lost"
    );
    assert!(told.done.iter().all(|job| done.contains(job)), "what was done waits again");
    Ok(())
}

/// Runs the program once, and opens every disk that a crash at any of its calls may
/// leave.
fn crash_at_every_call() -> Result<()> {
    let disk = SimVfs::new();
    // After so many calls it had been told this.
    let mut moments = vec![(0, Told::default())];
    run(Arc::new(disk.clone()), |told| moments.push((disk.calls(), told.clone())));
    let trace = disk.trace();
    let disks = trace.for_each_crash(|calls, _policy, image| {
        let by_then = moments.partition_point(|(call, _)| *call <= calls);
        let queue = Queue::open(on_one_thread(), Arc::new(SimVfs::from_image(&image)))?;
        check(&queue, &moments[by_then - 1].1)
    })?;
    let calls = trace.calls.len();
    println!("{disks:>6} disks that a crash at one of {calls} calls may leave: no job lost, none done twice");
    Ok(())
}

/// Runs the program once for each call, kind of fault, and whether it passes; then
/// the disk is well again, and the program starts anew.
fn fail_every_call() -> Result<()> {
    let whole = FaultVfs::new(Arc::new(SimVfs::without_trace()));
    run(Arc::new(whole.clone()), |_| {});
    for kind in FaultKind::ALL {
        let (mut struck, mut accepted) = (0, 0);
        for (at_call, is_sticky) in (0..whole.calls()).flat_map(|call| [(call, false), (call, true)]) {
            let disk = FaultVfs::new(Arc::new(SimVfs::without_trace()));
            disk.arm(Fault { kind, at_call, is_sticky });
            let told = run(Arc::new(disk.clone()), |_| {});
            struck += u64::from(disk.struck() > 0);
            accepted += told.accepted.len();
            disk.clear();
            check(&Queue::open(on_one_thread(), Arc::new(disk))?, &told)?;
        }
        let runs = 2 * whole.calls();
        println!("{runs:>6} runs with {kind:?}: it struck in {struck}, {accepted} jobs accepted, none lost");
    }
    Ok(())
}
