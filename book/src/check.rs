//! The laws that every page keeps.
//!
//! ```text
//!   page ──┬── {{#item …}} {{#out …}}        ▶ the item, the lab, the figure is there
//!          ├── [..](other.md#place)          ▶ a page of the book, and an id on it
//!          ├── [..](../../stage/src/x.rs)    ▶ a path of the repository
//!          ├── ```sh                         ▶ commands that can be typed
//!          └── [..](https://…)               ▶ not ours to answer for
//! ```
//!
//! - **INV-BOOK-1** Every link between pages leads to a page, and its fragment to
//!   an id that mdBook wrote there. The ids are read from the rendered pages, so
//!   the check knows no rule of its own for making them.
//! - **INV-BOOK-2** Every linked path outside the chapters exists in the
//!   repository. Chapters and pages lie equally deep (`book/chapters`,
//!   `book/book`), so one relative path serves the reader of either.
//! - **INV-BOOK-3** Every directive is replaced: what it names is there, and is one thing.
//! - **INV-BOOK-4** Every output shown is what its lab prints now.
//! - **INV-BOOK-5** Every command shown can be typed ([`commands`](mod@crate::commands)).
//! - Rendered pages keep the laws of [`html`].
//!
//! The documents beside the book (`README.md` and its like, at the root and in
//! each folder under it) keep the second law too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::errors::{Error, Result};

use crate::commands::{Tool, commands};
use crate::directive::{Directive, Placed, directives};
use crate::html;
use crate::labs;
use crate::links::{Link, Target, links, resolve};
use crate::page::{Finding, Shelf, Shown};
use crate::render::{CHAPTERS, Page, load, pages, render_into};
use crate::source::{Source, rust_files};

/// What a check saw.
#[derive(Debug, Default)]
pub struct Report {
    /// Pages of the book, and documents beside it.
    pub pages: usize,
    /// Links that stay inside the repository.
    pub links: usize,
    /// Pictures on the pages.
    pub pictures: usize,
    /// Commands that the pages tell to type.
    pub commands: usize,
    /// Labs that were run again.
    pub labs: usize,
    /// Items that the pages show.
    pub items: Vec<Shown>,
    /// Lines of code of the stages that are no tests, and how many of them are shown.
    pub lines: (usize, usize),
    /// Public items of the stages, and how many of them are shown, or stand in a file that a
    /// page links.
    pub public: (usize, usize),
    /// What breaks a law, in the order of the pages.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, shown) = self.lines;
        writeln!(
            f,
            "{} pages, {} links, {} pictures, {} commands",
            self.pages, self.links, self.pictures, self.commands
        )?;
        writeln!(
            f,
            "{} items shown: {shown} of {all} lines of the stages without tests ({:.1} %)",
            self.items.len(),
            100.0 * shown as f64 / all.max(1) as f64
        )?;
        let (all, reached) = self.public;
        writeln!(f, "{reached} of {all} public items shown, or in a file that is linked")?;
        write!(f, "{} labs rerun, {} findings", self.labs, self.findings.len())
    }
}

/// Checks the book of `repository` and the documents beside it.
///
/// # Errors
/// When the book does not build or a document cannot be read. A page that breaks
/// a law is no error but a finding.
pub fn check(repository: &Path) -> Result<Report> {
    let mut report = Report::default();
    let written = pages(&load(&repository.join("book"))?);
    report.replace_directives(repository, &written);
    report.rerun_labs(repository, &written);
    report.judge_commands(repository, &written)?;
    if report.findings.iter().any(|finding| finding.document.starts_with(CHAPTERS)) {
        // What cannot be replaced cannot be rendered.
        report.pages = written.len();
        return Ok(report);
    }
    let rendered = tempfile::tempdir()?;
    let book = render_into(&repository.join("book"), rendered.path())?;
    let pages = pages(&book);
    let ids = report.look_at_pages(&pages, rendered.path())?;
    report.look_at_styles(rendered.path())?;
    let documents = documents(repository)?;
    report.pages = pages.len() + documents.len();
    for page in &pages {
        let document = page.document();
        report.find_dead_links(&document, &page.text, |path, fragment| {
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
    fn find(&mut self, document: &Path, line: usize, what: impl Into<String>) {
        self.findings.push(Finding { document: document.into(), line, what: what.into() });
    }

    /// INV-BOOK-3.
    fn replace_directives(&mut self, repository: &Path, pages: &[Page]) {
        let shelf = Shelf::new(repository);
        for page in pages {
            if let Err(findings) = shelf.expand(&page.document(), &page.text) {
                self.findings.extend(findings);
            }
        }
        self.items = shelf.shown();
        let mut linked: BTreeSet<PathBuf> = pages.iter().flat_map(linked_files).collect();
        linked.extend(pages.iter().flat_map(|page| indexed_files(repository, page)));
        for source in stage_sources(repository) {
            let (all, shown) = source.lines_of_code(|line| shows(&self.items, source.path(), line));
            self.lines = (self.lines.0 + all, self.lines.1 + shown);
            let is_linked = linked.contains(source.path());
            let reached = |(_, line): &(&str, usize)| is_linked || shows(&self.items, source.path(), *line);
            self.public.0 += source.public_items().count();
            self.public.1 += source.public_items().filter(reached).count();
        }
    }

    /// INV-BOOK-4.
    fn rerun_labs(&mut self, repository: &Path, pages: &[Page]) {
        let mut seen = BTreeSet::new();
        for page in pages {
            for (line, directive) in directives(&page.text) {
                let Ok(Directive::Output { lab, .. }) = directive else { continue };
                let Some(lab) = labs::find(&lab) else { continue };
                if seen.insert(lab.name)
                    && let Err(what) = labs::rerun(repository, lab)
                {
                    self.find(&page.document(), line, what);
                }
            }
        }
        self.labs = seen.len();
    }

    /// INV-BOOK-5.
    fn judge_commands(&mut self, repository: &Path, pages: &[Page]) -> Result<()> {
        for page in pages {
            let commands = commands(&page.text);
            if commands.is_empty() {
                continue;
            }
            let tool = Tool::read(repository).map_err(Error::msg)?;
            for (line, command) in commands {
                self.commands += 1;
                if let Err(what) = tool.judge(repository, &command) {
                    self.find(&page.document(), line, what);
                }
            }
        }
        Ok(())
    }

    /// The laws of HTML; returns the ids.
    fn look_at_pages(&mut self, pages: &[Page], rendered: &Path) -> Result<Ids> {
        let mut ids = Ids::new();
        for page in pages {
            let seen = html::look(&fs::read_to_string(rendered.join(&page.html))?);
            self.pictures += seen.pictures;
            for what in seen.wrong {
                self.find(&page.document(), 1, what);
            }
            ids.insert(page.document(), seen.ids);
        }
        Ok(ids)
    }

    fn look_at_styles(&mut self, rendered: &Path) -> Result<()> {
        for file in files_below(rendered)? {
            if file.extension().is_some_and(|extension| extension == "css") {
                for address in html::loaded_by_style(&fs::read_to_string(&file)?) {
                    let shown = file.strip_prefix(rendered).unwrap_or(&file).to_path_buf();
                    self.find(&shown, 1, format!("loaded from outside the book: {address}"));
                }
            }
        }
        Ok(())
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
                self.find(document, line, what);
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

/// The sources of the stages that are no tests.
fn stage_sources(repository: &Path) -> Vec<Source> {
    let is_test = |path: &Path| {
        path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    };
    let entries = fs::read_dir(repository).into_iter().flatten().flatten();
    let stages = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("stage"));
    stages
        .filter_map(|stage| files_below(&stage.path().join("src")).ok())
        .flatten()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs") && !is_test(file))
        .filter_map(|file| Source::read(repository, file.strip_prefix(repository).ok()?).ok())
        .collect()
}

fn shows(items: &[Shown], path: &Path, line: usize) -> bool {
    items.iter().any(|item| item.path == path && item.holds(line))
}

/// The files outside the book that a page links.
fn linked_files(page: &Page) -> Vec<PathBuf> {
    let document = page.document();
    let folder = document.parent().unwrap_or(Path::new(""));
    let inside = |link: Link| match link.target {
        Target::Inside { path, .. } => resolve(folder, &path),
        Target::RawHtml => None,
    };
    links(&page.text).into_iter().filter_map(inside).collect()
}

/// The files whose public items a page lists.
fn indexed_files(repository: &Path, page: &Page) -> Vec<PathBuf> {
    let listed = |(_, directive): Placed| match directive {
        Ok(Directive::Public { stage }) => rust_files(repository, &stage).ok(),
        _ => None,
    };
    directives(&page.text).into_iter().filter_map(listed).flatten().collect()
}

/// Every file in `folder` and the folders in it, in the order of their names.
fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_below(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
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
    use crate::source::Shape;

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
    fn a_name_that_is_gone_is_found() {
        assert_eq!(
            Repository::new().findings_on_page_one("# One\n\n{{#item stage/src/lib.rs Gone}}\n"),
            ["book/chapters/one.md:3: `Gone` of stage/src/lib.rs: no such item"]
        );
    }

    #[test]
    fn a_stray_directive_and_a_command_that_cannot_be_typed_are_found() {
        let repository = Repository::new();
        repository.write(
            "stage6-engine/src/bin/lsm/args.rs",
            "enum Verb { Get(Get) }\nstruct Get { #[arg(long)] all: bool }\n",
        );
        assert_eq!(
            repository.findings_on_page_one(
                "# One\n\nsee {{#out a}}\n\n```sh\ncargo lab nothing\nlsm get --all\n```\n"
            ),
            [
                "book/chapters/one.md:3: a directive stands alone on its line: see {{#out a}}",
                "book/chapters/one.md:6: no lab is called nothing"
            ]
        );
    }

    #[test]
    fn a_rendered_page_keeps_the_laws_of_html() {
        assert_eq!(
            Repository::new().findings_on_page_one("# One\n\n<p id=\"a\">1</p>\n<p id=\"a\">2</p>\n\n"),
            ["book/chapters/one.md:1: two elements have the id a"]
        );
    }

    /// The book of this repository: whatever item is removed, the check would fail.
    #[test]
    fn every_item_shown_is_missed_when_it_is_gone() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let shelf = Shelf::new(&repository);
        for page in pages(&load(&repository.join("book")).unwrap()) {
            shelf.expand(&page.document(), &page.text).unwrap();
        }
        for item in shelf.shown() {
            let source = shelf.source(&item.path).unwrap();
            let without = source.without(&item.name);
            let is_missed = match &without {
                Ok(source) => source.listing(&item.name, Shape::default()).is_err(),
                // What is left is no Rust: the check fails on that.
                Err(_) => true,
            };
            assert!(is_missed, "{item:?}");
        }
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
