//! The shell, with its commands piped in.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{ErrorKind, Write};
use std::process::Stdio;

#[path = "support/tool.rs"]
mod tool;

use tool::{Ran, Shell};

/// Pipes `script` into a shell.
fn pipe(shell: &Shell, arguments: &[&str], script: impl AsRef<[u8]>) -> Ran {
    let arguments = [&["shell"], arguments].concat();
    let mut command = shell.command(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    match child.stdin.take().unwrap().write_all(script.as_ref()) {
        // A shell that cannot open its database reads nothing.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.unwrap(),
    }
    Ran::from(child.wait_with_output().unwrap())
}

/// What a script prints of which no command fails.
#[track_caller]
fn answers(shell: &Shell, script: &str) -> String {
    let ran = pipe(shell, &["fruit.db"], script);
    assert_eq!((ran.code, &ran.errors[..]), (Some(0), ""), "{ran:?}");
    ran.out
}

/// What a script says on stderr of which a command fails.
#[track_caller]
fn errors(shell: &Shell, script: &str) -> String {
    let ran = pipe(shell, &["fruit.db"], script);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.errors
}

#[test]
fn what_is_put_is_got_and_scanned_and_there_the_next_time() {
    let shell = Shell::new();
    let out = answers(
        &shell,
        "put fig green\nput figment grey\n\n# no fruit\nput kiwi \"light brown\"\nget kiwi\ndelete figment\nscan\n",
    );
    assert_eq!(out, "light brown\nfig\tgreen\nkiwi\tlight brown\n");
    assert_eq!(answers(&shell, "get fig"), "green\n");
    assert_eq!(shell.done(&["get", "fruit.db", "kiwi"]), "light brown\n");
}

#[test]
fn a_scan_takes_a_stretch_a_prefix_and_options() {
    let shell = Shell::new();
    answers(&shell, "put apple 1\nput fig 2\nput figment 3\nput kiwi 4\n");
    assert_eq!(answers(&shell, "scan b kiwi --keys-only"), "fig\nfigment\n");
    assert_eq!(answers(&shell, "scan --reverse --limit 2"), "kiwi\t4\nfigment\t3\n");
    assert_eq!(answers(&shell, "prefix fig --limit 1"), "fig\t2\n");
    assert_eq!(answers(&shell, "scan x"), "");
}

#[test]
fn words_may_hold_any_byte() {
    let shell = Shell::new();
    let out = answers(
        &shell,
        "put \"a b\" \"\\\"q\\\" \\\\ \\n\"\nput \\xff\\x00 \"\"\nput \"@a\" \"--x\"\nscan\n",
    );
    assert_eq!(out, "@a\t--x\na b\t\"q\" \\\\ \\n\n\\xff\\x00\t\n");
    assert_eq!(
        answers(&shell, "get \"@a\"\r\nget \\xff\\x00\r\n"),
        "--x\n\n",
        "a line may end with CR and LF"
    );
    let ran = pipe(&shell, &["fruit.db"], b"put raw \xfe\nprefix raw\n");
    assert_eq!(ran.out, "raw\t\\xfe\n", "bytes are taken as they come");
}

#[test]
fn a_batch_is_seen_when_it_is_committed_and_not_at_all_when_not() {
    let shell = Shell::new();
    let script = "put fig green\nbatch begin\nput kiwi brown\ndelete fig\nscan\nstatus\nbatch commit\nscan\n";
    let out = answers(&shell, script);
    assert!(out.starts_with("fig\tgreen\nmode        takes writes\n"), "{out}");
    assert!(out.contains("batch       2 writes, not committed\n"), "{out}");
    assert!(out.ends_with("2 writes committed\nkiwi\tbrown\n"), "{out}");

    assert_eq!(
        answers(&shell, "batch begin\ndelete kiwi\nbatch abort\nscan"),
        "1 write forgotten\nkiwi\tbrown\n"
    );
    let left = errors(&shell, "batch begin\nput lost 1\n");
    assert_eq!(left, "lsm: the batch of 1 write was not committed: nothing of it is written\n");
    assert_eq!(shell.fails(&["get", "fruit.db", "lost"]), "lost: not found");

    let told = errors(&shell, "batch commit\nbatch abort\nbatch begin\nbatch begin\n");
    assert_eq!(told.matches("no batch is begun").count(), 2, "{told}");
    assert_eq!(told.matches("a batch is begun already").count(), 1, "{told}");
    let long = "k".repeat(65_536);
    let told = errors(&shell, &format!("batch begin\nput a 1\nput {long} 2\nbatch commit\nget a\n"));
    assert!(told.starts_with("lsm: line 3: ") && told.contains("65536"), "{told}");
    assert_eq!(answers(&shell, "get a"), "1\n", "what is beyond a limit does not spoil the batch");
}

#[test]
fn a_snapshot_with_a_name_sees_what_was_there_when_it_was_taken() {
    let shell = Shell::new();
    let script = "put fig green\nsnapshot a\nput fig brown\nsnapshot @b\ndelete fig\nput kiwi 1\n\
                  get fig @a\nget fig @b\nscan @a\nprefix k @b\nsnapshot\ndrop a\nsnapshot\n";
    let out = answers(&shell, script);
    let (a, b) = ("@a sees everything up to write 1\n", "@b sees everything up to write 2\n");
    assert_eq!(out, format!("{a}{b}green\nbrown\nfig\tgreen\n{a}{b}{b}"));

    let told = errors(&shell, "get fig @a\nscan @a\nsnapshot a\nsnapshot a\ndrop b\n");
    assert_eq!(told.matches("there is no snapshot a;").count(), 2, "{told}");
    assert!(told.contains("line 4: there is a snapshot a already"), "{told}");
    assert!(told.contains("line 5: there is no snapshot b;"), "{told}");
}

#[test]
fn the_whole_database_is_flushed_merged_shown_verified_and_copied() {
    let shell = Shell::new();
    let script = "put fig green\nput kiwi brown\nflush\nput fig brown\ncompact\nstats\nlevels\nexplain fig\nverify\n\
                  checkpoint copy.db\nstatus\n";
    let out = answers(&shell, script);
    assert!(out.starts_with("2 tables of "), "{out}");
    assert!(out.contains(" on level 6; dropped: 1 entry that newer ones hide, 0 deletions"), "{out}");
    let of = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!((of("flushes"), of("merges"), of("entries in tables")), (Some("2"), Some("1"), Some("2")));
    assert!(out.contains("level 6  ██"), "{out}");
    assert!(out.contains("get fig\nfirst   memtable with 0 entries\n") && out.contains("again   "), "{out}");
    assert!(out.contains("\nsound: ") && out.contains("copy.db: 1 table of "), "{out}");
    // A thread may still be removing what the merge left.
    assert!(out.contains("\ndue         "), "{out}");
    assert_eq!(shell.done(&["get", "copy.db", "fig"]), "brown\n");
    assert!(errors(&shell, "checkpoint copy.db").contains("needs an empty directory"));
    assert_eq!(answers(&shell, "compact x z"), "no tables hold such keys: nothing to merge\n");
}

#[test]
fn help_knows_every_command() {
    let shell = Shell::new();
    let out = answers(&shell, "help");
    for command in "put get delete scan prefix batch snapshot drop flush compact stats status levels explain \
                    verify checkpoint help quit"
        .split_whitespace()
    {
        assert!(out.lines().any(|line| line.split(' ').next() == Some(command)), "{command}: {out}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    assert_eq!(answers(&shell, "help get").split_whitespace().next(), Some("get"));
    assert!(errors(&shell, "help sing").contains("there is no command sing"));
}

#[test]
fn a_command_that_fails_is_one_line_and_the_script_goes_on() {
    let shell = Shell::new();
    let script = "get nothing\nsing\nput fig\nput \"fig\nput fig \\q\nscan z a\nput fig green\nget fig\n";
    let ran = pipe(&shell, &["fruit.db"], script);
    assert_eq!((ran.code, &ran.out[..]), (Some(1), "green\n"));
    let told: Vec<&str> = ran.errors.lines().collect();
    assert_eq!(told.len(), 7, "{told:?}");
    for (number, (line, what)) in told
        .iter()
        .zip([
            "nothing: not found",
            "there is no command sing",
            "the command is: put KEY VALUE",
            "a quote is not closed",
            r"the escape \q is not known",
            "invalid argument: the range begins behind its end",
        ])
        .enumerate()
    {
        assert!(line.starts_with(&format!("lsm: line {}: {what}", number + 1)), "{line}");
    }
    assert_eq!(told[6], "lsm: 6 commands failed; the lines above say which");
}

#[test]
fn quit_ends_a_script_where_it_stands() {
    let shell = Shell::new();
    for end in ["quit", "exit"] {
        assert_eq!(answers(&shell, &format!("put fig green\nget fig\n{end}\nget nothing\n")), "green\n");
    }
    assert_eq!(answers(&shell, ""), "");
}

#[test]
fn read_only_nothing_changes_and_nothing_is_created() {
    let shell = Shell::new();
    let ran = pipe(&shell, &["fruit.db", "--read-only"], "stats");
    assert!(ran.code == Some(1) && ran.errors.starts_with("lsm: there is no database in "), "{ran:?}");
    assert!(!shell.path("fruit.db").exists());

    answers(&shell, "put fig green");
    let ran = pipe(
        &shell,
        &["fruit.db", "--read-only"],
        "get fig\nsnapshot a\nget fig @a\nverify\nput fig brown\ndelete fig\nbatch begin\nflush\ncompact\ncheckpoint copy.db\n",
    );
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.starts_with("green\n@a sees everything up to write 1\ngreen\n"), "{ran:?}");
    assert_eq!(ran.errors.matches("the database was opened read-only").count(), 6, "{ran:?}");
    assert!(!shell.path("copy.db").exists());
    assert_eq!(answers(&shell, "get fig"), "green\n");
}

#[test]
fn a_pipe_hears_no_prompt_and_no_colour() {
    let shell = Shell::new();
    let out = answers(&shell, "put fig green\nget fig\nlevels\n");
    assert!(!out.contains('>') && !out.contains('\x1b') && !out.contains("lsm"), "{out:?}");
    assert!(shell.run(&["shell", "fruit.db"]).out.is_empty(), "nor does it wait for a person");

    shell.write("history", "what a person typed");
    let ran = pipe(&shell, &["fruit.db", "--history", "history"], "get fig");
    assert_eq!((ran.code, &ran.out[..]), (Some(0), "green\n"));
    assert_eq!(std::fs::read_to_string(shell.path("history")).unwrap(), "what a person typed");
}

#[test]
fn a_shell_has_its_help_and_its_usage() {
    let shell = Shell::new();
    assert!(shell.done(&["shell", "--help"]).contains("\n  lsm shell fruit.db\n"));
    shell.is_bad_usage(&["shell"]);
    assert_eq!(
        shell.fails(&["shell", "nowhere", "--read-only"]).split(':').next_back(),
        Some(" check the path; `lsm put` and `lsm load` create one")
    );
}
