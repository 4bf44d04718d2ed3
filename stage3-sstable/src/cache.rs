//! The block cache: the blocks that were read last, shared by all tables.
//!
//! ```text
//!   (table, offset) ──▶ ┌───────────────────────────────┐
//!                       │ Block  Block  Block  …        │ ≤ capacity, in bytes
//!                       └───────────────────────────────┘
//!        hit: a clone that shares the bytes      miss: read, check, decompress, keep
//! ```
//!
//! A block is kept decompressed and was checked when it was read, so a hit costs
//! neither a checksum nor a decompression: about 50 ns.
//!
//! **INV-CACHE-1** A key names one block for as long as the process lives: each
//! opened table gets a number of its own, never given again, so a table that is
//! gone can leave nothing behind that another would take for its own.
//!
//! What is left of a table that is closed or removed nobody will ask for again, and it
//! would fill the cache until it is driven out: the blocks of a table go with it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::block::Block;

/// What a cached block costs beside its bytes: its key, its place in the cache's
/// table, and the refcounted header of its bytes.
const ENTRY_BYTES: usize = 128;

/// How large a block is taken to be, to choose how many places the cache has.
const TYPICAL_BLOCK_BYTES: usize = 4096;

/// Which block of which opened table.
type BlockKey = (u64, u64);

/// Blocks by table and offset, at most `capacity` bytes of them.
pub struct BlockCache {
    blocks: Cache<BlockKey, Block, ByBytes>,
}

/// Weighs a block by the memory that it keeps alive.
#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<BlockKey, Block> for ByBytes {
    fn weight(&self, _key: &BlockKey, block: &Block) -> u64 {
        (block.size_bytes() + ENTRY_BYTES) as u64
    }
}

impl BlockCache {
    /// An empty cache for `capacity_bytes` of blocks. With 0 it keeps nothing,
    /// and every read goes to the file. A block larger than a shard of the cache
    /// is not kept either.
    pub fn new(capacity_bytes: usize) -> BlockCache {
        let places = capacity_bytes / (TYPICAL_BLOCK_BYTES + ENTRY_BYTES);
        BlockCache { blocks: Cache::with_weighter(places, capacity_bytes as u64, ByBytes) }
    }

    /// The block at `offset` of `table`, if it is here.
    #[inline]
    pub(crate) fn get(&self, table: u64, offset: u64) -> Option<Block> {
        self.blocks.get(&(table, offset))
    }

    /// Keeps a block that was checked.
    pub(crate) fn insert(&self, table: u64, offset: u64, block: Block) {
        self.blocks.insert((table, offset), block);
    }

    /// Forgets the block at `offset` of a table that is gone.
    pub(crate) fn remove(&self, table: u64, offset: u64) {
        self.blocks.remove(&(table, offset));
    }

    /// What it holds, and how often it was asked with which success.
    pub fn stats(&self) -> BlockCacheStats {
        BlockCacheStats {
            hits: self.blocks.hits(),
            misses: self.blocks.misses(),
            blocks: self.blocks.len() as u64,
            size_bytes: self.blocks.weight(),
            capacity_bytes: self.blocks.capacity(),
        }
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

/// A number for a table that is being opened (INV-CACHE-1).
pub(crate) fn next_table() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockBuilder;
    use stage2_wal::memtable::key::{InternalKey, Kind};

    fn block(value: &[u8]) -> Block {
        let mut builder = BlockBuilder::new();
        builder.add(InternalKey::new(b"k", 1), Kind::Value, value);
        Block::parse(builder.finish().into()).unwrap()
    }

    #[test]
    fn a_cached_block_is_found_under_its_table_and_offset_alone() {
        let cache = BlockCache::new(1 << 20);
        cache.insert(1, 0, block(b"here"));
        assert!(cache.get(1, 0).is_some());
        assert!(cache.get(1, 4096).is_none());
        assert!(cache.get(2, 0).is_none());
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.blocks), (1, 2, 1));
    }

    #[test]
    fn the_cache_never_outgrows_its_capacity() {
        let cache = BlockCache::new(64 << 10);
        for offset in 0..1_000 {
            cache.insert(1, offset, block(&[7; 4096]));
        }
        let stats = cache.stats();
        assert!(stats.blocks > 0 && stats.size_bytes <= stats.capacity_bytes, "{stats:?}");
    }

    #[test]
    fn a_cache_without_capacity_keeps_nothing() {
        let cache = BlockCache::new(0);
        cache.insert(1, 0, block(b""));
        assert!(cache.get(1, 0).is_none());
        assert_eq!(cache.stats().blocks, 0);
    }
}
