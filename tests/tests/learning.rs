//! Whoever builds the stages runs what their READMEs say: each command there
//! finds a test, each module has one, and each example is there.

use std::fs;
use std::path::{Path, PathBuf};

const STAGES: [&str; 6] =
    ["stage1-memtable", "stage2-wal", "stage3-sstable", "stage4-bloom", "stage5-compaction", "stage6-engine"];

fn folder(stage: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace").join(stage)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

/// All Rust files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let files = paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// A test as cargo knows it: in the library or in a target of `tests/`, and its
/// path there.
#[derive(Debug)]
struct Test {
    target: Option<String>,
    path: String,
}

/// The tests of a file, with the inline module that they stand in.
fn tests_of(source: &str) -> Vec<String> {
    let (mut module, mut is_test, mut names) = ("", false, Vec::new());
    for line in source.lines() {
        let code = line.trim_start();
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = name;
        } else if line == "}" {
            module = "";
        } else if code == "#[test]" {
            is_test = true;
        } else if let (true, Some(rest)) = (is_test, code.strip_prefix("fn ")) {
            let name = rest.split('(').next().unwrap_or_default();
            names.push(if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") });
            is_test = false;
        }
    }
    names
}

/// The module that a file is, below the folder that its crate begins in.
fn module_path(file: &Path, crate_folder: &Path) -> Vec<String> {
    let inside = file.strip_prefix(crate_folder).expect("it lies in it").with_extension("");
    let parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| !matches!(part.as_str(), "lib" | "main" | "mod")).collect()
}

/// Every test of a stage.
fn tests(stage: &str) -> Vec<Test> {
    let (library, targets) = (folder(stage).join("src"), folder(stage).join("tests"));
    let mut found = Vec::new();
    for file in sources(&library).into_iter().chain(sources(&targets)) {
        let is_library = file.starts_with(&library);
        let mut path = module_path(&file, if is_library { &library } else { &targets });
        let target = (!is_library).then(|| path.remove(0));
        for name in tests_of(&read(&file)) {
            let path = [&path[..], &[name]].concat().join("::");
            found.push(Test { target: target.clone(), path });
        }
    }
    found
}

/// What a command of a README runs.
#[derive(Debug, Default, Clone)]
struct Filter {
    is_library_only: bool,
    target: Option<String>,
    filter: String,
}

impl Filter {
    /// The arguments behind `cargo test -p stage`.
    fn of(arguments: &str) -> Filter {
        let mut filter = Filter::default();
        let mut words = arguments.split_whitespace().take_while(|word| *word != "--");
        while let Some(word) = words.next() {
            match word {
                "--release" => {}
                "--lib" => filter.is_library_only = true,
                "--test" => filter.target = words.next().map(str::to_owned),
                word => filter.filter = word.to_owned(),
            }
        }
        filter
    }

    fn finds(&self, test: &Test) -> bool {
        let is_there = match &self.target {
            Some(target) => test.target.as_ref() == Some(target),
            None => !self.is_library_only || test.target.is_none(),
        };
        is_there && test.path.contains(&self.filter)
    }
}

/// The code in a text of Markdown: what stands between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The commands in `text`: whole ones, and in a table what is to be put behind
/// `cargo test -p stage`, where `…` stands for the target named before.
fn filters(stage: &str, text: &str) -> Vec<Filter> {
    let mut found: Vec<Filter> = Vec::new();
    for code in code(text) {
        let whole =
            code.split_once("cargo test").and_then(|(_, rest)| rest.split_once(&format!("-p {stage}")));
        if let Some((before, behind)) = whole {
            found.push(Filter::of(&format!("{before} {behind}")));
        } else if code.starts_with("--test ") || code.starts_with("--lib ") {
            found.push(Filter::of(code));
        } else if let Some(rest) = code.strip_prefix("… ") {
            let target = found.last().and_then(|filter| filter.target.clone());
            found.push(Filter { target, ..Filter::of(rest) });
        }
    }
    found
}

/// A README without its fenced pieces, whose backticks are no quotes.
fn prose(readme: &str) -> String {
    let mut is_fenced = false;
    let lines = readme.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        !is_fence && !is_fenced
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn readme(stage: &str) -> String {
    read(&folder(stage).join("README.md"))
}

#[test]
fn every_command_of_a_readme_finds_a_test() {
    let mut commands = 0;
    for stage in STAGES {
        let tests = tests(stage);
        for filter in filters(stage, &prose(&readme(stage))) {
            assert!(tests.iter().any(|test| filter.finds(test)), "{stage}: {filter:?} finds no test");
            commands += 1;
        }
    }
    println!("learning: {commands} commands of READMEs, each finds a test");
    assert!(commands > 60, "the scan sees hardly any commands: {commands}");
}

/// The modules in the list of a `lib.rs`, without those of its tests.
fn modules(stage: &str) -> Vec<String> {
    let list = read(&folder(stage).join("src/lib.rs"));
    let lines: Vec<&str> = list.lines().collect();
    let is_module = |pair: &[&str]| {
        let name = pair[1].trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?;
        (pair[0] != "#[cfg(test)]").then(|| name.to_owned())
    };
    lines.windows(2).filter_map(is_module).collect()
}

/// Whether the first cell of a row is about `module`.
fn is_about(cell: &str, module: &str) -> bool {
    let (file, below) = (format!("src/{module}.rs"), format!("src/{module}/"));
    code(cell).iter().any(|code| *code == module || *code == file || code.starts_with(&below))
}

#[test]
fn every_module_of_a_stage_has_its_judge() {
    for stage in STAGES {
        let (tests, text) = (tests(stage), prose(&readme(stage)));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter_map(|line| Some(line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect()))
            .collect();
        for module in modules(stage) {
            let mut own = rows.iter().filter(|row| is_about(row[0], &module)).peekable();
            assert!(own.peek().is_some(), "{stage}: no row of the README says how {module} is judged");
            let has_tests = tests.iter().any(|test| {
                test.target.is_none() && test.path.split("::").next().is_some_and(|first| first == module)
            });
            for row in own {
                let judge = row.last().copied().unwrap_or_default();
                let by_types_alone = judge == "the compiler" && !has_tests;
                assert!(
                    by_types_alone || !filters(stage, judge).is_empty(),
                    "{stage}: {module} is judged by {judge:?}, which is no command"
                );
            }
        }
    }
}

#[test]
fn every_readme_names_an_example_that_is_there() {
    for stage in STAGES {
        let readme = readme(stage);
        let examples = folder(stage).join("examples");
        let words: Vec<&str> = readme.split_whitespace().collect();
        let named: Vec<&str> = words
            .windows(2)
            .filter(|pair| pair[0] == "--example")
            .map(|pair| pair[1].trim_matches('`'))
            .collect();
        assert!(!named.is_empty(), "{stage}: the README names no example");
        for name in named {
            let is_there = examples.join(format!("{name}.rs")).is_file()
                || examples.join(name).join("main.rs").is_file();
            assert!(is_there, "{stage}: there is no example {name}");
        }
    }
}
