//! What a page asks to be put in its place.
//!
//! ```text
//!   {{#item stage1-memtable/src/key.rs InternalKey::new}}          an item, without its doc comment
//!   {{#item stage1-memtable/src/key.rs impl Ord for InternalKey, doc}}
//!   {{#out memtable-steps}}                                        what a lab prints
//!   {{#out memtable-steps growth}}                                 one part of it
//!   {{#figure put-path What one put does.}}                        a picture, with a caption
//!   {{#table peer-speeds}}                                        a table, filled in now
//!   {{#laws stage1-memtable}}                                      the laws of a stage, and who keeps them
//!   {{#public stage1-memtable}}                                    what everybody may use of it
//! ```
//!
//! A directive is a line of its own, and stands in no code block. After a comma an
//! item may be followed by words for its shape: `doc`, `bare`, `signature`.

use std::path::PathBuf;

use crate::source::Shape;

/// What is put in a line's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// An item of a source file.
    Item {
        /// The file, from the root of the repository.
        path: PathBuf,
        /// The item's name in it.
        name: String,
        /// How much of it.
        shape: Shape,
    },
    /// What a lab prints.
    Output {
        /// The lab.
        lab: String,
        /// One part of what it prints.
        part: Option<String>,
    },
    /// A picture.
    Figure {
        /// Its name.
        name: String,
        /// What stands under it, if not its title.
        caption: Option<String>,
    },
    /// A table.
    Table {
        /// Its name.
        name: String,
    },
    /// What everybody may use of a stage.
    Public {
        /// The stage's folder.
        stage: String,
    },
    /// The laws that a stage states.
    Laws {
        /// The stage's folder.
        stage: String,
    },
}

/// A directive, or what is wrong with it, and the line of the page, from 1.
pub type Placed = (usize, Result<Directive, String>);

/// The directives of `page`.
pub fn directives(page: &str) -> Vec<Placed> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (line, text) in (1..).zip(page.lines()) {
        let text = text.trim();
        if text.starts_with("```") || text.starts_with("~~~") {
            in_code = !in_code;
        } else if text.contains("{{#") {
            found.push((line, if in_code { Err("a directive in a code block".into()) } else { parse(text) }));
        }
    }
    found
}

fn parse(line: &str) -> Result<Directive, String> {
    let inside = line.strip_prefix("{{#").and_then(|rest| rest.strip_suffix("}}"));
    let Some(inside) = inside.filter(|inside| !inside.contains("{{") && !inside.contains("}}")) else {
        return Err(format!("a directive stands alone on its line: {line}"));
    };
    let (verb, rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let (first, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let rest = Some(rest.trim()).filter(|rest| !rest.is_empty()).map(str::to_owned);
    match (verb, first, rest) {
        (_, "", _) => Err(format!("a directive without a name: {line}")),
        ("item", path, Some(rest)) => item(path, &rest),
        ("item", ..) => Err(format!("which item of the file? {line}")),
        ("out", lab, part) => Ok(Directive::Output { lab: lab.to_owned(), part }),
        ("figure", name, caption) => Ok(Directive::Figure { name: name.to_owned(), caption }),
        ("table", name, None) => Ok(Directive::Table { name: name.to_owned() }),
        ("public", stage, None) => Ok(Directive::Public { stage: stage.to_owned() }),
        ("laws", stage, None) => Ok(Directive::Laws { stage: stage.to_owned() }),
        _ => Err(format!("a directive that nobody knows: {line}")),
    }
}

fn item(path: &str, rest: &str) -> Result<Directive, String> {
    let mut words = rest.split(',').map(str::trim);
    let name = words.next().unwrap_or_default().to_owned();
    let mut shape = Shape::default();
    for word in words {
        match word {
            "doc" => shape.doc = true,
            "bare" => shape.bare = true,
            "signature" => shape.signature = true,
            _ => return Err(format!("a shape that nobody knows: {word} (doc, bare, signature)")),
        }
    }
    Ok(Directive::Item { path: path.into(), name, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directive_is_read_with_its_line() {
        let page = "# One\n\n{{#item a/b.rs impl Ord for Key, doc, bare}}\n{{#out steps}}\n{{#figure put What it does.}}\n{{#laws stage}}\n{{#table peers}}\n";
        let found: Vec<_> = directives(page).into_iter().map(|(line, read)| (line, read.unwrap())).collect();
        let shape = Shape { doc: true, bare: true, signature: false };
        assert_eq!(
            found,
            [
                (3, Directive::Item { path: "a/b.rs".into(), name: "impl Ord for Key".into(), shape }),
                (4, Directive::Output { lab: "steps".into(), part: None }),
                (5, Directive::Figure { name: "put".into(), caption: Some("What it does.".into()) }),
                (6, Directive::Laws { stage: "stage".into() }),
                (7, Directive::Table { name: "peers".into() }),
            ]
        );
    }

    #[test]
    fn what_is_no_directive_is_said_to_be_none() {
        for line in [
            "see {{#out steps}}",
            "{{#out steps}} {{#out more}}",
            "{{#include a.rs}}",
            "{{#item a.rs}}",
            "{{#out}}",
            "{{#item a.rs Key, docs}}",
            "```rust\n{{#item a.rs Key}}\n```",
        ] {
            assert!(matches!(directives(line)[..], [(_, Err(_))]), "{line}");
        }
        assert_eq!(directives("{{ no directive }}\n"), []);
    }
}
