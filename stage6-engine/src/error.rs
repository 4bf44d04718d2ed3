//! What can go wrong with a database as a whole.
//!
//! What goes wrong at the disk is [`stage5_compaction::memtable::Error`], told
//! by the stages below; it comes through unchanged as [`Error::Storage`]. The
//! other variants can only happen here.

use stage5_compaction::memtable::error::{Error as StorageError, ErrorKind as StorageErrorKind};

/// The result of an operation on a database.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a database failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written, is damaged or not known, or an
    /// argument is beyond a limit. The cause says which, and what to do.
    #[error(transparent)]
    Storage(#[from] StorageError),

    /// Somebody else has the directory open, in this process or another. Close
    /// it there, or open it read-only while only readers have it open.
    #[error("the database in {directory} is in use: close it where it is open, then try again")]
    InUse {
        /// The directory.
        directory: String,
    },

    /// The directory holds no database, and none was to be created.
    #[error("there is no database in {directory}: check the path, or open it in a way that creates one")]
    NotFound {
        /// The directory.
        directory: String,
    },

    /// The database was opened read-only. Open it for writing.
    #[error("the database was opened read-only: open it for writing to change it")]
    ReadOnly,

    /// The database was closed through another handle. Open it again.
    #[error("the database is closed: open it again")]
    Closed,

    /// Options that contradict each other, or make no sense. Nothing was opened.
    #[error("these options cannot be: {what}")]
    Options {
        /// Which, and why.
        what: String,
    },

    /// Writing has stopped, because something failed in the background or while
    /// making a write durable. Reads go on. Once the cause is mended (space is
    /// back, say), writing resumes by itself, or at once by
    /// [`Db::try_resume`](crate::Db::try_resume); only after a failure of the
    /// manifest must the database be opened again. All that was acknowledged as
    /// durable is there in any case.
    #[error("writing has stopped: {because}; {}", way_out(.because, *.is_final))]
    Stopped {
        /// What failed.
        because: StorageError,
        /// Whether only opening the database again takes up writing.
        is_final: bool,
    },
}

/// The kinds of [`Error`], for a caller who matches without the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused: see [`StorageError::Io`].
    Io,
    /// See [`StorageError::Corruption`].
    Corruption,
    /// See [`StorageError::Unsupported`].
    Unsupported,
    /// See [`StorageError::InvalidArgument`].
    InvalidArgument,
    /// See [`Error::InUse`].
    InUse,
    /// See [`Error::NotFound`].
    NotFound,
    /// See [`Error::ReadOnly`].
    ReadOnly,
    /// See [`Error::Closed`].
    Closed,
    /// See [`Error::Options`].
    Options,
    /// See [`Error::Stopped`].
    Stopped,
}

impl Error {
    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Storage(error) => match error.kind() {
                StorageErrorKind::Corruption => ErrorKind::Corruption,
                StorageErrorKind::Unsupported => ErrorKind::Unsupported,
                StorageErrorKind::InvalidArgument => ErrorKind::InvalidArgument,
                _ => ErrorKind::Io,
            },
            Error::InUse { .. } => ErrorKind::InUse,
            Error::NotFound { .. } => ErrorKind::NotFound,
            Error::ReadOnly => ErrorKind::ReadOnly,
            Error::Closed => ErrorKind::Closed,
            Error::Options { .. } => ErrorKind::Options,
            Error::Stopped { .. } => ErrorKind::Stopped,
        }
    }

    /// Whether the same call may succeed later, with nothing changed by the
    /// caller. After [`Error::Stopped`] it may, as long as writing resumes by itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Storage(error) => error.is_retryable(),
            Error::InUse { .. } => true,
            Error::Stopped { because, is_final } => !is_final && resumes_by_itself(because),
            _ => false,
        }
    }
}

/// Whether what has stopped writing may pass, so that resuming is tried again and again. Damage
/// does not go by itself.
pub(crate) fn resumes_by_itself(because: &StorageError) -> bool {
    because.kind() == StorageErrorKind::Io
}

/// What helps when writing has stopped: a message is all that some readers have.
fn way_out(because: &StorageError, is_final: bool) -> &'static str {
    match (is_final, resumes_by_itself(because)) {
        (true, _) => "reads go on; open the database again to write",
        (false, true) => "reads go on, and writing resumes by itself once that is mended",
        (false, false) => "reads go on; once that is mended, open the database again to write",
    }
}
