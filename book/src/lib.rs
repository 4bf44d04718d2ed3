//! The book of this workspace: what builds it, and what proves that it and the code agree.
//!
//! ```text
//!   chapters/*.md ── directives ──▶ pages ──mdBook──▶ book/*.html
//!        │              ▲  ▲  ▲                            │ ids, pictures
//!        │     source ──┘  │  └── figures (drawn from      │
//!        │   (by name)   outputs    runs of the crates)    │
//!        ▼                 ▲                               ▼
//!   links, commands ─────────▶ check ◀──────────────────────
//!                          │
//!                        labs ── rerun, compared
//! ```
//!
//! The law of this crate: **what a page shows is what the code is and does.** Code
//! enters by name and is cut out of its file; outputs are snapshots that a test
//! renews by running the lab; figures are drawn while the book is built. A name
//! that is gone, an output that differs or a link that leads nowhere fails.
//!
//! Modules, in reading order:
//!
//! - [`source`]: the items of a Rust file, by name.
//! - [`labs`]: the experiments of the chapters.
//! - [`measured`]: the committed comparison with other engines.
//! - [`figures`]: pictures drawn by running the crates.
//! - [`tables`]: tables, from what was measured.
//! - [`laws`]: the laws of the stages, and who keeps each.
//! - [`contents`]: what everybody may use of a stage.
//! - [`directive`]: what a page asks to be put in its place.
//! - [`page`]: a page with its directives replaced.
//! - [`render`]: Markdown to pages, by mdBook.
//! - [`links`]: what a page points at.
//! - [`commands`]: the commands that a page tells to type.
//! - [`html`]: what a rendered page must keep.
//! - [`check`](mod@check): the laws that every page keeps.
//! - [`serve`](mod@serve): the book on a port of this machine.

pub mod source;
pub mod labs;
pub mod measured;
pub mod figures;
pub mod tables;
pub mod laws;
pub mod contents;
pub mod directive;
pub mod page;
pub mod render;
pub mod links;
pub mod commands;
pub mod html;
pub mod check;
pub mod serve;

/// The inline Rust of the chapters, compiled and run as tests.
#[cfg(doctest)]
mod snippets {
    include!(concat!(env!("OUT_DIR"), "/snippets.rs"));
}
