//! A cell of the comparison: one engine, one workload, one kind of keys, one size.
//!
//! ```text
//!   parent                       child, a process of its own
//!     │  the errand, as JSON ─────►  load │ measure │ fill
//!     │  ◄───────── one line of JSON  figures, on standard output
//! ```
//!
//! So an engine shares neither memory nor threads nor counters with another, its
//! peak memory is its own, and it can be killed.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineId, Outcome, Seen};
use crate::keys::KeyKind;
use crate::measure::{self, Latency};
use crate::workload::{self, Deeds, Scene, Start, Workload};

/// Which measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) engine: EngineId,
    pub(crate) workload: Workload,
    pub(crate) keys: KeyKind,
    pub(crate) records: u64,
}

/// What came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Operations, records or entries, whichever the workload counts.
    pub(crate) units: u64,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// Of the writer beside the reader.
    pub(crate) beside_per_second: Option<f64>,
    /// Of all threads, until the background is at rest.
    pub(crate) cpu_nanos_per_unit: f64,
    pub(crate) latency_nanos: Latency,
    pub(crate) user_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) open_seconds: f64,
    /// Writes that had returned when the process was killed, and were not there afterwards.
    pub(crate) lost_records: Option<u64>,
    /// What was read. Engines that did all of the same work have seen the same.
    pub(crate) seen: Seen,
    /// The time was up before the work was done; the rest of the figures is of what
    /// was done.
    pub(crate) is_cut_short: bool,
}

/// What a child is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) task: Task,
    pub(crate) cell: Cell,
    pub(crate) directory: PathBuf,
    pub(crate) limit_seconds: f64,
}

/// The tasks of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Write the image.
    Load,
    /// Run the workload.
    Measure,
    /// Put records, say how many, and wait to be killed.
    Fill,
    /// Open what a killed process left, of which so many puts had returned.
    Reopen {
        /// How many.
        written: u64,
    },
}

impl Task {
    /// Whether the figures of a cell come from it.
    pub(crate) fn is_measured(self) -> bool {
        matches!(self, Task::Measure | Task::Reopen { .. })
    }
}

/// Does an errand, and prints what came out.
pub(crate) fn run(errand: &Errand) -> Outcome<()> {
    match errand.task {
        Task::Load => load(errand),
        Task::Measure => print(&measure(errand)?),
        Task::Fill => fill(errand),
        Task::Reopen { written } => print(&reopen(errand, written)?),
    }
}

fn print(answer: &impl Serialize) -> Outcome<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}

impl Cell {
    fn open(&self, directory: &Path) -> Outcome<Box<dyn Engine>> {
        self.engine.open(directory, self.workload.settings())
    }

    fn scene<'a>(&self, engine: &'a dyn Engine, limit_seconds: f64) -> Scene<'a> {
        let limit = Duration::from_secs_f64(limit_seconds);
        Scene::new(self.workload, self.keys, self.records, engine, limit)
    }
}

/// Some engines put off work until the next open: it is part of loading.
fn load(errand: &Errand) -> Outcome<()> {
    let cell = &errand.cell;
    let engine = cell.open(&errand.directory)?;
    workload::load(&*engine, cell.keys, cell.records)?;
    engine.flush()?;
    measure::wait_until_quiet();
    engine.close()?;
    let engine = cell.open(&errand.directory)?;
    measure::wait_until_quiet();
    engine.close()
}

fn measure(errand: &Errand) -> Outcome<Figures> {
    let (cell, directory) = (&errand.cell, &errand.directory);
    let opened = Instant::now();
    let engine = cell.open(directory)?;
    let open_seconds = opened.elapsed().as_secs_f64();
    if cell.workload.start() != Start::Empty {
        workload::warm(&*engine, cell.keys, cell.records)?;
    }
    measure::wait_until_quiet();
    let figures = observe(cell, &*engine, errand.limit_seconds)?;
    let peak_memory_bytes = measure::peak_memory()?;
    engine.close()?;
    // At rest: what is allocated ahead for a log that is open is no part of a database.
    let disk_bytes = measure::disk_size(directory)?;
    Ok(Figures { disk_bytes, peak_memory_bytes, open_seconds, ..figures })
}

/// Runs the workload between two readings of the counters.
fn observe(cell: &Cell, engine: &dyn Engine, limit_seconds: f64) -> Outcome<Figures> {
    let scene = cell.scene(engine, limit_seconds);
    let (cpu, written) = (measure::cpu_time(), measure::bytes_written()?);
    let begun = Instant::now();
    let (deeds, beside) = match cell.workload {
        Workload::Readwhilewriting => beside_a_writer(&scene)?,
        _ => (together(&scene)?, None),
    };
    let seconds = begun.elapsed().as_secs_f64();
    measure::wait_until_quiet();
    let units = deeds.operations * cell.workload.units_per_operation(cell.records);
    Ok(Figures {
        units,
        seconds,
        per_second: units as f64 / seconds,
        beside_per_second: beside.map(|puts| puts as f64 / seconds),
        cpu_nanos_per_unit: (measure::cpu_time() - cpu).as_nanos() as f64 / units.max(1) as f64,
        latency_nanos: if cell.workload.has_latency() {
            deeds.stopwatch.latency()
        } else {
            Latency::default()
        },
        user_bytes: deeds.user_bytes,
        written_bytes: measure::bytes_written()? - written,
        seen: deeds.seen,
        is_cut_short: deeds.operations < cell.workload.operations(cell.records),
        ..Figures::default()
    })
}

/// All threads of a workload, begun at once.
fn together(scene: &Scene<'_>) -> Outcome<Deeds> {
    if scene.threads() == 1 {
        return scene.perform(0);
    }
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..scene.threads()).map(|thread| scope.spawn(move || scene.perform(thread))).collect();
        let deeds = threads.into_iter().map(join).collect::<Outcome<Vec<Deeds>>>()?;
        deeds
            .into_iter()
            .reduce(|sum, deeds| add(sum, &deeds))
            .ok_or_else(|| "a workload without threads".into())
    })
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Outcome<T>>) -> Outcome<T> {
    thread.join().map_err(|_| "a thread of the workload panicked")?
}

fn add(mut sum: Deeds, deeds: &Deeds) -> Deeds {
    sum.operations += deeds.operations;
    sum.user_bytes += deeds.user_bytes;
    sum.seen.absorb(deeds.seen);
    sum.stopwatch.absorb(&deeds.stopwatch);
    sum
}

/// The reader's deeds, and how often the writer put meanwhile.
fn beside_a_writer(scene: &Scene<'_>) -> Outcome<(Deeds, Option<u64>)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| scene.overwrite_until(|| is_over.load(Ordering::Relaxed)));
        let deeds = scene.perform(0);
        is_over.store(true, Ordering::Relaxed);
        let puts = join(writer)?;
        Ok((deeds?, Some(puts)))
    })
}

/// The parent kills this process as soon as it has read the line.
fn fill(errand: &Errand) -> Outcome<()> {
    let engine = errand.cell.open(&errand.directory)?;
    let deeds = errand.cell.scene(&*engine, errand.limit_seconds).perform(0)?;
    print(&deeds.operations)?;
    io::stdin().lock().read_line(&mut String::new())?;
    Err("nobody killed this process".into())
}

fn reopen(errand: &Errand, written: u64) -> Outcome<Figures> {
    let (cell, directory) = (&errand.cell, &errand.directory);
    let (cpu, begun) = (measure::cpu_time(), Instant::now());
    let engine = cell.open(directory)?;
    let mut seen = Seen::default();
    engine.get(&cell.keys.present(0), &mut seen)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = measure::cpu_time() - cpu;
    let lost = workload::count_lost(&*engine, cell.keys, cell.records, written)?;
    let peak_memory_bytes = measure::peak_memory()?;
    engine.close()?;
    Ok(Figures {
        units: written,
        seconds,
        per_second: written as f64 / seconds,
        cpu_nanos_per_unit: cpu.as_nanos() as f64 / written.max(1) as f64,
        disk_bytes: measure::disk_size(directory)?,
        peak_memory_bytes,
        open_seconds: seconds,
        lost_records: Some(lost),
        is_cut_short: written < cell.workload.operations(cell.records),
        ..Figures::default()
    })
}
