//! The golden databases where they lie, and what today's engine makes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::{Db, Read};

use super::golden::{Golden, Pin, listing};
use super::reading::{image_of, read_all};
use crate::model::Contents;
use crate::script::tiny;

/// Where those of the format that the engine of today writes lie.
fn of_today() -> PathBuf {
    all().join("v2.1")
}

fn all() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The directories of all golden databases of all versions.
///
/// # Errors
/// What cannot be listed.
pub fn kept_databases() -> Result<Vec<PathBuf>, String> {
    let versions = folders(&all())?;
    let databases = versions.iter().map(|version| folders(version)).collect::<Result<Vec<_>, _>>()?;
    Ok(databases.concat())
}

/// The folders in a folder, in the order of their names.
fn folders(parent: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", parent.display());
    let entries = fs::read_dir(parent).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    let mut folders: Vec<PathBuf> =
        entries.iter().map(fs::DirEntry::path).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// The listing that lies beside a golden database.
///
/// # Errors
/// That it cannot be read.
pub fn golden_listing(directory: &Path) -> Result<String, String> {
    let path = directory.with_extension("txt");
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a golden database where it lies, and then a copy of it, which is also
/// written to, compacted and opened again.
///
/// # Errors
/// What is not as the listing beside it says; or that reading has changed a file.
pub fn check_golden(directory: &Path) -> Result<(), String> {
    let before = image_of(directory)?;
    let db = Db::builder().read_only().open(directory).map_err(|error| error.to_string())?;
    let contents = read_all(&db)?;
    drop(db);
    if listing(&contents) != golden_listing(directory)? {
        return Err("the scan is not the listing".to_owned());
    }
    if image_of(directory)? != before {
        return Err("opening it for reading has changed it".to_owned());
    }
    check_writing(&before, contents)
}

fn check_writing(image: &Image, mut contents: Contents) -> Result<(), String> {
    let write = || -> stage6_engine::Result<[Contents; 3]> {
        let vfs = Arc::new(SimVfs::from_image(image));
        let scan = |db: &Db| -> stage6_engine::Result<Contents> {
            db.check_invariants()?;
            db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        };
        let db = tiny().open_vfs(vfs.clone())?;
        let opened = scan(&db)?;
        db.put("a key of today", "its value")?;
        db.compact_range(..)?;
        let compacted = scan(&db)?;
        db.close()?;
        Ok([opened, compacted, scan(&tiny().open_vfs(vfs)?)?])
    };
    let [opened, compacted, reopened] = write().map_err(|error| format!("opened for writing: {error}"))?;
    if opened != contents {
        return Err("opened for writing it holds something else".to_owned());
    }
    contents.insert(b"a key of today".to_vec(), b"its value".to_vec());
    if compacted != contents || reopened != contents {
        return Err("after a write, a compaction and a reopen it holds something else".to_owned());
    }
    Ok(())
}

/// Whether today's engine writes what `golden` was written from, as far as it is
/// pinned.
///
/// # Errors
/// The first file that is another one.
pub fn check_written(golden: &Golden) -> Result<(), String> {
    let directory = of_today().join(golden.name);
    if listing(&golden.contents) != golden_listing(&directory)? {
        return Err("the program that writes it no longer writes these keys and values".to_owned());
    }
    if golden.pin == Pin::Contents {
        return Ok(());
    }
    let kept = image_of(&directory)?;
    let files = kept.keys().chain(golden.image.keys());
    match files.into_iter().find(|file| kept.get(file) != golden.image.get(file)) {
        Some(file) => Err(format!("today's engine writes another {file}: the format has changed")),
        None => Ok(()),
    }
}
