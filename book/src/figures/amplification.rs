//! What the strategies cost, on the same writes: the picture that `lsm simulate --svg` draws.

use stage5_compaction::compaction::{Full, Leveled, Never, Strategy, Tiered};
use stage5_compaction::simulator::{Comparison, Workload};

/// The picture, as stage 5 draws it.
pub(super) fn draw() -> Result<String, String> {
    let workload = Workload { keys: 10_000, writes: 100_000, ..Workload::default() };
    let flush_bytes = workload.writes_per_flush as u64 * workload.entry_bytes;
    let target_file_bytes = 2 * flush_bytes;
    let full = Full { target_file_bytes, ..Full::default() };
    let tiered = Tiered { target_file_bytes, ..Tiered::default() };
    let leveled = Leveled { base_level_bytes: 8 * flush_bytes, target_file_bytes, ..Leveled::default() };
    let strategies: [(&str, &dyn Strategy); 4] =
        [("none", &Never), ("full", &full), ("tiered", &tiered), ("leveled", &leveled)];
    Ok(Comparison::of(&strategies, &workload).to_svg())
}
