//! Time, randomness, waiting and background threads: all that is not the same in
//! every run.
//!
//! ```text
//!   ThreadRuntime   the system's clock, four threads that run jobs
//!   SimRuntime      one seed, a clock that moves when somebody sleeps, no threads:
//!                   whoever would wait for a job runs one instead
//! ```
//!
//! **INV-RUNTIME-1** The engine takes these four from here and from nowhere else, but
//! that threads wait for one another by the locks and condition variables of `sync`, and
//! that background threads tell by the system's clock when to try again after a failure.
//! So on a [`SimRuntime`] and a `SimVfs` the same calls give the same files, byte
//! for byte. One thread more is borrowed, where the runtime has threads, until a database
//! is open whose large log becomes two tables at the same time.

use std::fmt;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use stage5_compaction::memtable::sync::Mutex;
use stage5_compaction::memtable::sync::thread::{self, JoinHandle};

/// The work of one background thread, from its start to its end.
pub type Work = Box<dyn FnOnce() + Send>;

/// What the engine asks for time, chance and threads.
pub trait Runtime: fmt::Debug + Send + Sync {
    /// The time since some fixed moment. Never goes back.
    fn now(&self) -> Duration;
    /// Lets `duration` pass.
    fn sleep(&self, duration: Duration);
    /// A random word.
    fn random(&self) -> u64;
    /// How many background threads there shall be. With none, jobs are run by
    /// those who would otherwise wait for them.
    fn workers(&self) -> usize;
    /// Starts a background thread.
    fn spawn(&self, name: String, work: Work) -> std::io::Result<JoinHandle<()>>;
}

/// The system's clock and threads.
#[derive(Debug, Clone)]
pub struct ThreadRuntime {
    start: Instant,
    workers: usize,
}

impl ThreadRuntime {
    /// With `workers` background threads, at least one. The default is one for each kind
    /// of job that may be due at the same time, so that none waits for another: beside a
    /// flush and a compaction, which take seconds, the next log is made in time and what
    /// counts no more is removed. One that has nothing to do costs nothing.
    pub fn new(workers: usize) -> ThreadRuntime {
        ThreadRuntime { start: Instant::now(), workers: workers.max(1) }
    }
}

impl Default for ThreadRuntime {
    fn default() -> ThreadRuntime {
        ThreadRuntime::new(4)
    }
}

impl Runtime for ThreadRuntime {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn spawn(&self, name: String, work: Work) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name(name).spawn(work)
    }
}

/// One thread, one seed. A whole program that is tested on it, and on simulated
/// disks, is `examples/test_your_own.rs`.
///
/// ```
/// use std::sync::Arc;
/// use stage6_engine::{Db, SimRuntime};
///
/// let db = Db::builder().runtime(Arc::new(SimRuntime::new(7))).memtable_bytes(1_000).open_in_memory()?;
/// (0u32..40).try_for_each(|n| db.put(n.to_be_bytes(), [0; 20]).map(|_| ()))?;
/// assert!(!db.pending_jobs().is_empty(), "a memtable waits; nobody flushes it behind our back");
/// while let Some(job) = db.pending_jobs().first() {
///     db.run_job(*job)?;
/// }
/// # Ok::<(), stage6_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct SimRuntime {
    state: Mutex<(SmallRng, Duration)>,
}

impl SimRuntime {
    /// Everything random follows from `seed`.
    pub fn new(seed: u64) -> SimRuntime {
        SimRuntime { state: Mutex::new((SmallRng::seed_from_u64(seed), Duration::ZERO)) }
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Duration {
        self.state.lock().1
    }

    fn sleep(&self, duration: Duration) {
        self.state.lock().1 += duration;
    }

    fn random(&self) -> u64 {
        self.state.lock().0.next_u64()
    }

    fn workers(&self) -> usize {
        0
    }

    fn spawn(&self, _name: String, _work: Work) -> std::io::Result<JoinHandle<()>> {
        Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
    }
}
