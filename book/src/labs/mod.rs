//! The experiments of the chapters.
//!
//! ```text
//!   cargo lab NAME ──▶ run ──▶ counts, sizes, bytes   the same on every machine:
//!                       │                             book/outputs/NAME.txt, compared
//!                       └────▶ times                  of this run alone: never compared
//! ```
//!
//! - **INV-LAB-1** What a lab prints as counts depends on nothing but its code and the
//!   stages': what is drawn is drawn from a fixed seed, and no time is in it. A test
//!   reruns every lab and compares.
//! - **INV-LAB-2** A lab uses what the stages offer to everybody, and nothing else.
//!
//! A lab is one file here, a line in [`LABS`], and a snapshot that
//! `cargo lab NAME --bless` writes.

pub mod prelude;
pub(crate) mod file_by_file;
pub mod skip_list;
mod memtable_steps;
mod reading_the_past;
mod two_answers;
mod flipped_bits;
pub(crate) mod torn_or_damaged;
mod sync_groups;
mod left_out_syncs;
pub mod classic_block;
pub mod block_looks;
mod sorted_keys;
mod table_reads;
pub mod seek_gaps;
mod filter_rates;
mod merge_comparisons;
pub(crate) mod broken_level;
pub(crate) mod four_strategies;
mod which_file;
mod back_from_the_dead;
pub(crate) mod crash_between;
pub(crate) mod who_waits;
pub(crate) mod who_holds;
pub(crate) mod crash_matrix;
mod where_time_goes;
mod what_survives;
mod errors_say;
mod every_byte;
mod page_writes;

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// What an experiment may fail with.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Stands for the chapter of a lab that belongs to an appendix.
pub const APPENDIX: u8 = u8::MAX;

/// An experiment.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// What is typed behind `cargo lab`.
    pub name: &'static str,
    /// The chapter that it belongs to, or [`APPENDIX`].
    pub chapter: u8,
    /// What it shows, in a line.
    pub about: &'static str,
    run: fn(&mut Output) -> Outcome,
}

/// All of them, in the order of the chapters.
pub const LABS: &[Lab] = &[
    Lab {
        name: "file-by-file",
        chapter: 0,
        about: "one database from its first put to its first merge: each file, and where one key lies",
        run: file_by_file::run,
    },
    Lab {
        name: "memtable-steps",
        chapter: 1,
        about: "the keys that a search looks at, while a skip list, a BTreeMap and a HashMap grow",
        run: memtable_steps::run,
    },
    Lab {
        name: "reading-the-past",
        chapter: 2,
        about: "one key overwritten, emptied, deleted and written again; what a reader at each sequence sees",
        run: reading_the_past::run,
    },
    Lab {
        name: "two-answers",
        chapter: 2,
        about: "a history in 1, 2 and 8 memtables; readers who mix up deleted, absent and empty",
        run: two_answers::run,
    },
    Lab {
        name: "flipped-bits",
        chapter: 3,
        about: "every bit of a record flipped, and every cut: length and CRC alone against a fragment",
        run: flipped_bits::run,
    },
    Lab {
        name: "torn-or-damaged",
        chapter: 3,
        about: "every bit of a log flipped, and every cut: what is told from a torn tail, with promises and without",
        run: torn_or_damaged::run,
    },
    Lab {
        name: "sync-groups",
        chapter: 4,
        about: "syncs for 64 writes, in groups of 1, 8 and 64; what a crash after each call leaves",
        run: sync_groups::run,
    },
    Lab {
        name: "left-out-syncs",
        chapter: 4,
        about: "each sync of the journal left out, and every crash: what is lost then; and all disks of one crash",
        run: left_out_syncs::run,
    },
    Lab {
        name: "sorted-keys",
        chapter: 5,
        about: "where the bytes of an entry go; two layouts of a block; blocks of 1 to 64 KiB",
        run: sorted_keys::run,
    },
    Lab {
        name: "table-reads",
        chapter: 6,
        about: "every read of a table: to open it, to ask it, and when it stays open or not",
        run: table_reads::run,
    },
    Lab {
        name: "seek-gaps",
        chapter: 7,
        about: "a seek into every gap of a table, walks over its borders, and a cursor that meets damage",
        run: seek_gaps::run,
    },
    Lab {
        name: "filter-rates",
        chapter: 8,
        about: "absent keys that pass both filters at 4 to 16 bits a key; the blocks of a get over four levels",
        run: filter_rates::run,
    },
    Lab {
        name: "merge-comparisons",
        chapter: 9,
        about: "comparisons for each merged entry, from 2 inputs to 64: a look at all, and three heaps",
        run: merge_comparisons::run,
    },
    Lab {
        name: "broken-level",
        chapter: 9,
        about: "which of five tables answers; a level whose files overlap, and the old version that it returns",
        run: broken_level::run,
    },
    Lab {
        name: "four-strategies",
        chapter: 10,
        about: "none, full, tiered, leveled on one trace: bytes written, room, files asked; growth, ratios, levels",
        run: four_strategies::run,
    },
    Lab {
        name: "which-file",
        chapter: 11,
        about: "the first plans of leveled compaction, one by one; four rules for which file of a level goes down",
        run: which_file::run,
    },
    Lab {
        name: "back-from-the-dead",
        chapter: 11,
        about: "merges that break a rule: deletions dropped early, a file past an older one, an overlap left behind",
        run: back_from_the_dead::run,
    },
    Lab {
        name: "crash-between",
        chapter: 12,
        about: "a flush, call by call, and a crash after each; steps left out; a manifest that is taken over from",
        run: crash_between::run,
    },
    Lab {
        name: "who-waits",
        chapter: 13,
        about: "syncs shared by 1 to 16 writers; the onset of a stall, for one and for many; who goes on meanwhile",
        run: who_waits::run,
    },
    Lab {
        name: "who-holds",
        chapter: 14,
        about: "block reads of gets, cold, warm and without filters; what stays while somebody holds it",
        run: who_holds::run,
    },
    Lab {
        name: "crash-matrix",
        chapter: 15,
        about: "a crash after every call of a short life and of its recovery; a sync left out; faults of every call",
        run: crash_matrix::run,
    },
    Lab {
        name: "where-time-goes",
        chapter: 17,
        about: "what a get or a put of each kind touches; the same records in a sorted map",
        run: where_time_goes::run,
    },
    Lab {
        name: "what-survives",
        chapter: 18,
        about: "twelve writes in seven ways; the process dies, or the power fails: what comes back",
        run: what_survives::run,
    },
    Lab {
        name: "errors-say",
        chapter: 18,
        about: "every error of the engine in its own words; a disk that fills up, and is emptied",
        run: errors_say::run,
    },
    Lab {
        name: "every-byte",
        chapter: APPENDIX,
        about: "every byte of a small database with the name of its field; vectors for other readers",
        run: every_byte::run,
    },
    Lab {
        name: "page-writes",
        chapter: APPENDIX,
        about: "the same writes into the leaves of a B+ tree and into this database: bytes written, room taken",
        run: page_writes::run,
    },
];

/// What a lab prints.
#[derive(Debug, Default)]
pub struct Output {
    counts: String,
    times: String,
}

impl Output {
    /// Prints a line that is the same in every run.
    pub fn line(&mut self, text: impl Display) {
        self.counts += &format!("{text}");
        self.counts = self.counts.trim_end().to_owned() + "\n";
    }

    /// Begins a part, which a chapter can show by itself.
    pub fn part(&mut self, name: &str) {
        if !self.counts.is_empty() {
            self.counts += "\n";
        }
        self.counts += &format!("{PART}{name}\n");
    }

    /// Prints a line about time, which no two runs share.
    pub fn time(&mut self, text: impl Display) {
        self.times += &format!("{text}\n");
    }

    /// What is the same in every run.
    pub fn counts(&self) -> &str {
        &self.counts
    }

    /// What is not.
    pub fn times(&self) -> &str {
        &self.times
    }
}

/// How the heading of a part begins.
const PART: &str = "-- ";

/// The part called `name` of what a lab printed.
pub fn part(output: &str, name: &str) -> Option<String> {
    let heading = format!("{PART}{name}");
    let mut lines = output.lines().skip_while(|line| *line != heading);
    lines.next()?;
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with(PART)).collect();
    Some(lines.join("\n").trim_end().to_owned() + "\n")
}

/// The lab called `name`.
pub fn find(name: &str) -> Option<&'static Lab> {
    LABS.iter().find(|lab| lab.name == name)
}

impl Lab {
    /// Runs it.
    ///
    /// # Errors
    /// That of what it runs.
    pub fn run(&self) -> Result<Output, Box<dyn Error + Send + Sync>> {
        let mut output = Output::default();
        (self.run)(&mut output)?;
        Ok(output)
    }
}

/// Where the snapshot of a lab lies, from the root of the repository.
pub fn snapshot_path(lab: &str) -> PathBuf {
    Path::new("book/outputs").join(lab).with_extension("txt")
}

/// The snapshot of a lab's counts.
///
/// # Errors
/// In words, when there is none.
pub fn snapshot(repository: &Path, lab: &str) -> Result<String, String> {
    let path = snapshot_path(lab);
    fs::read_to_string(repository.join(&path))
        .map_err(|_| format!("{} is not there: cargo lab {lab} --bless", path.display()))
}

/// What differs between a lab's snapshot and what it prints now: the first line that does.
///
/// # Errors
/// In words, when they differ, it fails, or there is no snapshot.
pub fn rerun(repository: &Path, lab: &Lab) -> Result<(), String> {
    let wanted = snapshot(repository, lab.name)?;
    let output = lab.run().map_err(|error| format!("the lab {} fails: {error}", lab.name))?;
    if output.counts() == wanted {
        return Ok(());
    }
    let ends = |text: &str| text.lines().map(str::to_owned).chain([String::new()]).collect::<Vec<_>>();
    let (was, is) = (ends(&wanted), ends(output.counts()));
    let (line, (was, is)) =
        (1..).zip(was.iter().zip(&is)).find(|(_, (was, is))| was != is).unwrap_or((1, (&was[0], &is[0])));
    Err(format!("the lab {} prints, in line {line}, {is:?}; its snapshot says {was:?}", lab.name))
}

/// Writes what `output` counts to the snapshot of `lab`.
///
/// # Errors
/// Those of writing a file.
pub fn bless(repository: &Path, lab: &Lab, output: &Output) -> std::io::Result<()> {
    fs::write(repository.join(snapshot_path(lab.name)), output.counts())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lab_prints_what_its_snapshot_says() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let wrong: Vec<String> = LABS.iter().filter_map(|lab| rerun(&repository, lab).err()).collect();
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn a_snapshot_that_differs_is_told_with_its_line() {
        let repository = tempfile::tempdir().unwrap();
        fs::create_dir_all(repository.path().join("book/outputs")).unwrap();
        let lab = find("flipped-bits").unwrap();
        assert!(rerun(repository.path(), lab).unwrap_err().contains("--bless"));
        let mut output = lab.run().unwrap();
        output.line("one more");
        bless(repository.path(), lab, &output).unwrap();
        assert!(rerun(repository.path(), lab).unwrap_err().contains("\"one more\""));
    }

    #[test]
    fn a_part_is_found_by_its_name() {
        let mut output = Output::default();
        output.part("one");
        output.line("1");
        output.part("two");
        output.line("2");
        assert_eq!(part(output.counts(), "one").unwrap(), "1\n");
        assert_eq!(part(output.counts(), "two").unwrap(), "2\n");
        assert_eq!(part(output.counts(), "three"), None);
    }

    #[test]
    fn no_two_labs_have_one_name_and_no_snapshot_is_left_over() {
        let names: std::collections::BTreeSet<&str> = LABS.iter().map(|lab| lab.name).collect();
        assert_eq!(names.len(), LABS.len());
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("outputs")).unwrap() {
            let path = entry.unwrap().path();
            assert!(names.contains(path.file_stem().unwrap().to_str().unwrap()), "{path:?}");
        }
    }
}
