//! Which past sequences somebody may still read.
//!
//! ```text
//!   visible ──────────────────────────────▶ 12
//!   registry   { 3: 1 holder, 7: 2 holders }
//!   a job protects                3, 7 and 12   (see compaction::drop_rule)
//! ```
//!
//! **INV-SNAPSHOT-1** A snapshot reads the visible sequence *under the registry's
//! lock*, and a job takes the visible sequence and the list of snapshots under
//! the same lock. So a snapshot is either in the list, or at or above the
//! sequence that the job took: its versions are kept in both cases.
//!
//! A plain get or scan registers nothing: the state that it holds pins every
//! file and memtable that it needs.

use std::collections::BTreeMap;

use stage5_compaction::compaction::DropRule;
use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::memtable::sync::Mutex;
use stage5_compaction::memtable::sync::atomic::{AtomicU64, Ordering};

/// The visible sequence, and the snapshots below it.
#[derive(Debug)]
pub(crate) struct Snapshots {
    visible: AtomicU64,
    holders: Mutex<BTreeMap<Sequence, usize>>,
}

impl Snapshots {
    pub(crate) fn new(visible: Sequence) -> Snapshots {
        Snapshots { visible: AtomicU64::new(visible), holders: Mutex::default() }
    }

    /// Everything up to here may be read.
    #[inline]
    pub(crate) fn visible(&self) -> Sequence {
        self.visible.load(Ordering::Acquire)
    }

    /// Makes everything up to `sequence` visible. Called in the order of the
    /// sequences, under the write lock.
    pub(crate) fn publish(&self, sequence: Sequence) {
        debug_assert!(self.visible() <= sequence, "sequences become visible in their order");
        self.visible.store(sequence, Ordering::Release);
    }

    /// Protects what is visible now until [`release`](Snapshots::release).
    pub(crate) fn register(&self) -> Sequence {
        let mut holders = self.holders.lock();
        let sequence = self.visible();
        *holders.entry(sequence).or_insert(0) += 1;
        sequence
    }

    /// Protects once more what somebody already protects.
    pub(crate) fn register_again(&self, sequence: Sequence) {
        *self.holders.lock().entry(sequence).or_insert(0) += 1;
    }

    pub(crate) fn release(&self, sequence: Sequence) {
        let mut holders = self.holders.lock();
        if let Some(count) = holders.get_mut(&sequence) {
            *count -= 1;
            if *count == 0 {
                holders.remove(&sequence);
            }
        }
    }

    /// What a job that begins now may drop.
    pub(crate) fn drop_rule(&self) -> DropRule {
        let holders = self.holders.lock();
        let sequences: Vec<Sequence> = holders.keys().copied().collect();
        DropRule::new(&sequences, self.visible())
    }

    /// How many different sequences are protected.
    pub(crate) fn len(&self) -> usize {
        self.holders.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_protected_until_its_last_holder_lets_go() {
        let snapshots = Snapshots::new(3);
        assert_eq!((snapshots.register(), snapshots.register()), (3, 3));
        snapshots.publish(7);
        assert_eq!(snapshots.register(), 7);
        snapshots.release(3);
        assert_eq!(snapshots.len(), 2);
        snapshots.release(3);
        assert_eq!(snapshots.len(), 1);
    }
}
