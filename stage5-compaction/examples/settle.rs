//! Pour tables in, and watch the tree settle.
//!
//! Random writes are flushed to level 0, table after table. Whenever the strategy
//! asks for a compaction it is carried out, and the tree is drawn: each file over
//! the keys that it spans. The levels are made very small, so that few entries
//! show what gigabytes would.

use std::sync::Arc;

use stage5_compaction::bloom::filtered::FilteredTableOptions;
use stage5_compaction::compaction::{DropRule, Leveled, Outcome, Plan, Strategy, merge_into_tables, run};
use stage5_compaction::file::FileNumbers;
use stage5_compaction::memtable::error::Result;
use stage5_compaction::memtable::key::{Kind, Sequence};
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::source::SourceCursor;
use stage5_compaction::sstable::cache::BlockCache;
use stage5_compaction::table_cache::{TableCache, TableFile};
use stage5_compaction::table_writer::TableFactory;
use stage5_compaction::version::Version;
use stage5_compaction::version_set::VersionSet;
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::vfs::{FileId, SimVfs, Vfs};

const FLUSHES: u64 = 24;
const WRITES_PER_FLUSH: u64 = 60;

/// Keys are numbers below this, four digits each.
const KEYS: u64 = 600;

/// How many columns the whole range of keys is drawn over.
const COLUMNS: usize = 72;

/// A tree on a simulated disk.
struct Tree {
    vfs: Arc<SimVfs>,
    cache: Arc<TableCache>,
    factory: TableFactory,
    set: VersionSet,
    written: Sequence,
    bytes_flushed: u64,
    bytes_compacted: u64,
}

fn main() -> Result<()> {
    let strategy =
        Leveled { level0_files: 4, base_level_bytes: 12_000, size_ratio: 4, target_file_bytes: 8_000 };
    println!(
        "each flush: {WRITES_PER_FLUSH} writes over {KEYS} keys; level 0 is merged at {} files",
        strategy.level0_files
    );
    let mut tree = Tree::new()?;
    for flush in 1..=FLUSHES {
        tree.flush()?;
        while let Some(plan) = strategy.pick(tree.set.version()) {
            tree.compact(flush, &plan)?;
        }
    }
    tree.show_totals();
    Ok(())
}

impl Tree {
    fn new() -> Result<Tree> {
        let (vfs, database) = (Arc::new(SimVfs::without_trace()), DatabaseId(1));
        let cache = TableCache::new(vfs.clone(), database, Arc::new(BlockCache::new(1 << 20)), 100);
        let numbers = FileNumbers::starting_at(1);
        let options = FilteredTableOptions::default();
        let factory = TableFactory { vfs: vfs.clone(), database, numbers: numbers.clone(), options };
        let empty = Version::default();
        let set = VersionSet::commit_new(vfs.clone(), database, cache.clone(), numbers, empty, 0, 0)?;
        Ok(Tree { vfs, cache, factory, set, written: 0, bytes_flushed: 0, bytes_compacted: 0 })
    }

    /// Nobody reads the past here, so only what is visible now is protected.
    fn rule(&self) -> DropRule {
        DropRule::new(&[], self.written)
    }

    fn flush(&mut self) -> Result<()> {
        let memtable = Arc::new(MemTable::new());
        for _ in 0..WRITES_PER_FLUSH {
            self.written += 1;
            let drawn = mix(self.written);
            let key = format!("{:04}", drawn % KEYS);
            // One write in eight deletes.
            match drawn >> 61 {
                0 => memtable.insert(self.written, Kind::Deletion, key.as_bytes(), b""),
                _ => memtable.insert(self.written, Kind::Value, key.as_bytes(), &value_of(drawn)),
            }
        }
        let cursors = vec![SourceCursor::Memtable(memtable.cursor())];
        let version = self.set.version();
        let outcome = merge_into_tables(cursors, version, 0, u64::MAX, self.rule(), &self.factory)?;
        self.bytes_flushed += outcome.work.bytes_written;
        self.install(outcome)
    }

    fn compact(&mut self, flush: u64, plan: &Plan) -> Result<()> {
        let outcome = run(plan, self.set.version(), self.rule(), &self.factory)?;
        let work = outcome.work;
        self.bytes_compacted += work.bytes_written;
        self.install(outcome)?;
        println!(
            "\nafter flush {flush}: {}, so {} files go to level {}",
            plan.reason,
            plan.inputs.len(),
            plan.output_level
        );
        match plan.is_trivial_move() {
            true => println!("moved as they are"),
            false => println!(
                "{} entries read, {} hidden and {} spent deletions dropped",
                work.entries_read, work.entries_hidden, work.deletions_spent
            ),
        }
        draw(self.set.version());
        Ok(())
    }

    /// Makes the outcome count, and removes what nobody needs any more.
    fn install(&mut self, outcome: Outcome) -> Result<()> {
        self.set.install(&outcome.tables, outcome.edit, |_| {})?;
        self.cache.take_obsolete().into_iter().try_for_each(|number| self.vfs.remove(FileId::Table(number)))
    }

    fn show_totals(&self) {
        let version = self.set.version();
        let (files, bytes) = version
            .files()
            .fold((0, 0), |(files, bytes), (_, file)| (files + 1, bytes + file.meta().size_bytes));
        let entries: u64 = version.files().map(|(_, file)| file.meta().entries).sum();
        println!("\n{} writes: {entries} entries in {files} files of {bytes} bytes are left", self.written);
        let amplification = (self.bytes_flushed + self.bytes_compacted) as f64 / self.bytes_flushed as f64;
        println!("each byte flushed was written {amplification:.1} times in all");
    }
}

/// A row for each level, and for each file of level 0, whose ranges overlap.
fn draw(version: &Version) {
    for (level, files) in version.levels().filter(|(_, files)| !files.is_empty()) {
        let rows: Vec<&[Arc<TableFile>]> = if level == 0 { files.chunks(1).collect() } else { vec![files] };
        for row in rows {
            let bytes: u64 = row.iter().map(|file| file.meta().size_bytes).sum();
            println!("  level {level} {} {bytes:>6} bytes", picture(row));
        }
    }
}

/// Each file from its first key to its last.
fn picture(files: &[Arc<TableFile>]) -> String {
    let mut columns = vec!['·'; COLUMNS];
    for file in files {
        let (start, end) = (column(&file.meta().smallest.user_key), column(&file.meta().largest.user_key));
        columns[start..=end].fill('═');
        columns[start] = '╞';
        columns[end] = '╡';
    }
    columns.into_iter().collect()
}

fn column(key: &[u8]) -> usize {
    let number: usize = String::from_utf8_lossy(key).parse().unwrap_or_default();
    number * COLUMNS / KEYS as usize
}

/// A well-mixed word for each seed (the finalizer of SplitMix64; Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// A hundred bytes that do not compress.
fn value_of(seed: u64) -> Vec<u8> {
    (0..13).flat_map(|index| mix(seed ^ index).to_le_bytes()).collect()
}
