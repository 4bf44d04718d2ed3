//! Options drawn from a seed: whatever a user may choose, small.
//!
//! ```text
//!   seed ──▶ memtables of 2 kB, Tiered of 3 runs, LZ4, no filter, blocks of 97 bytes …
//! ```
//!
//! A database may be closed under one set and opened under another, and must give
//! the same answers: what a reader of a file must know stands in the file.

use std::fmt;
use std::sync::Arc;

use stage6_engine::bloom::blocked::Blocked;
use stage6_engine::bloom::bloom::Bloom;
use stage6_engine::bloom::policy::FilterPolicy;
use stage6_engine::{Builder, Codec, Db, Durability, Leveled, SimRuntime, Tiered};

use crate::dice::Dice;

/// One choice of everything that can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    seed: u64,
    memtable_bytes: usize,
    max_immutables: usize,
    block_size_bytes: usize,
    cache_bytes: usize,
    max_open_files: usize,
    level0_stop_files: usize,
    durability: Durability,
    codec: Codec,
    filter: Filter,
    strategy: Strategy,
}

#[derive(Debug, Clone, Copy)]
enum Filter {
    None,
    Blocked(u32),
    Bloom(u32),
}

#[derive(Debug, Clone)]
enum Strategy {
    Leveled(Leveled),
    Tiered(Tiered),
}

impl Options {
    /// The options that follow from `seed`: so small that a few dozen writes reach
    /// every part of a database.
    pub fn drawn(seed: u64) -> Options {
        let mut dice = Dice::new(seed);
        Options {
            seed,
            memtable_bytes: pick(&mut dice, &[600, 2_000, 4_000, 16_000]),
            max_immutables: 1 + dice.roll(4) as usize,
            block_size_bytes: pick(&mut dice, &[1, 97, 256, 1_024, 4_096]),
            cache_bytes: pick(&mut dice, &[0, 1_000, 64 << 10]),
            max_open_files: pick(&mut dice, &[1, 4, 500]),
            level0_stop_files: 8 + dice.roll(8) as usize,
            durability: pick(&mut dice, &[Durability::Buffer, Durability::Buffer, Durability::Sync]),
            codec: pick(&mut dice, &[Codec::None, Codec::Lz4]),
            filter: pick(
                &mut dice,
                &[Filter::None, Filter::Blocked(10), Filter::Bloom(10), Filter::Bloom(1)],
            ),
            strategy: Strategy::drawn(&mut dice),
        }
    }

    /// What a put or a deletion waits for under these options.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// These options, on one thread.
    pub fn builder(&self) -> Builder {
        let builder = Db::builder()
            .memtable_bytes(self.memtable_bytes)
            .max_immutables(self.max_immutables)
            .block_size_bytes(self.block_size_bytes)
            .cache_bytes(self.cache_bytes)
            .max_open_files(self.max_open_files)
            .level0_limits(5, self.level0_stop_files)
            .durability(self.durability)
            .codec(self.codec)
            .filter(self.filter.policy())
            .database_id(0x7e57)
            .runtime(Arc::new(SimRuntime::new(self.seed)));
        match &self.strategy {
            Strategy::Leveled(leveled) => builder.strategy(leveled.clone()),
            Strategy::Tiered(tiered) => builder.strategy(tiered.clone()),
        }
    }
}

fn pick<T: Copy>(dice: &mut Dice, choices: &[T]) -> T {
    choices[dice.roll(choices.len() as u64) as usize]
}

impl Filter {
    fn policy(self) -> Option<Arc<dyn FilterPolicy>> {
        match self {
            Filter::None => None,
            Filter::Blocked(bits) => Some(Arc::new(Blocked::new(bits))),
            Filter::Bloom(bits) => Some(Arc::new(Bloom::new(bits))),
        }
    }
}

impl Strategy {
    fn drawn(dice: &mut Dice) -> Strategy {
        let target_file_bytes = pick(dice, &[500, 2_000, 8_000]);
        match dice.roll(2) {
            0 => Strategy::Leveled(Leveled {
                level0_files: 2 + dice.roll(3) as usize,
                base_level_bytes: pick(dice, &[1_000, 4_000]),
                size_ratio: 2 + dice.roll(4),
                target_file_bytes,
            }),
            _ => Strategy::Tiered(Tiered {
                runs: 2 + dice.roll(3) as usize,
                size_ratio_percent: pick(dice, &[0, 50]),
                space_amplification_percent: pick(dice, &[50, 200]),
                target_file_bytes,
            }),
        }
    }
}

/// As a list that can be read, and the seed from which they come again.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "options {}: memtables of {} bytes", self.seed, self.memtable_bytes)?;
        write!(f, ", blocks of {}, cache of {}", self.block_size_bytes, self.cache_bytes)?;
        write!(f, ", {:?}, {:?}, {:?}, {:?}", self.codec, self.filter, self.durability, self.strategy)
    }
}
