//! The table: entries in the one order, in a file, with an index on top.
//!
//! ```text
//!   TableBuilder ──add──▶ data blocks ─▶ meta blocks ─▶ metaindex ─▶ index ─▶ footer
//!                                                                               │
//!   lookup(dog) ◀── one data block ◀── index, in memory ◀─────────── open ──────┘
//! ```
//!
//! A table is written once, from the front, and never changed. To open it is to
//! read it from the back: the footer says where the index and the metaindex are,
//! these say where everything else is. Index and properties then stay in memory,
//! so a lookup reads one data block, and none when the cache has it.
//!
//! - **INV-TABLE-1** Keys are strictly ascending over the whole table.
//! - **INV-TABLE-2** Whatever is read from the file is checked against its checksum
//!   before it is believed; a block in the cache was.
//! - **INV-TABLE-3** A builder that has failed stays failed: no footer ever
//!   follows a hole.
//!
//! What a table does not do: sync itself (its caller keeps the order of
//! durability), know its level, or say quickly that a key is absent (that is the
//! next stage's work).

mod ahead;
mod builder;
mod cursor;
mod reader;
mod verify;

pub use builder::{TableBuilder, TableOptions, TableSummary};
pub use cursor::TableCursor;
pub use reader::Table;
pub use verify::TableReport;

#[cfg(test)]
mod tests;
