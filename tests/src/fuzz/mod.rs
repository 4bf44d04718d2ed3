//! Any bytes, to every decoder: what a coverage-guided fuzzer calls.
//!
//! ```text
//!   fuzz/ (libFuzzer, a campaign) ──┐
//!                                   ├──▶ Target::run(bytes) ──▶ a decoder, behind
//!   tests/corpus/NAME/… (cargo test)┘         │                 its checksum too
//!                                             └──▶ laws: typed errors, round trips
//! ```
//!
//! **The law of every target: no bytes make a decoder panic, go on behind an
//! error, or take more memory than [`allowance`].** What decodes means the same
//! when it is encoded and decoded again.
//!
//! A checksum keeps a fuzzer out, and keeps out no bug of a writer. So each target
//! also takes its bytes for the payloads of a file and seals that file itself:
//! wrong contents under a right checksum.
//!
//! - `input`: the bytes of a fuzzer, taken apart.
//! - `log`, `batch`, `block`, `table`, `filter`, `manifest`: a decoder each.
//! - `operations`: a whole database against a map.
//! - `seeds`: where a campaign begins.

// How a target says that a law is broken.
#![allow(clippy::panic)]

mod input;
mod log;
mod batch;
mod block;
mod table;
mod filter;
mod manifest;
mod operations;
mod seeds;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use stage6_engine::memtable::error::{Error, ErrorKind, Result};
use stage6_engine::wal::vfs::ReadFile;

pub use seeds::seeds;

/// Something that a fuzzer feeds with bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of the folder of its corpus.
    pub name: &'static str,
    /// Takes any bytes and panics when a law is broken. Returns how many bytes
    /// there were to decode, once files were sealed and blocks declared their sizes.
    pub run: fn(&[u8]) -> usize,
    /// Whether it decodes and nothing else, so that [`allowance`] holds for it. A
    /// database has memtables and a cache as well.
    pub is_decoder: bool,
}

/// All targets.
pub const TARGETS: [Target; 7] = [
    Target { name: "log", run: log::run, is_decoder: true },
    Target { name: "batch", run: batch::run, is_decoder: true },
    Target { name: "block", run: block::run, is_decoder: true },
    Target { name: "table", run: table::run, is_decoder: true },
    Target { name: "filter", run: filter::run, is_decoder: true },
    Target { name: "manifest", run: manifest::run, is_decoder: true },
    Target { name: "operations", run: operations::run, is_decoder: false },
];

/// The target called `name`.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// The most memory that decoding `input_bytes` may take, in bytes.
pub fn allowance(input_bytes: usize) -> usize {
    4 * input_bytes + (1 << 20)
}

/// Where the corpora lie, a folder for each target.
pub fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// A file in memory that nobody else has open.
#[derive(Debug)]
struct Memory(Bytes);

impl Memory {
    fn file(bytes: impl Into<Bytes>) -> Arc<dyn ReadFile> {
        Arc::new(Memory(bytes.into()))
    }
}

impl ReadFile for Memory {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(offset).ok();
        let span = start.and_then(|start| Some(start..start.checked_add(length)?));
        let inside = span.filter(|span| span.end <= self.0.len());
        let beyond = || Error::corruption(NAME, offset, format!("{length} bytes are not there"));
        inside.map(|span| self.0.slice(span)).ok_or_else(beyond)
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn describe(&self) -> String {
        NAME.to_owned()
    }
}

/// How messages name the file that a target decodes.
const NAME: &str = "the fuzzed file";

/// What was decoded, or `None` where the bytes were refused as they should be: as
/// damage or as unknown, by the name of a file.
#[track_caller]
fn refused_or<T>(result: Result<T>) -> Option<T> {
    let error = match result {
        Ok(decoded) => return Some(decoded),
        Err(error) => error,
    };
    assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported), "{error}");
    let (Error::Corruption { file, .. } | Error::Unsupported { file, .. }) = &error else {
        panic!("{error} names no file")
    };
    assert!(!file.is_empty(), "{error}");
    None
}
