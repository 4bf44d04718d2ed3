//! The items of a Rust source file, by name.
//!
//! ```text
//!   impl<'a> InternalKey<'a> {           impl InternalKey
//!       pub fn new(…) -> Self { … }      InternalKey::new
//!   }
//!   impl Ord for InternalKey<'_> {       impl Ord for InternalKey
//!       fn cmp(…) -> Ordering { … }      InternalKey::cmp   <InternalKey as Ord>::cmp
//!   }
//!   mod tests { #[test] fn a_law() }     tests::a_law   a_law
//! ```
//!
//! - **INV-SOURCE-1** A name leads to one item or to none: what fits two items is an
//!   error that names both.
//! - **INV-SOURCE-2** What is shown is cut out of the file, never printed anew, so
//!   layout and comments are the author's.
//!
//! An item's own doc comment is left out unless it is asked for: the chapter says
//! in its own words what the code is for. The name `//!` is the opening comment of
//! the file.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Block, ImplItem, Item, TraitItem, Type};

/// A parsed file.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    items: Vec<Named>,
}

/// An item and the names that it goes by.
#[derive(Debug)]
struct Named {
    /// The full name first, then shorter ones.
    names: Vec<String>,
    attributes: Vec<Outer>,
    place: Range<usize>,
    /// The bodies of functions in it, its own included.
    bodies: Vec<Range<usize>>,
    /// The doc comments of what it contains.
    inner_docs: Vec<Range<usize>>,
    is_test: bool,
    is_public: bool,
}

/// An attribute in front of an item.
#[derive(Debug)]
struct Outer {
    place: Range<usize>,
    is_doc: bool,
}

/// How much of an item is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// With its doc comment.
    pub doc: bool,
    /// Without its attributes.
    pub bare: bool,
    /// Function bodies as `{ … }`.
    pub signature: bool,
}

/// An item as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its text, moved to the left margin.
    pub text: String,
    /// Its lines in the file, from 1, both ends included.
    pub first_line: usize,
    /// See `first_line`.
    pub last_line: usize,
}

/// Why a name leads to no item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// No item is called so; these sound alike.
    Missing(Vec<String>),
    /// More than one is: their full names and lines.
    Ambiguous(Vec<(String, usize)>),
}

/// The Rust files of `stage`, from the root of `repository`, in the order of their names.
///
/// # Errors
/// In words, when the stage cannot be read.
pub fn rust_files(repository: &Path, stage: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    collect(&repository.join(stage).join("src"), &mut files).map_err(|error| format!("{stage}: {error}"))?;
    files.sort();
    Ok(files.iter().map(|file| file.strip_prefix(repository).unwrap_or(file).to_path_buf()).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotFound::Missing(near) if near.is_empty() => f.write_str("no such item"),
            NotFound::Missing(near) => write!(f, "no such item; near: {}", near.join(", ")),
            NotFound::Ambiguous(all) => {
                f.write_str("more than one item:")?;
                all.iter().try_for_each(|(name, line)| write!(f, " {name} (line {line})"))
            }
        }
    }
}

impl Source {
    /// Reads the file at `path` of `repository`.
    ///
    /// # Errors
    /// In words, when it cannot be read or is no Rust.
    pub fn read(repository: &Path, path: &Path) -> Result<Source, String> {
        let text = std::fs::read_to_string(repository.join(path)).map_err(|error| error.to_string())?;
        Source::parse(path, text)
    }

    /// Parses `text`, which stands at `path`.
    ///
    /// # Errors
    /// In words, when it is no Rust.
    pub fn parse(path: &Path, text: String) -> Result<Source, String> {
        let file = syn::parse_file(&text).map_err(|error| error.to_string())?;
        let mut collector = Collector { items: Vec::new() };
        collector.opening(&file.attrs);
        collector.items(&[], &file.items, false);
        Ok(Source { path: path.into(), text, items: collector.items })
    }

    /// Where the file lies, from the root of the repository.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The item called `name`, in this shape.
    ///
    /// # Errors
    /// [`NotFound`].
    pub fn listing(&self, name: &str, shape: Shape) -> Result<Listing, NotFound> {
        let item = self.find(name)?;
        let start = item.start(shape);
        let mut edits = Vec::new();
        if shape.signature {
            edits.extend(item.bodies.iter().map(|body| (body.clone(), "{ … }")));
            if !shape.doc {
                edits.extend(item.inner_docs.iter().map(|doc| (self.whole_lines(doc), "")));
            }
        }
        Ok(Listing {
            text: to_margin(&self.text, start, &edited(&self.text, start..item.place.end, edits)),
            first_line: self.line(start),
            last_line: self.line(item.place.end.saturating_sub(1)),
        })
    }

    /// This file without the item called `name`.
    ///
    /// # Errors
    /// In words, when there is no such item, or what is left is no Rust.
    pub fn without(&self, name: &str) -> Result<Source, String> {
        let item = self.find(name).map_err(|error| error.to_string())?;
        let whole = item.start(Shape { doc: true, ..Shape::default() })..item.place.end;
        Source::parse(&self.path, self.text[..whole.start].to_owned() + &self.text[whole.end..])
    }

    /// The lines of code that are no tests: their count, and those of `wanted` among them.
    pub fn lines_of_code(&self, wanted: impl Fn(usize) -> bool) -> (usize, usize) {
        let tests: Vec<(usize, usize)> = self
            .items
            .iter()
            .filter(|item| item.is_test)
            .map(|item| {
                let whole = item.start(Shape { doc: true, ..Shape::default() });
                (self.line(whole), self.line(item.place.end))
            })
            .collect();
        let counts = |line: usize, text: &str| {
            let text = text.trim();
            let is_code = !text.is_empty() && !text.starts_with("//");
            is_code && !tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
        };
        let lines: Vec<usize> =
            (1..).zip(self.text.lines()).filter(|(n, t)| counts(*n, t)).map(|(n, _)| n).collect();
        (lines.len(), lines.into_iter().filter(|line| wanted(*line)).count())
    }

    /// The items that everybody may use, by their names and lines; fields and variants belong
    /// to their type.
    pub fn public_items(&self) -> impl Iterator<Item = (&str, usize)> {
        let is_wanted = |item: &&Named| item.is_public && !item.is_test;
        self.items.iter().filter(is_wanted).map(|item| (item.names[0].as_str(), self.line(item.place.start)))
    }

    fn find(&self, name: &str) -> Result<&Named, NotFound> {
        let wanted = without_blanks(name);
        let exact: Vec<&Named> = self.items.iter().filter(|item| item.is_called(&wanted, 1)).collect();
        let any = || self.items.iter().filter(|item| item.is_called(&wanted, usize::MAX)).collect::<Vec<_>>();
        let found = if exact.is_empty() { any() } else { exact };
        match found[..] {
            [item] => Ok(item),
            [] => Err(NotFound::Missing(self.near(&wanted))),
            _ => Err(NotFound::Ambiguous(
                found.iter().map(|item| (item.names[0].clone(), self.line(item.place.start))).collect(),
            )),
        }
    }

    /// The three names nearest to `wanted`, if they are near at all.
    fn near(&self, wanted: &str) -> Vec<String> {
        let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
        let distance = |name: &str| match last(name) == last(wanted) {
            true => 0,
            false => distance(name, wanted),
        };
        let mut near: Vec<(usize, String)> = self
            .items
            .iter()
            .map(|item| {
                (
                    item.names.iter().map(|name| distance(name)).min().unwrap_or(usize::MAX),
                    item.names[0].clone(),
                )
            })
            .filter(|(distance, _)| *distance <= 2 + wanted.len() / 4)
            .collect();
        near.sort();
        near.into_iter().map(|(_, name)| name).take(3).collect()
    }

    /// The line, from 1, on which the byte at `offset` stands.
    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// `place` from the beginning of its first line to behind the end of its last.
    fn whole_lines(&self, place: &Range<usize>) -> Range<usize> {
        let start = self.text[..place.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end =
            self.text[place.end..].find('\n').map_or(self.text.len(), |newline| place.end + newline + 1);
        start..end
    }
}

impl Named {
    /// Where its text begins in this shape.
    fn start(&self, shape: Shape) -> usize {
        let first_shown = match (shape.doc, shape.bare) {
            (true, false) => self.attributes.first(),
            (true, true) => self.attributes.iter().find(|attribute| attribute.is_doc),
            (false, false) => self.attributes.iter().find(|attribute| !attribute.is_doc),
            (false, true) => None,
        };
        first_shown.map_or(self.place.start, |attribute| attribute.place.start)
    }

    /// Whether one of its first names is this one, whatever blanks it is written with.
    fn is_called(&self, wanted: &str, names: usize) -> bool {
        self.names.iter().take(names).any(|name| without_blanks(name) == wanted)
    }
}

/// Walks a file and writes down its items.
struct Collector {
    items: Vec<Named>,
}

impl Collector {
    /// The opening comment of the file, called `//!`.
    fn opening(&mut self, attributes: &[Attribute]) {
        let docs: Vec<Range<usize>> =
            attributes.iter().filter(|a| is_doc(a)).map(|a| place(&a.to_token_stream())).collect();
        if let (Some(first), Some(last)) = (docs.first(), docs.last()) {
            self.items.push(Named {
                names: vec!["//!".to_owned()],
                attributes: Vec::new(),
                place: first.start..last.end,
                bodies: Vec::new(),
                inner_docs: Vec::new(),
                is_test: false,
                is_public: false,
            });
        }
    }

    fn items(&mut self, modules: &[String], items: &[Item], in_tests: bool) {
        for item in items {
            self.item(modules, item, in_tests);
        }
    }

    fn item(&mut self, modules: &[String], item: &Item, in_tests: bool) {
        let Some((name, attributes)) = name_of(item) else {
            return;
        };
        let is_test = in_tests || attributes.iter().any(is_test_attribute);
        let bodies = bodies_of(item);
        self.push(modules, vec![name.clone()], attributes, item, bodies, is_test);
        let member = |ident: &dyn fmt::Display| format!("{name}::{ident}");
        match item {
            Item::Mod(module) => {
                let inside: Vec<String> = modules.iter().cloned().chain([name.clone()]).collect();
                let items = module.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
                self.items(&inside, items, is_test);
            }
            Item::Enum(item) => {
                for variant in &item.variants {
                    self.push(
                        modules,
                        vec![member(&variant.ident)],
                        &variant.attrs,
                        variant,
                        Vec::new(),
                        is_test,
                    );
                }
            }
            Item::Struct(item) => {
                for field in &item.fields {
                    if let Some(ident) = &field.ident {
                        self.push(modules, vec![member(ident)], &field.attrs, field, Vec::new(), is_test);
                    }
                }
            }
            Item::Trait(item) => {
                for inner in &item.items {
                    if let Some((ident, attributes, block)) = trait_member(inner) {
                        self.push(
                            modules,
                            vec![member(&ident)],
                            attributes,
                            inner,
                            bodies_in(block),
                            is_test,
                        );
                    }
                }
            }
            Item::Impl(item) => {
                let (own, full) =
                    (short_type(&item.self_ty), without_blanks(&item.self_ty.to_token_stream().to_string()));
                let of = item.trait_.as_ref().map(|path| short_path(&path.0));
                if let (Some(named), Some(path)) = (self.items.last_mut(), &item.trait_) {
                    let path = without_blanks(&path.0.to_token_stream().to_string());
                    named.names.push(format!("impl{path}for{full}"));
                } else if let Some(named) = self.items.last_mut() {
                    named.names.push(format!("impl{full}"));
                }
                for inner in &item.items {
                    let Some((ident, attributes, block)) = impl_member(inner) else {
                        continue;
                    };
                    let plain = format!("{own}::{ident}");
                    let names = match &of {
                        None => vec![plain],
                        Some(of) => vec![format!("<{own} as {of}>::{ident}"), plain],
                    };
                    self.push(modules, names, attributes, inner, bodies_in(block), is_test);
                }
            }
            _ => {}
        }
    }

    fn push(
        &mut self,
        modules: &[String],
        names: Vec<String>,
        attributes: &[Attribute],
        tokens: &dyn ToTokensDyn,
        bodies: Vec<Range<usize>>,
        is_test: bool,
    ) {
        let tokens = tokens.stream();
        let whole = place(&tokens);
        let is_public = is_public(&tokens, attributes);
        let attributes: Vec<Outer> = attributes
            .iter()
            .map(|attribute| Outer { place: place(&attribute.to_token_stream()), is_doc: is_doc(attribute) })
            .filter(|attribute| whole.contains(&attribute.place.start))
            .collect();
        let behind = attributes.iter().map(|attribute| attribute.place.end).max().unwrap_or(whole.start);
        let start = first_token_behind(&tokens, behind).unwrap_or(whole.start);
        let inner_docs = docs_in(tokens).into_iter().filter(|doc| doc.start >= start).collect();
        let prefix = modules.iter().map(|module| format!("{module}::")).collect::<String>();
        let mut all: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        if !prefix.is_empty() {
            all.extend(names);
        }
        self.items.push(Named {
            names: all,
            attributes,
            place: start..whole.end,
            bodies,
            inner_docs,
            is_test,
            is_public,
        });
    }
}

/// [`ToTokens`], but one that can be lent whatever it is.
trait ToTokensDyn {
    fn stream(&self) -> TokenStream;
}

impl<T: ToTokens> ToTokensDyn for T {
    fn stream(&self) -> TokenStream {
        self.to_token_stream()
    }
}

/// The name of an item, and what stands in front of it; `None` for one that has no name.
fn name_of(item: &Item) -> Option<(String, &[Attribute])> {
    let (name, attributes) = match item {
        Item::Const(item) => (item.ident.to_string(), &item.attrs),
        Item::Enum(item) => (item.ident.to_string(), &item.attrs),
        Item::Fn(item) => (item.sig.ident.to_string(), &item.attrs),
        Item::Macro(item) => {
            let called = || format!("{}!", short_path(&item.mac.path));
            (item.ident.as_ref().map_or_else(called, ToString::to_string), &item.attrs)
        }
        Item::Mod(item) => (item.ident.to_string(), &item.attrs),
        Item::Static(item) => (item.ident.to_string(), &item.attrs),
        Item::Struct(item) => (item.ident.to_string(), &item.attrs),
        Item::Trait(item) => (item.ident.to_string(), &item.attrs),
        Item::Type(item) => (item.ident.to_string(), &item.attrs),
        Item::Union(item) => (item.ident.to_string(), &item.attrs),
        Item::Impl(item) => {
            let own = short_type(&item.self_ty);
            let name = match &item.trait_ {
                None => format!("impl {own}"),
                Some(path) => format!("impl {} for {own}", short_path(&path.0)),
            };
            (name, &item.attrs)
        }
        _ => return None,
    };
    Some((name, attributes))
}

fn impl_member(item: &ImplItem) -> Option<(String, &[Attribute], Option<&Block>)> {
    match item {
        ImplItem::Const(item) => Some((item.ident.to_string(), &item.attrs, None)),
        ImplItem::Fn(item) => Some((item.sig.ident.to_string(), &item.attrs, Some(&item.block))),
        ImplItem::Type(item) => Some((item.ident.to_string(), &item.attrs, None)),
        _ => None,
    }
}

fn trait_member(item: &TraitItem) -> Option<(String, &[Attribute], Option<&Block>)> {
    match item {
        TraitItem::Const(item) => Some((item.ident.to_string(), &item.attrs, None)),
        TraitItem::Fn(item) => Some((item.sig.ident.to_string(), &item.attrs, item.default.as_ref())),
        TraitItem::Type(item) => Some((item.ident.to_string(), &item.attrs, None)),
        _ => None,
    }
}

fn bodies_of(item: &Item) -> Vec<Range<usize>> {
    match item {
        Item::Fn(item) => bodies_in(Some(&item.block)),
        Item::Impl(item) => {
            item.items.iter().filter_map(impl_member).flat_map(|(.., body)| bodies_in(body)).collect()
        }
        Item::Trait(item) => {
            item.items.iter().filter_map(trait_member).flat_map(|(.., body)| bodies_in(body)).collect()
        }
        _ => Vec::new(),
    }
}

fn bodies_in(block: Option<&Block>) -> Vec<Range<usize>> {
    block.map(|block| place(&block.to_token_stream())).into_iter().collect()
}

/// `Vec` of `std::vec::Vec<T>`.
fn short_path(path: &syn::Path) -> String {
    path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

fn short_type(of: &Type) -> String {
    match of {
        Type::Path(path) => short_path(&path.path),
        other => without_blanks(&other.to_token_stream().to_string()),
    }
}

/// Whether `pub` is the first word behind the attributes, and nothing narrows it.
fn is_public(tokens: &TokenStream, attributes: &[Attribute]) -> bool {
    let behind =
        attributes.iter().map(|attribute| place(&attribute.to_token_stream()).end).max().unwrap_or(0);
    let mut words = tokens.clone().into_iter().skip_while(|token| token.span().byte_range().start < behind);
    let is_pub = matches!(words.next(), Some(TokenTree::Ident(word)) if word == "pub");
    let next = words.next();
    let is_item =
        matches!(&next, Some(TokenTree::Ident(word)) if KEYWORDS.iter().any(|keyword| word == keyword));
    is_pub && is_item
}

/// What follows `pub` where an item begins. A field's name does not, and a module is no item to show.
const KEYWORDS: [&str; 9] = ["fn", "const", "struct", "enum", "trait", "type", "static", "async", "union"];

fn is_doc(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc")
}

fn is_test_attribute(attribute: &Attribute) -> bool {
    let text = without_blanks(&attribute.to_token_stream().to_string());
    text == "#[test]" || text == "#[cfg(test)]"
}

/// From the first byte of `tokens` to behind their last.
fn place(tokens: &TokenStream) -> Range<usize> {
    let spans: Vec<Span> = tokens.clone().into_iter().map(|token| token.span()).collect();
    let start = spans.first().map_or(0, |span| span.byte_range().start);
    start..spans.last().map_or(start, |span| span.byte_range().end)
}

fn first_token_behind(tokens: &TokenStream, behind: usize) -> Option<usize> {
    tokens.clone().into_iter().map(|token| token.span().byte_range().start).find(|start| *start >= behind)
}

/// Every doc comment in `tokens`, however deep.
fn docs_in(tokens: TokenStream) -> Vec<Range<usize>> {
    let mut docs = Vec::new();
    for token in tokens {
        if let TokenTree::Group(group) = token {
            let text = group.stream().into_iter().next().map(|token| token.to_string());
            if text.as_deref() == Some("doc") {
                docs.push(group.span().byte_range());
            } else {
                docs.extend(docs_in(group.stream()));
            }
        }
    }
    docs
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|each| !each.is_whitespace()).collect()
}

/// `text` at `place`, with each edit's range replaced.
fn edited(text: &str, place: Range<usize>, mut edits: Vec<(Range<usize>, &str)>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut position, mut edited) = (place.start, String::new());
    for (range, with) in edits {
        if range.start >= position && range.end <= place.end {
            edited += &text[position..range.start];
            edited += with;
            position = range.end;
        }
    }
    edited + &text[position..place.end]
}

/// `item`, which begins at `start` of `text`, without the indentation of its first line.
fn to_margin(text: &str, start: usize, item: &str) -> String {
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let indentation = &text[line..start];
    let mut lines = item.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |all, line| all + "\n" + line.strip_prefix(indentation).unwrap_or(line))
}

/// How many characters must change to turn one name into the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, each) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(each != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
