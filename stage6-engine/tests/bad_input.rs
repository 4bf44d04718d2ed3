//! The law of bad input: **it gets an error that says what, where and what to do,
//! and it changes nothing.**
//!
//! After every refused open the directory holds the same bytes under the same
//! names. What cannot be seen at open is an error of the read that meets it, never
//! a wrong answer.

use std::fs;
use std::ops::Bound::{Excluded, Included};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stage6_engine::memtable::key::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use stage6_engine::{Builder, Db, Error, ErrorKind, Range, Read, Result, SimRuntime, WriteBatch};
use tempfile::TempDir;

#[path = "support/directory.rs"]
mod directory;
use directory::{contents, names};

/// One thread: nothing happens behind the test's back.
fn still() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1)))
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// The database that is damaged: a table below level 0 and one on it, and a log
/// with two batches, closed in good order.
struct Victim {
    parent: TempDir,
}

impl Victim {
    fn new() -> Victim {
        Victim::with_id(1)
    }

    fn with_id(id: u128) -> Victim {
        let parent = temporary();
        let write = || -> Result<()> {
            let db = still().database_id(id).open(parent.path())?;
            for key in ["a", "b", "c"] {
                db.put(key, [b'1'; 200])?;
            }
            db.compact_range(..)?;
            db.put("b", [b'2'; 300])?;
            db.flush()?;
            db.put("in the log", [b'3'; 100])?;
            db.put("behind it", "")?;
            db.close()
        };
        write().expect("a sound directory");
        Victim { parent }
    }

    fn path(&self) -> &Path {
        self.parent.path()
    }

    fn file(&self, suffix_or_name: &str) -> PathBuf {
        self.path().join(&names(self.path(), suffix_or_name)[0])
    }

    fn manifest(&self) -> PathBuf {
        let name = contents(self.path()).into_keys().find(|name| name.starts_with("MANIFEST-"));
        self.path().join(name.expect("every database has a manifest"))
    }

    /// Refuses to open, for writing and for reading, with these words, and stays as
    /// it is.
    fn is_refused(&self, kind: ErrorKind, words: &[&str]) {
        let before = contents(self.path());
        for builder in [still(), still().read_only()] {
            let error = builder.open(self.path()).map(drop).expect_err(words[0]);
            assert_eq!(error.kind(), kind, "{error}");
            for words in words {
                assert!(error.to_string().contains(words), "\"{error}\" does not say \"{words}\"");
            }
            assert_eq!(contents(self.path()), before, "it changed something");
        }
    }
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("the file is there");
    change(&mut bytes);
    fs::write(file, bytes).expect("the file can be written");
}

fn name_of(file: &Path) -> String {
    file.file_name().expect("a file has a name").to_string_lossy().into_owned()
}

fn told(result: Result<impl Sized>, kind: ErrorKind, words: &str) {
    let error = result.map(drop).expect_err(words);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "\"{error}\" does not say \"{words}\"");
}

#[test]
fn a_key_at_its_limit_is_a_key_like_any_other() -> Result<()> {
    let parent = temporary();
    let (longest, before) = ([7; MAX_KEY_BYTES], [7; MAX_KEY_BYTES - 1]);
    let db = still().open(parent.path())?;
    db.put(longest, "longest")?;
    db.put(before, "before")?;
    drop(db);
    let db = still().open(parent.path())?;
    for _ in 0..2 {
        assert_eq!(db.get(longest)?.as_deref(), Some(&b"longest"[..]));
        assert_eq!(db.range((Excluded(&before[..]), Included(&longest[..]))).count(), 1);
        assert_eq!(db.range((Excluded(longest), Included([8; MAX_KEY_BYTES]))).count(), 0);
        assert_eq!(db.range(..=longest).rev().count(), 2);
        db.compact_range(..)?;
    }
    Ok(())
}

#[test]
fn one_byte_beyond_a_limit_refuses_the_whole_batch() -> Result<()> {
    let db = still().open_in_memory()?;
    let too_long = [7; MAX_KEY_BYTES + 1];
    let words = "a key of 65536 bytes is longer than the limit of 65535 bytes";
    told(db.put(too_long, ""), ErrorKind::InvalidArgument, words);
    told(db.delete(too_long), ErrorKind::InvalidArgument, words);
    let mut batch = WriteBatch::new();
    batch.put("fine", "").put("too large", vec![0; MAX_VALUE_BYTES + 1]).put("fine too", "");
    let words = "a value of 1073741825 bytes is larger than the limit of 1073741824 bytes";
    told(db.write(&batch), ErrorKind::InvalidArgument, words);
    assert_eq!((db.range(..).count(), db.stats().visible_sequence), (0, 0));
    assert_eq!(db.get(too_long)?, None, "asking for it is no error");
    assert_eq!(db.range(too_long..).count(), 0);
    db.put("writable", "still")?;
    Ok(())
}

/// The limit itself is only checked, not written: it is a gigabyte.
#[test]
fn a_value_at_its_limit_is_accepted() {
    use stage6_engine::memtable::key::check_limits;
    let largest = vec![0; MAX_VALUE_BYTES];
    assert!(check_limits(b"k", &largest).is_ok());
}

#[test]
fn a_reversed_range_is_an_error_and_an_empty_one_is_empty() -> Result<()> {
    let db = still().open_in_memory()?;
    db.put("b", "")?;
    let reversed: [fn(&Db) -> Range; 3] =
        [|db| db.range("c".."a"), |db| db.range("c"..="a"), |db| db.range((Excluded("c"), Excluded("a")))];
    for range in reversed {
        for mut entries in [range(&db).collect::<Vec<_>>(), range(&db).rev().collect()] {
            assert_eq!(entries.len(), 1);
            let words = "the range begins behind its end: from";
            told(entries.remove(0), ErrorKind::InvalidArgument, words);
        }
    }
    assert_eq!(db.range("b".."b").count() + db.range((Excluded("b"), Included("b"))).count(), 0);
    db.compact_range("b".."b")?;
    told(db.compact_range("c".."a"), ErrorKind::InvalidArgument, "swap its ends");
    Ok(())
}

#[test]
fn a_directory_that_does_not_exist_holds_no_database() {
    let parent = temporary();
    let path = parent.path().join("missing");
    for builder in [still().read_only(), still().create_if_missing(false)] {
        told(builder.open(&path), ErrorKind::NotFound, "missing: check the path");
    }
    assert!(!path.exists());
}

#[test]
fn an_empty_directory_holds_no_database_and_stays_empty() {
    let parent = temporary();
    for builder in [still().read_only(), still().create_if_missing(false)] {
        told(builder.open(parent.path()), ErrorKind::NotFound, "there is no database in");
        assert!(contents(parent.path()).is_empty());
    }
}

#[test]
fn a_file_is_no_directory() {
    let parent = temporary();
    let path = parent.path().join("file");
    fs::write(&path, "text").expect("the directory can be written");
    for builder in [still(), still().read_only()] {
        told(builder.clone().open(&path), ErrorKind::Io, "/file");
        told(builder.open(path.join("below")), ErrorKind::Io, "/file");
    }
    assert_eq!(fs::read(&path).expect("it is there"), b"text");
}

/// Nothing can be shown where permissions do not bind, as for the superuser: then
/// this says so and passes.
#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_named_unless_permissions_do_not_bind() {
    use std::os::unix::fs::PermissionsExt;
    let parent = temporary();
    let allow = |mode| fs::set_permissions(parent.path(), fs::Permissions::from_mode(mode));
    allow(0o500).expect("our own directory");
    if fs::write(parent.path().join("probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    told(still().open(parent.path()), ErrorKind::Io, "LOCK");
    assert!(contents(parent.path()).is_empty());
    allow(0o700).expect("our own directory");
}

#[test]
fn a_directory_in_use_is_refused_and_the_user_not_disturbed() -> Result<()> {
    let victim = Victim::new();
    let db = still().open(victim.path())?;
    victim.is_refused(ErrorKind::InUse, &["is in use", "close it where it is open"]);
    db.put("still", "writable")?;
    assert_eq!(db.range(..).count(), 6);
    Ok(())
}

#[test]
fn a_database_without_current_is_damaged_and_not_empty() {
    for also_without in ["LOCK", ".sst", ".log"] {
        let victim = Victim::new();
        fs::remove_file(victim.path().join("CURRENT")).expect("it is there");
        names(victim.path(), also_without)
            .iter()
            .for_each(|name| fs::remove_file(victim.path().join(name)).expect("it is there"));
        let words =
            ["CURRENT is corrupt", "this was a database", "restore CURRENT", "choose an empty directory"];
        victim.is_refused(ErrorKind::Corruption, &words);
    }
}

#[test]
fn a_damaged_current_is_refused() {
    let damages: [fn(&mut Vec<u8>); 5] = [
        |bytes| *bytes = b"this is another program's file, of the same length".to_vec(),
        |bytes| bytes.truncate(20),
        Vec::clear,
        |bytes| bytes.fill(0),
        |bytes| bytes.push(0),
    ];
    for damage in damages {
        let victim = Victim::new();
        change(&victim.file("CURRENT"), damage);
        victim.is_refused(ErrorKind::Corruption, &["CURRENT is corrupt at offset"]);
    }
}

#[test]
fn a_format_of_the_future_is_unsupported_and_not_corrupt() {
    let victim = Victim::new();
    change(&victim.file("CURRENT"), |bytes| {
        bytes[8] = 9;
        let crc = crc32(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
    });
    let words = ["CURRENT cannot be read by this release", "format version 9", "known is version 1"];
    victim.is_refused(ErrorKind::Unsupported, &words);
}

/// The checksum of zlib and PNG, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn a_missing_manifest_is_named() {
    let victim = Victim::new();
    let manifest = victim.manifest();
    fs::remove_file(&manifest).expect("it is there");
    let words = ["CURRENT is corrupt", "names manifest", "is not there", "restore the database from a copy"];
    victim.is_refused(ErrorKind::Corruption, &words);
}

#[test]
fn a_damaged_manifest_is_refused() {
    let other = Victim::with_id(2);
    let foreign = fs::read(other.manifest()).expect("it is there");
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let damages: [Damage<'_>; 6] = [
        &|bytes| bytes.truncate(40),
        &|bytes| bytes.truncate(10),
        &|bytes| bytes.fill(0),
        &Vec::clear,
        &|bytes| bytes[60] ^= 1,
        &|bytes| bytes.clone_from(&foreign),
    ];
    for damage in damages {
        let victim = Victim::new();
        change(&victim.manifest(), damage);
        victim.is_refused(ErrorKind::Corruption, &["MANIFEST-", "is corrupt at offset"]);
    }
}

#[test]
fn a_table_that_is_missing_or_cut_is_found_at_open() {
    for (index, level) in [(0, "level 6"), (1, "level 0")] {
        let victim = Victim::new();
        let name = names(victim.path(), ".sst")[index].clone();
        let table = victim.path().join(&name);
        let bytes = fs::read(&table).expect("it is there");
        fs::remove_file(&table).expect("it is there");
        victim.is_refused(ErrorKind::Corruption, &[&name, level, "it is not there; restore it from a copy"]);
        for length in [0, 1, bytes.len() - 1] {
            fs::write(&table, &bytes[..length]).expect("the directory can be written");
            let said = format!("{length} bytes long, {} were written", bytes.len());
            victim.is_refused(ErrorKind::Corruption, &[&name, &said, "restore it from a copy"]);
        }
    }
}

/// Reads everything in every way. Returns how many errors it met.
fn read_all(db: &Db, name: &str) -> usize {
    let sound = |key: &[u8], value: &[u8]| match key {
        b"a" | b"c" => value == [b'1'; 200],
        b"b" => value == [b'2'; 300],
        b"in the log" => value == [b'3'; 100],
        key => key == b"behind it" && value.is_empty(),
    };
    let mut errors: Vec<Error> = Vec::new();
    for entry in db.range(..).chain(db.range(..).rev()) {
        match entry {
            Ok((key, value)) => assert!(sound(&key, &value), "a wrong answer for {key:?}"),
            Err(error) => errors.push(error),
        }
    }
    for key in ["a", "b", "c", "in the log", "behind it"] {
        match db.get(key) {
            Ok(Some(value)) => assert!(sound(key.as_bytes(), &value), "a wrong answer for {key}"),
            Ok(None) => unreachable!("{key} is lost in silence"),
            Err(error) => errors.push(error),
        }
    }
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        assert!(error.to_string().contains(name) && error.to_string().contains("at offset"), "{error}");
    }
    errors.len()
}

#[test]
fn a_table_with_other_contents_is_an_error_of_whoever_reads_it() -> Result<()> {
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.fill(0),
        |bytes| bytes[20] ^= 0x10,
        |bytes| {
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
        },
    ];
    for (index, damage) in (0..2).flat_map(|index| damages.map(|damage| (index, damage))) {
        let victim = Victim::new();
        let name = names(victim.path(), ".sst")[index].clone();
        change(&victim.path().join(&name), damage);
        for builder in [still().read_only(), still()] {
            let db = builder.open(victim.path())?;
            assert!(read_all(&db, &name) > 0);
        }
        // A compaction meets it too, and leaves what is there.
        let db = still().open(victim.path())?;
        told(db.compact_range(..), ErrorKind::Corruption, &name);
        assert!(read_all(&db, &name) > 0);
        assert!(victim.path().join(&name).exists());
    }
    Ok(())
}

/// Two tables of equal length: nothing but their salt tells them apart.
#[test]
fn two_tables_that_were_swapped_are_both_refused() -> Result<()> {
    let parent = temporary();
    let db = still().open(parent.path())?;
    for value in ["1", "2"] {
        db.put("key", value)?;
        db.flush()?;
    }
    db.close()?;
    drop(db);
    let tables: Vec<PathBuf> =
        names(parent.path(), ".sst").iter().map(|name| parent.path().join(name)).collect();
    let [first, second] = [&tables[0], &tables[1]].map(|table| fs::read(table).expect("it is there"));
    assert_eq!(first.len(), second.len());
    fs::write(&tables[0], second).expect("the directory can be written");
    fs::write(&tables[1], first).expect("the directory can be written");
    let db = still().read_only().open(parent.path())?;
    told(db.get("key"), ErrorKind::Corruption, &name_of(&tables[1]));
    assert!(db.range(..).all(|entry| entry.is_err()));
    Ok(())
}

#[test]
fn the_log_of_another_database_is_refused() {
    let (victim, other) = (Victim::new(), Victim::with_id(2));
    let log = victim.file(".log");
    assert_eq!(name_of(&log), name_of(&other.file(".log")));
    fs::copy(other.file(".log"), &log).expect("the directory can be written");
    let words = [&name_of(&log), "is corrupt at offset 0", "of another database or name"];
    victim.is_refused(ErrorKind::Corruption, &words);
}

#[test]
fn damage_below_a_promise_is_refused_with_its_place() {
    for position in [40, 45, 100, 160] {
        let victim = Victim::new();
        let log = victim.file(".log");
        change(&log, |bytes| bytes[position] ^= 1);
        let words = [&name_of(&log), "is corrupt at offset", "was promised durable", "restore the database"];
        victim.is_refused(ErrorKind::Corruption, &words);
    }
}

#[test]
fn a_log_that_is_missing_below_a_promise_in_a_later_one_is_refused() -> Result<()> {
    let parent = temporary();
    let db = still().memtable_bytes(100).max_immutables(10).open(parent.path())?;
    for number in 0..5 {
        db.put([number], [0; 200])?;
    }
    db.close()?;
    drop(db);
    let logs = names(parent.path(), ".log");
    assert!(logs.len() > 2, "{logs:?}");
    fs::remove_file(parent.path().join(&logs[1])).expect("it is there");
    let before = contents(parent.path());
    told(still().open(parent.path()), ErrorKind::Corruption, "was promised durable");
    assert_eq!(contents(parent.path()), before);
    Ok(())
}

#[test]
fn a_file_number_that_leaves_none_above_it_is_refused() {
    for name in ["18446744073709551615.sst", "18446744073709551614.tmp", "MANIFEST-9000000000000000000"] {
        let victim = Victim::new();
        fs::write(victim.path().join(name), "").expect("the directory can be written");
        victim.is_refused(ErrorKind::Corruption, &[name, "it is not ours; move it away"]);
    }
}
