//! Operations on a whole database: checkpoint, verify, events.

use std::path::Path;
use std::sync::{Arc, Mutex};

use stage6_engine::wal::vfs::{FileId, SimVfs};
use stage6_engine::{Builder, Db, ErrorKind, Event, Leveled, Listener, Read, Result, SimRuntime};

fn small() -> Builder {
    Db::builder().memtable_bytes(4_000).max_immutables(4).runtime(Arc::new(SimRuntime::new(1))).strategy(
        Leveled { level0_files: 2, base_level_bytes: 4_000, size_ratio: 4, target_file_bytes: 2_000 },
    )
}

fn fill(db: &Db, range: std::ops::Range<u32>) -> Result<()> {
    range.into_iter().try_for_each(|n| db.put(format!("key{n:04}"), [7; 60]).map(drop))
}

fn settle(db: &Db) -> Result<()> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

fn count(db: &Db) -> usize {
    db.range(..).filter(Result::is_ok).count()
}

#[test]
fn a_checkpoint_opens_as_a_database_of_its_own_and_the_two_go_apart() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (origin, copy) = (directory.path().join("origin"), directory.path().join("a/copy"));
    let db = Db::open(&origin)?;
    fill(&db, 0..300)?;
    let report = db.checkpoint(&copy)?;
    assert_eq!((report.tables, report.sequence), (1, 300));
    fill(&db, 300..400)?;
    db.compact_range(..)?;

    let reader = Db::builder().read_only().open(&copy)?;
    assert_eq!(count(&reader), 300, "it may be opened read-only before anybody writes to it");
    reader.close()?;
    let second = Db::open(&copy)?;
    assert_eq!((count(&db), count(&second)), (400, 300));
    second.put("only here", "yes")?;
    assert!(!db.contains("only here")?);
    drop(db);
    std::fs::remove_dir_all(&origin).expect("it is ours");
    second.check_invariants()?;
    assert!(second.verify()?.is_sound(), "a link outlives its origin");
    assert_eq!(count(&second), 301);
    Ok(())
}

#[test]
fn a_checkpoint_into_a_directory_that_is_not_empty_is_refused() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Db::open(directory.path().join("origin"))?;
    fill(&db, 0..10)?;
    db.checkpoint(directory.path().join("copy"))?;
    let error = db.checkpoint(directory.path().join("copy")).expect_err("it holds one already");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("needs an empty directory"), "{error}");
    Ok(())
}

#[test]
fn a_checkpoint_that_was_not_finished_is_no_database() -> Result<()> {
    let vfs = SimVfs::new();
    let db = small().open_vfs(Arc::new(vfs.clone()))?;
    fill(&db, 0..100)?;
    db.checkpoint("copy")?;
    let copy = vfs.sibling_at(Path::new("copy"));
    stage6_engine::wal::vfs::Vfs::remove(&copy, FileId::Current)?;
    let error = small().open_vfs(Arc::new(copy)).expect_err("without CURRENT");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    Ok(())
}

#[test]
fn a_sound_database_verifies_and_every_kind_of_damage_is_named() -> Result<()> {
    let vfs = SimVfs::new();
    let db = small().open_vfs(Arc::new(vfs.clone()))?;
    fill(&db, 0..300)?;
    settle(&db)?;
    fill(&db, 300..310)?;
    let sound = db.verify()?;
    assert!(sound.is_sound(), "{:?}", sound.problems);
    assert!(sound.tables > 2 && sound.blocks >= sound.tables && sound.records > 10);

    let table = db.levels().into_iter().flatten().next().expect("it was flushed").number;
    let image = vfs.image();
    let is_used_log = |file: &FileId| matches!(file, FileId::Log(_)) && image[file].len() > 60;
    let log = image.keys().copied().find(is_used_log).expect("the last writes are in it");
    for (file, at) in [(FileId::Table(table), 100), (log, 60), (FileId::Current, 20)] {
        vfs.corrupt(file, |bytes| bytes[at] ^= 4)?;
        let problems = db.verify()?.problems;
        assert_eq!(problems.len(), 1, "{file}: {problems:?}");
        assert!(problems[0].to_string().starts_with(&file.to_string()), "{}", problems[0]);
        vfs.corrupt(file, |bytes| bytes[at] ^= 4)?;
    }
    assert!(db.verify()?.is_sound());
    Ok(())
}

#[test]
fn verifying_tells_how_far_it_has_come() -> Result<()> {
    let db = small().open_in_memory()?;
    fill(&db, 0..300)?;
    settle(&db)?;
    let mut steps = Vec::new();
    let report = db.verify_with(|progress| steps.push((progress.bytes_done, progress.bytes_total)))?;
    assert_eq!(steps.len() as u64, report.tables);
    assert!(steps.is_sorted());
    assert_eq!(steps.last().map(|(done, total)| done == total), Some(true));
    Ok(())
}

#[derive(Debug, Default)]
struct Diary(Mutex<Vec<String>>);

impl Listener for Diary {
    fn on_event(&self, event: &Event) {
        let word = event.to_string().split([':', ' ']).next().unwrap_or_default().to_owned();
        self.0.lock().expect("nobody panics").push(word);
    }
}

#[test]
fn a_listener_hears_of_everything_in_its_order() -> Result<()> {
    let diary = Arc::new(Diary::default());
    let db = small().listener(diary.clone()).open_in_memory()?;
    fill(&db, 0..15)?;
    db.flush()?;
    db.compact_range(..)?;
    let heard = diary.0.lock().expect("nobody panics").clone();
    assert_eq!(heard[..2], ["recovered", "flush"]);
    let place = |word: &str| heard.iter().position(|heard| heard == word);
    assert!(place("flushed") < place("merge") && place("merge") < place("merged"), "{heard:?}");
    Ok(())
}
