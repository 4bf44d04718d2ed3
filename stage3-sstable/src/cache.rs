//! The block cache: the blocks that were read last, shared by all tables.
//!
//! ```text
//!   slots of two tables      3 – 0 –           – 2        one for each block: where is it?
//!                            │   │               │
//!   places of the cache    [ A2 ][ gone ][ B1 ][ A0 ]     ≤ capacity, in bytes
//!
//!   room ──▶ young  ○ ○ ─▶ hit since? ── yes ──▶ old  ● ● ● ● ─▶ hit since? ── yes ─┐
//!                               └─ no ─▶ gone    ▲▲                   └─ no ─▶ gone  │
//!   full, and read lately ───────────────────────┘└──────────────────────────────────┘
//!   full, and not read lately ──▶ noted, not kept
//! ```
//!
//! A block is kept decompressed and was checked when it was read, so a hit costs
//! neither a checksum nor a decompression. It costs no search either: a table has a
//! slot for each of its blocks, which says in which place of the cache it may be. The
//! place is one cache line with all that a hit needs, its lock and its counts too: only
//! readers of the same block meet there. Beside a hash table that all readers share,
//! that takes a sixth off a get whose block is in the processor's caches (315 ns
//! instead of 378, medians in turns), and an eighth off one whose block is not (746
//! instead of 861).
//!
//! While there is room, what is read is kept. Of the first block that finds none on, only
//! what is read twice is: when no more blocks were missed since it was read last than the
//! cache holds, which its slot knows. So a walk over everything drives out nothing that is
//! asked again and again. And whoever reads what he does not keep needs no memory for it:
//! he looks at it where the thread looked at the one before
//! ([`look`](crate::frame::BlockFile::look)), and copies what he wants. A block in fresh
//! memory costs the allocation, the cache lines that are not there, and those of the
//! one that goes: with 8 MiB for 112 MiB of blocks in the page cache a get takes 1,740 ns
//! instead of 2,020 (medians in turns). What it costs: gets in the order of the keys read
//! each block twice. Over blocks that are asked by Zipf's law as many are hit, within two
//! thousandths, as in a cache that keeps all that is read.
//!
//! One that is kept needs the room of one that was not hit. Young ones go first, until they
//! are a twentieth of the blocks: those that came while there was room. What was hit while
//! it was young becomes old, and what is read for the second time is old at once. A hit is
//! worth a respite: once, when it is the block's turn to go, it goes to the end of the old
//! ones instead. It can save up `MOST_RESPITES`. (Queues, respites, and the memory of those
//! that are gone are those of S3-FIFO: Yang and others, "FIFO queues are all you need for
//! cache eviction", 2023. There a block that is read for the first time takes the room of
//! another young one.)
//!
//! - **INV-CACHE-1** A number names one block for as long as the process lives: each
//!   opened table gets numbers of its own, never given again. A slot only hints: the
//!   place decides by the number, so a slot may be stale and never wrong.
//! - **INV-CACHE-2** What is kept weighs at most the capacity, at every moment. Each
//!   block is kept once, and each place is in one queue, or free, once. Only who holds
//!   the queues puts in and takes out.
//! - **INV-CACHE-3** The blocks of a table go with it: what is left of one that is
//!   closed or removed nobody would ask for again.
//!
//! Who holds the queues may wait for a place; who holds a place waits for nothing.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use stage2_wal::memtable::sync::Mutex;
use stage2_wal::memtable::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::block::Block;

/// What a cached block costs beside its bytes: its place, and the refcounted header of
/// its bytes.
const ENTRY_BYTES: usize = 128;

/// How many respites a block can save up, one for each hit.
const MOST_RESPITES: u8 = 7;

/// One block of so many may be young.
const BLOCKS_FOR_ONE_YOUNG: usize = 20;

/// How many blocks are looked at before one goes that was hit: no reader pays for a long
/// search.
const LONGEST_WAY: usize = 64;

/// Places are made so many at a time, when they are needed.
const PLACES_AT_A_TIME: usize = 1024;

/// The blocks of all tables that are given it, at most `capacity` bytes of them.
pub struct BlockCache {
    capacity_bytes: u64,
    places: Box<[OnceLock<Box<[Place]>>]>,
    queues: Mutex<Queues>,
    /// How many blocks it holds since one found no room, and 0 before: how many misses ago
    /// a block may have been read last to be wanted.
    window: AtomicU32,
    /// The clock of the slots too.
    misses: AtomicU64,
}

/// What is in which place, in the order in which it may go.
#[derive(Debug, Default)]
struct Queues {
    young: VecDeque<u32>,
    old: VecDeque<u32>,
    /// Places that hold nothing, of those that were used before.
    free: Vec<u32>,
    /// How many places were used so far.
    used: u32,
    size_bytes: u64,
    /// Hits of blocks that are gone.
    hits: u64,
}

impl Queues {
    fn blocks(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The place whose block is the next to be looked at.
    fn next(&mut self) -> Option<u32> {
        match self.young.len() * BLOCKS_FOR_ONE_YOUNG > self.blocks() {
            true => self.young.pop_front(),
            false => self.old.pop_front().or_else(|| self.young.pop_front()),
        }
    }
}

/// A cache line, so that a hit reads and writes one.
#[derive(Default)]
#[repr(align(64))]
struct Place {
    kept: Mutex<Option<Kept>>,
}

#[cfg(not(shuttle))]
const _: () = assert!(size_of::<Place>() == 64, "a place is one cache line");

/// A block: its bytes, and the two counts from which its parts follow.
struct Kept {
    payload: Bytes,
    number: u64,
    hits: u32,
    prefix_bytes: u16,
    entries: u16,
    respites: u8,
}

impl BlockCache {
    /// An empty cache for `capacity_bytes` of blocks. With 0 it keeps nothing,
    /// and every read goes to the file. A block larger than the cache is not kept
    /// either.
    pub fn new(capacity_bytes: usize) -> BlockCache {
        let most_places = (capacity_bytes / ENTRY_BYTES).min(u32::MAX as usize - 1);
        BlockCache {
            capacity_bytes: capacity_bytes as u64,
            places: (0..most_places.div_ceil(PLACES_AT_A_TIME)).map(|_| OnceLock::new()).collect(),
            queues: Mutex::default(),
            window: AtomicU32::new(0),
            misses: AtomicU64::new(0),
        }
    }

    #[inline]
    fn place(&self, at: u32) -> Option<&Place> {
        let places = self.places.get(at as usize / PLACES_AT_A_TIME)?.get()?;
        places.get(at as usize % PLACES_AT_A_TIME)
    }

    /// Keeps the block with this number, unless it is kept already, and lets go what it
    /// needs the room of. That is freed when the queues are free for others.
    fn keep(&self, slot: &Slot, number: u64, block: &Block) {
        let size_bytes = weight(block.size_bytes());
        if size_bytes > self.capacity_bytes {
            return;
        }
        loop {
            let mut queues = self.queues.lock();
            if self.place_of(slot).is_some_and(|(_, place)| place.holds(number)) {
                return;
            }
            let is_full = queues.size_bytes + size_bytes > self.capacity_bytes;
            let gone = is_full.then(|| self.let_go(&mut queues)).flatten();
            let fits = queues.size_bytes + size_bytes <= self.capacity_bytes;
            if fits {
                self.put(&mut queues, slot, number, block);
            }
            self.window.store(if is_full { queues.blocks() as u32 } else { 0 }, Ordering::Relaxed);
            drop(queues);
            if fits || gone.is_none() {
                return;
            }
        }
    }

    /// Puts a block into a free place.
    fn put(&self, queues: &mut Queues, slot: &Slot, number: u64, block: &Block) {
        let Some(kept) = Kept::new(number, block) else { return };
        let at = queues.free.pop().unwrap_or(queues.used);
        let Some(places) = self.places.get(at as usize / PLACES_AT_A_TIME) else { return };
        let places = places.get_or_init(|| (0..PLACES_AT_A_TIME).map(|_| Place::default()).collect());
        *places[at as usize % PLACES_AT_A_TIME].kept.lock() = Some(kept);
        let (seen, now) = (slot.seen(), self.now());
        let came_back = seen.is_within(queues.blocks() as u32, now);
        queues.used = queues.used.max(at + 1);
        queues.size_bytes += weight(block.size_bytes());
        match came_back {
            true => queues.old.push_back(at),
            false => queues.young.push_back(at),
        }
        slot.set(at, now);
        debug_assert!(queues.size_bytes <= self.capacity_bytes, "INV-CACHE-2");
    }

    /// The time: how many blocks were missed so far.
    fn now(&self) -> u32 {
        self.misses.load(Ordering::Relaxed) as u32
    }

    /// Takes out the block whose turn it is.
    fn let_go(&self, queues: &mut Queues) -> Option<Kept> {
        for _ in 0..LONGEST_WAY {
            let at = queues.next()?;
            if !self.place(at)?.has_respite() {
                return self.take(queues, at);
            }
            queues.old.push_back(at);
        }
        let at = queues.next()?;
        self.take(queues, at)
    }

    /// Empties a place that is in no queue any more.
    fn take(&self, queues: &mut Queues, at: u32) -> Option<Kept> {
        let kept = self.place(at)?.kept.lock().take()?;
        queues.free.push(at);
        queues.size_bytes -= weight(kept.payload.len());
        queues.hits += u64::from(kept.hits);
        Some(kept)
    }

    /// Takes out all blocks of a table.
    fn take_all(&self, slots: &Slots) -> Vec<Kept> {
        let mut queues = self.queues.lock();
        let mut is_gone = vec![false; queues.used as usize];
        for (number, slot) in (slots.first_number..).zip(&slots.slots) {
            if let Some((at, place)) = self.place_of(slot) {
                is_gone[at as usize] |= place.holds(number);
            }
        }
        self.window.store(0, Ordering::Relaxed);
        let stays = |at: &u32| !is_gone[*at as usize];
        queues.young.retain(stays);
        queues.old.retain(stays);
        let gone = (0..).zip(&is_gone).filter(|(_, is_gone)| **is_gone);
        gone.filter_map(|(at, _)| self.take(&mut queues, at)).collect()
    }

    /// The place to which a slot points.
    #[inline]
    fn place_of(&self, slot: &Slot) -> Option<(u32, &Place)> {
        let at = slot.seen().place()?;
        Some((at, self.place(at)?))
    }

    /// What it holds, and how often it was asked with which success. It looks at every place;
    /// hits of a block that goes meanwhile may be missing.
    pub fn stats(&self) -> BlockCacheStats {
        let mut stats = {
            let queues = self.queues.lock();
            BlockCacheStats {
                hits: queues.hits,
                misses: self.misses.load(Ordering::Relaxed),
                blocks: queues.blocks() as u64,
                size_bytes: queues.size_bytes,
                capacity_bytes: self.capacity_bytes,
            }
        };
        let places = self.places.iter().filter_map(OnceLock::get).flatten();
        stats.hits += places.map(Place::hits).sum::<u64>();
        stats
    }
}

/// What a block of this size weighs.
fn weight(size_bytes: usize) -> u64 {
    (size_bytes + ENTRY_BYTES) as u64
}

impl Place {
    /// The block with this number, if it is here.
    #[inline]
    fn ask(&self, number: u64) -> Option<Block> {
        self.kept.lock().as_mut().filter(|kept| kept.number == number)?.hit()
    }

    fn holds(&self, number: u64) -> bool {
        self.kept.lock().as_ref().is_some_and(|kept| kept.number == number)
    }

    /// How often its block was hit.
    fn hits(&self) -> u64 {
        self.kept.lock().as_ref().map_or(0, |kept| kept.hits.into())
    }

    /// Whether its block has a respite left, which is used up by asking.
    fn has_respite(&self) -> bool {
        let mut kept = self.kept.lock();
        let Some(respites) = kept.as_mut().map(|kept| &mut kept.respites) else { return false };
        mem::replace(respites, respites.saturating_sub(1)) > 0
    }
}

impl Kept {
    fn new(number: u64, block: &Block) -> Option<Kept> {
        let (prefix_bytes, entries) = block.counts();
        let (prefix_bytes, entries) = (prefix_bytes.try_into().ok()?, entries.try_into().ok()?);
        Some(Kept { payload: block.payload().clone(), number, hits: 0, prefix_bytes, entries, respites: 0 })
    }

    #[inline]
    fn hit(&mut self) -> Option<Block> {
        self.hits = self.hits.saturating_add(1);
        self.respites = MOST_RESPITES.min(self.respites + 1);
        Block::share(&self.payload, self.prefix_bytes.into(), self.entries.into())
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

/// Counts of a [`BlockCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockCacheStats {
    /// How often a block was there.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// How many blocks it holds.
    pub blocks: u64,
    /// How much memory they take, in bytes.
    pub size_bytes: u64,
    /// How much they may take, in bytes.
    pub capacity_bytes: u64,
}

/// Where a block is, or was, and when it was read last.
#[derive(Debug, Default)]
struct Slot(AtomicU64);

/// What a slot says. In the lower half the block's place plus one, so that 0 says nowhere;
/// in the upper half how many blocks had been missed when it was read, itself among them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen(u64);

impl Seen {
    #[inline]
    fn place(self) -> Option<u32> {
        (self.0 as u32).checked_sub(1)
    }

    /// Whether at most so many blocks were missed since it was read.
    fn is_within(self, blocks: u32, now: u32) -> bool {
        self.0 > 0 && now.wrapping_sub((self.0 >> 32) as u32) <= blocks
    }
}

impl Slot {
    #[inline]
    fn seen(&self) -> Seen {
        Seen(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, place: u32, now: u32) {
        self.0.store(u64::from(now) << 32 | u64::from(place + 1), Ordering::Relaxed);
    }

    /// Says that it was read now and is nowhere: unless somebody put it somewhere since
    /// `seen`, for nobody would find it there.
    fn pass(&self, seen: Seen, now: u32) {
        let _put_meanwhile =
            self.0.compare_exchange(seen.0, u64::from(now) << 32, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Where the blocks of an opened table are in the cache, if they are.
#[derive(Debug)]
pub(crate) struct Slots {
    cache: Arc<BlockCache>,
    /// The number of the first block (INV-CACHE-1).
    first_number: u64,
    slots: Box<[Slot]>,
}

impl Slots {
    /// Those of a table that is being opened, with so many blocks.
    pub(crate) fn new(cache: Arc<BlockCache>, blocks: usize) -> Slots {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let first_number = NEXT.fetch_add(blocks as u64, Ordering::Relaxed);
        let blocks = if cache.capacity_bytes == 0 { 0 } else { blocks };
        Slots { cache, first_number, slots: (0..blocks).map(|_| Slot::default()).collect() }
    }

    #[inline]
    fn number(&self, ordinal: usize) -> u64 {
        self.first_number + ordinal as u64
    }

    /// The block with this ordinal, or what its slot said when the cache did not have it.
    #[inline]
    pub(crate) fn get(&self, ordinal: usize) -> Result<Block, Seen> {
        let seen = self.slots.get(ordinal).map(Slot::seen).unwrap_or_default();
        let place = seen.place().and_then(|at| self.cache.place(at));
        place.and_then(|place| place.ask(self.number(ordinal))).ok_or(seen)
    }

    /// Counts a miss, and says whether the block should be kept: while there is room, and
    /// when it was read so lately that a cache which keeps everything would have it still.
    /// Of any other the slot notes that it was read now. `seen` is what the slot said
    /// before the block was missed.
    pub(crate) fn wants(&self, ordinal: usize, seen: Seen) -> bool {
        let now = self.cache.misses.fetch_add(1, Ordering::Relaxed).wrapping_add(1) as u32;
        let Some(slot) = self.slots.get(ordinal) else { return false };
        let window = self.cache.window.load(Ordering::Relaxed);
        let wants = window == 0 || seen.is_within(window, now);
        if !wants {
            slot.pass(seen, now);
        }
        wants
    }

    /// Keeps a block that was checked.
    pub(crate) fn keep(&self, ordinal: usize, block: &Block) {
        if let Some(slot) = self.slots.get(ordinal) {
            self.cache.keep(slot, self.number(ordinal), block);
        }
    }

    /// How much memory they occupy, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

/// Looks for each block: some 4,000 for a table of 16 MiB. They are freed when the queues
/// are free for others (INV-CACHE-3).
impl Drop for Slots {
    fn drop(&mut self) {
        drop(self.cache.take_all(self));
    }
}

#[cfg(test)]
mod tests;
