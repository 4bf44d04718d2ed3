//! One bit flipped in a database at rest: what four engines make of it.
//!
//! ```text
//!   write 90 synced writes ──▶ image ──one bit──▶ copy ──reopen, scan, get──▶ verdict
//!   (a process of its own)                        (a process that may die)
//! ```
//!
//! The law of the comparison: **what is asked of one engine is asked of all.** The
//! same writes, the same flips per scenario, the same questions, and one function
//! that judges the answers and does not know whose they are.
//!
//! Modules, in reading order:
//!
//! - [`workload`], [`verdict`]: what is written, and how answers are judged.
//! - [`image`], [`plan`]: a database as files, and the bits that are flipped.
//! - [`engine`], [`engines`], [`scenario`]: who is asked, and in which state it is left.
//! - [`observe`], [`judge`], [`supervise`]: asking, in processes that may die.
//! - [`tally`], [`report`]: counts and tables.

pub mod workload;
pub mod verdict;
pub mod image;
pub mod plan;
pub mod engine;
pub mod engines;
pub mod scenario;
pub mod observe;
pub mod judge;
pub mod supervise;
pub mod tally;
pub mod report;
