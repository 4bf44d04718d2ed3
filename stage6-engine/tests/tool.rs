//! The tool from outside: what it prints, how it ends, and that it changes
//! nothing that it only reads.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use stage6_engine::{Db, Read};

#[path = "support/tool.rs"]
mod tool;

use tool::{Ran, Shell};

fn fruit(shell: &Shell) {
    for (key, value) in [("apple", "red"), ("fig", "green"), ("figment", "grey"), ("kiwi", "brown")] {
        shell.done(&["put", "fruit.db", key, value]);
    }
}

fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut contents: Vec<_> = files.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
    contents.sort();
    contents
}

#[test]
fn what_was_put_is_got_and_what_was_deleted_is_not() {
    let shell = Shell::new();
    assert_eq!(shell.done(&["put", "fruit.db", "fig", "green", "--sync"]), "");
    assert_eq!(shell.done(&["get", "fruit.db", "fig"]), "green\n");
    assert_eq!(shell.done(&["delete", "fruit.db", "fig"]), "");
    assert_eq!(shell.fails(&["get", "fruit.db", "fig"]), "fig: not found");
}

#[test]
fn numbers_below_zero_and_empty_strings_are_keys_and_values_too() {
    let shell = Shell::new();
    shell.done(&["put", "db", "-5", "-7"]);
    shell.done(&["put", "db", "", ""]);
    assert_eq!(shell.done(&["get", "db", "-5"]), "-7\n");
    assert_eq!(shell.done(&["scan", "db"]), "\t\n-5\t-7\n");
}

#[test]
fn a_scan_goes_both_ways_over_a_prefix_a_stretch_or_all() {
    let shell = Shell::new();
    fruit(&shell);
    assert_eq!(shell.done(&["scan", "fruit.db"]), "apple\tred\nfig\tgreen\nfigment\tgrey\nkiwi\tbrown\n");
    assert_eq!(shell.done(&["scan", "fruit.db", "--prefix", "fig", "--keys-only"]), "fig\nfigment\n");
    assert_eq!(
        shell.done(&["scan", "fruit.db", "--from", "b", "--to", "kiwi", "--keys-only"]),
        "fig\nfigment\n"
    );
    assert_eq!(
        shell.done(&["scan", "fruit.db", "--reverse", "--limit", "2", "--keys-only"]),
        "kiwi\nfigment\n"
    );
    assert_eq!(shell.done(&["scan", "fruit.db", "--from", "x"]), "");
    assert!(shell.fails(&["scan", "fruit.db", "--from", "z", "--to", "a"]).contains("begins behind its end"));
}

#[test]
fn what_a_scan_prints_loads_again_whatever_its_bytes_are() {
    let shell = Shell::new();
    let entries: [(&[u8], &[u8]); 3] =
        [(b"\xff\t\n", b"\\ \r\x00"), (b"plain", b"text"), ("süß".as_bytes(), b"")];
    let db = Db::open(shell.path("odd.db")).unwrap();
    for (key, value) in entries {
        db.put(key, value).unwrap();
    }
    db.close().unwrap();
    let printed = shell.done(&["scan", "odd.db"]);
    assert_eq!(printed, "plain\ttext\nsüß\t\n\\xff\\t\\n\t\\\\ \\r\\x00\n");
    shell.write("odd.tsv", printed);
    assert_eq!(shell.done(&["load", "again.db", "odd.tsv"]), "3 lines loaded\n");
    let db = Db::open(shell.path("again.db")).unwrap();
    for (key, value) in entries {
        assert_eq!(db.get(key).unwrap().as_deref(), Some(value));
    }
    db.close().unwrap();
    shell.done(&["put", "odd.db", "fig", "gr\\een\tand"]);
    assert_eq!(
        shell.done(&["get", "odd.db", "fig"]),
        "gr\\een\tand\n",
        "a value that is text is printed as it is"
    );
}

#[test]
fn a_malformed_line_ends_the_load_behind_the_lines_before_it() {
    let shell = Shell::new();
    for (line, told) in [
        ("c 3", "there is no tab in this line"),
        ("", "there is no tab in this line"),
        ("c\t3\t4", "there is a second tab in this line"),
        ("c\t\\3", r"the escape \3 is not known"),
        ("c\t3\r", "there is a carriage return in this line"),
    ] {
        shell.write("words.tsv", format!("a\t1\nb\t2\n{line}\nd\t4\n"));
        let error = shell.fails(&["load", "words.db", "words.tsv"]);
        assert!(error.starts_with(&format!("words.tsv:3: {told}")), "{error}");
        assert!(error.ends_with("the first 2 lines of the file are loaded"), "{error}");
        assert_eq!(shell.done(&["scan", "words.db", "--keys-only"]), "a\nb\n");
    }
    let long = "w".repeat(65_536);
    shell.write("words.tsv", format!("a\t1\n{long}\t2\n"));
    let error = shell.fails(&["load", "words.db", "words.tsv"]);
    assert!(error.starts_with("words.tsv:2: ") && error.contains("65536"), "{error}");
}

#[test]
fn a_compressed_file_loads_and_a_truncated_one_says_how_far() {
    let shell = Shell::new();
    let dictionary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/wordnet/wordnet.tsv.gz");
    let dictionary = dictionary.to_str().unwrap();
    assert_eq!(shell.done(&["load", "words.db", dictionary, "--sync"]), "149,229 lines loaded\n");
    assert_eq!(shell.done(&["scan", "words.db", "--keys-only"]).lines().count(), 149_229);

    let half = &std::fs::read(dictionary).unwrap()[..3_000_000];
    shell.write("half.tsv.gz", half);
    let error = shell.fails(&["load", "half.db", "half.tsv.gz"]);
    assert!(error.starts_with("cannot read half.tsv.gz: "), "{error}");
    let loaded = shell.done(&["scan", "half.db", "--keys-only"]).lines().count();
    let told: String = error.chars().skip_while(|c| *c != ';').filter(char::is_ascii_digit).collect();
    assert_eq!(told.parse(), Ok(loaded), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_creates_no_database() {
    let shell = Shell::new();
    assert!(shell.fails(&["load", "words.db", "nowhere.tsv"]).starts_with("cannot open nowhere.tsv: "));
    assert!(!shell.path("words.db").exists());
}

#[test]
fn stats_and_levels_show_what_is_there() {
    let shell = Shell::new();
    fruit(&shell);
    let stats = shell.done(&["stats", "fruit.db"]);
    let of = |name: &str| stats.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!(
        (of("entries in tables"), of("entries in logs"), of("last sequence")),
        (Some("3"), Some("1"), Some("4"))
    );
    let levels = shell.done(&["levels", "fruit.db"]);
    assert!(levels.starts_with("level 0  ██") && levels.contains("3 entries"), "{levels}");
}

#[test]
fn a_verb_that_reads_changes_no_byte() {
    let shell = Shell::new();
    fruit(&shell);
    let before = contents(&shell.path("fruit.db"));
    for arguments in [
        &["get", "fruit.db", "fig"][..],
        &["scan", "fruit.db"],
        &["stats", "fruit.db"],
        &["levels", "fruit.db"],
        &["verify", "fruit.db"],
        &["explain", "fruit.db", "fig"],
    ] {
        shell.done(arguments);
    }
    assert_eq!(contents(&shell.path("fruit.db")), before);
}

#[test]
fn where_no_database_is_none_is_made() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path("empty")).unwrap();
    for directory in ["nowhere", "empty"] {
        for verb in ["get", "delete", "scan", "stats", "levels", "verify", "explain"] {
            let mut arguments = vec![verb, directory];
            arguments.extend(["get", "delete", "explain"].contains(&verb).then_some("fig"));
            let error = shell.fails(&arguments);
            let told = format!("{directory}: check the path; `lsm put` and `lsm load` create one");
            assert!(error.starts_with("there is no database in ") && error.ends_with(&told), "{error}");
        }
    }
    assert!(!shell.path("nowhere").exists());
    assert_eq!(contents(&shell.path("empty")), []);
}

#[test]
fn a_directory_that_is_a_file_is_named() {
    let shell = Shell::new();
    shell.write("file", "not a database");
    for arguments in [
        &["get", "file", "fig"][..],
        &["put", "file", "fig", "green"],
        &["scan", "file"],
        &["levels", "file"],
    ] {
        let error = shell.fails(arguments);
        assert!(error.contains("the directory ") && error.contains("file: "), "{error}");
    }
}

#[test]
fn a_database_that_is_open_elsewhere_is_in_use() {
    let shell = Shell::new();
    let db = Db::open(shell.path("fruit.db")).unwrap();
    for arguments in
        [&["put", "fruit.db", "fig", "green"][..], &["get", "fruit.db", "fig"], &["stats", "fruit.db"]]
    {
        assert!(shell.fails(arguments).contains("fruit.db is in use: close it"));
    }
    db.close().unwrap();
    shell.done(&["put", "fruit.db", "fig", "green"]);
}

#[test]
fn a_damaged_database_is_refused_and_named() {
    let shell = Shell::new();
    fruit(&shell);
    shell.write("fruit.db/CURRENT", "not what stood here");
    let before = contents(&shell.path("fruit.db"));
    for arguments in [&["get", "fruit.db", "fig"][..], &["put", "fruit.db", "fig", "green"]] {
        let error = shell.fails(arguments);
        assert!(error.contains("fruit.db/CURRENT"), "{error}");
    }
    assert_eq!(contents(&shell.path("fruit.db")), before);
}

#[test]
fn a_wrong_command_line_is_2() {
    let shell = Shell::new();
    for arguments in [
        &[][..],
        &["sing"],
        &["put", "fruit.db", "fig"],
        &["scan", "fruit.db", "--prefix", "f", "--from", "g"],
        &["scan", "fruit.db", "--limit", "few"],
        &["bench", "--keys", "0"],
        &["bench", "dance"],
        &["tour", "--break", "everything"],
    ] {
        shell.is_bad_usage(arguments);
    }
    assert!(!shell.path("fruit.db").exists());
}

#[test]
fn every_verb_has_its_help_with_an_example() {
    let shell = Shell::new();
    assert_eq!(shell.done(&["--version"]), format!("lsm {}\n", env!("CARGO_PKG_VERSION")));
    let help = shell.done(&["--help"]);
    assert!(!help.contains("tour-child"), "the tour's child is nobody's to call");
    for verb in [
        "tour",
        "put",
        "get",
        "delete",
        "scan",
        "load",
        "stats",
        "levels",
        "verify",
        "explain",
        "checkpoint",
        "simulate",
        "shell",
        "bench",
    ] {
        assert!(help.contains(&format!("  {verb} ")), "{help}");
        let help = shell.done(&[verb, "--help"]);
        assert!(help.contains(&format!("\n  lsm {verb}")), "{help}");
    }
}

#[test]
fn a_reader_who_leaves_early_hears_no_complaint() {
    let shell = Shell::new();
    let lines: String = (0..50_000).map(|n| format!("{n:08}\tsome words\n")).collect();
    shell.write("many.tsv", lines);
    shell.done(&["load", "many.db", "many.tsv"]);
    let mut child =
        shell.command(&["scan", "many.db"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &ran.errors[..]), (Some(0), ""));
}

#[test]
fn a_benchmark_says_what_it_measures_and_leaves_nothing() {
    let shell = Shell::new();
    let out = shell.done(&["bench", "--keys", "2000", "--value-bytes", "50", "--dir", "."]);
    assert!(out.contains("2,000, keys of 16 digits, values of 50 bytes"), "{out}");
    for workload in ["fillseq", "fillrandom", "readrandom", "readmissing", "readseq"] {
        let row = out.lines().find(|line| line.starts_with(&format!("{workload} "))).unwrap();
        assert_eq!(row.split_whitespace().nth(1), Some("2,000"), "{row}");
    }
    assert_eq!(contents(&shell.path(".")), []);
    let out = shell.done(&["bench", "--keys", "500", "readmissing"]);
    assert!(out.contains("readmissing") && !out.contains("\nfillrandom"), "{out}");
}

/// A dictionary of `count` words.
fn dictionary(count: usize) -> String {
    (0..count).map(|n| format!("word {n:05}\tthe {n}th of {count} words\n")).collect()
}

fn claims<'a>(out: &'a str, outcome: &str) -> Vec<&'a str> {
    out.lines().filter(|line| line.starts_with(outcome)).collect()
}

#[test]
fn the_tour_passes_on_dictionaries_of_any_size() {
    for count in [1, 2, 7, 3_000] {
        let shell = Shell::new();
        shell.write("words.tsv", dictionary(count));
        let out = shell.done(&["tour", "--data", "words.tsv"]);
        assert_eq!(claims(&out, "checked: ").len(), 17, "{out}");
        assert!(out.ends_with("All 17 claims hold.\n"), "{out}");
        assert!(!out.contains('\x1b'), "no colour in a pipe");
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
}

#[test]
fn the_tour_fails_when_a_claim_is_broken() {
    let shell = Shell::new();
    shell.write("words.tsv", dictionary(2_000));
    for (damage, failure) in [
        ("word", "1,999 of 2,000 words found with their definitions"),
        ("filter", "of 2,000 absent words cost no block"),
        ("walk", "forward: 2,000 words in order"),
        ("snapshot", "the snapshot still finds"),
        ("batch", "batches 1 to "),
    ] {
        let ran = shell.run(&["tour", "--data", "words.tsv", "--break", damage]);
        assert_eq!(ran.code, Some(1), "{damage}: {ran:?}");
        let failed = claims(&ran.out, "FAILED: ");
        assert!(failed.iter().any(|line| line.contains(failure)), "{damage}: {failed:?}");
        let told = format!("lsm: {} of 17 claims failed;", failed.len());
        assert!(ran.errors.starts_with(&told), "{damage}: {}", ran.errors);
    }
}

#[test]
fn a_kept_tour_can_be_read_afterwards_and_is_not_overwritten() {
    let shell = Shell::new();
    shell.write("words.tsv", dictionary(100));
    shell.done(&["tour", "--data", "words.tsv", "--keep", "tour.db"]);
    assert_eq!(shell.done(&["get", "tour.db", "word 00001"]), "the 1th of 100 words\n");
    assert!(
        shell
            .done(&["scan", "tour.db", "--prefix", "batch/", "--limit", "1"])
            .starts_with("batch/0000000001/0\t")
    );
    let error = shell.fails(&["tour", "--data", "words.tsv", "--keep", "tour.db"]);
    assert_eq!(error, "tour.db is not empty: choose a new directory for the tour");

    // Its own batches, as words of another tour, are no harm.
    shell.write("kept.tsv", shell.done(&["scan", "tour.db"]));
    assert!(shell.done(&["tour", "--data", "kept.tsv"]).ends_with("claims hold.\n"));
}

#[test]
fn a_tour_without_words_does_not_begin() {
    let shell = Shell::new();
    shell.write("none.tsv", "");
    shell.write("bad.tsv", "a\t1\nb\n");
    assert!(shell.fails(&["tour", "--data", "none.tsv"]).starts_with("none.tsv holds no words"));
    assert!(shell.fails(&["tour", "--data", "bad.tsv"]).starts_with("bad.tsv:2: there is no tab"));
    assert!(shell.fails(&["tour", "--data", "nowhere.tsv"]).starts_with("cannot open nowhere.tsv: "));
}

/// The one log of a database that was not flushed.
fn the_log(shell: &Shell) -> PathBuf {
    let directory = shell.path("fruit.db");
    let mut files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|file| file.extension().is_some_and(|extension| extension == "log")).unwrap()
}

#[test]
fn what_opening_leaves_out_is_said_by_every_verb() {
    let shell = Shell::new();
    shell.write("in.tsv", "a\t1\nb\t2\n");
    shell.done(&["load", "fruit.db", "in.tsv"]);
    let log = the_log(&shell);
    // Of the record only the first bytes are left: a torn tail, as after a crash.
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..40]).unwrap();
    let scan = shell.run(&["scan", "fruit.db"]);
    assert!(scan.errors.contains("8 bytes from offset 32 do not count"), "{}", scan.errors);
    assert!(shell.run(&["verify", "fruit.db"]).out.contains("sound, but for the end of a log"));
    std::fs::remove_file(&log).unwrap();
    assert!(shell.done(&["verify", "fruit.db"]).contains("note: there is no log"));
}

#[test]
fn a_scan_may_go_on_behind_a_damaged_log() {
    let shell = Shell::new();
    shell.write("in.tsv", "a\t1\n");
    shell.done(&["load", "fruit.db", "in.tsv"]);
    let log = the_log(&shell);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert!(shell.fails(&["scan", "fruit.db"]).contains("promised durable"));
    let salvaged = shell.run(&["scan", "fruit.db", "--recovery", "salvage"]);
    assert!(salvaged.errors.contains("the writes 1 to 1 are lost"), "{}", salvaged.errors);
}

#[test]
fn verifying_goes_on_behind_a_damaged_log() {
    let shell = Shell::new();
    shell.write("in.tsv", "a\t1\n");
    shell.done(&["load", "fruit.db", "in.tsv"]);
    shell.done(&["put", "fruit.db", "b", "2", "--sync"]);
    let log = the_log(&shell);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let verified = shell.run(&["verify", "fruit.db"]);
    assert_eq!(verified.code, Some(1));
    assert!(
        verified.out.contains("problem: ") && verified.out.contains("promised durable"),
        "{}",
        verified.out
    );
    assert!(verified.out.contains("entries in tables                                1"), "{}", verified.out);
}
