//! Builds the book, and checks that the book and the code agree.
//!
//! ```text
//!   chapters/*.md ──render──▶ book/*.html
//!        │                        │ the ids of each page
//!        ▼                        ▼
//!      links, directives ─────▶ check ◀───── the paths of the repository
//! ```
//!
//! mdBook comes in through its library, so nothing has to be installed. It passes
//! over a dead link in silence; the check does not.
//!
//! - [`render`]: Markdown to pages.
//! - [`links`]: what a page points at.
//! - [`check`](mod@check): the laws that every page keeps.

mod render;
mod links;
mod check;

use std::path::Path;
use std::process::ExitCode;

use mdbook_driver::errors::Result;

const HELP: &str = "\
Builds and checks the book of this workspace.

Usage: cargo book <build | check>

  build   writes the pages to book/book; begin with book/book/index.html
  check   fails on a dead link, a linked path that is not in the repository,
          and a directive that nobody replaced
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["build"] => build(),
        ["check"] => check(),
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<ExitCode> {
    let book = render::load(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    book.build()?;
    println!("The book begins at book/book/index.html.");
    Ok(ExitCode::SUCCESS)
}

fn check() -> Result<ExitCode> {
    let report = check::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    for finding in &report.findings {
        eprintln!("{finding}");
    }
    println!("{} pages, {} links, {} findings", report.pages, report.links, report.findings.len());
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
