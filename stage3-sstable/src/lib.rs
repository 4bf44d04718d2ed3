//! Stage 3: a sorted file you can search.
//!
//! ```text
//!   entries in order ──▶ TableBuilder ──▶ ┌ data ┬ data ┬ … ┬ meta ┬ index ┬ footer ┐
//!                                         └──┬───┴──────┴───┴──────┴───┬───┴────────┘
//!                                            │                         │ in memory
//!   lookup("fig" as of 7) ──▶ which block? ──┼─────────────────────────┘
//!                             one block ◀────┘ from the cache, or read and checked
//! ```
//!
//! The law of this stage: **what was built is what is read.** Every entry comes
//! back, in the one order, at every sequence; and if any bit of the file is not
//! the one that was written, the answer is an error and never another entry.
//!
//! What this stage does not do: say quickly that a key is absent (stage 4), keep
//! many tables in order (stage 5), or decide when a file is durable (its caller
//! does).
//!
//! Modules, in reading order:
//!
//! - [`format`](mod@format): the shape of a table, and its constants.
//! - [`compression`]: smaller blocks, when it pays.
//! - [`frame`]: a block on disk, checked before it is believed.
//! - [`block`]: some kilobytes of sorted entries: builder, search, cursor.
//! - [`cache`]: the blocks that were read last.
//! - [`index`]: which block may hold a key.
//! - [`properties`]: what a table says about itself as a whole.
//! - [`metaindex`]: named blocks for the layers above.
//! - [`footer`]: where reading begins.
//! - [`table`]: the whole file: builder, reader, cursor, verification.
//! - [`layout`]: the whole file with every byte named.

#![forbid(unsafe_code)]

pub mod format;
pub mod compression;
pub mod frame;
pub mod block;
pub mod cache;
pub mod index;
pub mod properties;
pub mod metaindex;
pub mod footer;
pub mod table;
pub mod layout;

pub use stage2_wal::{self as wal, memtable};
