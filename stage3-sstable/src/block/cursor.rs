//! Searches a block and walks over it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::cmp::Ordering;
use std::fmt;
use std::hint::black_box;
use std::ops::Deref;

use bytes::{Buf, Bytes};
use stage2_wal::coding::Malformed;
use stage2_wal::memtable::key::{InternalKey, Kind, Sequence, compare_user_keys};

use super::entry::Entry;
use super::whole_key::WholeKey;
use super::{COUNTS_BYTES, HEAD_BYTES, OFFSET_BYTES, head_of};

/// How far apart bytes lie of which each is in a cache line of its own.
const CACHE_LINE_BYTES: usize = 64;

/// The lines that are asked for at once: heads and offsets of 64 entries.
const MOST_TOUCHED: usize = 6;

/// A block in memory, checked once: its counts and offsets lie within it.
/// Clones share the bytes. A block over `&[u8]` borrows them, from who reads it and
/// does not keep it.
pub struct Block<B = Bytes> {
    payload: B,
    entries: usize,
    prefix_start: usize,
    heads_start: usize,
    offsets_start: usize,
}

impl<B: Deref<Target = [u8]>> Block<B> {
    /// Takes a decompressed payload for a block.
    ///
    /// # Errors
    /// [`Malformed`] when the counts want more bytes than there are, when there
    /// is no entry, or when the offsets do not ascend from 0 within the entries.
    pub fn parse(payload: B) -> Result<Block<B>, Malformed> {
        let (prefix_bytes, entries) = counts(&payload)?;
        let block = Block::lay_out(payload, prefix_bytes, entries)?;
        block.check_offsets()?;
        Ok(block)
    }

    /// Finds the parts of the block from its end, where the counts are.
    fn lay_out(payload: B, prefix_bytes: usize, entries: usize) -> Result<Block<B>, Malformed> {
        let before = |end: usize, count: usize, size: usize, what: &str| {
            let start = count.checked_mul(size).and_then(|bytes| end.checked_sub(bytes));
            start.ok_or_else(|| malformed(end, format!("{count} {what} do not fit before this")))
        };
        let offsets_end = before(payload.len(), 1, COUNTS_BYTES, "counts")?;
        let offsets_start = before(offsets_end, entries, OFFSET_BYTES, "offsets")?;
        let heads_start = before(offsets_start, entries, HEAD_BYTES, "heads")?;
        let prefix_start = before(heads_start, prefix_bytes, 1, "bytes of prefix")?;
        Ok(Block { payload, entries, prefix_start, heads_start, offsets_start })
    }

    /// Each step of a comparison is taken, also behind one that failed: so they are
    /// many at a time, a tenth of the instructions.
    fn check_offsets(&self) -> Result<(), Malformed> {
        let offsets = self.offsets();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
            return Err(malformed(0, "a block without entries"));
        };
        let behind = offsets.get(1..).unwrap_or_default();
        let ascend = |all: bool, (one, next): (&[u8; 2], &[u8; 2])| {
            all & (u16::from_le_bytes(*one) < u16::from_le_bytes(*next))
        };
        let all_ascend = offsets.iter().zip(behind).fold(true, ascend);
        if !all_ascend || *first != [0, 0] || usize::from(u16::from_le_bytes(*last)) >= self.prefix_start {
            return Err(malformed(self.offsets_start, "the entries' offsets are out of order"));
        }
        Ok(())
    }

    /// Where each entry starts.
    #[inline]
    fn offsets(&self) -> &[[u8; OFFSET_BYTES]] {
        let bytes = self.entries.wrapping_mul(OFFSET_BYTES);
        let behind = self.payload.get(self.offsets_start..).unwrap_or_default();
        behind.get(..bytes).unwrap_or_default().as_chunks().0
    }

    /// How many entries it holds; at least one.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many bytes it occupies.
    pub fn size_bytes(&self) -> usize {
        self.payload.len()
    }

    /// The bytes that all its keys begin with.
    #[inline]
    pub fn prefix(&self) -> &[u8] {
        self.payload.get(self.prefix_start..self.heads_start).unwrap_or_default()
    }

    /// The heads, packed side by side.
    #[inline]
    fn heads(&self) -> &[[u8; HEAD_BYTES]] {
        self.payload.get(self.heads_start..self.offsets_start).unwrap_or_default().as_chunks().0
    }

    /// Where the entry at `position` starts; for a position behind the last,
    /// where the entries end.
    #[inline]
    fn offset(&self, position: usize) -> usize {
        if position >= self.entries {
            return self.prefix_start;
        }
        let start = self.offsets_start.wrapping_add(position.wrapping_mul(OFFSET_BYTES));
        self.payload.get(start..).map_or(self.prefix_start, |offset| usize::from(little_endian(offset)))
    }

    /// How many bytes its prefix has, and how many entries it holds.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.prefix().len(), self.entries)
    }

    /// Decodes the entry at `position`.
    ///
    /// # Errors
    /// [`Malformed`] when its bytes are not an entry that ends where the next
    /// one starts.
    #[inline]
    pub(super) fn entry(&self, position: usize) -> Result<Entry, Malformed> {
        self.entry_between(self.offset(position), self.offset(position.wrapping_add(1)))
    }

    /// Decodes what lies between two offsets.
    #[inline]
    fn entry_between(&self, start: usize, end: usize) -> Result<Entry, Malformed> {
        Entry::decode(&self.payload, start, end).ok_or_else(|| not_an_entry(start))
    }

    /// The position of the first entry at or behind `target`, or the number of
    /// entries when all lie before it.
    ///
    /// # Errors
    /// [`Malformed`] when an entry that had to be compared is none.
    pub fn position_of(&self, target: InternalKey<'_>) -> Result<usize, Malformed> {
        Ok(self.place_of(target)?.0)
    }

    /// The same, and the entry there if the search came to decode it.
    #[inline]
    fn place_of(&self, target: InternalKey<'_>) -> Result<(usize, Option<Entry>), Malformed> {
        let prefix = self.prefix();
        let (front, suffix) = target.user_key.split_at(target.user_key.len().min(prefix.len()));
        match compare_user_keys(front, prefix) {
            Ordering::Less => Ok((0, None)),
            Ordering::Greater => Ok((self.entries, None)),
            Ordering::Equal => self.search(suffix, target.sequence),
        }
    }

    /// The position of the first entry at or behind the key with this suffix, and
    /// that entry if it has the same head.
    #[inline]
    fn search(&self, suffix: &[u8], sequence: Sequence) -> Result<(usize, Option<Entry>), Malformed> {
        let (heads, head) = (self.heads(), head_of(suffix));
        let mut from = heads.partition_point(|other| u32::from_be_bytes(*other) < head);
        let alike = heads.get(from..).unwrap_or_default();
        let mut to = from.wrapping_add(alike.partition_point(|other| u32::from_be_bytes(*other) == head));
        let mut found = None;
        while from < to {
            let middle = from.midpoint(to);
            let entry = self.entry(middle)?;
            let order = compare_user_keys(self.suffix(&entry), suffix);
            match order.then_with(|| sequence.cmp(&entry.sequence)) {
                Ordering::Less => from = middle.wrapping_add(1),
                _ => (to, found) = (middle, Some(entry)),
            }
        }
        Ok((from, found))
    }

    /// The newest version of the target's user key at or below its sequence, with a copy of
    /// the value: it outlives bytes that are only borrowed.
    ///
    /// # Errors
    /// As [`position_of`](Self::position_of).
    pub fn get_copied(&self, target: InternalKey<'_>) -> Result<Option<(Kind, Sequence, Bytes)>, Malformed> {
        let found = self.find(target)?;
        let copied = |entry: Entry| (entry.kind, entry.sequence, Bytes::copy_from_slice(self.value(&entry)));
        Ok(found.map(copied))
    }

    #[inline]
    fn find(&self, target: InternalKey<'_>) -> Result<Option<Entry>, Malformed> {
        let Some(suffix) = target.user_key.strip_prefix(self.prefix()) else { return Ok(None) };
        let (_, found) = self.search(suffix, target.sequence)?;
        Ok(found.filter(|entry| compare_user_keys(suffix, self.suffix(entry)).is_eq()))
    }

    /// Reads every entry: that it is one, that its head is its suffix's, and that
    /// it comes behind the one before.
    ///
    /// # Errors
    /// [`Malformed`] with the first that is not so.
    pub fn check(&self) -> Result<(), Malformed> {
        let mut last: Option<Entry> = None;
        for position in 0..self.entries {
            let entry = self.entry(position)?;
            let head = self.heads().get(position).map(|head| u32::from_be_bytes(*head));
            if head != Some(head_of(self.suffix(&entry))) {
                return Err(malformed(self.offset(position), "the head is not the suffix's"));
            }
            if last.is_some_and(|last| self.order_key(&last) >= self.order_key(&entry)) {
                return Err(malformed(self.offset(position), "the entries are out of order"));
            }
            last = Some(entry);
        }
        Ok(())
    }

    /// The entry's place in the one order, among entries of this block.
    fn order_key(&self, entry: &Entry) -> InternalKey<'_> {
        InternalKey::new(self.suffix(entry), entry.sequence)
    }

    #[inline]
    fn suffix(&self, entry: &Entry) -> &[u8] {
        self.payload.get(entry.suffix()).unwrap_or_default()
    }

    #[inline]
    fn value(&self, entry: &Entry) -> &[u8] {
        self.payload.get(entry.value()).unwrap_or_default()
    }
}

impl Block {
    /// The block that shares `payload`, which was found to be one with these counts.
    #[inline]
    pub(crate) fn share(payload: &Bytes, prefix_bytes: usize, entries: usize) -> Option<Block> {
        let counts_start = payload.len().checked_sub(COUNTS_BYTES)?;
        let offsets_start = counts_start.checked_sub(entries.checked_mul(OFFSET_BYTES)?)?;
        let heads_start = offsets_start.checked_sub(entries.checked_mul(HEAD_BYTES)?)?;
        let prefix_start = heads_start.checked_sub(prefix_bytes)?;
        Block::touch(payload.get(heads_start..)?);
        Some(Block { payload: payload.clone(), entries, prefix_start, heads_start, offsets_start })
    }

    /// Its bytes.
    pub(crate) fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Loads a byte of each cache line with heads and offsets, so that they are on
    /// their way together: a search would ask for one after the other.
    #[inline]
    fn touch(searched: &[u8]) {
        for line in searched.chunks(CACHE_LINE_BYTES).take(MOST_TOUCHED) {
            black_box(line.first().copied());
        }
    }

    /// The same as [`get_copied`](Self::get_copied) without a copy. The value
    /// takes over the block's share of the bytes, so that they are not counted once more
    /// and once less; whoever needs the block again asks a clone.
    ///
    /// # Errors
    /// As [`position_of`](Self::position_of).
    #[inline]
    pub fn get(self, target: InternalKey<'_>) -> Result<Option<(Kind, Sequence, Bytes)>, Malformed> {
        let Some(entry) = self.find(target)? else { return Ok(None) };
        let mut value = self.payload;
        value.truncate(entry.value_end);
        value.advance(entry.value_start.min(value.len()));
        Ok(Some((entry.kind, entry.sequence, value)))
    }

    /// The value, sharing the block's bytes. An [`Entry`] of this block lies
    /// within it, so the slice cannot be out of bounds.
    #[inline]
    fn value_owned(&self, entry: &Entry) -> Bytes {
        self.payload.slice(entry.value())
    }

    /// A cursor over the block that shares its bytes; it stands on no entry yet.
    pub fn cursor(&self) -> BlockCursor {
        let mut cursor = BlockCursor::default();
        cursor.enter(self.clone());
        cursor
    }
}

/// Who clones a block will search it, and waits for memory: so what a search reads
/// first is asked for before the count of the clones is raised, which holds back every
/// load behind it until its own cache line is there. Together with a get that consumes its
/// block instead of counting a clone more, this took a tenth of a get whose block is cached,
/// but not in the processor's caches (medians of 15 runs in turns: 1,290 ns instead of 1,483).
impl Clone for Block {
    #[inline]
    fn clone(&self) -> Block {
        Block::touch(self.payload.get(self.heads_start..).unwrap_or_default());
        Block { payload: self.payload.clone(), ..*self }
    }
}

impl<B: Deref<Target = [u8]>> fmt::Debug for Block<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("entries", &self.entries).field("bytes", &self.size_bytes()).finish()
    }
}

/// A position in a block. Without a block, or behind either end, it stands on no
/// entry.
#[derive(Debug, Default)]
pub struct BlockCursor {
    block: Option<Block>,
    position: usize,
    entry: Option<Entry>,
    key: WholeKey,
}

impl BlockCursor {
    /// Moves into `block`, onto no entry yet.
    pub fn enter(&mut self, block: Block) {
        self.key.begin_with(block.prefix());
        self.block = Some(block);
        self.entry = None;
    }

    /// Leaves the block.
    pub fn leave(&mut self) {
        self.block = None;
        self.entry = None;
    }

    /// Moves to the first entry. Says whether it stands on one; so do all moves.
    ///
    /// # Errors
    /// [`Malformed`] when there is no entry where the block says there is one;
    /// the cursor then stands on none. So for all moves.
    pub fn seek_to_first(&mut self) -> Result<bool, Malformed> {
        self.stand_on(Some(0))
    }

    /// Moves to the last entry.
    pub fn seek_to_last(&mut self) -> Result<bool, Malformed> {
        let last = self.block.as_ref().and_then(|block| block.entries.checked_sub(1));
        self.stand_on(last)
    }

    /// Moves to the first entry at or behind `target`.
    pub fn seek(&mut self, target: InternalKey<'_>) -> Result<bool, Malformed> {
        self.entry = None;
        let Some(block) = &self.block else { return Ok(false) };
        match block.place_of(target)? {
            (position, Some(entry)) => Ok(self.hold(position, entry)),
            (position, None) => self.stand_on(Some(position)),
        }
    }

    /// Moves one entry forward. It begins where this one ends, as `Block::entry`
    /// made sure.
    #[inline]
    pub fn advance(&mut self) -> Result<bool, Malformed> {
        let (Some(block), Some(entry)) = (&self.block, self.entry.take()) else { return Ok(false) };
        let next = self.position.wrapping_add(1);
        if next >= block.entries {
            return Ok(false);
        }
        let entry = block.entry_between(entry.value_end, block.offset(next.wrapping_add(1)))?;
        Ok(self.hold(next, entry))
    }

    /// Moves one entry backward.
    #[inline]
    pub fn retreat(&mut self) -> Result<bool, Malformed> {
        let previous = self.entry.and_then(|_| self.position.checked_sub(1));
        self.stand_on(previous)
    }

    /// Whether it stands on an entry.
    #[inline]
    pub fn is_valid(&self) -> bool {
        self.entry.is_some()
    }

    /// The key of the entry, or `None` when it stands on none.
    #[inline]
    pub fn key(&self) -> Option<InternalKey<'_>> {
        self.entry.map(|entry| InternalKey::new(self.key.as_slice(), entry.sequence))
    }

    /// The key of the entry and what it says about it.
    #[inline]
    pub fn standing(&self) -> Option<(InternalKey<'_>, Kind)> {
        self.entry.as_ref().map(|entry| (InternalKey::new(self.key.as_slice(), entry.sequence), entry.kind))
    }

    /// What the entry says about its key.
    #[inline]
    pub fn kind(&self) -> Option<Kind> {
        self.entry.map(|entry| entry.kind)
    }

    /// The value of the entry.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        Some(self.block.as_ref()?.value(self.entry.as_ref()?))
    }

    /// The value of the entry, sharing the block's bytes.
    pub fn value_owned(&self) -> Option<Bytes> {
        Some(self.block.as_ref()?.value_owned(self.entry.as_ref()?))
    }

    /// Whether the entry before this one lies in the block too and has another user key.
    #[inline]
    pub fn is_surely_newest(&self) -> bool {
        let (Some(block), Some(before)) = (&self.block, self.position.checked_sub(1)) else { return false };
        let heads = block.heads();
        match (heads.get(before), heads.get(self.position)) {
            (Some(other), Some(own)) => other != own || self.differs_from(before),
            _ => false,
        }
    }

    /// Whether the entry at `position` has another suffix, where the heads do not tell.
    #[cold]
    fn differs_from(&self, position: usize) -> bool {
        let (Some(block), Some(own)) = (&self.block, &self.entry) else { return false };
        block.entry(position).is_ok_and(|other| block.suffix(&other) != block.suffix(own))
    }

    #[inline]
    fn stand_on(&mut self, position: Option<usize>) -> Result<bool, Malformed> {
        self.entry = None;
        match (&self.block, position) {
            (Some(block), Some(position)) if position < block.entries => {
                let entry = block.entry(position)?;
                Ok(self.hold(position, entry))
            }
            _ => Ok(false),
        }
    }

    /// Stands on this entry of the block in hand.
    #[inline]
    fn hold(&mut self, position: usize, entry: Entry) -> bool {
        let Some(block) = &self.block else { return false };
        self.key.end_with(&block.payload, entry.suffix());
        self.position = position;
        self.entry = Some(entry);
        true
    }
}

#[cold]
fn not_an_entry(start: usize) -> Malformed {
    malformed(start, "not an entry")
}

fn malformed(offset: usize, what: impl Into<String>) -> Malformed {
    Malformed { offset, what: what.into() }
}

/// The two counts at the end of a block: bytes of prefix and entries.
fn counts(payload: &[u8]) -> Result<(usize, usize), Malformed> {
    let Some(&[a, b, c, d]) = payload.last_chunk::<COUNTS_BYTES>() else {
        return Err(malformed(payload.len(), "the counts are missing"));
    };
    Ok((usize::from(u16::from_le_bytes([a, b])), usize::from(u16::from_le_bytes([c, d]))))
}

#[inline]
fn little_endian(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
}
