//! The promise of this stage: **crash at every call, and the sum is preserved.**
//!
//! A bank moves money between accounts, one batch a transfer, and writes down in
//! the same batch which transfer it was. Its disk is then built as a crash may
//! leave it, at every call and in every way, and opened again: the books are those
//! after exactly the first *n* transfers, and no transfer that was acknowledged as
//! durable is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::{Builder, Db, Durability, Leveled, Read, Result, SimRuntime, Snapshot, WriteBatch};

const ACCOUNTS: u64 = 6;
const OPENING_BALANCE: u64 = 100;

/// So small that a few dozen transfers fill several memtables and levels.
fn small() -> Builder {
    let small = Leveled { level0_files: 2, base_level_bytes: 600, size_ratio: 3, target_file_bytes: 400 };
    let builder = Db::builder().runtime(Arc::new(SimRuntime::new(1))).strategy(small).database_id(1);
    builder.memtable_bytes(2_000).max_immutables(2)
}

/// The balance of each account, and the number of the last transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Books {
    balances: BTreeMap<u64, u64>,
    last: u64,
}

/// What transfer `number` moves: from, to, how much.
fn transfer(number: u64) -> (u64, u64, u64) {
    let from = number * 7 % ACCOUNTS;
    (from, (from + 1 + number % (ACCOUNTS - 1)) % ACCOUNTS, number * 13 % 20)
}

impl Books {
    fn opened() -> Books {
        Books { balances: (0..ACCOUNTS).map(|account| (account, OPENING_BALANCE)).collect(), last: 0 }
    }

    fn after(transfers: u64) -> Books {
        let mut books = Books::opened();
        (1..=transfers).for_each(|number| drop(books.apply(number)));
        books
    }

    /// Carries transfer `number` out, as far as the balance goes, and says what to
    /// write.
    fn apply(&mut self, number: u64) -> WriteBatch {
        let (from, to, amount) = transfer(number);
        let amount = amount.min(self.balances[&from]);
        let mut batch = WriteBatch::new();
        for (account, balance) in [(from, self.balances[&from] - amount), (to, self.balances[&to] + amount)] {
            self.balances.insert(account, balance);
            batch.put(account_key(account), balance.to_be_bytes());
        }
        self.last = number;
        batch.put("last transfer", number.to_be_bytes());
        // The note of the transfer before it is not needed any more.
        batch.put(format!("note {number:04}"), [b'.'; 30]).delete(format!("note {:04}", number - 1));
        batch
    }

    fn opening() -> WriteBatch {
        let mut batch = WriteBatch::new();
        for account in 0..ACCOUNTS {
            batch.put(account_key(account), OPENING_BALANCE.to_be_bytes());
        }
        batch.put("last transfer", 0u64.to_be_bytes());
        batch
    }

    /// What a reader finds; `None` before the bank was opened.
    fn read(source: &impl Read) -> Result<Option<Books>> {
        let Some(last) = source.get("last transfer")? else { return Ok(None) };
        let mut balances = BTreeMap::new();
        for (account, entry) in (0..).zip(source.prefix("account ")) {
            balances.insert(account, number(&entry?.1));
        }
        Ok(Some(Books { balances, last: number(&last) }))
    }

    fn sum(&self) -> u64 {
        self.balances.values().sum()
    }
}

fn account_key(account: u64) -> String {
    format!("account {account}")
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(u64::MAX, u64::from_be_bytes)
}

/// A bank that was run to its end.
struct Run {
    disk: SimVfs,
    /// After how many calls which transfer was acknowledged as durable.
    acknowledged: Vec<(usize, u64)>,
}

/// Opens a bank on an empty disk and carries out `transfers`; every fifth is
/// durable when it is acknowledged. In between, one job or another runs.
fn run(transfers: u64) -> Result<Run> {
    let disk = SimVfs::new();
    let db = small().open_vfs(Arc::new(disk.clone()))?;
    let mut acknowledged = Vec::new();
    db.write_opt(&Books::opening(), Durability::Sync)?;
    acknowledged.push((disk.calls(), 0));
    let mut books = Books::opened();
    for number in 1..=transfers {
        let durability = if number % 5 == 0 { Durability::Sync } else { Durability::Buffer };
        db.write_opt(&books.apply(number), durability)?;
        if durability == Durability::Sync {
            acknowledged.push((disk.calls(), number));
        }
        let due = db.pending_jobs();
        if let Some(job) = due.get(number as usize % 5) {
            db.run_job(*job)?;
        }
    }
    let stats = db.stats();
    assert!(stats.flushes >= 2 && stats.compactions + stats.moved_tables >= 1, "{stats:?}");
    db.close()?;
    acknowledged.push((disk.calls(), transfers));
    Ok(Run { disk, acknowledged })
}

/// Opens a disk that a crash left after `calls` calls, and audits the books.
fn audit(run: &Run, calls: usize, disk: SimVfs) -> Result<(), String> {
    let db = small().open_vfs(Arc::new(disk)).map_err(|error| format!("it does not open: {error}"))?;
    let found = Books::read(&db).map_err(|error| format!("the books cannot be read: {error}"))?;
    let durable = run.acknowledged.iter().filter(|(call, _)| *call <= calls).map(|(_, number)| *number).max();
    let Some(found) = found else {
        return durable
            .map_or(Ok(()), |number| Err(format!("transfer {number} was durable, and all is gone")));
    };
    if durable.is_some_and(|number| found.last < number) {
        return Err(format!("transfer {durable:?} was durable, and the last is {}", found.last));
    }
    if found != Books::after(found.last) || found.sum() != ACCOUNTS * OPENING_BALANCE {
        return Err(format!("these are not the books after {} transfers: {found:?}", found.last));
    }
    let notes = db.prefix("note ").count();
    if notes as u64 != found.last.min(1) {
        return Err(format!("{notes} notes after {} transfers", found.last));
    }
    db.check_invariants().map_err(|error| error.to_string())
}

#[test]
fn a_crash_at_any_call_preserves_the_sum_and_every_acknowledged_transfer() -> Result<()> {
    let run = run(40)?;
    let trace = run.disk.trace();
    let images = trace.for_each_crash(|calls, policy, image| {
        audit(&run, calls, SimVfs::from_image(&image))
            .map_err(|what| format!("a crash after {calls} calls ({policy}): {what}"))
    });
    let images = images.expect("no crash breaks the promise");
    println!("bank: {} calls, {images} crash images, 0 violations", trace.calls.len());
    assert!(images > 1_000, "the script shrank to {images} images");
    Ok(())
}

/// The oracle must be able to fail.
#[test]
fn the_audit_notices_a_transfer_that_is_missing_and_books_that_do_not_agree() -> Result<()> {
    let run = run(40)?;
    let calls = run.disk.calls();
    assert_eq!(audit(&run, calls, SimVfs::from_image(&run.disk.image())), Ok(()));
    let empty = audit(&run, calls, SimVfs::new());
    assert_eq!(empty, Err("transfer 40 was durable, and all is gone".to_owned()));
    let robbed = SimVfs::from_image(&run.disk.image());
    small().open_vfs(Arc::new(robbed.clone()))?.put(account_key(0), 1_000u64.to_be_bytes())?;
    let robbed = audit(&run, calls, robbed).expect_err("money from nowhere");
    assert!(robbed.contains("not the books after 40 transfers"), "{robbed}");
    Ok(())
}

#[test]
fn a_snapshot_sees_the_same_books_for_as_long_as_it_lives() -> Result<()> {
    let db = small().open_in_memory()?;
    db.write(&Books::opening())?;
    let mut books = Books::opened();
    let mut pasts: Vec<(Snapshot, Books)> = Vec::new();
    for number in 1..=200 {
        db.write(&books.apply(number))?;
        if number % 17 == 0 {
            pasts.push((db.snapshot()?, books.clone()));
        }
        if number % 50 == 0 {
            db.compact_range(..)?;
            pasts.remove(0);
        }
        for (past, expected) in &pasts {
            assert_eq!(Books::read(past)?.as_ref(), Some(expected));
            assert_eq!(expected.sum(), ACCOUNTS * OPENING_BALANCE);
        }
    }
    assert_eq!(Books::read(&db)?, Some(Books::after(200)));
    Ok(())
}
