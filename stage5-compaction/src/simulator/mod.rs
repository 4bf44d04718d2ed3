//! Strategies without a disk: what would they cost?
//!
//! ```text
//!   Workload ──writes──▶ a flush each few ──▶ Tree: the version, and every entry
//!                                             │  ▲
//!                                    pick ◀───┘  └─── merge, drop, apply
//!                                             │
//!                             Course: a sample behind every flush ──▶ table, figure
//! ```
//!
//! The strategies are the engine's own, and so are [`Version::apply`], the drop
//! rule and the rule when files are only moved. Simulated is nothing but the files:
//! a table is a sorted list of keys and sequences, every entry has a fixed size, and
//! no byte is read or written. So sizes, overlaps and drops are true, and half a
//! million writes take a second or two.
//!
//! **INV-SIM-1** A course depends on the workload and the strategy alone: the same
//! seed gives the same course, on every machine. (Numbers are drawn, and sizes are
//! counted, in integers.)
//!
//! Fewer bytes are written than the user wrote where a memtable holds several
//! versions of a key: a flush drops all but the newest, as a merge does.
//!
//! What it does not model: scans, which may pay for a merge of their own
//! ([`Toll`](crate::compaction::Toll)), and time. A compaction is done before the next write
//! arrives, so nobody is ever stalled; and the journal's writes, one for each byte
//! of the user's, are not counted.
//!
//! [`Version::apply`]: crate::version::Version::apply

mod workload;
mod course;
mod tree;
mod figure;
mod comparison;

pub use comparison::Comparison;
pub use course::{Course, Sample};
pub use tree::Tree;
pub use workload::{Access, Workload, Write};

use crate::compaction::Strategy;

/// Lets `strategy` settle the tree behind every flush of `workload`.
pub fn simulate(name: &str, strategy: &dyn Strategy, workload: &Workload) -> Course {
    let mut tree = Tree::new(workload.clone());
    let mut course = Course::new(name);
    let writes: Vec<Write> = workload.writes().collect();
    for memtable in writes.chunks(workload.writes_per_flush.max(1)) {
        tree.flush(memtable);
        while let Some(plan) = strategy.pick(tree.version()) {
            tree.compact(&plan);
        }
        course.note(tree.sample());
    }
    course
}

#[cfg(test)]
mod tests;
