//! What everybody may use of a stage, file by file.
//!
//! ```text
//!   stage1-memtable/src/arena.rs   its first sentence   Arena: new, store, …   MAX_STORED_BYTES
//! ```
//!
//! Nothing is chosen here: every public item that is no test is named once, in the order of
//! its file.

use std::path::Path;

use crate::laws::{Sources, without_links};
use crate::source::{Shape, Source, rust_files};

/// The public items of `stage`, as Markdown.
///
/// # Errors
/// In words, when a file cannot be read.
pub fn index(sources: Sources<'_>, stage: &str) -> Result<String, String> {
    let mut page = String::new();
    for path in rust_files(sources.repository, stage)? {
        let source = (sources.source)(&path)?;
        let items = items(&source);
        if !items.is_empty() {
            let name = path.strip_prefix(Path::new(stage).join("src")).unwrap_or(&path).display();
            let opening = opening(&source);
            page += &format!("- **[{name}](../../{})** {opening}\n  {items}\n", path.display());
        }
    }
    Ok(page)
}

/// The first sentence of a file.
fn opening(source: &Source) -> String {
    let Ok(listing) = source.listing("//!", Shape { doc: true, ..Shape::default() }) else {
        return String::new();
    };
    let lines = listing.text.lines().map(|line| line.trim_start_matches("//!").trim());
    let paragraph = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let sentence = paragraph.split_inclusive(". ").next().unwrap_or_default();
    without_links(sentence.trim().trim_end_matches(':'))
}

/// Types with their methods in brackets, and what stands alone.
fn items(source: &Source) -> String {
    let mut named: Vec<(String, Vec<String>)> = Vec::new();
    for (name, _) in source.public_items() {
        let (owner, method) = name.split_once("::").unwrap_or((name, ""));
        match named.iter_mut().find(|(known, _)| known == owner) {
            Some((_, methods)) => methods.extend((!method.is_empty()).then(|| method.to_owned())),
            None => named
                .push((owner.to_owned(), Vec::from_iter((!method.is_empty()).then(|| method.to_owned())))),
        }
    }
    let shown = |(owner, methods): &(String, Vec<String>)| match methods[..] {
        [] => format!("`{owner}`"),
        _ => format!(
            "`{owner}` ({})",
            methods.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    named.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_item_is_named_once_under_its_type() {
        let text = "//! What it is: [`A`].\n//! More.\npub struct A;\nimpl A {\n    pub fn b(&self) {}\n    fn c() {}\n}\npub fn d() {}\nfn e() {}\n";
        let source = Source::parse(Path::new("a.rs"), text.to_owned()).unwrap();
        assert_eq!(items(&source), "`A` (`b`), `d`");
        assert_eq!(opening(&source), "What it is: `A`. More.".split(" More").next().unwrap());
    }
}
