//! What a page points at.
//!
//! ```text
//!   [the law](stage1.md#the-law)      path "stage1.md", fragment "the-law"
//!   [key.rs](../../stage1-memtable/src/key.rs)       path, no fragment
//!   [below](#below)                   no path, fragment "below"
//!   [LevelDB](https://…)              outside: nobody here can answer for it
//! ```
//!
//! Pages are parsed by mdBook's own parser, with its own options: what is a link
//! to mdBook is one here.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use mdbook_markdown::pulldown_cmark::{Event, Tag};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};

/// A reference of a page to something inside the repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// The line it stands on, from 1.
    pub line: usize,
    /// Where it points, as it is written.
    pub target: Target,
}

/// Where a link points.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A path relative to the page, and a place in what is there. An empty path is
    /// the page itself.
    Inside {
        /// As written, without the fragment.
        path: String,
        /// What stands behind `#`.
        fragment: Option<String>,
    },
    /// An address in raw HTML, which the Markdown parser does not look into.
    RawHtml,
}

/// The links and images of `markdown` that stay inside the repository.
pub fn links(markdown: &str) -> Vec<Link> {
    new_cmark_parser(markdown, &MarkdownOptions::default())
        .into_offset_iter()
        .filter_map(|(event, place)| Some(Link { line: line_of(markdown, &place), target: target(&event)? }))
        .collect()
}

fn target(event: &Event<'_>) -> Option<Target> {
    match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => inside(dest_url),
        Event::Html(html) | Event::InlineHtml(html) => {
            let html = html.to_ascii_lowercase();
            (html.contains("href=") || html.contains("src=")).then_some(Target::RawHtml)
        }
        _ => None,
    }
}

fn inside(address: &str) -> Option<Target> {
    if has_scheme(address) {
        return None;
    }
    let (path, fragment) = match address.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment.to_owned())),
        None => (address, None),
    };
    Some(Target::Inside { path: path.to_owned(), fragment })
}

/// Whether `address` begins like `https:` or `mailto:`.
fn has_scheme(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|rest| rest.is_ascii_alphanumeric() || "+-.".contains(rest))
    })
}

fn line_of(text: &str, place: &Range<usize>) -> usize {
    text.bytes().take(place.start).filter(|byte| *byte == b'\n').count() + 1
}

/// `path`, as written on a page in `folder`, from the root that `folder` is
/// relative to; `None` when it leads out of that root.
pub fn resolve(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !resolved.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(path: &str, fragment: Option<&str>) -> Target {
        Target::Inside { path: path.into(), fragment: fragment.map(Into::into) }
    }

    #[test]
    fn a_link_is_found_with_its_line() {
        let found = links("# One\n\nSee [two](two.md#law)\nand ![three](three.png).\n");
        assert_eq!(
            found,
            [
                Link { line: 3, target: inside("two.md", Some("law")) },
                Link { line: 4, target: inside("three.png", None) }
            ]
        );
    }

    #[test]
    fn what_lies_outside_and_what_is_code_is_no_link() {
        assert_eq!(links("[a](https://a.example/b.md) <mailto:a@b.example> `[c](d.md)`"), []);
    }

    #[test]
    fn an_address_in_raw_html_is_seen() {
        assert_eq!(links("<img src=\"a.png\">"), [Link { line: 1, target: Target::RawHtml }]);
    }

    #[test]
    fn a_path_is_resolved_from_its_page_and_stays_inside() {
        let folder = Path::new("book/chapters");
        assert_eq!(resolve(folder, "./one.md"), Some("book/chapters/one.md".into()));
        assert_eq!(resolve(folder, "../../stage/src/lib.rs"), Some("stage/src/lib.rs".into()));
        assert_eq!(resolve(folder, "../../../elsewhere"), None);
        assert_eq!(resolve(folder, "/etc/passwd"), None);
    }
}
