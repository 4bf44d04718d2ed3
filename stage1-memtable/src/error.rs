//! What can go wrong at the disk, told so that a person can act on it.
//!
//! Every variant says *what* was attempted, *where*, and what follows. A file is
//! named as text, because an error outlives the handle it came from. Errors are
//! `Clone`: one failure of a background job is reported to every writer that
//! waits for it.
//!
//! What can only fail higher up (a database that is closed, options that
//! contradict each other) has its own type there.

use std::io;
use std::sync::Arc;

/// ENFILE and EMFILE, for which the standard library has no kind.
const TOO_MANY_OPEN_FILES: [i32; 2] = [23, 24];

/// The result of anything that touches files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the storage below the database.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation. Whether a retry can help
    /// depends on the cause: see [`Error::is_retryable`].
    #[error("cannot {operation} {file}: {source}")]
    Io {
        /// What was attempted, as a verb: `"read"`, `"append to"`, `"sync"`.
        operation: &'static str,
        /// The file or directory it was attempted on.
        file: String,
        /// What the operating system answered.
        source: Arc<io::Error>,
    },

    /// A file does not hold what was written to it, or was never ours. Nothing
    /// was changed; restore the file from a copy.
    #[error("{file} is corrupt at offset {offset}: {what}")]
    Corruption {
        /// The file that is damaged.
        file: String,
        /// Where in the file the first damage was seen, in bytes.
        offset: u64,
        /// What was expected and what was found.
        what: String,
    },

    /// A sound file asks for something that this release does not know. Open it
    /// with the release that wrote it, or a later one.
    #[error("{file} cannot be read by this release: {what}")]
    Unsupported {
        /// The file that asks for it.
        file: String,
        /// The version or feature that is not known here.
        what: String,
    },

    /// A caller's argument is beyond a limit of the format. Nothing was
    /// written; mend the argument.
    #[error("invalid argument: {what}")]
    InvalidArgument {
        /// The argument, its size and the limit.
        what: String,
    },
}

/// The kinds of [`Error`], for a caller who matches without the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// See [`Error::Io`].
    Io,
    /// See [`Error::Corruption`].
    Corruption,
    /// See [`Error::Unsupported`].
    Unsupported,
    /// See [`Error::InvalidArgument`].
    InvalidArgument,
}

impl Error {
    /// Wraps what the operating system answered to `operation` on `file`.
    pub fn io(operation: &'static str, file: impl Into<String>, source: io::Error) -> Error {
        Error::Io { operation, file: file.into(), source: Arc::new(source) }
    }

    /// Says that `file` is damaged at `offset`.
    pub fn corruption(file: impl Into<String>, offset: u64, what: impl Into<String>) -> Error {
        Error::Corruption { file: file.into(), offset, what: what.into() }
    }

    /// Says that `file` wants something that is not known here.
    pub fn unsupported(file: impl Into<String>, what: impl Into<String>) -> Error {
        Error::Unsupported { file: file.into(), what: what.into() }
    }

    /// Says that an argument is beyond a limit.
    pub fn invalid_argument(what: impl Into<String>) -> Error {
        Error::InvalidArgument { what: what.into() }
    }

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Io { .. } => ErrorKind::Io,
            Error::Corruption { .. } => ErrorKind::Corruption,
            Error::Unsupported { .. } => ErrorKind::Unsupported,
            Error::InvalidArgument { .. } => ErrorKind::InvalidArgument,
        }
    }

    /// Whether the same call may succeed later with nothing mended but the
    /// machine: a full disk that is emptied, an interrupted call, too many open
    /// files. Damage and wrong arguments stay what they are.
    pub fn is_retryable(&self) -> bool {
        use io::ErrorKind::{
            Interrupted, OutOfMemory, QuotaExceeded, ResourceBusy, StorageFull, TimedOut, WouldBlock,
        };
        match self {
            Error::Io { source, .. } => {
                let passes = matches!(
                    source.kind(),
                    StorageFull
                        | QuotaExceeded
                        | Interrupted
                        | TimedOut
                        | WouldBlock
                        | ResourceBusy
                        | OutOfMemory
                );
                passes || source.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
            }
            _ => false,
        }
    }

    /// Whether the error says that a file is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_where_and_why() {
        let full = Error::io("append to", "/db/000004.log", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.to_string(), "cannot append to /db/000004.log: no storage space");
        let torn = Error::corruption("/db/000007.sst", 4096, "the block's checksum does not match");
        assert_eq!(
            torn.to_string(),
            "/db/000007.sst is corrupt at offset 4096: the block's checksum does not match"
        );
    }

    #[test]
    fn a_full_disk_may_be_retried_and_damage_may_not() {
        let full = Error::io("sync", "x", io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.is_retryable());
        assert_eq!(full.kind(), ErrorKind::Io);
        assert!(!Error::corruption("x", 0, "y").is_retryable());
    }
}
