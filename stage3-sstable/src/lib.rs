//! Stage 3: a sorted file you can search.

pub mod block;

pub use stage2_wal::{self as wal, memtable};
