//! Stage 6: the complete database behind one handle.
//!
//! ```text
//!   put ─▶ write ──▶ journal (stage 2) + memtable (stage 1)
//!                        │ full
//!                        ▼
//!                     flush ──▶ tables (stages 3, 4) on level 0
//!                                  │
//!                               compact ──▶ the levels below (stage 5)
//!
//!   get ─▶ read ──▶ state: memtable, immutables, version
//!   range ▶ scan ─▶ the same, merged
//!   open ─▶ recover ─▶ CURRENT, manifest, logs ─▶ all of the above
//! ```
//!
//! The law of this stage: **whatever was acknowledged is there.** A write that
//! returned is seen by every later read; one that returned as durable is seen
//! after any crash; and what is seen is always a prefix of all writes, with every
//! batch whole.
//!
//! # The locks, and their order
//!
//! A thread takes them in this order.
//!
//! | | lock | guards | held for |
//! |---|---|---|---|
//! | 0 | `Handle::workers` | that the threads are joined once | a close |
//! | 1 | `Writer::resuming` | that one attempt to resume runs | an attempt |
//! | 2 | `Writer::flushing` | that one flush runs | a flush |
//! | 3 | `Writer::compacting` | that one compaction runs | a compaction |
//! | 4 | `Writer::next_log` | the log that is ready for a rotation | a rotation, or the making of a log |
//! | 5 | `Writer::versions` | edits of the manifest | an edit and its syncs |
//! | 6 | `Journal`'s turn | that one sync runs | a sync of the logs |
//! | 7 | `Journal`'s appender: *the write lock* | the order of sequences; journal and memtable together | one batch |
//! | 8 | `Published::replacing` | the derivation of the next state | a swap, for which the strategy is asked |
//! | 9 | `Schedule::progress` | what runs, what failed | a look, which asks the strategy |
//! | 10 | `Snapshots::holders` | which sequences are protected | an insertion |
//! | 11 | `Writer::obsolete` | logs and manifests to be removed | a look |
//! | 12 | `TableCache`'s list | tables to be removed | a look |
//! | 13 | `Engine::lock` | the directory | a look |
//!
//! **A reader** takes none of the first nine. What is answered from a memtable or a filter
//! takes no lock at all, a cached block that of its place, and one that must be read that of
//! the cache's queues. It takes 10 for a snapshot; 12 if it is the last to let go a table
//! that was merged away; and 9 where a cursor ends while such a table waits to be removed,
//! or has paid for a merge: then it wakes the threads.
//!
//! **A writer** takes 7; while it rotates 4, 7 and 8; 9 when it wakes somebody or is
//! stopped; and 6 if it asks for durability. Of these, 4 and 6 are held over a sync. Whoever
//! makes a log holds 4 over that of its name, and a writer waits for it only when the
//! memtable has grown beyond its size by a half. Nobody syncs while he holds 7, but
//! whoever closes.
//!
//! **Closing** takes 0 until the threads have ended; then 2, 3 and 4, so that whoever works
//! in a thread of his own ends first, and under these 7, 6 and 11 to 13.
//!
//! Under 9, against the order, 3 and 4 are only tried. Whoever waits for a job sleeps on the
//! condition variable of 9 and holds no lock. Two loads need care, and have their proof in
//! `state.rs`: a reader loads the state before the visible sequence.
//!
//! # Modules, in reading order
//!
//! - [`error`], [`runtime`], [`options`]: what can go wrong, differ between runs,
//!   and be chosen.
//! - [`entry`]: keys and values as the user gets them.
//! - `pressure`, `schedule`, `counters`, [`events`]: what presses back on writers,
//!   who runs what, what is counted, what is told.
//! - `snapshot`, `state`: what may be seen, and what a reader holds.
//! - `engine`: what all handles share.
//! - [`scan`], [`range`], [`read`]: every key; a stretch of keys; one key.
//! - `single`, [`write`](mod@write), `flush`, [`compact`]: from a batch down to the last level.
//! - `resume`, `jobs`: after a failure; in the background.
//! - `run`, `recover`, `check`: logs as sorted entries; opening, and what must hold afterwards.
//! - [`verify`], [`checkpoint`]: reading everything; a second database by links.
//! - [`status`]: what it says about itself.
//! - [`db`]: the handle.

#![forbid(unsafe_code)]

/// The example of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub mod error;
pub mod runtime;
pub mod options;
pub mod entry;
mod pressure;
mod schedule;
mod counters;
pub mod events;
mod snapshot;
mod state;
mod engine;
pub mod scan;
pub mod range;
pub mod read;
mod single;
pub mod write;
mod flush;
pub mod compact;
mod resume;
mod jobs;
mod run;
mod recover;
mod check;
pub mod verify;
pub mod checkpoint;
pub mod status;
pub mod db;

pub use stage5_compaction::{self as compaction, bloom, memtable, sstable, wal};

pub use checkpoint::CheckpointReport;
pub use compact::CompactionReport;
pub use counters::RecoveryReport;
pub use db::{Builder, Db, Snapshot};
pub use entry::{Key, Value};
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, Listener};
pub use options::Durability;
pub use pressure::{Pressure, StallReason};
pub use range::{KeyRange, Range};
pub use read::Read;
pub use runtime::{Runtime, SimRuntime, ThreadRuntime};
pub use scan::DbCursor;
pub use schedule::Job;
pub use stage5_compaction::compaction::{Leveled, Strategy, Tiered};
pub use stage5_compaction::sstable::compression::Codec;
pub use stage5_compaction::wal::batch::WriteBatch;
pub use stage5_compaction::wal::journal::RecoveryMode;
pub use status::{Mode, Stats, Status, TableInfo};
pub use verify::{VerifyProgress, VerifyReport};
pub use write::Commit;
