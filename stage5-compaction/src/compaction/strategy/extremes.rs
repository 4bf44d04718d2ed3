//! The two ends between which every strategy lies: no merging at all, and
//! nothing but merging.
//!
//! They are not meant for a database that grows. They show what compaction is
//! for, and what it costs.

use super::{BOTTOM, Plan, Strategy, first_level_with_files};
use crate::version::Version;

/// Merges nothing. Each flush is one more place to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Never;

impl Strategy for Never {
    fn pick(&self, _version: &Version) -> Option<Plan> {
        None
    }

    fn base_level(&self, version: &Version) -> usize {
        first_level_with_files(version)
    }

    fn debt_bytes(&self, _version: &Version) -> u64 {
        0
    }

    fn target_file_bytes(&self, _level: usize) -> u64 {
        u64::MAX
    }
}

/// Merges everything with everything, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// At how many files level 0 is merged with all the rest.
    pub level0_files: usize,
    /// About how large a table is, in bytes.
    pub target_file_bytes: u64,
}

impl Default for Full {
    fn default() -> Full {
        Full { level0_files: 4, target_file_bytes: 16 << 20 }
    }
}

impl Strategy for Full {
    fn pick(&self, version: &Version) -> Option<Plan> {
        let waiting = version.level(0).len();
        (waiting >= self.level0_files.max(1)).then(|| Plan {
            inputs: version.files().map(|(level, file)| (level, file.clone())).collect(),
            output_level: BOTTOM,
            target_file_bytes: self.target_file_bytes,
            reason: format!("level 0 has {waiting} files"),
            rewrites: false,
        })
    }

    fn base_level(&self, version: &Version) -> usize {
        first_level_with_files(version)
    }

    fn debt_bytes(&self, version: &Version) -> u64 {
        self.pick(version).map_or(0, |plan| plan.input_bytes())
    }

    fn target_file_bytes(&self, _level: usize) -> u64 {
        self.target_file_bytes
    }
}
