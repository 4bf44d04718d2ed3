//! Batches: what decodes is a batch that could have been written.

use stage6_engine::memtable::key::{Kind, MAX_SEQUENCE};
use stage6_engine::wal::batch::{self, Batch, Entry, WriteBatch, head};
use stage6_engine::wal::layout::unclaimed;

pub(super) fn run(bytes: &[u8]) -> usize {
    let fields = batch::layout(bytes);
    assert!(fields.iter().all(|field| field.start <= field.end && field.end <= bytes.len()));
    let Ok(decoded) = Batch::decode(bytes) else {
        return bytes.len();
    };
    let entries: Vec<Entry<'_>> = decoded.entries().collect();
    let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
    let expected: Vec<u64> = (decoded.first_sequence()..=decoded.last_sequence()).collect();
    assert_eq!(sequences, expected, "each entry takes one sequence");
    assert!(decoded.last_sequence() <= MAX_SEQUENCE);
    assert_eq!(unclaimed(bytes, &fields), [], "what decodes has no byte without a name");

    let again = encode(&entries);
    let decoded_again = Batch::decode(&again).expect("what decoded can be written");
    assert!(decoded_again.entries().eq(entries), "a round trip changed a batch");
    bytes.len()
}

/// The entries as a writer lays them down.
fn encode(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut batch = WriteBatch::new();
    for entry in entries {
        match entry.kind {
            Kind::Value => batch.put(entry.key, entry.value),
            Kind::Deletion => batch.delete(entry.key),
        };
    }
    batch.check().expect("what decoded is within the limits");
    let first = entries.first().map_or(1, |entry| entry.sequence);
    let mut bytes = head(first, batch.len() as u64).as_bytes().to_vec();
    bytes.extend_from_slice(batch.body());
    bytes
}
