//! The commands that a page tells to type.
//!
//! ````text
//!   ```sh
//!   cargo lab flipped-bits                       is there such a lab?
//!   cargo book build                             … such a verb?
//!   cargo run --release -- dump FILE --hex       … such a verb of the tool, with such a flag?
//!   cargo test -p stage2-wal --lib journal       … such a package?
//!   ```
//! ````
//!
//! What the tool `lsm` understands is read from the types that parse its command line, so a
//! page cannot know a verb or a flag that it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mdbook_markdown::pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use syn::{Attribute, Fields, Item};

use crate::labs;

/// The verbs of `cargo book`.
pub const BOOK_VERBS: [&str; 4] = ["build", "check", "serve", "preprocess"];

/// The verbs of the tool `lsm`, and the long flags of each.
#[derive(Debug, Default)]
pub struct Tool {
    verbs: BTreeMap<String, BTreeSet<String>>,
}

/// A command of a page, and the line that it stands on, from 1.
pub type Command = (usize, String);

/// The commands in the blocks marked `sh`, `console` or `shell`. In those marked `console` they
/// stand behind `$ `, and the rest is what they print.
pub fn commands(markdown: &str) -> Vec<Command> {
    let mut found = Vec::new();
    let mut block: Option<bool> = None;
    for (event, place) in new_cmark_parser(markdown, &MarkdownOptions::default()).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                block = match language.as_ref() {
                    "sh" | "shell" => Some(false),
                    "console" => Some(true),
                    _ => None,
                };
            }
            Event::End(TagEnd::CodeBlock) => block = None,
            Event::Text(text) => {
                let Some(prompted) = block else { continue };
                let first = markdown[..place.start].matches('\n').count() + 1;
                for (line, text) in (first..).zip(text.lines()) {
                    let text = if prompted { text.strip_prefix("$ ").unwrap_or_default() } else { text };
                    let text = text.split(" #").next().unwrap_or_default().trim();
                    if !text.is_empty() && !text.starts_with('#') {
                        found.push((line, text.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

impl Tool {
    /// Reads what the tool of `repository` understands.
    ///
    /// # Errors
    /// In words, when its source cannot be read.
    pub fn read(repository: &Path) -> Result<Tool, String> {
        let path = repository.join("stage6-engine/src/bin/lsm/args.rs");
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let file = syn::parse_file(&text).map_err(|error| error.to_string())?;
        let flags: BTreeMap<String, BTreeSet<String>> = file.items.iter().filter_map(flags_of).collect();
        let Some(Item::Enum(verbs)) =
            file.items.iter().find(|item| matches!(item, Item::Enum(e) if e.ident == "Verb"))
        else {
            return Err("the tool has no enum Verb".into());
        };
        let verb = |variant: &syn::Variant| {
            let of = match &variant.fields {
                Fields::Unnamed(fields) => fields.unnamed.first().map(|field| type_name(&field.ty)),
                _ => None,
            };
            (kebab(&variant.ident.to_string()), of.and_then(|of| flags.get(&of).cloned()).unwrap_or_default())
        };
        Ok(Tool { verbs: verbs.variants.iter().map(verb).collect() })
    }

    /// Says why `command` cannot be typed at the root of `repository`, if it cannot.
    ///
    /// # Errors
    /// In words.
    pub fn judge(&self, repository: &Path, command: &str) -> Result<(), String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["cargo", "lab"] => Ok(()),
            ["cargo", "lab", name, ..] if labs::find(name).is_some() => Ok(()),
            ["cargo", "lab", name, ..] => Err(format!("no lab is called {name}")),
            ["cargo", "book", verb, ..] if BOOK_VERBS.contains(&verb) => Ok(()),
            ["cargo", "book", ..] => Err(format!("no verb of cargo book: {command}")),
            ["cargo", "run", ref rest @ ..] => self.judge_run(repository, rest),
            ["cargo", verb, ref rest @ ..] => judge_cargo(repository, verb, rest),
            ["lsm", verb, ref rest @ ..] => self.judge_tool(verb, rest),
            ["git" | "cd" | "ls" | "rm" | "cat" | "mdbook" | "python3", ..] => Ok(()),
            _ => Err(format!("a command that nobody knows: {command}")),
        }
    }

    fn judge_run(&self, repository: &Path, words: &[&str]) -> Result<(), String> {
        let behind = words.iter().position(|word| *word == "--");
        let (own, of_tool) = words.split_at(behind.unwrap_or(words.len()));
        if own.contains(&"--example") || own.contains(&"--bin") {
            return judge_cargo(repository, "run", own);
        }
        match of_tool {
            ["--", verb, rest @ ..] => self.judge_tool(verb, rest),
            _ => judge_cargo(repository, "run", own),
        }
    }

    fn judge_tool(&self, verb: &str, rest: &[&str]) -> Result<(), String> {
        let flags = match self.verbs.get(verb) {
            Some(flags) => flags,
            None if matches!(verb, "--help" | "--version" | "help") => return Ok(()),
            None => return Err(format!("no verb of the tool: {verb}")),
        };
        let given = rest.iter().take_while(|word| **word != "|").filter_map(|word| word.strip_prefix("--"));
        for flag in
            given.map(|flag| flag.split('=').next().unwrap_or_default()).filter(|flag| *flag != "help")
        {
            if !flags.contains(flag) {
                return Err(format!("no flag of {verb}: --{flag}"));
            }
        }
        Ok(())
    }
}

/// A cargo command is right when its packages, and its example if it names one, are there.
fn judge_cargo(repository: &Path, verb: &str, words: &[&str]) -> Result<(), String> {
    let known = [
        "build", "test", "run", "doc", "clippy", "fmt", "bench", "torture", "mutants", "peers", "add", "new",
    ];
    if !known.contains(&verb) {
        return Err(format!("no verb of cargo here: {verb}"));
    }
    let named = |flags: [&str; 2]| words.windows(2).find(|pair| flags.contains(&pair[0])).map(|pair| pair[1]);
    let package = named(["-p", "--package"]);
    let folder = repository.join(package.unwrap_or("stage6-engine"));
    if package.is_some() && !folder.join("Cargo.toml").is_file() {
        return Err(format!("no package: {}", package.unwrap_or_default()));
    }
    match named(["--example", "--example"]) {
        Some(name) => {
            let example = folder.join("examples").join(name);
            let there = example.join("main.rs").is_file() || example.with_extension("rs").is_file();
            if there { Ok(()) } else { Err(format!("no example: {name}")) }
        }
        None => Ok(()),
    }
}

/// The name of an argument type, and the long flags that it reads.
fn flags_of(item: &Item) -> Option<(String, BTreeSet<String>)> {
    let Item::Struct(item) = item else {
        return None;
    };
    let long = |field: &syn::Field| {
        let own = kebab(&field.ident.as_ref()?.to_string());
        field.attrs.iter().find_map(|attribute| long_flag(attribute, &own))
    };
    Some((item.ident.to_string(), item.fields.iter().filter_map(long).collect()))
}

/// `x` of `#[arg(long = "x")]`, and the field's own name where it only says `long`.
fn long_flag(attribute: &Attribute, own: &str) -> Option<String> {
    if !attribute.path().is_ident("arg") {
        return None;
    }
    let mut flag = None;
    let read = attribute.parse_nested_meta(|meta| {
        let is_long = meta.path.is_ident("long");
        let value =
            if meta.input.peek(syn::Token![=]) { Some(meta.value()?.parse::<syn::Expr>()?) } else { None };
        if meta.input.peek(syn::token::Paren) {
            meta.parse_nested_meta(|_| Ok(()))?;
        }
        if is_long {
            flag = Some(match value {
                Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })) => text.value(),
                _ => own.to_owned(),
            });
        }
        Ok(())
    });
    read.ok().and(flag)
}

fn type_name(of: &syn::Type) -> String {
    match of {
        syn::Type::Path(path) => {
            path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// `tour-child` of `TourChild` and of `tour_child`.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for each in name.chars() {
        if each.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(if each == '_' { '-' } else { each.to_ascii_lowercase() });
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn judged(command: &str) -> Result<(), String> {
        Tool::read(&repository()).unwrap().judge(&repository(), command)
    }

    #[test]
    fn commands_are_found_with_their_lines() {
        let page = "# One\n\n```sh\ncargo lab a\n# a remark\ncargo book build   # and one more\n```\n\n```console\n$ lsm get db fig\ngreen\n```\n\n```text\nnot this\n```\n";
        let found = [(4, "cargo lab a"), (6, "cargo book build"), (10, "lsm get db fig")];
        assert_eq!(commands(page), found.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn what_can_be_typed_is_sound() {
        for command in [
            "cargo lab flipped-bits",
            "cargo book serve",
            "cargo run --release -- tour",
            "cargo run --release -- dump FILE --hex",
            "cargo run --release -- put fruit.db fig green --sync",
            "cargo test -p stage2-wal --lib journal",
            "lsm explain words.db fig",
        ] {
            assert_eq!(judged(command), Ok(()), "{command}");
        }
    }

    #[test]
    fn what_cannot_be_typed_is_said_to_be_wrong() {
        for command in [
            "cargo lab flipped-bytes",
            "cargo book burn",
            "cargo run --release -- tuor",
            "cargo run --release -- put fruit.db fig green --snyc",
            "cargo test -p stage9-cloud",
            "cargo run -p stage2-wal --example nothing",
            "make",
        ] {
            assert!(judged(command).is_err(), "{command}");
        }
    }
}
