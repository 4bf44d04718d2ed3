//! A real process, killed by signal 9 at a moment it does not choose: every write
//! that it acknowledged is there, in order and without a hole.
//!
//! ```text
//!   torture ─spawn─▶ child: open, write, acknowledge, write, acknowledge, …
//!      │ after 0 to 60 ms     begin   open    1             2
//!      ├─ SIGKILL ─▶ ✝
//!      └─ read what it said; open its directory; is it batch n for an n at or
//!         behind the last acknowledged one?
//! ```
//!
//! Batch `n` writes the slot `n % 600`, so that what should be there follows from `n`
//! alone, tables are merged all the time, and a directory stays small. Some rounds
//! are only looked at by a reader, so that the next child recovers from what
//! two kills left. The delays follow from the seed; what the child does by then is
//! the machine's choice, so a replay is likely and not certain to meet it again.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use stage6_engine::{Builder, Db, Durability, Leveled, Read, WriteBatch};

use crate::dice::Dice;
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Thousands of kills.
pub const SUITE: Suite = Suite {
    name: "kill",
    about: "a process killed by signal 9 while it opens, writes, flushes and compacts",
    targets: &[("rounds", 2_000), ("killed while opening", 100), ("acknowledged", 100_000)],
    run: torture,
};

/// In whose environment this is set is a child, and this its directory.
const CHILD_DIRECTORY: &str = "TORTURE_KILL_DIRECTORY";

/// The rounds of one directory.
const ROUNDS: u64 = 50;

/// The rounds of one directory in the short form.
const SHORT_ROUNDS: u64 = 6;

const SLOTS: u64 = 600;

/// Each batch writes so many keys to its slot.
const PARTS: u8 = 3;

const LAST: &[u8] = b"last";

/// The program that becomes the child, if it is not this one.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says which program calls [`become_child_if_asked`] first of all.
pub fn child_is(program: impl Into<PathBuf>) {
    PROGRAM.get_or_init(|| program.into());
}

/// If this process was started as a child, it writes until it is killed.
pub fn become_child_if_asked() {
    if let Some(directory) = std::env::var_os(CHILD_DIRECTORY) {
        write_for_ever(directory.as_ref());
    }
}

fn builder() -> Builder {
    Db::builder().memtable_bytes(32 << 10).strategy(Leveled {
        level0_files: 2,
        base_level_bytes: 64 << 10,
        size_ratio: 4,
        target_file_bytes: 32 << 10,
    })
}

/// Never returns: whoever cannot go on says so and is found out by silence.
fn write_for_ever(directory: &Path) -> ! {
    say("begin");
    let db = builder().open(directory).expect("the directory is ours");
    let begin = last_batch(&db).expect("nothing is damaged") + 1;
    say("open");
    for number in begin.. {
        let durability = if number % 53 == 0 { Durability::Sync } else { Durability::Buffer };
        db.write_opt(&batch(number), durability).expect("nothing fails before the kill");
        say(&number.to_string());
    }
    unreachable!("it is killed before the numbers end")
}

/// One line, in the pipe before it returns.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}

/// Writes or deletes all parts of a slot, and says that it was the last.
fn batch(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for part in 0..PARTS {
        match value(number, part) {
            Some(value) => batch.put(key(number % SLOTS, part), value),
            None => batch.delete(key(number % SLOTS, part)),
        };
    }
    batch.put(LAST, number.to_be_bytes());
    batch
}

fn key(slot: u64, part: u8) -> Vec<u8> {
    [&slot.to_be_bytes()[..], &[part]].concat()
}

/// What batch `number` leaves in a part of its slot; a seventh of the batches delete.
fn value(number: u64, part: u8) -> Option<Vec<u8>> {
    let filler = vec![part; (number % 211) as usize];
    (number % 7 != 3).then(|| [&number.to_be_bytes()[..], &filler].concat())
}

fn last_batch(db: &Db) -> Result<u64, String> {
    let value = db.get(LAST).map_err(|error| format!("a get fails: {error}"))?;
    let bytes = value.as_deref().map_or(Ok([0; 8]), <[u8; 8]>::try_from);
    bytes.map(u64::from_be_bytes).map_err(|_| "the number of the last batch is cut".to_owned())
}

fn torture(course: &Course) -> Outcome {
    let rounds = course.pick(SHORT_ROUNDS, ROUNDS);
    course.cases(2, 44, |seed| Directory::new(seed)?.rounds(rounds))
}

/// One directory, and what its children said.
struct Directory {
    path: tempfile::TempDir,
    dice: Dice,
    /// The last batch that was acknowledged, or found to be there.
    least: u64,
    /// Whether a child or this process ever opened it.
    is_created: bool,
    tally: Tally,
}

/// What a child said before it was killed.
#[derive(Default)]
struct Words {
    is_open: bool,
    acknowledged: u64,
    last: Option<u64>,
}

/// Until a new process has begun its own program it holds the files of this one, and
/// with them the locks of directories that are open here. So no process is made while
/// one is open.
static OPENED_HERE: RwLock<()> = RwLock::new(());

impl Directory {
    fn new(seed: u64) -> Result<Directory, Box<Failure>> {
        let path = tempfile::tempdir().map_err(|error| Failure::new(format!("no directory: {error}")))?;
        let tally = Tally::of("directories", 1);
        Ok(Directory { path, dice: Dice::new(seed), least: 0, is_created: false, tally })
    }

    fn rounds(mut self, rounds: u64) -> Outcome {
        for round in 0..rounds {
            let after = self.draw_delay();
            let is_read_only = self.dice.roll(3) > 0;
            self.round(after, is_read_only).map_err(|what| {
                let operation = format!("round {round}, killed {} µs after it began", after.as_micros());
                Box::new(Failure { operation: Some(operation), what, ..Failure::default() })
            })?;
        }
        match self.tally.get("acknowledged") > rounds {
            true => Ok(self.tally),
            false => Err(Failure::new("the children hardly wrote")),
        }
    }

    /// Every third kill comes so soon that the child still opens.
    fn draw_delay(&mut self) -> Duration {
        let most = if self.dice.roll(3) == 0 { 4_000 } else { 60_000 };
        Duration::from_micros(self.dice.roll(most))
    }

    fn round(&mut self, after: Duration, is_read_only: bool) -> Result<(), String> {
        let words = self.run_and_kill(after).map_err(|error| format!("the child: {error}"))?;
        self.is_created |= words.is_open;
        self.least = self.least.max(words.last.unwrap_or(0));
        self.tally.add("rounds", 1);
        self.tally.add("killed while opening", u64::from(!words.is_open));
        self.tally.add("acknowledged", words.acknowledged);
        let _no_child_begins = OPENED_HERE.read().unwrap_or_else(PoisonError::into_inner);
        if is_read_only && self.is_created {
            return self.look(builder().read_only()).map(drop);
        }
        let db = self.look(builder())?;
        self.is_created = true;
        self.tally.add("reopened for writing", 1);
        db.check_invariants().map_err(|error| format!("after the reopen: {error}"))?;
        db.close().map_err(|error| format!("closing fails: {error}"))
    }

    /// Starts a child and kills it so long after its first word.
    fn run_and_kill(&self, after: Duration) -> std::io::Result<Words> {
        let program = PROGRAM.get().cloned().map_or_else(std::env::current_exe, Ok)?;
        let mut command = Command::new(program);
        command.env(CHILD_DIRECTORY, self.path.path()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = {
            let _none_is_open = OPENED_HERE.write().unwrap_or_else(PoisonError::into_inner);
            command.spawn()?
        };
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let begin = lines.next().transpose()?;
        let killer = std::thread::spawn(move || kill(child, after));
        let mut words = Words::default();
        for line in lines.map_while(Result::ok) {
            words.is_open |= line == "open";
            if let Ok(number) = line.parse() {
                words.acknowledged += 1;
                words.last = Some(number);
            }
        }
        let is_killed = killer.join().map_err(|_| std::io::Error::other("the killer panics"))??;
        match begin.is_some() && is_killed {
            true => Ok(words),
            false => Err(std::io::Error::other("it ended before it was killed")),
        }
    }

    /// Opens the directory and judges what it holds.
    fn look(&mut self, builder: Builder) -> Result<Db, String> {
        let db = builder.open(self.path.path()).map_err(|error| format!("it does not open: {error}"))?;
        let last = last_batch(&db)?;
        if last < self.least {
            return Err(format!("it ends with batch {last}, and {} was acknowledged", self.least));
        }
        self.least = last;
        check_slots(&db, last)?;
        Ok(db)
    }
}

/// Returns whether the child lived until then.
fn kill(mut child: Child, after: Duration) -> std::io::Result<bool> {
    std::thread::sleep(after);
    let lives = child.try_wait()?.is_none();
    child.kill()?;
    child.wait()?;
    Ok(lives)
}

/// Every part of every slot holds what the newest batch up to `last` left there,
/// and nothing else is there.
fn check_slots(db: &Db, last: u64) -> Result<(), String> {
    let newest = |slot: u64| {
        let back = (last % SLOTS + SLOTS - slot) % SLOTS;
        (back < last).then(|| last - back)
    };
    let written = (0..SLOTS).filter_map(newest).flat_map(|number| (0..PARTS).map(move |part| (number, part)));
    let mut expected = written.filter_map(|(number, part)| {
        value(number, part).map(|value| (key(number % SLOTS, part), value, number))
    });
    for entry in db.range(..) {
        let (found, value) = entry.map_err(|error| format!("a scan fails: {error}"))?;
        if found == LAST {
            continue;
        }
        match expected.next() {
            Some((key, bytes, _)) if found == key && value == bytes => {}
            Some((_, _, number)) => {
                return Err(format!("of {last} batches, number {number} is not there or not whole"));
            }
            None => return Err(format!("{found:?} is there, which was never written")),
        }
    }
    match expected.next() {
        Some((_, _, number)) => Err(format!("of {last} batches, number {number} is not there")),
        None => Ok(()),
    }
}
