//! The law beside one another: **whoever reads sees whole batches, all that was
//! acknowledged before, and one moment.**
//!
//! Real threads write, read, flush and compact at once. The work is bounded and
//! nothing depends on how fast it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::Call;
use stage6_engine::{Builder, Db, Durability, Leveled, Read, Result, ThreadRuntime, WriteBatch};

/// Memtables and tables so small that jobs run all the time.
fn busy() -> Builder {
    let small = Leveled { level0_files: 2, base_level_bytes: 8_000, size_ratio: 4, target_file_bytes: 4_000 };
    let builder = Db::builder().runtime(Arc::new(ThreadRuntime::new(2))).strategy(small);
    builder.memtable_bytes(4_000).cache_bytes(20_000).max_open_files(4).block_size_bytes(200)
}

fn number(value: &[u8]) -> u64 {
    String::from_utf8_lossy(value).parse().expect("every value is a number")
}

/// Runs `readers` over and over until `writers` have ended, at least once each.
fn beside(
    writers: Vec<Box<dyn Fn() -> Result<()> + Send>>,
    readers: Vec<Box<dyn Fn() -> Result<()> + Send>>,
) {
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        let writing: Vec<_> = writers.into_iter().map(|write| scope.spawn(write)).collect();
        for read in readers {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    read().expect("reads never fail");
                }
                read().expect("reads never fail");
            });
        }
        for writer in writing {
            writer.join().expect("no writer panics").expect("no write fails");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_was_acknowledged_is_seen_by_every_later_read() -> Result<()> {
    let db = busy().open_in_memory()?;
    let writer = |name: u64| -> Box<dyn Fn() -> Result<()> + Send> {
        let db = db.clone();
        Box::new(move || {
            for step in 0..1_500u64 {
                let key = format!("{name}-{}", step % 50);
                if step % 7 == 6 {
                    db.delete(&key)?;
                    assert_eq!(db.get(&key)?, None, "{key} at step {step}");
                } else {
                    db.put(&key, step.to_string())?;
                    assert_eq!(db.get(&key)?.map(|value| number(&value)), Some(step), "{key}");
                }
                if step % 100 == 99 {
                    let own = db.prefix(format!("{name}-")).count();
                    assert!((40..=50).contains(&own), "{own} keys at step {step}");
                }
            }
            Ok(())
        })
    };
    beside((0..4).map(writer).collect(), Vec::new());
    assert!(db.stats().flushes > 0 && db.stats().compactions > 0, "the jobs ran beside it");
    db.flush()?;
    db.check_invariants()
}

/// Each batch gives all keys of its pair the same value.
#[test]
fn a_batch_is_never_seen_by_half_nor_two_moments_by_one_reader() -> Result<()> {
    let db = busy().open_in_memory()?;
    for pair in 0..3 {
        let mut batch = WriteBatch::new();
        batch.put(format!("a{pair}"), "0").put(format!("z{pair}"), "0");
        db.write(&batch)?;
    }
    let writer = |pair: u64| -> Box<dyn Fn() -> Result<()> + Send> {
        let db = db.clone();
        Box::new(move || {
            let mut batch = WriteBatch::new();
            for step in 1..=1_500u64 {
                batch.clear();
                batch.put(format!("a{pair}"), step.to_string());
                batch.put(format!("m{}", step % 100), "in between");
                batch.put(format!("z{pair}"), step.to_string());
                db.write(&batch)?;
            }
            Ok(())
        })
    };
    let through_a_range: Box<dyn Fn() -> Result<()> + Send> = {
        let db = db.clone();
        Box::new(move || {
            let entries: Vec<_> = db.range(..).filter(|entry| !is_between(entry)).collect::<Result<_>>()?;
            assert_eq!(entries.len(), 6);
            for pair in 0..3 {
                assert_eq!(entries[pair].1, entries[pair + 3].1, "pair {pair}");
            }
            Ok(())
        })
    };
    let through_a_snapshot: Box<dyn Fn() -> Result<()> + Send> = {
        let db = db.clone();
        Box::new(move || {
            let moment = db.snapshot()?;
            let read = |first: &str| -> Result<Vec<Option<u64>>> {
                let keys = (0..3).map(|pair| format!("{first}{pair}"));
                keys.map(|key| Ok(moment.get(key)?.map(|value| number(&value)))).collect()
            };
            let seen = read("a")?;
            assert_eq!(read("z")?, seen);
            std::thread::yield_now();
            assert_eq!(read("a")?, seen, "a snapshot never changes");
            let backward = moment.range(..).rev().filter(|entry| !is_between(entry));
            let backward: Vec<Option<u64>> =
                backward.map(|entry| Ok(Some(number(&entry?.1)))).collect::<Result<_>>()?;
            assert_eq!(backward.into_iter().rev().collect::<Vec<_>>(), [seen.clone(), seen].concat());
            Ok(())
        })
    };
    beside((0..3).map(writer).collect(), vec![through_a_range, through_a_snapshot]);
    db.check_invariants()
}

fn is_between(entry: &Result<(stage6_engine::Key, stage6_engine::Value)>) -> bool {
    entry.as_ref().is_ok_and(|(key, _)| key.starts_with(b"m"))
}

#[test]
fn a_read_never_goes_back_in_time() -> Result<()> {
    let db = busy().open_in_memory()?;
    let writer: Box<dyn Fn() -> Result<()> + Send> = {
        let db = db.clone();
        Box::new(move || (1..4_000u64).try_for_each(|step| db.put("key", step.to_string()).map(drop)))
    };
    let reader = || -> Box<dyn Fn() -> Result<()> + Send> {
        let (db, last) = (db.clone(), AtomicU64::new(0));
        Box::new(move || {
            let seen = db.get("key")?.map_or(0, |value| number(&value));
            assert!(last.fetch_max(seen, Ordering::Relaxed) <= seen);
            Ok(())
        })
    };
    beside(vec![writer], vec![reader(), reader()]);
    Ok(())
}

/// Somebody flushes, somebody compacts, somebody checks, and all of it is legal.
#[test]
fn flushes_compactions_and_checks_may_be_asked_for_by_anybody_at_any_time() -> Result<()> {
    let db = busy().open_in_memory()?;
    let repeat = |times: usize, act: fn(&Db) -> Result<()>| -> Box<dyn Fn() -> Result<()> + Send> {
        let db = db.clone();
        Box::new(move || (0..times).try_for_each(|_| act(&db)))
    };
    let fill = |name: &'static str| -> Box<dyn Fn() -> Result<()> + Send> {
        let db = db.clone();
        Box::new(move || {
            (0..2_000u32).try_for_each(|step| db.put(format!("{name}{}", step % 300), [7; 40]).map(drop))
        })
    };
    let writers = vec![
        fill("a"),
        fill("b"),
        repeat(30, Db::flush),
        repeat(20, |db| db.compact_range(..).map(drop)),
        repeat(20, |db| db.compact_range("a2".."b1").map(drop)),
        repeat(300, Db::check_invariants),
    ];
    beside(writers, vec![repeat(1, |db| db.range(..).try_for_each(|entry| entry.map(drop)))]);
    assert_eq!(db.range(..).count(), 600);
    db.check_invariants()
}

#[test]
fn writers_who_wait_for_the_disk_at_the_same_time_share_its_syncs() -> Result<()> {
    let disk = SimVfs::new();
    let db = busy().memtable_bytes(1 << 20).open_vfs(Arc::new(disk.clone()))?;
    scope(|scope| {
        for name in 0..8 {
            let db = &db;
            scope.spawn(move || {
                let mut batch = WriteBatch::new();
                for step in 0..200 {
                    batch.clear();
                    batch.put(format!("{name}-{step}"), "");
                    let commit = db.write_opt(&batch, Durability::Sync).expect("the disk is sound");
                    assert!(commit.is_durable());
                }
            });
        }
    });
    assert_eq!(db.stats().durable_sequence, 1_600);
    let syncs = disk.trace().calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count();
    assert!(syncs <= 1_600 + 20, "{syncs} syncs for 1,600 writes");
    drop(db);
    assert_eq!(busy().open_vfs(Arc::new(disk))?.range(..).count(), 1_600);
    Ok(())
}

#[test]
fn closing_beside_writers_loses_nothing_that_was_acknowledged() -> Result<()> {
    for round in 0..20u64 {
        let disk = SimVfs::without_trace();
        let db = busy().open_vfs(Arc::new(disk.clone()))?;
        let acknowledged = AtomicU64::new(0);
        scope(|scope| {
            scope.spawn(|| {
                // Until it is closed, by another thread.
                while let Ok(commit) = db.put(format!("{}", acknowledged.load(Ordering::Relaxed)), [1; 60]) {
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    drop(commit);
                }
            });
            while acknowledged.load(Ordering::Relaxed) < 50 * round {
                std::thread::yield_now();
            }
            db.close().expect("the disk is sound");
        });
        drop(db);
        let db = busy().open_vfs(Arc::new(disk))?;
        assert_eq!(db.range(..).count() as u64, acknowledged.load(Ordering::Relaxed));
        db.check_invariants()?;
    }
    Ok(())
}
