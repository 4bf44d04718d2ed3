//! A database held open, and commands to it.
//!
//! ```text
//!   terminal ──▶ prompt ─┐
//!                        ├─ a line ──▶ words ──▶ command ──▶ session ──▶ the database
//!   a pipe ──▶ script ───┘
//! ```
//!
//! The commands do what the verbs of the tool do, by the same code. What only a
//! database that stays open can have is here alone: snapshots with names, and a
//! batch that is written when it is complete.
//!
//! A command that fails ends nothing: its error is one line, and the next command
//! is read. At a terminal a person has seen it; a script ends with exit code 1.

mod words;
mod command;
mod session;
mod prompt;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use crate::args;
use crate::database::{open_to_read, open_to_write};
use crate::failure::Failure;
use crate::show;
use session::{Flow, Session};

pub(crate) fn shell(args: &args::Shell, out: &mut dyn Write) -> Result<(), Failure> {
    let db = match args.read_only {
        true => open_to_read(&args.directory)?,
        false => open_to_write(&args.directory, false)?,
    };
    let mut session = Session::new(db);
    let outcome = match io::stdin().is_terminal() && io::stdout().is_terminal() {
        true => prompt::converse(&mut session, args.history.as_deref(), out),
        false => run_script(&mut session, &mut io::stdin().lock(), out),
    };
    session.end().and(outcome)
}

/// Does what each line says, up to the end of `input` or a `quit`.
fn run_script(session: &mut Session, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), Failure> {
    let mut failed = 0;
    for number in 1.. {
        let mut line = Vec::new();
        let length = input.read_until(b'\n', &mut line);
        if length.map_err(Failure::file("read", Path::new("the standard input")))? == 0 {
            break;
        }
        match session.answer(&line, out) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Quit) => break,
            // Nobody reads what comes out: no command can be answered any more.
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => {
                failed += 1;
                complain(&format!("line {number}: {failure}"));
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Commands { failed }) }
}

fn complain(message: &str) {
    eprintln!("lsm: {}", show::on_one_line(message));
}
