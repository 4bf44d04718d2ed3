//! The simulator against real tables: the same writes, the same merges, the same
//! entries at the same places.

use std::sync::Arc;

use stage5_compaction::compaction::{DropRule, Full, Strategy, Tiered};
use stage5_compaction::file::FileMeta;
use stage5_compaction::memtable::memtable::MemTable;
use stage5_compaction::simulator::{Tree, Workload};
use stage5_compaction::table_cache::TableFile;
use stage5_compaction::version::Version;

use crate::workshop::Workshop;

/// Every file with its level, its ends, and what it holds.
fn drawn(version: &Version) -> Vec<String> {
    let line = |(level, file): (usize, &Arc<TableFile>)| {
        let FileMeta { smallest, largest, entries, deletions, .. } = file.meta();
        format!(
            "level {level}: {smallest:?} to {largest:?}, {entries} entries, {deletions} of them deletions"
        )
    };
    version.files().map(line).collect()
}

/// Tables cannot be of the same size as simulated ones, so these two are asked only
/// for what does not hang on the size of a table.
#[test]
fn simulated_files_hold_what_real_ones_hold() {
    let workload = Workload {
        keys: 400,
        writes: 6_000,
        writes_per_flush: 100,
        deletion_percent: 20,
        ..Workload::default()
    };
    let full = Full { level0_files: 3, target_file_bytes: u64::MAX };
    let all_at_once =
        Tiered { runs: 5, size_ratio_percent: 10_000, target_file_bytes: u64::MAX, ..Tiered::default() };
    let strategies: [&dyn Strategy; 2] = [&full, &all_at_once];
    for strategy in strategies {
        let (mut shop, mut tree) = (Workshop::new(), Tree::new(workload.clone()));
        let writes: Vec<_> = workload.writes().collect();
        for portion in writes.chunks(workload.writes_per_flush) {
            let memtable = Arc::new(MemTable::new());
            for write in portion {
                memtable.insert(write.sequence, write.kind, &write.key.to_be_bytes(), b"");
            }
            let visible = portion[portion.len() - 1].sequence;
            shop.flush(&memtable, &[], visible);
            tree.flush(portion);
            while let Some(plan) = strategy.pick(tree.version()) {
                tree.compact(&plan);
                let (_, outcome) = shop.compact(strategy, DropRule::new(&[], visible)).expect("both are due");
                shop.install(outcome);
            }
            assert_eq!(drawn(tree.version()), drawn(&shop.version()), "{strategy:?} at {visible}");
        }
        println!("{strategy:?}: {} compactions", tree.sample().compactions);
    }
}
