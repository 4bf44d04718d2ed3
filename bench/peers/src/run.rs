//! The parent: which cell is measured when, and in which directory.
//!
//! ```text
//!   size 1 M   round 0   fillseq      stage6 · rocksdb · leveldb · …
//!                        fillrandom   stage6 · rocksdb · leveldb · …
//!                        …
//!              round 1   fillseq      rocksdb · leveldb · … · stage6
//! ```
//!
//! The engines take turns within a workload, and begin with another one in each
//! round: what the machine does beside, and what one engine leaves to the next, falls
//! on all of them. Before each cell everything dirty is written to the disk, so that no
//! cell pays for the one before.
//!
//! Databases stand under `DIR/data`. Each is removed behind its cell, images behind
//! their size, all of them at the end; what a run that was killed has left, the next
//! removes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;

use crate::cell::{Cell, Errand, Figures, Task};
use crate::engine::{EngineId, Outcome};
use crate::keys::KeyKind;
use crate::profile;
use crate::results::{Line, Results};
use crate::workload::{Start, Workload};

/// What is to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) engines: Vec<EngineId>,
    /// Workloads with the kind of their keys.
    pub(crate) workloads: Vec<(Workload, KeyKind)>,
    /// Sizes, in records.
    pub(crate) records: Vec<u64>,
    pub(crate) rounds: u32,
}

/// How long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A workload is cut short behind so many seconds, or so many for each million
    /// records: some engines would take a minute for it. Its figures are of what was
    /// done until then.
    pub(crate) cell_seconds: f64,
    /// No cell is begun behind so many minutes.
    pub(crate) minutes: Option<f64>,
}

/// For a million records, more than any engine needs.
const UNCUT_SECONDS: f64 = 60.0;

impl Plan {
    /// The measurements in the order in which they are made.
    pub(crate) fn turns(&self) -> Vec<(Cell, u32)> {
        let mut turns = Vec::new();
        for &records in &self.records {
            for round in 0..self.rounds {
                for &(workload, keys) in &self.workloads {
                    let mut engines = self.engines.clone();
                    engines.rotate_left(round as usize % self.engines.len().max(1));
                    let cells = engines.into_iter().map(|engine| Cell { engine, workload, keys, records });
                    turns.extend(cells.map(|cell| (cell, round)));
                }
            }
        }
        turns
    }
}

impl Limits {
    /// What is reopened has to be whole: nobody is stopped while filling it.
    fn seconds_of(self, cell: Cell) -> f64 {
        let seconds = if cell.workload == Workload::Reopen { UNCUT_SECONDS } else { self.cell_seconds };
        seconds * (cell.records as f64 / 1e6).max(1.0)
    }
}

/// Measures what the results in `out` lack of `plan`, and says whether all is there.
pub(crate) fn run(plan: &Plan, limits: Limits, out: &Path) -> Outcome<bool> {
    let mut results = Results::resume(out)?;
    let turns: Vec<_> =
        plan.turns().into_iter().filter(|&(cell, round)| !results.is_done(cell, round)).collect();
    let mut workshop = Workshop::open(out.join("data"), limits)?;
    let progress = progress_bar(turns.len() as u64);
    let begun = Instant::now();
    let mut is_whole = true;
    for (cell, round) in turns {
        if limits.minutes.is_some_and(|minutes| begun.elapsed().as_secs_f64() > minutes * 60.0) {
            is_whole = false;
            break;
        }
        progress.set_message(format!("{}  {}  {}", cell.workload.name(), cell.keys.name(), cell.engine));
        let line = match workshop.measure(cell) {
            Ok(figures) => Line { cell, round, figures: Some(figures), error: None },
            Err(error) => Line { cell, round, figures: None, error: Some(error.to_string()) },
        };
        if let Some(error) = &line.error {
            progress.println(format!("{} {}: {error}", cell.engine, cell.workload.name()));
        }
        results.append(&line)?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    workshop.close()?;
    Ok(is_whole)
}

/// Measures each cell of `plan` once with a profiler beside it, and writes what that saw.
pub(crate) fn profile(plan: &Plan, limits: Limits, out: &Path) -> Outcome<()> {
    profile::check()?;
    let mut workshop = Workshop::open(out.join("data"), limits)?;
    let samples = out.join("perf.data");
    workshop.samples = Some(samples.clone());
    let turns = plan.turns();
    let progress = progress_bar(turns.len() as u64);
    for (cell, _) in turns {
        progress.set_message(format!("{}  {}", cell.workload.name(), cell.engine));
        let figures = workshop.measure(cell)?;
        let path = profile::write(cell, &figures, &samples, out)?;
        fs::remove_file(&samples)?;
        progress.println(path.display().to_string());
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(workshop.close()?)
}

fn progress_bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}  {elapsed} of {duration}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Where databases are made, measured and removed.
struct Workshop {
    directory: PathBuf,
    limits: Limits,
    /// The size of the images that stand here.
    records: u64,
    /// Where the samples of whoever measures go, if a profiler is to take them.
    samples: Option<PathBuf>,
}

impl Workshop {
    fn open(directory: PathBuf, limits: Limits) -> io::Result<Workshop> {
        remove(&directory)?;
        fs::create_dir_all(&directory)?;
        Ok(Workshop { directory, limits, records: 0, samples: None })
    }

    fn close(self) -> io::Result<()> {
        remove(&self.directory)
    }

    fn measure(&mut self, cell: Cell) -> Outcome<Figures> {
        self.keep_images_of(cell.records)?;
        let database = self.directory.join("database");
        remove(&database)?;
        let figures = self.measure_in(cell, &database);
        remove(&database)?;
        figures
    }

    fn measure_in(&self, cell: Cell, database: &Path) -> Outcome<Figures> {
        match cell.workload.start() {
            Start::Empty => {
                fs::create_dir_all(database)?;
                self.settled(Task::Measure, cell, database)
            }
            Start::Image => self.settled(Task::Measure, cell, &self.image(cell)?),
            Start::Copy => {
                copy(&self.image(cell)?, database)?;
                self.settled(Task::Measure, cell, database)
            }
            Start::Killed => {
                fs::create_dir_all(database)?;
                let written = self.fill_and_kill(cell, database)?;
                self.settled(Task::Reopen { written }, cell, database)
            }
        }
    }

    /// The image that `cell` begins with; it is loaded if there is none yet.
    fn image(&self, cell: Cell) -> Outcome<PathBuf> {
        let image = self.directory.join(format!("image-{}-{}", cell.engine, cell.keys.name()));
        if !image.exists() {
            let unfinished = self.directory.join("loading");
            remove(&unfinished)?;
            fs::create_dir_all(&unfinished)?;
            let () = self.child(Task::Load, Cell { workload: Workload::Readrandom, ..cell }, &unfinished)?;
            fs::rename(&unfinished, &image)?;
        }
        Ok(image)
    }

    /// Images of one size at a time: those of the largest would not stand beside others.
    fn keep_images_of(&mut self, records: u64) -> io::Result<()> {
        if self.records != records {
            remove(&self.directory)?;
            fs::create_dir_all(&self.directory)?;
            self.records = records;
        }
        Ok(())
    }

    fn settled<T: DeserializeOwned>(&self, task: Task, cell: Cell, directory: &Path) -> Outcome<T> {
        rustix::fs::sync();
        self.child(task, cell, directory)
    }

    /// Sends a child on an errand, and reads what it prints: nothing is `null`.
    fn child<T: DeserializeOwned>(&self, task: Task, cell: Cell, directory: &Path) -> Outcome<T> {
        let mut child = self.spawn(task, cell, directory)?;
        let finished = wait(&mut child, self.patience(cell))?;
        let mut answer = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut answer)?;
        }
        if !finished {
            return Err(self.complaint("it failed, or did not end in time"));
        }
        let answer = answer.trim();
        serde_json::from_str(if answer.is_empty() { "null" } else { answer })
            .map_err(|_| self.complaint("it ended without figures"))
    }

    /// Lets a child put records until it says how many, and kills it.
    fn fill_and_kill(&self, cell: Cell, directory: &Path) -> Outcome<u64> {
        let mut child = self.spawn(Task::Fill, cell, directory)?;
        let mut answer = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut answer)?;
        }
        child.kill()?;
        child.wait()?;
        answer.trim().parse().map_err(|_| self.complaint("it ended before it was killed"))
    }

    fn spawn(&self, task: Task, cell: Cell, directory: &Path) -> Outcome<Child> {
        let limit_seconds = self.limits.seconds_of(cell);
        let errand = Errand { task, cell, directory: directory.to_owned(), limit_seconds };
        let program = std::env::current_exe()?;
        let mut command = match &self.samples {
            Some(samples) if task.is_measured() => {
                let mut recorder = profile::recorder(samples);
                recorder.arg(program);
                recorder
            }
            _ => Command::new(program),
        };
        let child = command
            .arg("errand")
            .arg(serde_json::to_string(&errand)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(self.complaints())?)
            .spawn()?;
        Ok(child)
    }

    /// Longer than any sound cell takes, the load of its image included.
    fn patience(&self, cell: Cell) -> Duration {
        Duration::from_secs_f64(120.0 + 4.0 * self.limits.seconds_of(cell) + cell.records as f64 / 5_000.0)
    }

    fn complaints(&self) -> PathBuf {
        self.directory.join("stderr.txt")
    }

    fn complaint(&self, what: &str) -> Box<dyn std::error::Error + Send + Sync> {
        let text = fs::read_to_string(self.complaints()).unwrap_or_default();
        format!("{what}: {}", text.trim()).into()
    }
}

/// Whether `child` ends by itself within `patience`; it is killed otherwise.
fn wait(child: &mut Child, patience: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            engines: vec!["stage6".parse().unwrap(), "fjall".parse().unwrap(), "redb".parse().unwrap()],
            workloads: vec![
                (Workload::Fillrandom, KeyKind::Decimal),
                (Workload::Readrandom, KeyKind::Random),
            ],
            records: vec![1_000, 2_000],
            rounds: 3,
        }
    }

    #[test]
    fn every_engine_is_measured_once_in_each_round() {
        let turns = plan().turns();
        assert_eq!(turns.len(), 3 * 2 * 2 * 3);
        let different: std::collections::HashSet<_> = turns.iter().collect();
        assert_eq!(different.len(), turns.len());
    }

    #[test]
    fn rounds_are_interleaved_and_begin_with_another_engine_each() {
        let turns = plan().turns();
        let firsts: Vec<String> = (0..3).map(|round| turns[round * 6].0.engine.to_string()).collect();
        assert_eq!(firsts, ["stage6", "fjall", "redb"]);
        let rounds: Vec<u32> = turns.iter().take(18).map(|(_, round)| *round).collect();
        assert!(rounds.is_sorted());
    }

    #[test]
    fn a_larger_database_has_more_time() {
        let limits = Limits { cell_seconds: 4.0, minutes: None };
        let seconds = |records| limits.seconds_of(Cell { records, ..plan().turns()[0].0 });
        assert_eq!([20_000, 1_000_000, 50_000_000].map(seconds), [4.0, 4.0, 200.0]);
    }

    #[test]
    fn a_copy_has_what_the_image_has() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/file"), "text").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("inner/file")).unwrap(), "text");
        remove(&to).unwrap();
        remove(&to).unwrap();
    }
}
