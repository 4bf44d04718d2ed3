//! Builds the targets with coverage, and runs libFuzzer on them.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tests::fuzz::{corpora, seeds, Target};

use crate::report::Row;

/// What `cargo fuzz` passes too, in the part that a stable compiler takes: counters
/// of edges, a table of them, and the operands of comparisons.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest input, in bytes.
const MAX_INPUT_BYTES: usize = 4096;

/// An input that takes longer counts as a crash.
const TIMEOUT_SECONDS: u32 = 10;

/// One allocation larger than this counts as a crash, whoever makes it.
const MALLOC_LIMIT_MIB: u32 = 64;

/// What of a corpus is committed.
const MAX_KEPT_FILES: usize = 60;
const MAX_KEPT_BYTES: u64 = 60_000;

/// The built targets, and where they work.
pub(crate) struct Machine {
    pub(crate) fuzz: PathBuf,
    binary: PathBuf,
}

impl Machine {
    pub(crate) fn build(fuzz: PathBuf) -> io::Result<Machine> {
        let host = host()?;
        let into = fuzz.join("work/build");
        // With --target the flags reach the targets only, and no build script.
        let built = Command::new("cargo")
            .args(["build", "--release", "--bin", "target", "--target", &host, "--manifest-path"])
            .arg(fuzz.join("Cargo.toml"))
            .env("RUSTFLAGS", COVERAGE)
            .env("CARGO_TARGET_DIR", &into)
            .status()?;
        match built.success() {
            true => Ok(Machine { fuzz, binary: into.join(host).join("release/target") }),
            false => Err(io::Error::other("cargo build failed")),
        }
    }

    /// Feeds `target` so many inputs.
    pub(crate) fn run(&self, target: Target, executions: u64, keeps: bool) -> Row {
        let found = self.fuzz.join("work").join(target.name);
        put_seeds(target, &found).expect("fuzz/work can be written");
        let kept = corpora().join(target.name);
        fs::create_dir_all(&kept).expect("the corpora can be written");
        let begun = Instant::now();
        let mut child = self
            .command(target)
            .args([&found, &kept])
            .arg(format!("-runs={executions}"))
            .arg("-print_final_stats=1")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the target was built");
        let mut row = Row { name: target.name, ..Row::default() };
        follow(&mut child, &mut row);
        let status = child.wait().expect("it is our child");
        row.crashes = u64::from(!status.success());
        row.seconds = begun.elapsed().as_secs();
        if keeps {
            self.keep(target, &found, &kept).expect("the corpora can be written");
        }
        (row.files, row.bytes) = size_of(&kept);
        row
    }

    fn command(&self, target: Target) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env("FUZZ_TARGET", target.name)
            .env("RUST_BACKTRACE", "1")
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .arg(format!("-timeout={TIMEOUT_SECONDS}"))
            .arg(format!("-malloc_limit_mb={MALLOC_LIMIT_MIB}"))
            .arg(format!("-artifact_prefix={}/crash-{}-", self.fuzz.join("work").display(), target.name));
        command
    }

    /// Replaces the committed corpus by the smallest set with the same coverage, as
    /// far as it is small.
    fn keep(&self, target: Target, found: &Path, kept: &Path) -> io::Result<()> {
        let merged = self.fuzz.join("work").join(format!("{}-merged", target.name));
        let _from_before = fs::remove_dir_all(&merged);
        fs::create_dir_all(&merged)?;
        let status = self
            .command(target)
            .arg("-set_cover_merge=1")
            .args([&merged, found, &kept.to_path_buf()])
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other("the merge failed"));
        }
        fs::remove_dir_all(kept)?;
        fs::create_dir_all(kept)?;
        for path in choose(&merged)? {
            fs::copy(&path, kept.join(path.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }
}

/// As many of the files as may be kept, spread evenly from the shortest to the
/// longest.
fn choose(merged: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(merged)? {
        let entry = entry?;
        files.push((entry.metadata()?.len(), entry.path()));
    }
    files.sort();
    let step = files.len().div_ceil(MAX_KEPT_FILES).max(1);
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    for (length, path) in files.into_iter().step_by(step) {
        bytes += length;
        if bytes <= MAX_KEPT_BYTES {
            chosen.push(path);
        }
    }
    Ok(chosen)
}

fn host() -> io::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| io::Error::other("rustc names no host"))
}

fn put_seeds(target: Target, found: &Path) -> io::Result<()> {
    fs::create_dir_all(found)?;
    for (number, seed) in seeds(target.name).iter().enumerate() {
        fs::write(found.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

/// Reads what libFuzzer says: progress to show, figures to keep.
fn follow(child: &mut Child, row: &mut Row) {
    let Some(lines) = child.stderr.take() else { return };
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let behind = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.parse::<u64>().ok()
        };
        match line.starts_with('#') {
            true => {
                row.edges = behind("cov:").unwrap_or(row.edges);
                row.features = behind("ft:").unwrap_or(row.features);
                if line.contains("pulse") || line.contains("DONE") {
                    eprintln!("{:<10} {line}", row.name);
                }
            }
            false => {
                row.executions = behind("stat::number_of_executed_units:").unwrap_or(row.executions);
                if line.contains("panicked") || line.contains("ERROR") || line.contains("crash-") {
                    eprintln!("{:<10} {line}", row.name);
                }
            }
        }
    }
}

fn size_of(folder: &Path) -> (u64, u64) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
}
