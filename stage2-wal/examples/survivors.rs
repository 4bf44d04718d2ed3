//! A durable memtable in a page: write, crash, reopen, list the survivors.
//!
//! The disk is simulated, so that the crash can be shown in every way it may go:
//! whatever was not synced may be there or not, in part, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::{Journal, replay};
use stage2_wal::memtable::cursor::Cursor;
use stage2_wal::memtable::error::Result;
use stage2_wal::memtable::memtable::MemTable;
use stage2_wal::vfs::{FileId, SimVfs, Vfs};

const DATABASE: DatabaseId = DatabaseId(7);

/// A memtable whose entries are in a journal before they are in memory.
struct Durable {
    memtable: Arc<MemTable>,
    journal: Journal,
}

impl Durable {
    /// Replays the logs that are there, and goes on in a new one.
    fn open(vfs: Arc<SimVfs>) -> Result<Durable> {
        let logs: Vec<u64> = vfs.list()?.into_iter().filter_map(FileId::number).collect();
        let memtable = Arc::new(MemTable::new());
        let report = replay(&*vfs, DATABASE, &logs, 0, |batch| {
            for entry in batch.entries() {
                memtable.insert(entry.sequence, entry.kind, entry.key, entry.value);
            }
        })?;
        let next_log = logs.last().map_or(1, |last| last + 1);
        let journal = Journal::create(vfs, DATABASE, next_log, report.last_sequence)?;
        Ok(Durable { memtable, journal })
    }

    /// Journal first, then memory. It survives once somebody persists it.
    fn write(&self, batch: &WriteBatch) -> Result<()> {
        let mut appender = self.journal.appender();
        let first = appender.append(batch)? + 1 - batch.len() as u64;
        batch.for_each(first, |entry| {
            self.memtable.insert(entry.sequence, entry.kind, entry.key, entry.value);
        });
        Ok(())
    }

    fn persist(&self) -> Result<()> {
        self.journal.persist(self.memtable.last_sequence())
    }

    fn keys(&self) -> String {
        let mut keys = Vec::new();
        let mut cursor = self.memtable.cursor();
        cursor.seek_to_first();
        while cursor.is_valid() {
            keys.push(cursor.key().user_key.escape_ascii().to_string());
            cursor.next();
        }
        keys.join(" ")
    }
}

fn main() -> Result<()> {
    let vfs = Arc::new(SimVfs::new());
    let acknowledged = write_some(&vfs)?;
    show_survivors(&vfs, acknowledged)
}

/// Returns after how many calls to the disk the first batches were durable.
fn write_some(vfs: &Arc<SimVfs>) -> Result<usize> {
    let fruits = Durable::open(Arc::clone(vfs))?;
    fruits.write(WriteBatch::new().put("apple", "red").put("banana", "yellow"))?;
    fruits.write(WriteBatch::new().put("cherry", "black"))?;
    fruits.persist()?;
    println!("persisted: {}", fruits.keys());
    let acknowledged = vfs.calls();

    // Large enough to reach the disk in several pages, which may come in any order.
    fruits.write(WriteBatch::new().put("damson", "blue").put("elderberry", [b'!'; 6000]))?;
    fruits.write(WriteBatch::new().put("fig", "green"))?;
    println!("written:   {}", fruits.keys());
    println!("power lost.\n");
    Ok(acknowledged)
}

/// Builds every disk that a crash at any call may leave, opens each, and counts
/// what is in it.
fn show_survivors(vfs: &SimVfs, acknowledged: usize) -> Result<()> {
    let mut outcomes: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let trace = vfs.trace();
    let disks = trace.for_each_crash(|calls_done, _policy, image| {
        let reopened = Durable::open(Arc::new(SimVfs::from_image(&image)))?;
        *outcomes.entry((calls_done >= acknowledged, reopened.keys())).or_default() += 1;
        Ok(())
    })?;
    println!("{disks} disks that a crash at one of {} calls may leave:\n", trace.calls.len());
    for (is_acknowledged, title) in [(false, "before persist returned"), (true, "after it")] {
        println!("{title}");
        for ((_, survivors), count) in outcomes.iter().filter(|((after, _), _)| *after == is_acknowledged) {
            println!("{count:>6} × {}", if survivors.is_empty() { "(nothing)" } else { survivors });
        }
    }
    println!("\nAlways whole batches from the first on; never less than what was persisted.");
    Ok(())
}
