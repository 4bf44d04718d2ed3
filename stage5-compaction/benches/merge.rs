//! What an entry takes in a merge of 1, 2, 8 and 32 sources, and in a compaction from end to
//! end.
//!
//! ```sh
//! cargo bench -p stage5-compaction
//! ```
//!
//! Keys are 16 decimal digits, dealt to the sources in turn; values have 100 bytes. All sources
//! are memtables, and the tables that are written lie in memory.

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stage5_compaction::bloom::filtered::FilteredTableOptions;
use stage5_compaction::compaction::{DropRule, merge_into_tables};
use stage5_compaction::file::FileNumbers;
use stage5_compaction::memtable::cursor::Cursor;
use stage5_compaction::memtable::key::{Kind, MAX_SEQUENCE};
use stage5_compaction::memtable::memtable::{MemTable, MemTableCursor};
use stage5_compaction::merge::MergingCursor;
use stage5_compaction::table_writer::TableFactory;
use stage5_compaction::version::Version;
use stage5_compaction::wal::identity::DatabaseId;
use stage5_compaction::wal::vfs::SimVfs;

const ENTRIES: u64 = 32_000;

fn sources(count: u64) -> Vec<Arc<MemTable>> {
    let sources: Vec<Arc<MemTable>> = (0..count).map(|_| Arc::default()).collect();
    for number in 0..ENTRIES {
        let source = &sources[(number % count) as usize];
        source.insert(number + 1, Kind::Value, format!("{number:016}").as_bytes(), &[b'v'; 100]);
    }
    sources
}

fn cursors(sources: &[Arc<MemTable>]) -> Vec<MemTableCursor> {
    sources.iter().map(MemTable::cursor).collect()
}

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(ENTRIES));
    for count in [1, 2, 8, 32] {
        let sources = sources(count);
        group.bench_function(format!("of {count}"), |bencher| {
            bencher.iter(|| {
                let mut cursor = MergingCursor::new(cursors(&sources));
                cursor.seek_to_first();
                let mut bytes = 0;
                while cursor.is_valid() {
                    bytes += cursor.value().len();
                    cursor.next();
                }
                bytes
            });
        });
    }
}

fn compaction(criterion: &mut Criterion) {
    let sources = sources(4);
    let mut group = criterion.benchmark_group("compaction");
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("of 4", |bencher| {
        bencher.iter(|| {
            let factory = TableFactory {
                vfs: Arc::new(SimVfs::without_trace()),
                database: DatabaseId(7),
                numbers: FileNumbers::starting_at(1),
                options: FilteredTableOptions::default(),
            };
            let rule = DropRule::new(&[], MAX_SEQUENCE);
            merge_into_tables(cursors(&sources), &Version::default(), 1, 2 << 20, rule, &factory)
        });
    });
}

criterion_group!(benches, merge, compaction);
criterion_main!(benches);
