//! Markdown to pages, by mdBook.

use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::builtin_renderers::MarkdownRenderer;
use mdbook_driver::errors::Result;

/// One page, as its author wrote it and mdBook's preprocessors completed it.
#[derive(Debug)]
pub(crate) struct Page {
    /// The Markdown file, relative to the folder of the chapters.
    pub(crate) source: PathBuf,
    /// The page, relative to the folder of the pages.
    pub(crate) html: PathBuf,
    /// Its text. A directive that a preprocessor understood is not in it any more.
    pub(crate) text: String,
}

/// The book in the folder `root`.
///
/// # Errors
/// When `book.toml` or `SUMMARY.md` cannot be read, or a chapter is missing.
pub(crate) fn load(root: &Path) -> Result<MDBook> {
    MDBook::load(root)
}

/// Renders the book in the folder `root` to pages in the folder `destination`,
/// whatever `book.toml` says about that.
///
/// # Errors
/// Those of [`load`], and of writing a page.
pub(crate) fn render_into(root: &Path, destination: &Path) -> Result<MDBook> {
    let mut book = load(root)?;
    book.config.build.build_dir = destination.to_path_buf();
    book.build()?;
    Ok(book)
}

/// The pages of `book`, in reading order. A chapter that is announced and not
/// yet written has none.
///
/// # Errors
/// Those of a preprocessor.
pub(crate) fn pages(book: &MDBook) -> Result<Vec<Page>> {
    let (book, _) = book.preprocess_book(&MarkdownRenderer::new())?;
    let page = |chapter: &mdbook_driver::book::Chapter| {
        Some(Page {
            source: chapter.source_path.clone()?,
            html: chapter.path.as_ref()?.with_extension("html"),
            text: chapter.content.clone(),
        })
    };
    Ok(book.chapters().filter_map(page).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_builds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let destination = tempfile::tempdir().unwrap();
        let book = render_into(root, destination.path()).unwrap();
        let pages = pages(&book).unwrap();
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
}
