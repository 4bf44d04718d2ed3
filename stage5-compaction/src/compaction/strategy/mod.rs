//! Which files to merge next.
//!
//! ```text
//!             what waits        what a merge takes               read   write   space
//!   Never     everything        nothing                          bad    best    bad
//!   Full      a few flushes     everything there is              best   bad     good
//!   Tiered    runs of one size  neighbouring runs, all of each   fair   good    fair
//!   Leveled   a few flushes     a file and what lies under it    good   fair    good
//! ```
//!
//! No strategy is best at all three: what a read has to ask, how often a byte is
//! written, and how much room dead bytes take pull against one another (Athanassoulis
//! et al., "Designing Access Methods: The RUM Conjecture", EDBT 2016). [`Never`] and
//! [`Full`] are the two ends, there to be compared with; [`Tiered`] and [`Leveled`]
//! are the two to choose from. The simulator puts numbers into the table.
//!
//! A strategy is a pure function of the version: it keeps no state, takes no lock
//! and reads no file. So it can be tested by itself, and run without a database.
//!
//! **INV-STRATEGY-1** A plan takes files so that INV-VERSION-2 holds afterwards.
//! Where the outcome leaves level 0, each file taken from there brings the older ones
//! of level 0 that overlap it, and these bring theirs; where it stays there, those
//! taken are neighbours in age. Of an output level below 0 all files that overlap are
//! taken, and no level between input and output holds anything that overlaps.

mod extremes;
mod leveled;
mod tiered;

use std::fmt;
use std::sync::Arc;

pub use extremes::{Full, Never};
pub use leveled::Leveled;
pub use tiered::Tiered;

use crate::file::LEVELS;
use crate::table_cache::TableFile;
use crate::version::Version;

/// The last level.
const BOTTOM: usize = LEVELS - 1;

/// Files to merge, and where to.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The files, with their levels. Those of level 0 newest first.
    pub inputs: Vec<(usize, Arc<TableFile>)>,
    /// Where the outcome goes.
    pub output_level: usize,
    /// About how large each new table shall be, in bytes.
    pub target_file_bytes: u64,
    /// Why, in words.
    pub reason: String,
    /// Whether the entries must be written anew even where a change of level
    /// would do: to drop what nobody can read any more.
    pub rewrites: bool,
}

impl Plan {
    /// Whether the files need only change their level: none overlaps another or
    /// anything on the output level, so a merge would write the same again.
    pub fn is_trivial_move(&self) -> bool {
        if self.rewrites || self.inputs.iter().any(|(level, _)| *level == self.output_level) {
            return false;
        }
        let mut files: Vec<&Arc<TableFile>> = self.inputs.iter().map(|(_, file)| file).collect();
        files.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        files.windows(2).all(|pair| pair[0].meta().largest.user_key < pair[1].meta().smallest.user_key)
    }

    /// How many bytes the plan reads.
    pub fn input_bytes(&self) -> u64 {
        self.inputs.iter().map(|(_, file)| file.meta().size_bytes).sum()
    }
}

/// Chooses compactions.
pub trait Strategy: fmt::Debug + Send + Sync {
    /// The next compaction that `version` needs, or `None` when it is settled.
    fn pick(&self, version: &Version) -> Option<Plan>;

    /// The merge that would leave a scan of `version` fewer runs to ask, though no write needs
    /// it. It is carried out when scans have paid as much as it costs
    /// ([`Toll`](super::Toll)), and after all that [`pick`](Strategy::pick) wants. It takes
    /// files of level 0 into the run below them.
    ///
    /// By default there is none: where runs are let stand so that writing is cheap, scanning
    /// shall not make it dear.
    fn pick_for_scans(&self, _version: &Version) -> Option<Plan> {
        None
    }

    /// The level into which files of level 0 are merged now.
    fn base_level(&self, version: &Version) -> usize;

    /// About how many bytes compactions must still read to settle `version`:
    /// what writers are slowed down by.
    fn debt_bytes(&self, version: &Version) -> u64;

    /// How large a new table on `level` shall be, in bytes.
    fn target_file_bytes(&self, level: usize) -> u64;

    /// Whether its settings make sense. Asked once, before a database is opened.
    ///
    /// # Errors
    /// A sentence that says which do not, and what would.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// `files` of `level`, and behind them what they overlap on the output level.
pub fn with_overlapping(
    version: &Version,
    level: usize,
    files: Vec<Arc<TableFile>>,
    output_level: usize,
) -> Vec<(usize, Arc<TableFile>)> {
    let smallest = files.iter().map(|file| file.meta().smallest.user_key.clone()).min();
    let largest = files.iter().map(|file| file.meta().largest.user_key.clone()).max();
    let below = match (smallest, largest) {
        (Some(smallest), Some(largest)) if output_level != level => {
            version.overlapping(output_level, &smallest, &largest)
        }
        _ => Vec::new(),
    };
    let upper = files.into_iter().map(|file| (level, file));
    upper.chain(below.into_iter().map(|file| (output_level, file))).collect()
}

/// The first level below 0 that has files, or else the last. What comes from
/// level 0 is newer than all that stands there, so it may not sink below.
fn first_level_with_files(version: &Version) -> usize {
    (1..LEVELS).find(|level| !version.level(*level).is_empty()).unwrap_or(BOTTOM)
}

#[cfg(test)]
pub(super) mod tests;
