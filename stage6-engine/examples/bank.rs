//! A bank: transfers, snapshots, kill, reopen.
//!
//! Money moves between accounts, one batch a transfer, so the sum of all balances
//! is the same at every moment. The disk is simulated: after the run, it is built
//! as a crash at any call may leave it, and the bank opens again on each.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::{Builder, Db, Durability, Leveled, Read, Result, SimRuntime, WriteBatch};

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const OPENING_BALANCE: u64 = 100;
const TRANSFERS: u64 = 40;

/// One thread, and memtables so small that transfers reach tables and levels.
fn small() -> Builder {
    let small = Leveled { level0_files: 2, base_level_bytes: 600, ..Leveled::default() };
    Db::builder()
        .runtime(Arc::new(SimRuntime::new(7)))
        .strategy(small)
        .memtable_bytes(2_000)
        .max_immutables(2)
}

fn main() -> Result<()> {
    let disk = SimVfs::new();
    let db = small().open_vfs(Arc::new(disk.clone()))?;
    open_accounts(&db)?;
    let acknowledged = carry_out_transfers(&db, &disk)?;
    show_layers(&db);
    db.close()?;
    kill_and_reopen(&disk, &acknowledged)
}

fn open_accounts(db: &Db) -> Result<()> {
    let mut batch = WriteBatch::new();
    for name in NAMES {
        batch.put(name, OPENING_BALANCE.to_string());
    }
    batch.put("transfers", "0");
    db.write_opt(&batch, Durability::Sync)?;
    show("opened", db)
}

fn number(source: &impl Read, key: &str) -> Result<u64> {
    let value = source.get(key)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&value).parse().unwrap_or(0))
}

/// All of it in one batch: no reader and no crash sees the money twice, or not at
/// all.
fn transfer(db: &Db, count: u64, durability: Durability) -> Result<()> {
    let from = NAMES[count as usize % NAMES.len()];
    let to = NAMES[(count as usize * 3 + 1) % NAMES.len()];
    if from == to {
        return Ok(());
    }
    let amount = number(db, from)?.min(count * 17 % 40);
    let mut batch = WriteBatch::new();
    batch.put(from, (number(db, from)? - amount).to_string());
    batch.put(to, (number(db, to)? + amount).to_string());
    batch.put("transfers", count.to_string());
    db.write_opt(&batch, durability).map(drop)
}

/// Every fifth transfer waits for the disk. Returns after how many calls to the
/// disk which transfer was durable.
fn carry_out_transfers(db: &Db, disk: &SimVfs) -> Result<Vec<(usize, u64)>> {
    let mut acknowledged = vec![(disk.calls(), 0)];
    let mut past = None;
    for count in 1..=TRANSFERS {
        let durability = if count % 5 == 0 { Durability::Sync } else { Durability::Buffer };
        transfer(db, count, durability)?;
        if durability == Durability::Sync {
            acknowledged.push((disk.calls(), number(db, "transfers")?));
        }
        if count == TRANSFERS / 2 {
            past = Some(db.snapshot()?);
        }
    }
    show("now", db)?;
    db.compact_range(..)?;
    match past {
        Some(past) => show("half-way", &past).map(|()| acknowledged),
        None => Ok(acknowledged),
    }
}

fn sum(source: &impl Read) -> Result<u64> {
    NAMES.iter().try_fold(0, |sum, name| Ok(sum + number(source, name)?))
}

fn show(when: &str, source: &impl Read) -> Result<()> {
    let balances: Result<Vec<String>> =
        NAMES.iter().map(|name| Ok(format!("{name} {:>3}", number(source, name)?))).collect();
    println!("{when:<9} {}   sum {}", balances?.join("   "), sum(source)?);
    Ok(())
}

fn show_layers(db: &Db) {
    let stats = db.stats();
    println!(
        "\n{} entries written, {} flushes, {} merges; {} versions dropped that nobody can read.\n",
        stats.entries_written, stats.flushes, stats.compactions, stats.entries_hidden
    );
}

/// Opens every disk that a crash may leave, and counts how many transfers each
/// kept beyond the last that was durable.
fn kill_and_reopen(disk: &SimVfs, acknowledged: &[(usize, u64)]) -> Result<()> {
    let mut survivors: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut unopened, mut broken, mut lost) = (0, 0, 0);
    let trace = disk.trace();
    let disks = trace.for_each_crash(|calls, _policy, image| {
        let db = small().open_vfs(Arc::new(SimVfs::from_image(&image)))?;
        let durable = acknowledged.iter().filter(|(call, _)| *call <= calls).map(|(_, count)| *count).max();
        if !db.contains("transfers")? {
            unopened += 1;
            lost += usize::from(durable.is_some());
            return Ok(());
        }
        let found = number(&db, "transfers")?;
        broken += usize::from(sum(&db)? != NAMES.len() as u64 * OPENING_BALANCE);
        lost += usize::from(durable.is_some_and(|durable| found < durable));
        *survivors.entry(found.saturating_sub(durable.unwrap_or(0))).or_default() += 1;
        Ok::<(), stage6_engine::Error>(())
    })?;
    println!("{disks} disks that a crash at one of {} calls may leave:", trace.calls.len());
    println!("{unopened:>7} from before the bank was opened");
    for (beyond, count) in survivors {
        println!("{count:>7} with {beyond} transfers beyond the last durable one");
    }
    println!("{broken:>7} with another sum");
    println!("{lost:>7} without a transfer that was acknowledged as durable");
    assert_eq!((broken, lost), (0, 0), "the promise of this stage");
    Ok(())
}
