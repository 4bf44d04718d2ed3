//! None, full, tiered, leveled: what does each cost on the same writes?
//!
//! The levels are a hundred times smaller than a database's, in the same
//! proportions: a flush is 64 KB. Give a path to have the picture there.

use std::path::PathBuf;
use std::time::Instant;

use stage5_compaction::compaction::{Full, Leveled, Never, Strategy, Tiered};
use stage5_compaction::simulator::{Access, Comparison, Workload};

const FLUSH_BYTES: u64 = 64_000;

fn main() -> std::io::Result<()> {
    let target_file_bytes = 2 * FLUSH_BYTES;
    let base_level_bytes = 8 * FLUSH_BYTES;
    let full = Full { target_file_bytes, ..Full::default() };
    let tiered = Tiered { target_file_bytes, ..Tiered::default() };
    let leveled = Leveled { base_level_bytes, target_file_bytes, ..Leveled::default() };
    let strategies: [(&str, &dyn Strategy); 4] =
        [("none", &Never), ("full", &full), ("tiered", &tiered), ("leveled", &leveled)];

    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("amplification.svg"), PathBuf::from);
    for access in [Access::Uniform, Access::Skewed, Access::Ascending] {
        let workload = Workload { access, ..Workload::default() };
        let Workload { keys, writes, writes_per_flush, deletion_percent, .. } = workload;
        println!(
            "{access:?}: {writes} writes to {keys} keys, {deletion_percent} % of them deletions, a flush each \
             {writes_per_flush}\n"
        );
        let begun = Instant::now();
        let comparison = Comparison::of(&strategies, &workload);
        println!("{comparison}\nsimulated in {:.1} s\n", begun.elapsed().as_secs_f64());
        if access == Access::Uniform {
            std::fs::write(&path, comparison.to_svg())?;
        }
    }
    println!("the first as a picture: {}", path.display());
    Ok(())
}
