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
mod key_history;
mod record_hex;
mod sync_timeline;

use std::error::Error;

use svg::Drawing;

/// What drawing may fail with.
pub type Drawn = Result<(Drawing, String), Box<dyn Error + Send + Sync>>;

/// A picture.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// What a page calls it.
    pub name: &'static str,
    /// What stands under it.
    pub title: &'static str,
    /// The drawing, and what it shows in words.
    draw: fn() -> Drawn,
}

/// All of them, in the order of the chapters.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "put-path",
        title: "One put that asks for durability, as it happened on a watched disk.",
        draw: put_path::put,
    },
    Figure {
        name: "get-path",
        title: "One get of a key that lies deep, and what it touched.",
        draw: put_path::get,
    },
    Figure { name: "delete-path", title: "One delete: the same way as a put.", draw: put_path::delete },
    Figure {
        name: "key-history",
        title: "The history of one key, and what readers see of it.",
        draw: key_history::draw,
    },
    Figure {
        name: "record-hex",
        title: "A log of one batch and its promise, every byte with the name of its field.",
        draw: record_hex::draw,
    },
    Figure {
        name: "sync-timeline",
        title: "Sixteen writes, synced after each, after four, and once.",
        draw: sync_timeline::draw,
    },
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
        let (drawing, description) = (self.draw)().map_err(|error| error.to_string())?;
        Ok(drawing.finish(self.title, &description))
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
