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
//! The library here is the harness; the suites are in `tests/tests/`.
//!
//! - [`model`]: what a database should hold after each of its writes.
//! - [`script`]: a run of a database, as data.
//! - [`oracle`]: what must hold after a reopen.
//! - [`lying`]: disks that answer a sync and leave it out.
//! - [`flip`]: damaged files, and what a database makes of them.

pub mod model;
pub mod script;
pub mod oracle;
pub mod lying;
pub mod flip;
