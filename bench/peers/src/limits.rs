//! What the machine itself takes: no engine is faster than the parts it must use.
//!
//! Each is measured alone, warm, by one thread, as the best of several tries: a limit
//! is what is possible, not what is usual. The stalls are the opposite: the longest of many
//! calls, because no put that makes such a call is spared it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::keys::{Key, KeyKind};
use crate::random::{Permutation, Random};

/// One limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) what: String,
    pub(crate) nanos: f64,
    /// Where bytes are moved: how many a second, in GB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gigabytes_per_second: Option<f64>,
}

/// A record of the usual size, framed: 16 + 100 bytes.
const RECORD_BYTES: usize = 116;
const BLOCK_BYTES: usize = 4096;

/// Measures all of them, with files in `directory`.
pub(crate) fn measure(directory: &Path) -> io::Result<Vec<Limit>> {
    fs::create_dir_all(directory)?;
    let mut limits = vec![clock(), system_call(), mutex()];
    limits.extend(moves());
    limits.extend(checksums());
    limits.extend([1, 16, 256].map(dependent_load));
    limits.extend(structures());
    limits.extend(files(directory)?);
    Ok(limits)
}

/// The least time that one of `count` calls takes, over several tries. What a call
/// returns counts as used.
fn best<T>(count: u64, mut call: impl FnMut(u64) -> T) -> f64 {
    const TRIES: u32 = 5;
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let begun = Instant::now();
        (0..count).for_each(|turn| drop(black_box(call(turn))));
        least = least.min(begun.elapsed());
    }
    least.as_nanos() as f64 / count as f64
}

fn limit(what: impl Into<String>, nanos: f64) -> Limit {
    Limit { what: what.into(), nanos, gigabytes_per_second: None }
}

fn moving(what: impl Into<String>, bytes: usize, nanos: f64) -> Limit {
    Limit { gigabytes_per_second: Some(bytes as f64 / nanos), ..limit(what, nanos) }
}

fn clock() -> Limit {
    limit("read the clock", best(1_000_000, |_| Instant::now()))
}

fn system_call() -> Limit {
    limit("the shortest system call", best(1_000_000, |_| rustix::process::getppid()))
}

fn mutex() -> Limit {
    let mutex = Mutex::new(0u64);
    let lock = |turn| {
        if let Ok(mut guard) = mutex.lock() {
            *guard ^= turn;
        }
    };
    limit("lock and unlock a mutex that nobody wants", best(1_000_000, lock))
}

fn moves() -> [Limit; 2] {
    let copied = |bytes: usize, count| {
        let (from, mut to) = (vec![7u8; bytes], vec![0u8; bytes]);
        best(count, |_| black_box(&mut to).copy_from_slice(black_box(&from)))
    };
    let (near, far) = (256 << 10, 256 << 20);
    [
        moving("copy 256 KiB, in the L2 cache", near, copied(near, 2_000)),
        moving("copy 256 MiB, in memory", far, copied(far, 1)),
    ]
}

fn checksums() -> [Limit; 2] {
    let summed = |bytes: usize| {
        let data = vec![7u8; bytes];
        best(200_000, |_| crc32fast::hash(black_box(&data)))
    };
    [
        moving("CRC-32 of a record of 116 bytes", RECORD_BYTES, summed(RECORD_BYTES)),
        moving("CRC-32 of a block of 4 KiB", BLOCK_BYTES, summed(BLOCK_BYTES)),
    ]
}

/// A chain through all of the memory: each load says where the next one is.
fn dependent_load(mebibytes: u64) -> Limit {
    let places = mebibytes << 20 >> 3;
    let order = Permutation::new(places, 1);
    let mut chain = vec![0u64; places as usize];
    for place in 0..places {
        chain[order.at(place) as usize] = order.at((place + 1) % places);
    }
    let mut place = 0;
    let nanos = best(1_000_000, |_| place = chain[place as usize]);
    black_box(place);
    limit(format!("a load that depends on the one before, in {mebibytes} MiB"), nanos)
}

/// What the simplest structures take for a million keys.
fn structures() -> [Limit; 3] {
    const KEYS: u64 = 1_000_000;
    let order = Permutation::new(KEYS, 5);
    let shuffled: Vec<Key> = (0..KEYS).map(|place| KeyKind::Decimal.present(order.at(place))).collect();
    // Kept, as dropping it is no part of inserting.
    let mut built = Vec::new();
    let insert = best(1, |_| built.push(shuffled.iter().map(|key| (*key, 0u64)).fold(BTreeMap::new(), with)));
    let sort = best(1, |_| {
        let mut keys = shuffled.clone();
        keys.sort_unstable();
        keys
    });
    let mut sorted = shuffled.clone();
    sorted.sort_unstable();
    let search = best(KEYS, |place| sorted.binary_search(&shuffled[place as usize]));
    [
        limit("insert a key into a BTreeMap, up to a million", insert / KEYS as f64),
        limit("sort a million keys, per key", sort / KEYS as f64),
        limit("find a key among a million sorted ones, by bisection", search),
    ]
}

fn with(mut map: BTreeMap<Key, u64>, (key, value): (Key, u64)) -> BTreeMap<Key, u64> {
    map.insert(key, value);
    map
}

fn files(directory: &Path) -> io::Result<Vec<Limit>> {
    let path = directory.join("limits");
    let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path)?;
    let append = best(200_000, |_| file.write_all(&[7; RECORD_BYTES]));
    let blocks = 8_192;
    file.set_len(0)?;
    (0..blocks).try_for_each(|block| file.write_all_at(&[7; BLOCK_BYTES], block * BLOCK_BYTES as u64))?;
    let read = read_block(&file, blocks);
    let syncs = syncs(&file)?;
    fs::remove_file(path)?;
    let stall = longest_append(directory)?;
    Ok(vec![
        moving("write() a record of 116 bytes at the end of a file", RECORD_BYTES, append),
        moving("pread() a block of 4 KiB that is in the page cache", BLOCK_BYTES, read),
        // The median: the best of a disk says less than what it usually takes.
        limit("write 4 KiB over, and fdatasync()", syncs[syncs.len() / 2].as_nanos() as f64),
        limit(format!("the same, the longest of {SYNCS}"), syncs[syncs.len() - 1].as_nanos() as f64),
        limit(
            "the longest of write() of 116 bytes, while two threads write files and sync them",
            stall.as_nanos() as f64,
        ),
    ])
}

fn read_block(file: &File, blocks: u64) -> f64 {
    let mut random = Random::new(6);
    let mut block = [0; BLOCK_BYTES];
    best(100_000, |_| file.read_exact_at(&mut block, random.below(blocks) * BLOCK_BYTES as u64))
}

const SYNCS: u64 = 4_000;

/// How long each takes, the shortest first.
fn syncs(file: &File) -> io::Result<Vec<Duration>> {
    file.sync_all()?;
    let mut times = Vec::new();
    for turn in 0..SYNCS {
        let begun = Instant::now();
        file.write_all_at(&[turn as u8; BLOCK_BYTES], turn % 16 * BLOCK_BYTES as u64)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// What a put would wait for at most, if it did nothing but to append its record to a log, beside
/// a flush and a merge that did nothing but to write their tables.
fn longest_append(directory: &Path) -> io::Result<Duration> {
    const RECORDS: u64 = 2_000_000;
    let is_over = AtomicBool::new(false);
    let tables = ["limits-flush", "limits-merge"].map(|name| directory.join(name));
    let log = directory.join("limits-log");
    let longest = thread::scope(|scope| {
        let writing = tables.each_ref().map(|path| scope.spawn(|| write_tables(path, &is_over)));
        let mut longest = Duration::ZERO;
        let mut appended = File::create(&log).and_then(|mut file| {
            (0..RECORDS).try_for_each(|_| {
                let begun = Instant::now();
                file.write_all(&[7; RECORD_BYTES])?;
                longest = longest.max(begun.elapsed());
                Ok(())
            })
        });
        is_over.store(true, Ordering::Relaxed);
        for thread in writing {
            appended =
                appended.and(thread.join().unwrap_or_else(|_| Err(io::Error::other("a writer panicked"))));
        }
        appended.map(|()| longest)
    });
    tables.iter().chain([&log]).try_for_each(fs::remove_file)?;
    longest
}

/// Writes one file of 32 MiB after the other, each synced, until it is over.
fn write_tables(path: &Path, is_over: &AtomicBool) -> io::Result<()> {
    let piece = vec![7; 256 << 10];
    while !is_over.load(Ordering::Relaxed) {
        let mut file = File::create(path)?;
        (0..128).try_for_each(|_| file.write_all(&piece))?;
        file.sync_data()?;
    }
    Ok(())
}

/// As a table.
pub(crate) fn table(limits: &[Limit]) -> String {
    let mut text = "| | ns | GB/s |\n|---|---:|---:|\n".to_owned();
    for limit in limits {
        let speed = limit.gigabytes_per_second.map_or_else(String::new, |speed| format!("{speed:.1}"));
        let nanos =
            if limit.nanos < 100.0 { format!("{:.1}", limit.nanos) } else { format!("{:.0}", limit.nanos) };
        text += &format!("| {} | {nanos} | {speed} |\n", limit.what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_takes_time() {
        let directory = tempfile::tempdir().unwrap();
        let limits = files(directory.path()).unwrap();
        assert!(limits.iter().chain(&[clock(), system_call(), mutex()]).all(|limit| limit.nanos > 0.1));
        assert!(table(&limits).contains("fdatasync"));
    }
}
