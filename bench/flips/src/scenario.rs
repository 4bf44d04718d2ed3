//! The states in which a database is left: two shapes, two endings.
//!
//! ```text
//!              killed                     closed
//!   journal    90 writes, abort           90 writes, close
//!   settled    75 writes, settle,         the same, close
//!              15 writes, abort
//! ```
//!
//! Every write has been acknowledged as durable by then. A killed process leaves
//! what it gave to the operating system: the power does not fail.

use std::path::Path;

use crate::engine::{Engine, Outcome, Store};
use crate::workload::{WRITES_BEFORE_SETTLING, Write, writes};

/// One of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// Its name, in the table and between the processes.
    pub name: &'static str,
    settles: bool,
    closes: bool,
}

/// All four.
pub const ALL: [Scenario; 4] = [
    Scenario { name: "journal-killed", settles: false, closes: false },
    Scenario { name: "journal-closed", settles: false, closes: true },
    Scenario { name: "settled-killed", settles: true, closes: false },
    Scenario { name: "settled-closed", settles: true, closes: true },
];

/// The scenario of this name.
pub fn named(name: &str) -> Option<Scenario> {
    ALL.into_iter().find(|scenario| scenario.name == name)
}

/// Writes a database and leaves it. A killed one does not come back from this call:
/// it takes the process with it.
///
/// # Errors
/// Those of the engine.
pub fn write(engine: &dyn Engine, scenario: Scenario, directory: &Path) -> Outcome<()> {
    let mut store = engine.create(directory)?;
    let writes = writes();
    let (before, behind) = writes.split_at(WRITES_BEFORE_SETTLING);
    apply(&mut *store, before)?;
    if scenario.settles {
        store = store.settle()?;
    }
    apply(&mut *store, behind)?;
    if scenario.closes { store.close() } else { std::process::abort() }
}

fn apply(store: &mut dyn Store, writes: &[Write]) -> Outcome<()> {
    for Write { key, value } in writes {
        match value {
            Some(value) => store.put(key, value)?,
            None => store.delete(key)?,
        }
    }
    Ok(())
}
