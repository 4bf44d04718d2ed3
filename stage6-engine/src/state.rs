//! What a reader holds: one state, published by one swap.
//!
//! ```text
//!   State ─┬─ memtable       the one that is being written
//!          ├─ immutables     full ones, newest first, waiting for their flush
//!          └─ version        the tables
//!
//!   rotate:  (M1, [], V)   ──swap──▶  (M2, [M1], V)
//!   flush:   (M2, [M1], V) ──swap──▶  (M2, [], V + table of M1)
//! ```
//!
//! - **INV-STATE-1** A state is never changed, only replaced. Each is derived from
//!   the one before and stored under one short lock ([`Published::replace`]).
//! - **INV-STATE-2** A reader loads the state *before* it reads the visible
//!   sequence.
//! - **INV-STATE-3** A new memtable is published before anything in it becomes
//!   visible, and a batch never spans two memtables.
//!
//! Why this order, and why nothing has to be registered. Let a reader load state
//! S and then the sequence v.
//!
//! 1. *Nothing that v can see is missing below the end of S.* All that was ever
//!    written lies, in the order of sequences, in the tables of S, its
//!    immutables, its memtable, and in memtables that came after S. What became
//!    visible before S was loaded is in S, by INV-STATE-3. So a reader of S sees
//!    every write that was acknowledged before the read began.
//! 2. *What it sees is a prefix.* Memtables take sequences in order: if S lacks
//!    anything up to v, then because S's memtable was rotated away, and the
//!    reader sees exactly the writes up to that rotation. Batches are whole,
//!    because a batch never spans memtables.
//! 3. *Nothing it needs is gone.* A job whose outcome is in S began before S was
//!    loaded, so the sequence u that was visible to it is at most v. It kept everything
//!    above u, and of each key the newest version up to u: what v sees is among these.
//!    Jobs after S change nothing in S, which pins all its files. Were the order of the
//!    loads the other way round, a job could begin between them, with u above v, and
//!    drop what v needs.

use std::sync::Arc;

use stage5_compaction::compaction::Toll;
use stage5_compaction::memtable::error::Result;
use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::memtable::lookup::{Answer, Lookup, LookupKey, Observer};
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::memtable::sync::{ArcSwap, Guard, Mutex};
use stage5_compaction::source::SourceCursor;
use stage5_compaction::version::Version;

use crate::pressure::Pressure;

/// A memtable that takes no more writes.
#[derive(Debug)]
pub(crate) struct Immutable {
    pub(crate) memtable: Arc<MemTable>,
    /// The log that holds what it holds, and nothing else.
    pub(crate) log: u64,
    /// The last sequence that was given out while it was written.
    pub(crate) last: Sequence,
}

/// Everything that can be read, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) memtable: Arc<MemTable>,
    /// Newest first.
    pub(crate) immutables: Arc<[Arc<Immutable>]>,
    pub(crate) version: Arc<Version>,
    /// What the scans of `version` have paid for having fewer runs to ask.
    pub(crate) toll: Arc<Toll>,
    /// How hard this state presses back on writers: it changes when the state
    /// does, so it is found out once and not by every write.
    pub(crate) pressure: Option<Pressure>,
}

impl State {
    /// `memtable` over `version`.
    pub(crate) fn over(memtable: MemTable, version: Arc<Version>) -> State {
        State {
            memtable: Arc::new(memtable),
            immutables: Arc::default(),
            version,
            toll: Arc::default(),
            pressure: None,
        }
    }

    /// This state with `memtable` in front, after the one before it was filled
    /// from `log` up to `last`.
    pub(crate) fn rotated(&self, memtable: MemTable, log: u64, last: Sequence) -> State {
        let full = Arc::new(Immutable { memtable: Arc::clone(&self.memtable), log, last });
        let immutables = std::iter::once(full).chain(self.immutables.iter().cloned()).collect();
        State { memtable: Arc::new(memtable), immutables, ..self.clone() }
    }

    /// This state without the immutables whose logs lie below `floor`: they are in
    /// `version`.
    pub(crate) fn flushed(&self, floor: u64, version: Arc<Version>) -> State {
        let waiting = |immutable: &&Arc<Immutable>| immutable.log >= floor;
        let immutables = self.immutables.iter().filter(waiting).cloned().collect();
        State { immutables, version, ..self.clone() }
    }

    /// This state over another version.
    pub(crate) fn with_version(&self, version: Arc<Version>) -> State {
        State { version, ..self.clone() }
    }

    /// A cursor for each source, to be merged. Asked after the reader has its sequence:
    /// what that sequence sees was inserted before, so a memtable that is empty now has
    /// nothing for the reader.
    pub(crate) fn cursors(&self) -> Result<Vec<SourceCursor>> {
        let current = Some(&self.memtable).filter(|memtable| !memtable.is_empty());
        let memtables = current.into_iter().chain(self.immutables.iter().map(|full| &full.memtable));
        self.version.cursors_behind(memtables.map(|memtable| SourceCursor::Memtable(memtable.cursor())))
    }
}

/// From the newest source to the oldest; the first answer that is not `Absent`
/// ends it.
impl Lookup for State {
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
        let answer = self.memtable.lookup(key, observer)?;
        if answer != Answer::Absent {
            return Ok(answer);
        }
        for immutable in self.immutables.iter() {
            let answer = immutable.memtable.lookup(key, observer)?;
            if answer != Answer::Absent {
                return Ok(answer);
            }
        }
        self.version.lookup(key, observer)
    }
}

/// The state that readers load.
#[derive(Debug)]
pub(crate) struct Published {
    current: ArcSwap<State>,
    /// Held while the next state is derived from the current one.
    replacing: Mutex<()>,
}

impl Published {
    pub(crate) fn new(state: State) -> Published {
        Published { current: ArcSwap::from_pointee(state), replacing: Mutex::default() }
    }

    /// The current state, for the time of a call.
    #[inline]
    pub(crate) fn load(&self) -> Guard<Arc<State>> {
        self.current.load()
    }

    /// The current state, to keep.
    pub(crate) fn load_full(&self) -> Arc<State> {
        self.current.load_full()
    }

    /// Replaces the state by what `derive` makes of it (INV-STATE-1).
    pub(crate) fn replace(&self, derive: impl FnOnce(&State) -> State) {
        let _replacing = self.replacing.lock();
        let next = derive(&self.current.load());
        self.current.store(Arc::new(next));
    }
}
