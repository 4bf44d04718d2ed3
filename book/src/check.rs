//! The laws that every page keeps.
//!
//! ```text
//!   page ──┬── {{…}}                         ▶ nobody replaced it: a finding
//!          ├── [..](other.md#place)          ▶ a page of the book, and an id on it
//!          ├── [..](../../stage/src/x.rs)    ▶ a path of the repository
//!          └── [..](https://…)               ▶ not ours to answer for
//! ```
//!
//! - **INV-BOOK-1** Every link between pages leads to a page, and its fragment to
//!   an id that mdBook wrote there. The ids are read from the rendered pages, so
//!   the check knows no rule of its own for making them.
//! - **INV-BOOK-2** Every linked path outside the chapters exists in the
//!   repository. Chapters and pages lie equally deep (`book/chapters`,
//!   `book/book`), so one relative path serves the reader of either.
//! - **INV-BOOK-3** No page shows a directive: `{{` in the text means that a name
//!   was not found, and mdBook left it standing.
//!
//! The documents beside the book (`README.md` and its like, at the root and in
//! each folder under it) keep the second law too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::errors::Result;

use crate::links::{Link, Target, links, resolve};
use crate::render::{Page, pages, render_into};

const CHAPTERS: &str = "book/chapters";

/// What a check saw.
#[derive(Debug)]
pub(crate) struct Report {
    /// Pages of the book, and documents beside it.
    pub(crate) pages: usize,
    /// Links that stay inside the repository.
    pub(crate) links: usize,
    /// What breaks a law, in the order of the pages.
    pub(crate) findings: Vec<Finding>,
}

/// A place that breaks a law.
#[derive(Debug)]
pub(crate) struct Finding {
    document: PathBuf,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.document.display(), self.line, self.what)
    }
}

/// Checks the book of `repository` and the documents beside it.
///
/// # Errors
/// When the book does not build or a document cannot be read. A page that breaks
/// a law is no error but a finding.
pub(crate) fn check(repository: &Path) -> Result<Report> {
    let rendered = tempfile::tempdir()?;
    let book = render_into(&repository.join("book"), rendered.path())?;
    let pages = pages(&book)?;
    let ids = ids_of_pages(&pages, rendered.path())?;
    let documents = documents(repository)?;

    let mut report = Report { pages: pages.len() + documents.len(), links: 0, findings: Vec::new() };
    for Page { source, text, .. } in &pages {
        let document = Path::new(CHAPTERS).join(source);
        report.find_directives(&document, text);
        report.find_dead_links(&document, text, |path, fragment| {
            if path.starts_with(CHAPTERS) {
                in_book(repository, &ids, path, fragment)
            } else {
                beside_book(repository, path, fragment)
            }
        });
    }
    for document in &documents {
        let text = fs::read_to_string(repository.join(document))?;
        report.find_dead_links(document, &text, |path, _| exists(repository, path));
    }
    Ok(report)
}

impl Report {
    fn find_directives(&mut self, document: &Path, text: &str) {
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains("{{")) {
            self.findings.push(Finding {
                document: document.into(),
                line: index + 1,
                what: format!("a directive that nobody replaced: {}", line.trim()),
            });
        }
    }

    /// Adds what `judge` says against a path of the repository, for each link.
    fn find_dead_links(
        &mut self,
        document: &Path,
        text: &str,
        judge: impl Fn(&Path, Option<&str>) -> Result<(), String>,
    ) {
        let folder = document.parent().unwrap_or(Path::new(""));
        for Link { line, target } in links(text) {
            self.links += 1;
            let judged = match &target {
                Target::RawHtml => Err("an address in raw HTML, which nobody checks".into()),
                Target::Inside { path, fragment } => {
                    let path = if path.is_empty() { Some(document.into()) } else { resolve(folder, path) };
                    path.map_or(Err("a link out of the repository".into()), |path| {
                        judge(&path, fragment.as_deref())
                    })
                }
            };
            if let Err(what) = judged {
                self.findings.push(Finding { document: document.into(), line, what });
            }
        }
    }
}

/// INV-BOOK-1. What is no page must be a file that mdBook copies along.
fn in_book(repository: &Path, ids: &Ids, path: &Path, fragment: Option<&str>) -> Result<(), String> {
    match (ids.get(path), fragment) {
        (Some(_), None) => Ok(()),
        (Some(ids), Some(fragment)) if ids.contains(fragment) => Ok(()),
        (Some(_), Some(fragment)) => Err(format!("no place #{fragment} in {}", path.display())),
        (None, _) if is_markdown(path) => Err(format!("no page of the book: {}", path.display())),
        (None, _) => exists(repository, path),
    }
}

/// INV-BOOK-2, and two limits of what a browser shows: mdBook turns `.md` into
/// `.html` wherever it points, and a source file has no ids.
fn beside_book(repository: &Path, path: &Path, fragment: Option<&str>) -> Result<(), String> {
    exists(repository, path)?;
    if is_markdown(path) {
        return Err(format!("mdBook would look for a page: link the folder of {}", path.display()));
    }
    match fragment {
        None => Ok(()),
        Some(fragment) => Err(format!("no place #{fragment} in a file outside the book: {}", path.display())),
    }
}

fn exists(repository: &Path, path: &Path) -> Result<(), String> {
    if repository.join(path).exists() {
        Ok(())
    } else {
        Err(format!("no such path in the repository: {}", path.display()))
    }
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The ids of each page, by the path of its source.
type Ids = BTreeMap<PathBuf, BTreeSet<String>>;

fn ids_of_pages(pages: &[Page], rendered: &Path) -> Result<Ids> {
    let ids_of = |page: &Page| {
        let html = fs::read_to_string(rendered.join(&page.html))?;
        Ok((Path::new(CHAPTERS).join(&page.source), ids_of_html(&html)))
    };
    pages.iter().map(ids_of).collect()
}

/// What mdBook writes is regular: every id stands in double quotes behind a blank.
fn ids_of_html(html: &str) -> BTreeSet<String> {
    html.split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// Every Markdown file at the root, and the README of every folder there.
fn documents(repository: &Path) -> Result<Vec<PathBuf>> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(repository)? {
        let name = PathBuf::from(entry?.file_name());
        let readme = name.join("README.md");
        if is_markdown(&name) {
            documents.push(name);
        } else if repository.join(&readme).is_file() {
            documents.push(readme);
        }
    }
    documents.sort();
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with one source file and a book of two pages.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Repository {
            let repository = Repository(tempfile::tempdir().unwrap());
            repository.write("stage/src/lib.rs", "//! A stage.\n");
            repository.write("book/book.toml", "[book]\ntitle = \"Two pages\"\nsrc = \"chapters\"\n");
            repository.write("book/chapters/SUMMARY.md", "- [One](one.md)\n- [Two](two.md)\n");
            repository.write("book/chapters/one.md", "# One\n");
            repository.write("book/chapters/two.md", "# Two\n\n## The law\n");
            repository
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn findings(&self) -> Vec<String> {
            check(self.0.path()).unwrap().findings.iter().map(ToString::to_string).collect()
        }

        fn findings_on_page_one(&self, text: &str) -> Vec<String> {
            self.write("book/chapters/one.md", text);
            self.findings()
        }
    }

    #[test]
    fn a_sound_book_has_no_findings() {
        let text =
            "# One\n\n[two](two.md) [law](two.md#the-law) [here](#one) [code](../../stage/src/lib.rs)\n";
        assert_eq!(Repository::new().findings_on_page_one(text), [""; 0]);
    }

    #[test]
    fn a_dead_link_between_pages_is_found() {
        let repository = Repository::new();
        assert_eq!(
            repository.findings_on_page_one("# One\n\n[two](tow.md)\n"),
            ["book/chapters/one.md:3: no page of the book: book/chapters/tow.md"]
        );
        assert_eq!(
            repository.findings_on_page_one("# One\n\n[law](two.md#the-lore) [here](#eno)\n"),
            [
                "book/chapters/one.md:3: no place #the-lore in book/chapters/two.md",
                "book/chapters/one.md:3: no place #eno in book/chapters/one.md"
            ]
        );
    }

    #[test]
    fn a_linked_source_path_that_does_not_exist_is_found() {
        assert_eq!(
            Repository::new().findings_on_page_one("# One\n\n[code](../../stage/src/bil.rs)\n"),
            ["book/chapters/one.md:3: no such path in the repository: stage/src/bil.rs"]
        );
    }

    #[test]
    fn a_stray_directive_is_found() {
        assert_eq!(
            Repository::new().findings_on_page_one("# One\n\n{{#item stage/src/lib.rs Gone}}\n"),
            ["book/chapters/one.md:3: a directive that nobody replaced: {{#item stage/src/lib.rs Gone}}"]
        );
    }

    #[test]
    fn a_link_that_mdbook_would_break_is_found() {
        let repository = Repository::new();
        repository.write("stage/README.md", "# A stage\n");
        assert_eq!(
            repository.findings_on_page_one("[a](../../stage/README.md) [b](../../stage/src/lib.rs#L1)\n"),
            [
                "book/chapters/one.md:1: mdBook would look for a page: link the folder of stage/README.md",
                "book/chapters/one.md:1: no place #L1 in a file outside the book: stage/src/lib.rs"
            ]
        );
    }

    #[test]
    fn the_documents_beside_the_book_are_checked_too() {
        let repository = Repository::new();
        repository.write("README.md", "[stage](stage/) [gone](stage/src/gone.rs)\n");
        repository.write("stage/README.md", "[lib](src/lib.rs) [out](../../out)\n");
        assert_eq!(
            repository.findings(),
            [
                "README.md:1: no such path in the repository: stage/src/gone.rs",
                "stage/README.md:1: a link out of the repository"
            ]
        );
    }
}
