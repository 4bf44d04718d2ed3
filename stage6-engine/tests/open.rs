//! The law of opening: **what was acknowledged is there again**, whatever the
//! options; two writers never share a directory; and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stage6_engine::bloom::blocked::Blocked;
use stage6_engine::bloom::bloom::Bloom;
use stage6_engine::bloom::policy::FilterPolicy;
use stage6_engine::compaction::manifest::{Current, read_manifest};
use stage6_engine::wal::log::format::HEADER_BYTES;
use stage6_engine::wal::vfs::crash::{Call, DataPolicy, Image};
use stage6_engine::wal::vfs::{FileId, SimVfs};
use stage6_engine::{
    Builder, Codec, Db, Durability, Error, ErrorKind, Job, Leveled, Mode, Read, RecoveryMode, Result,
    SimRuntime, WriteBatch,
};
use tempfile::TempDir;

#[path = "support/directory.rs"]
mod directory;
use directory::{contents, names};

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// One thread: nothing happens behind the test's back.
fn still() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1)))
}

fn kind(result: Result<impl Sized>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn keys(db: &impl Read) -> Result<Vec<String>> {
    db.range(..).map(|entry| Ok(String::from_utf8_lossy(&entry?.0).into_owned())).collect()
}

#[test]
fn a_database_is_created_and_found_again() -> Result<()> {
    let parent = temporary();
    let path = parent.path().join("not/yet/there");
    let db = Db::open(&path)?;
    assert!(db.recovery_report().created);
    db.put("fig", "green")?;
    db.close()?;
    let db = Db::open(&path)?;
    assert!(!db.recovery_report().created);
    assert_eq!(db.recovery_report().replay.batches, 1);
    assert_eq!(db.get("fig")?.as_deref(), Some(&b"green"[..]));
    drop(db);
    assert_eq!(keys(&Db::open(&path)?)?, ["fig"], "a dropped handle closes as well");
    Ok(())
}

#[test]
fn a_log_that_nobody_closed_is_read_to_its_last_record_and_no_further() -> Result<()> {
    let (running, left) = (temporary(), temporary());
    let db = still().open(running.path())?;
    db.put("fig", "green")?;
    // What the death of the process leaves now: room that was given ahead, too.
    for (name, bytes) in contents(running.path()) {
        fs::write(left.path().join(name), bytes).expect("the directory is ours");
    }
    let found = Db::builder().recovery(RecoveryMode::Strict).open(left.path())?;
    assert_eq!(keys(&found)?, ["fig"]);
    assert_eq!(found.recovery_report().replay.dropped, []);
    db.close()?;
    let logs: Vec<usize> =
        names(running.path(), ".log").iter().map(|name| contents(running.path())[name].len()).collect();
    assert!(logs.iter().all(|bytes| *bytes < 100), "closing gives the room back: {logs:?}");
    Ok(())
}

#[test]
fn sequences_go_on_where_they_ended() -> Result<()> {
    let parent = temporary();
    assert_eq!(Db::open(parent.path())?.put("a", "")?.sequence(), 1);
    let db = Db::open(parent.path())?;
    assert_eq!(db.put("b", "")?.sequence(), 2);
    db.flush()?;
    drop(db);
    assert_eq!(Db::open(parent.path())?.put("c", "")?.sequence(), 3);
    Ok(())
}

#[test]
fn reopening_with_other_options_gives_the_same_answers() -> Result<()> {
    let parent = temporary();
    let filters: [Option<Arc<dyn FilterPolicy>>; 3] =
        [None, Some(Arc::new(Bloom::default())), Some(Arc::new(Blocked::default()))];
    let mut model = BTreeMap::new();
    for round in 0u8..12 {
        let small = Leveled { level0_files: 2, base_level_bytes: 4_000, ..Leveled::default() };
        let builder = still()
            .strategy(small)
            .block_size_bytes([1, 300, 4_096, 100_000][usize::from(round) % 4])
            .codec([Codec::None, Codec::Lz4][usize::from(round) % 2])
            .filter(filters[usize::from(round) % 3].clone())
            .memtable_bytes([1_000, 100_000][usize::from(round) % 2])
            .cache_bytes([0, 10_000][usize::from(round) / 6])
            .max_open_files([1, 500][usize::from(round) / 6]);
        let db = builder.open(parent.path())?;
        for number in 0u8..60 {
            let key = [number.wrapping_mul(round + 7)];
            if number % 5 == 4 {
                db.delete(key)?;
                model.remove(&key[..]);
            } else {
                db.put(key, [round; 50])?;
                model.insert(key.to_vec(), vec![round; 50]);
            }
        }
        if round % 3 == 2 {
            db.compact_range(..)?;
        }
        let found: Vec<(Vec<u8>, Vec<u8>)> =
            db.range(..).map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec()))).collect::<Result<_>>()?;
        assert_eq!(found, model.clone().into_iter().collect::<Vec<_>>(), "round {round}");
        for key in 0..=u8::MAX {
            assert_eq!(db.get([key])?.map(|value| value.to_vec()), model.get(&[key][..]).cloned());
        }
        db.check_invariants()?;
    }
    Ok(())
}

#[test]
fn read_only_sees_what_was_never_flushed_and_writes_nothing() -> Result<()> {
    let parent = temporary();
    let db = still().open(parent.path())?;
    db.put("in a table", "")?;
    db.flush()?;
    db.put("in the log", "")?;
    drop(db);
    let before = contents(parent.path());
    let db = still().read_only().open(parent.path())?;
    assert_eq!(keys(&db)?, ["in a table", "in the log"]);
    assert_eq!(keys(&db.snapshot()?)?.len(), 2);
    assert!(matches!(db.status().mode, Mode::ReadOnly));
    db.check_invariants()?;
    for refused in [
        kind(db.put("a", "")),
        kind(db.delete("a")),
        kind(db.write(&WriteBatch::new())),
        kind(db.flush()),
        kind(db.compact_range(..)),
        kind(db.persist()),
    ] {
        assert_eq!(refused, Some(ErrorKind::ReadOnly));
    }
    drop(db);
    assert_eq!(contents(parent.path()), before);
    Ok(())
}

#[test]
fn read_only_opens_what_a_crash_left_and_leaves_it_so() -> Result<()> {
    let parent = temporary();
    let db = still().open(parent.path())?;
    db.put("whole", "")?;
    drop(db);
    let log = parent.path().join(&names(parent.path(), ".log")[0]);
    let mut bytes = fs::read(&log).expect("the log is there");
    bytes.extend_from_slice(b"half a record");
    fs::write(&log, &bytes).expect("the log can be written");
    let before = contents(parent.path());
    let db = still().read_only().open(parent.path())?;
    assert_eq!(keys(&db)?, ["whole"]);
    assert_eq!(db.recovery_report().replay.dropped[0].bytes, 13);
    drop(db);
    assert_eq!(contents(parent.path()), before);
    let db = still().open(parent.path())?;
    assert_eq!(db.recovery_report().replay.dropped.len(), 1);
    drop(db);
    assert!(still().open(parent.path())?.recovery_report().replay.dropped.is_empty(), "it is gone for good");
    Ok(())
}

#[test]
fn readers_share_a_directory_and_exclude_writers() -> Result<()> {
    let parent = temporary();
    let writer = Db::open(parent.path())?;
    writer.put("a", "")?;
    assert_eq!(kind(still().read_only().open(parent.path())), Some(ErrorKind::InUse));
    drop(writer);
    let first = still().read_only().open(parent.path())?;
    let second = still().read_only().open(parent.path())?;
    assert_eq!((keys(&first)?, keys(&second)?), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert_eq!(kind(Db::open(parent.path())), Some(ErrorKind::InUse));
    first.close()?;
    assert_eq!(kind(Db::open(parent.path())), Some(ErrorKind::InUse));
    drop(second);
    Db::open(parent.path()).map(drop)
}

#[test]
fn a_second_opener_is_refused_until_the_first_has_closed() -> Result<()> {
    let parent = temporary();
    let first = Db::open(parent.path())?;
    let error = Db::open(parent.path()).map(drop).expect_err("it is open already");
    assert!(matches!(error, Error::InUse { .. }) && error.is_retryable());
    let message = error.to_string();
    assert!(
        message.contains(&parent.path().display().to_string()) && message.contains("close it"),
        "{message}"
    );
    first.put("a", "")?;
    first.close()?;
    let second = Db::open(parent.path())?;
    assert_eq!(keys(&second)?, ["a"]);
    drop(first);
    assert_eq!(kind(Db::open(parent.path())), Some(ErrorKind::InUse), "the closed handle released nothing");
    Ok(())
}

#[test]
fn the_directory_is_let_go_by_the_last_who_holds_it_whoever_that_is() -> Result<()> {
    let parent = temporary();
    type Holder = Box<dyn std::any::Any>;
    let takers: [fn(&Db) -> Result<Holder>; 4] = [
        |db| Ok(Box::new(db.clone())),
        |db| Ok(Box::new(db.snapshot()?)),
        |db| Ok(Box::new(db.cursor())),
        |db| Ok(Box::new(db.range(..))),
    ];
    for take in takers {
        let db = Db::open(parent.path())?;
        let holder = take(&db)?;
        drop(db);
        assert_eq!(kind(Db::open(parent.path())), Some(ErrorKind::InUse));
        drop(holder);
        Db::open(parent.path())?;
    }
    let db = Db::open(parent.path())?;
    let (commit, value) = (db.put("a", "")?, db.get("a")?);
    drop(db);
    Db::open(parent.path())?;
    assert!(commit.is_durable() && value.is_some(), "a commit and a value hold no database open");
    Ok(())
}

#[test]
fn after_an_explicit_close_everybody_else_is_told() -> Result<()> {
    let parent = temporary();
    let db = Db::open(parent.path())?;
    let commit = db.put("a", "")?;
    db.flush()?;
    let (other, snapshot, mut cursor, mut range) = (db.clone(), db.snapshot()?, db.cursor(), db.range(..));
    cursor.seek_to_first();
    db.close()?;
    db.close()?;
    cursor.seek_to_first();
    assert!(!cursor.is_valid());
    for told in [
        kind(other.put("b", "")),
        kind(other.get("a")),
        kind(other.snapshot()),
        kind(other.flush()),
        kind(other.compact_range(..)),
        kind(other.persist()),
        kind(snapshot.get("a")),
        kind(cursor.status()),
        range.next().and_then(kind),
        snapshot.range(..).next().and_then(kind),
    ] {
        assert_eq!(told, Some(ErrorKind::Closed));
    }
    assert!(commit.is_durable() && commit.wait_durable().is_ok(), "closing makes everything durable");
    assert!(matches!(other.status().mode, Mode::Closed));
    assert!(other.pending_jobs().is_empty());
    drop((db, other, snapshot, cursor, range, commit));
    assert_eq!(keys(&Db::open(parent.path())?)?, ["a"]);
    Ok(())
}

#[test]
fn a_copy_without_its_lock_file_can_be_read() -> Result<()> {
    let parent = temporary();
    let db = Db::open(parent.path())?;
    db.put("a", "")?;
    db.close()?;
    std::fs::remove_file(parent.path().join("LOCK")).expect("it is there");
    let copy = Db::builder().read_only().open(parent.path())?;
    assert_eq!(keys(&copy)?, ["a"]);
    assert!(!parent.path().join("LOCK").exists(), "reading writes nothing");
    Ok(())
}

#[test]
fn a_database_in_memory_is_gone_with_its_last_handle() -> Result<()> {
    let (first, second) = (Db::builder().open_in_memory()?, Db::builder().open_in_memory()?);
    first.put("a", "")?;
    first.flush()?;
    assert_eq!((keys(&first)?.len(), keys(&second)?.len()), (1, 0));
    drop(first);
    assert_eq!(keys(&Db::builder().open_in_memory()?)?.len(), 0);
    Ok(())
}

#[test]
fn options_that_contradict_each_other_are_refused_in_words() {
    let cases: [(Builder, &str); 8] = [
        (still().memtable_bytes(0), "a memtable of 0 bytes holds nothing"),
        (still().max_immutables(0), "0 immutable memtables leave no memtable to flush"),
        (still().max_open_files(0), "with 0 open files no table can be read"),
        (still().block_size_bytes(0), "a block of 0 bytes holds nothing"),
        (still().level0_limits(8, 8), "stopped at 8 files of level 0 before they are slowed down at 8"),
        (still().level0_limits(9, 3), "let them be slowed down at fewer files"),
        (still().read_only().durability(Durability::Sync), "no writes to sync"),
        (still().read_only().database_id(7), "has its id already"),
    ];
    let parent = temporary();
    let path = parent.path().join("none");
    for (builder, words) in cases {
        let error = builder.open(&path).map(drop).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!path.exists(), "nothing was created");
    }
}

fn plant(path: &Path, name: &str) {
    fs::write(path.join(name), "planted").expect("the directory can be written");
}

#[test]
fn what_a_crash_may_leave_over_is_removed_at_open() -> Result<()> {
    let parent = temporary();
    let db = still().open(parent.path())?;
    db.put("a", "")?;
    db.flush()?;
    drop(db);
    // A log and a table of before, an old manifest, a CURRENT that was not renamed;
    // and files with numbers that this database has not reached.
    let planted = ["000000.log", "000099.sst", "MANIFEST-000000", "000098.tmp", "MANIFEST-000097"];
    planted.iter().for_each(|name| plant(parent.path(), name));
    let db = still().open(parent.path())?;
    assert!(db.recovery_report().files_removed >= planted.len());
    let left = contents(parent.path());
    assert!(planted.iter().all(|name| !left.contains_key(*name)), "{:?}", left.keys());
    db.check_invariants()?;
    db.put("b", "")?;
    db.flush()?;
    let newest = names(parent.path(), ".sst").pop();
    assert!(newest > Some("000099.sst".to_owned()), "numbers begin above everything seen: {newest:?}");
    assert_eq!(keys(&db)?, ["a", "b"]);
    Ok(())
}

/// Of every file that counted so far, the number: named by an edit or by `CURRENT`, or a log with
/// something in it.
fn numbers_that_count(image: &Image) -> Result<BTreeSet<u64>> {
    let disk = SimVfs::from_image(image);
    let Some(current) = Current::read(&disk)? else { return Ok(BTreeSet::new()) };
    let edits = read_manifest(&disk, current)?;
    let tables = edits.iter().flat_map(|edit| edit.added.iter().map(|(_, meta)| meta.number));
    let used = |(file, bytes): (&FileId, &Bytes)| match file {
        FileId::Log(number) if bytes.len() > HEADER_BYTES => Some(*number),
        _ => None,
    };
    Ok(tables.chain(image.iter().filter_map(used)).chain([current.manifest]).collect())
}

#[test]
fn no_number_of_a_file_that_ever_counted_is_given_again() -> Result<()> {
    let disk = SimVfs::new();
    let db = still().database_id(7).open_vfs(Arc::new(disk.clone()))?;
    for _ in 0..2 {
        db.write_opt(WriteBatch::new().put("fig", "green"), Durability::Sync)?;
        db.flush()?;
        // Merged to nothing, before the next log is made: no file with a higher number is there.
        db.write_opt(WriteBatch::new().delete("fig"), Durability::Sync)?;
        db.flush()?;
        db.compact_range(..)?;
        db.run_job(Job::RemoveFiles)?;
    }
    let (trace, mut counted, mut given_again) = (disk.trace(), BTreeSet::new(), BTreeSet::new());
    trace.for_each_crash(|done, policy, image| {
        if !matches!(policy.data, DataPolicy::Lost | DataPolicy::Kept) {
            return Ok(());
        }
        counted.extend(numbers_that_count(&image)?);
        let before: BTreeSet<u64> = trace.calls[..done].iter().filter_map(created).collect();
        let after = SimVfs::from_image(&image);
        still().open_vfs(Arc::new(after.clone()))?.put("kiwi", "brown")?;
        let made: BTreeSet<u64> = after.trace().calls.iter().filter_map(created).collect();
        assert!(made.is_disjoint(&counted), "after {done} calls, {policy}: {made:?} of {counted:?}");
        given_again.extend(made.intersection(&before).copied());
        Ok::<(), Error>(())
    })?;
    assert!(!given_again.is_empty(), "of files that nobody relied on, numbers are given again");
    Ok(())
}

fn created(call: &Call) -> Option<u64> {
    if let Call::Create { file, .. } = call { file.number() } else { None }
}

#[test]
fn foreign_files_are_left_alone() -> Result<()> {
    let parent = temporary();
    let foreign = ["notes.txt", "1.log", "MANIFEST-3", "000001.LOG", "CURRENT.bak", "+00007.sst"];
    foreign.iter().for_each(|name| plant(parent.path(), name));
    fs::create_dir(parent.path().join("000001")).expect("the directory can be written");
    for _ in 0..2 {
        let db = still().open(parent.path())?;
        db.put("a", "")?;
        db.compact_range(..)?;
        db.check_invariants()?;
    }
    let left = contents(parent.path());
    assert!(foreign.iter().all(|name| left.get(*name).is_some_and(|bytes| bytes == b"planted")));
    assert!(left.contains_key("000001"));
    Ok(())
}

#[test]
fn opening_again_and_again_leaves_no_files_behind() -> Result<()> {
    let parent = temporary();
    let mut most = 0;
    for round in 0..30u8 {
        let db = still().open(parent.path())?;
        db.put([round], "")?;
        db.check_invariants()?;
        drop(db);
        if round % 10 == 9 {
            still().open(parent.path())?.compact_range(..)?;
        }
        most = most.max(contents(parent.path()).len());
    }
    // LOCK, CURRENT, a manifest, a log, and a table for each round since the last
    // compaction.
    assert!(most <= 4 + 12, "{most} files");
    assert_eq!(keys(&still().open(parent.path())?)?.len(), 30);
    Ok(())
}

/// The lock comes first, then the manifest: a crash in between leaves no database,
/// and nothing that would look like a damaged one.
#[test]
fn a_creation_that_a_crash_cut_short_is_begun_again() -> Result<()> {
    let parent = temporary();
    for name in ["LOCK", "MANIFEST-000002", "000003.tmp"] {
        plant(parent.path(), name);
    }
    let db = still().open(parent.path())?;
    assert!(db.recovery_report().created);
    db.put("a", "")?;
    db.check_invariants()
}

#[test]
fn two_databases_with_the_same_seed_and_calls_have_the_same_bytes() -> Result<()> {
    let write = |path: &Path| -> Result<()> {
        let db = still().memtable_bytes(500).open(path)?;
        for number in 0..200u32 {
            db.put((number % 37).to_be_bytes(), number.to_string())?;
        }
        db.compact_range(..)?;
        db.close()
    };
    let (first, second) = (temporary(), temporary());
    write(first.path())?;
    write(second.path())?;
    assert_eq!(contents(first.path()), contents(second.path()));
    Ok(())
}
