//! Every error of the engine, provoked: its kind, whether trying again may help, and its words. And
//! a disk that fills up under a database, and is emptied again.

use std::sync::Arc;

use stage2_wal::vfs::{Fault, FaultKind, FaultVfs, FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Db, Durability, Error, Mode, Read, Result, SimRuntime};

use super::{Outcome, Output};

pub(super) fn run(out: &mut Output) -> Outcome {
    out.part("errors");
    errors(out)?;
    out.part("full-disk");
    full_disk(out)
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
    let again = if error.is_retryable() { "may pass" } else { "stays" };
    out.line(format!("{what}\n    {:?}, {again}: {error}", error.kind()));
}

/// Puts while the disk is full, and when it is not any more.
fn full_disk(out: &mut Output) -> Outcome {
    let disk = FaultVfs::new(Arc::new(SimVfs::new()));
    let db = options().durability(Durability::Sync).open_vfs(Arc::new(disk.clone()))?;
    db.put("apple", "red")?;
    let line = |out: &mut Output, what: &str, outcome: Result<String>| {
        let told = outcome.unwrap_or_else(|error| format!("{:?}: {error}", error.kind()));
        out.line(format!("{what:<30}  {told}"));
    };
    let put = |fruit: &str| db.put(fruit, "ripe").map(|commit| format!("write {}", commit.sequence()));
    let get = |fruit: &str| {
        db.get(fruit).map(|value| value.map_or("no value".to_owned(), |value| format!("{value:?}")))
    };
    line(out, "get apple", get("apple"));
    disk.arm(Fault { kind: FaultKind::NoSpace, at_call: disk.calls(), is_sticky: true });
    line(out, "the disk is full: put fig", put("fig"));
    line(out, "put grape", put("grape"));
    line(out, "get apple", get("apple"));
    line(out, "get fig", get("fig"));
    line(out, "try_resume()", db.try_resume().map(|()| "taken up again".to_owned()));
    disk.clear();
    line(out, "there is room: try_resume()", db.try_resume().map(|()| "taken up again".to_owned()));
    let mode = if matches!(db.status().mode, Mode::ReadWrite) { "takes writes" } else { "does not" };
    line(out, "status()", Ok(mode.to_owned()));
    line(out, "put kiwi", put("kiwi"));
    line(out, "get fig", get("fig"));
    Ok(())
}
