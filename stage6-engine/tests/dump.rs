//! `lsm dump` from outside: every kind of file, in words, in hex and as JSON;
//! sound, damaged and foreign.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use stage6_engine::{Codec, Db, Durability, WriteBatch};
use tempfile::TempDir;

/// A small database at rest: a table, a log with two batches, a manifest.
struct Database {
    directory: TempDir,
}

/// What a run of the tool left behind.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Database {
    fn new(codec: Codec) -> Database {
        let database = Database { directory: TempDir::new().unwrap() };
        let open = || Db::builder().codec(codec).durability(Durability::Sync).open(database.path()).unwrap();
        let db = open();
        for number in 0..300 {
            db.put(format!("key {number:03}"), format!("value {number} of some words")).unwrap();
        }
        // Who may still read the value keeps the deletion too.
        let before = db.snapshot();
        db.delete("key 007").unwrap();
        db.flush().unwrap();
        drop(before);
        let mut batch = WriteBatch::new();
        batch.put("apple", "red").put("tab\tand \"quote\"", b"\xff\n").delete("fig");
        db.write(&batch).unwrap();
        db.put("large", "L".repeat(80_000)).unwrap();
        db.close().unwrap();
        database
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The name of the only file whose name fits.
    #[track_caller]
    fn file(&self, fits: impl Fn(&str) -> bool) -> String {
        let names = std::fs::read_dir(self.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut found: Vec<String> = names.filter(|name| fits(name)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn table(&self) -> String {
        self.file(|name| name.ends_with(".sst"))
    }

    fn log(&self) -> String {
        self.file(|name| name.ends_with(".log") && self.bytes(name).len() > 1_000)
    }

    fn manifest(&self) -> String {
        self.file(|name| name.starts_with("MANIFEST-"))
    }

    fn every_kind(&self) -> [String; 4] {
        [self.table(), self.log(), self.manifest(), "CURRENT".to_owned()]
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes(name);
        change(&mut bytes);
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lsm"));
        command.arg("dump").args(arguments).current_dir(self.path()).stdin(Stdio::null());
        Ran::from(command.output().unwrap())
    }

    /// Dumps what is sound, in silence but for its output.
    #[track_caller]
    fn dump(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, &ran.errors[..]), (Some(0), ""), "{arguments:?}: {ran:?}");
        ran.out
    }

    /// Dumps what is damaged: one line on stderr, and whatever is sound.
    #[track_caller]
    fn dump_damaged(&self, arguments: &[&str]) -> (String, String) {
        let ran = self.run(arguments);
        assert_eq!((ran.code, ran.errors.lines().count()), (Some(1), 1), "{arguments:?}: {ran:?}");
        assert!(ran.errors.starts_with("lsm: "), "{ran:?}");
        (ran.out, ran.errors)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the tool prints UTF-8");
        Ran { code: output.status.code(), out: text(output.stdout), errors: text(output.stderr) }
    }
}

/// Whether the whole of `text` is one JSON value.
fn is_json(text: &str) -> bool {
    value(text.as_bytes()).is_some_and(<[u8]>::is_empty)
}

/// What stands behind the JSON value at the front of `text`.
fn value(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'{', rest @ ..] => sequence(rest, b'}', |text| value(string(text)?.strip_prefix(b":")?)),
        [b'[', rest @ ..] => sequence(rest, b']', value),
        [b'"', ..] => string(text),
        _ => {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (digits > 0).then(|| &text[digits..])
        }
    }
}

fn sequence(mut text: &[u8], close: u8, each: impl Fn(&[u8]) -> Option<&[u8]>) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(&[close]) {
        return Some(rest);
    }
    loop {
        text = each(text)?;
        match text {
            [b',', rest @ ..] => text = rest,
            [last, rest @ ..] if *last == close => return Some(rest),
            _ => return None,
        }
    }
}

fn string(text: &[u8]) -> Option<&[u8]> {
    let mut text = text.strip_prefix(b"\"")?;
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'"' | b'\\', rest @ ..] => rest,
            [b'\\', b'u', digits @ ..] if digits.iter().take(4).all(u8::is_ascii_hexdigit) => {
                digits.get(4..)?
            }
            [b'\\', ..] | [..=0x1f, ..] | [] => return None,
            [_, rest @ ..] => rest,
        }
    }
}

#[test]
fn its_help_has_an_example() {
    let out = Database::new(Codec::Lz4).dump(&["--help"]);
    assert!(out.contains("\n  lsm dump words.db/CURRENT --hex"), "{out}");
}

#[test]
fn the_judge_of_json_knows_it_from_others() {
    for json in ["7", "[]", "{}", r#"{"a":[1,"\u00fa\\",{"b":""}]}"#] {
        assert!(is_json(json), "{json}");
    }
    for other in ["", "x", "[1,]", "{\"a\"}", "\"\n\"", "\"\\x\"", "\"open", "1 2", "{\"a\":1}}"] {
        assert!(!is_json(other), "{other}");
    }
}

#[test]
fn a_log_is_told_batch_by_batch() {
    let database = Database::new(Codec::Lz4);
    let out = database.dump(&[&database.log()]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].ends_with(": log, 2 batches, sequences 302 to 305, promised up to 305"), "{out}");
    assert!(lines[1].starts_with("       0  header      number "), "{out}");
    assert!(lines[2].starts_with("      32  batch       sequences 302 to 304, "), "{out}");
    assert_eq!(lines[3].trim_start(), "302  put     'apple' → red");
    assert_eq!(lines[4].trim_start(), r#"303  put     'tab\tand "quote"' → \xff\n"#);
    assert_eq!(lines[5].trim_start(), "304  delete  'fig'");
    assert!(lines[6].ends_with("promise     every sequence up to 304 is durable"), "{out}");
    assert!(out.contains("sequence 305, 80,") && out.contains("in 3 fragments"), "{out}");
    assert!(out.contains("'large' → LLLL") && out.contains('…'), "{out}");
    assert!(out.ends_with(" bytes, all sound\n"), "{out}");
}

#[test]
fn a_manifest_is_told_edit_by_edit() {
    let database = Database::new(Codec::Lz4);
    let out = database.dump(&[&database.manifest()]);
    for told in [
        "edit        the whole version, ",
        "edit        edit 2, ",
        "log floor ",
        "next file number ",
        "flushed up to sequence 301",
        ": 'key 000' … 'key 299', 301 entries (1 deletion), ",
        "promise     the first 2 edits are durable",
        "bytes, all sound",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }
}

#[test]
fn a_table_is_told_from_its_footer_to_its_entries() {
    let database = Database::new(Codec::Lz4);
    let table = database.table();
    let out = database.dump(&[&table]);
    let parts: Vec<&str> = out.lines().filter_map(|line| line.get(10..20)).map(str::trim_end).collect();
    assert_eq!(parts[1..7], ["footer", "metaindex", "properties", "filter", "index", "data block"], "{out}");
    assert!(out.contains("301 entries (1 deletion), 'key 000' … 'key 299', sequences 1 to 301"), "{out}");
    assert!(out.contains("blocked: ") && out.contains(" an entry\n"), "{out}");
    assert!(!out.contains("put "), "entries are shown when they are asked for");
    let out = database.dump(&[&table, "--entries"]);
    assert_eq!(out.matches("  put     'key ").count(), 300);
    assert_eq!(out.matches("  delete  'key 007'\n").count(), 1);
}

#[test]
fn current_is_told() {
    let database = Database::new(Codec::Lz4);
    let out = database.dump(&["CURRENT"]);
    assert!(out.contains("manifest    number ") && out.contains("database    id "), "{out}");
}

#[test]
fn hex_attributes_every_byte_of_every_kind() {
    for codec in [Codec::None, Codec::Lz4] {
        let database = Database::new(codec);
        for name in database.every_kind() {
            let out = database.dump(&[&name, "--hex"]);
            let shown =
                out.lines().filter_map(|line| line.get(8..line.len().min(31))).take(out.lines().count() - 1);
            let count: usize = shown.map(|hex| hex.split_whitespace().count()).sum();
            assert_eq!(count, database.bytes(&name).len(), "{name}");
            assert!(out.ends_with(" bytes, all attributed\n") && !out.contains("(no field)"), "{name}");
        }
    }
}

#[test]
fn hex_names_what_the_payloads_hold() {
    let database = Database::new(Codec::None);
    let names = |file: &str, names: &[&str]| {
        let out = database.dump(&[file, "--hex"]);
        for name in names {
            assert!(out.contains(&format!("  {name:<22} ")), "{name}: {out}");
        }
    };
    names(&database.log(), &["salt", "crc", "first sequence", "keyspace", "key", "value"]);
    names(&database.manifest(), &["tag", "log floor", "smallest key", "file crc"]);
    names(
        &database.table(),
        &["suffix", "head", "block count", "separator", "meta block name", "index offset"],
    );
    names("CURRENT", &["database id", "manifest"]);
}

#[test]
fn json_is_json_and_says_the_same() {
    let database = Database::new(Codec::Lz4);
    for name in database.every_kind() {
        for arguments in [&[&name[..], "--json"][..], &[&name, "--json", "--entries", "--limit", "2"]] {
            let out = database.dump(arguments);
            assert!(out.lines().all(is_json), "{out}");
            assert!(out.starts_with(&format!(r#"{{"file":"{name}","kind":""#)), "{out}");
        }
    }
    let log = database.dump(&[&database.log(), "--json"]);
    let entry = r#"{"sequence":303,"kind":"value","key":"tab\\tand \"quote\"","value":"\\xff\\n"}"#;
    assert!(log.contains(entry), "{log}");
    assert!(log.contains(&"L".repeat(80_000)), "nothing is cut short");
    let out = database.dump(&[".", "--json"]);
    assert!(out.lines().all(is_json) && out.contains(r#""kind":"manifest""#), "{out}");
}

#[test]
fn a_limit_leaves_out_and_says_so() {
    let database = Database::new(Codec::Lz4);
    let out = database.dump(&[&database.log(), "--limit", "1"]);
    assert!(out.contains("'apple'") && !out.contains("'fig'") && !out.contains("'large'"), "{out}");
    assert!(out.contains("… and 2 more\n") && out.contains("… and 2 parts\n"), "{out}");
    let out = database.dump(&[&database.table(), "--entries", "--limit", "1"]);
    assert_eq!(out.matches("  put     ").count(), 1, "{out}");
}

#[test]
fn no_line_of_words_is_too_long() {
    let database = Database::new(Codec::Lz4);
    std::fs::write(database.path().join("notes.txt"), "no file of the database").unwrap();
    let table = database.table();
    for arguments in [&["."][..], &[&table, "--entries"], &[&database.log()], &[&database.manifest()]] {
        let out = database.dump(arguments);
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
}

#[test]
fn a_directory_is_a_line_for_each_file() {
    let database = Database::new(Codec::Lz4);
    std::fs::write(database.path().join("notes.txt"), "no file of the database").unwrap();
    let out = database.dump(&["."]);
    // Which number a log that was made ahead of need has, if there was time for one,
    // is for the background threads to say.
    let kinds: BTreeSet<&str> = out.lines().filter_map(|line| line.get(30..40)).map(str::trim_end).collect();
    assert_eq!(kinds, BTreeSet::from(["current", "foreign", "lock", "log", "manifest", "table"]), "{out}");
    database.change(&database.log(), |bytes| bytes[50] ^= 1);
    let (out, errors) = database.dump_damaged(&["."]);
    assert!(out.contains("DAMAGED at offset 32; 1 batch, "), "{out}");
    assert!(errors.contains(&database.log()), "{errors}");
}

#[test]
fn a_damaged_log_is_shown_around_the_damage() {
    let database = Database::new(Codec::Lz4);
    let log = database.log();
    database.change(&log, |bytes| bytes[50] ^= 1);
    let (out, errors) = database.dump_damaged(&[&log]);
    assert!(
        out.contains("      32  DAMAGE      ") && out.contains("the fragment's checksum does not match"),
        "{out}"
    );
    assert!(
        out.contains("promise     every sequence up to 304 is durable") && out.contains("'large' → "),
        "{out}"
    );
    assert!(errors.contains(&format!("{log} is damaged at offset 32: ")), "{errors}");
    let (out, _) = database.dump_damaged(&[&log, "--hex"]);
    assert!(out.contains("damaged at offset 32: ") && out.contains(" of them in no field: 32.."), "{out}");
    let (out, _) = database.dump_damaged(&[&log, "--json"]);
    assert!(out.lines().all(is_json) && out.contains(r#"{"part":"damage","offset":32,"#), "{out}");
}

#[test]
fn a_log_that_was_cut_short_is_shown_up_to_the_cut() {
    let database = Database::new(Codec::Lz4);
    let log = database.log();
    database.change(&log, |bytes| bytes.truncate(40_000));
    let (out, errors) = database.dump_damaged(&[&log]);
    assert!(out.contains("'apple' → red") && out.contains("bytes wanted, 7225 left"), "{out}");
    assert!(errors.contains(" is damaged at offset "), "{errors}");
}

#[test]
fn a_damaged_table_is_shown_around_the_damage() {
    let database = Database::new(Codec::Lz4);
    let table = database.table();
    database.change(&table, |bytes| bytes[10] ^= 1);
    let (out, errors) = database.dump_damaged(&[&table, "--entries"]);
    assert!(out.contains("       0  DAMAGE      ") && out.contains("'key 299' → value 299"), "{out}");
    assert!(errors.contains("the block's checksum does not match"), "{errors}");
    database.change(&table, |bytes| bytes.truncate(bytes.len() - 1));
    let (out, errors) = database.dump_damaged(&[&table]);
    assert_eq!(out, "");
    assert!(errors.contains("not a table, or cut short"), "{errors}");
}

#[test]
fn no_flipped_bit_and_no_cut_passes_for_sound_or_makes_a_panic() {
    let database = Database::new(Codec::Lz4);
    for name in [database.manifest(), "CURRENT".to_owned()] {
        let sound = database.bytes(&name);
        for byte in (0..sound.len()).step_by(3) {
            database.change(&name, |bytes| bytes[byte] ^= 16);
            database.dump_damaged(&[&name]);
            database.change(&name, |bytes| bytes.clone_from(&sound));
        }
        database.change(&name, |bytes| bytes.truncate(sound.len() - 3));
        database.dump_damaged(&[&name, "--hex"]);
        database.change(&name, |bytes| bytes.clone_from(&sound));
    }
}

#[test]
fn what_is_no_file_of_a_database_is_told_in_one_line() {
    let database = Database::new(Codec::Lz4);
    for (name, told) in [
        ("notes.txt", "expected is a table (*.sst), a log (*.log), MANIFEST-* or CURRENT"),
        ("notes.log", "expected is a log or a manifest, which begin with \\x89LSML"),
        ("notes.sst", "not a table, or cut short"),
    ] {
        std::fs::write(database.path().join(name), "what somebody noted, ".repeat(10)).unwrap();
        let (out, errors) = database.dump_damaged(&[name]);
        assert!(out.is_empty() && errors.contains(name) && errors.contains(told), "{errors}");
    }
    let (_, errors) = database.dump_damaged(&["nowhere.sst"]);
    assert!(errors.contains("cannot read nowhere.sst: "), "{errors}");
}

#[test]
fn a_log_named_for_another_is_told() {
    let database = Database::new(Codec::Lz4);
    std::fs::copy(database.path().join(database.log()), database.path().join("900000.log")).unwrap();
    let (out, errors) = database.dump_damaged(&["900000.log"]);
    assert!(errors.contains("the name says 900000") && out.contains("'apple'"), "{errors}");
}

#[test]
fn a_reader_who_leaves_early_hears_no_complaint() {
    let database = Database::new(Codec::None);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lsm"));
    command.args(["dump", &database.log(), "--hex"]).current_dir(database.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &ran.errors[..]), (Some(0), ""));
}
