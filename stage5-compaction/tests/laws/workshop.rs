//! A directory in memory, and the verbs to pour tables into it.

use std::sync::Arc;

use stage5_compaction::bloom::filtered::FilteredTableOptions;
use stage5_compaction::compaction::{DropRule, Outcome, Plan, Strategy, merge_into_tables, run};
use stage5_compaction::edit::VersionEdit;
use stage5_compaction::file::FileNumbers;
use stage5_compaction::manifest::Current;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::error::Result;
use stage5_compaction::memtable::key::{Kind, Sequence};
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::source::SourceCursor;
use stage5_compaction::sstable::cache::BlockCache;
use stage5_compaction::sstable::table::TableOptions;
use stage5_compaction::table_cache::{TableCache, TableFile};
use stage5_compaction::table_writer::TableFactory;
use stage5_compaction::version::Version;
use stage5_compaction::version_set::{Recovered, VersionSet, recover};
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::vfs::{FileId, SimVfs, Vfs};

pub(crate) const DATABASE: DatabaseId = DatabaseId(0x5e7);

/// Nothing is ever full.
pub(crate) const ONE_TABLE: u64 = u64::MAX;

/// One write: a key, its sequence, and a value unless it deletes.
pub(crate) type Write<'a> = (&'a str, Sequence, Option<&'a str>);

pub(crate) struct Workshop {
    pub(crate) vfs: Arc<SimVfs>,
    pub(crate) cache: Arc<TableCache>,
    pub(crate) factory: TableFactory,
    pub(crate) set: VersionSet,
}

pub(crate) fn cache_over(vfs: &Arc<SimVfs>) -> Arc<TableCache> {
    TableCache::new(vfs.clone(), DATABASE, Arc::new(BlockCache::new(1 << 20)), 4)
}

/// A memtable of `writes`, in any order.
pub(crate) fn memtable_of(writes: &[Write<'_>]) -> Arc<MemTable> {
    let memtable = Arc::new(MemTable::new());
    for (key, sequence, value) in writes {
        let kind = if value.is_some() { Kind::Value } else { Kind::Deletion };
        memtable.insert(*sequence, kind, key.as_bytes(), value.unwrap_or_default().as_bytes());
    }
    memtable
}

/// A rule that protects everything.
pub(crate) fn keep_all() -> DropRule {
    DropRule::new(&[], 0)
}

/// What a cursor stands on: `fig 5`.
pub(crate) fn here(cursor: &impl Cursor) -> Option<String> {
    let name = |cursor: &_| {
        format!("{} {}", Cursor::key(cursor).user_key.escape_ascii(), Cursor::key(cursor).sequence)
    };
    cursor.is_valid().then(|| name(cursor))
}

/// Everything from the first entry to the last, and the error that ended it, if
/// one did.
pub(crate) fn walk(cursor: &mut impl Cursor) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    cursor.seek_to_first();
    while let Some(entry) = here(cursor) {
        seen.push(entry);
        cursor.next();
    }
    cursor.status().map(|()| seen)
}

impl Workshop {
    /// An empty tree whose tables have blocks of a few entries.
    pub(crate) fn new() -> Workshop {
        let vfs = Arc::new(SimVfs::new());
        let cache = cache_over(&vfs);
        let numbers = FileNumbers::starting_at(1);
        let table = TableOptions { block_size_bytes: 128, ..TableOptions::default() };
        let options = FilteredTableOptions { table, ..FilteredTableOptions::default() };
        let factory =
            TableFactory { vfs: vfs.clone(), database: DATABASE, numbers: numbers.clone(), options };
        let empty = Version::default();
        let set = VersionSet::commit_new(vfs.clone(), DATABASE, cache.clone(), numbers, empty, 0, 0)
            .expect("a simulated disk never fails");
        Workshop { vfs, cache, factory, set }
    }

    pub(crate) fn version(&self) -> Arc<Version> {
        Arc::clone(self.set.version())
    }

    /// Merges a memtable into tables of `level` that are in no version yet.
    pub(crate) fn merge(
        &self,
        memtable: &Arc<MemTable>,
        level: usize,
        target_bytes: u64,
        rule: DropRule,
    ) -> Outcome {
        let cursors = vec![SourceCursor::Memtable(memtable.cursor())];
        let merged = merge_into_tables(cursors, self.set.version(), level, target_bytes, rule, &self.factory);
        let mut outcome = merged.expect("a simulated disk never fails");
        // What comes from a memtable is flushed by being merged.
        let last = outcome.edit.added.iter().map(|(_, meta)| meta.last_sequence).max();
        outcome.edit.flushed_sequence = last.max(Some(self.set.flushed_sequence()));
        outcome
    }

    /// Makes an outcome count.
    pub(crate) fn install(&mut self, outcome: Outcome) {
        self.set.install(&outcome.tables, outcome.edit, |_| {}).expect("a simulated disk never fails");
    }

    /// A table of `level` for each of `tables`.
    pub(crate) fn place(&mut self, level: usize, tables: &[&[Write<'_>]]) {
        for writes in tables {
            let outcome = self.merge(&memtable_of(writes), level, ONE_TABLE, keep_all());
            self.install(outcome);
        }
    }

    /// Flushes a memtable to level 0, as one that holds all up to `visible`.
    pub(crate) fn flush(&mut self, memtable: &Arc<MemTable>, snapshots: &[Sequence], visible: Sequence) {
        let mut outcome = self.merge(memtable, 0, ONE_TABLE, DropRule::new(snapshots, visible));
        outcome.edit = VersionEdit { flushed_sequence: Some(visible), ..outcome.edit };
        self.install(outcome);
    }

    /// Carries out what `strategy` picks, without installing it.
    pub(crate) fn compact(&self, strategy: &dyn Strategy, rule: DropRule) -> Option<(Plan, Outcome)> {
        let plan = strategy.pick(self.set.version())?;
        let outcome =
            run(&plan, self.set.version(), rule, &self.factory).expect("a simulated disk never fails");
        Some((plan, outcome))
    }

    /// Closes the tree and opens it again: what a manifest says becomes the first
    /// record of the next one.
    pub(crate) fn reopen(&mut self) {
        let sound = "the directory is sound";
        let current = Current::read(&*self.vfs).expect(sound).expect("the first commit made it");
        self.cache = cache_over(&self.vfs);
        let recovered = recover(&*self.vfs, current, &self.cache).expect(sound);
        let Recovered { version, log_floor, flushed_sequence, next_file_number } = recovered;
        self.factory.numbers = FileNumbers::starting_at(next_file_number);
        let (vfs, numbers) = (self.vfs.clone(), self.factory.numbers.clone());
        let cache = self.cache.clone();
        self.set =
            VersionSet::commit_new(vfs, DATABASE, cache, numbers, version, log_floor, flushed_sequence)
                .expect("a simulated disk never fails");
        self.vfs.remove(FileId::Manifest(current.manifest)).expect("the old one is there");
    }

    /// Removes the files that nobody can ask for any more, and returns their numbers.
    pub(crate) fn sweep(&self) -> Vec<u64> {
        let numbers = self.cache.take_obsolete();
        for number in &numbers {
            self.vfs.remove(FileId::Table(*number)).expect("it is there until it is swept");
        }
        numbers
    }

    /// The numbers of the tables on the disk.
    pub(crate) fn tables_on_disk(&self) -> Vec<u64> {
        let tables = |file| if let FileId::Table(number) = file { Some(number) } else { None };
        self.vfs.list().expect("listed").into_iter().filter_map(tables).collect()
    }

    /// The file with this number in the current version.
    pub(crate) fn file(&self, number: u64) -> Arc<TableFile> {
        let version = self.version();
        let found = version.files().find(|(_, file)| file.meta().number == number);
        found.map(|(_, file)| Arc::clone(file)).expect("the version has it")
    }
}

/// The numbers of the files of a level, in its order.
pub(crate) fn numbers(version: &Version, level: usize) -> Vec<u64> {
    version.level(level).iter().map(|file| file.meta().number).collect()
}
