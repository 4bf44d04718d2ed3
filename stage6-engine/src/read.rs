//! The read path: one key.
//!
//! ```text
//!   get(key) ─▶ load the state ─▶ read the visible sequence ─▶ ask the sources
//!                                                               newest first:
//!      memtable ─▶ immutables ─▶ level 0, newest first ─▶ one file a level below
//! ```
//!
//! The order of the first two steps is INV-STATE-2; why it is right stands in
//! `state.rs`. To hold the state takes no lock and registers nothing.

use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::memtable::lookup::{Answer, Lookup, LookupKey, Observer};

use crate::engine::Engine;
use crate::entry::Value;
use crate::error::Result;
use crate::range::{KeyRange, Range};
use crate::scan::DbCursor;

/// What can be read from: a [`Db`](crate::Db), as it is at each call, or a
/// [`Snapshot`](crate::Snapshot), as it was when that was taken.
pub trait Read: sealed::Source {
    /// The value of `key`, or `None` if it has none.
    ///
    /// Costs about one block read when the block is not cached, none when the
    /// filters say no.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) when a table cannot be read;
    /// [`Error::Closed`](crate::Error::Closed).
    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (handle, sequence) = self.source();
        handle.engine.get(key.as_ref(), sequence, &mut ())
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// As [`get`](Read::get).
    fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// The entries whose keys lie in `range`, from both ends. The iterator owns
    /// what it needs, and sees the database as it is now.
    ///
    /// ```
    /// use stage6_engine::{Db, Read};
    ///
    /// let db = Db::builder().open_in_memory()?;
    /// for fruit in ["apple", "fig", "kiwi"] {
    ///     db.put(fruit, "fresh")?;
    /// }
    /// let keys = |range: stage6_engine::Range| range.map(|entry| entry.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>();
    /// assert_eq!(keys(db.range("b".."z"))?, ["fig", "kiwi"]);
    /// let last = db.range(..).next_back().transpose()?;
    /// assert_eq!(last.map(|(key, _)| key), Some("kiwi").map(|key| stage6_engine::Key::copy_of(key.as_bytes())));
    /// # Ok::<(), stage6_engine::Error>(())
    /// ```
    fn range(&self, range: impl KeyRange) -> Range {
        Range::new(self.cursor(), range.into_bounds())
    }

    /// The entries whose keys begin with `prefix`.
    fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(self.cursor(), crate::range::prefix_bounds(prefix.as_ref()))
    }

    /// A cursor over everything: the fast way to walk, because it lends keys and
    /// values. An error of making it is its first status.
    fn cursor(&self) -> DbCursor {
        let (handle, sequence) = self.source();
        DbCursor::new(handle, sequence)
    }
}

pub(crate) mod sealed {
    use std::sync::Arc;

    use stage5_compaction::memtable::key::Sequence;

    use crate::engine::Handle;

    /// An open database, and the sequence to read at if it is not the newest.
    pub trait Source {
        #[doc(hidden)]
        #[allow(private_interfaces)]
        fn source(&self) -> (&Arc<Handle>, Option<Sequence>);
    }
}

impl Engine {
    /// The value of `key` at `sequence`, or at the newest visible one.
    pub(crate) fn get<O: Observer>(
        &self,
        key: &[u8],
        sequence: Option<Sequence>,
        observer: &mut O,
    ) -> Result<Option<Value>> {
        self.check_open()?;
        let state = self.published.load();
        let sequence = sequence.unwrap_or_else(|| self.snapshots.visible());
        Ok(match state.lookup(&LookupKey::new(key, sequence), observer)? {
            Answer::Value { value, .. } => Some(Value::from(value)),
            Answer::Deleted { .. } | Answer::Absent => None,
        })
    }
}
