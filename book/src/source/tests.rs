use super::*;

const FILE: &str = r#"//! A file.
//!
//! With a law.

use std::fmt;

/// A key.
#[derive(Debug)]
pub struct Key<'a> {
    /// As the user knows it.
    pub user: &'a [u8],
}

impl<'a> Key<'a> {
    /// Makes one.
    pub fn new(user: &'a [u8]) -> Self {
        // Nothing to check.
        Key { user }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key")
    }
}

impl fmt::LowerHex for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("6b")
    }
}

/// Which.
enum Kind {
    Value = 1,
}

trait Cursor {
    /// Moves.
    fn next(&mut self);
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_law() {
        assert!(true);
    }
}
"#;

fn file() -> Source {
    Source::parse(Path::new("a.rs"), FILE.to_owned()).unwrap()
}

fn shown(name: &str) -> String {
    file().listing(name, Shape::default()).unwrap().text
}

#[test]
fn an_item_is_cut_out_as_it_was_written() {
    assert_eq!(
        shown("Key::new"),
        "pub fn new(user: &'a [u8]) -> Self {\n    // Nothing to check.\n    Key { user }\n}"
    );
    assert_eq!(shown("Kind::Value"), "Value = 1");
    assert_eq!(shown("Cursor::next"), "fn next(&mut self);");
    assert_eq!(shown("//!"), "//! A file.\n//!\n//! With a law.");
    let listing = file().listing("Key::new", Shape::default()).unwrap();
    assert_eq!((listing.first_line, listing.last_line), (16, 19));
}

#[test]
fn doc_comment_attributes_and_bodies_are_shown_as_asked() {
    let shown = |name, doc, bare, signature| {
        let listing = file().listing(name, Shape { doc, bare, signature }).unwrap();
        listing.text.lines().take(2).collect::<Vec<_>>().join("|")
    };
    assert_eq!(shown("Key", false, false, false), "#[derive(Debug)]|pub struct Key<'a> {");
    assert_eq!(shown("Key", true, false, false), "/// A key.|#[derive(Debug)]");
    assert_eq!(shown("Key", false, true, false), "pub struct Key<'a> {|    /// As the user knows it.");
    let signature = Shape { signature: true, ..Shape::default() };
    assert_eq!(
        file().listing("impl Key", signature).unwrap().text,
        "impl<'a> Key<'a> {\n    pub fn new(user: &'a [u8]) -> Self { … }\n}"
    );
}

#[test]
fn a_trait_says_which_of_two_methods_is_meant() {
    assert!(shown("<Key as Display>::fmt").contains("key"));
    assert!(shown("<Key as LowerHex>::fmt").contains("6b"));
    assert!(shown("impl LowerHex for Key").contains("6b"));
    assert_eq!(
        file().listing("Key::fmt", Shape::default()).unwrap_err().to_string(),
        "more than one item: <Key as Display>::fmt (line 23) <Key as LowerHex>::fmt (line 29)"
    );
}

#[test]
fn a_test_is_found_with_its_module_and_without() {
    assert_eq!(shown("tests::a_law"), shown("a_law"));
    assert!(shown("a_law").starts_with("#[test]\nfn a_law()"));
}

#[test]
fn a_name_that_is_gone_is_told_with_those_that_sound_alike() {
    let error = |name| file().listing(name, Shape::default()).unwrap_err().to_string();
    assert_eq!(
        error("Key::nwe"),
        "no such item; near: Key::new, <Key as Display>::fmt, <Key as LowerHex>::fmt"
    );
    assert_eq!(error("Other::new"), "no such item; near: Key::new");
    assert_eq!(error("completely_else"), "no such item");
}

#[test]
fn without_an_item_its_name_leads_nowhere() {
    for name in ["Key::new", "Key", "tests::a_law", "Cursor::next"] {
        assert!(file().without(name).unwrap().listing(name, Shape::default()).is_err(), "{name}");
    }
}

#[test]
fn comments_and_tests_are_no_lines_of_code() {
    let (code, wanted) = file().lines_of_code(|line| (16..=19).contains(&line));
    assert_eq!((code, wanted), (26, 3));
}

#[test]
fn what_everybody_may_use_is_listed() {
    let source = file();
    let items: Vec<(&str, usize)> = source.public_items().collect();
    assert_eq!(items, [("Key", 9), ("Key::new", 16)]);
}
