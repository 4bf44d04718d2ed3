//! Which files to merge next: leveled compaction with dynamic level sizes.
//!
//! ```text
//!   level 0      ▭▭▭▭            at 4 files: all of them, into the base level
//!   1 … 4        (empty)
//!   level 5      ▭▭▭             base level: its target is a tenth of level 6's size
//!   level 6      ▭▭▭▭▭▭▭▭▭▭▭▭    the last level holds nine tenths of the data
//! ```
//!
//! A strategy is a pure function of the version: it keeps no state, takes no lock
//! and reads no file. So it can be tested by itself, and run without a database.
//!
//! **INV-STRATEGY-1** A plan takes files so that INV-VERSION-2 holds afterwards:
//! with every file it takes from level 0 all older overlapping ones of level 0,
//! and from the output level all files that overlap. No level between the input
//! and the output level holds anything that overlaps.
//!
//! Level sizes follow from the last level upward, each a tenth of the one below,
//! as in "Optimizing Space Amplification in RocksDB" (Dong et al., CIDR 2017): so
//! the levels above the last never hold more than about a ninth of the data,
//! whatever the size of the database.

use std::fmt;
use std::sync::Arc;

use crate::file::LEVELS;
use crate::table_cache::TableFile;
use crate::version::Version;

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

    /// The level into which files of level 0 are merged now.
    fn base_level(&self, version: &Version) -> usize;

    /// About how many bytes compactions must still read to settle `version`:
    /// what writers are slowed down by.
    fn debt_bytes(&self, version: &Version) -> u64;

    /// How large a new table on `level` shall be, in bytes.
    fn target_file_bytes(&self, level: usize) -> u64;
}

/// Leveled compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leveled {
    /// At how many files level 0 is merged into the base level.
    pub level0_files: usize,
    /// The largest size of the base level, in bytes. When it grows beyond, a
    /// level is opened above it.
    pub base_level_bytes: u64,
    /// How many times larger a level is than the one above it.
    pub size_ratio: u64,
    /// About how large a table is, in bytes.
    pub target_file_bytes: u64,
}

impl Default for Leveled {
    fn default() -> Leveled {
        Leveled { level0_files: 4, base_level_bytes: 64 << 20, size_ratio: 10, target_file_bytes: 16 << 20 }
    }
}

/// The last level.
const BOTTOM: usize = LEVELS - 1;

impl Strategy for Leveled {
    fn pick(&self, version: &Version) -> Option<Plan> {
        let targets = self.level_targets(version);
        let (level, score) = (0..BOTTOM)
            .map(|level| (level, self.score(version, level, &targets)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        if score < 1.0 {
            return None;
        }
        let plan = match level {
            0 => self.merge_level0(version),
            _ => self.merge_file_down(version, level, score),
        };
        Some(plan)
    }

    /// The first level that has files, or where a tenth of the level below it is
    /// still above the base size. Never a level below one with files: what comes
    /// from level 0 is newer than all of them.
    fn base_level(&self, version: &Version) -> usize {
        let first_with_files = (1..LEVELS).find(|level| !version.level(*level).is_empty()).unwrap_or(BOTTOM);
        let mut base = BOTTOM;
        let mut target = version.level_bytes(BOTTOM);
        while target > self.base_level_bytes && base > 1 {
            base -= 1;
            target /= self.size_ratio;
        }
        base.min(first_with_files)
    }

    fn debt_bytes(&self, version: &Version) -> u64 {
        let targets = self.level_targets(version);
        let level0_is_due = version.level(0).len() >= self.level0_files;
        let level0 = if level0_is_due { version.level_bytes(0) } else { 0 };
        let below = (1..BOTTOM).map(|level| {
            let excess = version.level_bytes(level).saturating_sub(targets[level]);
            // Every byte too many is merged with about a ratio of bytes below it.
            excess.saturating_mul(self.size_ratio / 2 + 1)
        });
        level0 + below.sum::<u64>()
    }

    fn target_file_bytes(&self, _level: usize) -> u64 {
        self.target_file_bytes
    }
}

impl Leveled {
    /// How large each level may be. Levels above the base level shall be empty.
    fn level_targets(&self, version: &Version) -> [u64; LEVELS] {
        let mut targets = [0; LEVELS];
        targets[BOTTOM] = u64::MAX;
        let mut target = version.level_bytes(BOTTOM);
        let mut level = BOTTOM;
        while target > self.base_level_bytes && level > 1 {
            target /= self.size_ratio;
            level -= 1;
            targets[level] = target;
        }
        targets
    }

    /// How far a level is beyond what it should be; 1 and more asks for work.
    fn score(&self, version: &Version, level: usize, targets: &[u64; LEVELS]) -> f64 {
        if level == 0 {
            return version.level(0).len() as f64 / self.level0_files.max(1) as f64;
        }
        let bytes = version.level_bytes(level);
        match (bytes, targets[level]) {
            (0, _) => 0.0,
            (_, 0) => 1.0 + bytes as f64 / self.target_file_bytes.max(1) as f64,
            (bytes, target) => bytes as f64 / target as f64,
        }
    }

    /// All of level 0, with what it overlaps on the base level.
    fn merge_level0(&self, version: &Version) -> Plan {
        let files = version.level(0).to_vec();
        let output_level = self.base_level(version);
        let reason = format!("level 0 has {} files", files.len());
        self.plan(version, 0, files, output_level, reason)
    }

    /// One file of `level`: the one that drags the fewest bytes of the next level
    /// along, for its own size.
    fn merge_file_down(&self, version: &Version, level: usize, score: f64) -> Plan {
        let cost = |file: &Arc<TableFile>| {
            let meta = file.meta();
            let below = version.overlapping(level + 1, &meta.smallest.user_key, &meta.largest.user_key);
            let dragged: u64 = below.iter().map(|file| file.meta().size_bytes).sum();
            dragged as f64 / meta.size_bytes.max(1) as f64
        };
        let cheapest = version.level(level).iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
        let reason = format!("level {level} is at {score:.1} × of its target");
        self.plan(version, level, cheapest.cloned().into_iter().collect(), level + 1, reason)
    }

    fn plan(
        &self,
        version: &Version,
        level: usize,
        files: Vec<Arc<TableFile>>,
        output_level: usize,
        reason: String,
    ) -> Plan {
        Plan {
            inputs: with_overlapping(version, level, files, output_level),
            output_level,
            target_file_bytes: self.target_file_bytes,
            reason,
            rewrites: false,
        }
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

#[cfg(test)]
mod tests;
