//! The second reader: `tests/decoder/decoder.py`, which knows the book's appendix and
//! nothing of the code.
//!
//! ```text
//!   directory ──▶ python3 decoder.py ──▶ a listing │ damaged: FILE: what │ unsupported: …
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How it ends for a damaged database, and for one of a later release.
const REFUSED: [Option<i32>; 2] = [Some(3), Some(4)];

/// What a reader makes of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Everything visible in it.
    Listing(String),
    /// Why it cannot be read.
    Refused(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Listing(listing) => write!(f, "{} keys", listing.lines().count()),
            Answer::Refused(what) => f.write_str(what),
        }
    }
}

/// Whether the decoder reads what is `expected`.
///
/// # Errors
/// What it says instead.
pub fn check_answer(answer: &Answer, expected: &str) -> Result<(), String> {
    match answer {
        Answer::Listing(listing) if listing == expected => Ok(()),
        Answer::Listing(_) => Err("the decoder reads something else".to_owned()),
        Answer::Refused(what) => Err(format!("the decoder refuses it: {what}")),
    }
}

/// A decoder that can be run here.
#[derive(Debug)]
pub struct Decoder {
    script: PathBuf,
}

impl Decoder {
    /// The decoder, or `None` on a machine without Python.
    ///
    /// # Errors
    /// What keeps a Python that is there from running.
    pub fn find() -> Result<Option<Decoder>, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("decoder/decoder.py");
        match python(["--version".as_ref()]) {
            Ok(output) if output.status.success() => Ok(Some(Decoder { script })),
            Ok(output) => Err(format!("python3 --version: {}", output.status)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("python3: {error}")),
        }
    }

    /// Reads the database in `directory`.
    ///
    /// # Errors
    /// When the decoder itself fails: it has answers for whatever it reads.
    pub fn read(&self, directory: &Path) -> Result<Answer, String> {
        let output = python([self.script.as_os_str(), directory.as_os_str()])
            .map_err(|error| format!("python3: {error}"))?;
        let (listing, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => Ok(Answer::Listing(listing.into_owned())),
            code if REFUSED.contains(&code) => Ok(Answer::Refused(complaint.trim().to_owned())),
            _ => Err(format!("the decoder failed, {}: {complaint}", output.status)),
        }
    }
}

/// Runs without leaving compiled modules beside the sources, and without what a machine
/// adds to each of its Pythons.
fn python<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> std::io::Result<Output> {
    Command::new("python3").arg("-BS").args(arguments).output()
}
