//! Runs the programs of `scenarios` under shuttle, each in many schedules: the suite
//! `shut` builds this with `RUSTFLAGS="--cfg shuttle"` and reads what it prints.
//!
//! ```text
//!   shut --seed 1 --cases 20                 20 seeds, each of all programs
//!   shut --seed 12 --cases 1 --at snapshots  one program again
//!
//!   count 20000 schedules                    a count of the tally, or
//!   at snapshots                             a part of the failure
//! ```

#[cfg(shuttle)]
mod planted;
#[cfg(shuttle)]
mod runner;
#[cfg(shuttle)]
mod scenarios;

use std::process::ExitCode;

#[cfg(shuttle)]
fn main() -> ExitCode {
    runner::main()
}

#[cfg(not(shuttle))]
fn main() -> ExitCode {
    eprintln!(
        "shut: built without --cfg shuttle, and so without schedules; run `cargo torture --suite shut`"
    );
    ExitCode::FAILURE
}
