//! One key through its whole life, read at every sequence.

use stage1_memtable::key::Kind;
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

use super::prelude::row;
use super::{Outcome, Output};

/// What is written, in this order. The second key shows that the first one's history has gaps.
const WRITES: [(Kind, &str, &str); 6] = [
    (Kind::Value, "fig", "green"),
    (Kind::Value, "kiwi", "brown"),
    (Kind::Value, "fig", "purple"),
    (Kind::Value, "fig", ""),
    (Kind::Deletion, "fig", ""),
    (Kind::Value, "fig", "ripe"),
];

pub(super) fn run(out: &mut Output) -> Outcome {
    let memtable = MemTable::new();
    let widths = [8, 16, 20, 20];
    out.line(row(&widths, &[&"sequence", &"written", &"get fig", &"get kiwi"]));
    for (sequence, (kind, key, value)) in (1..).zip(WRITES) {
        memtable.insert(sequence, kind, key.as_bytes(), value.as_bytes());
    }
    for (sequence, (kind, key, value)) in (1..).zip(WRITES) {
        let written = match kind {
            Kind::Value => format!("{key} = \"{value}\""),
            Kind::Deletion => format!("{key} deleted"),
        };
        let [fig, kiwi] = ["fig", "kiwi"].map(|key| answer(&memtable, key, sequence));
        out.line(row(&widths, &[&sequence, &written, &fig?, &kiwi?]));
    }
    out.line(format!("\n{} entries: nothing was overwritten, and a deletion is an entry", memtable.len()));
    Ok(())
}

fn answer(memtable: &MemTable, key: &str, sequence: u64) -> Result<String, stage1_memtable::Error> {
    Ok(match memtable.lookup(&LookupKey::new(key.as_bytes(), sequence), &mut ())? {
        Answer::Value { value, sequence } => format!("\"{}\" of {sequence}", value.escape_ascii()),
        Answer::Deleted { sequence } => format!("deleted by {sequence}"),
        Answer::Absent => "absent".to_owned(),
    })
}
