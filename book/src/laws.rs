//! The laws of the stages: where each is stated, who keeps it, and which test would fail.
//!
//! ```text
//!   //! **INV-KEY-1** There is one order, …      stated in the code ──┐
//!   ("INV-KEY-1", kept by, caught by)            named in `kept`  ────┴──▶ a line of the index
//! ```
//!
//! **INV-LAWS-1** Every law that a stage states has a line of the index, and every line a law.
//! Items and tests in it are there; one that is renamed fails the build of the page.

mod kept;

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::source::{Shape, Source, rust_files};

/// Where planted bugs, and who caught them, are listed.
const PLANTED: &str = "tests/MUTANTS.md";

/// A name, and the file that it is looked up in; no file is the one that states the law.
type Named = (&'static str, &'static str);

/// Where items are looked up: the repository, and its parsed files.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Where the sources lie.
    pub repository: &'a Path,
    /// The parsed file at a path of it, or in words why there is none.
    pub source: &'a dyn Fn(&Path) -> Result<Rc<Source>, String>,
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("repository", &self.repository).finish_non_exhaustive()
    }
}

/// A line of the index.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The law.
    pub id: &'static str,
    /// The items that keep it.
    pub by: &'static [Named],
    /// The tests, or planted bugs, that show when it is broken.
    pub caught: &'static [Named],
}

/// A law, as the code states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Its name.
    pub id: String,
    /// What it says, as Markdown.
    pub text: String,
    /// The file, from the root of the repository.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// The laws that the sources of `stage` state, file by file.
///
/// # Errors
/// In words, when the stage cannot be read.
pub fn stated(repository: &Path, stage: &str) -> Result<Vec<Stated>, String> {
    let mut laws = Vec::new();
    for path in rust_files(repository, stage)? {
        let text = std::fs::read_to_string(repository.join(&path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        laws.extend(stated_in(&path, &text));
    }
    Ok(laws)
}

/// A law begins with its name in bold, and ends before the next one or an empty line.
fn stated_in(path: &Path, text: &str) -> Vec<Stated> {
    let mut laws: Vec<Stated> = Vec::new();
    let mut is_open = false;
    for (line, text) in (1..).zip(text.lines()) {
        let Some(comment) = comment_of(text) else {
            is_open = false;
            continue;
        };
        let words = comment.trim_start_matches("- ").strip_prefix("**INV-");
        if let Some((number, says)) = words.and_then(|words| words.split_once("**")) {
            let law =
                Stated { id: format!("INV-{number}"), text: says.trim().to_owned(), path: path.into(), line };
            laws.push(law);
            is_open = true;
        } else if comment.is_empty() {
            is_open = false;
        } else if let (true, Some(law)) = (is_open, laws.last_mut()) {
            law.text = format!("{} {comment}", law.text);
        }
    }
    laws.iter_mut().for_each(|law| law.text = without_links(&law.text));
    laws
}

/// What a line says as documentation, if it is that.
fn comment_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).map(str::trim)
}

/// Links between items lead nowhere in a book: `[`X`](y)` and `[`X`]` become `` `X` ``.
pub(crate) fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("`]").unwrap_or((part, ""));
        let behind =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
        plain += &format!("`{name}`{behind}");
    }
    plain
}

/// The index of the laws of `stage`, as Markdown.
///
/// # Errors
/// In words, for a law without a line, or a name that is gone.
pub fn index(sources: Sources<'_>, stage: &str) -> Result<String, String> {
    let mut page = String::new();
    let mut last = None;
    for law in stated(sources.repository, stage)? {
        let kept = kept::KEPT.iter().find(|kept| kept.id == law.id);
        let kept = kept.ok_or_else(|| format!("{} has no line in book/src/laws/kept.rs", law.id))?;
        if last.as_ref() != Some(&law.path) {
            let path = law.path.display();
            page += &format!("\n**[{path}](../../{path})**\n\n");
            last = Some(law.path.clone());
        }
        page += &line_of(sources, &law, kept)?;
    }
    Ok(page)
}

fn line_of(sources: Sources<'_>, law: &Stated, kept: &Kept) -> Result<String, String> {
    let wrong = |what: String| format!("{}: {what}", law.id);
    let by = links(kept.by, law, |path, name| item(sources, path, name)).map_err(wrong)?;
    let caught = links(kept.caught, law, |path, name| test(sources, path, name)).map_err(wrong)?;
    Ok(format!("- **{}** {} *Kept by* {by}. *Caught by* {caught}.\n", law.id, law.text))
}

fn links(
    names: &[Named],
    law: &Stated,
    look_up: impl Fn(&Path, &str) -> Result<String, String>,
) -> Result<String, String> {
    let one = |(name, path): &Named| {
        let path = if path.is_empty() { law.path.as_path() } else { Path::new(path) };
        // mdBook would look for a page where Markdown is linked: its folder is.
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        let linked = if is_page { path.parent().unwrap_or(path) } else { path };
        Ok(format!("[{}](../../{})", look_up(path, name)?, linked.display()))
    };
    let links: Result<Vec<String>, String> = names.iter().map(one).collect();
    Ok(links?.join(", "))
}

fn item(sources: Sources<'_>, path: &Path, name: &str) -> Result<String, String> {
    let source = (sources.source)(path)?;
    let listing = source.listing(name, Shape::default());
    listing.map_err(|what| format!("`{name}` of {}: {what}", path.display()))?;
    Ok(if name == "//!" { "the module itself".to_owned() } else { format!("`{name}`") })
}

/// A test by its name, or a planted bug by its own.
fn test(sources: Sources<'_>, path: &Path, name: &str) -> Result<String, String> {
    let file = sources.repository.join(path);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", path.display()))?;
    let (is_there, shown) = match path == Path::new(PLANTED) {
        true => (text.contains(&format!("(`{name}`)")), format!("the planted bug `{name}`")),
        false => {
            let begins = format!("fn {name}(");
            (text.lines().any(|line| line.trim_start().starts_with(&begins)), format!("`{name}`"))
        }
    };
    if is_there { Ok(shown) } else { Err(format!("{} has no {name}", path.display())) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const STAGES: [&str; 6] = [
        "stage1-memtable",
        "stage2-wal",
        "stage3-sstable",
        "stage4-bloom",
        "stage5-compaction",
        "stage6-engine",
    ];

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn a_law_reaches_to_the_next_one_or_to_an_empty_line() {
        let text = "//! - **INV-A-1** One [`Thing`](x::Thing)\n//!   and more.\n//! - **INV-A-2** Two, see [`Other`].\n//!\n//! Nothing.\nfn a() {}\n";
        let laws = stated_in(Path::new("a.rs"), text);
        let seen: Vec<_> = laws.iter().map(|law| (law.id.as_str(), law.text.as_str(), law.line)).collect();
        assert_eq!(seen, [("INV-A-1", "One `Thing` and more.", 1), ("INV-A-2", "Two, see `Other`.", 3)]);
    }

    #[test]
    fn every_law_of_a_stage_has_a_line_and_every_line_a_law() {
        let laws: Vec<Stated> =
            STAGES.iter().flat_map(|stage| stated(&repository(), stage).unwrap()).collect();
        let stated: BTreeSet<&str> = laws.iter().map(|law| law.id.as_str()).collect();
        let lines: BTreeSet<&str> = kept::KEPT.iter().map(|kept| kept.id).collect();
        assert_eq!(stated.symmetric_difference(&lines).collect::<Vec<_>>(), [&""; 0]);
        assert_eq!((stated.len(), lines.len()), (laws.len(), kept::KEPT.len()), "none is there twice");
    }

    #[test]
    fn whoever_keeps_or_catches_a_breach_is_there() {
        let repository = repository();
        let source = |path: &Path| Source::read(&repository, path).map(Rc::new);
        let sources = Sources { repository: &repository, source: &source };
        let wrong: Vec<String> = STAGES.iter().filter_map(|stage| index(sources, stage).err()).collect();
        assert_eq!(wrong, [""; 0]);
    }
}
