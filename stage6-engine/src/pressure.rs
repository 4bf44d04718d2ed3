//! Backpressure: writers are slowed down before they would have to stop.
//!
//! ```text
//!   delay ▲                        ╱│ stop
//!         │                    ╱    │
//!         │               ╱         │
//!         │         ╱               │
//!       0 ┼────────┬────────────────┴──▶ files of level 0, waiting memtables,
//!                slow             stop   bytes that compactions owe
//! ```
//!
//! If writers are faster than flushes and compactions, something must give: the
//! files of level 0, each of which every read asks, or memory, or the writers.
//! Here the writers give, early and a little, so that nobody sees a sudden stop:
//! the delay grows smoothly from nothing, in proportion to the bytes written. Writers
//! sleep side by side: the rate that is left is that of each, and many have many times
//! as much.
//!
//! **INV-PRESSURE-1** A write is stopped only for work that is due and can make
//! progress; when that work fails, the write fails with its error instead of
//! waiting. One that is slowed down waits for nobody, but sleeps a time known before.

use std::fmt;
use std::time::Duration;

use stage5_compaction::version::Version;

use crate::options::Options;

/// Compactions may owe so many times a full memtable before writers are slowed
/// down, and so many before they are stopped.
const DEBT_SLOW_MEMTABLES: u64 = 32;
const DEBT_STOP_MEMTABLES: u64 = 128;

/// The slowest rate to which a writer is slowed down before all stop.
const SLOWEST_BYTES_PER_SECOND: f64 = 2.0 * 1024.0 * 1024.0;

/// The rate at which slowing down begins to be felt.
const FASTEST_BYTES_PER_SECOND: f64 = 256.0 * 1024.0 * 1024.0;

/// However large a batch, it is not delayed for longer: near the stop, what is larger than
/// 2 MiB is let off a part.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// Why writers are slowed down or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallReason {
    /// Full memtables wait for their flush.
    Memtables {
        /// How many wait.
        waiting: u64,
        /// At how many writers stop.
        limit: u64,
    },
    /// Level 0 has too many files.
    Level0 {
        /// How many it has.
        files: u64,
        /// At how many writers stop.
        limit: u64,
    },
    /// Compactions are behind.
    CompactionDebt {
        /// How many bytes they must still read.
        bytes: u64,
        /// At how many writers stop.
        limit: u64,
    },
}

impl fmt::Display for StallReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StallReason::Memtables { waiting, limit } => {
                write!(f, "{waiting} full memtables wait for their flush (writers stop at {limit})")
            }
            StallReason::Level0 { files, limit } => {
                write!(f, "level 0 has {files} files (writers stop at {limit})")
            }
            StallReason::CompactionDebt { bytes, limit } => {
                write!(f, "compactions are {bytes} bytes behind (writers stop at {limit})")
            }
        }
    }
}

/// How hard the database presses back, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressure {
    /// 0: not at all. Below 1: writers are slowed down. 1: they are stopped.
    pub level: f64,
    /// What presses hardest.
    pub reason: StallReason,
}

impl Pressure {
    /// Whether writers are stopped, and by what: what a listener is told of.
    pub(crate) fn kind(&self) -> (bool, std::mem::Discriminant<StallReason>) {
        (self.level >= 1.0, std::mem::discriminant(&self.reason))
    }
}

/// What presses hardest, if anything does, while `waiting` memtables are full
/// and the tables are those of `version`.
pub(crate) fn pressure(options: &Options, waiting: usize, version: &Version) -> Option<Pressure> {
    let memtable = options.memtable_bytes as u64;
    let (waiting, max_immutables) = (waiting as u64, options.max_immutables as u64);
    let flush_at = options.flush_at() as u64;
    let (files, slow, stop) = (
        version.level(0).len() as u64,
        options.level0_slowdown_files as u64,
        options.level0_stop_files as u64,
    );
    let debt = options.strategy.debt_bytes(version);
    let (debt_slow, debt_stop) =
        (memtable.saturating_mul(DEBT_SLOW_MEMTABLES), memtable.saturating_mul(DEBT_STOP_MEMTABLES));
    let causes = [
        // That some wait is how a flush begins, not a sign of trouble: it takes all of
        // them at once, and while it works as many may fill.
        (
            share(waiting, flush_at.saturating_mul(2), max_immutables),
            StallReason::Memtables { waiting, limit: max_immutables },
        ),
        (share(files, slow, stop), StallReason::Level0 { files, limit: stop }),
        (share(debt, debt_slow, debt_stop), StallReason::CompactionDebt { bytes: debt, limit: debt_stop }),
    ];
    let (level, reason) = causes.into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (level > 0.0).then_some(Pressure { level, reason })
}

/// Where `value` lies between `slow` (0) and `stop` (1).
fn share(value: u64, slow: u64, stop: u64) -> f64 {
    if value >= stop {
        return 1.0;
    }
    value.saturating_sub(slow) as f64 / (stop - slow.min(stop - 1)) as f64
}

/// How long `bytes` take at the rate that the pressure leaves. The rate falls
/// geometrically from the fastest to the slowest: each further
/// step of pressure slows down by the same factor.
pub(crate) fn delay_for(level: f64, bytes: usize) -> Duration {
    let rate = FASTEST_BYTES_PER_SECOND * (SLOWEST_BYTES_PER_SECOND / FASTEST_BYTES_PER_SECOND).powf(level);
    Duration::from_secs_f64(bytes as f64 / rate).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_grows_from_nothing_to_a_stop_without_a_jump() {
        assert_eq!(share(12, 12, 24), 0.0);
        assert_eq!(share(18, 12, 24), 0.5);
        assert_eq!(share(24, 12, 24), 1.0);
        assert_eq!((share(0, 1, 1), share(1, 1, 1)), (0.0, 1.0));
        let delays: Vec<Duration> =
            (0..=10).map(|step| delay_for(f64::from(step) / 10.0, 1_000_000)).collect();
        assert!(delays.is_sorted());
        assert!(delays[0] < Duration::from_millis(5) && delays[10] < Duration::from_millis(500));
    }
}
