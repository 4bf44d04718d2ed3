//! Somebody else was in the directory: a clear error, and nothing changed.
//!
//! ```text
//!   a sound database ─ harm ─▶ link, directory, pipe, socket, nothing, too much
//!          │                   in the place of CURRENT, LOCK, manifest, log, table
//!          │ checksums before
//!          ▼
//!   open to read, open to write ─▶ an error that names the file, in a moment
//!          │
//!          └ checksums after: the same, in the directory and outside of it
//! ```
//!
//! The directories are real ones. What permissions forbid, and what a second process
//! may do, needs a process of its own: see `tests/tests/hostile.rs`.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use stage6_engine::wal::identity::DatabaseId;
use stage6_engine::wal::vfs::OsVfs;
use stage6_engine::{Builder, Db, ErrorKind, Read, Result, SimRuntime, compaction::manifest::Current};
use tempfile::TempDir;

use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Everything that somebody may put where a database keeps its files.
pub const SUITE: Suite = Suite {
    name: "hostile",
    about: "links, directories, pipes and foreign files in a real directory",
    targets: &[("cases", 80)],
    run: torture,
};

/// An open that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Until a new process has begun its own program it holds the files of this one, and
/// with them the locks of directories that are open here. So no process is made while
/// one is open.
static OPENED_HERE: RwLock<()> = RwLock::new(());

/// More than any machine has memory for, and nothing on the disk.
const SPARSE_BYTES: u64 = 15 << 40;

/// The files of a database, by how their names begin or end.
const FILES: [&str; 5] = ["CURRENT", "LOCK", "MANIFEST-", ".log", ".sst"];

/// What is put in the place of a file.
type Obstacle = (&'static str, fn(&Path));

const OBSTACLES: [Obstacle; 7] = [
    ("a link to the file itself, moved elsewhere", |file| {
        let elsewhere = outside(file).join("moved");
        fs::rename(file, &elsewhere).expect("our own directory");
        symlink(elsewhere, file).expect("our own directory");
    }),
    ("a link to nothing", |file| {
        remove(file);
        symlink(outside(file).join("nowhere"), file).expect("our own directory");
    }),
    ("a directory", |file| {
        remove(file);
        fs::create_dir(file).expect("our own directory");
        fs::write(file.join("inside"), "kept").expect("our own directory");
    }),
    ("a pipe", |file| {
        remove(file);
        let _none_is_open = OPENED_HERE.write().unwrap_or_else(PoisonError::into_inner);
        let made = Command::new("mkfifo").arg(file).status().expect("every Unix has mkfifo");
        assert!(made.success());
    }),
    ("a socket", |file| {
        remove(file);
        drop(UnixListener::bind(file).expect("our own directory"));
    }),
    ("an empty file", |file| fs::write(file, "").expect("our own directory")),
    ("a file without end", |file| {
        let longer = File::options().write(true).open(file).expect("our own directory");
        longer.set_len(SPARSE_BYTES).expect("a sparse file costs nothing");
    }),
];

/// Something else that is done to a directory, and what follows.
struct Harm {
    what: &'static str,
    harm: fn(&Place),
    /// The kind of error and a word of it; `None` where the database opens.
    refused: Option<(ErrorKind, &'static str)>,
}

const HARMS: [Harm; 7] = [
    Harm {
        what: "foreign names beside the database",
        harm: |place| {
            for name in ["notes.txt", "1.log", "000001.LOG", "000001.sst.old", "MANIFEST-1", "CURRENT~"] {
                fs::write(place.database().join(name), "not ours").expect("our own directory");
            }
            fs::create_dir(place.database().join("lost+found")).expect("our own directory");
            symlink("/", place.database().join("root")).expect("our own directory");
        },
        refused: None,
    },
    Harm {
        what: "a table with a number that nobody counts to",
        harm: |place| {
            fs::write(place.database().join(format!("{}.sst", u64::MAX)), "").expect("our own directory");
        },
        refused: Some((ErrorKind::Corruption, "18446744073709551615.sst")),
    },
    Harm {
        what: "a newer log that is a pipe",
        harm: |place| OBSTACLES[3].1(&place.touched("000900.log")),
        refused: Some((ErrorKind::Io, "000900.log")),
    },
    Harm {
        what: "a newer log that is a link",
        harm: |place| OBSTACLES[0].1(&place.touched("000900.log")),
        refused: Some((ErrorKind::Io, "000900.log")),
    },
    Harm {
        what: "a CURRENT that names a manifest which is not there",
        harm: |place| {
            let vfs = OsVfs::existing(place.database()).expect("it is there");
            let current = Current { database: DatabaseId(7), manifest: 900 };
            current.commit(&vfs, 901).expect("our own directory");
        },
        refused: Some((ErrorKind::Corruption, "names manifest 900")),
    },
    Harm {
        what: "no CURRENT",
        harm: |place| remove(&place.file("CURRENT")),
        refused: Some((ErrorKind::Corruption, "CURRENT")),
    },
    Harm {
        what: "no manifest",
        harm: |place| remove(&place.file("MANIFEST-")),
        refused: Some((ErrorKind::Corruption, "which is not there")),
    },
];

/// The two ways to open a database.
const MODES: [&str; 2] = ["to read", "to write"];

fn torture(course: &Course) -> Outcome {
    let obstacles = FILES.len() * OBSTACLES.len();
    let cases = (obstacles + HARMS.len()) * MODES.len();
    let chosen = course.at.as_deref().map(str::parse).transpose();
    let chosen: Option<u64> = chosen.map_err(|_| Failure::new("--at: expected the number of a case"))?;
    let case = |index: u64| {
        if chosen.is_some_and(|chosen| chosen != index) {
            return Ok(Tally::default());
        }
        let (mode, case) = (index as usize % MODES.len(), index as usize / MODES.len());
        let judged = match case.checked_sub(obstacles) {
            None => judge_obstacle(FILES[case / OBSTACLES.len()], OBSTACLES[case % OBSTACLES.len()], mode),
            Some(harm) => judge_harm(&HARMS[harm], mode),
        };
        judged.map_err(|mut failure| {
            failure.at = Some(index.to_string());
            failure
        })
    };
    Ok(course.each(cases as u64, case)?.and("second handles", second_handles()?))
}

/// An obstacle is refused, except where there is nothing to refuse: a lock holds no
/// bytes, and an empty log is one that was never written to.
fn judge_obstacle(file: &'static str, (what, put): Obstacle, mode: usize) -> Outcome {
    let place = Place::new();
    let target = place.file(file);
    put(&target);
    let is_harmless = match what {
        "an empty file" => file == "LOCK" || file == ".log",
        "a file without end" => file == "LOCK",
        _ => false,
    };
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let operation = format!("{what} for {name}, opened {}", MODES[mode]);
    let refused = (!is_harmless).then_some((None, name.as_str()));
    judge(&place, mode, refused).map_err(|what| failure(what, operation))
}

fn judge_harm(harm: &Harm, mode: usize) -> Outcome {
    let place = Place::new();
    (harm.harm)(&place);
    let refused = harm.refused.map(|(kind, word)| (Some(kind), word));
    judge(&place, mode, refused)
        .map_err(|what| failure(what, format!("{}, opened {}", harm.what, MODES[mode])))
}

fn failure(what: String, operation: String) -> Box<Failure> {
    Box::new(Failure { what, operation: Some(operation), ..Failure::default() })
}

/// Opens the database and compares what follows with what should.
fn judge(place: &Place, mode: usize, refused: Option<(Option<ErrorKind>, &str)>) -> Result<Tally, String> {
    let before = place.tree();
    let _no_process_begins = OPENED_HERE.read().unwrap_or_else(PoisonError::into_inner);
    let opened = open_in_time(&place.database(), mode)?;
    let after = place.tree();
    match (opened, refused) {
        (Ok(_), None) => {
            let foreign =
                |tree: &[Seen]| tree.iter().filter(|seen| !seen.is_ours).cloned().collect::<Vec<_>>();
            same(&foreign(&before), &foreign(&after))?;
            Ok(Tally::of("cases", 1).and("opened", 1))
        }
        (Ok(_), Some(_)) => Err("it was opened".to_owned()),
        (Err((_, text)), None) => Err(format!("it was refused: {text}")),
        (Err((kind, text)), Some((expected, word))) => {
            let is_clear = text.contains(word) && expected.is_none_or(|expected| expected == kind);
            let is_kind = matches!(kind, ErrorKind::Io | ErrorKind::Corruption);
            if !is_clear || !is_kind {
                return Err(format!("{kind:?} is not clear, or does not say {word}: {text}"));
            }
            same(&before, &after)?;
            Ok(Tally::of("cases", 1).and("refused", 1))
        }
    }
}

fn same(before: &[Seen], after: &[Seen]) -> Result<(), String> {
    let changed = before.iter().find(|seen| !after.contains(seen));
    let changed = changed.or_else(|| after.iter().find(|seen| !before.contains(seen)));
    changed.map_or(Ok(()), |seen| Err(format!("{} was changed", seen.path.display())))
}

/// Opens it in a thread that may hang, and reads all of it.
fn open_in_time(path: &Path, mode: usize) -> Result<Result<usize, (ErrorKind, String)>, String> {
    let (answer, answered) = channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        let opened = still(mode).open(path).and_then(|db| db.range(..).map(|entry| entry.map(drop)).sum_ok());
        let _nobody_waits = answer.send(opened.map_err(|error| (error.kind(), error.to_string())));
    });
    answered.recv_timeout(PATIENCE).map_err(|_| "it hangs, or has panicked".to_owned())
}

/// Counts, up to the first error.
trait SumOk {
    fn sum_ok(self) -> Result<usize>;
}

impl<I: Iterator<Item = Result<()>>> SumOk for I {
    fn sum_ok(mut self) -> Result<usize> {
        self.try_fold(0, |sum, entry| entry.map(|()| sum + 1))
    }
}

fn still(mode: usize) -> Builder {
    let builder = Db::builder().runtime(Arc::new(SimRuntime::new(1)));
    if mode == 0 { builder.read_only() } else { builder }
}

/// Handle after handle is refused while the first is open, and the first never
/// notices.
fn second_handles() -> Result<u64, Box<Failure>> {
    let place = Place::new();
    let told = |what: String| failure(what, "a second handle".to_owned());
    let first = still(1).open(place.database()).map_err(|error| told(error.to_string()))?;
    let before = place.tree();
    for mode in 0..MODES.len() {
        match still(mode).open(place.database()) {
            Err(error) if error.kind() == ErrorKind::InUse => {}
            other => return Err(told(format!("{other:?}"))),
        }
    }
    same(&before, &place.tree()).map_err(told)?;
    first.put("third", "").map_err(|error| told(error.to_string()))?;
    Ok(2)
}

/// A database with a table and a log, beside a directory that is none of its
/// business.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(place.0.path().join("outside")).expect("our own directory");
        fs::write(place.0.path().join("outside/secret"), "secret").expect("our own directory");
        fill(&place.database()).expect("a sound disk");
        place
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("database")
    }

    /// The newest file whose name begins or ends so.
    fn file(&self, part: &str) -> PathBuf {
        let mut files: Vec<PathBuf> = entries(&self.database());
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(part) || name.ends_with(part)
        });
        files.pop().expect("a database has one of each")
    }

    /// An empty file of this name in the database's directory.
    fn touched(&self, name: &str) -> PathBuf {
        let file = self.database().join(name);
        fs::write(&file, "").expect("our own directory");
        file
    }

    /// Everything that is there, inside and outside.
    fn tree(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        look(self.0.path(), &mut seen);
        seen
    }
}

/// Writes a database with one entry in a table and one in the log.
fn fill(path: &Path) -> Result<()> {
    let _no_process_begins = OPENED_HERE.read().unwrap_or_else(PoisonError::into_inner);
    let db = still(1).database_id(7).open(path)?;
    db.put("first", "in a table")?;
    db.flush()?;
    db.put("second", "in the log")?;
    db.close()
}

fn outside(file: &Path) -> PathBuf {
    let database = file.parent().expect("it lies in a directory");
    database.with_file_name("outside")
}

fn remove(file: &Path) {
    fs::remove_file(file).expect("our own directory");
}

/// The names in a directory, in order.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("our own directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("our own directory").path()).collect();
    paths.sort();
    paths
}

/// A name, what it is, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    mode: u32,
    inode: u64,
    length: u64,
    contents: Contents,
    is_ours: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Contents {
    Bytes(Vec<u8>),
    Link(PathBuf),
    Other,
}

/// A file that is longer is compared by its length.
const COMPARED_BYTES: u64 = 1 << 20;

fn look(directory: &Path, seen: &mut Vec<Seen>) {
    use stage6_engine::wal::vfs::FileId;
    for path in entries(directory) {
        let metadata = fs::symlink_metadata(&path).expect("our own directory");
        let kind = metadata.file_type();
        let contents = match () {
            () if kind.is_symlink() => Contents::Link(fs::read_link(&path).expect("it is a link")),
            () if kind.is_file() && metadata.len() <= COMPARED_BYTES => {
                Contents::Bytes(fs::read(&path).expect("our own file"))
            }
            () => Contents::Other,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_directory = kind.is_dir();
        seen.push(Seen {
            path: path.clone(),
            mode: metadata.mode(),
            inode: metadata.ino(),
            // A directory's length is its file system's business.
            length: if is_directory { 0 } else { metadata.len() },
            contents,
            is_ours: FileId::parse(&name).is_some(),
        });
        if is_directory {
            look(&path, seen);
        }
    }
}
