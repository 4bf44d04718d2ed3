//! What was measured, and what came out, in columns of plain text.

use std::io::Write;

use super::Measurement;
use super::workload::SEED;
use crate::args::{Bench, Workload};
use crate::failure::Failure;
use crate::show;

pub(super) fn settings(args: &Bench, out: &mut dyn Write) -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    for (name, setting) in [
        (
            "entries",
            format!("{}, keys of 16 digits, values of {} bytes", show::number(args.keys), args.value_bytes),
        ),
        ("data", format!("values half random bytes, half blanks; seed {SEED:#x}")),
        ("calls", "one thread, one entry a call; durability Buffer (no sync waited for)".to_owned()),
        (
            "database",
            "default options: memtable 8 MiB, block cache 64 MiB, lz4, filters of 10 bits a key".to_owned(),
        ),
        ("reads", "after every flush and merge is done; each answer is checked".to_owned()),
        (
            "machine",
            format!(
                "{}, directory in {}",
                show::counted(processors as u64, "processor"),
                directory.display()
            ),
        ),
    ] {
        writeln!(out, "{name:10}{setting}")?;
    }
    Ok(writeln!(out)?)
}

pub(super) fn head(out: &mut dyn Write) -> Result<(), Failure> {
    Ok(writeln!(
        out,
        "{:12}{:>12}{:>10}{:>13}{:>10}{:>10}{:>12}{:>14}",
        "workload", "entries", "seconds", "entries/s", "p50 µs", "p99 µs", "p99.9 µs", "written MiB"
    )?)
}

pub(super) fn row(measurement: &Measurement, out: &mut dyn Write) -> Result<(), Failure> {
    let seconds = measurement.elapsed.as_secs_f64();
    let rate = measurement.operations as f64 / seconds.max(1e-9);
    let latency = |quantile| measurement.latencies.value_at_quantile(quantile) as f64 / 1e3;
    let written = match measurement.written_bytes {
        0 => "-".to_owned(),
        bytes => format!("{:.1}", show::mebibytes(bytes)),
    };
    writeln!(
        out,
        "{:12}{:>12}{seconds:>10.2}{:>13}{:>10.2}{:>10.2}{:>12.2}{written:>14}",
        name(measurement.workload),
        show::number(measurement.operations),
        show::number(rate as u64),
        latency(0.5),
        latency(0.99),
        latency(0.999),
    )?;
    Ok(out.flush()?)
}

/// As the command line spells it.
pub(super) fn name(workload: Workload) -> &'static str {
    match workload {
        Workload::Fillseq => "fillseq",
        Workload::Fillrandom => "fillrandom",
        Workload::Readrandom => "readrandom",
        Workload::Readmissing => "readmissing",
        Workload::Readseq => "readseq",
    }
}
