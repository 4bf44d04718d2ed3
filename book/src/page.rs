//! A page with its directives replaced.
//!
//! ```text
//!   {{#item …}}    ▶ the text of the item, and under it file, line and name
//!   {{#out …}}     ▶ the snapshot of a lab's output, and the command that prints it
//!   {{#figure …}}  ▶ a picture, drawn now
//!   {{#table …}}   ▶ a table, filled in now
//!   {{#laws …}}    ▶ the laws of a stage, with links to who keeps them
//!   {{#public …}}  ▶ the files of a stage, and what each offers
//! ```
//!
//! What is put in is followed by an empty line: HTML without one behind it would swallow
//! the next code block.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::contents;
use crate::directive::{Directive, directives};
use crate::figures;
use crate::labs;
use crate::laws::{self, Sources};
use crate::source::{Listing, Shape, Source};
use crate::tables;

/// A place of a document, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The document, from the root of the repository.
    pub document: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// In words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.document.display(), self.line, self.what)
    }
}

/// An item that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its file, from the root of the repository.
    pub path: PathBuf,
    /// Its name there.
    pub name: String,
    /// Its lines, both ends included.
    pub lines: (usize, usize),
}

impl Shown {
    /// Whether this line of the file is part of it.
    pub fn holds(&self, line: usize) -> bool {
        (self.lines.0..=self.lines.1).contains(&line)
    }
}

/// Where the directives of all pages are looked up.
#[derive(Debug)]
pub struct Shelf {
    repository: PathBuf,
    sources: RefCell<BTreeMap<PathBuf, Result<Rc<Source>, String>>>,
    pictures: RefCell<BTreeMap<String, Result<String, String>>>,
    shown: RefCell<Vec<Shown>>,
}

impl Shelf {
    /// A shelf for the sources of `repository`.
    pub fn new(repository: &Path) -> Shelf {
        Shelf {
            repository: repository.into(),
            sources: RefCell::default(),
            pictures: RefCell::default(),
            shown: RefCell::default(),
        }
    }

    /// The items shown so far.
    pub fn shown(&self) -> Vec<Shown> {
        self.shown.borrow().clone()
    }

    /// The parsed file at `path`.
    ///
    /// # Errors
    /// In words, when it cannot be read or parsed.
    pub fn source(&self, path: &Path) -> Result<Rc<Source>, String> {
        let read = || Source::read(&self.repository, path).map(Rc::new);
        self.sources.borrow_mut().entry(path.into()).or_insert_with(read).clone()
    }

    /// `text`, which stands in `document`, with its directives replaced.
    ///
    /// # Errors
    /// All that is wrong in it.
    pub fn expand(&self, document: &Path, text: &str) -> Result<String, Vec<Finding>> {
        let mut wrong = Vec::new();
        let mut replaced = BTreeMap::new();
        for (line, directive) in directives(text) {
            match directive.and_then(|directive| self.replacement(&directive)) {
                Ok(text) => _ = replaced.insert(line, text),
                Err(what) => wrong.push(Finding { document: document.into(), line, what }),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let line = |(number, line): (usize, &str)| {
            replaced.remove(&number).unwrap_or_else(|| line.to_owned()) + "\n"
        };
        Ok((1..).zip(text.lines()).map(line).collect())
    }

    fn replacement(&self, directive: &Directive) -> Result<String, String> {
        match directive {
            Directive::Item { path, name, shape } => self.item(path, name, *shape),
            Directive::Output { lab, part } => self.output(lab, part.as_deref()),
            Directive::Figure { name, caption } => self.figure(name, caption.as_deref()),
            Directive::Table { name } => {
                tables::find(name).ok_or_else(|| format!("no table is called {name}"))?.markdown()
            }
            Directive::Laws { stage } => self.laws(stage),
            Directive::Public { stage } => self.public(stage),
        }
    }

    fn item(&self, path: &Path, name: &str, shape: Shape) -> Result<String, String> {
        let shown = path.display();
        let source = self.source(path).map_err(|what| format!("{shown}: {what}"))?;
        let listing = source.listing(name, shape).map_err(|what| format!("`{name}` of {shown}: {what}"))?;
        let lines = (listing.first_line, listing.last_line);
        self.shown.borrow_mut().push(Shown { path: path.into(), name: name.to_owned(), lines });
        Ok(item_text(path, name, &listing))
    }

    fn laws(&self, stage: &str) -> Result<String, String> {
        let source = |path: &Path| self.source(path);
        laws::index(Sources { repository: &self.repository, source: &source }, stage)
    }

    fn public(&self, stage: &str) -> Result<String, String> {
        let source = |path: &Path| self.source(path);
        contents::index(Sources { repository: &self.repository, source: &source }, stage)
    }

    fn output(&self, lab: &str, part: Option<&str>) -> Result<String, String> {
        if labs::find(lab).is_none() {
            return Err(format!("no lab is called {lab}"));
        }
        let text = labs::snapshot(&self.repository, lab)?;
        let text = match part {
            None => text,
            Some(part) => labs::part(&text, part).ok_or_else(|| format!("{lab} has no part {part}"))?,
        };
        Ok(format!(
            "<figure class=\"output\">\n\n```text\n{}\n```\n\n<figcaption>\n\n`cargo lab {lab}`\n\n</figcaption>\n</figure>\n",
            text.trim_end()
        ))
    }

    fn figure(&self, name: &str, caption: Option<&str>) -> Result<String, String> {
        let figure = figures::find(name).ok_or_else(|| format!("no figure is called {name}"))?;
        let draw = || figure.svg().map_err(|error| format!("the figure {name}: {error}"));
        let svg = self.pictures.borrow_mut().entry(name.to_owned()).or_insert_with(draw).clone()?;
        let mut text =
            format!("<figure class=\"drawn\" id=\"figure-{name}\">\n<div class=\"canvas\" tabindex=\"0\">\n");
        writeln!(
            text,
            "{svg}\n</div>\n<figcaption>\n\n{}\n\n</figcaption>\n</figure>\n",
            caption.unwrap_or(figure.title)
        )
        .expect("a String takes every write");
        Ok(text)
    }
}

/// Chapters and pages lie equally deep, so one relative path serves both.
fn item_text(path: &Path, name: &str, listing: &Listing) -> String {
    let (file, line) = (path.display(), listing.first_line);
    format!(
        "<figure class=\"item\">\n\n```rust,ignore\n{}\n```\n\n<figcaption>\n\n[{file}](../../{file}), line {line}: `{name}`\n\n\
         </figcaption>\n</figure>\n",
        listing.text
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rs"), "/// Adds.\nfn add(a: u8) -> u8 {\n    a + 1\n}\n")
            .unwrap();
        folder
    }

    fn expanded(text: &str) -> Result<String, Vec<String>> {
        let repository = repository();
        let shelf = Shelf::new(repository.path());
        let told = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect();
        shelf.expand(Path::new("book/chapters/one.md"), text).map_err(told)
    }

    #[test]
    fn an_item_stands_where_its_name_stood() {
        let text = expanded("One\n\n{{#item a.rs add}}\n\nTwo\n").unwrap();
        assert!(text.contains("```rust,ignore\nfn add(a: u8) -> u8 {\n    a + 1\n}\n```"), "{text}");
        assert!(text.contains("[a.rs](../../a.rs), line 2: `add`"));
        assert!(text.starts_with("One\n") && text.ends_with("\nTwo\n"));
    }

    #[test]
    fn what_is_missing_is_told_with_page_line_file_and_name() {
        let findings =
            expanded("{{#item a.rs ad}}\n{{#out nothing}}\n{{#figure nothing}}\n{{#item b.rs add}}\n{{#table nothing}}\n")
                .unwrap_err();
        assert_eq!(findings[0], "book/chapters/one.md:1: `ad` of a.rs: no such item; near: add");
        assert_eq!(findings[1], "book/chapters/one.md:2: no lab is called nothing");
        assert_eq!(findings[2], "book/chapters/one.md:3: no figure is called nothing");
        assert!(findings[3].starts_with("book/chapters/one.md:4: b.rs: No such file"));
        assert_eq!(findings[4], "book/chapters/one.md:5: no table is called nothing");
    }
}
