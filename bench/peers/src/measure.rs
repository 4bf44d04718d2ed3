//! What is measured of a process, and how.
//!
//! | figure | source |
//! |---|---|
//! | operations per second | one clock around all of them |
//! | latency | a clock around each write; around one of eight reads |
//! | CPU | `CLOCK_PROCESS_CPUTIME_ID`: all threads, background work included |
//! | bytes written | `/proc/self/io` |
//! | peak memory | `VmHWM` in `/proc/self/status`: pages of mapped files included |
//! | disk size | blocks taken by the files |
//!
//! Reading the clock takes about 25 ns. A write is never much cheaper than 400 ns
//! and each may be the one that stalls, so all are timed, one reading between two.
//! A read can take 100 ns, so of eight in a row one is timed: 6 ns a read. What the
//! clock takes is the same for every engine, and weighs most on the fastest.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What lasts longer counts as this long: ten minutes.
const LONGEST_NANOS: u64 = 600_000_000_000;

/// Latencies of one thread, to two digits: with three, the counts would not fit into
/// the cache that the engine needs.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    histogram: Histogram<u64>,
    every: u64,
}

impl Stopwatch {
    /// Times one operation of `every`.
    pub(crate) fn every(every: u64) -> Stopwatch {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NANOS, 2).expect("the bounds are in order");
        Stopwatch { histogram, every }
    }

    /// Runs `step` for each of `operations`, until `deadline`, and says how many were run.
    pub(crate) fn drive<E>(
        &mut self,
        operations: Range<u64>,
        deadline: Instant,
        mut step: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut before = Instant::now();
        let mut done = 0;
        for operation in operations {
            if before >= deadline {
                break;
            }
            before = match self.every {
                1 => self.timed(before, operation, &mut step)?,
                every if done % every == 0 => self.timed(Instant::now(), operation, &mut step)?,
                _ => step(operation).map(|()| before)?,
            };
            done += 1;
        }
        Ok(done)
    }

    fn timed<E>(
        &mut self,
        before: Instant,
        operation: u64,
        step: &mut impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Instant, E> {
        step(operation)?;
        let now = Instant::now();
        self.histogram.saturating_record((now - before).as_nanos() as u64);
        Ok(now)
    }

    /// Adds what another thread timed.
    pub(crate) fn absorb(&mut self, other: &Stopwatch) {
        self.histogram.add(&other.histogram).expect("both histograms have one range");
    }

    pub(crate) fn latency(&self) -> Latency {
        let at = |quantile: f64| self.histogram.value_at_quantile(quantile);
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            worst: self.histogram.max(),
        }
    }
}

/// Latencies in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) p9999: u64,
    pub(crate) worst: u64,
}

/// CPU time of this process so far, of all its threads.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Waits until the threads in the background have nothing left to do: until two
/// spells in a row took hardly any CPU. Every engine is waited for in this way, as
/// not every engine says when it is done. A database that never rests is left
/// after a minute.
pub(crate) fn wait_until_quiet() {
    const SPELL: Duration = Duration::from_millis(40);
    const HARDLY_ANY: Duration = Duration::from_millis(1);
    const PATIENCE: u32 = 1_500;
    let mut quiet = 0;
    for _ in 0..PATIENCE {
        let before = cpu_time();
        std::thread::sleep(SPELL);
        quiet = if cpu_time() - before < HARDLY_ANY { quiet + 1 } else { 0 };
        if quiet == 2 {
            return;
        }
    }
}

/// Bytes that this process has written to files so far.
///
/// The kernel counts in two ways. `wchar` is what passed through `write()`: it
/// misses what is written through a mapping. `write_bytes` is pages made dirty: it
/// misses what is written again before the page has reached the disk. Neither
/// counts too much, so the greater is nearer to the truth.
pub(crate) fn bytes_written() -> io::Result<u64> {
    let counts = fs::read_to_string("/proc/self/io")?;
    Ok(field(&counts, "wchar:").max(field(&counts, "write_bytes:")))
}

/// The most memory that this process has had resident, in bytes.
pub(crate) fn peak_memory() -> io::Result<u64> {
    Ok(field(&fs::read_to_string("/proc/self/status")?, "VmHWM:") << 10)
}

/// The number behind `name` at the start of a line; 0 when there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The space that the files under `directory` take on the disk, holes left out.
pub(crate) fn disk_size(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_size(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(every: u64, operations: u64) -> (u64, Stopwatch) {
        let mut stopwatch = Stopwatch::every(every);
        let deadline = Instant::now() + Duration::from_secs(60);
        let done = stopwatch.drive(0..operations, deadline, |_| Ok::<(), ()>(()));
        (done.unwrap(), stopwatch)
    }

    #[test]
    fn every_operation_is_run_and_the_chosen_ones_are_timed() {
        let (done, stopwatch) = drive(1, 100);
        assert_eq!((done, stopwatch.histogram.len()), (100, 100));
        let (done, stopwatch) = drive(8, 100);
        assert_eq!((done, stopwatch.histogram.len()), (100, 13));
    }

    #[test]
    fn behind_the_deadline_no_operation_begins() {
        let deadline = Instant::now() + Duration::from_millis(20);
        let mut begun_late = 0;
        let step = |_| {
            begun_late += u32::from(Instant::now() >= deadline);
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            Ok::<(), ()>(())
        };
        let done = Stopwatch::every(1).drive(0..100, deadline, step).unwrap();
        assert!(done <= 1 && begun_late <= 1, "{done} operations, {begun_late} begun late");
    }

    #[test]
    fn a_stall_is_the_worst_latency_and_not_the_median() {
        let mut stopwatch = Stopwatch::every(1);
        let deadline = Instant::now() + Duration::from_secs(60);
        let stall = |operation| {
            if operation == 500 {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok::<(), ()>(())
        };
        stopwatch.drive(0..1_000, deadline, stall).unwrap();
        let latency = stopwatch.latency();
        assert!(latency.worst >= 20_000_000 && latency.p50 < latency.worst, "{latency:?}");
    }

    #[test]
    fn a_field_is_found_by_the_start_of_its_line() {
        assert_eq!(field("wchar: 12\nwrite_bytes: 4096\n", "write_bytes:"), 4_096);
        assert_eq!(field("VmHWM:\t  2048 kB\n", "VmHWM:"), 2_048);
        assert_eq!(field("", "VmHWM:"), 0);
    }

    #[test]
    fn the_disk_size_counts_files_at_any_depth() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inner")).unwrap();
        fs::write(directory.path().join("inner/file"), [7; 100_000]).unwrap();
        rustix::fs::sync();
        assert!((100_000..200_000).contains(&disk_size(directory.path()).unwrap()));
    }
}
