//! Keeps processes that may die, and replaces those that did.
//!
//! ```text
//!   flips ──┬─▶ thread ──order──▶ process      reply ▸ verdict
//!           │                  ◀──reply──      end   ▸ abort, a new process
//!           └─▶ thread …                       late  ▸ hang, killed, a new process
//! ```
//!
//! A process has a limit on its memory, so that a length read from a damaged file
//! ends that process and not the machine. One that has seen a panic is replaced:
//! threads and locks that a panic left behind must not judge the next flip.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::engine::{Engine, Outcome};
use crate::judge::{Order, Task};
use crate::plan::Planned;
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// What the address space of a process may grow to: every undamaged database is
/// opened in a tenth of it.
const MEMORY_LIMIT_KIB: u64 = 4 << 20;

/// How a process is started, and how long it may take for one order.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program: this one.
    pub program: PathBuf,
    /// The undamaged database.
    pub image: PathBuf,
    /// Where copies may be made.
    pub scratch: PathBuf,
    /// After this long an order counts as hung.
    pub time_limit: Duration,
}

/// What became of one planned flip.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The flip.
    pub planned: Planned,
    /// What the reader was told.
    pub verdict: Verdict,
    /// The error's text, if there was one.
    pub note: String,
    /// After a silent loss, whether the engine's own check tells of damage: by saying
    /// so or by failing itself. None: there is no check, or no loss.
    pub told_by_check: Option<bool>,
}

/// Lets a process of its own write the database, and waits for its end, which is no
/// success when it was killed.
///
/// # Errors
/// That of starting it.
pub fn write_image(setup: &Setup, engine: &dyn Engine, scenario: Scenario) -> io::Result<()> {
    let mut command = limited(&setup.program);
    command.args(["write", engine.name(), scenario.name]).arg(&setup.image);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(())
}

/// Opens the undamaged database. Whatever is not unchanged then is a fault of the
/// comparison, and ends it.
///
/// # Errors
/// What was found instead.
pub fn check_undamaged(setup: &Setup, engine: &dyn Engine) -> Outcome<()> {
    let mut judge = Judge::start(setup, engine)?;
    let verdict = judge.ask(Order { task: Task::Read, flip: None }, setup.time_limit);
    let checked = judge.ask(Order { task: Task::Check, flip: None }, setup.time_limit);
    match (verdict, checked) {
        (Reply::Words(read), Reply::Words(check)) if read.trim() == "unchanged" && check != "damaged" => {
            Ok(())
        }
        other => Err(format!("{}: undamaged, it answers {other:?}", engine.name()).into()),
    }
}

/// Does every planned flip, on as many threads as there are processors.
///
/// # Errors
/// That of starting a process.
pub fn judge_all(
    setup: &Setup,
    engine: &dyn Engine,
    planned: Vec<Planned>,
    progress: &(impl Fn() + Sync),
) -> Outcome<Vec<Finding>> {
    let threads = thread::available_parallelism()?.get();
    let queue = Mutex::new(planned.into_iter());
    let work = || -> Outcome<Vec<Finding>> {
        let (mut judges, mut findings) = (Judges { setup, engine, running: None }, Vec::new());
        while let Some(planned) = next(&queue) {
            findings.push(judges.find(planned)?);
            progress();
        }
        Ok(findings)
    };
    let mut findings = thread::scope(|scope| -> Outcome<Vec<Finding>> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| "a thread of the comparison panicked")??);
        }
        Ok(all)
    })?;
    findings.sort_by_key(|finding| finding.planned.flip);
    Ok(findings)
}

/// The next flip. The lock is let go before it is worked on.
fn next(queue: &Mutex<std::vec::IntoIter<Planned>>) -> Option<Planned> {
    queue.lock().ok()?.next()
}

/// One process at a time.
struct Judges<'a> {
    setup: &'a Setup,
    engine: &'a dyn Engine,
    running: Option<Judge>,
}

impl Judges<'_> {
    fn find(&mut self, planned: Planned) -> Outcome<Finding> {
        let (verdict, note) = match self.ask(Task::Read, planned)? {
            Reply::Words(words) => {
                let (name, note) = words.split_once(' ').unwrap_or((&words, ""));
                (Verdict::named(name).ok_or("a reply without a verdict")?, note.to_owned())
            }
            Reply::Died => (Verdict::Abort, String::new()),
            Reply::Late => (Verdict::Hang, String::new()),
        };
        let told_by_check = match verdict.is_silent_loss() {
            true => self.told_by_check(planned)?,
            false => None,
        };
        Ok(Finding { planned, verdict, note, told_by_check })
    }

    fn told_by_check(&mut self, planned: Planned) -> Outcome<Option<bool>> {
        Ok(match self.ask(Task::Check, planned)? {
            Reply::Words(words) if words == "not-offered" => None,
            Reply::Words(words) => Some(words != "sound"),
            Reply::Died | Reply::Late => Some(true),
        })
    }

    /// Asks the running process, or a new one.
    fn ask(&mut self, task: Task, planned: Planned) -> Outcome<Reply> {
        let mut judge = match self.running.take() {
            Some(judge) => judge,
            None => Judge::start(self.setup, self.engine)?,
        };
        let reply = judge.ask(Order { task, flip: Some(planned.flip) }, self.setup.time_limit);
        if let Reply::Words(words) = &reply
            && !words.starts_with("panic")
        {
            self.running = Some(judge);
        }
        Ok(reply)
    }
}

/// What came back.
#[derive(Debug)]
enum Reply {
    Words(String),
    Died,
    Late,
}

/// A running process. Dropping it kills it and removes what it left.
struct Judge {
    child: Child,
    orders: ChildStdin,
    replies: Receiver<String>,
    scratch: PathBuf,
}

impl Judge {
    fn start(setup: &Setup, engine: &dyn Engine) -> Outcome<Judge> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let scratch = setup.scratch.join(format!("judge-{}", STARTED.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&scratch)?;
        let mut command = limited(&setup.program);
        command.args(["judge", engine.name()]).arg(&setup.image).arg(&scratch);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let orders = child.stdin.take().ok_or("a piped stdin is there")?;
        let stdout = child.stdout.take().ok_or("a piped stdout is there")?;
        let (sender, replies) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let replies = lines.filter_map(|line| line.strip_prefix('=').map(str::to_owned));
            replies.for_each(|reply| drop(sender.send(reply)));
        });
        Ok(Judge { child, orders, replies, scratch })
    }

    fn ask(&mut self, order: Order, time_limit: Duration) -> Reply {
        // A process that is gone cannot be written to; its silence says the same.
        let _ = writeln!(self.orders, "{}", order.line());
        match self.replies.recv_timeout(time_limit) {
            Ok(words) => Reply::Words(words),
            Err(RecvTimeoutError::Disconnected) => Reply::Died,
            Err(RecvTimeoutError::Timeout) => Reply::Late,
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already, and the directory is
        // below one that is removed in the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// The program, with a limit on its memory and without core files, where a shell can
/// set them.
fn limited(program: &Path) -> Command {
    if cfg!(unix) {
        let mut command = Command::new("sh");
        let script = format!("ulimit -c 0; ulimit -v {MEMORY_LIMIT_KIB}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(program);
        command
    } else {
        Command::new(program)
    }
}
