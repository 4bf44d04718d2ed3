//! Stage 4: the same file, able to say no quickly.
//!
//! ```text
//!   get("fig")      hash, computed once
//!      │               │
//!      ▼               ▼
//!   FilteredTable ── filter ── certainly not ──▶ Absent, and no block is read
//!                      │
//!                      └────── perhaps ──▶ Table: index, block, answer
//! ```
//!
//! A key may lie in any of a database's tables, so a lookup asks several that do
//! not have it. A filter of 10 bits a key turns 99 of 100 such questions into
//! one touch of memory.
//!
//! The law of this stage: **a filter never changes an answer, only its price.**
//! "Perhaps" may be wrong; "certainly not" never is.
//!
//! What this stage does not do: decide which tables are asked and in what order
//! (stage 5), or help a scan: a range has no hash.
//!
//! Modules, in reading order:
//!
//! - [`policy`]: what writes a filter, and the name that it goes by.
//! - [`bloom`]: the standard Bloom filter, the one to learn from.
//! - [`blocked`]: the default: one cache line per question.
//! - [`filter`]: whichever filter a file carries, checked once and then asked.
//! - [`filtered`]: a table that asks its filter first, and its builder.

#![forbid(unsafe_code)]

pub mod policy;
pub mod bloom;
pub mod blocked;
pub mod filter;
pub mod filtered;

#[cfg(test)]
mod rate;

pub use stage3_sstable::{self as sstable, memtable, wal};
