//! The one place that decides what may be forgotten.
//!
//! ```text
//!   protected sequences        3           7        (two snapshots, and now = 12)
//!   versions of "fig"    1  2  ┃  4  6     ┃  9  11
//!   stripes              └─────┘  └────────┘  └────┘
//!   kept                    2        6           11   the newest of each stripe
//! ```
//!
//! The protected sequences are those at which somebody may still read: every
//! snapshot, and the sequence that was visible when the job began (later readers
//! see that one or a higher one). They cut the history into stripes. A reader at
//! a protected sequence sees the newest version at or below it, so:
//!
//! - **INV-DROP-1** Of a user key's versions in one stripe, all but the newest may
//!   go: no reader's answer is among them. Above the highest protected sequence
//!   nothing goes.
//! - **INV-DROP-2** A deletion may go, when it is the newest of the lowest stripe
//!   *and* no level below the output holds the key: then it hides nothing any
//!   more. Above the bottom it must stay, or what it deleted comes back.

use stage4_bloom::memtable::key::{InternalKey, KeyHeads, Kind, Sequence};

/// Decides entry by entry, in the one order, what a merge keeps.
#[derive(Debug)]
pub struct DropRule {
    /// Ascending, without repetition; the last is the sequence visible when the
    /// job began.
    protected: Vec<Sequence>,
    /// The user key of the last entry seen, and the stripe of its last version.
    last: LastKey,
    last_stripe: Option<usize>,
}

/// A user key that is compared with the next one and then replaced by it: by its heads
/// and its length, and byte by byte only behind them. So a short key is neither copied nor
/// compared as a slice, for any entry of any merge.
#[derive(Debug, Default)]
struct LastKey {
    heads: KeyHeads,
    length: usize,
    /// What its heads do not hold.
    rest: Vec<u8>,
}

impl LastKey {
    /// Takes the next key, and says whether it is the same.
    #[inline]
    fn replace(&mut self, user_key: &[u8]) -> bool {
        let heads = KeyHeads::of(user_key);
        let is_alike = self.heads == heads && self.length == user_key.len();
        if user_key.len() <= KeyHeads::BYTES {
            (self.heads, self.length) = (heads, user_key.len());
            return is_alike;
        }
        let rest = &user_key[KeyHeads::BYTES..];
        let is_same = is_alike && self.rest == rest;
        if !is_same {
            (self.heads, self.length) = (heads, user_key.len());
            self.rest.clear();
            self.rest.extend_from_slice(rest);
        }
        is_same
    }
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written to the output.
    Keep,
    /// A newer version in the same stripe hides it from everybody.
    Hidden,
    /// It is a deletion that hides nothing any more.
    Spent,
}

impl DropRule {
    /// Protects `snapshots` and `visible`, the sequence visible when the job
    /// begins.
    pub fn new(snapshots: &[Sequence], visible: Sequence) -> DropRule {
        let mut protected: Vec<Sequence> = snapshots.iter().copied().chain([visible]).collect();
        protected.sort_unstable();
        protected.dedup();
        DropRule { protected, last: LastKey::default(), last_stripe: None }
    }

    /// Decides about the next entry. `is_bottom` says whether no level below the
    /// output holds its user key; it is only asked about deletions.
    #[inline]
    pub fn judge(&mut self, key: InternalKey<'_>, kind: Kind, is_bottom: impl FnOnce() -> bool) -> Verdict {
        let is_same_key = self.last.replace(key.user_key) && self.last_stripe.is_some();
        let stripe = self.stripe(key.sequence);
        let previous = self.last_stripe.replace(stripe);
        let is_above_all = stripe == self.protected.len();
        if is_same_key && previous == Some(stripe) && !is_above_all {
            return Verdict::Hidden;
        }
        if kind == Kind::Deletion && stripe == 0 && is_bottom() {
            return Verdict::Spent;
        }
        Verdict::Keep
    }

    /// How many protected sequences lie below `sequence`.
    #[inline]
    fn stripe(&self, sequence: Sequence) -> usize {
        self.protected.partition_point(|protected| *protected < sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// What is left of versions of one key, newest first, at the bottom or not.
    fn kept(
        protected: &[Sequence],
        visible: Sequence,
        versions: &[(Sequence, Kind)],
        bottom: bool,
    ) -> Vec<Sequence> {
        let mut rule = DropRule::new(protected, visible);
        let keep = |(sequence, kind): &&(Sequence, Kind)| {
            rule.judge(InternalKey::new(b"fig", *sequence), *kind, || bottom) == Verdict::Keep
        };
        versions.iter().filter(keep).map(|(sequence, _)| *sequence).collect()
    }

    fn puts(sequences: &[Sequence]) -> Vec<(Sequence, Kind)> {
        sequences.iter().map(|sequence| (*sequence, Kind::Value)).collect()
    }

    #[test]
    fn the_newest_of_each_stripe_stays() {
        assert_eq!(kept(&[3, 7], 12, &puts(&[11, 9, 6, 4, 2, 1]), true), [11, 6, 2]);
    }

    #[test]
    fn what_is_not_yet_visible_stays_whole() {
        assert_eq!(kept(&[], 5, &puts(&[9, 8, 5, 4]), true), [9, 8, 5]);
    }

    #[test]
    fn a_deletion_goes_at_the_bottom_and_stays_above_it() {
        let versions = [(9, Kind::Deletion), (4, Kind::Value)];
        assert_eq!(kept(&[], 12, &versions, true), [0; 0]);
        assert_eq!(kept(&[], 12, &versions, false), [9]);
    }

    #[test]
    fn a_deletion_above_a_snapshot_stays_even_at_the_bottom() {
        let versions = [(9, Kind::Deletion), (4, Kind::Value)];
        assert_eq!(kept(&[4], 12, &versions, true), [9, 4]);
    }

    #[test]
    fn the_same_stripe_of_another_key_is_another_matter() {
        let mut rule = DropRule::new(&[], 9);
        for key in [&b""[..], b"a", b"b"] {
            assert_eq!(rule.judge(InternalKey::new(key, 3), Kind::Value, || true), Verdict::Keep);
            assert_eq!(rule.judge(InternalKey::new(key, 2), Kind::Value, || true), Verdict::Hidden);
        }
    }

    fn read(versions: &BTreeMap<Sequence, Kind>, at: Sequence) -> Option<Sequence> {
        let (sequence, kind) = versions.range(..=at).next_back()?;
        (*kind == Kind::Value).then_some(*sequence)
    }

    proptest! {
        #[test]
        fn no_reader_at_a_protected_sequence_or_later_sees_a_difference(
            versions in proptest::collection::btree_map(1u64..30, proptest::bool::ANY, 0..15),
            snapshots in proptest::collection::vec(0u64..20, 0..4),
            visible in 20u64..25,
        ) {
            let before: BTreeMap<Sequence, Kind> = versions
                .into_iter()
                .map(|(sequence, put)| (sequence, if put { Kind::Value } else { Kind::Deletion }))
                .collect();
            let newest_first: Vec<(Sequence, Kind)> = before.iter().rev().map(|(s, k)| (*s, *k)).collect();
            let left = kept(&snapshots, visible, &newest_first, true);
            let after: BTreeMap<Sequence, Kind> = left.iter().map(|sequence| (*sequence, before[sequence])).collect();
            for at in snapshots.into_iter().chain(visible..31) {
                prop_assert_eq!(read(&before, at), read(&after, at), "a reader at {}", at);
            }
        }
    }
}
