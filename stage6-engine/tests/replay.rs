//! The law of the replay: **however many logs a crash leaves, all of them come back, and
//! those in memory at a time are few.**

use std::collections::BTreeMap;
use std::sync::Arc;

use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Db, ErrorKind, Read, Result, SimRuntime};

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// One thread: nothing happens behind the test's back.
fn still() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1))).database_id(7)
}

/// Holds a handful of the logs of [`many_logs`] in memory at a time.
fn frugal() -> Builder {
    still().memtable_bytes(200).max_immutables(1)
}

fn contents(db: &impl Read) -> Result<Contents> {
    db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// A disk with a log for each of forty writes, all promised and none flushed: eight keys,
/// written and deleted over and over. And what a reader finds.
fn many_logs() -> Result<(Image, Contents)> {
    let disk = SimVfs::new();
    let db = still().memtable_bytes(1).max_immutables(100).open_vfs(Arc::new(disk.clone()))?;
    for write in 0..40u32 {
        let key = (write * 5 % 8).to_string();
        match write % 7 {
            3 => db.delete(key)?,
            _ => db.put(key, write.to_string())?,
        };
    }
    db.persist()?;
    let contents = contents(&db)?;
    Ok((disk.image(), contents))
}

fn tables(disk: &SimVfs) -> Result<usize> {
    Ok(disk.list()?.iter().filter(|file| matches!(file, FileId::Table(_))).count())
}

#[test]
fn logs_become_one_table_and_more_only_beyond_what_memory_may_hold() -> Result<()> {
    let (image, written) = many_logs()?;
    for (builder, expected) in [(still(), 1..=1), (frugal(), 4..=20)] {
        let disk = SimVfs::from_image(&image);
        let db = builder.open_vfs(Arc::new(disk.clone()))?;
        assert_eq!(contents(&db)?, written);
        assert!(expected.contains(&tables(&disk)?), "{} tables", tables(&disk)?);
        assert_eq!(db.recovery_report().tables_written, tables(&disk)?);
        db.check_invariants()?;
        db.put("new", "")?;
        db.close()?;
        assert_eq!(contents(&still().open_vfs(Arc::new(disk))?)?.len(), written.len() + 1);
    }
    Ok(())
}

/// Twice the same keys, newer values and deletions in the second round: what is hidden
/// must stay so, whichever table it is in.
#[test]
fn a_large_log_becomes_two_tables_whose_keys_are_apart() -> Result<()> {
    let disk = SimVfs::new();
    let large = || Db::builder().memtable_bytes(64 << 20).database_id(7);
    let db = large().open_vfs(Arc::new(disk.clone()))?;
    for write in 0..9_000u32 {
        db.put((write * 7 % 9_000).to_string(), [1; 2_000])?;
    }
    for write in 0..9_000u32 {
        let key = (write * 11 % 9_000).to_string();
        if write % 3 == 0 {
            db.delete(key)?
        } else {
            db.put(key, write.to_string())?
        };
    }
    let (written, image) = (contents(&db)?, disk.image());
    for (builder, expected) in [(large(), 2), (large().runtime(Arc::new(SimRuntime::new(1))), 1)] {
        let disk = SimVfs::from_image(&image);
        let db = builder.open_vfs(Arc::new(disk.clone()))?;
        assert_eq!((db.recovery_report().tables_written, tables(&disk)?), (expected, expected));
        assert_eq!(contents(&db)?, written);
        db.check_invariants()?;
        assert!(db.verify()?.is_sound());
        db.compact_range(..)?;
        assert_eq!(contents(&db)?, written);
    }
    Ok(())
}

#[test]
fn a_reader_of_many_logs_writes_nothing_and_sees_all_of_them() -> Result<()> {
    let (image, written) = many_logs()?;
    for memtable_bytes in [1, 1 << 20] {
        let disk = SimVfs::from_image(&image);
        let reader = Db::builder().runtime(Arc::new(SimRuntime::new(1))).read_only();
        let reader = reader.memtable_bytes(memtable_bytes).open_vfs(Arc::new(disk.clone()))?;
        assert_eq!(contents(&reader)?, written);
        assert_eq!(disk.image(), image);
    }
    Ok(())
}

/// Tables were written before the gap behind them was found below a promise.
#[test]
fn a_replay_that_is_refused_leaves_no_table_behind() -> Result<()> {
    let (mut image, _) = many_logs()?;
    let logs: Vec<FileId> = image.keys().copied().filter(|file| matches!(file, FileId::Log(_))).collect();
    image.remove(&logs[30]);
    let disk = SimVfs::from_image(&image);
    let refused = frugal().open_vfs(Arc::new(disk.clone()));
    assert_eq!(refused.map(drop).map_err(|error| error.kind()), Err(ErrorKind::Corruption));
    assert_eq!(disk.image(), image);
    Ok(())
}

#[test]
fn a_crash_between_two_tables_of_a_recovery_loses_nothing() -> Result<()> {
    let (image, written) = many_logs()?;
    let disk = SimVfs::from_image(&image);
    drop(frugal().open_vfs(Arc::new(disk.clone()))?);
    let images = disk.trace().for_each_crash(|calls, policy, image| {
        let again = SimVfs::from_image(&image);
        let db = frugal().open_vfs(Arc::new(again.clone()))?;
        assert_eq!(contents(&db)?, written, "after {calls} calls, {policy}");
        db.check_invariants()
    })?;
    assert!(images > 100, "{images} images");
    Ok(())
}
