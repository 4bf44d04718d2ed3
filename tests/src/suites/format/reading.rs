//! A directory as an image, an image as a directory, and what the engine reads in it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs};
use stage6_engine::{Db, Read, SimRuntime};

use super::decoder::Answer;
use super::golden::listing;
use crate::model::Contents;

/// The files of the database in `directory`; foreign names are none of it.
///
/// # Errors
/// Which file cannot be read.
pub fn image_of(directory: &Path) -> Result<Image, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut image = Image::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if let Some(file) = entry.file_name().to_str().and_then(FileId::parse) {
            image.insert(file, fs::read(entry.path()).map_err(fail)?.into());
        }
    }
    Ok(image)
}

/// Makes `directory` hold the files of `image`.
///
/// # Errors
/// Which file cannot be written.
pub fn write_image(image: &Image, directory: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", directory.display());
    fs::create_dir_all(directory).map_err(fail)?;
    for (file, bytes) in image {
        fs::write(directory.join(file.to_string()), bytes).map_err(fail)?;
    }
    Ok(())
}

/// Reads everything of an open database: a scan, and every byte of every table.
///
/// # Errors
/// What cannot be read, in words.
pub fn read_all(db: &Db) -> Result<Contents, String> {
    let entries = db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())));
    let contents = entries.collect::<Result<Contents, _>>().map_err(|error| error.to_string())?;
    let report = db.verify().map_err(|error| error.to_string())?;
    match report.problems.first() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(contents),
    }
}

/// What the engine makes of `image`: a listing, or why not.
pub fn read_by_engine(image: &Image) -> Answer {
    let reader = Db::builder().runtime(Arc::new(SimRuntime::new(1))).read_only();
    let opened = reader.open_vfs(Arc::new(SimVfs::from_image(image)));
    match opened.map_err(|error| error.to_string()).and_then(|db| read_all(&db)) {
        Ok(contents) => Answer::Listing(listing(&contents)),
        Err(what) => Answer::Refused(what),
    }
}
