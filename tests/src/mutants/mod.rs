//! Bugs planted on purpose: a suite that does not notice them sees nothing.
//!
//! ```text
//!   table of mutants ─▶ a copy of the workspace, in which each stands beside the
//!                       text that it replaces:
//!
//!        if crate::planted("current-unsynced") { } else { file.sync()?; }
//!
//!   one build ─▶ torture, MUTANT=current-unsynced ─▶ caught by crash, or by nobody
//! ```
//!
//! All mutants are in one build, and the environment says which of them lives (mutant
//! schemata: Untch, Offutt and Harrold, "Mutation analysis using mutant schemata",
//! 1993). With none alive every suite must hold: otherwise the copy shows nothing.
//!
//! - [`table`]: the bugs.
//! - [`plant`]: the copy.

pub mod table;
pub mod plant;
