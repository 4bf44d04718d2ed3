//! The scan path: many keys, in order, in both directions.
//!
//! ```text
//!   memtable  immutables  level-0 files  one concat cursor a level
//!        └────────┴─────────────┴──────────────┘
//!                     MergingCursor          every version of every key
//!                          │
//!                      DbCursor              each live key once, as of a sequence
//!                          │
//!                 Range (`range.rs`)         a stretch of keys, from both ends
//! ```
//!
//! **INV-SCAN-1** One rule stands on top of the merge: nothing newer than the
//! sequence, each user key once, no deletions. The newest version at or below
//! the sequence decides about its key.
//!
//! A key with very many versions, or a long run of deletions, must not make a
//! scan crawl: after a few steps over versions that nobody asked for, the cursor
//! advances past them, in the sources that stand on them.
//!
//! Most keys have one version, and a step to one of them is told from all others by
//! what is at hand. Going forward, the heads of the key that was decided last
//! (`PassedKey`) differ from those of the next: a key of up to 16 bytes is neither
//! copied nor compared. Going backward, the versions of a key come oldest first, and
//! only what lies before an entry says whether a newer one hides it. Where its source
//! knows that without a move
//! ([`is_surely_newest`](stage5_compaction::memtable::cursor::Cursor::is_surely_newest)),
//! the cursor stays and lends the entry. Elsewhere it goes on to the end of the versions,
//! keeps a copy of the key, and takes a share of the value. A step backward takes 439
//! instructions instead of 804 over one run, and half the time.

use std::sync::Arc;

use bytes::Bytes;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::key::{InternalKey, KeyHeads, Kind, Sequence};
use stage5_compaction::merge::{MergingCursor, Standing};
use stage5_compaction::source::SourceCursor;

use crate::engine::Handle;
use crate::entry::Value;
use crate::error::{Error, Result};
use crate::state::State;

/// Of so many entries in a row that do not count, the last is left by a seek, which is
/// cheaper than more steps.
const STEPS_BEFORE_SEEK: usize = 8;

/// A cursor over the live keys of a database, as of one moment.
///
/// It owns what it needs: the database stays open and its files stay there until
/// the cursor is dropped. [`key`](DbCursor::key) and [`value`](DbCursor::value)
/// may only be called while [`is_valid`](DbCursor::is_valid).
///
/// ```
/// use stage6_engine::{Db, Read};
///
/// let db = Db::builder().open_in_memory()?;
/// db.put("fig", "green")?;
/// db.put("kiwi", "brown")?;
/// let mut cursor = db.cursor();
/// cursor.seek("g");
/// while cursor.is_valid() {
///     println!("{:?} is {:?}", cursor.key(), cursor.value());
///     cursor.next();
/// }
/// cursor.status()?;
/// # Ok::<(), stage6_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct DbCursor {
    merged: MergingCursor<SourceCursor>,
    /// Pins the memtables and files that `merged` reads.
    state: Arc<State>,
    sequence: Sequence,
    place: Place,
    /// Forward: the last key that was decided.
    passed: PassedKey,
    /// The current key where it was kept; elsewhere what a seek needs a copy of.
    key: Vec<u8>,
    /// The current value where it was kept.
    value: Bytes,
    failure: Option<Error>,
    /// How often it had to look into every run: paid for when it is dropped.
    seeks: u64,
    /// Dropped last, when all that it pinned is let go: whoever closes or removes then
    /// finds the files free.
    reader: Reader,
}

/// Keeps the database open, and says when a reader has ended.
#[derive(Debug, Clone)]
struct Reader(Arc<Handle>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.engine.wake_to_remove();
    }
}

/// A scan pays when it ends: one that goes on reads the runs that it has, merged or not.
impl Drop for DbCursor {
    fn drop(&mut self) {
        self.reader.0.engine.pay_toll(&self.state, self.seeks);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On no entry.
    Nowhere,
    /// `merged` stands on the current entry, and what lies behind comes next.
    Forward,
    /// `merged` stands on the current entry, and what lies before is of other keys.
    Backward,
    /// `merged` stands before all versions of the current key, which was kept.
    Kept,
}

/// A key that a cursor has passed. What its heads do not hold of it is kept apart.
#[derive(Debug, Default)]
struct PassedKey {
    heads: KeyHeads,
    key_bytes: usize,
    rest: Vec<u8>,
}

impl PassedKey {
    /// Takes the key on which `merged` stands.
    #[inline]
    fn note<C: Cursor>(&mut self, merged: &MergingCursor<C>) {
        let Some(head) = merged.head() else { return };
        (self.heads, self.key_bytes) = (head.heads, head.key_bytes);
        if self.key_bytes > KeyHeads::BYTES {
            self.note_rest(merged);
        }
    }

    #[cold]
    fn note_rest<C: Cursor>(&mut self, merged: &MergingCursor<C>) {
        self.rest.clear();
        self.rest.extend_from_slice(&merged.key().user_key[KeyHeads::BYTES..]);
    }

    /// Whether `merged` still stands on it; `head` is its head.
    #[inline]
    fn is_under<C: Cursor>(&self, merged: &MergingCursor<C>, head: &Standing) -> bool {
        self.heads == head.heads && self.key_bytes == head.key_bytes && self.has_rest_under(merged)
    }

    #[cold]
    fn has_rest_under<C: Cursor>(&self, merged: &MergingCursor<C>) -> bool {
        self.key_bytes <= KeyHeads::BYTES || merged.key().user_key[KeyHeads::BYTES..] == self.rest
    }
}

impl DbCursor {
    pub(crate) fn new(handle: &Arc<Handle>, sequence: Option<Sequence>) -> DbCursor {
        let engine = &handle.engine;
        let state = engine.published.load_full();
        let sequence = sequence.unwrap_or_else(|| engine.snapshots.visible());
        DbCursor::over(Reader(Arc::clone(handle)), state, sequence, engine.check_open().err())
    }

    /// Another cursor over the same state at the same sequence.
    pub(crate) fn same_moment(&self) -> DbCursor {
        DbCursor::over(self.reader.clone(), Arc::clone(&self.state), self.sequence, self.failure.clone())
    }

    fn over(reader: Reader, state: Arc<State>, sequence: Sequence, failure: Option<Error>) -> DbCursor {
        let (cursors, failure) = match failure.map_or_else(|| state.cursors().map_err(Error::from), Err) {
            Ok(cursors) => (cursors, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        DbCursor {
            merged: MergingCursor::new(cursors),
            state,
            sequence,
            place: Place::Nowhere,
            passed: PassedKey::default(),
            key: Vec::new(),
            value: Bytes::new(),
            failure,
            seeks: 0,
            reader,
        }
    }

    /// Ends the cursor with this error, if none came before.
    #[cold]
    pub(crate) fn fail(&mut self, failure: Error) {
        self.failure.get_or_insert(failure);
        self.place = Place::Nowhere;
    }

    /// Moves to the first key.
    pub fn seek_to_first(&mut self) {
        if self.may_move() {
            self.seeks += 1;
            self.merged.seek_to_first();
            self.settle_forward(false);
        }
    }

    /// Moves to the last key.
    pub fn seek_to_last(&mut self) {
        if self.may_move() {
            self.seeks += 1;
            self.merged.seek_to_last();
            self.settle_backward();
        }
    }

    /// Moves to the first key at or behind `key`.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        if self.may_move() {
            self.seeks += 1;
            self.merged.seek(InternalKey::before_all(key.as_ref()));
            self.settle_forward(false);
        }
    }

    /// Moves to the last key before `key`.
    pub fn seek_before(&mut self, key: impl AsRef<[u8]>) {
        if self.may_move() {
            self.seeks += 1;
            self.merged.seek_before(InternalKey::before_all(key.as_ref()));
            self.settle_backward();
        }
    }

    /// Moves one key forward.
    pub fn next(&mut self) {
        if !self.may_move() {
            return;
        }
        match self.place {
            Place::Nowhere => {}
            Place::Forward | Place::Backward => {
                self.passed.note(&self.merged);
                self.merged.next();
                self.settle_forward(true);
            }
            Place::Kept => {
                self.merged.seek(InternalKey::after_all(&self.key));
                self.settle_forward(false);
            }
        }
    }

    /// Moves one key backward.
    pub fn prev(&mut self) {
        if !self.may_move() {
            return;
        }
        match self.place {
            Place::Nowhere => {}
            Place::Forward => {
                self.keep_key();
                self.merged.seek_before(InternalKey::before_all(&self.key));
                self.settle_backward();
            }
            Place::Backward => {
                self.merged.prev();
                self.settle_backward();
            }
            Place::Kept => self.settle_backward(),
        }
    }

    /// Whether it stands on a key.
    #[inline]
    pub fn is_valid(&self) -> bool {
        self.place != Place::Nowhere
    }

    /// The current key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        match self.place {
            Place::Kept => &self.key,
            _ => self.merged.key().user_key,
        }
    }

    /// The current value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        match self.place {
            Place::Kept => &self.value,
            _ => self.merged.value(),
        }
    }

    /// The current value, to keep: it shares the memory of its block, and of the blocks that
    /// were read with it, up to 64 KiB.
    pub fn value_owned(&self) -> Value {
        Value::from(match self.place {
            Place::Kept => self.value.clone(),
            _ => self.merged.value_owned(),
        })
    }

    /// The error that ended this cursor, if one did. Asked when
    /// [`is_valid`](DbCursor::is_valid) is false: the end, or a failure?
    ///
    /// # Errors
    /// [`Error::Storage`] when a table could not be read; [`Error::Closed`].
    pub fn status(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Fails once the database was closed; after a failure nothing moves.
    #[inline]
    fn may_move(&mut self) -> bool {
        let may_move = self.failure.is_none() && self.reader.0.engine.is_open();
        if !may_move {
            self.fail(Error::Closed);
        }
        may_move
    }

    fn keep_key(&mut self) {
        self.key.clear();
        self.key.extend_from_slice(self.merged.key().user_key);
    }

    /// Goes forward to the first entry that decides about its key by a value. If
    /// `is_decided`, the rest of the passed key's versions does not count.
    #[inline]
    fn settle_forward(&mut self, is_decided: bool) {
        match self.merged.head() {
            Some(head) if self.is_hit(head, is_decided) => self.place = Place::Forward,
            _ => self.search_forward(is_decided),
        }
    }

    /// Whether the entry under `merged`, of which `head` is the head, is a key's newest
    /// version that counts, and a value: most entries are.
    #[inline]
    fn is_hit(&self, head: &Standing, is_decided: bool) -> bool {
        let is_same_key = is_decided && self.passed.is_under(&self.merged, head);
        !is_same_key && head.sequence <= self.sequence && head.kind == Kind::Value
    }

    /// Goes on over what does not count.
    fn search_forward(&mut self, mut is_decided: bool) {
        let mut steps = 0;
        while let Some(head) = self.merged.head() {
            let is_same_key = is_decided && self.passed.is_under(&self.merged, head);
            let is_too_new = head.sequence > self.sequence;
            if !is_same_key && !is_too_new {
                if head.kind == Kind::Value {
                    self.place = Place::Forward;
                    return;
                }
                self.passed.note(&self.merged);
                is_decided = true;
                steps = 0;
            }
            steps += 1;
            if steps < STEPS_BEFORE_SEEK {
                self.merged.next();
            } else {
                self.leave_versions(is_same_key);
                steps = 0;
            }
        }
        self.end();
    }

    /// Leaves the versions that do not count: all of a decided key, or those of
    /// the current one that are too new.
    #[cold]
    fn leave_versions(&mut self, is_decided: bool) {
        self.keep_key();
        let target = if is_decided { 0 } else { self.sequence };
        self.merged.advance_to(InternalKey::new(&self.key, target));
    }

    /// Goes backward to the first key whose newest version that counts is a value.
    #[inline]
    fn settle_backward(&mut self) {
        while let Some(head) = self.merged.head() {
            if head.sequence > self.sequence || !self.merged.is_surely_newest() {
                return self.search_backward();
            }
            if head.kind == Kind::Value {
                self.place = Place::Backward;
                return;
            }
            self.merged.prev();
        }
        self.end();
    }

    /// The same over all versions of a key, which come oldest first.
    fn search_backward(&mut self) {
        while self.merged.is_valid() {
            self.keep_key();
            let newest = self.newest_of_key();
            if self.merged.status().is_err() {
                // The source that failed may have held a newer version.
                break;
            }
            if let Some((Kind::Value, value)) = newest {
                self.value = value;
                self.place = Place::Kept;
                return;
            }
        }
        self.end();
    }

    /// The newest version of `self.key` that counts. Leaves `merged` before all
    /// of its versions.
    fn newest_of_key(&mut self) -> Option<(Kind, Bytes)> {
        let mut newest = None;
        for _ in 0..STEPS_BEFORE_SEEK {
            if !self.merged.is_valid() || self.merged.key().user_key != self.key {
                return newest;
            }
            if self.merged.key().sequence <= self.sequence {
                newest = Some((self.merged.kind(), self.merged.value_owned()));
            }
            self.merged.prev();
        }
        self.merged.seek(InternalKey::new(&self.key, self.sequence));
        let is_there = self.merged.is_valid() && self.merged.key().user_key == self.key;
        let newest = is_there.then(|| (self.merged.kind(), self.merged.value_owned()));
        self.merged.seek_before(InternalKey::before_all(&self.key));
        newest
    }

    fn end(&mut self) {
        self.place = Place::Nowhere;
        self.failure = self.merged.status().err().map(Error::from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn seeking_past_versions_that_are_too_new_decides_nothing_about_their_key() -> Result<()> {
        use crate::{Db, Read};
        let db = Db::builder().open_in_memory()?;
        db.delete("a")?;
        db.put("b", "old")?;
        let before = db.snapshot()?;
        for _ in 0..3 * STEPS_BEFORE_SEEK {
            db.put("b", "new")?;
        }
        // The deletion of "a" was decided; then the cursor seeks inside "b".
        let seen: Result<Vec<_>> = before.range(..).collect();
        assert_eq!(seen?, [(Key::copy_of(b"b"), Value::from(Bytes::from("old")))]);
        Ok(())
    }

    /// What a cursor finds on its way, in the order of the keys.
    fn walk(read: &impl crate::Read, is_forward: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut cursor = read.cursor();
        let mut found = Vec::new();
        match is_forward {
            true => cursor.seek_to_first(),
            false => cursor.seek_to_last(),
        }
        while cursor.is_valid() {
            found.push((cursor.key().to_vec(), cursor.value().to_vec()));
            match is_forward {
                true => cursor.next(),
                false => cursor.prev(),
            }
        }
        assert!(cursor.status().is_ok());
        if !is_forward {
            found.reverse();
        }
        found
    }

    #[test]
    fn the_walk_back_finds_what_the_walk_forward_finds_at_every_moment() -> Result<()> {
        use crate::{Db, Read};
        use std::collections::BTreeMap;
        let db = Db::builder().open_in_memory()?;
        let keys = (0..120).flat_map(|n| [format!("{n:03}"), format!("sixteen bytes and then {n:03}")]);
        let (keys, mut model) = (keys.collect::<Vec<_>>(), BTreeMap::new());
        let mut moments = Vec::new();
        // Two moments lie in each table and two in the memtable. Three keys of four are
        // written in one of these alone, many twice; the others in all of them.
        for round in 0..6 {
            let is_written = |n: usize| n % 4 == 3 || n % 4 == round / 2;
            for (n, key) in keys.iter().enumerate().filter(|(n, _)| is_written(*n) && (n + round) % 3 > 0) {
                let value = format!("{n} {round}").into_bytes();
                if (n * 7 + round) % 5 == 0 {
                    db.delete(key)?;
                    model.remove(key.as_bytes());
                } else {
                    db.put(key, &value)?;
                    model.insert(key.as_bytes().to_vec(), value);
                }
            }
            moments.push((db.snapshot()?, model.clone()));
            if round % 2 == 1 && round < 5 {
                db.flush()?;
            }
        }
        for (snapshot, model) in moments {
            let model = model.into_iter().collect::<Vec<_>>();
            assert_eq!(walk(&snapshot, true), model);
            assert_eq!(walk(&snapshot, false), model);
            let mut cursor = snapshot.cursor();
            cursor.seek_to_last();
            for (place, (key, _)) in model.iter().enumerate().rev() {
                assert_eq!(cursor.key(), key);
                cursor.next();
                let behind = model.get(place + 1).map(|(key, _)| &key[..]);
                assert_eq!(cursor.is_valid().then(|| cursor.key()), behind);
                match behind {
                    Some(_) => cursor.prev(),
                    None => cursor.seek_to_last(),
                }
                assert_eq!(cursor.key(), key);
                cursor.prev();
            }
            assert!(!cursor.is_valid());
        }
        Ok(())
    }

    #[test]
    fn long_keys_that_begin_alike_are_told_apart_and_their_versions_are_not() -> Result<()> {
        use crate::{Db, Read};
        let db = Db::builder().open_in_memory()?;
        let keys = ["sixteen bytes of", "sixteen bytes of a", "sixteen bytes of b", "sixteen bytes of b\0"];
        for _ in 0..3 {
            keys.iter().try_for_each(|key| db.put(key, "old").map(drop))?;
        }
        for _ in 0..3 * STEPS_BEFORE_SEEK {
            db.put(keys[2], "new")?;
        }
        let seen: Result<Vec<_>> = db.range(..).map(|entry| entry.map(|(key, _)| key)).collect();
        assert_eq!(seen?, keys);
        Ok(())
    }
}
