//! `cargo book` and `cargo lab`.

use std::io::{stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use book::labs::{self, LABS};
use book::{check, render, serve};
use mdbook_driver::errors::{Error, Result};

const HELP: &str = "\
Builds, checks and serves the book of this workspace, and runs its experiments.

Usage: cargo book <build | check | serve [PORT]>
       cargo lab [NAME [--bless]]

  build   writes the pages to book/book; begin with book/book/index.html
  check   fails where book and code disagree: a name that is gone, an output that
          differs, a dead link, a command that cannot be typed
  serve   the book on a port of this machine, built again when something changes
  lab     runs an experiment; without a name, lists them. --bless keeps what it
          counts as the snapshot that the book shows and a test compares
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["build"] => build(),
        ["check"] => check(),
        ["serve"] => serve::serve(&repository(), serve::PORT),
        ["serve", port] => {
            port.parse().map_err(Error::from).and_then(|port| serve::serve(&repository(), port))
        }
        ["lab"] => list_labs(),
        ["lab", name] => lab(name, false),
        ["lab", name, "--bless"] => lab(name, true),
        // A stock mdbook asks first whether HTML is understood.
        ["preprocess", "supports", _] => Ok(ExitCode::SUCCESS),
        ["preprocess"] => render::preprocess(stdin(), stdout()).map(|()| ExitCode::SUCCESS),
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("{HELP}");
            Ok(ExitCode::from(2))
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn build() -> Result<ExitCode> {
    render::load(Path::new(env!("CARGO_MANIFEST_DIR")))?.build()?;
    println!("The book begins at book/book/index.html.");
    Ok(ExitCode::SUCCESS)
}

fn check() -> Result<ExitCode> {
    let report = check::check(&repository())?;
    for finding in &report.findings {
        eprintln!("{finding}");
    }
    println!("{report}");
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list_labs() -> Result<ExitCode> {
    let width = LABS.iter().map(|lab| lab.name.len()).max().unwrap_or_default();
    for lab in LABS {
        let place = match lab.chapter {
            labs::APPENDIX => "appendix".to_owned(),
            chapter => format!("chapter {chapter:>2}"),
        };
        println!("{:<width$}  {place:<10}: {}", lab.name, lab.about);
    }
    Ok(ExitCode::SUCCESS)
}

fn lab(name: &str, bless: bool) -> Result<ExitCode> {
    let Some(lab) = labs::find(name) else {
        eprintln!("no lab is called {name}; there are:");
        list_labs()?;
        return Ok(ExitCode::FAILURE);
    };
    let output = lab.run().map_err(|error| Error::msg(error.to_string()))?;
    print!("{}", output.counts());
    if !output.times().is_empty() {
        println!("\nOn this machine, this time:\n{}", output.times());
    }
    if bless {
        labs::bless(&repository(), lab, &output)?;
        eprintln!("kept as {}", labs::snapshot_path(name).display());
    }
    Ok(ExitCode::SUCCESS)
}
