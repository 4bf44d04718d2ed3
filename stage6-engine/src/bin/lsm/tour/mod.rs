//! The guided tour: a dictionary goes through the database, and every claim
//! about it is checked before your eyes.
//!
//! ```text
//!   load ──▶ lookups ──▶ walks ──▶ past ──▶ crash ──▶ what to read next
//!    │          │          │         │        │
//!    └──────────┴── report: checked: … / FAILED: … ──┴──▶ exit code
//! ```
//!
//! The law of the tour: **it says nothing that it has not just compared.** What
//! the database answers is compared with [`Words`], an ordinary map made from the
//! same input; and every figure is counted in this very run.
//!
//! A claim that fails does not end the tour, so that one failure shows all that
//! follows from it. The exit code tells.

mod report;
mod words;
mod load;
mod lookups;
mod walks;
mod past;
mod crash;
mod next;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stage6_engine::{Builder, Db, Leveled};
use tempfile::TempDir;

use crate::args::{self, Damage};
use crate::failure::Failure;
use crate::show;
pub(crate) use crash::write_until_killed;
use load::LastMerge;
use report::Report;
use words::Words;

/// A memtable so small that a dictionary fills it many times.
const MEMTABLE_BYTES: usize = 256 << 10;

/// Levels so small that a dictionary needs several.
const STRATEGY: Leveled =
    Leveled { level0_files: 4, base_level_bytes: 1 << 20, size_ratio: 5, target_file_bytes: 512 << 10 };

/// What the chapters share.
struct Tour<'a> {
    report: Report<'a>,
    /// What the database must hold.
    words: Words,
    damage: Option<Damage>,
}

impl Tour<'_> {
    fn is_to_damage(&self, damage: Damage) -> bool {
        self.damage == Some(damage)
    }
}

pub(crate) fn run(args: &args::Tour, out: &mut dyn Write) -> Result<(), Failure> {
    let words = Words::read(args.data.as_deref())?;
    let place = Place::choose(args.keep.as_deref())?;
    let mut tour = Tour { report: Report::new(out), words, damage: args.damage };
    introduce(&mut tour, &place)?;

    let last_merge = Arc::new(LastMerge::default());
    let db = options(args.damage).listener(last_merge.clone()).open(place.directory())?;
    load::chapter(&mut tour, &db, &last_merge)?;
    lookups::chapter(&mut tour, &db)?;
    walks::chapter(&mut tour, &db)?;
    past::chapter(&mut tour, &db)?;
    db.close()?;
    crash::chapter(&mut tour, place.directory())?;
    next::chapter(&mut tour, args.keep.as_deref())?;
    tour.report.verdict()
}

/// The options of every opening in the tour.
fn options(damage: Option<Damage>) -> Builder {
    let builder = Db::builder().memtable_bytes(MEMTABLE_BYTES).strategy(STRATEGY);
    if damage == Some(Damage::Filter) { builder.filter(None) } else { builder }
}

fn introduce(tour: &mut Tour<'_>, place: &Place) -> Result<(), Failure> {
    let Tour { report, words, .. } = tour;
    report.title("A dictionary goes through the database, layer by layer")?;
    report.item(
        "input",
        &format!(
            "{}: {}, {} of text",
            words.source,
            show::counted(words.count(), "word"),
            show::size(words.bytes())
        ),
    )?;
    report.item("directory", &place.description())?;
    report.item(
        "options",
        &format!(
            "small, so that much happens: memtable {}, tables of {}, level 0 merged at {} tables, each \
             level {} times the one above",
            show::size(MEMTABLE_BYTES as u64),
            show::size(STRATEGY.target_file_bytes),
            STRATEGY.level0_files,
            STRATEGY.size_ratio,
        ),
    )
}

/// Where the database of the tour is.
enum Place {
    /// Removed at the end, however the tour ends.
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Place {
    fn choose(keep: Option<&Path>) -> Result<Place, Failure> {
        let Some(directory) = keep else {
            let temporary = tempfile::Builder::new().prefix("lsm-tour-").tempdir();
            let temporary =
                temporary.map_err(Failure::file("create a directory in", &std::env::temp_dir()))?;
            return Ok(Place::Temporary(temporary));
        };
        std::fs::create_dir_all(directory).map_err(Failure::file("create the directory", directory))?;
        let mut entries = std::fs::read_dir(directory).map_err(Failure::file("list", directory))?;
        if entries.next().is_some() {
            let what = format!("{} is not empty: choose a new directory for the tour", directory.display());
            return Err(Failure::Unfit { what });
        }
        Ok(Place::Kept(directory.to_path_buf()))
    }

    fn directory(&self) -> &Path {
        match self {
            Place::Temporary(directory) => directory.path(),
            Place::Kept(directory) => directory,
        }
    }

    fn description(&self) -> String {
        let directory = self.directory().display();
        match self {
            Place::Temporary(_) => format!("{directory}, removed at the end (--keep DIR keeps one)"),
            Place::Kept(_) => format!("{directory}, kept"),
        }
    }
}
