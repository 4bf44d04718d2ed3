//! Writes that happen together or not at all.
//!
//! ```text
//!   batch := first sequence varint · count varint · entry*
//!   entry := kind u8 · keyspace varint (0) · length varint, key
//!            · length varint, value                  (a deletion's value is empty)
//! ```
//!
//! A batch is the payload of one record of the journal. Its entries take the
//! sequences `first, first + 1, …`, one each.
//!
//! A batch that is being written also keeps where each entry lies: to decode again what
//! was encoded a moment before was a tenth of what a put executes.
//!
//! **INV-BATCH-1** A batch is one record and one range of sequences. So it is
//! replayed whole or not at all, and becomes visible in one step.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::{Kind, MAX_KEY_BYTES, MAX_SEQUENCE, MAX_VALUE_BYTES, Sequence, check_limits};

use crate::coding::{Decoder, MAX_VARINT_BYTES, Malformed, put_prefixed, put_varint, varint};
use crate::layout::Field;

/// The keyspace of every entry of this version.
const KEYSPACE: u64 = 0;

/// The most that an entry takes beside its key and its value: the kind, the keyspace,
/// and two lengths, of which a key's has three bytes and a value's five.
const ENTRY_BYTES: usize = 1 + 1 + 3 + 5;

/// Who puts a second entry into a batch will put more: room for so many bytes, and so many
/// entries, is made at once. To grow from one by doubling took 15 ns an entry.
const ROOM_BYTES: usize = 8 << 10;
const ROOM_ENTRIES: usize = 64;

/// Writes to be applied together, in their order.
///
/// ```
/// use stage2_wal::batch::WriteBatch;
///
/// let mut batch = WriteBatch::new();
/// batch.put(b"alice", b"70").put(b"bob", b"130").delete(b"pending");
/// assert_eq!(batch.len(), 3);
/// ```
#[derive(Debug, Clone, Default)]
pub struct WriteBatch {
    /// The entries, encoded.
    entries: Vec<u8>,
    /// Where each of them lies in `entries`.
    places: Vec<Place>,
    /// The first entry beyond a limit. It makes the whole batch invalid.
    invalid: Option<Error>,
}

/// Where an entry lies in its batch. Its value ends it.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: Kind,
    key_begin: usize,
    key_bytes: usize,
    value_begin: usize,
    end: usize,
}

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> WriteBatch {
        WriteBatch::default()
    }

    /// Gives `key` a value. A key or value beyond its limit makes the batch
    /// invalid: writing it will fail, and nothing of it will be written.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut WriteBatch {
        self.add(Kind::Value, key.as_ref(), value.as_ref())
    }

    /// Deletes `key`, whether or not it exists. A key beyond its limit makes the
    /// batch invalid, as with [`put`](WriteBatch::put).
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> &mut WriteBatch {
        self.add(Kind::Deletion, key.as_ref(), b"")
    }

    /// Forgets all entries, and keeps the memory for the next.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
        self.invalid = None;
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many bytes its entries take in the journal.
    pub fn size_bytes(&self) -> usize {
        self.entries.len()
    }

    /// Errs if an entry is beyond a limit of the format.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for the first such entry.
    pub fn check(&self) -> Result<()> {
        self.invalid.as_ref().map_or(Ok(()), |invalid| Err(invalid.clone()))
    }

    /// The entries as they will stand behind [`head`], for a writer that lays
    /// both down in one record.
    pub fn body(&self) -> &[u8] {
        &self.entries
    }

    /// Calls `visit` with each entry, numbered from `first` on.
    pub fn for_each(&self, first: Sequence, mut visit: impl FnMut(Entry<'_>)) {
        for (place, sequence) in self.places.iter().zip(first..) {
            visit(place.entry(&self.entries, sequence));
        }
    }

    fn add(&mut self, kind: Kind, key: &[u8], value: &[u8]) -> &mut WriteBatch {
        if let Err(error) = check_limits(key, value) {
            self.invalid.get_or_insert(error);
            return self;
        }
        if self.places.len() == 1 {
            self.entries.reserve(ROOM_BYTES);
            self.places.reserve(ROOM_ENTRIES);
        }
        // At once, because an entry is short and growing by pieces takes longer than to lay
        // it down.
        self.entries.reserve(key.len().saturating_add(value.len()).saturating_add(ENTRY_BYTES));
        self.entries.push(kind.as_byte());
        put_varint(&mut self.entries, KEYSPACE);
        let (key_begin, key_bytes) = (put_prefixed(&mut self.entries, key), key.len());
        let value_begin = put_prefixed(&mut self.entries, value);
        self.places.push(Place { kind, key_begin, key_bytes, value_begin, end: self.entries.len() });
        self
    }
}

impl Place {
    #[inline]
    fn entry<'a>(&self, entries: &'a [u8], sequence: Sequence) -> Entry<'a> {
        let bytes = |begin, end| entries.get(begin..end).unwrap_or_default();
        let key = bytes(self.key_begin, self.key_begin.saturating_add(self.key_bytes));
        Entry { sequence, kind: self.kind, key, value: bytes(self.value_begin, self.end) }
    }
}

/// What stands before the entries of a batch.
pub fn head(first: Sequence, count: u64) -> Head {
    let mut head = Head { bytes: [0; 2 * MAX_VARINT_BYTES], length: 0 };
    head.put_varint(first);
    head.put_varint(count);
    head
}

/// See [`head`]. It is made for every write, and so without an allocation.
#[derive(Debug)]
pub struct Head {
    bytes: [u8; 2 * MAX_VARINT_BYTES],
    length: usize,
}

impl Head {
    /// The head as it stands in the record.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn put_varint(&mut self, value: u64) {
        for byte in varint(value) {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length = self.length.saturating_add(1);
            }
        }
    }
}

/// One write of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number.
    pub sequence: Sequence,
    /// Whether it puts or deletes.
    pub kind: Kind,
    /// The user key.
    pub key: &'a [u8],
    /// The value; empty for a deletion.
    pub value: &'a [u8],
}

/// A batch as it was read from a journal, checked from end to end.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Kept as it was read: to read what has just been checked a second time is a part of
    /// what a replay costs, and most batches have no other entry.
    first: Entry<'a>,
    count: u64,
    /// The other entries.
    others: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads a record's payload.
    ///
    /// # Errors
    /// [`Malformed`] for anything that the grammar does not allow.
    pub fn decode(payload: &'a [u8]) -> Result<Batch<'a>, Malformed> {
        Batch::read(&mut Decoder::new(payload))
    }

    /// The sequence of the first entry.
    pub fn first_sequence(&self) -> Sequence {
        self.first.sequence
    }

    /// The sequence of the last entry.
    pub fn last_sequence(&self) -> Sequence {
        self.first.sequence.saturating_add(self.count).saturating_sub(1)
    }

    /// The entries, in order.
    pub fn entries(&self) -> Entries<'a> {
        let decoder = Decoder::new(self.others);
        Entries { first: Some(self.first), decoder, next: self.first.sequence, left: self.count }
    }

    fn read(decoder: &mut Decoder<'a>) -> Result<Batch<'a>, Malformed> {
        let first = decoder.varint("first sequence")?;
        let count = decoder.varint("count")?;
        let last = first.checked_add(count).and_then(|end| end.checked_sub(1));
        if first == 0 || count == 0 || last.is_none_or(|last| last > MAX_SEQUENCE) {
            return Err(decoder.malformed(format!("a batch of {count} entries from sequence {first}")));
        }
        let (kind, key, value) = read_entry(decoder)?;
        let others = decoder.rest();
        for _ in 1..count {
            read_entry(decoder)?;
        }
        decoder.finish()?;
        Ok(Batch { first: Entry { sequence: first, kind, key, value }, count, others })
    }
}

/// The entries of a batch that was checked.
#[derive(Debug)]
pub struct Entries<'a> {
    first: Option<Entry<'a>>,
    /// Of the others.
    decoder: Decoder<'a>,
    next: Sequence,
    left: u64,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let sequence = self.next;
        self.next = self.next.saturating_add(1);
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let (kind, key, value) = read_entry(&mut self.decoder).ok()?;
        Some(Entry { sequence, kind, key, value })
    }
}

#[inline]
fn read_entry<'a>(decoder: &mut Decoder<'a>) -> Result<(Kind, &'a [u8], &'a [u8]), Malformed> {
    let kind = decoder.u8("kind")?;
    let Some(kind) = Kind::from_byte(kind) else {
        return Err(decoder.malformed(format!("entry kind {kind} is not known")));
    };
    decoder.explain(|| format!("{kind:?}"));
    let keyspace = decoder.varint("keyspace")?;
    if keyspace != KEYSPACE {
        return Err(decoder.malformed(format!("keyspace {keyspace} is not known")));
    }
    let key = decoder.prefixed("key")?;
    let value = decoder.prefixed("value")?;
    if key.len() > MAX_KEY_BYTES || value.len() > MAX_VALUE_BYTES {
        return Err(decoder.malformed("a key or value beyond its limit"));
    }
    if kind == Kind::Deletion && !value.is_empty() {
        return Err(decoder.malformed("a deletion with a value"));
    }
    Ok((kind, key, value))
}

/// The fields of a batch, up to its end or its first damage.
pub fn layout(payload: &[u8]) -> Vec<Field> {
    let mut decoder = Decoder::recording(payload);
    // Damage ends the fields; what they do not cover is shown as unclaimed.
    let _ = Batch::read(&mut decoder);
    decoder.into_fields()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(batch: &WriteBatch, first: Sequence) -> Vec<u8> {
        [head(first, batch.len() as u64).as_bytes(), batch.body()].concat()
    }

    #[test]
    fn entries_are_numbered_from_the_first_sequence_in_their_order() {
        let mut batch = WriteBatch::new();
        batch.put("a", "1").delete("b").put("", "");
        let bytes = encode(&batch, 7);
        let batch = Batch::decode(&bytes).unwrap();
        let seen: Vec<_> = batch.entries().map(|e| (e.sequence, e.kind, e.key, e.value)).collect();
        assert_eq!(
            seen,
            [
                (7, Kind::Value, &b"a"[..], &b"1"[..]),
                (8, Kind::Deletion, b"b", b""),
                (9, Kind::Value, b"", b"")
            ]
        );
        assert_eq!(batch.last_sequence(), 9);
    }

    #[test]
    fn a_batch_is_applied_as_it_will_be_replayed() {
        let mut batch = WriteBatch::new();
        batch.put("", "").delete("kiwi").put(vec![7; 300], vec![8; 70_000]).put("fig", "").delete("");
        let bytes = encode(&batch, 7);
        let mut replayed = Batch::decode(&bytes).unwrap().entries();
        batch.for_each(7, |applied| assert_eq!(Some(applied), replayed.next()));
        assert_eq!(replayed.next(), None);
    }

    #[test]
    fn an_entry_beyond_a_limit_makes_the_whole_batch_invalid() {
        let mut batch = WriteBatch::new();
        batch.put("fine", "").put(vec![0; MAX_KEY_BYTES + 1], "");
        assert!(batch.check().is_err());
        batch.clear();
        assert!(batch.check().is_ok());
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_malformed() {
        let mut batch = WriteBatch::new();
        batch.put("k", "v");
        let good = encode(&batch, 1);
        assert!(Batch::decode(&good).is_ok());
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Batch::decode(&bytes).map(|_| ()).unwrap_err().what
        };
        assert_eq!(changed(0, 0), "a batch of 1 entries from sequence 0");
        assert_eq!(changed(1, 0), "a batch of 0 entries from sequence 1");
        assert_eq!(changed(2, 9), "entry kind 9 is not known");
        assert_eq!(changed(2, Kind::Deletion.as_byte()), "a deletion with a value");
        assert_eq!(changed(3, 1), "keyspace 1 is not known");
        assert_eq!(Batch::decode(&[&good[..], b"x"].concat()).unwrap_err().what, "1 bytes too many");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_batch_panic(bytes: Vec<u8>) {
            if let Ok(batch) = Batch::decode(&bytes) {
                prop_assert_eq!(batch.entries().count() as u64, batch.count);
            }
        }
    }
}
