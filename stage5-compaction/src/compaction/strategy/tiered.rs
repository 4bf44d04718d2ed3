//! Tiered compaction, also called universal: neighbouring sorted runs are merged
//! whole, once there are several of about one size.
//!
//! ```text
//!   level 0   ▭        newest      each file of level 0 is a run
//!             ▭
//!             ▭▭▭
//!   level 5   ▭▭▭▭▭▭               each level below is a run, if it has files
//!   level 6   ▭▭▭▭▭▭▭▭▭▭▭▭▭▭       oldest
//! ```
//!
//! A merge takes all of each run that it takes, and only neighbours in age; its
//! outcome lies just above the next older run. So the order of runs is the order of
//! age, always, and INV-VERSION-2 holds by construction.
//!
//! A byte is written once for each time that its run meets others of its size: about
//! as often as the logarithm of the size of the database says, where leveled
//! compaction pays a multiple of that. The price is read by every lookup, which has
//! more runs to ask, and paid in room: old versions wait in old runs, and a merge of
//! everything needs the space of its inputs and its outcome at once.
//!
//! The three reasons to merge are those of RocksDB's universal compaction
//! (`db/compaction/compaction_picker_universal.cc` and its wiki page "Universal
//! Compaction"), with one difference: space is judged whatever the number of runs,
//! so that [`Tiered::space_amplification_percent`] is a bound and not a hope.
//! How far tiered and leveled are two ends of one design: Dayan and Idreos,
//! "Dostoevsky", SIGMOD 2018.

use std::ops::Range;
use std::sync::Arc;

use super::{BOTTOM, Plan, Strategy, first_level_with_files};
use crate::table_cache::TableFile;
use crate::version::Version;

/// Tiered compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiered {
    /// At how many sorted runs a merge is due. More make writes cheaper and reads
    /// dearer. At least 2; keep it below the number of files of level 0 at which
    /// writers are slowed down.
    pub runs: usize,
    /// A run joins the newer ones that a merge takes if it is at most so much larger
    /// than all of them together. 0 asks for at most the same size. Between 25 and 50
    /// the simulator finds nothing better on any measure; RocksDB's 1 merges a
    /// handful of small runs more often, for the same bytes and more room.
    pub size_ratio_percent: u64,
    /// How large all runs but the oldest may be together, in percent of the oldest,
    /// before everything is merged. The oldest run is taken for the live data: then
    /// 200 means that the files take at most three times its room, and up to four times
    /// while they are merged into one.
    pub space_amplification_percent: u64,
    /// About how large a table is, in bytes. A run of level 0 is always one table.
    pub target_file_bytes: u64,
}

impl Default for Tiered {
    fn default() -> Tiered {
        Tiered {
            runs: 8,
            size_ratio_percent: 50,
            space_amplification_percent: 200,
            target_file_bytes: 16 << 20,
        }
    }
}

/// Files that do not overlap: one of level 0, or all of a level below.
#[derive(Debug)]
struct Run {
    level: usize,
    files: Vec<Arc<TableFile>>,
    bytes: u64,
}

/// Neighbouring runs to merge, and why.
type Choice = (Range<usize>, String);

impl Strategy for Tiered {
    fn pick(&self, version: &Version) -> Option<Plan> {
        let runs = runs_of(version);
        let (taken, reason) = self
            .too_much_space(&runs)
            .or_else(|| self.runs_of_a_size(&runs))
            .or_else(|| self.newest_of_too_many(&runs))?;
        Some(self.plan(&runs, taken, reason))
    }

    /// Where files of level 0 that overlap nothing else join an older run.
    fn base_level(&self, version: &Version) -> usize {
        first_level_with_files(version)
    }

    /// The newest runs of those that are too many. A large merge that is due is no
    /// debt by itself: were writers stopped for it, tiering would lose what it is
    /// for. They are when runs pile up meanwhile.
    fn debt_bytes(&self, version: &Version) -> u64 {
        let runs = runs_of(version);
        let too_many = runs.len().saturating_sub(self.most_runs());
        runs.iter().take(too_many).map(|run| run.bytes).sum()
    }

    fn target_file_bytes(&self, level: usize) -> u64 {
        if level == 0 { u64::MAX } else { self.target_file_bytes }
    }
}

impl Tiered {
    /// How many runs may stand without a merge being due.
    fn most_runs(&self) -> usize {
        self.runs.max(2) - 1
    }

    /// Everything, when what is newer than the oldest run has grown too large.
    fn too_much_space(&self, runs: &[Run]) -> Option<Choice> {
        let (oldest, newer) = runs.split_last()?;
        let newer_bytes: u64 = newer.iter().map(|run| run.bytes).sum();
        let percent = newer_bytes.saturating_mul(100) / oldest.bytes.max(1);
        let reason = || format!("newer runs have {percent} % of the oldest one's size");
        (percent > self.space_amplification_percent).then(|| (0..runs.len(), reason()))
    }

    /// The newest row of neighbours none of which is much larger than all newer ones
    /// in the row together.
    fn runs_of_a_size(&self, runs: &[Run]) -> Option<Choice> {
        if runs.len() <= self.most_runs() {
            return None;
        }
        let rows = (0..runs.len()).map(|start| start..self.end_of_row(runs, start));
        let row = rows.into_iter().find(|row| row.len() >= 2)?;
        let reason = format!("{} of {} runs are of a size", row.len(), runs.len());
        Some((row, reason))
    }

    fn end_of_row(&self, runs: &[Run], start: usize) -> usize {
        let mut bytes = runs[start].bytes;
        let mut end = start + 1;
        while end < runs.len() && runs[end].bytes <= bytes.saturating_mul(100 + self.size_ratio_percent) / 100
        {
            bytes += runs[end].bytes;
            end += 1;
        }
        end
    }

    /// As many of the newest as bring the number of runs down to what may stand:
    /// when no two are of a size, the newest are the smallest.
    fn newest_of_too_many(&self, runs: &[Run]) -> Option<Choice> {
        let too_many = runs.len().checked_sub(self.most_runs()).filter(|too_many| *too_many > 0)?;
        Some((0..too_many + 1, format!("there are {} runs", runs.len())))
    }

    /// The outcome goes to the level above the next older run, where nothing
    /// stands that is not taken; level 0 has room for any number of runs.
    fn plan(&self, runs: &[Run], taken: Range<usize>, reason: String) -> Plan {
        let output_level = runs.get(taken.end).map_or(BOTTOM, |older| older.level.saturating_sub(1));
        let files =
            |run: &Run| run.files.iter().map(|file| (run.level, Arc::clone(file))).collect::<Vec<_>>();
        Plan {
            inputs: runs[taken].iter().flat_map(files).collect(),
            output_level,
            target_file_bytes: self.target_file_bytes(output_level),
            reason,
            rewrites: false,
        }
    }
}

/// The sorted runs of a version, newest first.
fn runs_of(version: &Version) -> Vec<Run> {
    let level0 = version.level(0).iter().map(|file| vec![Arc::clone(file)]).map(|files| (0, files));
    let below = version.levels().skip(1).map(|(level, files)| (level, files.to_vec()));
    level0
        .chain(below)
        .filter(|(_, files)| !files.is_empty())
        .map(|(level, files)| {
            let bytes = files.iter().map(|file| file.meta().size_bytes).sum();
            Run { level, files, bytes }
        })
        .collect()
}
