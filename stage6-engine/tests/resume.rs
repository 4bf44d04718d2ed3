//! Taking up work again after a failure: nothing acknowledged is lost on the way,
//! and nobody who waits keeps it from happening.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stage6_engine::memtable::error::Result as StorageResult;
use stage6_engine::wal::vfs::{
    AppendFile, Fault, FaultKind, FaultVfs, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs,
};
use stage6_engine::{Builder, Db, Durability, ErrorKind, Job, Mode, Read, Result, SimRuntime, WriteBatch};

fn stepwise() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1)))
}

fn sync(db: &Db, key: &str) -> Result<()> {
    let mut batch = WriteBatch::new();
    batch.put(key, "value");
    db.write_opt(&batch, Durability::Sync).map(drop)
}

fn disk() -> (SimVfs, FaultVfs) {
    let sim = SimVfs::without_trace();
    (sim.clone(), FaultVfs::new(Arc::new(sim)))
}

/// Every call that can fails in this way, until the disk is cleared.
fn fail(disk: &FaultVfs, kind: FaultKind) {
    disk.arm(Fault { kind, at_call: 0, is_sticky: true });
}

#[test]
fn after_a_failed_append_the_database_resumes_in_a_new_log() -> Result<()> {
    let (sim, disk) = disk();
    let db = stepwise().open_vfs(Arc::new(disk.clone()))?;
    sync(&db, "before")?;
    fail(&disk, FaultKind::ShortWrite);
    assert_eq!(sync(&db, "lost").map_err(|error| error.kind()), Err(ErrorKind::Stopped));
    assert!(db.try_resume().is_err(), "the disk is still full");
    disk.clear();
    assert!(matches!(db.status().mode, Mode::Stopped { .. }));
    assert!(db.get("before")?.is_some(), "reads go on");

    db.try_resume()?;
    sync(&db, "after")?;
    drop(db);
    let db = stepwise().open_vfs(Arc::new(sim))?;
    assert_eq!((db.contains("before")?, db.contains("lost")?, db.contains("after")?), (true, false, true));
    Ok(())
}

#[test]
fn after_a_failed_sync_the_database_resumes_with_everything_it_showed() -> Result<()> {
    let (sim, disk) = disk();
    let db = stepwise().open_vfs(Arc::new(disk.clone()))?;
    fail(&disk, FaultKind::FailedSync);
    assert!(sync(&db, "shown").is_err());
    disk.clear();
    assert!(db.contains("shown")?, "a Sync write is visible before it is durable");
    assert!(db.persist().is_err(), "a later sync must not acknowledge what the failed one lost");
    db.try_resume()?;
    db.persist()?;
    drop(db);
    assert!(stepwise().open_vfs(Arc::new(sim))?.contains("shown")?);
    Ok(())
}

#[test]
fn after_a_failed_manifest_only_opening_again_helps() -> Result<()> {
    let (sim, disk) = disk();
    let db = stepwise().open_vfs(Arc::new(disk.clone()))?;
    sync(&db, "before")?;
    // One of the syncs of a flush is the manifest's.
    let is_final = (0..40).any(|call| {
        disk.arm(Fault { kind: FaultKind::FailedSync, at_call: disk.calls() + call, is_sticky: false });
        let failed = db.put("again", "").and_then(|_| db.flush()).is_err();
        disk.clear();
        failed && db.try_resume().is_err()
    });
    assert!(is_final, "no call was the manifest's");
    assert!(db.put("refused", "").is_err() && db.contains("before")?, "writes stop, reads go on");
    drop(db);
    assert!(stepwise().open_vfs(Arc::new(sim))?.contains("before")?);
    Ok(())
}

/// How a put fails now: whether the same put may pass later, and its words.
fn refused(db: &Db) -> (bool, String) {
    let error = db.put("refused", "").expect_err("writing has stopped");
    assert_eq!(error.kind(), ErrorKind::Stopped);
    (error.is_retryable(), error.to_string())
}

#[test]
fn whoever_is_refused_is_told_whether_to_wait_or_to_open_the_database_again() -> Result<()> {
    let (_, disk) = disk();
    let db = stepwise().open_vfs(Arc::new(disk.clone()))?;
    fail(&disk, FaultKind::NoSpace);
    let (may_pass, words) = refused(&db);
    assert!(may_pass && words.ends_with("writing resumes by itself once that is mended"), "{words}");
    assert!(matches!(db.status().mode, Mode::Stopped { is_final: false, .. }));
    // There is nothing to flush that would find it full: the manifest must not be the first to.
    assert!(db.try_resume().is_err_and(|error| error.is_retryable()), "the disk is still full");
    disk.clear();
    db.try_resume()?;

    // One of the syncs of a flush is the manifest's.
    let is_final = (0..40).any(|call| {
        disk.arm(Fault { kind: FaultKind::FailedSync, at_call: disk.calls() + call, is_sticky: false });
        let failed = db.put("again", "").and_then(|_| db.flush()).is_err();
        disk.clear();
        failed && db.try_resume().is_err()
    });
    assert!(is_final, "no call was the manifest's");
    let (may_pass, words) = refused(&db);
    assert!(!may_pass && words.ends_with("open the database again to write"), "{words}");
    assert!(matches!(db.status().mode, Mode::Stopped { is_final: true, .. }));
    Ok(())
}

#[test]
fn damage_that_a_compaction_meets_stops_writing_and_does_not_pass_by_itself() -> Result<()> {
    let disk = SimVfs::without_trace();
    let db = stepwise().cache_bytes(0).open_vfs(Arc::new(disk.clone()))?;
    for version in 0..8 {
        db.put("fig", format!("version {version}"))?;
        db.flush()?;
    }
    let mut tables = disk.list()?.into_iter().filter(|file| matches!(file, FileId::Table(_)));
    let oldest = tables.next().expect("tables were written");
    disk.corrupt(oldest, |bytes| bytes[5] ^= 1)?;
    assert!(db.pending_jobs().contains(&Job::Compact));
    assert!(db.run_job(Job::Compact).is_err());
    let (may_pass, words) = refused(&db);
    assert!(!may_pass && words.contains("is corrupt") && words.ends_with("to write"), "{words}");
    assert_eq!(db.get("fig")?.as_deref(), Some(&b"version 7"[..]), "reads go on");
    Ok(())
}

#[test]
fn whoever_polls_does_not_keep_the_database_from_resuming() -> Result<()> {
    let (_, disk) = disk();
    let db = Db::builder().open_vfs(Arc::new(disk.clone()))?;
    fail(&disk, FaultKind::FailedSync);
    assert!(sync(&db, "a").is_err());
    disk.clear();
    for _ in 0..1_000 {
        if db.persist().is_ok() && matches!(db.status().mode, Mode::ReadWrite) {
            return sync(&db, "b");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    unreachable!("it is still stopped although the disk is well");
}

/// A disk whose tables can be held up, and whose next append to a log can fail
/// with all of its bytes in the file.
#[derive(Debug, Clone)]
struct Gate {
    disk: SimVfs,
    is_shut: Arc<AtomicBool>,
    is_reached: Arc<AtomicBool>,
    fails_log: Arc<AtomicBool>,
}

#[derive(Debug)]
struct GatedFile {
    inner: Arc<dyn AppendFile>,
    file: FileId,
    gate: Gate,
}

impl AppendFile for GatedFile {
    fn append(&self, bytes: &[u8]) -> StorageResult<()> {
        while matches!(self.file, FileId::Table(_)) && self.gate.is_shut.load(Ordering::SeqCst) {
            self.gate.is_reached.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.inner.append(bytes)?;
        if matches!(self.file, FileId::Log(_)) && self.gate.fails_log.swap(false, Ordering::SeqCst) {
            let cause = std::io::Error::other("input/output error");
            return Err(stage6_engine::memtable::Error::io("append to", self.file.to_string(), cause));
        }
        Ok(())
    }
    fn sync(&self) -> StorageResult<()> {
        self.inner.sync()
    }
    fn finish(&self, length: u64) -> StorageResult<()> {
        self.inner.finish(length)
    }
}

impl Vfs for Gate {
    fn create(&self, file: FileId) -> StorageResult<Arc<dyn AppendFile>> {
        Ok(Arc::new(GatedFile { inner: self.disk.create(file)?, file, gate: self.clone() }))
    }
    fn open(&self, file: FileId) -> StorageResult<Arc<dyn ReadFile>> {
        self.disk.open(file)
    }
    fn rename(&self, from: FileId, to: FileId) -> StorageResult<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, file: FileId) -> StorageResult<()> {
        self.disk.remove(file)
    }
    fn list(&self) -> StorageResult<Vec<FileId>> {
        self.disk.list()
    }
    fn sync_directory(&self) -> StorageResult<()> {
        self.disk.sync_directory()
    }
    fn lock(&self, mode: LockMode) -> StorageResult<Option<Box<dyn Lock>>> {
        self.disk.lock(mode)
    }
    fn describe(&self, file: FileId) -> String {
        self.disk.describe(file)
    }
}

#[test]
fn a_flush_that_is_under_way_does_not_let_the_failed_log_count_again() -> Result<()> {
    let sim = SimVfs::without_trace();
    let gate = Gate {
        disk: sim.clone(),
        is_shut: Arc::new(AtomicBool::new(true)),
        is_reached: Arc::default(),
        fails_log: Arc::default(),
    };
    let db = Db::builder().open_vfs(Arc::new(gate.clone()))?;
    db.put("a", "flushed")?;
    let flusher = std::thread::spawn({
        let db = db.clone();
        move || db.flush()
    });
    while !gate.is_reached.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    gate.fails_log.store(true, Ordering::SeqCst);
    assert!(db.put("b", "failed, but all of it is in the file").is_err());
    let resumer = std::thread::spawn({
        let db = db.clone();
        move || db.try_resume()
    });
    std::thread::sleep(Duration::from_millis(20));
    gate.is_shut.store(false, Ordering::SeqCst);
    let _may_be_told_of_the_failure = flusher.join().expect("it does not panic");
    resumer.join().expect("it does not panic")?;

    sync(&db, "c")?;
    let image = sim.image();
    drop(db);
    let db = Db::builder().open_vfs(Arc::new(SimVfs::from_image(&image)))?;
    assert_eq!((db.contains("a")?, db.contains("b")?, db.contains("c")?), (true, false, true));
    Ok(())
}
