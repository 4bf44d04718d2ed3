//! The law of background work: **it changes no answer, and its failure is never
//! silent.**
//!
//! Where the order matters, one thread does everything ([`SimRuntime`]), and the
//! test says which job runs when. The disk fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use stage6_engine::runtime::Work;
use stage6_engine::wal::vfs::FileId;
use stage6_engine::{
    Builder, Db, DbCursor, Durability, Error, ErrorKind, Job, Leveled, Mode, Read, Result, Runtime,
    SimRuntime, StallReason, ThreadRuntime, WriteBatch,
};

#[path = "support/faulty.rs"]
mod faulty;
use faulty::{FaultyVfs, is_log, is_manifest, is_table};

/// Small memtables; nothing happens unless the test asks for it, or must wait.
fn still() -> Builder {
    let small = Leveled { level0_files: 3, base_level_bytes: 2_000, size_ratio: 3, target_file_bytes: 1_000 };
    let builder = Db::builder().runtime(Arc::new(SimRuntime::new(1))).strategy(small);
    builder.memtable_bytes(2_000).max_immutables(20).level0_limits(5, 8)
}

fn threads() -> Builder {
    still().runtime(Arc::new(ThreadRuntime::new(2)))
}

fn open(disk: &FaultyVfs, builder: Builder) -> Db {
    builder.open_vfs(Arc::new(disk.clone())).expect("a sound directory")
}

/// Writes `count` keys of about a hundred bytes each.
fn fill(db: &Db, name: &str, count: usize) -> Result<()> {
    for number in 0..count {
        db.put(format!("{name}{number:04}"), [b'.'; 90])?;
    }
    Ok(())
}

fn count(source: &impl Read) -> Result<usize> {
    source.range(..).try_fold(0, |count, entry| entry.map(|_| count + 1))
}

fn run_all_jobs(db: &Db) -> Result<()> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

fn tables(disk: &FaultyVfs) -> usize {
    disk.disk.image().into_keys().filter(|file| is_table(*file)).count()
}

/// The cause that a stopped database gives, which must be the planted one.
fn cause(result: Result<impl Sized>) -> String {
    match result.err() {
        Some(Error::Stopped { because, .. }) => because.to_string(),
        other => format!("not stopped, but {other:?}"),
    }
}

#[test]
fn a_flush_empties_the_memtables() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    fill(&db, "key", 70)?;
    assert!(db.stats().waiting_memtables >= 3);
    db.flush()?;
    let stats = db.stats();
    assert_eq!((stats.memtable_entries, stats.waiting_memtables), (0, 0));
    assert_eq!((stats.table_entries, count(&db)?), (70, 70));
    db.check_invariants()
}

#[test]
fn a_flush_of_nothing_writes_nothing() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    db.flush()?;
    fill(&db, "key", 1)?;
    db.flush()?;
    let before = disk.disk.calls();
    db.flush()?;
    assert_eq!(disk.disk.calls(), before);
    assert_eq!(db.stats().flushes, 1);
    Ok(())
}

#[test]
fn several_waiting_memtables_become_one_table() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    fill(&db, "key", 70)?;
    let waiting = db.stats().waiting_memtables;
    db.run_job(Job::Flush)?;
    let stats = db.stats();
    assert!(waiting >= 3, "{waiting} memtables wait");
    assert_eq!((stats.waiting_memtables, stats.flushes, stats.tables), (0, 1, 1));
    Ok(())
}

#[test]
fn a_flush_of_deletions_that_hide_nothing_leaves_no_table_and_no_log() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    for key in ["a", "b"] {
        db.put(key, "")?;
        db.delete(key)?;
    }
    db.flush()?;
    run_all_jobs(&db)?;
    let stats = db.stats();
    assert_eq!((stats.tables, stats.entries_hidden, stats.deletions_spent), (0, 2, 2));
    db.check_invariants()?;
    drop(db);
    assert_eq!(count(&open(&disk, still()))?, 0);
    Ok(())
}

#[test]
fn compact_range_drops_what_nobody_can_read() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    for round in 0..3 {
        fill(&db, "key", 10)?;
        db.put(format!("round{round}"), "")?;
        db.flush()?;
    }
    (0..5).try_for_each(|number| db.delete(format!("key{number:04}")).map(drop))?;
    let report = db.compact_range(..)?;
    assert_eq!((report.entries_hidden, report.deletions_spent), (25, 5));
    assert!(report.files_read >= 4 && report.files_written >= 1 && report.level > 0, "{report:?}");
    assert!(report.bytes_read > report.bytes_written);
    assert_eq!((db.stats().table_entries, count(&db)?), (8, 8));
    db.check_invariants()
}

#[test]
fn compact_range_keeps_what_a_snapshot_reads() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    fill(&db, "key", 10)?;
    let past = db.snapshot()?;
    (0..10).try_for_each(|number| db.delete(format!("key{number:04}")).map(drop))?;
    db.compact_range(..)?;
    assert_eq!((count(&past)?, count(&db)?), (10, 0));
    drop(past);
    db.compact_range(..)?;
    assert_eq!(db.stats().table_entries, 0);
    Ok(())
}

/// Three tables on one level, of which the range touches the middle one.
#[test]
fn compact_range_of_a_part_leaves_the_rest_alone() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    for name in ["a", "m", "z"] {
        fill(&db, name, 15)?;
        db.compact_range(name..)?;
    }
    let all = |db: &Db| db.levels().concat().iter().map(|table| table.number).collect::<Vec<u64>>();
    let before = all(&db);
    db.put("m0003", "new")?;
    db.delete("m0004")?;
    let report = db.compact_range("m0003"..="m0004")?;
    let kept = before.iter().filter(|number| all(&db).contains(number)).count();
    assert!(kept >= before.len() - 3, "{kept} of {before:?} are still there");
    assert_eq!((report.entries_hidden, report.deletions_spent), (2, 1));
    assert_eq!((count(&db)?, db.get("m0003")?.as_deref()), (44, Some(&b"new"[..])));
    assert_eq!(db.compact_range("c".."d")?.files_read, 0, "no table holds a key of it");
    db.check_invariants()
}

#[test]
fn compact_range_refuses_a_range_that_begins_behind_its_end() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    fill(&db, "key", 10)?;
    let error = db.compact_range("z".."a").map(drop).expect_err("reversed");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("swap its ends"), "{error}");
    assert_eq!(db.stats().flushes, 0, "and did nothing");
    Ok(())
}

#[test]
fn the_counts_say_what_was_done() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    assert_eq!(db.stats().write_amplification(), 0.0);
    fill(&db, "key", 15)?;
    db.delete("key0000")?;
    let stats = db.stats();
    assert_eq!((stats.entries_written, stats.memtable_entries, stats.visible_sequence), (16, 16, 16));
    assert!(stats.bytes_written > 15 * 97 && stats.memtable_bytes > 15 * 97);
    db.flush()?;
    let stats = db.stats();
    assert_eq!((stats.flushes, stats.tables, stats.durable_sequence), (1, 1, 16));
    assert_eq!((stats.table_bytes, stats.entries_hidden), (stats.flushed_bytes, 1));
    db.compact_range(..)?;
    let stats = db.stats();
    assert_eq!((stats.compactions, stats.table_entries), (1, 14));
    assert_eq!(stats.compaction_bytes_read, stats.flushed_bytes);
    assert_eq!(stats.compaction_bytes_written, stats.table_bytes);
    assert!(stats.write_amplification() > 0.0);
    db.get("key0007")?;
    db.get("key0007")?;
    assert!(db.stats().cache_hits > 0 && db.stats().cache_bytes > 0);
    Ok(())
}

#[test]
fn a_table_that_overlaps_nothing_moves_down_without_being_written_again() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    for name in ["a", "b", "c"] {
        fill(&db, name, 5)?;
        db.flush()?;
    }
    let written = db.levels().concat().len();
    db.run_job(Job::Compact)?;
    let stats = db.stats();
    assert_eq!((stats.moved_tables, stats.compactions, stats.tables as usize), (3, 0, written));
    assert!(db.levels()[0].is_empty());
    // Nothing that was moved may be taken for left over.
    run_all_jobs(&db)?;
    db.check_invariants()?;
    drop(db);
    assert_eq!(count(&open(&disk, still()))?, 15);
    Ok(())
}

#[test]
fn a_table_stays_while_a_cursor_reads_it_and_goes_afterwards() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still().cache_bytes(0));
    fill(&db, "key", 60)?;
    db.flush()?;
    let mut range = db.range(..);
    range.next();
    db.compact_range(..)?;
    run_all_jobs(&db)?;
    assert!(tables(&disk) > db.stats().tables as usize, "the old table is still read");
    assert_eq!(range.try_fold(1, |count, entry| entry.map(|_| count + 1))?, 60);
    drop(range);
    run_all_jobs(&db)?;
    assert_eq!(tables(&disk), db.stats().tables as usize);
    db.check_invariants()
}

/// Its files go before its share in the database: the close that follows finds them free.
#[test]
fn the_last_cursor_of_a_database_leaves_no_file_behind() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    let cursor = over_tables_that_are_merged_away(&db)?;
    let counting = db.stats().tables as usize;
    assert!(tables(&disk) > counting, "the old table is still held");
    drop(db);
    drop(cursor);
    assert_eq!(tables(&disk), counting);
    Ok(())
}

/// Its files go before it wakes a worker, who would find nothing to do.
#[test]
fn the_end_of_a_cursor_has_its_files_removed_though_nothing_else_happens() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, threads());
    let cursor = over_tables_that_are_merged_away(&db)?;
    std::thread::sleep(Duration::from_millis(100));
    let counting = db.stats().tables as usize;
    assert!(tables(&disk) > counting, "the old table is still held");
    drop(cursor);
    for _ in 0..500 {
        if tables(&disk) == counting {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} tables are there, {counting} count", tables(&disk));
}

fn over_tables_that_are_merged_away(db: &Db) -> Result<DbCursor> {
    fill(db, "key", 60)?;
    db.flush()?;
    let cursor = db.cursor();
    db.compact_range(..)?;
    Ok(cursor)
}

#[test]
fn pressure_says_why_and_grows_with_level_0() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    let mut levels = Vec::new();
    for round in 0..8 {
        assert!(db.status().pressure.is_none_or(|pressure| pressure.level < 1.0));
        fill(&db, &format!("round{round}"), 1)?;
        db.run_job(Job::Flush)?;
        db.flush()?;
        levels.push(db.status().pressure.map_or(0.0, |pressure| pressure.level));
    }
    assert!(levels.is_sorted() && levels[4] == 0.0 && levels[5] > 0.0, "{levels:?}");
    let pressure = db.status().pressure.expect("level 0 is at its limit");
    assert_eq!(pressure.level, 1.0);
    assert_eq!(pressure.reason, StallReason::Level0 { files: 8, limit: 8 });
    assert!(pressure.reason.to_string().contains("level 0 has 8 files"));
    assert!(db.status().pending.contains(&Job::Compact));
    Ok(())
}

#[test]
fn a_writer_who_would_wait_runs_the_jobs_itself() -> Result<()> {
    let db = open(&FaultyVfs::default(), still());
    (0..4).try_for_each(|_| fill(&db, "key", 500))?;
    let stats = db.stats();
    assert!(stats.stops > 0 && stats.flushes > 0 && stats.compactions > 0, "{stats:?}");
    assert_eq!(count(&db)?, 500);
    db.check_invariants()
}

#[test]
fn a_writer_does_not_wait_for_the_log_that_a_thread_makes() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, threads());
    fill_until(&db, || db.stats().waiting_memtables == 1)?;
    let logs = || disk.disk.image().into_keys().filter(|file| is_log(*file)).count();
    assert!(wait_for(|| logs() == 3), "nobody makes the next log");
    disk.shut_gate(is_log);
    // In a thread of his own: whoever waits for the log waits until the gate opens.
    let writer = std::thread::spawn({
        let (db, disk) = (db.clone(), disk.clone());
        move || -> Result<bool> {
            fill_until(&db, || db.stats().waiting_memtables == 2)?;
            let is_being_made = wait_for(|| disk.is_waited_for());
            let waiting_bytes = db.stats().memtable_bytes;
            fill_until(&db, || db.stats().memtable_bytes > waiting_bytes + 2_000)?;
            db.put("beyond the limit", "by less than a half")?;
            Ok(is_being_made)
        }
    });
    let returned = wait_for(|| writer.is_finished());
    disk.open_gate();
    assert!(returned, "it waited until the log was made");
    assert!(writer.join().expect("it does not panic")?, "nobody makes the log after");
    let written = db.stats().entries_written;
    db.flush()?;
    assert_eq!(count(&db)? as u64, written);
    db.close()
}

/// Writes keys that were not there, until `is_done` or there are too many.
fn fill_until(db: &Db, is_done: impl Fn() -> bool) -> Result<()> {
    for _ in 0..1_000 {
        if is_done() {
            break;
        }
        db.put(format!("key{:04}", db.stats().entries_written), [b'.'; 90])?;
    }
    Ok(())
}

/// A thread that looked in such a moment and saw nothing to do would sleep until somebody
/// wakes it, and the writers would wait for a log that nobody makes.
#[test]
fn a_log_that_is_wanted_is_due_whoever_holds_its_place() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    fill_until(&db, || db.stats().waiting_memtables == 1)?;
    assert!(db.pending_jobs().contains(&Job::PrepareLog));
    disk.shut_gate(is_log);
    let rotation = std::thread::spawn({
        let db = db.clone();
        move || fill_until(&db, || db.stats().waiting_memtables == 2)
    });
    let is_held = wait_for(|| disk.is_waited_for());
    let pending = db.pending_jobs();
    disk.open_gate();
    rotation.join().expect("it does not panic")?;
    assert!(is_held && pending.contains(&Job::PrepareLog), "{pending:?}");
    Ok(())
}

#[test]
fn not_even_the_first_full_memtable_waits_for_its_next_log() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, threads());
    disk.shut_gate(is_log);
    let writer = std::thread::spawn({
        let db = db.clone();
        move || -> Result<()> {
            while db.stats().memtable_bytes <= 2_000 {
                fill(&db, "key", 1)?;
            }
            db.put("beyond the limit", "by less than a half").map(drop)
        }
    });
    let returned = wait_for(|| writer.is_finished());
    let is_made = wait_for(|| disk.is_waited_for());
    disk.open_gate();
    assert!(returned, "it waited until the log was made");
    assert!(is_made, "nobody makes it");
    writer.join().expect("it does not panic")?;
    db.close()
}

/// Waits for what a background thread does, at most ten seconds.
fn wait_for(is_done: impl Fn() -> bool) -> bool {
    let tries = 0..1_000;
    tries.into_iter().any(|_| {
        is_done() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

/// Neither strategy nor limits are wrong by themselves; together they leave a
/// writer to wait for a compaction that nobody will ever start.
#[test]
fn a_writer_who_waits_for_nothing_is_told_so() -> Result<()> {
    let lazy = || Leveled { level0_files: 100, ..Leveled::default() };
    for builder in [still(), threads()] {
        let db = open(&FaultyVfs::default(), builder.strategy(lazy()).level0_limits(1, 3));
        for _ in 0..3 {
            fill(&db, "key", 1)?;
            db.flush()?;
        }
        let error = db.put("one", "more").map(drop).expect_err("no compaction is due");
        assert!(error.to_string().contains("raise the limits of level 0"), "{error}");
    }
    Ok(())
}

#[test]
fn a_failed_job_stops_writing_with_its_cause_and_reads_go_on() -> Result<()> {
    for operation in ["create", "append to", "sync"] {
        let disk = FaultyVfs::default();
        let db = open(&disk, still());
        fill(&db, "key", 30)?;
        disk.fail(operation, is_table);
        assert!(db.run_job(Job::Flush).is_err());

        let told = cause(db.put("one", "more"));
        assert!(told.contains(operation) && told.contains(".sst"), "{told}");
        assert_eq!(cause(db.flush()), told);
        let Mode::Stopped { because, .. } = db.status().mode else { unreachable!("{:?}", db.status().mode) };
        assert_eq!(because.to_string(), told);
        assert_eq!(count(&db)?, 30);
        drop(db);
        disk.mend();

        let db = open(&disk, still());
        assert_eq!(count(&db)?, 30, "all that was acknowledged, and no more");
        assert_eq!(tables(&disk), db.stats().tables as usize, "nothing is left over");
        fill(&db, "new", 30)?;
        db.flush()?;
        db.check_invariants()?;
    }
    Ok(())
}

#[test]
fn a_thread_that_fails_is_the_next_writers_error() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, threads());
    fill(&db, "key", 5)?;
    disk.fail("create", is_table);
    let flush = std::thread::spawn({
        let db = db.clone();
        move || cause(db.flush())
    });
    let returned = wait_for(|| flush.is_finished());
    if !returned {
        disk.mend();
    }
    let told = flush.join().expect("it does not panic");
    assert!(returned && told.contains("no storage space"), "{told}");
    assert_eq!(cause(db.put("one", "more")), told);
    assert_eq!(count(&db)?, 5);
    db.close()?;
    disk.mend();
    assert_eq!(count(&open(&disk, threads()))?, 5);
    Ok(())
}

/// Whether the failed edit is durable is not known: so nothing more is written,
/// and the tables that it names stay.
#[test]
fn a_failed_manifest_stops_writing_until_the_next_open() -> Result<()> {
    for operation in ["append to", "sync"] {
        let disk = FaultyVfs::default();
        let db = open(&disk, still());
        fill(&db, "key", 30)?;
        disk.fail(operation, is_manifest);
        assert!(db.compact_range(..).is_err());
        disk.mend();
        assert!(db.flush().is_err() && db.compact_range(..).is_err() && db.put("one", "more").is_err());
        assert_eq!(count(&db)?, 30);
        drop(db);
        let db = open(&disk, still());
        assert_eq!(count(&db)?, 30);
        db.compact_range(..)?;
        db.check_invariants()?;
    }
    Ok(())
}

#[test]
fn a_failed_manual_compaction_leaves_everything_as_it_was() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    fill(&db, "key", 30)?;
    db.flush()?;
    for operation in ["create", "append to", "sync"] {
        disk.fail(operation, is_table);
        let error = db.compact_range(..).map(drop).expect_err("the disk is full");
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        disk.mend();
        assert_eq!(count(&db)?, 30);
        db.put("still", "writable")?;
        db.delete("still")?;
    }
    db.compact_range(..)?;
    run_all_jobs(&db)?;
    assert_eq!(tables(&disk), db.stats().tables as usize);
    db.check_invariants()
}

/// While somebody compacts by hand, threads pass the compaction by that is due. Nothing else
/// wakes them afterwards: writers who are stopped would wait for ever.
#[test]
fn a_failed_manual_compaction_leaves_its_place_to_the_threads() -> Result<()> {
    static FAILURES_LEFT: AtomicUsize = AtomicUsize::new(1);
    fn one_table(file: FileId) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        is_table(file) && FAILURES_LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
    let disk = FaultyVfs::default();
    let db = open(&disk, threads());
    let add_table = || fill(&db, "key", 5).and_then(|()| db.flush());
    (0..2).try_for_each(|_| add_table())?;
    disk.shut_gate(is_table);
    let by_hand = std::thread::spawn({
        let db = db.clone();
        move || db.compact_range(..)
    });
    assert!(wait_for(|| disk.is_waited_for()));
    // Whoever waits at the gate still waits; others pass.
    disk.shut_gate(|_| false);
    (0..2).try_for_each(|_| add_table())?;
    assert!(wait_for(|| db.status().running.is_empty()));
    assert!(db.pending_jobs().contains(&Job::Compact));
    disk.fail("create", one_table);
    disk.open_gate();
    assert!(by_hand.join().expect("it does not panic").is_err());
    assert!(wait_for(|| db.levels()[0].is_empty()), "nobody compacts");
    db.close()
}

#[test]
fn a_failed_append_stops_writing_and_loses_nothing_acknowledged() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    fill(&db, "key", 5)?;
    disk.fail("append to", is_log);
    let mut batch = WriteBatch::new();
    batch.put("half", "a").put("other half", "b");
    assert!(cause(db.write(&batch)).contains("append to"));
    // Nothing ever follows a failed record.
    assert!(cause(db.put("one", "more")).contains("append to"));
    assert!(cause(db.persist()).contains("append to"));
    assert!(matches!(db.status().mode, Mode::Stopped { .. }));
    assert_eq!(count(&db)?, 5);
    assert!(cause(db.close()).contains("append to"));
    drop(db);
    disk.mend();
    let db = open(&disk, still());
    assert_eq!(count(&db)?, 5);
    assert_eq!(db.recovery_report().replay.dropped.len(), 1, "the half record is reported");
    fill(&db, "new", 5)?;
    drop(db);
    assert_eq!(count(&open(&disk, still()))?, 10);
    Ok(())
}

#[test]
fn a_failed_sync_is_told_and_what_it_may_have_lost_is_never_acknowledged() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    let mut batch = WriteBatch::new();
    batch.put("first", "");
    assert!(db.write_opt(&batch, Durability::Sync)?.is_durable());
    let durable = db.stats().durable_sequence;
    disk.fail("sync", is_log);
    batch.clear();
    batch.put("second", "");
    assert!(cause(db.write_opt(&batch, Durability::Sync)).contains("sync"));
    assert!(db.put("third", "").is_err());
    disk.mend();
    assert!(db.persist().is_err(), "a later sync does not acknowledge what an earlier one lost");
    assert_eq!(db.stats().durable_sequence, durable);
    assert!(db.contains("first")?);
    drop(db);
    let db = open(&disk, still());
    assert!(db.contains("first")? && !db.contains("third")?);
    Ok(())
}

/// Every entry has a block of its own, and an older version in a lower table. The
/// disk fails after each number of reads.
#[test]
fn a_scan_that_cannot_read_ends_with_an_error_and_never_gives_an_old_version() -> Result<()> {
    static READS_LEFT: AtomicUsize = AtomicUsize::new(0);
    fn runs_out(_: FileId) -> bool {
        READS_LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
    let disk = FaultyVfs::default();
    let db = open(&disk, still().cache_bytes(0));
    for round in ["old ", "new "] {
        for key in ["a", "b", "c"] {
            db.put(key, round.repeat(2_000))?;
        }
        db.flush()?;
    }
    // Opens the tables: from here on, every read is one of a block.
    count(&db)?;
    let mut failures = 0;
    for (reads, backward) in (0..10).flat_map(|reads| [(reads, false), (reads, true)]) {
        READS_LEFT.store(reads, Ordering::Relaxed);
        disk.fail("read", runs_out);
        let (forth, back) = (db.range(..), db.range(..).rev());
        let found: Vec<_> = if backward { back.collect() } else { forth.collect() };
        disk.mend();
        let keys = if backward { [b"c", b"b", b"a"] } else { [b"a", b"b", b"c"] };
        for ((key, value), expected) in found.iter().flatten().zip(keys) {
            assert!(key == expected && value.starts_with(b"new "), "after {reads} reads: {key:?}");
        }
        let has_failed = found.last().is_some_and(Result::is_err);
        assert!(has_failed || found.len() == 3);
        failures += usize::from(has_failed);
    }
    assert!(failures > 8, "only {failures} scans failed");
    Ok(())
}

/// Somebody compacts in a thread of his own while another closes.
#[test]
fn nobody_writes_to_a_directory_that_was_let_go() -> Result<()> {
    let disk = FaultyVfs::default();
    let db = open(&disk, still());
    fill(&db, "key", 10)?;
    db.flush()?;
    disk.shut_gate(is_table);
    let other = db.clone();
    let compaction = std::thread::spawn(move || other.compact_range(..));
    while !disk.is_waited_for() {
        std::thread::yield_now();
    }
    let closing = std::thread::spawn(move || db.close());
    // Time enough for a close that does not wait; one that does is not hurried.
    for _ in 0..50 {
        if disk.is_locked() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    disk.open_gate();
    assert!(compaction.join().expect("it does not panic").is_ok());
    closing.join().expect("it does not panic")?;
    assert_eq!((disk.is_locked(), disk.writes_without_lock()), (false, 0));
    assert_eq!(count(&open(&disk, still()))?, 10);
    Ok(())
}

/// A system that has threads for one worker, and no more.
#[derive(Debug)]
struct OneThread(ThreadRuntime, AtomicUsize);

impl Runtime for OneThread {
    fn now(&self) -> Duration {
        self.0.now()
    }
    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }
    fn random(&self) -> u64 {
        self.0.random()
    }
    fn workers(&self) -> usize {
        2
    }
    fn spawn(&self, name: String, work: Work) -> std::io::Result<JoinHandle<()>> {
        match self.1.fetch_add(1, Ordering::Relaxed) {
            0 => self.0.spawn(name, work),
            _ => Err(std::io::Error::from(std::io::ErrorKind::WouldBlock)),
        }
    }
}

#[test]
fn an_open_that_cannot_start_its_threads_lets_the_directory_go() -> Result<()> {
    let disk = FaultyVfs::default();
    let poor = OneThread(ThreadRuntime::new(2), AtomicUsize::new(0));
    let error = still().runtime(Arc::new(poor)).open_vfs(Arc::new(disk.clone())).map(drop).expect_err("poor");
    assert!(error.to_string().contains("cannot start a background thread"), "{error}");
    assert!(!disk.is_locked());
    fill(&open(&disk, still()), "key", 3)
}
