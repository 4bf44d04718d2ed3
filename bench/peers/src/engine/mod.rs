//! The engines: one trait, and behind it this engine and its peers.
//!
//! ```text
//!   log-structured     stage6   rocksdb   leveldb   fjall
//!   B-trees            lmdb     redb
//! ```
//!
//! **INV-PEERS-1** The settings are the same for all, and each file says what they
//! are called there and why they are so:
//!
//! | setting | value |
//! |---|---|
//! | durability | what was put is in the page cache when the put returns: it survives the death of the process. `Disk`: it is on the disk |
//! | compression | none: the values are noise |
//! | cache | 256 MiB, or the 8 MiB of the cell that asks for it |
//! | filter | 10 bits a key, where there are filters |
//! | write buffer | 64 MiB where there is one; `rocksdb@16` has 16 MiB; this engine has its default, as its memtables are small by design |
//! | instructions | x86-64-v3 and PCLMUL for Rust and C++ (`bench/.cargo/config.toml`) |
//! | allocator | mimalloc for all, in Rust, C and C++ |
//! | everything else | the engine's default |

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::keys::Key;

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "leveldb")]
mod leveldb;
#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod stage6;

/// What an engine answers, or how it failed.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An open database, shared by all threads of a cell.
pub(crate) trait Engine: Send + Sync {
    /// Gives `key` a value, as durably as the settings say.
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()>;

    /// Deletes `key`.
    fn delete(&self, key: &[u8]) -> Outcome<()>;

    /// Puts all `records` in one step: all of them or none.
    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()>;

    /// Shows the value of `key`, if there is one.
    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()>;

    /// Shows up to `limit` entries from `key` upwards.
    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()>;

    /// Shows up to `limit` entries from the last key downwards.
    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()>;

    /// Writes what is only in memory and log to tables, where it can be asked for.
    fn flush(&self) -> Outcome<()> {
        Ok(())
    }

    /// Closes the database as its users do.
    fn close(self: Box<Self>) -> Outcome<()>;
}

/// Entries that were shown. Each byte range is touched, so that no engine can
/// answer with a promise, and the digest is the same wherever the entries are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) entries: u64,
    pub(crate) digest: u64,
}

impl Seen {
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        let edge = |bytes: &[u8]| {
            u64::from(bytes.first().copied().unwrap_or(0)) << 8
                | u64::from(bytes.last().copied().unwrap_or(0))
        };
        self.entries += 1;
        self.digest = self.digest.wrapping_add(edge(key) + edge(value) + value.len() as u64);
    }

    pub(crate) fn absorb(&mut self, other: Seen) {
        self.entries += other.entries;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// What has happened to a write when the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is in the operating system, and survives the death of the process.
    PageCache,
    /// It is on the disk.
    Disk,
}

/// How an engine is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) cache_bytes: usize,
    /// `None` leaves this engine its default and gives a peer 64 MiB.
    pub(crate) write_buffer_bytes: Option<usize>,
}

/// The write buffer of the peers, unless a cell says otherwise.
#[cfg_attr(not(any(feature = "fjall", feature = "leveldb", feature = "rocksdb")), expect(dead_code))]
const PEERS_WRITE_BUFFER_BYTES: usize = 64 << 20;

/// The filter of the peers.
#[cfg_attr(not(any(feature = "fjall", feature = "leveldb", feature = "rocksdb")), expect(dead_code))]
const FILTER_BITS: u8 = 10;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Name {
    Stage6,
    RocksDb,
    LevelDb,
    Fjall,
    Lmdb,
    Redb,
}

const NAMES: [(Name, &str); 6] = [
    (Name::Stage6, "stage6"),
    (Name::RocksDb, "rocksdb"),
    (Name::LevelDb, "leveldb"),
    (Name::Fjall, "fjall"),
    (Name::Lmdb, "lmdb"),
    (Name::Redb, "redb"),
];

/// An engine, and the size of its write buffer if it is to have another: `stage6`,
/// `rocksdb@16` with 16 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct EngineId {
    name: Name,
    write_buffer_mib: Option<u32>,
}

impl EngineId {
    /// The engine that is compared with the others.
    pub(crate) const OURS: EngineId = EngineId { name: Name::Stage6, write_buffer_mib: None };

    /// The engines of a comparison that are compiled in, RocksDB with both of its buffers.
    pub(crate) fn all() -> Vec<EngineId> {
        let usual = NAMES.map(|(name, _)| EngineId { name, write_buffer_mib: None });
        let better = EngineId { name: Name::RocksDb, write_buffer_mib: Some(16) };
        let mut all: Vec<EngineId> = usual.into_iter().filter(|id| id.is_compiled_in()).collect();
        let behind = all.iter().position(|id| id.name == Name::RocksDb);
        if let Some(place) = behind {
            all.insert(place + 1, better);
        }
        all
    }

    /// Whether its feature is on.
    pub(crate) fn is_compiled_in(self) -> bool {
        match self.name {
            Name::Stage6 => true,
            Name::RocksDb => cfg!(feature = "rocksdb"),
            Name::LevelDb => cfg!(feature = "leveldb"),
            Name::Fjall => cfg!(feature = "fjall"),
            Name::Lmdb => cfg!(feature = "lmdb"),
            Name::Redb => cfg!(feature = "redb"),
        }
    }

    /// Whether it is this engine, in whatever size.
    pub(crate) fn is_ours(self) -> bool {
        self.name == Name::Stage6
    }

    /// Whether it is another engine with log and tables.
    pub(crate) fn is_lsm_peer(self) -> bool {
        matches!(self.name, Name::RocksDb | Name::LevelDb | Name::Fjall)
    }

    /// Opens, and creates where it is missing, the database in `directory`.
    pub(crate) fn open(self, directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
        let own = self.write_buffer_mib.map(|mib| (mib as usize) << 20);
        let settings = Settings { write_buffer_bytes: settings.write_buffer_bytes.or(own), ..settings };
        match self.name {
            Name::Stage6 => stage6::open(directory, settings),
            #[cfg(feature = "rocksdb")]
            Name::RocksDb => rocksdb::open(directory, settings),
            #[cfg(feature = "leveldb")]
            Name::LevelDb => leveldb::open(directory, settings),
            #[cfg(feature = "fjall")]
            Name::Fjall => fjall::open(directory, settings),
            #[cfg(feature = "lmdb")]
            Name::Lmdb => lmdb::open(directory, settings),
            #[cfg(feature = "redb")]
            Name::Redb => redb::open(directory, settings),
            #[allow(unreachable_patterns, reason = "with every feature on, every engine is above")]
            _ => Err(format!("{self} is not compiled in; build with its feature").into()),
        }
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(name, _)| *name == self.name).map_or("", |(_, text)| text);
        match self.write_buffer_mib {
            None => f.write_str(name),
            Some(mib) => write!(f, "{name}@{mib}"),
        }
    }
}

impl FromStr for EngineId {
    type Err = String;

    fn from_str(text: &str) -> Result<EngineId, String> {
        let (name, mib) = text.split_once('@').map_or((text, None), |(name, mib)| (name, Some(mib)));
        let known = || NAMES.map(|(_, text)| text).join(", ");
        let (name, _) = NAMES
            .into_iter()
            .find(|(_, text)| *text == name)
            .ok_or_else(|| format!("no engine is called {name:?}; there are {}", known()))?;
        let parse = |mib: &str| mib.parse().map_err(|_| format!("{mib:?} is no number of MiB"));
        Ok(EngineId { name, write_buffer_mib: mib.map(parse).transpose()? })
    }
}

impl TryFrom<String> for EngineId {
    type Error = String;

    fn try_from(text: String) -> Result<EngineId, String> {
        text.parse()
    }
}

impl From<EngineId> for String {
    fn from(id: EngineId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests;
