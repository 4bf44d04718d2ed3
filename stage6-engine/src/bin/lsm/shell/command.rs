//! Words, understood as a command.
//!
//! [`FORMS`] says what there is, and is what `help` prints and completion offers;
//! [`parse`] says what it means.

use std::ops::Bound;
use std::path::PathBuf;

use super::words::Word;
use crate::args::Listing;
use crate::failure::Failure;
use crate::{show, tsv};

/// How a command is written.
pub(super) struct Form {
    pub(super) name: &'static str,
    /// What follows it; in brackets what may be left out.
    pub(super) arguments: &'static str,
    pub(super) purpose: &'static str,
}

const fn form(name: &'static str, arguments: &'static str, purpose: &'static str) -> Form {
    Form { name, arguments, purpose }
}

/// Every command, in the order of `help`.
pub(super) const FORMS: [Form; 19] = [
    form("put", "KEY VALUE", "give a key a value"),
    form("get", "KEY [@NAME]", "print the value of a key"),
    form("delete", "KEY", "delete a key, whether or not it has a value"),
    form("scan", "[FROM [TO]] [@NAME] [OPTIONS]", "print the entries from FROM on, and before TO"),
    form("prefix", "PREFIX [@NAME] [OPTIONS]", "print the entries whose keys begin with PREFIX"),
    form(
        "batch",
        "begin|commit|abort",
        "put and delete together: all at the commit, or nothing; reads do not see it before",
    ),
    form("snapshot", "[NAME]", "keep the database as it is now under a name; without one, list them"),
    form("drop", "NAME", "let a snapshot go"),
    form("flush", "", "write the memtable to a table"),
    form("compact", "[FROM [TO]]", "merge the tables with keys from FROM on, and before TO, into one level"),
    form("stats", "", "print counts and sizes"),
    form("status", "", "whether it takes writes, what presses back, what is due"),
    form("levels", "", "draw the levels"),
    form("explain", "KEY", "show what looking up a key asks, twice"),
    form("verify", "", "read all of it, and check every checksum, order and count"),
    form("checkpoint", "DIR", "make a second database of the same contents, by links"),
    form("help", "[COMMAND]", "print this, or one line of it"),
    form("quit", "", "end, as the end of the input does"),
    form("exit", "", "the same"),
];

/// What `OPTIONS` stands for.
pub(super) const OPTIONS: [&str; 3] = ["--limit", "--reverse", "--keys-only"];

impl Form {
    pub(super) fn of(name: &[u8]) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.name.as_bytes() == name)
    }

    /// The command with its arguments.
    pub(super) fn usage(&self) -> String {
        format!("{} {}", self.name, self.arguments).trim_end().to_owned()
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Put { key: Vec<u8>, value: Vec<u8> },
    Get { key: Vec<u8>, at: Option<Vec<u8>> },
    Delete { key: Vec<u8> },
    Scan { stretch: Stretch, at: Option<Vec<u8>>, listing: Listing },
    Prefix { prefix: Vec<u8>, at: Option<Vec<u8>>, listing: Listing },
    BatchBegin,
    BatchCommit,
    BatchAbort,
    Snapshot { name: Vec<u8> },
    Snapshots,
    Drop { name: Vec<u8> },
    Flush,
    Compact { stretch: Stretch },
    Stats,
    Status,
    Levels,
    Explain { key: Vec<u8> },
    Verify,
    Checkpoint { target: PathBuf },
    Help { command: Option<Vec<u8>> },
    Quit,
}

/// Keys from one on, and before another.
pub(super) type Stretch = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What stands behind the name of a command. Whatever a command does not take out
/// of it has no place there.
#[derive(Default)]
struct Arguments {
    plain: Vec<Vec<u8>>,
    at: Option<Vec<u8>>,
    listing: Option<Listing>,
}

/// Understands a line. None for one without words.
pub(super) fn parse(words: Vec<Word>) -> Result<Option<Command>, Failure> {
    let mut words = words.into_iter();
    let Some(name) = words.next() else { return Ok(None) };
    let form = Form::of(&name.bytes).ok_or_else(|| unknown(&name.bytes))?;
    let wrong = || Failure::Command { what: format!("the command is: {}", form.usage()) };
    let mut arguments = sort(words).ok_or_else(wrong)?;
    let command = understand(form.name, &mut arguments).ok_or_else(wrong)?;
    if arguments.at.is_some() || arguments.listing.is_some() {
        return Err(wrong());
    }
    Ok(Some(command))
}

pub(super) fn unknown(name: &[u8]) -> Failure {
    let shown = show::shortened(&tsv::escaped(name), 40);
    Failure::Command { what: format!("there is no command {shown}; `help` lists those there are") }
}

/// Parts what is plain from what has a sign. None for an option that is none.
fn sort(mut words: impl Iterator<Item = Word>) -> Option<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        if let Some(name) = word.behind("@") {
            let is_second = arguments.at.replace(name.to_vec()).is_some();
            if is_second || name.is_empty() {
                return None;
            }
        } else if let Some(option) = word.behind("--") {
            let listing = arguments.listing.get_or_insert_default();
            match option {
                b"reverse" => listing.reverse = true,
                b"keys-only" => listing.keys_only = true,
                b"limit" => listing.limit = Some(str::from_utf8(&words.next()?.bytes).ok()?.parse().ok()?),
                _ => return None,
            }
        } else {
            arguments.plain.push(word.bytes);
        }
    }
    Some(arguments)
}

/// None when the arguments are not those of the command.
fn understand(name: &str, arguments: &mut Arguments) -> Option<Command> {
    let plain = std::mem::take(&mut arguments.plain);
    let mut at = || arguments.at.take();
    let mut listing = || arguments.listing.take().unwrap_or_default();
    Some(match (name, &plain[..]) {
        ("put", [key, value]) => Command::Put { key: key.clone(), value: value.clone() },
        ("get", [key]) => Command::Get { key: key.clone(), at: at() },
        ("delete", [key]) => Command::Delete { key: key.clone() },
        ("scan", ends) => Command::Scan { stretch: stretch(ends)?, at: at(), listing: listing() },
        ("prefix", [prefix]) => Command::Prefix { prefix: prefix.clone(), at: at(), listing: listing() },
        ("batch", [step]) => match &step[..] {
            b"begin" => Command::BatchBegin,
            b"commit" => Command::BatchCommit,
            b"abort" => Command::BatchAbort,
            _ => return None,
        },
        ("snapshot", []) => at().map_or(Command::Snapshots, |name| Command::Snapshot { name }),
        ("snapshot", [name]) if !name.is_empty() => Command::Snapshot { name: name.clone() },
        ("drop", []) => Command::Drop { name: at()? },
        ("drop", [name]) => Command::Drop { name: name.clone() },
        ("flush", []) => Command::Flush,
        ("compact", ends) => Command::Compact { stretch: stretch(ends)? },
        ("stats", []) => Command::Stats,
        ("status", []) => Command::Status,
        ("levels", []) => Command::Levels,
        ("explain", [key]) => Command::Explain { key: key.clone() },
        ("verify", []) => Command::Verify,
        ("checkpoint", [target]) => {
            Command::Checkpoint { target: PathBuf::from(str::from_utf8(target).ok()?) }
        }
        ("help", []) => Command::Help { command: None },
        ("help", [command]) => Command::Help { command: Some(command.clone()) },
        ("quit" | "exit", []) => Command::Quit,
        _ => return None,
    })
}

fn stretch(ends: &[Vec<u8>]) -> Option<Stretch> {
    let from = |key: &Vec<u8>| Bound::Included(key.clone());
    match ends {
        [] => Some((Bound::Unbounded, Bound::Unbounded)),
        [first] => Some((from(first), Bound::Unbounded)),
        [first, end] => Some((from(first), Bound::Excluded(end.clone()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::words::split;

    fn parsed(line: &str) -> Result<Option<Command>, String> {
        parse(split(line.as_bytes()).unwrap()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn options_and_snapshots_stand_anywhere_behind_the_command() {
        let listing = Listing { limit: Some(3), reverse: true, keys_only: false };
        let stretch = (Bound::Included(b"b".to_vec()), Bound::Unbounded);
        let wanted = Command::Scan { stretch, at: Some(b"then".to_vec()), listing };
        assert_eq!(parsed("scan @then --limit 3 b --reverse"), Ok(Some(wanted)));
        let key = b"@then".to_vec();
        assert_eq!(parsed(r#"get "@then""#), Ok(Some(Command::Get { key, at: None })));
    }

    #[test]
    fn what_a_command_does_not_take_is_told_with_its_form() {
        for line in [
            "put fig",
            "put a b @c",
            "put a b --limit 3",
            "get a @",
            "get a @b @c",
            "scan a b c",
            "scan --limit few",
            "scan --limit",
            "scan --all",
            "batch end",
            "drop",
            "snapshot \"\"",
            "flush now",
            "quit now",
        ] {
            let name = line.split(' ').next().unwrap();
            let told = format!("the command is: {}", Form::of(name.as_bytes()).unwrap().usage());
            assert_eq!(parsed(line), Err(told), "{line}");
        }
        assert!(parsed("sing").unwrap_err().starts_with("there is no command sing;"));
        assert_eq!(parsed("  # sing"), Ok(None));
    }

    #[test]
    fn every_form_is_understood() {
        for form in &FORMS {
            let least: Vec<&str> =
                form.arguments.split(' ').take_while(|word| !word.starts_with('[')).collect();
            let line = format!("{} {}", form.name, least.join(" ").replace("begin|commit|abort", "begin"));
            assert!(parsed(&line).is_ok(), "{line}");
        }
    }
}
