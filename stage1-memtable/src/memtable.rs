//! The memtable: entries in the one order, in memory.
//!
//! ```text
//!   insert(fig, 9, green) ──▶ sieve: the bits of fig
//!                             arena: │ … kiwi brown │ fig green │
//!                                          ▲            ▲
//!                             skip list: (kiwi,8)    (fig,9) ──▶ linked
//!                             shortcut: the slot of fig leads to (fig,9)
//! ```
//!
//! **INV-MEM-1** An entry, once inserted, is never changed or removed: the key
//! is unique by its sequence.
//!
//! **INV-MEM-2** One writer at a time, any number of readers beside it, no lock
//! between them. A reader who knows a sequence that was published after its
//! insert finds that entry.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::arena::Arena;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::hash_key;
use crate::key::{InternalKey, KeyHeads, Kind, Sequence};
use crate::lookup::{Answer, Lookup, LookupKey, Observer, Touch};
use crate::position::Position;
use crate::shortcut::Shortcut;
use crate::sieve::Sieve;
use crate::skiplist::{ENTRY_BYTES, Entry, Finger, NodeNumber, SkipList};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What an entry costs beside its key and its value: its place in the list, its slot in the
/// shortcut, and what the arena leaves unused at the ends of chunks.
const OVERHEAD_BYTES: usize = ENTRY_BYTES + 10;

/// A key and a value of so many bytes are expected.
const EXPECTED_BYTES: usize = 120;

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
    /// Made with the first insert: an empty memtable takes no room for entries.
    entries: OnceLock<SkipList>,
    /// How many entries it makes room for.
    expected: usize,
    /// Which keys are not there.
    sieve: Sieve,
    /// Where most of those are that are there.
    shortcut: Shortcut,
    /// Its holder alone changes anything here.
    writer: Mutex<Writer>,
    /// What the entries occupy, for the decision to rotate.
    bytes: AtomicUsize,
    /// The highest sequence that an insert has begun with; 0 while empty.
    last_sequence: AtomicU64,
}

/// What only the writer needs.
#[derive(Debug, Default)]
struct Writer {
    arena: Arena,
    finger: Finger,
}

impl MemTable {
    /// An empty memtable.
    pub fn new() -> MemTable {
        MemTable::default()
    }

    /// An empty memtable that will grow to about `bytes`, and be asked for many keys that
    /// it does not hold: it answers most of them without a search.
    pub fn for_bytes(bytes: usize) -> MemTable {
        MemTable::for_entries_of(EXPECTED_BYTES + OVERHEAD_BYTES, bytes)
    }

    /// The same for what follows this memtable: entries as large as its own are expected.
    /// Room for many small ones would be in vain where 8 MiB take a few thousand large ones.
    pub fn next_for_bytes(&self, bytes: usize) -> MemTable {
        match self.size_bytes().checked_div(self.len()) {
            Some(entry_bytes) => MemTable::for_entries_of(entry_bytes, bytes),
            None => MemTable::for_bytes(bytes),
        }
    }

    fn for_entries_of(entry_bytes: usize, bytes: usize) -> MemTable {
        let expected = bytes / entry_bytes.max(OVERHEAD_BYTES);
        let (sieve, shortcut) = (Sieve::for_bytes(bytes), Shortcut::for_count(expected));
        MemTable { expected, sieve, shortcut, ..MemTable::default() }
    }

    /// Inserts one entry. In a table of 8 MiB about 0.25 µs, or 0.06 where keys ascend;
    /// grows with the logarithm of the count, by the cache misses of the search.
    ///
    /// The caller gives each sequence once (INV-KEY-2) and has checked the
    /// limits of key and value.
    pub fn insert(&self, sequence: Sequence, kind: Kind, user_key: &[u8], value: &[u8]) {
        let hash = hash_key(user_key);
        let position = Position::of(InternalKey::new(user_key, sequence), kind);
        let mut writer = self.writer.lock();
        let Writer { arena, finger } = &mut *writer;
        let is_newest = sequence > self.last_sequence();
        self.sieve.add(hash);
        self.count(sequence, user_key.len() + value.len() + OVERHEAD_BYTES);
        let entries = self.entries.get_or_init(|| SkipList::for_count(self.expected));
        let node = entries.insert(finger, &position, arena.store(user_key, value));
        self.shortcut.lead(hash, is_newest.then_some(node));
    }

    fn count(&self, sequence: Sequence, bytes: usize) {
        self.bytes.store(self.size_bytes() + bytes, Ordering::Relaxed);
        self.last_sequence.store(self.last_sequence().max(sequence), Ordering::Relaxed);
    }

    /// The newest version of the key at or below its sequence.
    #[inline]
    fn newest(&self, key: &LookupKey<'_>) -> Option<Entry<'_>> {
        let entries = self.entries.get()?;
        let sought = Position::sought(key.key, key.heads);
        let is_of_key = |entry: &Entry<'_>| entry.is_of(&sought);
        let is_not_above = |entry: &Entry<'_>| entry.sequence() <= key.key.sequence;
        let in_slot = self.shortcut.follow(key.hash).map(|node| entries.entry(node));
        in_slot.filter(is_not_above).filter(is_of_key).or_else(|| {
            let found = entries.at_or_behind(&sought)?;
            Some(entries.entry(found)).filter(is_of_key)
        })
    }

    /// How many entries it holds, every version counted.
    pub fn len(&self) -> usize {
        self.entries.get().map_or(0, SkipList::len)
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how much memory it occupies, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The highest sequence that an insert has begun with; 0 while empty. It runs ahead: its
    /// entry may not be linked yet.
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence.load(Ordering::Relaxed)
    }

    /// A cursor that keeps the memtable alive; it stands on no entry yet.
    pub fn cursor(self: &Arc<MemTable>) -> MemTableCursor {
        MemTableCursor { memtable: Arc::clone(self), at: None }
    }
}

impl Lookup for MemTable {
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
        observer.observe(|| Touch::Memtable { entries: self.len() });
        if !self.sieve.may_contain(key.hash) {
            return Ok(Answer::Absent);
        }
        let Some(found) = self.newest(key) else {
            return Ok(Answer::Absent);
        };
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

/// A cursor over a memtable. It keeps the memtable alive, and sees entries that
/// are inserted while it moves; whoever wants a fixed view skips those above its
/// sequence.
pub struct MemTableCursor {
    memtable: Arc<MemTable>,
    at: Option<NodeNumber>,
}

impl MemTableCursor {
    #[inline]
    fn entries(&self) -> Option<&SkipList> {
        self.memtable.entries.get()
    }

    #[inline]
    fn entry_if_any(&self) -> Option<Entry<'_>> {
        Some(self.entries()?.entry(self.at?))
    }

    #[inline]
    fn entry(&self) -> Entry<'_> {
        self.entry_if_any().expect("the caller checked is_valid()")
    }
}

impl Cursor for MemTableCursor {
    fn seek_to_first(&mut self) {
        self.at = self.entries().and_then(SkipList::first);
    }

    fn seek_to_last(&mut self) {
        self.at = self.entries().and_then(SkipList::last);
    }

    fn seek(&mut self, target: InternalKey<'_>) {
        let target = Position::sought(target, KeyHeads::of(target.user_key));
        self.at = self.entries().and_then(|entries| entries.at_or_behind(&target));
    }

    /// In one search: between a seek and a step back, a writer may put an entry
    /// at or behind the target, and the step would land on it.
    fn seek_before(&mut self, target: InternalKey<'_>) {
        let target = Position::sought(target, KeyHeads::of(target.user_key));
        self.at = self.entries().and_then(|entries| entries.before(&target));
    }

    fn next(&mut self) {
        self.at = self.at.and_then(|at| self.entries()?.next(at));
    }

    fn prev(&mut self) {
        self.at = self.at.and_then(|at| self.entries()?.prev(at));
    }

    fn is_valid(&self) -> bool {
        self.at.is_some()
    }

    fn key(&self) -> InternalKey<'_> {
        self.entry().key()
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
        let key = self.entry_if_any().map(|entry| entry.key());
        f.debug_struct("MemTableCursor").field("key", &key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memtable_makes_room_for_as_many_entries_as_the_one_before_it_held_in_as_many_bytes() {
        const BYTES: usize = 1 << 20;
        let expected_behind = |value_bytes: usize| {
            let memtable = MemTable::for_bytes(BYTES);
            for sequence in 1..=100 {
                memtable.insert(sequence, Kind::Value, &sequence.to_be_bytes(), &vec![0; value_bytes]);
            }
            memtable.next_for_bytes(BYTES).expected
        };
        let for_large = expected_behind(10_000);
        assert!((100..110).contains(&for_large), "{for_large} of 10 KB in a mebibyte");
        assert!(expected_behind(0) > 90 * for_large, "deletions and empty values are many");
        let unused = MemTable::for_bytes(BYTES).next_for_bytes(BYTES).expected;
        assert_eq!(unused, MemTable::for_bytes(BYTES).expected);
    }
}
