//! What the tour prints: headings, sentences, pictures, and claims.
//!
//! **INV-TOUR-1** Whoever calls [`Report::claim`] has just compared; the report
//! counts, and [`Report::verdict`] fails when one claim has.

use std::io::{IsTerminal, Write};

use crate::failure::Failure;
use crate::show;

pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    is_bold: bool,
    chapters: usize,
    made: usize,
    failed: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Report<'a> {
        let wants_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_bold = std::io::stdout().is_terminal() && !wants_plain;
        Report { out, is_bold, chapters: 0, made: 0, failed: 0 }
    }

    pub(super) fn title(&mut self, title: &str) -> Result<(), Failure> {
        self.emphasised(title)?;
        self.line(&"=".repeat(title.chars().count()))
    }

    /// Begins a chapter.
    pub(super) fn heading(&mut self, heading: &str) -> Result<(), Failure> {
        self.chapters += 1;
        self.line("")?;
        self.emphasised(&format!("== {}. {heading} ==", self.chapters))
    }

    /// A paragraph, broken into lines.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.wrapped("", text)
    }

    /// A name and what there is to say about it.
    pub(super) fn item(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        self.wrapped(&format!("{name:11}"), text)
    }

    /// A line as it is: part of a picture.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// A line of a picture or a list, set in.
    pub(super) fn indented(&mut self, line: &str) -> Result<(), Failure> {
        self.line(&format!("   {line}"))
    }

    /// Says that something was compared, and whether it `holds`.
    pub(super) fn claim(&mut self, holds: bool, claim: &str) -> Result<(), Failure> {
        self.made += 1;
        self.failed += usize::from(!holds);
        self.wrapped(if holds { "checked: " } else { "FAILED: " }, claim)
    }

    /// A claim that a check of the database's own has made; its error says what is
    /// wrong.
    pub(super) fn claim_without_error(
        &mut self,
        outcome: &stage6_engine::Result<()>,
        claim: &str,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(()) => self.claim(true, claim),
            Err(error) => self.claim(false, &format!("{claim}: {error}")),
        }
    }

    /// How many claims were made, and whether all of them hold.
    pub(super) fn verdict(&mut self) -> Result<(), Failure> {
        match self.failed {
            0 => self.line(&format!("All {} claims hold.", self.made)),
            failed => Err(Failure::Claims { failed, made: self.made }),
        }
    }

    fn emphasised(&mut self, text: &str) -> Result<(), Failure> {
        match self.is_bold {
            true => self.line(&format!("\x1b[1m{text}\x1b[0m")),
            false => self.line(text),
        }
    }

    fn wrapped(&mut self, first: &str, text: &str) -> Result<(), Failure> {
        show::wrapped(first, &show::on_one_line(text)).iter().try_for_each(|line| self.line(line))
    }
}
