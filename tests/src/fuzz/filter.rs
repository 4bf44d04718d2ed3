//! Filters: bytes that are opened answer every question, and what was built in is
//! never denied.
//!
//! ```text
//!   input := kind u8 · filter            kind of filter, and its bytes
//!          | 2 or more · hash u64 …      hashes, to build both kinds from
//! ```

use stage6_engine::bloom::blocked::Blocked;
use stage6_engine::bloom::bloom::Bloom;
use stage6_engine::bloom::filter::{self, Filter};
use stage6_engine::bloom::policy::FilterPolicy;
use stage6_engine::wal::layout::unclaimed;

pub(super) fn run(bytes: &[u8]) -> usize {
    let Some((kind, rest)) = bytes.split_first() else { return 0 };
    match Filter::KNOWN.get(usize::from(*kind)) {
        Some(name) => open(name, rest),
        None => build(u32::from(*kind), rest),
    }
    bytes.len()
}

fn open(name: &str, bytes: &[u8]) {
    let fields = filter::layout(name, bytes);
    let Ok(opened) = Filter::open(name, bytes) else { return };
    let opened = opened.expect("the name is known");
    assert_eq!(opened.name(), name);
    assert!(opened.size_bytes() <= bytes.len(), "a filter is no larger than its bytes");
    assert_eq!(unclaimed(bytes, &fields), [], "what opens has no byte without a name");
    for hash in hashes(bytes).chain([0, 1, u64::MAX]) {
        assert_eq!(opened.may_contain(hash), opened.may_contain(hash));
    }
}

fn build(bits_per_key: u32, bytes: &[u8]) {
    let hashes: Vec<u64> = hashes(bytes).collect();
    let policies: [Box<dyn FilterPolicy>; 2] =
        [Box::new(Blocked::new(bits_per_key)), Box::new(Bloom::new(bits_per_key))];
    for policy in policies {
        let built = Filter::open(policy.name(), &policy.build(&hashes));
        let filter = built.expect("what was built is sound").expect("and of a known kind");
        assert!(hashes.iter().all(|hash| filter.may_contain(*hash)), "INV-FILTER-1");
    }
}

fn hashes(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).filter_map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)))
}
