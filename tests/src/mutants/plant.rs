//! Puts mutants into a copy of the sources.
//!
//! **INV-PLANT-1** A patch applies to the item that it names, and its text stands
//! there exactly once: whoever changes that line is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use super::table::Mutant;

/// Says which mutant lives.
pub const ALIVE: &str = "TORTURE_MUTANT";

/// In a replacement, what is true while its mutant lives. A replacement without it
/// stands for the text found, in the other branch of a condition.
pub const IS_ALIVE: &str = "{alive}";

/// What each crate that has mutants gets at the end of its `lib.rs`.
const QUESTION: &str = r#"
/// Whether this mutant lives.
pub fn planted(mutant: &str) -> bool {
    static ALIVE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ALIVE.get_or_init(|| std::env::var("TORTURE_MUTANT").unwrap_or_default()) == mutant
}
"#;

/// A mutant is to be noticed, not explained: shrinking its failures would take longer
/// than finding them.
const SHRINK: (&str, &str, &str) =
    ("tests/src/shrink.rs", "const QUESTIONS: usize = 300;", "const QUESTIONS: usize = 0;");

/// The text of files, by their names in the workspace.
pub type Sources = BTreeMap<String, Vec<u8>>;

/// All that git knows of `workspace`.
///
/// # Errors
/// That of git or of a file.
pub fn sources(workspace: &Path) -> io::Result<Sources> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(workspace).output()?;
    if !listed.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&listed.stderr).into_owned()));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let there = names.split_terminator('\0').filter(|name| workspace.join(name).is_file());
    there.map(|name| Ok((name.to_owned(), fs::read(workspace.join(name))?))).collect()
}

/// Writes what is not there already, so that the next build has less to do.
///
/// # Errors
/// That of a file.
pub fn write(sources: &Sources, copy: &Path) -> io::Result<()> {
    for (name, bytes) in sources {
        let path = copy.join(name);
        if fs::read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Plants `mutants`.
///
/// # Errors
/// Why one does not apply, in words.
pub fn plant(sources: &mut Sources, mutants: &[Mutant]) -> Result<(), String> {
    let crates: BTreeSet<&str> = mutants.iter().map(|mutant| crate_of(mutant.file)).collect();
    for name in crates {
        change(sources, &format!("{name}/src/lib.rs"), |text| Ok(format!("{text}{QUESTION}")))?;
    }
    let (file, find, without) = SHRINK;
    change(sources, file, |text| match text.contains(find) {
        true => Ok(text.replace(find, without)),
        false => Err(format!("`{find}` is not in {file}")),
    })?;
    mutants.iter().try_for_each(|mutant| change(sources, mutant.file, |text| planted(text, mutant)))
}

fn change(
    sources: &mut Sources,
    file: &str,
    change: impl FnOnce(&str) -> Result<String, String>,
) -> Result<(), String> {
    let bytes = sources.get_mut(file).ok_or_else(|| format!("there is no {file}"))?;
    *bytes = change(&String::from_utf8_lossy(bytes))?.into_bytes();
    Ok(())
}

fn crate_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// `text` with the mutant beside what it replaces.
///
/// # Errors
/// Why it does not apply, in words.
pub fn planted(text: &str, mutant: &Mutant) -> Result<String, String> {
    let Mutant { id, file, item, find, replace, .. } = mutant;
    let span = item_span(text, item).ok_or_else(|| format!("{id}: {file} has no `{item}`, or several"))?;
    let places: Vec<usize> = text[span.clone()].match_indices(find).map(|(at, _)| span.start + at).collect();
    let [at] = places[..] else {
        return Err(format!("{id}: `{find}` stands {} times in `{item}` of {file}", places.len()));
    };
    let alive = format!("crate::planted(\"{id}\")");
    let mutated = match (replace.contains(IS_ALIVE), find.ends_with(';')) {
        (true, _) => replace.replace(IS_ALIVE, &alive),
        (false, true) => format!("if {alive} {{ {replace} }} else {{ {find} }}"),
        (false, false) => format!("(if {alive} {{ {replace} }} else {{ {find} }})"),
    };
    Ok([&text[..at], &mutated, &text[at + find.len()..]].concat())
}

/// From the line on which the item begins to the brace that ends it, which formatted
/// code has at the same depth. `None` if there is no such item, or more than one.
fn item_span(text: &str, item: &str) -> Option<Range<usize>> {
    let mut begins = text.match_indices(item).filter(|(at, _)| is_definition(text, *at, item));
    let (at, None) = (begins.next()?.0, begins.next()) else { return None };
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let depth = text[line..].len() - text[line..].trim_start_matches(' ').len();
    let end = format!("\n{}}}", " ".repeat(depth));
    let length = text[line..].find(&format!("{end}\n"))?;
    Some(line..line + length + end.len())
}

/// Whether the line defines the item, whose name ends there unless it goes on with
/// what tells it from another.
fn is_definition(text: &str, at: usize, item: &str) -> bool {
    let before = text[..at].rsplit('\n').next().unwrap_or_default().trim_start();
    let is_visible = matches!(before, "" | "pub " | "pub(crate) " | "pub(super) ");
    is_visible && (item.contains(['(', '<']) || text[at + item.len()..].starts_with(['(', '<', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn one() {\n    sync()?;\n    go(a == b);\n}\n\nimpl A {\n    pub fn two() {\n        sync()?;\n    }\n}\n";

    fn mutant(item: &'static str, find: &'static str, replace: &'static str) -> Mutant {
        Mutant { id: "m", bug: "", file: "a/src/a.rs", item, find, replace, suite: "crash" }
    }

    #[test]
    fn a_statement_stands_beside_its_mutant_in_the_item_that_was_named() {
        let text = planted(TEXT, &mutant("fn two", "sync()?;", "")).unwrap();
        assert_eq!(text.matches("sync()?;").count(), 2);
        assert!(text.ends_with("{\n        if crate::planted(\"m\") {  } else { sync()?; }\n    }\n}\n"));
    }

    #[test]
    fn an_expression_stays_an_expression() {
        let text = planted(TEXT, &mutant("fn one", "a == b", "true")).unwrap();
        assert!(text.contains("go((if crate::planted(\"m\") { true } else { a == b }));"));
    }

    #[test]
    fn a_replacement_may_ask_by_itself() {
        let text = planted(TEXT, &mutant("fn one", "a == b", "a == b || {alive}")).unwrap();
        assert!(text.contains("go(a == b || crate::planted(\"m\"));"));
    }

    #[test]
    fn text_that_is_not_there_once_is_an_error() {
        assert!(
            planted(TEXT, &mutant("fn three", "sync()?;", "")).unwrap_err().contains("has no `fn three`")
        );
        assert!(planted(TEXT, &mutant("fn one", "flush()", "")).unwrap_err().contains("0 times"));
        assert!(planted(TEXT, &mutant("impl A", "(", "")).unwrap_err().contains("2 times"));
    }
}
