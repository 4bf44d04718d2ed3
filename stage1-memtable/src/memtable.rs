//! The memtable: a skip list of entries in the one order.
//!
//! ```text
//!   level 2   ●───────────────────────────▶●
//!   level 1   ●───────────▶●──────────────▶●───────────▶●
//!   level 0   ●──▶(fig,9)─▶(fig,5)─▶(fig,2)▶(kiwi,8)───▶●
//!                    │
//!                    └─ MemKey: heads (16 B of the key, inline) · sequence · kind
//!                               · entry: key bytes ‖ value bytes, in the arena
//! ```
//!
//! **INV-MEM-1** An entry, once inserted, is never changed or removed: the key
//! is unique by its sequence. This is also what makes the skip list safe to
//! share: in crossbeam-skiplist 0.1.3 an `insert` over an *existing* key lets a
//! racing `get` find nothing for a moment.
//!
//! **INV-MEM-2** One writer at a time, any number of readers beside it, no lock
//! between them. A reader who knows a sequence that was published after its
//! insert finds that entry.
//!
//! A search compares key heads inside the node and follows a pointer only when
//! the first 16 bytes are equal: measured, 0.6 of the time of a skip list keyed
//! by a heap slice.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Deref};
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;
use crossbeam_skiplist::map;
use self_cell::self_cell;

use crate::arena::Arena;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::hash_key;
use crate::key::{InternalKey, KeyHeads, Kind, Sequence, compare_user_keys};
use crate::lookup::{Answer, Lookup, LookupKey, Observer, Touch};
use crate::sieve::Sieve;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering as Memory};

/// What a node costs beside its key and value bytes: the [`MemKey`] and, on average,
/// two tower links, a few counters, and what the allocator and the arena leave unused.
const NODE_BYTES: usize = size_of::<Stored>() + 64;

/// A sorted map in memory that keeps every version of every key.
///
/// ```
/// use stage1_memtable::key::Kind;
/// use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
/// use stage1_memtable::memtable::MemTable;
///
/// let memtable = MemTable::new();
/// memtable.insert(1, Kind::Value, b"fig", b"green");
/// memtable.insert(2, Kind::Deletion, b"fig", b"");
///
/// let past = memtable.lookup(&LookupKey::new(b"fig", 1), &mut ())?;
/// assert!(matches!(past, Answer::Value { value, .. } if value == "green"));
/// let now = memtable.lookup(&LookupKey::new(b"fig", 2), &mut ())?;
/// assert_eq!(now, Answer::Deleted { sequence: 2 });
/// # Ok::<(), stage1_memtable::Error>(())
/// ```
#[derive(Default)]
pub struct MemTable {
    entries: SkipMap<Stored, ()>,
    /// Which keys are not there.
    sieve: Sieve,
    /// Held by the writer while it stores and counts.
    arena: Mutex<Arena>,
    /// What the entries occupy, for the decision to rotate. This, what is below, and the
    /// sieve are changed by the holder of the arena only.
    bytes: AtomicUsize,
    /// The highest sequence that an insert has begun with; 0 while empty.
    last_sequence: AtomicU64,
}

impl MemTable {
    /// An empty memtable.
    pub fn new() -> MemTable {
        MemTable::default()
    }

    /// An empty memtable that will grow to about `bytes`, and be asked for many keys that
    /// it does not hold: it answers most of them without a search.
    pub fn for_bytes(bytes: usize) -> MemTable {
        MemTable { sieve: Sieve::for_bytes(bytes), ..MemTable::default() }
    }

    /// Inserts one entry. About 0.5 µs in a table of 8 MiB; grows with the
    /// logarithm of the count, by the cache misses of the search.
    ///
    /// The caller gives each sequence once (INV-KEY-2) and has checked the
    /// limits of key and value.
    pub fn insert(&self, sequence: Sequence, kind: Kind, user_key: &[u8], value: &[u8]) {
        let entry = self.store(sequence, user_key, value);
        let key = Stored(MemKey::new(sequence, kind, user_key, entry));
        debug_assert!(!self.entries.contains_key(&key), "INV-MEM-1: {:?} inserted twice", key.0.internal());
        self.entries.insert(key, ());
    }

    /// Gives an entry its place, and counts it.
    fn store(&self, sequence: Sequence, user_key: &[u8], value: &[u8]) -> Bytes {
        let hash = hash_key(user_key);
        let mut arena = self.arena.lock();
        self.sieve.add(hash);
        let bytes = self.size_bytes() + user_key.len() + value.len() + NODE_BYTES;
        self.bytes.store(bytes, Memory::Relaxed);
        self.last_sequence.store(self.last_sequence().max(sequence), Memory::Relaxed);
        arena.store(user_key, value)
    }

    /// How many entries it holds, every version counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how much memory it occupies, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.load(Memory::Relaxed)
    }

    /// The highest sequence that an insert has begun with; 0 while empty. It runs ahead: its
    /// entry may not be linked yet.
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence.load(Memory::Relaxed)
    }

    /// A cursor that keeps the memtable alive; it stands on no entry yet.
    pub fn cursor(self: &Arc<MemTable>) -> MemTableCursor {
        MemTableCursor { position: Position::new(Arc::clone(self), |_| None) }
    }
}

impl Lookup for MemTable {
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
        observer.observe(|| Touch::Memtable { entries: self.len() });
        if !self.sieve.may_contain(key.hash) {
            return Ok(Answer::Absent);
        }
        let sought = MemKey::sought(key.key, key.heads);
        let Some(found) = self.entries.lower_bound(Bound::Included(&sought)) else {
            return Ok(Answer::Absent);
        };
        let found = &found.key().0;
        if found.user_key() != key.key.user_key {
            return Ok(Answer::Absent);
        }
        Ok(match found.kind() {
            Kind::Value => Answer::Value { value: found.value_owned(), sequence: found.sequence() },
            Kind::Deletion => Answer::Deleted { sequence: found.sequence() },
        })
    }
}

impl fmt::Debug for MemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemTable").field("entries", &self.len()).field("bytes", &self.size_bytes()).finish()
    }
}

/// An entry as the skip list holds it: as large as a cache line. Or a position to search for,
/// which borrows its key from whoever searches.
struct MemKey<'a> {
    heads: KeyHeads,
    /// Sequence in the upper 56 bits, kind in the lowest 8.
    sequence_and_kind: u64,
    key_bytes: u32,
    entry: Entry<'a>,
}

/// The user key and, in the memtable, behind it the value.
enum Entry<'a> {
    Stored(Bytes),
    Sought(&'a [u8]),
}

impl Deref for Entry<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Entry::Stored(bytes) => bytes,
            Entry::Sought(user_key) => user_key,
        }
    }
}

impl MemKey<'static> {
    fn new(sequence: Sequence, kind: Kind, user_key: &[u8], entry: Bytes) -> MemKey<'static> {
        MemKey {
            heads: KeyHeads::of(user_key),
            sequence_and_kind: sequence << 8 | u64::from(kind.as_byte()),
            key_bytes: user_key.len() as u32,
            entry: Entry::Stored(entry),
        }
    }
}

impl<'a> MemKey<'a> {
    fn sought(key: InternalKey<'a>, heads: KeyHeads) -> MemKey<'a> {
        MemKey {
            heads,
            sequence_and_kind: key.sequence << 8,
            key_bytes: key.user_key.len() as u32,
            entry: Entry::Sought(key.user_key),
        }
    }
}

impl MemKey<'_> {
    fn sequence(&self) -> Sequence {
        self.sequence_and_kind >> 8
    }

    fn kind(&self) -> Kind {
        if self.sequence_and_kind as u8 == Kind::Value.as_byte() { Kind::Value } else { Kind::Deletion }
    }

    fn user_key(&self) -> &[u8] {
        &self.entry[..self.key_bytes as usize]
    }

    fn value(&self) -> &[u8] {
        &self.entry[self.key_bytes as usize..]
    }

    fn value_owned(&self) -> Bytes {
        match &self.entry {
            Entry::Stored(bytes) => bytes.slice(self.key_bytes as usize..),
            Entry::Sought(_) => Bytes::new(),
        }
    }

    fn internal(&self) -> InternalKey<'_> {
        InternalKey::new(self.user_key(), self.sequence())
    }

    /// The order of user keys whose heads are equal. A key that its heads hold
    /// whole is then a prefix of the other, up to the padding's zeros: the
    /// shorter one comes first.
    fn compare_behind_heads(&self, other: &MemKey<'_>) -> Ordering {
        let heads = KeyHeads::BYTES;
        let (left, right) = (self.key_bytes as usize, other.key_bytes as usize);
        if left <= heads || right <= heads {
            return left.cmp(&right);
        }
        compare_user_keys(&self.entry[heads..left], &other.entry[heads..right])
    }
}

impl Ord for MemKey<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.heads
            .cmp(&other.heads)
            .then_with(|| self.compare_behind_heads(other))
            .then_with(|| other.sequence().cmp(&self.sequence()))
    }
}

impl PartialOrd for MemKey<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for MemKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for MemKey<'_> {}

/// A key that is in the memtable. The skip list searches for whatever this can be
/// lent as, and so for a key that borrows: a lookup allocates nothing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Stored(MemKey<'static>);

impl<'a> Borrow<MemKey<'a>> for Stored {
    #[inline]
    fn borrow(&self) -> &MemKey<'a> {
        &self.0
    }
}

type Node<'a> = Option<map::Entry<'a, Stored, ()>>;

self_cell!(
    /// A node together with the memtable that it points into.
    struct Position {
        owner: Arc<MemTable>,
        #[covariant]
        dependent: Node,
    }
);

/// A cursor over a memtable. It keeps the memtable alive, and sees entries that
/// are inserted while it moves; whoever wants a fixed view skips those above its
/// sequence.
pub struct MemTableCursor {
    position: Position,
}

impl MemTableCursor {
    fn entry(&self) -> &MemKey<'static> {
        &self.position.borrow_dependent().as_ref().expect("the caller checked is_valid()").key().0
    }
}

impl Cursor for MemTableCursor {
    fn seek_to_first(&mut self) {
        self.position.with_dependent_mut(|memtable, node| *node = memtable.entries.front());
    }

    fn seek_to_last(&mut self) {
        self.position.with_dependent_mut(|memtable, node| *node = memtable.entries.back());
    }

    fn seek(&mut self, target: InternalKey<'_>) {
        let sought = MemKey::sought(target, KeyHeads::of(target.user_key));
        self.position.with_dependent_mut(|memtable, node| {
            *node = memtable.entries.lower_bound(Bound::Included(&sought));
        });
    }

    /// In one search: between a seek and a step back, a writer may put an entry
    /// at or behind the target, and the step would land on it.
    fn seek_before(&mut self, target: InternalKey<'_>) {
        let sought = MemKey::sought(target, KeyHeads::of(target.user_key));
        self.position.with_dependent_mut(|memtable, node| {
            *node = memtable.entries.upper_bound(Bound::Excluded(&sought));
        });
    }

    fn next(&mut self) {
        self.position.with_dependent_mut(|_, node| *node = node.as_ref().and_then(map::Entry::next));
    }

    fn prev(&mut self) {
        self.position.with_dependent_mut(|_, node| *node = node.as_ref().and_then(map::Entry::prev));
    }

    fn is_valid(&self) -> bool {
        self.position.borrow_dependent().is_some()
    }

    fn key(&self) -> InternalKey<'_> {
        self.entry().internal()
    }

    fn kind(&self) -> Kind {
        self.entry().kind()
    }

    fn value(&self) -> &[u8] {
        self.entry().value()
    }

    fn value_owned(&self) -> Bytes {
        self.entry().value_owned()
    }

    fn status(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemTableCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key =
            self.position.borrow_dependent().as_ref().map(|node| format!("{:?}", node.key().0.internal()));
        f.debug_struct("MemTableCursor").field("key", &key).finish()
    }
}
