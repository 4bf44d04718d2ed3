//! Stage 2: a journal that survives a crash, and the one way to the disk.
//!
//! ```text
//!   WriteBatch ──append──▶ Journal ──records──▶ LogWriter ──fragments──▶ 000001.log
//!                             │ persist()                                    │
//!                             └──── sync, then a promise ────────────────────┤
//!                                                                            ▼
//!                          batches in order, none promised lost ◀── replay ── crash
//! ```
//!
//! The law of this stage: **what replay returns is exactly a prefix of the
//! batches that were appended; nothing that a promise covers is missing from
//! it, and no batch is ever there by half.**
//!
//! What this stage does not do: search a file (stage 3), decide when a log is no
//! longer needed (stage 6).
//!
//! Modules, in reading order:
//!
//! - [`layout`]: every byte of a file belongs to a named field.
//! - [`coding`]: integers and lengths as bytes, and reading them back in bounds.
//! - [`vfs`]: the one way to the disk; the operating system's and a simulated one.
//! - [`identity`]: the database's id and the salt of each file.
//! - [`log`]: records in 32 KiB blocks that a torn write cannot forge.
//! - [`batch`]: writes that happen together or not at all.
//! - [`journal`]: batches and promises; what follows a failure; replay.

pub mod layout;
pub mod coding;
pub mod vfs;
pub mod identity;
pub mod log;
pub mod batch;
pub mod journal;

pub use stage1_memtable as memtable;
