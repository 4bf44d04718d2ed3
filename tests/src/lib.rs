//! What no single stage can show.
//!
//! ```text
//!   script ──run──▶ Db on a SimVfs ──▶ trace, acknowledgements, model
//!                                          │ a crash at every call
//!                                          ▼
//!                         image ──open──▶ oracle: a prefix? all that was
//!                                         acknowledged? writable again?
//! ```
//!
//! The library here is the harness. What it tortures is in [`suites`]; each suite
//! has a short form in `tests/tests/` and a full one in `cargo torture`.
//!
//! - [`suite`]: what a suite is: its cases, its tally, its failure.
//! - [`shrink`](mod@shrink): the smallest part of a failing list that fails as well.
//! - [`model`]: what a database should hold after each of its writes.
//! - [`dice`]: seeded chance.
//! - [`script`]: a run of a database, as data.
//! - [`oracle`]: what must hold after a reopen.
//! - [`options`], [`operation`]: what a user may choose and do, drawn from a seed.
//! - [`session`]: a database and what it should hold, side by side.
//! - [`lying`]: disks that answer a sync and leave it out.
//! - [`history`]: what several threads did, and whether one order explains it.
//! - [`fuzz`]: any bytes, to every decoder.
//! - [`suites`]: all of them.
//! - [`mutants`]: bugs planted on purpose, which they must catch.

pub mod suite;
pub mod shrink;
pub mod model;
pub mod dice;
pub mod script;
pub mod oracle;
pub mod options;
pub mod operation;
pub mod session;
pub mod lying;
pub mod history;
pub mod fuzz;
pub mod suites;
pub mod mutants;
