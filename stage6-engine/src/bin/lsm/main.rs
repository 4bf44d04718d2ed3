//! The tool `lsm`: a database from the command line, and a tour through it.
//!
//! ```text
//!   lsm VERB … ──▶ args ──▶ entries        put, get, delete, scan
//!                       ──▶ load           a text file into a database
//!                       ──▶ stats, levels  what a database says of itself
//!                       ──▶ verify         whether all of it is sound
//!                       ──▶ explain        what one lookup asks
//!                       ──▶ checkpoint     a second database, by links
//!                       ──▶ shell          the same, and more, at a prompt
//!                       ──▶ simulate       strategies side by side, without a disk
//!                       ──▶ dump           what a file holds
//!                       ──▶ bench          how fast it is here
//!                       ──▶ tour           what it does, shown and checked
//!
//!   stdout   what was asked for            stderr   lsm: what, where, what to do
//!   exit     0 done · 1 it failed, or a key has no value · 2 a wrong command line
//! ```
//!
//! The law of the tool: **it can do nothing that a user of the library could not.**
//! It calls the public interface alone. A verb that only reads opens the database
//! read-only, and so cannot change it.
//!
//! Modules, in reading order: how it fails and shows things ([`failure`],
//! [`show`], [`tsv`], [`progress`]), what it is asked ([`args`]), then a module
//! for each group of verbs.

mod failure;
mod show;
mod tsv;
mod progress;
mod args;
mod watch;
mod database;
mod entries;
mod load;
mod levels;
mod stats;
mod verify;
mod explain;
mod checkpoint;
mod simulate;
mod shell;
mod dump;
mod bench;
mod tour;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};
use failure::Failure;

/// A put allocates in one thread what a flush frees in another. With this allocator
/// the median put in random order takes a tenth less than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verb = Args::parse().verb;
    match run(&verb, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lsm: {}", show::on_one_line(&failure.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb, out: &mut dyn Write) -> Result<(), Failure> {
    match verb {
        Verb::Tour(args) => tour::run(args, out),
        Verb::TourChild(args) => tour::write_until_killed(args, out),
        Verb::Put(args) => entries::put(args),
        Verb::Get(args) => entries::get(args, out),
        Verb::Delete(args) => entries::delete(args),
        Verb::Scan(args) => entries::scan(args, out),
        Verb::Load(args) => load::load(args, out),
        Verb::Stats(args) => stats::stats(args, out),
        Verb::Levels(args) => levels::levels(args, out),
        Verb::Verify(args) => verify::verify(args, out),
        Verb::Explain(args) => explain::explain(args, out),
        Verb::Checkpoint(args) => checkpoint::checkpoint(args, out),
        Verb::Shell(args) => shell::shell(args, out),
        Verb::Simulate(args) => simulate::simulate(args, out),
        Verb::Dump(args) => dump::dump(args, out),
        Verb::Bench(args) => bench::bench(args, out),
    }
}
