//! Stage 5: many files kept in order.
//!
//! ```text
//!   flush ──▶ level 0   ▭ ▭ ▭          newest first, ranges overlap
//!                         │ merge
//!             level 5   ▭▭▭            disjoint, sorted
//!                         │ merge
//!             level 6   ▭▭▭▭▭▭▭▭▭▭▭▭   disjoint, sorted: most of the data
//!
//!   which files these are:  CURRENT ──▶ MANIFEST-000007: edit, edit, edit …
//! ```
//!
//! The law of this stage: **no compaction changes what a reader sees.** It only
//! moves entries down and forgets those that nobody can ask for any more. And
//! every level below 0 holds disjoint files, so a lookup asks one file there.
//!
//! What this stage does not do: decide when to run (stage 6), or hold a lock
//! that a reader would wait for.
//!
//! Modules, in reading order:
//!
//! - [`merge`]: many sorted cursors as one.
//! - [`file`](mod@file): what the database knows about a table without opening it.
//! - [`table_cache`]: tables opened when they are first asked, with few descriptors.
//! - [`fences`]: the ends of a level's files, side by side: which file may hold a key.
//! - [`concat`](mod@concat): the disjoint files of a level as one cursor.
//! - [`source`]: the cursor of anything that holds entries.
//! - [`edit`]: a change of the set of files, as bytes.
//! - [`version`]: the set of files at one moment.
//! - [`manifest`]: the edits in a log, and `CURRENT`, which says which log counts.
//! - [`table_writer`]: pours sorted entries into tables.
//! - [`version_set`]: the current version, and the one order in which it changes.
//! - [`compaction`]: which files to merge, what to drop, and the job that does it.
//! - [`simulator`]: what a strategy would cost, without a disk.

#![forbid(unsafe_code)]

pub mod merge;
pub mod file;
pub mod table_cache;
pub mod fences;
pub mod concat;
pub mod source;
pub mod edit;
pub mod version;
pub mod manifest;
pub mod table_writer;
pub mod version_set;
pub mod compaction;
pub mod simulator;

pub use stage4_bloom::{self as bloom, memtable, sstable, wal};
