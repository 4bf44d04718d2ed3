//! The same writes into the leaves of a B+ tree and into this database: bytes written for each byte
//! put, and what the records take up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stage2_wal::vfs::SimVfs;
use stage6_engine::{Codec, Db, SimRuntime};

use super::prelude::{Dice, number, row};
use super::{Outcome, Output};

const RECORDS: u64 = 100_000;
const VALUE: [u8; 100] = [b'v'; 100];
const RECORD_BYTES: u64 = 16 + 100;
/// What both may keep in memory before it has to go to the disk.
const BUFFER_BYTES: u64 = 1 << 20;
const PAGE_BYTES: u64 = 4096;
/// Records in a leaf, with four bytes beside each.
const LEAF_RECORDS: usize = (PAGE_BYTES / (RECORD_BYTES + 4)) as usize;

pub(super) fn run(out: &mut Output) -> Outcome {
    let widths = [32, 13, 13];
    out.line(row(&widths, &[&"written for each byte put", &"B+ tree", &"this database"]));
    let (mut tree, db) = (Leaves::default(), database()?);
    let mut before = [0; 2];
    for (name, order) in [("inserted in order", Order::Ascending), ("inserted in no order", Order::Shuffled)]
    {
        (tree, before) = (Leaves::default(), [0; 2]);
        let db = database()?;
        report(out, name, order, &mut tree, &db, &mut before)?;
    }
    fill(&db, Order::Shuffled)?;
    before[1] = written(&db);
    report(out, "overwritten in no order", Order::Drawn, &mut tree, &db, &mut before)?;
    let live = RECORDS * RECORD_BYTES;
    let space = |bytes: u64| format!("{:.2}", bytes as f64 / live as f64);
    let (pages, tables) = (tree.leaves.len() as u64 * PAGE_BYTES, db.stats().table_bytes);
    out.line(row(&widths, &[&"room for each byte kept", &space(pages), &space(tables)]));
    db.compact_range(..)?;
    let tables = db.stats().table_bytes;
    out.line(row(&widths, &[&"  after everything is merged", &"", &space(tables)]));
    let (leaves, inside) = (number(tree.leaves.len() as u64), RECORDS / tree.leaves.len() as u64);
    out.line(format!(
        "\n{leaves} leaves of {} bytes with {inside} of {LEAF_RECORDS} records on average",
        number(PAGE_BYTES)
    ));
    Ok(())
}

#[derive(Clone, Copy)]
enum Order {
    Ascending,
    Shuffled,
    Drawn,
}

/// The records in this order.
fn records(order: Order) -> Vec<u64> {
    let mut dice = Dice::seeded(5);
    let mut records: Vec<u64> = (0..RECORDS).collect();
    match order {
        Order::Ascending => {}
        Order::Shuffled => (1..records.len()).rev().for_each(|place| {
            let other = dice.below(place as u64 + 1) as usize;
            records.swap(place, other);
        }),
        Order::Drawn => records.iter_mut().for_each(|record| *record = dice.below(RECORDS)),
    }
    records
}

/// Writes in this order into both, and prints what each wrote.
fn report(
    out: &mut Output,
    name: &str,
    order: Order,
    tree: &mut Leaves,
    db: &Db,
    before: &mut [u64; 2],
) -> Outcome {
    records(order).into_iter().for_each(|record| tree.put(record));
    tree.checkpoint();
    fill(db, order)?;
    let after = [tree.written, written(db)];
    let put = RECORDS * RECORD_BYTES;
    let ratio = |of: usize| format!("{:.1}", (after[of] - before[of]) as f64 / put as f64);
    out.line(row(&[32, 13, 13], &[&name, &ratio(0), &ratio(1)]));
    *before = after;
    Ok(())
}

fn database() -> Result<Db, stage6_engine::Error> {
    let runtime = Arc::new(SimRuntime::new(1));
    let options = Db::builder().database_id(7).runtime(runtime).codec(Codec::None);
    options
        .memtable_bytes(BUFFER_BYTES as usize / 4)
        .max_immutables(3)
        .open_vfs(Arc::new(SimVfs::without_trace()))
}

fn fill(db: &Db, order: Order) -> Result<(), stage6_engine::Error> {
    for record in records(order) {
        db.put(format!("{record:016}"), VALUE)?;
    }
    db.flush()
}

/// Log and tables.
fn written(db: &Db) -> u64 {
    let stats = db.stats();
    stats.bytes_written + stats.flushed_bytes + stats.compaction_bytes_written
}

/// The leaves of a B+ tree, each under its first record. Its inner pages, a hundredth of it, stay
/// in memory and are not counted.
#[derive(Default)]
struct Leaves {
    leaves: BTreeMap<u64, Vec<u64>>,
    /// Leaves that differ from what the disk has.
    dirty: BTreeSet<u64>,
    /// Log and pages, in bytes.
    written: u64,
}

impl Leaves {
    /// Puts a record into its leaf, and splits the leaf when it is full.
    fn put(&mut self, record: u64) {
        self.written += RECORD_BYTES;
        let Some((&first, leaf)) = self.leaves.range_mut(..=record).next_back() else {
            self.leaves.insert(0, vec![record]);
            self.dirty.insert(0);
            return;
        };
        if let Err(place) = leaf.binary_search(&record) {
            leaf.insert(place, record);
        }
        self.dirty.insert(first);
        if leaf.len() > LEAF_RECORDS {
            // A leaf that grows at its end is not halved: keys that come in order fill their leaves.
            let half = if leaf.last() == Some(&record) { LEAF_RECORDS } else { leaf.len() / 2 };
            let right = leaf.split_off(half);
            self.dirty.insert(right[0]);
            self.leaves.insert(right[0], right);
        }
        // A dirty page takes its room in memory, whatever of it is new.
        if self.dirty.len() as u64 * PAGE_BYTES >= BUFFER_BYTES {
            self.checkpoint();
        }
    }

    /// Writes every dirty leaf.
    fn checkpoint(&mut self) {
        self.written += self.dirty.len() as u64 * PAGE_BYTES;
        self.dirty.clear();
    }
}
