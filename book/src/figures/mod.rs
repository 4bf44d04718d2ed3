//! Pictures, drawn while the book is built, by running the crates.
//!
//! ```text
//!   put-path      a put on a watched disk ──▶ who called whom, and what was seen meanwhile
//!   record-hex    bytes of a log, fields of the decoder ──▶ every byte with its name
//! ```
//!
//! **INV-FIGURE-1** What a picture says about the engine was just observed: its numbers,
//! bytes and orders come out of a run, and only its layout is written here.
//!
//! A figure is one file here and a line in [`FIGURES`].

pub mod svg;
pub mod watched;
pub mod sequence;
pub mod hex;
mod put_path;
mod tour_files;
mod where_is_fig;
mod towers;
mod key_history;
mod three_answers;
mod record_hex;
mod flip_map;
mod sync_timeline;
mod table;
mod block_search;
mod seek_gaps;
mod filter_bits;
mod five_answers;
mod merge_tree;
mod amplification;
mod levels;
mod one_pick;
mod manifest;
mod file_map;
mod flush_order;
mod growth;
mod locks;
mod stall_onset;
mod pinned;
mod holders;
mod crash_matrix;
mod second_crash;
mod peers;
mod api_map;

use std::error::Error;

use svg::Drawing;

/// A drawing and what it shows in words, or what drawing it failed with.
pub type Drawn = Result<(Drawing, String), Box<dyn Error + Send + Sync>>;

/// A picture.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// What a page calls it.
    pub name: &'static str,
    /// What stands under it.
    pub title: &'static str,
    draw: Draw,
}

/// Who draws it.
#[derive(Debug, Clone, Copy)]
enum Draw {
    /// A module here.
    Here(fn() -> Drawn),
    /// A stage, which says itself what its picture shows.
    Stage(fn() -> Result<String, String>),
}

const fn here(name: &'static str, title: &'static str, draw: fn() -> Drawn) -> Figure {
    Figure { name, title, draw: Draw::Here(draw) }
}

const fn stage(name: &'static str, title: &'static str, draw: fn() -> Result<String, String>) -> Figure {
    Figure { name, title, draw: Draw::Stage(draw) }
}

/// All of them, in the order of the chapters.
pub const FIGURES: &[Figure] = &[
    here("tour-files", "The files of a small database, as they come and go.", tour_files::draw),
    here(
        "where-is-fig",
        "Where the versions of fig lie, step by step. Dashed: a file that counts no more.",
        where_is_fig::draw,
    ),
    here("put-path", "One put that asks for durability, as it happened on a watched disk.", put_path::put),
    here("get-path", "One get of a key that lies deep, and what it touched.", put_path::get),
    here("delete-path", "One delete: the same way as a put.", put_path::delete),
    here("towers", "A skip list of fifteen entries, and a search for one of them.", towers::draw),
    here("key-history", "The history of one key, and what readers see of it.", key_history::draw),
    here(
        "three-answers",
        "Gets of five keys through three memtables: who is asked, and what is answered.",
        three_answers::draw,
    ),
    here(
        "record-hex",
        "A log of one batch and its promise, every byte with the name of its field.",
        record_hex::draw,
    ),
    here("blocks-hex", "A record that does not fit its block goes on in the next.", record_hex::over_blocks),
    here(
        "flip-map",
        "A log of 4 batches, byte by byte, in the colour of what replay says when a bit there is flipped.",
        flip_map::draw,
    ),
    here("sync-timeline", "Sixteen writes, synced after each, after four, and once.", sync_timeline::draw),
    here("block-search", "A search among fifteen entries: many heads, few entries.", block_search::draw),
    here("block-hex", "A data block, byte by byte.", table::block_hex),
    here("table-map", "A table from its first byte to its last, and where the footer points.", table::map),
    here("index-hex", "The index of a table, byte by byte.", table::index_hex),
    here("metaindex-hex", "The metaindex of a table, byte by byte.", table::metaindex_hex),
    here("properties-hex", "What a table says about itself, byte by byte.", table::properties_hex),
    here("footer-hex", "The footer of a table: where reading begins.", table::footer_hex),
    here("seek-gaps", "Seeks into the gaps of a table, and the blocks that they read.", seek_gaps::draw),
    here("filter-bits", "The bits of a filter, and those that four keys ask for.", filter_bits::draw),
    here("filter-hex", "A standard filter, byte by byte.", table::filter_hex),
    here("blocked-filter-hex", "A blocked filter, byte by byte.", table::blocked_filter_hex),
    here(
        "five-answers",
        "Five tables that hold one key, and what readers are told by those that they ask.",
        five_answers::draw,
    ),
    here(
        "merge-tree",
        "Four sources, merged into one order, and what a merge to the bottom keeps.",
        merge_tree::draw,
    ),
    stage("amplification", "What four strategies cost on the same writes.", amplification::draw),
    here("levels", "A tree that fills: every file at its place on the line of keys.", levels::draw),
    here(
        "one-pick",
        "One pick: the file that drags least along, what it overlaps, and both levels afterwards.",
        one_pick::draw,
    ),
    here(
        "file-map",
        "The power failed between a table and its edit: which files count, and who says so.",
        file_map::draw,
    ),
    here("flush-order", "A flush, call by call, as the disk saw it.", flush_order::draw),
    here("current-hex", "CURRENT, byte by byte.", manifest::current_hex),
    here("manifest-hex", "The beginning of a manifest, byte by byte.", manifest::manifest_hex),
    here("versions", "The versions that the edits of a manifest lead to.", manifest::versions),
    here(
        "locks",
        "The locks, in the order in which they are taken; those of a writer are marked.",
        locks::draw,
    ),
    here(
        "stall-onset",
        "How long writers sleep while they fill one memtable, and where they are stopped.",
        stall_onset::draw,
    ),
    here(
        "pinned-files",
        "Who owns what, and until when: a cursor holds files that no longer count.",
        pinned::draw,
    ),
    here("holders", "What you may hold of a database, and what stays because of it.", holders::draw),
    here("crash-matrix", "A crash after every call, in every way it may go.", crash_matrix::draw),
    here(
        "second-crash",
        "A second crash, behind each call of a recovery: the rename is the border.",
        second_crash::draw,
    ),
    here(
        "machine-limits",
        "What the machine of the comparison takes for the parts of an operation, in ns.",
        peers::limits,
    ),
    here(
        "peer-ratios",
        "Operations per second, × those of the best log-structured peer. Dashed: as fast, and twice as fast.",
        peers::ratios,
    ),
    here(
        "peer-costs",
        "Processor time of an operation, background work included, here and with the log-structured peer that needs least.",
        peers::costs,
    ),
    here(
        "peer-growth",
        "What an operation takes with more records, both on scales of logarithms: this engine (drawn through) and the log-structured peers.",
        growth::draw,
    ),
    here("api-map", "What a user of the library holds, and what each of them can be asked.", api_map::draw),
];

/// The figure called `name`.
pub fn find(name: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.name == name)
}

impl Figure {
    /// Draws it.
    ///
    /// # Errors
    /// In words, those of what it runs.
    pub fn svg(&self) -> Result<String, String> {
        match self.draw {
            Draw::Stage(draw) => {
                draw().map(|svg| svg.replacen("<svg ", "<svg style=\"min-width:620px\" ", 1))
            }
            Draw::Here(draw) => {
                let (drawing, description) = draw().map_err(|error| error.to_string())?;
                Ok(drawing.finish(self.title, &description))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_drawn_alike_twice_and_says_in_words_what_it_shows() {
        for figure in FIGURES {
            let svg = figure.svg().unwrap();
            assert!(svg == figure.svg().unwrap(), "{} differs from itself", figure.name);
            assert!(!svg.contains("\n\n"), "{}: INV-SVG-2", figure.name);
            let words = svg.split("<desc>").nth(1).and_then(|rest| rest.split("</desc>").next()).unwrap();
            assert!(words.split_whitespace().count() >= 8, "{}: {words}", figure.name);
        }
    }

    #[test]
    fn no_two_figures_have_one_name() {
        let names: std::collections::BTreeSet<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), FIGURES.len());
    }
}
