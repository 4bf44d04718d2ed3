//! The laws of this stage, judged from outside on a simulated disk.
//!
//! - `workshop`: the verbs that the stories below are told with.
//! - One module for each part of the stage that has laws of its own.
//! - `contents`: the promise. No compaction changes what a reader sees.
//! - `recovery`: a crash at every call leaves the old version or the new one.
//! - `simulator`: what it counts is what real tables hold.

mod workshop;

mod concat;
mod fences;
mod file;
mod job;
mod merge;
mod table_cache;
mod table_writer;
mod version;
mod version_set;

mod contents;
mod recovery;
mod simulator;
