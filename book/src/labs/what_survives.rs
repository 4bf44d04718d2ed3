//! Twelve writes in seven ways of asking for durability; then the process dies, or the power fails
//! in every way that it may. What each of them comes back with.

use std::sync::Arc;

use stage2_wal::vfs::SimVfs;
use stage6_engine::{Builder, Db, Durability, Read, Result, SimRuntime, WriteBatch};

use super::prelude::row;
use super::{Outcome, Output};

const FRUITS: [&str; 12] = [
    "apple",
    "banana",
    "cherry",
    "date",
    "elderberry",
    "fig",
    "grape",
    "kiwi",
    "lemon",
    "mango",
    "nectarine",
    "orange",
];

/// A way to write: its name, and what it does with the fruit of that number.
type Way = (&'static str, fn(&Db, usize) -> Result<()>);

const WAYS: [Way; 7] = [
    ("Buffer", |db, fruit| write(db, fruit, Durability::Buffer)),
    ("Buffer, persist() after the 6th", |db, fruit| {
        write(db, fruit, Durability::Buffer)?;
        if fruit == 5 { db.persist() } else { Ok(()) }
    }),
    ("Buffer, the 9th with Sync", |db, fruit| {
        write(db, fruit, if fruit == 8 { Durability::Sync } else { Durability::Buffer })
    }),
    ("Buffer, the 9th waits for its commit", |db, fruit| {
        let commit = db.put(FRUITS[fruit], "fresh")?;
        if fruit == 8 { commit.wait_durable() } else { Ok(()) }
    }),
    ("Buffer, flush() after the 6th", |db, fruit| {
        write(db, fruit, Durability::Buffer)?;
        if fruit == 5 { db.flush() } else { Ok(()) }
    }),
    ("Buffer, close() after the 12th", |db, fruit| {
        write(db, fruit, Durability::Buffer)?;
        if fruit == 11 { db.close() } else { Ok(()) }
    }),
    ("Sync", |db, fruit| write(db, fruit, Durability::Sync)),
];

pub(super) fn run(out: &mut Output) -> Outcome {
    let widths = [38, 14, 12, 6, 5, 6];
    out.line(row(&widths, &[&"twelve writes", &"process dies", &"power fails", &"least", &"most", &"holes"]));
    for (name, write_one) in WAYS {
        let disk = SimVfs::new();
        let db = options(1).open_vfs(Arc::new(disk.clone()))?;
        (0..FRUITS.len()).try_for_each(|fruit| write_one(&db, fruit))?;
        // What has been given to the operating system is what a dead process leaves.
        let after_death = survivors(&SimVfs::from_image(&disk.image()))?;
        let trace = disk.trace();
        let policies = trace.policies(trace.calls.len());
        let mut found = Vec::new();
        for policy in &policies {
            found.push(survivors(&SimVfs::from_image(&trace.crash(trace.calls.len(), *policy)))?);
        }
        let counts = || found.iter().map(|found| found.prefix);
        let least = counts().min().unwrap_or(0);
        let most = counts().max().unwrap_or(0);
        let holes = found.iter().filter(|found| found.has_hole).count();
        let disks = format!("{} disks", policies.len());
        out.line(row(&widths, &[&name, &after_death.prefix, &disks, &least, &most, &holes]));
    }
    Ok(())
}

fn options(seed: u64) -> Builder {
    Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(seed)))
}

fn write(db: &Db, fruit: usize, durability: Durability) -> Result<()> {
    db.write_opt(WriteBatch::new().put(FRUITS[fruit], "fresh"), durability)?;
    Ok(())
}

/// What a reopened database has.
struct Found {
    /// How many of the writes it has, from the first on.
    prefix: usize,
    /// Whether it has one behind one that it has not.
    has_hole: bool,
}

fn survivors(disk: &SimVfs) -> Result<Found> {
    let db = options(2).open_vfs(Arc::new(disk.clone()))?;
    let there = FRUITS.iter().map(|fruit| db.contains(fruit)).collect::<Result<Vec<bool>>>()?;
    let prefix = there.iter().take_while(|there| **there).count();
    Ok(Found { prefix, has_hole: there[prefix..].contains(&true) })
}
