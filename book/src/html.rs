//! What a rendered page must keep.
//!
//! - **INV-HTML-1** No two elements of a page have one id.
//! - **INV-HTML-2** Every picture says in words what it shows: an `img` by its `alt`, a drawing
//!   by its `desc`.
//! - **INV-HTML-3** Nothing is loaded from outside the book. A link may lead there, but no
//!   script, style, font or picture comes from there.
//!
//! mdBook's output is regular (every attribute stands in double quotes), so this reads tags
//! and no more.

use std::collections::BTreeSet;

/// What is to be seen of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The ids of its elements.
    pub ids: BTreeSet<String>,
    /// How many pictures it has.
    pub pictures: usize,
    drawings: usize,
    described: usize,
    /// What breaks a law, in words.
    pub wrong: Vec<String>,
}

/// The fewest letters that can say what a picture shows.
const SHORTEST_ALT: usize = 8;

/// Looks at a page.
pub fn look(page: &str) -> Seen {
    let mut seen = Seen::default();
    for tag in tags(page) {
        seen.id(tag);
        seen.picture(tag);
        seen.address(tag);
    }
    if seen.described < seen.drawings {
        seen.wrong.push(format!(
            "{} of {} drawings have no description",
            seen.drawings - seen.described,
            seen.drawings
        ));
    }
    if page.contains("{{#") {
        seen.wrong.push("a directive that nobody replaced".to_owned());
    }
    seen
}

impl Seen {
    fn id(&mut self, tag: &str) {
        if let Some(id) = attribute(tag, "id")
            && !self.ids.insert(id.to_owned())
        {
            self.wrong.push(format!("two elements have the id {id}"));
        }
    }

    fn picture(&mut self, tag: &str) {
        if name(tag) == "svg" && attribute(tag, "role") == Some("img") {
            self.pictures += 1;
            self.drawings += 1;
        }
        if name(tag) == "desc" {
            self.described += 1;
        }
        if name(tag) != "img" {
            return;
        }
        self.pictures += 1;
        let alt = attribute(tag, "alt").unwrap_or_default();
        if alt.chars().filter(|each| each.is_alphabetic()).count() < SHORTEST_ALT {
            self.wrong.push(format!("a picture that does not say what it shows: alt={alt:?}"));
        }
    }

    fn address(&mut self, tag: &str) {
        let loads = match name(tag) {
            "link" | "use" => "href",
            "script" | "img" | "iframe" | "source" | "video" | "audio" | "embed" => "src",
            _ => return,
        };
        let address = attribute(tag, loads).unwrap_or_default();
        if address.contains("://") || address.starts_with("//") {
            self.wrong.push(format!("loaded from outside the book: {address}"));
        }
    }
}

/// What a style sheet loads from outside the book.
pub fn loaded_by_style(style: &str) -> Vec<String> {
    let behind_url = style.split("url(").skip(1);
    let behind_import = style.split("@import").skip(1);
    let address =
        |text: &str| text.trim_start_matches([' ', '"', '\'', '(']).chars().take(60).collect::<String>();
    behind_url
        .chain(behind_import)
        .map(address)
        .filter(|address| {
            address.starts_with("http:") || address.starts_with("https:") || address.starts_with("//")
        })
        .collect()
}

/// The tags of a page, without their brackets. What stands in a script or a comment is none.
fn tags(page: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = rest.find('>').unwrap_or(rest.len());
        let tag = &rest[..end];
        tags.push(tag);
        rest = &rest[end..];
        for raw in ["script", "style"] {
            if name(tag) == raw {
                rest = rest.find(&format!("</{raw}")).map_or("", |end| &rest[end..]);
            }
        }
    }
    tags
}

fn name(tag: &str) -> &str {
    tag.split([' ', '\n', '/', '>']).next().unwrap_or_default()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let behind =
        tag.split_once(&format!(" {name}=\"")).or_else(|| tag.split_once(&format!("\n{name}=\"")))?.1;
    behind.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(page: &str) -> Vec<String> {
        look(page).wrong
    }

    #[test]
    fn a_sound_page_has_nothing_wrong() {
        let page = "<h1 id=\"one\">One</h1><p id=\"two\">2 &lt; 3</p><img src=\"a.png\" alt=\"A tree of files\">\
                    <a href=\"https://outside.example\">a link</a><script>if (a < b) { id=\"one\" }</script>";
        let seen = look(page);
        assert_eq!(seen.wrong, [""; 0]);
        assert_eq!(seen.ids.len(), 2);
        assert_eq!(seen.pictures, 1);
    }

    #[test]
    fn each_law_is_seen_to_be_broken() {
        assert_eq!(wrong("<p id=\"a\"></p><p id=\"a\"></p>"), ["two elements have the id a"]);
        assert_eq!(wrong("<img src=\"a.png\" alt=\"picture\">").len(), 1);
        assert_eq!(wrong("<img src=\"a.png\">").len(), 1);
        assert_eq!(wrong("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"><path/></svg>").len(), 1);
        assert_eq!(wrong("<script src=\"https://outside.example/a.js\"></script>").len(), 1);
        assert_eq!(wrong("<link rel=\"stylesheet\" href=\"//outside.example/a.css\">").len(), 1);
        assert_eq!(wrong("<p>{{#item a.rs A}}</p>").len(), 1);
        assert_eq!(loaded_by_style("a { background: url('https://outside.example/a.png') }").len(), 1);
        assert_eq!(loaded_by_style("a { background: url(a.png) }").len(), 0);
    }
}
