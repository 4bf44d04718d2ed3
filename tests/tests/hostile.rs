//! Somebody else was in the directory, or is: a clear error, and nothing changed.
//!
//! The short form of the suite `hostile`; and what needs a process of its own: a
//! second one, and one that permissions bind. Where the tests run as root, that one
//! runs as `nobody`.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stage6_engine::{Db, Read};
use tempfile::TempDir;
use tests::suite::{Course, Failure};
use tests::suites::hostile;

const DIRECTORY: &str = "HOSTILE_TEST_DIRECTORY";
const MODE: &str = "HOSTILE_TEST_MODE";

/// Held by each test: a process that begins while another test has a directory open
/// would hold its lock for a moment.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The user whom everybody else's permissions bind.
const NOBODY: u32 = 65534;

#[test]
fn whatever_is_in_the_way_is_a_clear_error_and_nothing_is_changed() -> Result<(), Box<Failure>> {
    let _alone = alone();
    hostile::SUITE.conclude(&Course::short()).map(drop)
}

/// Not a test of its own: the process that the tests below start. Says in a line
/// whether it could open the database, and why not.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let is_reader = std::env::var(MODE).is_ok_and(|mode| mode == "to read");
    let builder = if is_reader { Db::builder().read_only() } else { Db::builder() };
    match builder.open(directory).and_then(|db| db.get("first")) {
        Ok(value) => println!("\nopened with {value:?}"),
        Err(error) => println!("\nrefused as {:?}: {error}", error.kind()),
    }
}

/// A database in a directory of its own, and a program that opens it.
struct Place {
    parent: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { parent: tempfile::tempdir().expect("a temporary directory") };
        let db = Db::open(place.database()).expect("a sound disk");
        db.put("first", "value").and_then(|_| db.flush()).expect("a sound disk");
        db.put("second", "value").and_then(|_| db.close()).expect("a sound disk");
        place
    }

    fn database(&self) -> PathBuf {
        self.parent.path().join("database")
    }

    /// Gives all of it to the user whom the child runs as.
    fn give_away(&self) {
        allow(self.parent.path(), 0o755);
        if is_root() {
            for path in files(&self.database()).iter().chain([&self.database()]) {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
            }
        }
    }

    /// What another process says that opens it.
    fn opened_by_another(&self, mode: &str) -> String {
        // Where this program lies, nobody may be allowed to look.
        let program = self.parent.path().join("program");
        if !program.exists() {
            fs::copy(std::env::current_exe().expect("a test runs"), &program).expect("our own directory");
            allow(&program, 0o755);
        }
        let mut command = Command::new(program);
        command.args(["--exact", "child", "--nocapture"]).env(DIRECTORY, self.database()).env(MODE, mode);
        command.current_dir("/");
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().expect("the test can start itself");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.starts_with("opened") || line.starts_with("refused"));
        line.expect("the child says whether it could open the database").to_owned()
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own directory");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("our own directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("our own directory").path()).collect();
    paths.sort();
    paths
}

/// Names and contents. `None` for a file whose mode must be lifted to be read.
fn contents(directory: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let read = |path: &PathBuf| {
        let mode = fs::metadata(path).expect("our own file").mode();
        allow(path, 0o600);
        let bytes = fs::read(path).expect("our own file");
        allow(path, mode & 0o777);
        (path.clone(), mode, bytes)
    };
    files(directory).iter().map(read).collect()
}

#[test]
fn a_second_process_is_refused_and_the_first_never_notices() {
    let _alone = alone();
    let place = Place::new();
    place.give_away();
    let db = Db::open(place.database()).expect("it was closed");
    // Opening made new files, which are ours alone.
    place.give_away();
    for mode in ["to read", "to write"] {
        let said = place.opened_by_another(mode);
        assert!(said.starts_with("refused as InUse") && said.contains("database"), "{mode}: {said}");
    }
    db.put("third", "value").expect("nobody disturbed it");
    db.close().expect("nobody disturbed it");
    place.give_away();
    assert!(place.opened_by_another("to read").starts_with("opened with Some"));
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_nothing_is_changed() {
    let _alone = alone();
    let mut refused = 0;
    for part in ["CURRENT", "LOCK", "MANIFEST-", ".log", ".sst"] {
        let place = Place::new();
        place.give_away();
        let is_it = |file: &&PathBuf| file.to_string_lossy().contains(part);
        let file = files(&place.database()).iter().rfind(is_it).expect("a database has one of each").clone();
        allow(&file, 0o000);
        let before = contents(&place.database());
        for mode in ["to read", "to write"] {
            let said = place.opened_by_another(mode);
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_clear =
                said.starts_with("refused as Io") && said.contains(&name) && said.contains("ermission");
            assert!(is_clear, "{name}, {mode}: {said}");
            assert_eq!(contents(&place.database()), before, "{name}, {mode}");
            refused += 1;
        }
    }
    println!("hostile: {refused} opens of files that may not be read, all refused, 0 changes");
}

#[test]
fn a_read_only_directory_is_read_and_not_written() {
    let _alone = alone();
    let place = Place::new();
    place.give_away();
    allow(&place.database(), 0o500);
    let before = contents(&place.database());
    assert!(place.opened_by_another("to read").starts_with("opened with Some"));
    let said = place.opened_by_another("to write");
    assert!(said.starts_with("refused as Io: cannot create") && said.contains("database/"), "{said}");
    assert_eq!(contents(&place.database()), before);
    allow(&place.database(), 0o700);
    assert!(place.opened_by_another("to write").starts_with("opened with Some"));
}

#[test]
fn a_directory_that_may_not_be_entered_is_named() {
    let _alone = alone();
    let place = Place::new();
    place.give_away();
    let before = contents(&place.database());
    for (permissions, mode) in
        [(0o000, "to read"), (0o000, "to write"), (0o300, "to read"), (0o300, "to write")]
    {
        allow(&place.database(), permissions);
        let said = place.opened_by_another(mode);
        allow(&place.database(), 0o700);
        assert!(
            said.starts_with("refused as Io") && said.contains("database"),
            "{permissions:o} {mode}: {said}"
        );
    }
    assert_eq!(contents(&place.database()), before);
}

#[test]
fn a_lock_that_may_only_be_read_keeps_writers_out_and_no_reader() {
    let _alone = alone();
    let place = Place::new();
    place.give_away();
    allow(&place.database().join("LOCK"), 0o400);
    assert!(place.opened_by_another("to read").starts_with("opened with Some"));
    let said = place.opened_by_another("to write");
    assert!(said.starts_with("refused as Io: cannot lock") && said.contains("LOCK"), "{said}");
}
