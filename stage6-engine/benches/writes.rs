//! What a put costs its writer.
//!
//! ```text
//!   order, keys ──▶ a new database ──put, put, put──▶ per put: nanoseconds of wall
//!                                                     and of this thread's processor
//! ```
//!
//! ```sh
//! cargo bench -p stage6-engine --features tool --bench writes -- fillrandom decimal 1000000
//! ```
//!
//! The background threads work as they always do, so on a machine with other work the
//! wall time says little; what [`fill`] itself executes is counted exactly by
//! `valgrind --tool=callgrind` on the same program. Values have 100 bytes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use stage6_engine::Db;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SEED: u64 = 0x1517;
const VALUE_BYTES: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let argument = |index: usize, default: &str| arguments.get(index).map_or(default, |word| word).to_owned();
    let (order, form) = (argument(0, "fillrandom"), argument(1, "decimal"));
    let count = argument(2, "200000").parse().expect("the third argument is how many keys");
    let parent = arguments.get(3).map_or_else(std::env::temp_dir, PathBuf::from);

    let keys = keys(&order, &form, count);
    let pool = pool();
    let directory = tempfile::tempdir_in(parent).expect("a directory for the database");
    let db = Db::open(directory.path()).expect("the directory is new");
    let busy_before = busy();
    let begin = Instant::now();
    let worst = fill(&db, &keys, &pool);
    let (wall, busy) = (begin.elapsed(), busy() - busy_before);
    let stats = db.stats();
    println!(
        "{order} {form}: {count} puts, {} ns each, {} ns of them on the processor; worst {:.1} ms; \
         stopped {} times, slowed down {:.0} ms, {} flushes",
        wall.as_nanos() / count as u128,
        busy.as_nanos() / count as u128,
        worst.as_secs_f64() * 1e3,
        stats.stops,
        stats.slowed_down.as_secs_f64() * 1e3,
        stats.flushes,
    );
    db.close().expect("the last sync succeeds");
}

/// Returns how long the slowest of 64 puts in a row took.
#[inline(never)]
fn fill(db: &Db, keys: &[[u8; 16]], pool: &[u8]) -> Duration {
    let mut worst = Duration::ZERO;
    for (turn, keys) in keys.chunks(64).enumerate() {
        let begin = Instant::now();
        for (index, key) in keys.iter().enumerate() {
            let start = (turn * 64 + index) * 7_919 % (pool.len() - VALUE_BYTES);
            db.put(key, &pool[start..start + VALUE_BYTES]).expect("nothing fails");
        }
        worst = worst.max(begin.elapsed());
    }
    worst
}

fn keys(order: &str, form: &str, count: usize) -> Vec<[u8; 16]> {
    let mut keys: Vec<[u8; 16]> = match form {
        "decimal" => (0..count).map(|place| digits(2 * place)).collect(),
        _ => random_bytes(count),
    };
    if order == "fillrandom" {
        keys.shuffle(&mut SmallRng::seed_from_u64(SEED));
    }
    keys
}

fn random_bytes(count: usize) -> Vec<[u8; 16]> {
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut keys: Vec<[u8; 16]> = (0..count)
        .map(|_| (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).to_be_bytes())
        .collect();
    keys.sort_unstable();
    keys
}

fn digits(number: usize) -> [u8; 16] {
    format!("{number:016}").into_bytes().try_into().expect("so few keys have 16 digits")
}

/// Half random bytes, half blanks, to cut values from.
fn pool() -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(SEED);
    (0..1 << 16).flat_map(|_| rng.next_u64().to_le_bytes().into_iter().chain([b' '; 8])).collect()
}

/// How long this thread has run, as the kernel counts it; nothing elsewhere.
fn busy() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = counted.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
