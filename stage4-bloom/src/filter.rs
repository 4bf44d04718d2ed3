//! Whichever filter a file carries, checked once and then asked.
//!
//! ```text
//!   name, bytes ──open──▶  "blocked" ──▶ Filter::Blocked ──┐
//!                          "bloom"   ──▶ Filter::Bloom   ──┴─▶ may_contain(hash)
//!                          any other ──▶ None: read the table without
//! ```
//!
//! **INV-FILTER-3** A question cannot fail: whatever bytes were opened, it stays in
//! bounds and never panics. What is wrong with the bytes is said when they are opened.
//!
//! An enum and not a trait object, so that a question of a few nanoseconds can be
//! inlined into the lookup that asks it.

use stage3_sstable::wal::coding::Malformed;
use stage3_sstable::wal::layout::Field;

use crate::blocked::{self, BlockedFilter};
use crate::bloom::{self, BloomFilter};

/// An opened filter of any known kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// See [`crate::blocked`].
    Blocked(BlockedFilter),
    /// See [`crate::bloom`].
    Bloom(BloomFilter),
}

impl Filter {
    /// The names that [`open`](Filter::open) knows, the best first.
    pub const KNOWN: [&'static str; 2] = [blocked::NAME, bloom::NAME];

    /// Opens the bytes of the filter called `name`; `None` when that kind is not
    /// known here, which is no error: a table can be read without its filter.
    ///
    /// # Errors
    /// [`Malformed`] when the kind is known and the bytes are not such a filter.
    pub fn open(name: &str, bytes: &[u8]) -> Result<Option<Filter>, Malformed> {
        Ok(match name {
            blocked::NAME => Some(Filter::Blocked(BlockedFilter::decode(bytes)?)),
            bloom::NAME => Some(Filter::Bloom(BloomFilter::decode(bytes)?)),
            _ => None,
        })
    }

    /// Whether a key with this hash may be in the set. `false` is certain.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        match self {
            Filter::Blocked(filter) => filter.may_contain(hash),
            Filter::Bloom(filter) => filter.may_contain(hash),
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Filter::Blocked(_) => blocked::NAME,
            Filter::Bloom(_) => bloom::NAME,
        }
    }

    /// How much memory its bits occupy.
    pub fn size_bytes(&self) -> usize {
        match self {
            Filter::Blocked(filter) => filter.size_bytes(),
            Filter::Bloom(filter) => filter.size_bytes(),
        }
    }
}

/// The fields of the bytes of the filter called `name`, for a dump; none when
/// that kind is not known.
pub fn layout(name: &str, bytes: &[u8]) -> Vec<Field> {
    match name {
        blocked::NAME => blocked::layout(bytes),
        bloom::NAME => bloom::layout(bytes),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::Blocked;
    use crate::bloom::Bloom;
    use crate::policy::FilterPolicy;
    use crate::rate::hashes_of_keys;
    use proptest::prelude::*;

    fn policies() -> [Box<dyn FilterPolicy>; 2] {
        [Box::new(Blocked::default()), Box::new(Bloom::default())]
    }

    #[test]
    fn whatever_is_built_is_opened_by_its_name() {
        let hashes = hashes_of_keys(1_000);
        for policy in policies() {
            let filter = Filter::open(policy.name(), &policy.build(&hashes)).unwrap().unwrap();
            assert_eq!(filter.name(), policy.name());
            assert!(hashes.iter().all(|&hash| filter.may_contain(hash)));
        }
    }

    #[test]
    fn every_kind_that_can_be_built_can_be_opened() {
        assert_eq!(policies().map(|policy| policy.name()), Filter::KNOWN);
    }

    #[test]
    fn a_filter_of_an_unknown_kind_is_no_filter_and_no_error() {
        assert_eq!(Filter::open("ribbon", b"whatever it holds").unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_under_a_known_name_make_a_question_panic(bytes: Vec<u8>, hash: u64) {
            for name in Filter::KNOWN {
                if let Ok(Some(filter)) = Filter::open(name, &bytes) {
                    filter.may_contain(hash);
                }
            }
        }
    }
}
