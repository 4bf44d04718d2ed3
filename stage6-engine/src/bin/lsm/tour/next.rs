//! The end: what to read and what to try next.

use std::path::Path;

use super::Tour;
use crate::failure::Failure;

/// A file of this workspace, and what it answers.
const TO_READ: [(&str, &str); 6] = [
    ("stage6-engine/src/write.rs", "the write path: journal, memtable, publication"),
    ("stage6-engine/src/read.rs", "the read path, newest source first"),
    ("stage5-compaction/src/compaction/drop_rule.rs", "what a merge may forget, and why"),
    ("stage2-wal/src/journal/mod.rs", "why a killed writer loses nothing"),
    ("stage6-engine/src/recover.rs", "coming back, step by step"),
    ("stage1-memtable/README.md", "building all of it yourself, stage by stage"),
];

const TO_TRY: [&str; 5] = [
    "cargo run --release -- load words.db data/wordnet/wordnet.tsv.gz",
    "cargo run --release -- scan words.db --prefix photo --limit 5",
    "cargo run --release -- levels words.db",
    "cargo run --release -- shell words.db",
    "cargo run --release -- bench",
];

pub(super) fn chapter(tour: &mut Tour<'_>, kept: Option<&Path>) -> Result<(), Failure> {
    let report = &mut tour.report;
    report.heading("What to read and try next")?;
    for (file, answer) in TO_READ {
        report.indented(&format!("{file:46} {answer}"))?;
    }
    report.line("")?;
    for command in TO_TRY {
        report.indented(command)?;
    }
    if let Some(directory) = kept {
        report.indented(&format!("cargo run --release -- stats {}", directory.display()))?;
    }
    report.line("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_to_read_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the stage lies in the workspace");
        for (file, _) in TO_READ {
            assert!(root.join(file).is_file(), "{file}");
        }
    }
}
