//! A tree whose tables are lists: the real version, with every entry beside it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use stage4_bloom::memtable::key::{InternalKey, Kind, OwnedKey, Sequence};
use stage4_bloom::sstable::cache::BlockCache;
use stage4_bloom::wal::identity::DatabaseId;
use stage4_bloom::wal::vfs::SimVfs;

use super::course::Sample;
use super::workload::{Workload, Write};
use crate::compaction::Plan;
use crate::compaction::drop_rule::{DropRule, Verdict};
use crate::edit::VersionEdit;
use crate::file::{FileMeta, LEVELS};
use crate::table_cache::{TableCache, TableFile};
use crate::version::Version;

/// At how many keys, evenly over all, reads are counted.
const PROBES: u64 = 50;

/// A version, and what its tables would hold.
#[derive(Debug)]
pub struct Tree {
    workload: Workload,
    /// Makes the entries of files. None is ever opened.
    cache: Arc<TableCache>,
    version: Version,
    /// The entries of each file, by its number, in the one order.
    contents: BTreeMap<u64, Vec<Write>>,
    /// The keys that have a value.
    live: BTreeSet<u64>,
    next_number: u64,
    visible: Sequence,
    work: Sample,
}

impl Tree {
    /// A tree without files.
    pub fn new(workload: Workload) -> Tree {
        let vfs = Arc::new(SimVfs::without_trace());
        Tree {
            workload,
            cache: TableCache::new(vfs, DatabaseId(1), Arc::new(BlockCache::new(0)), 1),
            version: Version::default(),
            contents: BTreeMap::new(),
            live: BTreeSet::new(),
            next_number: 1,
            visible: 0,
            work: Sample::default(),
        }
    }

    /// The files as they stand.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Makes a table of level 0 out of `writes`, the newest there are.
    pub fn flush(&mut self, writes: &[Write]) {
        for write in writes {
            self.visible = write.sequence;
            match write.kind {
                Kind::Value => self.live.insert(write.key),
                Kind::Deletion => self.live.remove(&write.key),
            };
        }
        self.work.writes += writes.len() as u64;
        self.work.user_bytes += self.bytes(writes);
        self.work.flushed_bytes += self.write_tables(writes.to_vec(), 0, u64::MAX, Vec::new());
    }

    /// Carries `plan` out, as [`run`](crate::compaction::run) does.
    pub fn compact(&mut self, plan: &Plan) {
        let removed: Vec<_> = plan.inputs.iter().map(|(level, file)| (*level, file.meta().number)).collect();
        if plan.is_trivial_move() {
            let added =
                plan.inputs.iter().map(|(_, file)| (plan.output_level, file.meta().clone())).collect();
            self.apply(&VersionEdit { added, removed, ..VersionEdit::default() });
            self.work.moves += 1;
            return;
        }
        let inputs: Vec<Vec<Write>> =
            removed.iter().filter_map(|(_, number)| self.contents.remove(number)).collect();
        let written = self.write_tables(inputs.concat(), plan.output_level, plan.target_file_bytes, removed);
        self.work.compacted_bytes += written;
        self.work.compactions += 1;
    }

    /// What stands, what it took so far, and what a read costs now.
    pub fn sample(&self) -> Sample {
        let keys = self.workload.keys.max(1);
        let probes = (0..PROBES).map(|probe| probe * keys / PROBES);
        Sample {
            live_bytes: self.live.len() as u64 * self.workload.entry_bytes,
            level_bytes: std::array::from_fn(|level| self.version.level_bytes(level)),
            files: self.version.files().count() as u64,
            gets: PROBES,
            files_asked_by_gets: probes.clone().map(|key| self.files_asked_by_get(key)).sum(),
            files_asked_by_scans: probes.map(|key| self.files_asked_by_scan(key)).sum(),
            ..self.work.clone()
        }
    }

    /// The newest value of `key`, by the sequence that wrote it; found as a lookup
    /// finds it.
    pub fn get(&self, key: u64) -> Option<Sequence> {
        let answer = self.files_on_path(key).find_map(|file| self.entry(file, key))?;
        (answer.kind == Kind::Value).then_some(answer.sequence)
    }

    /// How many files a lookup asks, up to the one that answers. Without filters:
    /// every file whose range holds the key is asked.
    fn files_asked_by_get(&self, key: u64) -> u64 {
        let mut asked = 0;
        let _answer = self.files_on_path(key).inspect(|_| asked += 1).find_map(|file| self.entry(file, key));
        asked
    }

    /// How many files a scan asks that begins at `key`.
    fn files_asked_by_scan(&self, key: u64) -> u64 {
        let (first, last) = (user_key(key), user_key(key + self.workload.keys_per_scan.saturating_sub(1)));
        let files = (0..LEVELS).map(|level| self.version.overlapping(level, &first, &last).len() as u64);
        files.sum()
    }

    /// The files whose range holds `key`, newest first.
    fn files_on_path(&self, key: u64) -> impl Iterator<Item = &Arc<TableFile>> {
        let key = user_key(key);
        let level0 = self.version.level(0).iter().filter(move |file| file.meta().covers(&key));
        level0.chain((1..LEVELS).filter_map(move |level| self.version.file_covering(level, &key)))
    }

    /// The newest entry of `key` in a file.
    fn entry(&self, file: &TableFile, key: u64) -> Option<Write> {
        let entries = &self.contents[&file.meta().number];
        entries
            .get(entries.partition_point(|entry| entry.key < key))
            .filter(|entry| entry.key == key)
            .copied()
    }

    /// Merges `entries` into tables of `level` in the place of those `removed`, and
    /// returns how many bytes that wrote.
    fn write_tables(
        &mut self,
        mut entries: Vec<Write>,
        level: usize,
        target_file_bytes: u64,
        removed: Vec<(usize, u64)>,
    ) -> u64 {
        entries.sort_by_key(|entry| (entry.key, Reverse(entry.sequence)));
        let mut rule = DropRule::new(&[], self.visible);
        entries.retain(|entry| {
            let key = user_key(entry.key);
            let is_bottom = || self.version.is_bottom_for(level, &key);
            rule.judge(InternalKey::new(&key, entry.sequence), entry.kind, is_bottom) == Verdict::Keep
        });
        let standing: u64 = self.version.files().map(|(_, file)| file.meta().size_bytes).sum();
        let written = self.bytes(&entries);
        // Inputs go when the outcome is durable: until then both take room.
        self.work.peak_bytes = self.work.peak_bytes.max(standing + written);

        let mut added = Vec::new();
        for table in self.cut(entries, target_file_bytes) {
            let meta = self.facts(&table);
            self.contents.insert(meta.number, table);
            added.push((level, meta));
        }
        self.apply(&VersionEdit { added, removed, ..VersionEdit::default() });
        written
    }

    /// Cuts between keys, where a table has reached its size.
    fn cut(&self, entries: Vec<Write>, target_file_bytes: u64) -> Vec<Vec<Write>> {
        let mut tables: Vec<Vec<Write>> = Vec::new();
        let mut bytes = u64::MAX;
        for entry in entries {
            let continues_a_key =
                tables.last().and_then(|table| table.last()).is_some_and(|last| last.key == entry.key);
            if bytes >= target_file_bytes && !continues_a_key {
                tables.push(Vec::new());
                bytes = 0;
            }
            bytes += self.workload.bytes_of(entry.kind);
            tables.last_mut().expect("the first entry begins a table").push(entry);
        }
        tables
    }

    /// What a version knows about a table, which has entries.
    fn facts(&mut self, table: &[Write]) -> FileMeta {
        let number = self.next_number;
        self.next_number += 1;
        let end = |entry: &Write| OwnedKey {
            user_key: Bytes::copy_from_slice(&user_key(entry.key)),
            sequence: entry.sequence,
        };
        let sequences = || table.iter().map(|entry| entry.sequence);
        FileMeta {
            number,
            size_bytes: self.bytes(table),
            smallest: end(&table[0]),
            largest: end(&table[table.len() - 1]),
            first_sequence: sequences().min().unwrap_or_default(),
            last_sequence: sequences().max().unwrap_or_default(),
            entries: table.len() as u64,
            deletions: table.iter().filter(|entry| entry.kind == Kind::Deletion).count() as u64,
            checksum: 0,
        }
    }

    fn apply(&mut self, edit: &VersionEdit) {
        let next = self.version.apply(edit, &self.cache);
        self.version = next.expect("a plan keeps the laws (INV-STRATEGY-1)");
    }

    fn bytes(&self, entries: &[Write]) -> u64 {
        entries.iter().map(|entry| self.workload.bytes_of(entry.kind)).sum()
    }
}

/// A key as bytes, in the same order.
fn user_key(key: u64) -> [u8; 8] {
    key.to_be_bytes()
}
