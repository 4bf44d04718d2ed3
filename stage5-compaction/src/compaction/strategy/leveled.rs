//! Leveled compaction with dynamic level sizes.
//!
//! ```text
//!   level 0      ▭▭▭▭            at 4 files: all of them, into the base level
//!   1 … 4        (empty)
//!   level 5      ▭▭▭             base level: its target is a tenth of level 6's size
//!   level 6      ▭▭▭▭▭▭▭▭▭▭▭▭    the last level holds nine tenths of the data
//! ```
//!
//! Level sizes follow from the last level upward, each a tenth of the one below,
//! as in "Optimizing Space Amplification in RocksDB" (Dong et al., CIDR 2017): so
//! the levels above the last never hold more than about a ninth of the data,
//! whatever the size of the database. Few runs to read and little space too much,
//! bought with writing: a byte is written about half a ratio of times on each
//! level that it sinks through.

use std::sync::Arc;

use super::{BOTTOM, Plan, Strategy, first_level_with_files, with_overlapping};
use crate::file::LEVELS;
use crate::table_cache::TableFile;
use crate::version::Version;

/// Leveled compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leveled {
    /// At how many files level 0 is merged into the base level.
    pub level0_files: usize,
    /// The largest size of the base level, in bytes. When it grows beyond, a
    /// level is opened above it. A level that is opened early holds less than level 0 brings
    /// at once, and is only written through: by default 512 MiB, with which 800 MB of values of
    /// 1 KiB are put at 1.1 times the speed of 256 MiB, and compactions write 0.92 as much.
    pub base_level_bytes: u64,
    /// How many times larger a level is than the one above it.
    pub size_ratio: u64,
    /// About how large a table is, in bytes.
    pub target_file_bytes: u64,
}

impl Default for Leveled {
    fn default() -> Leveled {
        Leveled { level0_files: 4, base_level_bytes: 512 << 20, size_ratio: 10, target_file_bytes: 16 << 20 }
    }
}

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
            0 => self.merge_level0(version, format!("level 0 has {} files", version.level(0).len())),
            _ => self.merge_file_down(version, level, score),
        };
        Some(plan)
    }

    /// All of level 0. The levels below are left as they are: to merge one of them whole would
    /// keep what writes need waiting for too long.
    fn pick_for_scans(&self, version: &Version) -> Option<Plan> {
        let files = version.level(0).len();
        (files > 0).then(|| self.merge_level0(version, format!("scans paid for {files} files of level 0")))
    }

    /// The first level that has files, or where a tenth of the level below it is
    /// still above the base size. Never a level below one with files: what comes
    /// from level 0 is newer than all of them.
    fn base_level(&self, version: &Version) -> usize {
        let mut base = BOTTOM;
        let mut target = version.level_bytes(BOTTOM);
        while target > self.base_level_bytes && base > 1 {
            base -= 1;
            target /= self.size_ratio;
        }
        base.min(first_level_with_files(version))
    }

    fn debt_bytes(&self, version: &Version) -> u64 {
        let targets = self.level_targets(version);
        let level0_is_due = version.level(0).len() >= self.level0_files;
        let level0 = if level0_is_due { version.level_bytes(0) } else { 0 };
        let below = (1..BOTTOM).map(|level| {
            let (bytes, below) = (version.level_bytes(level), version.level_bytes(level + 1));
            let excess = bytes.saturating_sub(targets[level]);
            // Every byte too many is merged with about half a ratio of bytes below it, or with
            // fewer where no more lie there for each byte of its level.
            let drags = u128::from(excess) * u128::from(below) / u128::from(bytes.max(1));
            excess + excess.saturating_mul(self.size_ratio / 2).min(drags as u64)
        });
        level0 + below.sum::<u64>()
    }

    fn target_file_bytes(&self, _level: usize) -> u64 {
        self.target_file_bytes
    }

    fn check(&self) -> Result<(), String> {
        if self.size_ratio < 2 {
            return Err(format!("levels {} times apart do not grow; let it be at least 2", self.size_ratio));
        }
        if self.level0_files == 0 || self.base_level_bytes == 0 || self.target_file_bytes == 0 {
            return Err("a level or table of size 0 is always too large; give each at least 1".to_owned());
        }
        Ok(())
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
    fn merge_level0(&self, version: &Version, reason: String) -> Plan {
        self.plan(version, 0, version.level(0).to_vec(), self.base_level(version), reason)
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
        let costs = version.level(level).iter().map(|file| (file, cost(file)));
        let cheapest = costs.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(file, _)| Arc::clone(file));
        let reason = format!("level {level} is at {score:.1} × of its target");
        self.plan(version, level, cheapest.into_iter().collect(), level + 1, reason)
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
