//! Strategies side by side, without a disk.
//!
//! It is stage 5's simulator, and so the strategies are the engine's own. Only the
//! sizes are a hundred times smaller than a database's, in the same proportions, so
//! that the levels fill within half a million writes.

use std::fs::File;
use std::io::Write;

use clap::ValueEnum;
use stage6_engine::compaction::compaction::{Full, Leveled, Never, Strategy, Tiered};
use stage6_engine::compaction::simulator::{Access, Comparison, Workload};

use crate::args::{Simulate, Simulated, Skew};
use crate::failure::Failure;
use crate::show;

pub(crate) fn simulate(args: &Simulate, out: &mut dyn Write) -> Result<(), Failure> {
    // First the file: a path that cannot be written is told before, not after, the
    // work.
    let picture = args
        .svg
        .as_deref()
        .map(|path| File::create(path).map(|file| (path, file)).map_err(Failure::file("create", path)));
    let picture = picture.transpose()?;
    let workload = workload(args);
    describe(&workload, args.skew, out)?;
    let chosen = if args.strategies.is_empty() { Simulated::value_variants() } else { &args.strategies };
    let strategies: Vec<(String, Box<dyn Strategy>)> =
        chosen.iter().map(|strategy| (name(*strategy), sized(*strategy, &workload))).collect();
    let strategies: Vec<(&str, &dyn Strategy)> =
        strategies.iter().map(|(name, strategy)| (&name[..], &**strategy)).collect();
    let comparison = Comparison::of(&strategies, &workload);
    write!(out, "{comparison}")?;
    let Some((path, mut file)) = picture else { return Ok(()) };
    file.write_all(comparison.to_svg().as_bytes()).map_err(Failure::file("write", path))?;
    Ok(writeln!(out, "\nthe picture: {}", path.display())?)
}

fn workload(args: &Simulate) -> Workload {
    let access = match args.skew {
        Skew::Uniform => Access::Uniform,
        Skew::Skewed => Access::Skewed,
        Skew::Ascending => Access::Ascending,
    };
    let (keys, writes, deletion_percent) = (args.keys, args.writes, u64::from(args.deletions));
    Workload { keys, writes, access, deletion_percent, ..Workload::default() }
}

fn describe(workload: &Workload, skew: Skew, out: &mut dyn Write) -> Result<(), Failure> {
    Ok(writeln!(
        out,
        "{} to {}, {}, {} % of them deletions; a flush each {}\n",
        show::counted(workload.writes, "write"),
        show::counted(workload.keys, "key"),
        skew.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        workload.deletion_percent,
        show::number(workload.writes_per_flush as u64),
    )?)
}

fn name(strategy: Simulated) -> String {
    strategy.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A strategy whose files and levels stand to a flush as in a database.
fn sized(strategy: Simulated, workload: &Workload) -> Box<dyn Strategy> {
    let flush_bytes = workload.writes_per_flush as u64 * workload.entry_bytes;
    let target_file_bytes = 2 * flush_bytes;
    match strategy {
        Simulated::None => Box::new(Never),
        Simulated::Full => Box::new(Full { target_file_bytes, ..Full::default() }),
        Simulated::Tiered => Box::new(Tiered { target_file_bytes, ..Tiered::default() }),
        Simulated::Leveled => {
            Box::new(Leveled { base_level_bytes: 8 * flush_bytes, target_file_bytes, ..Leveled::default() })
        }
    }
}
