//! Strategies as pure functions: versions are drawn, plans are read.

mod extremes;
mod leveled;
mod tiered;

use std::sync::Arc;

use bytes::Bytes;
use stage4_bloom::memtable::key::OwnedKey;
use stage4_bloom::sstable::cache::BlockCache;
use stage4_bloom::wal::identity::DatabaseId;
use stage4_bloom::wal::vfs::SimVfs;

use super::Plan;
use crate::edit::VersionEdit;
use crate::file::FileMeta;
use crate::table_cache::TableCache;
use crate::version::Version;

pub(in crate::compaction) const MIB: u64 = 1 << 20;

/// Draws a version: (level, number, smallest, largest, MiB) for each file.
pub(in crate::compaction) fn draw(files: &[(usize, u64, &'static str, &'static str, u64)]) -> Version {
    let vfs = Arc::new(SimVfs::without_trace());
    let cache = TableCache::new(vfs, DatabaseId(1), Arc::new(BlockCache::new(0)), 10);
    let key = |user_key: &'static str, sequence| OwnedKey { user_key: Bytes::from(user_key), sequence };
    let added = files
        .iter()
        .map(|&(level, number, smallest, largest, size)| {
            let meta = FileMeta {
                number,
                size_bytes: size * MIB,
                smallest: key(smallest, number),
                largest: key(largest, number),
                first_sequence: number,
                last_sequence: number,
                entries: 2,
                deletions: 0,
                checksum: 0,
            };
            (level, meta)
        })
        .collect();
    let edit = VersionEdit { added, ..VersionEdit::default() };
    Version::default().apply(&edit, &cache).expect("the drawing keeps the laws")
}

pub(in crate::compaction) fn numbers(plan: &Plan) -> Vec<u64> {
    plan.inputs.iter().map(|(_, file)| file.meta().number).collect()
}
