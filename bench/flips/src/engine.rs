//! What is asked of every engine, and nothing else.
//!
//! ```text
//!   Engine ──create, reopen──▶ Store ──put, delete──▶ durable
//!          ──check──▶ sound?         ──settle──▶ out of the journal
//!                                    ──get, scan──▶ answers
//! ```
//!
//! The law: **each is used as its own documentation says**, with its defaults, each
//! write synced, and the check that it offers for damage, if it offers one.

use std::error::Error;
use std::path::Path;

/// Whatever an engine says went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The outcome of whatever an engine is asked.
pub type Outcome<T> = Result<T, Failure>;

/// What an engine's own check says of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It has none.
    NotOffered,
    /// Nothing is wrong.
    Sound,
    /// Something is wrong, or was and has been repaired.
    Damaged,
}

/// One engine.
pub trait Engine: std::fmt::Debug + Sync {
    /// Its name, in the table and on the command line.
    fn name(&self) -> &'static str;

    /// Its package's name, by which `Cargo.lock` knows its version.
    fn package(&self) -> &'static str;

    /// How it is used here: what syncs, what settles, what checks.
    fn usage(&self) -> &'static str;

    /// The kind of the file at this path below the database.
    fn kind(&self, file: &Path) -> &'static str;

    /// Creates a database in a directory that is not there.
    ///
    /// # Errors
    /// Those of the engine.
    fn create(&self, directory: &Path) -> Outcome<Box<dyn Store>>;

    /// Opens the one that is there, as the next run of a program would.
    ///
    /// # Errors
    /// Those of the engine.
    fn reopen(&self, directory: &Path) -> Outcome<Box<dyn Store>>;

    /// Opens and checks it, by the strictest means that it documents.
    fn check(&self, directory: &Path) -> Check;
}

/// An open database.
pub trait Store {
    /// Puts a key, durably.
    ///
    /// # Errors
    /// Those of the engine.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Outcome<()>;

    /// Deletes a key, durably.
    ///
    /// # Errors
    /// Those of the engine.
    fn delete(&mut self, key: &[u8]) -> Outcome<()>;

    /// Moves what is in the journal to where it stays, as far as the public
    /// interface allows.
    ///
    /// # Errors
    /// Those of the engine.
    fn settle(self: Box<Self>) -> Outcome<Box<dyn Store>>;

    /// The value of a key.
    ///
    /// # Errors
    /// Those of the engine.
    fn get(&self, key: &[u8]) -> Outcome<Option<Vec<u8>>>;

    /// Hands every entry, in order, to `visit`, until it answers false.
    ///
    /// # Errors
    /// The first error of the engine ends it.
    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Outcome<()>;

    /// Closes it, and says how that went where the engine says it.
    ///
    /// # Errors
    /// Those of the engine.
    fn close(self: Box<Self>) -> Outcome<()>;
}
