//! Markdown to pages, by mdBook.
//!
//! ```text
//!   cargo book build      load ─▶ directives, in this process ─▶ mdBook's own renderer
//!   mdbook build book     mdbook ─▶ `cargo run … preprocess`, a pipe of JSON ─▶ the same
//! ```

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::book::{Book, BookItem};
use mdbook_driver::config::Config;
use mdbook_driver::errors::{Error, Result};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};

use crate::page::Shelf;

/// The folder of the chapters, from the root of the repository.
pub const CHAPTERS: &str = "book/chapters";

/// The name of the preprocessor in `book.toml`.
const NAME: &str = "directives";

/// One page, as its author wrote it.
#[derive(Debug)]
pub struct Page {
    /// The Markdown file, relative to the folder of the chapters.
    pub source: PathBuf,
    /// The page, relative to the folder of the pages.
    pub html: PathBuf,
    /// Its text.
    pub text: String,
}

impl Page {
    /// The Markdown file, from the root of the repository.
    pub fn document(&self) -> PathBuf {
        Path::new(CHAPTERS).join(&self.source)
    }
}

/// The book in the folder `root`.
///
/// # Errors
/// When `book.toml` or `SUMMARY.md` cannot be read, or a chapter is missing.
pub fn load(root: &Path) -> Result<MDBook> {
    let mut config = Config::from_disk(root.join("book.toml"))?;
    // The command there is this program: what it would do is done in this process.
    config.set("preprocessor", std::collections::BTreeMap::<String, String>::new())?;
    let mut book = MDBook::load_with_config(root, config)?;
    book.with_preprocessor(Directives { repository: root.join("..") });
    Ok(book)
}

/// Renders the book in the folder `root` to pages in the folder `destination`,
/// whatever `book.toml` says about that.
///
/// # Errors
/// Those of [`load`], of a directive, and of writing a page.
pub fn render_into(root: &Path, destination: &Path) -> Result<MDBook> {
    let mut book = load(root)?;
    book.config.build.build_dir = destination.to_path_buf();
    book.build()?;
    Ok(book)
}

/// The pages of `book`, in reading order. A chapter that is announced and not
/// yet written has none.
pub fn pages(book: &MDBook) -> Vec<Page> {
    let page = |item: &BookItem| {
        let BookItem::Chapter(chapter) = item else { return None };
        Some(Page {
            source: chapter.source_path.clone()?,
            html: chapter.path.as_ref()?.with_extension("html"),
            text: chapter.content.clone(),
        })
    };
    book.iter().filter_map(page).collect()
}

/// Answers a stock `mdbook`, which runs this program for its preprocessor: reads the book from
/// `input`, and writes it with its directives replaced to `output`.
///
/// # Errors
/// That of a directive, or of reading or writing.
pub fn preprocess(input: impl Read, output: impl Write) -> Result<()> {
    let (context, book) = mdbook_preprocessor::parse_input(input)?;
    let book = Directives { repository: context.root.join("..") }.run(&context, book)?;
    serde_json::to_writer(output, &book).map_err(io::Error::from)?;
    Ok(())
}

/// Replaces the directives of every page.
struct Directives {
    repository: PathBuf,
}

impl Preprocessor for Directives {
    fn name(&self) -> &str {
        NAME
    }

    fn run(&self, _context: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let shelf = Shelf::new(&self.repository);
        let mut wrong = Vec::new();
        book.for_each_chapter_mut(|chapter| {
            let Some(source) = &chapter.source_path else { return };
            match shelf.expand(&Path::new(CHAPTERS).join(source), &chapter.content) {
                Ok(text) => chapter.content = text,
                Err(findings) => wrong.extend(findings.iter().map(ToString::to_string)),
            }
        });
        if wrong.is_empty() { Ok(book) } else { Err(Error::msg(wrong.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_builds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let destination = tempfile::tempdir().unwrap();
        let book = render_into(root, destination.path()).unwrap();
        let pages = pages(&book);
        assert!(!pages.is_empty());
        assert!(destination.path().join("index.html").is_file());
        for page in pages {
            assert!(destination.path().join(&page.html).is_file(), "{} is not there", page.html.display());
        }
    }

    #[test]
    fn a_chapter_that_nobody_wrote_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("chapters")).unwrap();
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("book.toml"), root.path().join("book.toml"))
            .unwrap();
        std::fs::write(root.path().join("chapters/SUMMARY.md"), "- [One](one.md)\n").unwrap();
        assert!(load(root.path()).is_err());
        std::fs::write(root.path().join("chapters/one.md"), "# One\n").unwrap();
        assert!(load(root.path()).is_ok());
    }

    #[test]
    fn a_stock_mdbook_gets_the_same_text_through_a_pipe() {
        let chapter = serde_json::json!({ "Chapter": {
            "name": "One", "content": "{{#figure put-path}}\n", "number": null, "sub_items": [],
            "path": "one.md", "source_path": "one.md", "parent_names": []
        }});
        let root = env!("CARGO_MANIFEST_DIR");
        let context =
            serde_json::json!({ "root": root, "config": {}, "renderer": "html", "mdbook_version": "0.5.4" });
        let input = serde_json::json!([context, { "items": [chapter] }]).to_string();
        let mut output = Vec::new();
        preprocess(input.as_bytes(), &mut output).unwrap();
        assert!(String::from_utf8(output).unwrap().contains("<svg"));
    }
}
