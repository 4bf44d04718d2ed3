//! Every error of the engine, provoked: its kind, whether trying again may help, and its words. A
//! disk that fills up under a database, and is emptied again, with a restart between and without.
//! And the failure that only opening the database again can mend.

use std::sync::Arc;

use stage2_wal::vfs::{Fault, FaultKind, FaultVfs, FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Db, Durability, Error, Mode, Read, Result, SimRuntime};

use super::{Outcome, Output};

pub(super) fn run(out: &mut Output) -> Outcome {
    out.part("errors");
    errors(out)?;
    out.part("full-disk");
    full_disk(out)?;
    out.part("restart");
    restart(out)?;
    out.part("manifest");
    manifest(out)
}

fn options() -> Builder {
    Db::builder().database_id(7).runtime(Arc::new(SimRuntime::new(1)))
}

fn errors(out: &mut Output) -> Outcome {
    let disk = Arc::new(SimVfs::new());
    let db = options().open_vfs(disk.clone())?;
    db.put("fig", "green")?;
    tell(out, "a key of 65,536 bytes", db.put(vec![b'k'; 65_536], "").err());
    tell(out, "a range from z to a", db.range("z".."a").next().and_then(Result::err));
    tell(out, "a second handle on the directory", options().open_vfs(disk.clone()).err());
    tell(out, "slow at 9 files, stop at 8", options().level0_limits(9, 8).open_in_memory().err());
    db.flush()?;
    db.close()?;
    tell(out, "a get after close()", db.get("fig").err());
    let empty = Arc::new(SimVfs::new());
    tell(out, "no database, none wanted", options().create_if_missing(false).open_vfs(empty).err());
    let reader = Db::builder().read_only().open_vfs(disk.clone())?;
    tell(out, "a put on a read-only handle", reader.put("kiwi", "brown").err());
    reader.close()?;
    let table = disk.list()?.into_iter().find(|file| matches!(file, FileId::Table(_)));
    disk.corrupt(table.ok_or("no table was written")?, |bytes| bytes[5] ^= 1)?;
    let db = options().open_vfs(disk)?;
    tell(out, "a get from a damaged block", db.get("fig").err());
    Ok(())
}

fn tell(out: &mut Output, what: &str, error: Option<Error>) {
    let Some(error) = error else { return out.line(format!("{what}\n    no error")) };
    out.line(format!("{what}\n    {}: {error}", kind(&error)));
}

/// A line of a story: what was called, and what it said.
fn line(out: &mut Output, what: &str, outcome: Result<String>) {
    match outcome {
        Ok(told) => out.line(format!("{what:<30}  {told}")),
        Err(error) => {
            out.line(format!("{what:<30}  {}", kind(&error)));
            out.line(format!("    {error}"));
        }
    }
}

fn kind(error: &Error) -> String {
    let again = if error.is_retryable() { "may pass" } else { "stays" };
    format!("{:?}, {again}", error.kind())
}

fn put(db: &Db, fruit: &str) -> Result<String> {
    db.put(fruit, "ripe").map(|commit| format!("write {}", commit.sequence()))
}

fn get(db: &Db, fruit: &str) -> Result<String> {
    db.get(fruit).map(|value| value.map_or("no value".to_owned(), |value| format!("{value:?}")))
}

fn resume(db: &Db) -> Result<String> {
    db.try_resume().map(|()| "taken up again".to_owned())
}

fn status(db: &Db) -> Result<String> {
    Ok(match db.status().mode {
        Mode::ReadWrite => "takes writes",
        Mode::Stopped { is_final: false, .. } => "stopped, not for good",
        Mode::Stopped { .. } => "stopped until it is opened again",
        _ => "takes no writes",
    }
    .to_owned())
}

/// The disk is full for every call from now on that needs room.
fn fill(disk: &FaultVfs) {
    disk.arm(Fault { kind: FaultKind::NoSpace, at_call: disk.calls(), is_sticky: true });
}

/// Puts while the disk is full, and when it is not any more.
fn full_disk(out: &mut Output) -> Outcome {
    let disk = FaultVfs::new(Arc::new(SimVfs::new()));
    let db = options().durability(Durability::Sync).open_vfs(Arc::new(disk.clone()))?;
    db.put("apple", "red")?;
    line(out, "get apple", get(&db, "apple"));
    fill(&disk);
    line(out, "the disk is full: put fig", put(&db, "fig"));
    line(out, "put grape", put(&db, "grape"));
    line(out, "status()", status(&db));
    line(out, "get apple", get(&db, "apple"));
    line(out, "get fig", get(&db, "fig"));
    line(out, "try_resume()", resume(&db));
    disk.clear();
    line(out, "there is room: try_resume()", resume(&db));
    line(out, "status()", status(&db));
    line(out, "put kiwi", put(&db, "kiwi"));
    line(out, "get fig", get(&db, "fig"));
    Ok(())
}

/// Somebody restarts the program while the disk is full.
fn restart(out: &mut Output) -> Outcome {
    let disk = FaultVfs::new(Arc::new(SimVfs::new()));
    let db = options().open_vfs(Arc::new(disk.clone()))?;
    db.put("apple", "red")?;
    db.flush()?;
    db.put("banana", "ripe")?;
    fill(&disk);
    line(out, "the disk is full: put fig", put(&db, "fig"));
    drop(db);
    let files = disk.list()?;
    line(
        out,
        "the program starts again",
        options().open_vfs(Arc::new(disk.clone())).map(|_| "it opens".into()),
    );
    let reader = Db::builder().read_only().open_vfs(Arc::new(disk.clone()))?;
    line(out, "read_only(): get apple", get(&reader, "apple"));
    line(out, "get banana, only in the log", get(&reader, "banana"));
    reader.close()?;
    let is_as_it_was = if disk.list()? == files { "as before" } else { "others" };
    line(out, "files in the directory", Ok(is_as_it_was.to_owned()));
    disk.clear();
    let db = options().open_vfs(Arc::new(disk))?;
    line(out, "there is room: get banana", get(&db, "banana"));
    line(out, "put kiwi", put(&db, "kiwi"));
    Ok(())
}

/// The one failure that only opening the database again can mend.
fn manifest(out: &mut Output) -> Outcome {
    // One of the syncs of a flush is the manifest's.
    let (disk, db) =
        (0..20).find_map(|call| failed_manifest(call).transpose()).ok_or("no call was the manifest's")??;
    line(out, "a flush has failed: put grape", put(&db, "grape"));
    line(out, "status()", status(&db));
    line(out, "get apple", get(&db, "apple"));
    line(out, "try_resume()", resume(&db));
    drop(db);
    let db = options().open_vfs(Arc::new(disk))?;
    line(out, "opened again: get fig", get(&db, "fig"));
    line(out, "put grape", put(&db, "grape"));
    Ok(())
}

/// A database in which the sync of so many calls later has failed, if that was the manifest's.
fn failed_manifest(call: u64) -> Result<Option<(FaultVfs, Db)>> {
    let disk = FaultVfs::new(Arc::new(SimVfs::new()));
    let db = options().open_vfs(Arc::new(disk.clone()))?;
    db.put("apple", "red")?;
    db.put("fig", "green")?;
    disk.arm(Fault { kind: FaultKind::FailedSync, at_call: disk.calls() + call, is_sticky: false });
    let flushed = db.flush();
    disk.clear();
    let is_final = matches!(db.status().mode, Mode::Stopped { is_final: true, .. });
    Ok((flushed.is_err() && is_final).then_some((disk, db)))
}
