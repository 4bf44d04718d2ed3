//! What the operations of a journal take: an append, and the replay of what was appended.
//!
//! ```sh
//! cargo bench -p stage2-wal
//! ```
//!
//! A record is a put of a 16-byte key and a 100-byte value. The logs lie in a directory of the
//! system, with room given ahead, as the engine's do.

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::vfs::OsVfs;

const DATABASE: DatabaseId = DatabaseId(7);
const LOG_BYTES: u64 = 8 << 20;
const RECORDS: u64 = 10_000;

fn record(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(format!("{number:016}"), [b'v'; 100]);
    batch
}

/// A journal in an empty directory.
fn journal(directory: &Path) -> (Arc<OsVfs>, Journal) {
    let vfs = Arc::new(OsVfs::create(directory).expect("the directory is there"));
    let journal = Journal::create_with_room(vfs.clone(), DATABASE, 1, 0, LOG_BYTES);
    (vfs, journal.expect("the directory is empty"))
}

fn append(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (_, journal) = journal(directory.path());
    let (batch, mut logs) = (record(0), 1);
    criterion.bench_function("append", |bencher| {
        bencher.iter(|| {
            let mut appender = journal.appender();
            if appender.log_bytes() >= LOG_BYTES {
                logs += 1;
                let next = journal.prepare(logs).expect("the disk has room");
                appender.rotate(next).expect("nothing failed");
                drop(appender);
                journal.release_below(logs, 0);
                std::fs::remove_file(directory.path().join(format!("{:06}.log", logs - 1)))
                    .expect("the log is not needed");
                appender = journal.appender();
            }
            appender.append(&batch).expect("the disk has room")
        });
    });
}

fn replay_all(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (vfs, journal) = journal(directory.path());
    for number in 0..RECORDS {
        journal.appender().append(&record(number)).expect("the disk has room");
    }
    criterion.bench_function("replay of 10,000", |bencher| {
        bencher.iter(|| {
            let mut entries = 0;
            let accept = |batch: stage2_wal::batch::Batch<'_>| entries += batch.entries().count();
            replay(&*vfs, DATABASE, &[1], 0, accept).expect("the log is whole");
            entries
        });
    });
}

criterion_group!(benches, append, replay_all);
criterion_main!(benches);
