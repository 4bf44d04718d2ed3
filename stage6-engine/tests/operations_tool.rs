//! The tool's verbs for a whole database: verify, explain, checkpoint, simulate;
//! and what `load` and `bench` show of the inside.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use stage6_engine::Db;

#[path = "support/tool.rs"]
mod tool;

use tool::Shell;

/// A database of two thousand words, all of them in one table.
fn words(shell: &Shell) {
    let lines: String = (0..2_000).map(|n| format!("word{n:05}\tthe {n}th\n")).collect();
    shell.write("words.tsv", lines);
    shell.done(&["load", "words.db", "words.tsv"]);
    let db = Db::open(shell.path("words.db")).unwrap();
    db.flush().unwrap();
    db.close().unwrap();
}

fn table(shell: &Shell, database: &str) -> PathBuf {
    let mut files = std::fs::read_dir(shell.path(database)).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "sst")).unwrap()
}

fn flip_a_bit(path: PathBuf, at: usize) {
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_sound_database_is_counted_and_said_to_be_sound() {
    let shell = Shell::new();
    words(&shell);
    shell.done(&["put", "words.db", "fig", "green"]);
    let out = shell.done(&["verify", "words.db"]);
    let of = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!((of("tables"), of("entries in tables")), (Some("1"), Some("2,000")), "{out}");
    assert!(out.ends_with("\nsound: every checksum, order and count is right\n"), "{out}");
}

#[test]
fn a_damaged_table_is_a_problem_with_its_file_and_offset_and_exit_code_1() {
    let shell = Shell::new();
    words(&shell);
    flip_a_bit(table(&shell, "words.db"), 5_000);
    let ran = shell.run(&["verify", "words.db"]);
    assert_eq!((ran.code, &ran.errors[..]), (Some(1), "lsm: the database is not sound: 1 problem above\n"));
    let problems: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("problem: ")).collect();
    assert_eq!(problems.len(), 1, "{ran:?}");
    assert!(problems[0].contains(".sst is corrupt at offset ") && !problems[0].contains("offset 0:"));
    assert!(problems[0].ends_with("the block's checksum does not match"), "{ran:?}");
}

#[test]
fn a_database_that_cannot_be_opened_says_what_to_try() {
    let shell = Shell::new();
    words(&shell);
    shell.write("words.db/CURRENT", "not what stood here");
    let error = shell.fails(&["verify", "words.db"]);
    assert!(error.contains("words.db/CURRENT is corrupt at offset "), "{error}");
    assert!(error.ends_with("by `lsm dump FILE`"), "{error}");
    assert!(shell.fails(&["verify", "nowhere"]).starts_with("there is no database in "));
}

#[test]
fn a_lookup_is_explained_cold_and_warm() {
    let shell = Shell::new();
    words(&shell);
    let out = shell.done(&["explain", "words.db", "word00042"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "get word00042");
    assert_eq!(lines[1], "cold    memtable with 0 entries");
    assert!(lines[2].contains("its filter says maybe") && lines[2].ends_with("read from the file"), "{out}");
    assert!(lines[3].contains("= a value of 8 B: 2 sources, 1 filter (0 said no), 1 block of "), "{out}");
    assert!(lines[4].starts_with("warm    ") && lines[5].ends_with("found in the cache"), "{out}");
    assert!(lines[6].ends_with("(1 in the cache)"), "{out}");

    let out = shell.done(&["explain", "words.db", "word00042-ish"]);
    assert!(out.contains("its filter says no\n") && out.contains("= no value: 2 sources"), "{out}");
    assert!(out.contains("0 blocks"), "{out}");
}

#[test]
fn a_checkpoint_is_a_database_of_its_own_and_damage_to_a_shared_file_is_in_both() {
    let shell = Shell::new();
    words(&shell);
    let out = shell.done(&["checkpoint", "words.db", "copy.db"]);
    assert!(out.starts_with("copy.db: 1 table of ") && out.ends_with("up to write 2,000\n"), "{out}");
    shell.done(&["put", "words.db", "later", "yes"]);
    assert_eq!(shell.fails(&["get", "copy.db", "later"]), "later: not found");
    assert_eq!(shell.done(&["get", "copy.db", "word00007"]), "the 7th\n");
    assert!(shell.done(&["verify", "copy.db"]).contains("sound: "));

    let error = shell.fails(&["checkpoint", "words.db", "copy.db"]);
    assert!(error.contains("needs an empty directory, and copy.db holds"), "{error}");
    assert!(shell.fails(&["checkpoint", "nowhere", "other.db"]).starts_with("there is no database in "));
    assert!(!shell.path("nowhere").exists() && !shell.path("other.db").exists());

    flip_a_bit(table(&shell, "copy.db"), 5_000);
    assert_eq!(
        [shell.run(&["verify", "copy.db"]).code, shell.run(&["verify", "words.db"]).code],
        [Some(1); 2]
    );
}

#[test]
fn strategies_are_simulated_as_a_table_and_a_picture() {
    let shell = Shell::new();
    let small = ["simulate", "--writes", "20000", "--keys", "2000"];
    let out = shell.done(&small);
    for strategy in ["none", "full", "tiered", "leveled"] {
        assert_eq!(out.lines().filter(|line| line.starts_with(strategy)).count(), 2, "{out}");
    }
    assert_eq!(shell.done(&small), out, "the same writes give the same table");

    let chosen =
        ["--strategy", "tiered,leveled", "--skew", "ascending", "--deletions", "0", "--svg", "a.svg"];
    let out = shell.done(&[&small[..], &chosen].concat());
    assert!(out.starts_with("20,000 writes to 2,000 keys, ascending, 0 % of them deletions"), "{out}");
    assert!(!out.contains("\nnone") && out.ends_with("the picture: a.svg\n"), "{out}");
    let svg = std::fs::read_to_string(shell.path("a.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("tiered") && svg.ends_with("</svg>\n"));

    assert!(
        shell.fails(&["simulate", "--svg", "nowhere/a.svg"]).starts_with("cannot create nowhere/a.svg: ")
    );
    shell.is_bad_usage(&["simulate", "--strategy", "best"]);
    shell.is_bad_usage(&["simulate", "--deletions", "101"]);
    shell.is_bad_usage(&["simulate", "--writes", "0"]);
}

#[test]
fn who_watches_sees_each_flush_and_who_does_not_sees_nothing() {
    let shell = Shell::new();
    let bench = ["bench", "--keys", "100000", "--value-bytes", "150", "--dir", ".", "fillrandom"];
    for strategy in ["leveled", "tiered"] {
        let ran = shell.run(&[&bench[..], &["--strategy", strategy, "--watch"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let words: Vec<&str> = ran.errors.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        assert_eq!(words[..2], ["opened", "flush"], "{ran:?}");
        assert!(words.contains(&"flushed"), "{ran:?}");
    }
    shell.done(&bench);

    shell.write("words.tsv", "fig\tgreen\n");
    let ran = shell.run(&["load", "words.db", "words.tsv", "--watch", "--strategy", "tiered"]);
    assert_eq!((ran.code, &ran.out[..]), (Some(0), "1 line loaded\n"));
    assert!(ran.errors.contains(" s  opened   a new database\n"), "{ran:?}");
    shell.is_bad_usage(&["load", "words.db", "words.tsv", "--strategy", "best"]);
}

#[test]
fn a_verb_without_its_arguments_is_a_wrong_command_line() {
    let shell = Shell::new();
    shell.is_bad_usage(&["verify"]);
    shell.is_bad_usage(&["explain", "words.db"]);
    shell.is_bad_usage(&["checkpoint", "words.db"]);
}
