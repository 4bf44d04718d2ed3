//! `cargo mutants`: plants bugs in a copy of the workspace and asks which suite
//! notices each.
//!
//! ```text
//!   copy ─▶ plant all ─▶ one build ─▶ none alive:  every suite holds
//!                                     each alive:  its suite in the short form, and
//!                                                  if that holds, all others
//!                                                          │
//!                                     tests/MUTANTS.md ◀───┘
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::mutants::plant::{ALIVE, plant, sources, write};
use tests::mutants::table::{MUTANTS, Mutant};
use tests::suites::SUITES;

/// No short form takes so long, even on a busy machine, once it is built.
const HANG: Duration = Duration::from_secs(300);

/// Plants known bugs, one at a time, and asks which suite notices each.
///
/// Writes what came of it to tests/MUTANTS.md, where the lines of others stay. Ends with
/// exit code 1 if one was not caught by the suite that is named for it.
#[derive(Debug, Parser)]
#[command(name = "cargo mutants", version)]
struct Arguments {
    /// Plant this one (repeat it for several) instead of all.
    #[arg(long, value_name = "ID")]
    mutant: Vec<String>,

    /// Only list them.
    #[arg(long)]
    list: bool,
}

/// How a suite noticed a mutant.
struct Catch {
    suite: &'static str,
    seed: Option<String>,
    /// The first line that it said.
    what: String,
    after: Duration,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        MUTANTS.iter().for_each(|mutant| println!("{:26} {:8} {}", mutant.id, mutant.suite, mutant.bug));
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("{missed} were not caught by the suite named for them.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many were not caught by their suite.
fn run(arguments: &Arguments) -> io::Result<usize> {
    let is_chosen =
        |mutant: &&Mutant| arguments.mutant.is_empty() || arguments.mutant.contains(&mutant.id.to_owned());
    let chosen: Vec<&Mutant> = MUTANTS.iter().filter(is_chosen).collect();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let bench = Bench::build(&workspace)?;
    bench.check_unplanted(&chosen)?;
    let bar = bar(chosen.len());
    let mut rows = Vec::new();
    for mutant in chosen {
        bar.set_message(mutant.id);
        let catch = bench.catch(mutant)?;
        bar.suspend(|| println!("{}", in_words(mutant, catch.as_ref())));
        rows.push((mutant, catch));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let path = workspace.join("tests/MUTANTS.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, page(&before, &rows))?;
    let is_missed = |(mutant, catch): &&(&Mutant, Option<Catch>)| {
        catch.as_ref().is_none_or(|catch| catch.suite != mutant.suite)
    };
    Ok(rows.iter().filter(is_missed).count())
}

fn bar(count: usize) -> ProgressBar {
    let template = "[{bar:30}] {pos} of {len} mutants, {elapsed}: {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is ours").progress_chars("█ ");
    let bar = ProgressBar::new(count as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The planted copy, built.
struct Bench {
    torture: PathBuf,
    output: PathBuf,
}

impl Bench {
    fn build(workspace: &Path) -> io::Result<Bench> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(workspace.join("target"), PathBuf::from);
        let folder = target.join("mutants");
        let copy = folder.join("workspace");
        let mut planted = sources(workspace)?;
        plant(&mut planted, MUTANTS).map_err(io::Error::other)?;
        write(&planted, &copy)?;
        eprintln!("building {} mutants in {}", MUTANTS.len(), copy.display());
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "build",
                "--quiet",
                "--locked",
                "-p",
                "tests",
                "--bin",
                "torture",
                "--no-default-features",
            ])
            .current_dir(&copy)
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTFLAGS", "--allow warnings")
            .status()?;
        match built.success() {
            true => Ok(Bench { torture: folder.join("debug/torture"), output: folder.join("output.txt") }),
            false => Err(io::Error::other("the planted copy does not compile")),
        }
    }

    /// With no mutant alive, the suites hold: otherwise nothing is shown.
    fn check_unplanted(&self, chosen: &[&Mutant]) -> io::Result<()> {
        for suite in SUITES.iter().filter(|suite| chosen.iter().any(|mutant| mutant.suite == suite.name)) {
            if let Some(catch) = self.ask(suite.name, "")? {
                let what = format!("{} fails with no mutant alive: {}", suite.name, catch.what);
                return Err(io::Error::other(what));
            }
        }
        Ok(())
    }

    /// Asks the suite of this mutant, and then all others.
    fn catch(&self, mutant: &Mutant) -> io::Result<Option<Catch>> {
        let others = SUITES.iter().filter(|suite| suite.name != mutant.suite);
        let own = SUITES.iter().filter(|suite| suite.name == mutant.suite);
        for suite in own.chain(others) {
            if let Some(catch) = self.ask(suite.name, mutant.id)? {
                return Ok(Some(catch));
            }
        }
        Ok(None)
    }

    /// Runs the short form of `suite`, with `mutant` alive.
    fn ask(&self, suite: &'static str, mutant: &str) -> io::Result<Option<Catch>> {
        let (begin, output) = (Instant::now(), File::create(&self.output)?);
        let mut child = Command::new(&self.torture)
            .args(["--suite", suite, "--short"])
            .env(ALIVE, mutant)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut is_hanging = false;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if !mutant.is_empty() && begin.elapsed() > HANG {
                is_hanging = true;
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let text = String::from_utf8_lossy(&fs::read(&self.output)?).into_owned();
        Ok((!status.success()).then(|| Catch {
            suite,
            seed: value_of(&text, "seed"),
            what: if is_hanging { "it does not end".to_owned() } else { what_it_said(suite, &text) },
            after: begin.elapsed(),
        }))
    }
}

/// The value of a line of a failure.
fn value_of(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  ")?.strip_prefix(name));
    lines.map(|value| value.trim().to_owned()).next()
}

/// The failure's first line; without one, the last that was said.
fn what_it_said(suite: &str, text: &str) -> String {
    let failure = text.lines().find_map(|line| line.strip_prefix(suite)?.strip_prefix(": "));
    let line = failure.or_else(|| text.lines().rfind(|line| !line.trim().is_empty())).unwrap_or_default();
    let mut line = line.to_owned();
    if let Some((cut, _)) = line.char_indices().nth(160) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

fn in_words(mutant: &Mutant, catch: Option<&Catch>) -> String {
    match catch {
        Some(catch) => {
            let Catch { suite, what, after, .. } = catch;
            format!("{:26} {suite:8} {:5.1} s  {what}", mutant.id, after.as_secs_f64())
        }
        None => format!("{:26} NOBODY: {}", mutant.id, mutant.bug),
    }
}

/// The committed table: a line for each mutant, new or as it was before.
fn page(before: &str, rows: &[(&Mutant, Option<Catch>)]) -> String {
    let mut page = String::from(
        "# Planted bugs, and who catches them\n\n\
         `cargo mutants` plants each of these in a copy of the sources and runs the suite that is named for it,\n\
         in the short form that `cargo test` runs; it wrote this table. The bugs stand in `src/mutants/table.rs`.\n\n\
         | bug | place | caught by | seed | after | what it said |\n|---|---|---|---|---|---|\n",
    );
    for mutant in MUTANTS {
        let row = rows.iter().find(|(planted, _)| planted.id == mutant.id);
        let mark = format!("(`{}`)", mutant.id);
        let kept = || before.lines().find(|line| line.contains(&mark)).map(str::to_owned);
        let line = row.map(|(mutant, catch)| line(mutant, catch.as_ref())).or_else(kept);
        page.extend(line.map(|line| line + "\n"));
    }
    page
}

fn line(mutant: &Mutant, catch: Option<&Catch>) -> String {
    let Mutant { id, bug, file, item, .. } = mutant;
    let caught = catch.map(|Catch { suite, seed, what, after }| {
        let (seed, what) = (seed.as_deref().unwrap_or_default(), what.replace('|', "\\|"));
        format!("`{suite}` | {seed} | {:.1} s | {what}", after.as_secs_f64())
    });
    format!("| {bug} (`{id}`) | `{item}` in `{file}` | {} |", caught.unwrap_or("nobody | | |".to_owned()))
}
