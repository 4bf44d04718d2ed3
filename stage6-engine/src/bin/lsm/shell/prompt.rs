//! A person at a terminal: a line that can be edited, remembered and completed.
//!
//! ```text
//!   lsm> get ser⇥            the first keys that begin so, and the last
//!   lsm> ba⇥                 a command; behind it what its form says
//! ```
//!
//! Lines are remembered in memory. Keys and values may be nobody else's business,
//! so they go to a file only for a person who names one.

use std::io::{self, Write};
use std::path::Path;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use stage6_engine::{Db, Read};

use super::command::{FORMS, Form, OPTIONS};
use super::complain;
use super::session::{Flow, Session};
use super::words::{self, Word};
use crate::failure::Failure;
use crate::show;

/// So many lines are remembered.
const HISTORY_LINES: usize = 1_000;

/// So many keys are offered: a screen of them.
const KEYS_OFFERED: usize = 50;

/// Asks for lines and answers them, up to Ctrl-D or a `quit`. Ctrl-C takes back
/// the line that is typed.
pub(super) fn converse(
    session: &mut Session,
    history: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut editor = editor().map_err(of_terminal)?;
    if let Some(path) = history {
        remember(&mut editor, path)?;
    }
    greet(session, out)?;
    loop {
        out.flush()?;
        editor.set_helper(Some(Completion { db: session.db().clone(), snapshots: session.snapshot_names() }));
        let line = match editor.readline(&session.prompt()) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(of_terminal(error)),
        };
        if let Some(path) = history {
            editor.append_history(path).map_err(of_history("write", path))?;
        }
        match session.answer(line.as_bytes(), out) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Quit) => return Ok(()),
            Err(failure) => complain(&failure.to_string()),
        }
    }
}

fn editor() -> rustyline::Result<Editor<Completion, FileHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .auto_add_history(true)
        .completion_type(CompletionType::List);
    Editor::with_config(config.build())
}

/// Loads what was typed earlier; a file that is not there yet is made now, so that a
/// path that cannot be written is told at once.
fn remember(editor: &mut Editor<Completion, FileHistory>, path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return editor.load_history(path).map_err(of_history("read", path));
    }
    editor.save_history(path).map_err(of_history("create", path))
}

fn greet(session: &Session, out: &mut dyn Write) -> Result<(), Failure> {
    let stats = session.db().stats();
    let tables = show::counted(stats.tables, "table");
    let size = show::size(stats.table_bytes);
    let sequence = show::number(stats.visible_sequence);
    writeln!(out, "{tables} of {size}, up to write {sequence}. `help` lists the commands, Ctrl-D ends.")?;
    Ok(())
}

fn of_terminal(error: ReadlineError) -> Failure {
    of_history("read", Path::new("the terminal"))(error)
}

fn of_history(operation: &'static str, path: &Path) -> impl FnOnce(ReadlineError) -> Failure {
    move |error| {
        let source = match error {
            ReadlineError::Io(source) => source,
            error => io::Error::other(error.to_string()),
        };
        Failure::file(operation, path)(source)
    }
}

/// What the word that is being typed may become.
struct Completion {
    db: Db,
    snapshots: Vec<Vec<u8>>,
}

impl Completion {
    /// The words that `begun` may become, behind `words`.
    fn offers(&self, words: &[Word], begun: &Word) -> Vec<String> {
        let Some((command, arguments)) = words.split_first() else {
            return beginning_with(begun, FORMS.iter().map(|form| form.name));
        };
        let Some(form) = Form::of(&command.bytes) else { return Vec::new() };
        let takes = |argument| form.arguments.contains(argument);
        if let Some(name) = begun.behind("@") {
            return if takes("@NAME") { self.names(name, "@") } else { Vec::new() };
        }
        if begun.behind("-").is_some() {
            return if takes("OPTIONS") { beginning_with(begun, OPTIONS) } else { Vec::new() };
        }
        let place = arguments.iter().filter(|word| word.behind("@").is_none() && word.behind("--").is_none());
        let argument = form.arguments.split(' ').nth(place.count()).unwrap_or_default();
        match argument.trim_matches(['[', ']']) {
            "KEY" | "FROM" | "TO" | "PREFIX" => self.keys(&begun.bytes),
            "NAME" => self.names(&begun.bytes, ""),
            "COMMAND" => beginning_with(begun, FORMS.iter().map(|form| form.name)),
            steps if steps.contains('|') => beginning_with(begun, steps.split('|')),
            _ => Vec::new(),
        }
    }

    /// The first keys that begin so; and the last, because what is common to the
    /// first and the last is common to all, and only that may be filled in.
    fn keys(&self, prefix: &[u8]) -> Vec<String> {
        let mut range = self.db.prefix(prefix);
        let last = range.next_back();
        let keys = range.take(KEYS_OFFERED - 1).chain(last);
        keys.map_while(Result::ok).map(|(key, _)| words::written(&key)).collect()
    }

    fn names(&self, prefix: &[u8], sign: &str) -> Vec<String> {
        let names = self.snapshots.iter().filter(|name| name.starts_with(prefix));
        names.map(|name| format!("{sign}{}", words::written(name))).collect()
    }
}

fn beginning_with<'a>(begun: &Word, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let candidates =
        candidates.into_iter().filter(|candidate| candidate.as_bytes().starts_with(&begun.bytes));
    candidates.map(str::to_owned).collect()
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let Some((words, begun)) = words::split_unfinished(&line.as_bytes()[..cursor]) else {
            return Ok((cursor, Vec::new()));
        };
        let mut offers = self.offers(&words, &begun);
        if let [only] = &mut offers[..] {
            only.push(' ');
        }
        Ok((begun.begin, offers))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

impl Validator for Completion {}

impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(line: &str) -> Vec<String> {
        let db = Db::builder().open_in_memory().unwrap();
        for key in ["fig", "figment", "light green", "kiwi"] {
            db.put(key, "").unwrap();
        }
        let completion = Completion { db, snapshots: vec![b"then".to_vec()] };
        let (words, begun) = words::split_unfinished(line.as_bytes()).unwrap();
        completion.offers(&words, &begun)
    }

    #[test]
    fn a_word_becomes_what_the_form_of_its_command_says() {
        assert_eq!(offers("co"), ["compact"]);
        assert_eq!(offers("get fi"), ["fig", "figment"]);
        assert_eq!(offers("get li"), [r#""light green""#]);
        assert_eq!(offers(r#"get "light g"#), [r#""light green""#]);
        assert_eq!(offers("scan --reverse @then fig k"), ["kiwi"]);
        assert_eq!(offers("scan @t"), ["@then"]);
        assert_eq!(offers("scan --ke"), ["--keys-only"]);
        assert_eq!(offers("drop "), ["then"]);
        assert_eq!(offers("batch a"), ["abort"]);
        assert_eq!(offers("help pre"), ["prefix"]);
    }

    #[test]
    fn nothing_is_offered_where_nothing_is_known() {
        for line in ["put fig ", "get @x", "put @", "sing ", "checkpoint ", "get zz", "stats f"] {
            assert_eq!(offers(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn of_many_keys_the_first_and_the_last_are_offered() {
        let db = Db::builder().open_in_memory().unwrap();
        for number in 0..1_000 {
            db.put(format!("key{number:03}"), "").unwrap();
        }
        let keys = Completion { db, snapshots: vec![] }.keys(b"key");
        assert_eq!(
            (keys.len(), &keys[0][..], &keys[48][..], &keys[49][..]),
            (50, "key000", "key048", "key999")
        );
    }
}
