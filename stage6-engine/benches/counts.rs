//! How many instructions the hot operations execute, and whether they became more.
//!
//! ```text
//!   cargo counts         for each operation: this program again, under callgrind
//!                            │ instructions inside `counted`, per unit of work
//!                            ▼
//!                        counts.txt ── within 5 % ──▶ holds
//!                            └──────── further off ─▶ fails, and says what to do
//!
//!   cargo counts renew   writes counts.txt anew
//! ```
//!
//! Times on a busy machine differ by halves; counts of one program differ by less than a
//! thousandth. So a count guards against what no test of times would see: a few hundred
//! instructions more in every get. What it does not see is waiting, for memory, for the disk or
//! for one another.
//!
//! **INV-COUNTS-1** What is counted is the same work in every run: one thread, keys and order
//! from one seed, files in memory. No clock, no file system and no neighbour takes part.
//!
//! Counts depend on the compiler, whose release stands beside them. Under another one, or
//! without valgrind, nothing is compared, and the program says `skipped`. They depend a little
//! on the processor too: some libraries choose by what it can do.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::{Builder, Codec, Db, Read, SimRuntime};

const SEED: u64 = 0x1517;
const KEYS: usize = 1 << 14;
const VALUE: [u8; 100] = [b'v'; 100];

/// A count may be off by so much of what is committed.
const TOLERANCE: f64 = 0.05;

/// Prepares an operation, has it counted, and returns how many units of it there were.
type Operation = fn() -> usize;

const OPERATIONS: [(&str, Operation); 5] = [
    ("put", put),
    ("get of a cached key", get),
    ("get of a missing key", miss),
    ("step of a scan", scan),
    ("entry of a recovery", recovery),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.first().map(String::as_str) {
        None => report(guard()),
        Some("renew") => report(renew()),
        Some(name) => {
            let operation = OPERATIONS.iter().find(|(known, _)| *known == name);
            let (_, operation) = operation.expect("`renew`, or the name of an operation");
            println!("{}", operation());
            ExitCode::SUCCESS
        }
    }
}

fn report(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(said) => println!("{said}"),
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Counts everything and compares. Fails with a line for each operation that is off.
fn guard() -> Result<String, String> {
    let committed = Counts::read()?;
    let compiler = compiler()?;
    if committed.compiler != compiler {
        return Ok(format!(
            "skipped: the committed counts are those of {}, and this is {compiler}. Renew them: cargo counts renew",
            committed.compiler
        ));
    }
    if !valgrind_is_there() {
        return Ok("skipped: instructions are counted by valgrind, which is not installed".to_owned());
    }
    let mut said = String::from("instructions for each\n");
    let mut failures = String::new();
    for (name, _) in OPERATIONS {
        let (wanted, counted) = (committed.of(name)?, count(name)?);
        let change = counted / wanted - 1.0;
        let line =
            format!("{name:<22} committed {wanted:>7.0}   counted {counted:>7.0}   {:+.1} %", change * 100.0);
        writeln!(said, "{line}").expect("a string takes all");
        if change.abs() > TOLERANCE {
            let advice = match change > 0.0 {
                true => "it costs more than it did: find out why, or say in the commit what is worth it",
                false => "it costs less than it did: keep what was won",
            };
            writeln!(failures, "{line}\n    {advice}; then: cargo counts renew").expect("a string takes all");
        }
    }
    print!("{said}");
    match failures.is_empty() {
        true => Ok(format!("all within {} %", TOLERANCE * 100.0)),
        false => Err(format!("\nmore than {} % off:\n{failures}", TOLERANCE * 100.0)),
    }
}

fn renew() -> Result<String, String> {
    let counted = OPERATIONS.iter().map(|(name, _)| Ok(((*name).to_owned(), count(name)?)));
    let counts = Counts { compiler: compiler()?, counts: counted.collect::<Result<_, String>>()? };
    std::fs::write(Counts::path(), counts.to_text()).map_err(|error| error.to_string())?;
    Ok(counts.to_text())
}

/// Runs this program again under callgrind, which counts inside [`counted`] only.
fn count(name: &str) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=counts::counted"])
        .arg(program)
        .arg(name)
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let (printed, told) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let units = printed.trim().parse::<f64>().ok();
    let collected =
        told.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse::<f64>().ok());
    match (units, collected) {
        (Some(units), Some(collected)) if collected > 0.0 => Ok(collected / units),
        _ => Err(format!("{name} could not be counted:\n{told}")),
    }
}

fn valgrind_is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|said| said.status.success())
}

/// What this program was compiled with, as long as nobody changes it in between.
fn compiler() -> Result<String, String> {
    let said = Command::new("rustc").arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
    Ok(format!("{} for {}", String::from_utf8_lossy(&said.stdout).trim(), std::env::consts::ARCH))
}

/// What is committed: a line for the compiler, and one for each operation.
struct Counts {
    compiler: String,
    counts: Vec<(String, f64)>,
}

impl Counts {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts.txt")
    }

    fn read() -> Result<Counts, String> {
        let path = Counts::path();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = text.lines().filter_map(|line| line.split_once(" = "));
        let (_, compiler) = lines.next().ok_or("counts.txt names no compiler")?;
        let counts = lines.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
        Ok(Counts { compiler: compiler.to_owned(), counts: counts.collect() })
    }

    fn to_text(&self) -> String {
        let lines = self.counts.iter().map(|(name, count)| format!("{name} = {count:.1}\n"));
        format!("compiler = {}\n{}", self.compiler, lines.collect::<String>())
    }

    fn of(&self, name: &str) -> Result<f64, String> {
        let found = self.counts.iter().find(|(known, _)| known == name);
        found.map(|(_, count)| *count).ok_or_else(|| format!("counts.txt has no {name}: cargo counts renew"))
    }
}

/// Callgrind counts from its beginning to its end, by its name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

fn put() -> usize {
    let db = database();
    let keys = shuffled(digits);
    let (before, measured) = keys.split_at(KEYS / 2);
    fill(&db, before);
    counted(&mut || fill(&db, measured));
    measured.len()
}

fn get() -> usize {
    let db = settled();
    let keys = shuffled(digits);
    look_up(&db, &keys, true);
    counted(&mut || look_up(&db, &keys, true));
    keys.len()
}

fn miss() -> usize {
    let db = settled();
    let absent = shuffled(|number| digits(number) + "x");
    look_up(&db, &absent, false);
    counted(&mut || look_up(&db, &absent, false));
    absent.len()
}

fn scan() -> usize {
    let db = settled();
    let mut cursor = db.cursor();
    cursor.seek_to_last();
    cursor.seek_to_first();
    let mut steps = 0;
    counted(&mut || {
        while cursor.is_valid() {
            cursor.next();
            steps += 1;
        }
    });
    steps
}

fn recovery() -> usize {
    let disk = Arc::new(SimVfs::without_trace());
    let db = builder().open_vfs(disk.clone()).expect("memory never fails");
    fill(&db, &shuffled(digits));
    // It is closed, and nothing is flushed: all lies in the log.
    drop(db);
    let mut opened = None;
    counted(&mut || opened = builder().open_vfs(disk.clone()).ok());
    let report = opened.expect("memory never fails").recovery_report().clone();
    report.replay.batches as usize
}

fn builder() -> Builder {
    let runtime = Arc::new(SimRuntime::new(SEED));
    Db::builder().runtime(runtime).database_id(7).codec(Codec::None).memtable_bytes(64 << 20)
}

fn database() -> Db {
    builder().open_vfs(Arc::new(SimVfs::without_trace())).expect("memory never fails")
}

/// A database with all keys on its last level.
fn settled() -> Db {
    let db = database();
    fill(&db, &shuffled(digits));
    db.compact_range(..).expect("memory never fails");
    db
}

fn fill(db: &Db, keys: &[String]) {
    for key in keys {
        db.put(key, VALUE).expect("memory never fails");
    }
}

fn look_up(db: &Db, keys: &[String], is_there: bool) {
    for key in keys {
        let found = db.get(key).expect("memory never fails");
        assert_eq!(found.is_some(), is_there);
    }
}

fn shuffled(key: impl Fn(usize) -> String) -> Vec<String> {
    let mut keys: Vec<String> = (0..KEYS).map(key).collect();
    keys.shuffle(&mut SmallRng::seed_from_u64(SEED));
    keys
}

fn digits(number: usize) -> String {
    format!("{number:016}")
}
