//! What can be asked, and how: one type for each verb.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use stage6_engine::RecoveryMode;

/// A crash-safe key-value database, from the command line.
#[derive(Debug, Parser)]
#[command(
    name = "lsm",
    version,
    after_help = "Begin with the tour:\n  lsm tour\n\nErrors are one line on stderr and exit code 1; a wrong command line is 2."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Watch a dictionary go through the database: written, merged, killed, back again
    Tour(Tour),
    /// Give a key a value; creates the database if there is none
    Put(Put),
    /// Print the value of a key; exit code 1 if it has none
    Get(Get),
    /// Delete a key, whether or not it has a value
    Delete(Delete),
    /// Print entries in order, a line each: the key, a tab, the value
    Scan(Scan),
    /// Put every line of a text file: the key, a tab, the value
    Load(Load),
    /// Print counts and sizes
    #[command(after_help = "Example:\n  lsm stats words.db")]
    Stats(Inspect),
    /// Draw the levels
    #[command(after_help = "Example:\n  lsm levels words.db")]
    Levels(Inspect),
    /// Read all of it, and check every checksum, order and count
    #[command(
        after_help = "Exit code 0 says that it is sound, 1 that it is not. Nothing is changed.\n\nExample:\n  lsm verify words.db"
    )]
    Verify(Inspect),
    /// Show what looking up one key asks: sources, filters, blocks, bytes
    Explain(Explain),
    /// Make a second database of the same contents, in no time and no room
    Checkpoint(Checkpoint),
    /// Type commands at an open database, or pipe them in
    Shell(Shell),
    /// Compare compaction strategies on the same writes, without a disk
    Simulate(Simulate),
    /// Show what a file holds, field by field, or a line for each file of a directory
    Dump(Dump),
    /// Measure it here: a new database, filled and read
    Bench(Bench),
    /// The tour's child: writes until it is killed
    #[command(hide = true)]
    TourChild(TourChild),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lsm tour\n  lsm tour --data words.tsv --keep tour.db")]
pub(crate) struct Tour {
    /// Lines of WORD, a tab, DEFINITION; may be gzip [default: WordNet, of this workspace]
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Keep the database, in this new or empty directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Damage something, to see a claim fail
    #[arg(long = "break", value_name = "CLAIM", hide = true)]
    pub(crate) damage: Option<Damage>,
}

/// What the tour can do behind its own back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Damage {
    /// Deletes a word before they are all looked up.
    Word,
    /// Writes tables without filters.
    Filter,
    /// Puts a word that the input does not have, before the walks.
    Walk,
    /// Takes the snapshot too late.
    Snapshot,
    /// Deletes an entry of an acknowledged batch.
    Batch,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TourChild {
    pub(crate) directory: PathBuf,
    /// How its keys begin.
    pub(crate) prefix: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lsm put fruit.db fig green --sync")]
pub(crate) struct Put {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The key, taken as bytes
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// The value, taken as bytes
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: OsString,
    /// Return when it is on the disk, not only in the operating system
    #[arg(long)]
    pub(crate) sync: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A value that is not UTF-8 is printed with escapes (\\xHH).\n\nExample:\n  lsm get fruit.db fig"
)]
pub(crate) struct Get {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The key, taken as bytes
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lsm delete fruit.db fig")]
pub(crate) struct Delete {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The key, taken as bytes
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// Return when it is on the disk, not only in the operating system
    #[arg(long)]
    pub(crate) sync: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Tab, line feed, carriage return and backslash are printed as \\t \\n \\r \\\\,\nother control \
                  characters and what is not UTF-8 as \\xHH. `lsm load` reads all of it back.\n\nExamples:\n  lsm scan words.db --prefix \
                  photo --limit 10\n  lsm scan words.db --from fig --to kiwi --reverse"
)]
pub(crate) struct Scan {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Only keys that begin with this
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) prefix: Option<OsString>,
    /// Only keys at or behind this one
    #[arg(long, value_name = "KEY")]
    pub(crate) from: Option<OsString>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY")]
    pub(crate) to: Option<OsString>,
    /// What to make of logs that are not whole
    #[arg(long, value_enum, default_value_t)]
    pub(crate) recovery: Recovery,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

/// What to make of logs that are not whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Recovery {
    /// Any damage is an error
    Strict,
    /// What nobody was promised may be missing at the end
    #[default]
    TornTail,
    /// Everything up to the first damage
    PointInTime,
    /// Everything that is whole, with gaps
    Salvage,
}

impl From<Recovery> for RecoveryMode {
    fn from(recovery: Recovery) -> RecoveryMode {
        match recovery {
            Recovery::Strict => RecoveryMode::Strict,
            Recovery::TornTail => RecoveryMode::TolerateTornTail,
            Recovery::PointInTime => RecoveryMode::PointInTime,
            Recovery::Salvage => RecoveryMode::Salvage,
        }
    }
}

/// How entries are printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Listing {
    /// From the last key to the first
    #[arg(long)]
    pub(crate) reverse: bool,
    /// At most so many entries
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print no values
    #[arg(long)]
    pub(crate) keys_only: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A line is KEY, a tab, VALUE, with the escapes \\t \\n \\r \\\\ and \\xHH. At a line that is \
                  none,\nloading ends: what stands before it is loaded, nothing behind it.\n\nExample:\n  lsm \
                  load words.db data/wordnet/wordnet.tsv.gz"
)]
pub(crate) struct Load {
    /// The directory of the database; created if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The file, as it is or compressed by gzip
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Return when it is on the disk, not only in the operating system
    #[arg(long)]
    pub(crate) sync: bool,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
}

/// For verbs that write much.
#[derive(Debug, clap::Args)]
pub(crate) struct Tuning {
    /// How tables are merged while it is open
    #[arg(long, value_name = "STRATEGY", default_value = "leveled")]
    pub(crate) strategy: Strategy,
    /// Print flushes, merges and stalls on stderr as they happen, instead of a bar
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// Good for reads and room: a file and what lies under it
    Leveled,
    /// Good for writes: runs of one size, all of each
    Tiered,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The key is looked up twice: with an empty cache, and once more.\n\nExample:\n  lsm explain words.db fig"
)]
pub(crate) struct Explain {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The key, taken as bytes
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Its tables are the same files under a second name, so both directories must lie on one\nfile system, and a damaged file is damaged in both. It opens as a database of its own.\n\nExample:\n  lsm checkpoint words.db words-monday.db"
)]
pub(crate) struct Checkpoint {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The directory of the new one: empty, or not there yet
    #[arg(value_name = "TARGET")]
    pub(crate) target: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Type `help` for the commands. When commands are piped in, errors name the line, the rest goes on,\nand the exit code is 1 if a command failed.\n\nExamples:\n  lsm shell fruit.db\n  echo 'put fig \"light green\"' | lsm shell fruit.db"
)]
pub(crate) struct Shell {
    /// The directory of the database; created if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Open it for reading alone; others may read it at the same time
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Keep what is typed at a terminal in this file, for the next time
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

/// All writes are made before they are simulated, and every entry is kept in memory.
const MAX_SIMULATED_WRITES: u64 = 100_000_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lsm simulate\n  lsm simulate --strategy tiered,leveled --skew skewed --svg amplification.svg"
)]
pub(crate) struct Simulate {
    /// Which to compare [default: all]
    #[arg(long = "strategy", value_name = "STRATEGY", value_delimiter = ',')]
    pub(crate) strategies: Vec<Simulated>,
    /// How many writes
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..=MAX_SIMULATED_WRITES))]
    pub(crate) writes: u64,
    /// To how many different keys
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=MAX_SIMULATED_WRITES))]
    pub(crate) keys: u64,
    /// How many of a hundred writes delete
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) deletions: u8,
    /// Which keys are written more often than others
    #[arg(long, default_value = "uniform")]
    pub(crate) skew: Skew,
    /// Draw it into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Simulated {
    /// Merge nothing
    None,
    /// Merge everything, again and again
    Full,
    /// Merge runs of one size
    Tiered,
    /// Merge a file with what lies under it
    Leveled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Skew {
    /// Each as often as any other
    Uniform,
    /// A few of them very often
    Skewed,
    /// Each behind the last one, and again from the first
    Ascending,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Damage is shown in its place, with all that is sound around it, and the exit code is 1.\nKeys \
                  and values have the escapes of `lsm scan`.\n\nExamples:\n  lsm dump words.db\n  lsm dump \
                  words.db/000002.sst --entries --limit 10\n  lsm dump words.db/CURRENT --hex"
)]
pub(crate) struct Dump {
    /// A table, a log, a manifest or CURRENT; or a directory of them
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Every byte, with the field that it belongs to
    #[arg(long, conflicts_with_all = ["json", "entries", "limit"])]
    pub(crate) hex: bool,
    /// As JSON, a line for each part, with keys and values in full
    #[arg(long)]
    pub(crate) json: bool,
    /// The entries of a table too, not only its blocks
    #[arg(long)]
    pub(crate) entries: bool,
    /// At most N batches, edits or blocks, and N entries of each
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// The random order of the keys is made in memory, eight bytes a key.
const MAX_BENCH_KEYS: u64 = 1_000_000_000;

/// The longest value that a database takes.
const MAX_BENCH_VALUE_BYTES: i64 = 1 << 30;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without WORKLOAD, all five in this order. One that reads takes the database that the last\nfill \
                  left; without one, fillrandom goes before it, unmeasured.\n\nExample:\n  lsm bench \
                  --keys 1000000 fillrandom readrandom"
)]
pub(crate) struct Bench {
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=MAX_BENCH_KEYS))]
    pub(crate) keys: u64,
    /// The size of each value
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=MAX_BENCH_VALUE_BYTES))]
    pub(crate) value_bytes: u32,
    /// Where the database is made, and removed afterwards [default: where temporary files are]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
    /// What to measure
    #[arg(value_name = "WORKLOAD")]
    pub(crate) workloads: Vec<Workload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Put every key, in order, into a new database
    Fillseq,
    /// Put every key, in random order, into a new database
    Fillrandom,
    /// Get every key, in random order
    Readrandom,
    /// Get as many keys that are absent, from between the others
    Readmissing,
    /// Walk over all entries
    Readseq,
}
