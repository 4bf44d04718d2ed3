//! What scans pay for the runs they have to ask, and the merge that they buy.
//!
//! ```text
//!   level 0   ▭▭▭▭   ▭▭▭▭        a seek asks three runs: two too many, 2 × 4 KiB
//!   level 6   ▭▭▭▭▭▭▭▭▭▭▭▭
//!
//!   paid      ▪▪▪▪▪▪▪▪▪▪▪▪▪▪┆    once it reaches the price of merging level 0,
//!             0          price   that merge is due: the next seek asks one run
//! ```
//!
//! A get asks a filter and passes a run by; a seek has to open them all. Below the number
//! of files at which writing merges level 0, nobody would ever merge it, however often it
//! is scanned. When is a merge worth its bytes, if nobody knows how many scans will come?
//! It is the skier's question, whether to rent or to buy (Karlin, Manasse, Rudolph and
//! Sleator, "Competitive Snoopy Caching", Algorithmica 1988): rent until the rents have
//! cost as much as buying would, then buy. Whatever comes, that costs at most twice what
//! who knew the future would pay. So scans cannot cause more merging than they have
//! already cost themselves; and where nobody scans, nothing is merged for scans.
//!
//! The rent is [`BYTES_A_RUN`] for each run too many that a seek asks: the block that it
//! has to look into. In the cache that takes as long as merging 0.6 KiB (600 ns), in the
//! page cache 2 KiB, on a disk 100 KiB: 4 KiB is fair to the first and cautious about
//! the last. LevelDB lets a file be sought in vain once for each 16 KiB of it before it is
//! merged, and samples what its iterators read (`db/version_set.cc`, `Builder::Apply`;
//! `db/db_iter.cc`); Pebble's read compactions do the same (`iterator.go`, `sampleRead`).
//! The steps behind the seek pay nothing: one over two runs takes 4 ns longer than over
//! one, a thousandth of what a seek costs.
//!
//! **INV-TOLL-1** A toll is paid for runs that stand: what was paid counts for the next
//! version if every file of level 0 still stands in it, as after a flush or a merge of
//! deeper levels. When a merge has taken one away, whoever ordered it, the count begins
//! again.

use stage4_bloom::memtable::sync::atomic::{AtomicU64, Ordering};

use super::strategy::{Plan, Strategy};
use crate::version::Version;

/// What a seek pays for each run that it asks and need not, in bytes of merging.
pub const BYTES_A_RUN: u64 = 4 << 10;

/// What a merge costs whatever its size, in bytes of merging: it creates tables, and syncs
/// them, their directory and the manifest.
const BYTES_A_MERGE: u64 = 1 << 20;

/// What the scans of one version have paid, and for what.
#[derive(Debug, Default)]
pub struct Toll {
    /// How many runs fewer a seek would ask after the merge.
    runs_too_many: u64,
    /// What the merge would cost, in bytes.
    price: u64,
    /// What was paid so far, in bytes.
    paid: AtomicU64,
}

impl Toll {
    /// The toll on the runs that `strategy` would merge for those who scan `version`.
    pub fn on(version: &Version, strategy: &dyn Strategy) -> Toll {
        let Some(plan) = strategy.pick_for_scans(version) else { return Toll::default() };
        let bytes = if plan.is_trivial_move() { 0 } else { plan.input_bytes() };
        Toll { runs_too_many: runs_too_many(version, &plan), price: BYTES_A_MERGE + bytes, ..Toll::default() }
    }

    /// The toll on `next`, which follows `version`, whose toll this is (INV-TOLL-1).
    pub fn carried_to(&self, next: &Version, version: &Version, strategy: &dyn Strategy) -> Toll {
        let stands = |number| next.level(0).iter().any(|file| file.meta().number == number);
        let all_stand = version.level(0).iter().all(|file| stands(file.meta().number));
        let paid = if all_stand { self.paid.load(Ordering::Relaxed) } else { 0 };
        Toll { paid: AtomicU64::new(paid), ..Toll::on(next, strategy) }
    }

    /// Takes what `seeks` owe. Returns whether the merge is due by that, which is said once.
    pub fn pay(&self, seeks: u64) -> bool {
        let owed = seeks.saturating_mul(self.runs_too_many).saturating_mul(BYTES_A_RUN);
        if owed == 0 {
            return false;
        }
        let before = self.paid.fetch_add(owed, Ordering::Relaxed);
        before < self.price && before.saturating_add(owed) >= self.price
    }

    /// Whether scans have paid for the merge.
    pub fn is_paid(&self) -> bool {
        self.runs_too_many > 0 && self.paid.load(Ordering::Relaxed) >= self.price
    }
}

/// How many runs go in `plan`, which takes files of level 0 into the run below them.
fn runs_too_many(version: &Version, plan: &Plan) -> u64 {
    let taken = plan.inputs.iter().filter(|(level, _)| *level == 0).count() as u64;
    let begins_a_run = version.level(plan.output_level).is_empty();
    taken.saturating_sub(u64::from(begins_a_run))
}

#[cfg(test)]
mod tests {
    use super::super::strategy::tests::{MIB, draw, numbers};
    use super::*;
    use crate::compaction::{Leveled, Tiered};

    /// How many seeks, one after the other, make a merge due.
    fn seeks_until_due(toll: &Toll) -> u64 {
        (1..1 << 20).find(|_| toll.pay(1)).expect("the toll is paid one day")
    }

    #[test]
    fn a_merge_is_due_once_its_bytes_are_paid_and_that_is_said_once() {
        let three_runs =
            draw(&[(0, 3, "a", "z", 20), (0, 2, "a", "z", 20), (6, 1, "a", "m", 60), (6, 4, "n", "z", 60)]);
        let toll = Toll::on(&three_runs, &Leveled::default());
        assert!(!toll.is_paid());
        let bytes = 160 * MIB + BYTES_A_MERGE;
        assert_eq!(seeks_until_due(&toll), bytes.div_ceil(2 * BYTES_A_RUN));
        assert!(toll.is_paid() && !toll.pay(1));
    }

    #[test]
    fn one_run_is_scanned_free_of_charge() {
        let one_run = [draw(&[(0, 1, "a", "z", 1)]), draw(&[(6, 1, "a", "m", 1), (6, 2, "n", "z", 1)])];
        for version in one_run {
            let toll = Toll::on(&version, &Leveled::default());
            assert!(!toll.pay(u64::MAX) && !toll.is_paid());
        }
    }

    #[test]
    fn what_needs_no_merge_costs_no_more_than_its_edit() {
        let disjoint = draw(&[(0, 2, "n", "z", 500), (0, 1, "a", "m", 500)]);
        let toll = Toll::on(&disjoint, &Leveled::default());
        assert_eq!(seeks_until_due(&toll), BYTES_A_MERGE / BYTES_A_RUN);
    }

    #[test]
    fn a_flush_leaves_what_was_paid_and_a_merge_does_not() {
        let leveled = Leveled::default();
        let before = draw(&[(0, 2, "a", "z", 9), (6, 1, "a", "z", 9)]);
        let flushed = draw(&[(0, 3, "a", "z", 9), (0, 2, "a", "z", 9), (6, 1, "a", "z", 9)]);
        let merged = draw(&[(6, 4, "a", "z", 27)]);
        let toll = Toll::on(&before, &leveled);
        toll.pay(seeks_until_due(&Toll::on(&before, &leveled)));
        assert!(toll.is_paid());

        let next = toll.carried_to(&flushed, &before, &leveled);
        assert!(!next.is_paid(), "there is more to merge now");
        assert!(seeks_until_due(&next) < seeks_until_due(&Toll::on(&flushed, &leveled)));
        assert!(!next.carried_to(&merged, &flushed, &leveled).is_paid());
        let again = toll.carried_to(&before, &flushed, &leveled);
        assert!(!again.is_paid(), "level 0 is another one than that for which was paid");
    }

    #[test]
    fn a_strategy_that_merges_nothing_for_scans_takes_no_toll() {
        let runs = draw(&[(0, 3, "a", "z", 1), (0, 2, "a", "z", 1), (6, 1, "a", "z", 9)]);
        assert!(Tiered::default().pick_for_scans(&runs).is_none());
        assert!(!Toll::on(&runs, &Tiered::default()).pay(u64::MAX));
        let plan = Leveled::default().pick_for_scans(&runs).expect("three runs");
        assert_eq!(
            (numbers(&plan), plan.reason.as_str()),
            (vec![3, 2, 1], "scans paid for 2 files of level 0")
        );
    }
}
