//! Stage 1: sorted in memory, every version kept.
//!
//! ```text
//!   put("fig", "1")            get("fig") as of 7
//!        │                          │
//!        ▼                          ▼
//!   (fig, 5, Value) ──insert──▶ ┌──────────────────────────────────┐
//!                               │ MemTable: one skip list in order │
//!                               │ … (fig,9) (fig,5) (fig,2) (kiwi…)│
//!                               └──────────────────────────────────┘
//!                                        └─ newest at or below 7: (fig,5)
//! ```
//!
//! The law of this stage: **nothing is ever overwritten.** Every write is a new
//! entry with a new sequence, and a deletion is an entry like any other. So a
//! reader who knows a sequence sees the map exactly as it was then, however
//! many writers come after.
//!
//! What this stage does not do: survive a crash (stage 2), leave memory
//! (stage 3), or forget (stage 5).
//!
//! Modules, in reading order:
//!
//! - [`error`]: what can go wrong, for all stages that touch files.
//! - [`key`]: the internal key and the one order everything is sorted by.
//! - [`hash`]: the one hash, stable across machines and releases.
//! - [`sync`]: where locks, atomics and threads come from.
//! - [`lookup`]: one question and its three answers.
//! - [`cursor`]: the trait of everything that is sorted.
//! - `arena`, `sieve`, `shortcut`: where the bytes of entries lie; which keys are not there;
//!   where most of the others are.
//! - `position`, `chunks`, [`skiplist`]: the order in three words; memory that grows beside
//!   its readers; the list in which a search takes steps like log n.
//! - [`memtable`]: the sorted map in memory.

#![forbid(unsafe_code)]

pub mod error;
pub mod key;
pub mod hash;
pub mod sync;
pub mod lookup;
pub mod cursor;
mod arena;
mod sieve;
mod shortcut;
mod position;
mod chunks;
pub mod skiplist;
pub mod memtable;

pub use error::{Error, ErrorKind, Result};
