//! The law of scans that pay: **a merge is done for scans once they have cost as much
//! as it does, after any merge that writes need, and never where nobody scans.**
//!
//! One thread does everything ([`SimRuntime`]), and the test says which job runs when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::{Builder, Db, Event, Job, Leveled, Listener, Read, Result, SimRuntime, ThreadRuntime};

/// What a seek pays for each run too many.
const BYTES_A_RUN: u64 = 4 << 10;
/// What a merge costs beside its bytes.
const BYTES_A_MERGE: u64 = 1 << 20;

/// Why tables were merged.
#[derive(Debug, Default)]
struct Reasons(Mutex<Vec<String>>);

impl Reasons {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Listener for Reasons {
    fn on_event(&self, event: &Event) {
        if let Event::CompactionBegun { reason, .. } = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(reason.clone());
        }
    }
}

/// Nothing happens unless the test asks for it.
fn still() -> Builder {
    let leveled = Leveled { level0_files: 3, ..Leveled::default() };
    Db::builder().runtime(Arc::new(SimRuntime::new(1))).strategy(leveled)
}

fn flushed(db: &Db, value: &str, keys: u32) -> Result<()> {
    (0..keys).try_for_each(|key| db.put(key.to_be_bytes(), value).map(drop))?;
    db.flush()
}

/// A table of level 0 over the last level.
fn two_runs(builder: Builder) -> Result<Db> {
    let db = builder.open_in_memory()?;
    flushed(&db, "old", 500)?;
    db.compact_range(..)?;
    flushed(&db, "new", 300)?;
    assert_eq!((tables(&db, 0), tables(&db, 6)), (1, 1));
    Ok(db)
}

fn tables(db: &Db, level: usize) -> usize {
    db.levels()[level].len()
}

fn scan(source: &impl Read, times: u64) {
    (0..times).for_each(|_| source.cursor().seek([0, 0, 1]));
}

fn contents(source: &impl Read) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    source.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// How many seeks pay for merging all that `db` has, with `runs_too_many`.
fn seeks_that_pay(db: &Db, runs_too_many: u64) -> u64 {
    (BYTES_A_MERGE + db.stats().table_bytes).div_ceil(runs_too_many * BYTES_A_RUN)
}

fn is_due(db: &Db) -> bool {
    db.pending_jobs().contains(&Job::Compact)
}

#[test]
fn scans_over_two_runs_merge_them_once_they_have_paid() -> Result<()> {
    let reasons = Arc::new(Reasons::default());
    let db = two_runs(still().listener(reasons.clone()))?;
    let past = db.snapshot()?;
    flushed(&db, "newest", 100)?;
    let price = seeks_that_pay(&db, 2);
    // These two pay as well.
    let (before, then) = (contents(&db)?, contents(&past)?);
    scan(&past, price - 3);
    assert!(!is_due(&db));
    scan(&db, 1);
    assert!(is_due(&db));

    db.run_job(Job::Compact)?;
    assert_eq!((tables(&db, 0), tables(&db, 6)), (0, 1));
    assert_eq!(reasons.all().last().map(String::as_str), Some("scans paid for 2 files of level 0"));
    assert_eq!((contents(&db)?, contents(&past)?), (before, then));
    scan(&db, 10 * price);
    assert!(!is_due(&db), "one run is scanned free of charge");
    db.check_invariants()
}

#[test]
fn gets_and_writes_alone_never_merge_for_scans() -> Result<()> {
    let db = two_runs(still())?;
    for number in 0..20 * seeks_that_pay(&db, 1) {
        db.get((number as u32 % 600).to_be_bytes())?;
    }
    flushed(&db, "newer", 2_000)?;
    assert!(!is_due(&db));
    Ok(())
}

#[test]
fn a_merge_that_writes_need_goes_first() -> Result<()> {
    let reasons = Arc::new(Reasons::default());
    let db = two_runs(still().listener(reasons.clone()))?;
    scan(&db, 10 * seeks_that_pay(&db, 1));
    assert!(is_due(&db));
    flushed(&db, "newer", 100)?;
    flushed(&db, "newest", 100)?;
    db.run_job(Job::Compact)?;
    assert_eq!(reasons.all().last().map(String::as_str), Some("level 0 has 3 files"));
    assert!(!is_due(&db), "and is theirs too");
    Ok(())
}

#[test]
fn what_was_paid_outlasts_a_flush_and_ends_with_a_merge() -> Result<()> {
    let db = two_runs(still())?;
    scan(&db, seeks_that_pay(&db, 1) - 1);
    flushed(&db, "newer", 100)?;
    assert!(!is_due(&db));
    scan(&db, 2);
    assert!(is_due(&db), "little was missing");
    db.compact_range(..)?;
    flushed(&db, "newest", 100)?;
    scan(&db, 2);
    assert!(!is_due(&db), "other runs, another count");
    Ok(())
}

#[test]
fn a_cursor_pays_when_it_ends_and_only_for_runs_that_still_stand() -> Result<()> {
    let db = two_runs(still())?;
    let seek = |cursor: &mut stage6_engine::DbCursor| {
        (0..seeks_that_pay(&db, 1).div_ceil(4)).for_each(|_| {
            cursor.seek([0]);
            cursor.seek_before([9]);
            cursor.seek_to_first();
            cursor.seek_to_last();
        });
    };
    let (mut in_time, mut too_late) = (db.cursor(), db.cursor());
    seek(&mut in_time);
    seek(&mut too_late);
    assert!(!is_due(&db));
    drop(in_time);
    assert!(is_due(&db));
    db.run_job(Job::Compact)?;
    flushed(&db, "newer", 100)?;
    drop(too_late);
    assert!(!is_due(&db));
    Ok(())
}

#[test]
fn a_database_opened_read_only_merges_nothing() -> Result<()> {
    let disk = Arc::new(SimVfs::new());
    let db = still().open_vfs(disk.clone())?;
    flushed(&db, "old", 500)?;
    flushed(&db, "new", 500)?;
    let price = seeks_that_pay(&db, 1);
    drop(db);
    let db = still().read_only().open_vfs(disk.clone())?;
    let before = disk.image();
    scan(&db, 10 * price);
    assert!(db.pending_jobs().is_empty());
    drop(db);
    assert!(disk.image() == before);
    Ok(())
}

#[test]
fn a_database_that_was_closed_merges_nothing() -> Result<()> {
    let db = two_runs(still())?;
    let mut cursor = db.cursor();
    (0..10 * seeks_that_pay(&db, 1)).for_each(|_| cursor.seek([0]));
    db.close()?;
    drop(cursor);
    assert!(db.pending_jobs().is_empty());
    Ok(())
}

#[test]
fn a_background_thread_merges_without_being_asked() -> Result<()> {
    let db = two_runs(still().runtime(Arc::new(ThreadRuntime::default())))?;
    scan(&db, seeks_that_pay(&db, 1));
    let deadline = Instant::now() + Duration::from_secs(20);
    while tables(&db, 0) > 0 {
        assert!(Instant::now() < deadline, "nobody merges");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
