//! The suites, each a folder or file of its own.
//!
//! | suite | breaks | asks |
//! |---|---|---|
//! | [`crash`] | the power, at every call | is it a prefix with all that was acknowledged? |
//! | [`recrash`] | the power again, at every call of the recovery | is it the same prefix? |
//! | [`fault`] | every call to the disk, in every way | is nothing lost, and does it resume? |
//! | [`kill`] | a process, by signal 9 | is all there that it acknowledged? |
//! | [`flip`] | every bit, cut and sector; swaps files and blocks | is it refused by name, or as it was? |
//! | [`lin`] | nothing: real threads on hot keys | does one order explain what all of them saw? |
//! | [`hostile`] | the directory, as a stranger would | is it a clear error, and nothing changed? |
//! | [`shut`] | the order in which threads go on | does any order break a law? |
//! | [`mod@format`] | nothing, then one file | do engine and book read the same? |
//! | [`model`] | nothing; flushes, compactions and reopens come by chance | is each answer that of a sorted map? |
//! | [`meta`] | nothing; the options change at each reopen | is each answer the same under all options? |
//! | [`sim`] | power and calls, between and in operations, by chance | all of the above, and the same again? |

pub mod crash;
pub mod recrash;
pub mod fault;
pub mod kill;
pub mod flip;
pub mod lin;
pub mod hostile;
pub mod shut;
pub mod format;
pub mod model;
pub mod meta;
pub mod sim;

use crate::suite::Suite;

/// All of them, in the order in which `cargo torture` runs them.
pub const SUITES: &[Suite] = &[
    crash::SUITE,
    recrash::SUITE,
    fault::SUITE,
    kill::SUITE,
    flip::SUITE,
    lin::SUITE,
    hostile::SUITE,
    shut::SUITE,
    format::SUITE,
    model::SUITE,
    meta::SUITE,
    sim::SUITE,
];

/// The suite of this name.
pub fn by_name(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}
