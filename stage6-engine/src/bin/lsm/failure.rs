//! Why a verb failed, as one line for a person.

use std::io;
use std::path::Path;

use stage6_engine::ErrorKind;

use crate::show;

/// What ends a verb with exit code 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The database said so.
    #[error(transparent)]
    Database(stage6_engine::Error),

    /// A file is damaged, and the database did not say what to do.
    #[error("{0}; restore it from a copy; `lsm verify` lists all damage")]
    Corrupt(stage6_engine::Error),

    /// A verb that creates none found no database.
    #[error("there is no database in {directory}: check the path; `lsm put` and `lsm load` create one")]
    NoDatabase { directory: String },

    /// `get` found nothing.
    #[error("{key}: not found")]
    Absent { key: String },

    /// A file that is not the database's own.
    #[error("cannot {operation} {file}: {source}")]
    File { operation: &'static str, file: String, source: io::Error },

    /// The database is damaged so that it cannot be opened.
    #[error("{because}; the database cannot be opened: look into its files one by one, by `lsm dump FILE`")]
    Unopened { because: stage6_engine::Error },

    /// `verify` found damage, and has named each.
    #[error("the database is not sound: {} above", show::counted(*.problems as u64, "problem"))]
    Unsound { problems: usize },

    /// A line of the shell that is no command, or one that cannot be done now.
    #[error("{what}")]
    Command { what: String },

    /// A script of the shell went on behind commands that failed.
    #[error("{} failed; the lines above say which", show::counted(*.failed, "command"))]
    Commands { failed: u64 },

    /// A line that is no entry.
    #[error("{file}:{line}: {what}")]
    Malformed { file: String, line: u64, what: String },

    /// A file was loaded in part. The lines are counted from its beginning, and
    /// no line among them was left out.
    #[error("{because}; the first {} of the file are loaded", show::counted(*.lines, "line"))]
    LoadEnded { because: Box<Failure>, lines: u64 },

    /// A file cannot be dumped, because it is none of a database.
    #[error("{file} is no file of a database; expected is {expected}")]
    Foreign { file: String, expected: &'static str },

    /// What was dumped has damage, which the output shows in its place.
    #[error("{what}")]
    Damaged { what: String },

    /// A verb cannot begin with what it was given.
    #[error("{what}")]
    Unfit { what: String },

    /// The tour's child did not do its part.
    #[error("the writing child {what}")]
    Child { what: String },

    /// The tour found that a claim does not hold.
    #[error("{failed} of {made} claims failed; the lines above that begin with FAILED say which")]
    Claims { failed: usize, made: usize },

    /// The output could not be written. Every other file is opened through
    /// [`Failure::file`], so a bare I/O error is always one of stdout.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl From<stage6_engine::Error> for Failure {
    fn from(error: stage6_engine::Error) -> Failure {
        match error {
            stage6_engine::Error::NotFound { directory } => Failure::NoDatabase { directory },
            error if error.kind() == ErrorKind::Corruption && !error.to_string().contains("restore") => {
                Failure::Corrupt(error)
            }
            error => Failure::Database(error),
        }
    }
}

impl Failure {
    /// Names the file that `operation` failed on.
    pub(crate) fn file(operation: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Failure {
        let file = file.display().to_string();
        move |source| Failure::File { operation, file, source }
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
