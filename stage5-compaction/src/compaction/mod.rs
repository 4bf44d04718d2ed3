//! Compaction: which files to merge, what to drop, and the job that does it.
//!
//! ```text
//!   Version ──strategy──▶ Plan: these files, to that level, because …
//!                           │
//!      cursors over the files ──merge──▶ drop rule ──▶ TableWriter ──▶ new tables
//!                                                                        │
//!                                       VersionSet::install ◀── edit ────┘
//! ```
//!
//! - [`strategy`]: pure functions from a version to a plan: never, full, tiered, leveled.
//! - [`toll`]: what scans pay for the runs they ask, and the merge that they buy.
//! - [`drop_rule`]: the one place that decides what may be forgotten.
//! - [`job`]: carries a plan out.

pub mod strategy;
pub mod toll;
pub mod drop_rule;
pub mod job;

pub use drop_rule::DropRule;
pub use job::{Outcome, merge_into_tables, run};
pub use strategy::{Full, Leveled, Never, Plan, Strategy, Tiered};
pub use toll::Toll;
