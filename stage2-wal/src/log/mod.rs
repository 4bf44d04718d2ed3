//! The record log: records of any size, in a file that a torn write cannot
//! forge. The journal and the manifest are both kept in it.
//!
//! ```text
//!   file     ┌────────┬──────────────────────┬──────────────────────┬──▶
//!            │ header │ block 0, to 32 KiB   │ block 1, 32 KiB      │
//!            └────────┴──────────────────────┴──────────────────────┴──▶
//!   block    │ full │ full │ first │   │ last │ promise │ full │ padding │
//!                             └ one record ┘
//! ```
//!
//! - [`format`](mod@format): the grammar, field by field, and its rule of validity.
//! - [`writer`]: appends records; stops for good at the first failure.
//! - [`records`]: the records of a log, where they lie.
//! - [`reader`]: reads records up to the first damage, and finds promises behind it.
//! - [`salvage`]: reads on behind damage, for whoever asks for what is left.
//! - [`parts`]: a log taken apart, sound or not, for whoever looks at it.

pub mod format;
pub mod records;
pub mod reader;
pub mod writer;
pub mod salvage;
pub mod parts;

pub use reader::{End, LogContents};
pub use records::{Record, Records};
pub use salvage::{Damage, salvage_log};
pub use writer::LogWriter;
