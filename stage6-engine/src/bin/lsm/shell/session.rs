//! An open database with what a person keeps beside it: a batch, and snapshots.
//!
//! ```text
//!   batch begin ──▶ put, delete: into the batch ──▶ batch commit: into the database
//!                                               └─▶ batch abort: nowhere
//!   snapshot a ──▶ get key @a, scan @a ──▶ drop a
//! ```
//!
//! Reads never see the batch: they are answered by the database.

use std::collections::BTreeMap;
use std::io::Write;

use stage6_engine::memtable::key::check_limits;
use stage6_engine::{CompactionReport, Db, Job, Mode, Range, Read, Snapshot, WriteBatch};

use super::command::{self, Command, FORMS, Form, OPTIONS, Stretch};
use super::words;
use crate::failure::Failure;
use crate::{checkpoint, entries, explain, levels, show, stats, tsv, verify};

pub(super) struct Session {
    db: Db,
    /// What was put and deleted since `batch begin`.
    batch: Option<WriteBatch>,
    snapshots: BTreeMap<Vec<u8>, Snapshot>,
}

/// What follows a command that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Quit,
}

impl Session {
    pub(super) fn new(db: Db) -> Session {
        Session { db, batch: None, snapshots: BTreeMap::new() }
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    pub(super) fn snapshot_names(&self) -> Vec<Vec<u8>> {
        self.snapshots.keys().cloned().collect()
    }

    /// Says by itself that a batch is open.
    pub(super) fn prompt(&self) -> String {
        match &self.batch {
            None => "lsm> ".to_owned(),
            Some(batch) => format!("lsm, batch of {}> ", show::number(batch.len() as u64)),
        }
    }

    /// Does what a line says; nothing if it says nothing.
    pub(super) fn answer(&mut self, line: &[u8], out: &mut dyn Write) -> Result<Flow, Failure> {
        match command::parse(words::split(line)?)? {
            None => Ok(Flow::Continue),
            Some(Command::Quit) => Ok(Flow::Quit),
            Some(command) => self.run(command, out).map(|()| Flow::Continue),
        }
    }

    /// Closes the database. What is in a batch is not written, and that is told.
    pub(super) fn end(self) -> Result<(), Failure> {
        drop(self.snapshots);
        self.db.close()?;
        match self.batch {
            Some(batch) if !batch.is_empty() => {
                let writes = show::counted(batch.len() as u64, "write");
                refused(format!("the batch of {writes} was not committed: nothing of it is written"))
            }
            _ => Ok(()),
        }
    }

    fn run(&mut self, command: Command, out: &mut dyn Write) -> Result<(), Failure> {
        match command {
            Command::Put { key, value } => self.put(&key, &value),
            Command::Get { key, at } => self.get(&key, at, out),
            Command::Delete { key } => self.delete(&key),
            Command::Scan { stretch, at, listing } => entries::list(self.range(stretch, at)?, &listing, out),
            Command::Prefix { prefix, at, listing } => {
                entries::list(self.prefix(&prefix, at)?, &listing, out)
            }
            Command::BatchBegin => self.begin_batch(),
            Command::BatchCommit => self.commit_batch(out),
            Command::BatchAbort => self.abort_batch(out),
            Command::Snapshot { name } => self.take_snapshot(name, out),
            Command::Snapshots => self.list_snapshots(out),
            Command::Drop { name } => self.drop_snapshot(&name),
            Command::Flush => Ok(self.db.flush()?),
            Command::Compact { stretch } => show_compaction(&self.db.compact_range(stretch)?, out),
            Command::Stats => stats::print(&self.db, out),
            Command::Status => self.show_status(out),
            Command::Levels => levels::draw(&self.db, out),
            Command::Explain { key } => explain::twice(&self.db, &key, ["first", "again"], out),
            Command::Verify => verify::report(&self.db, None, out),
            Command::Checkpoint { target } => checkpoint::report(&self.db, &target, out),
            Command::Help { command } => help(command.as_deref(), out),
            Command::Quit => Ok(()),
        }
    }

    /// Into the batch if there is one, into the database if not. So for `delete`.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        match &mut self.batch {
            Some(batch) => {
                check_limits(key, value).map_err(stage6_engine::Error::from)?;
                batch.put(key, value);
            }
            None => drop(self.db.put(key, value)?),
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Failure> {
        match &mut self.batch {
            Some(batch) => {
                check_limits(key, b"").map_err(stage6_engine::Error::from)?;
                batch.delete(key);
            }
            None => drop(self.db.delete(key)?),
        }
        Ok(())
    }

    fn get(&self, key: &[u8], at: Option<Vec<u8>>, out: &mut dyn Write) -> Result<(), Failure> {
        let value = match at {
            None => self.db.get(key)?,
            Some(name) => self.snapshot(&name)?.get(key)?,
        };
        let value = value.ok_or_else(|| Failure::Absent { key: tsv::escaped(key) })?;
        Ok(writeln!(out, "{}", show::text(&value))?)
    }

    fn range(&self, stretch: Stretch, at: Option<Vec<u8>>) -> Result<Range, Failure> {
        Ok(match at {
            None => self.db.range(stretch),
            Some(name) => self.snapshot(&name)?.range(stretch),
        })
    }

    fn prefix(&self, prefix: &[u8], at: Option<Vec<u8>>) -> Result<Range, Failure> {
        Ok(match at {
            None => self.db.prefix(prefix),
            Some(name) => self.snapshot(&name)?.prefix(prefix),
        })
    }

    fn begin_batch(&mut self) -> Result<(), Failure> {
        if let Mode::ReadOnly = self.db.status().mode {
            return Err(stage6_engine::Error::ReadOnly.into());
        }
        match self.batch {
            Some(_) => refused("a batch is begun already: commit or abort it first"),
            None => {
                self.batch = Some(WriteBatch::new());
                Ok(())
            }
        }
    }

    /// The batch stays when it cannot be written: the commit can be tried again.
    fn commit_batch(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        let Some(batch) = &self.batch else { return refused(NO_BATCH) };
        self.db.write(batch)?;
        writeln!(out, "{} committed", show::counted(batch.len() as u64, "write"))?;
        self.batch = None;
        Ok(())
    }

    fn abort_batch(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        let Some(batch) = self.batch.take() else { return refused(NO_BATCH) };
        Ok(writeln!(out, "{} forgotten", show::counted(batch.len() as u64, "write"))?)
    }

    fn take_snapshot(&mut self, name: Vec<u8>, out: &mut dyn Write) -> Result<(), Failure> {
        if self.snapshots.contains_key(&name) {
            let name = tsv::escaped(&name);
            return refused(format!(
                "there is a snapshot {name} already: drop it first, or take another name"
            ));
        }
        let snapshot = self.db.snapshot()?;
        show_snapshot(&name, &snapshot, out)?;
        self.snapshots.insert(name, snapshot);
        Ok(())
    }

    fn list_snapshots(&self, out: &mut dyn Write) -> Result<(), Failure> {
        self.snapshots.iter().try_for_each(|(name, snapshot)| show_snapshot(name, snapshot, out))
    }

    fn drop_snapshot(&mut self, name: &[u8]) -> Result<(), Failure> {
        self.snapshots.remove(name).map(drop).ok_or_else(|| no_snapshot(name))
    }

    fn snapshot(&self, name: &[u8]) -> Result<&Snapshot, Failure> {
        self.snapshots.get(name).ok_or_else(|| no_snapshot(name))
    }

    fn show_status(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let status = self.db.status();
        let mode = match status.mode {
            Mode::ReadWrite => "takes writes".to_owned(),
            Mode::ReadOnly => "read-only".to_owned(),
            Mode::Stopped { because, .. } => format!("takes no writes: {because}"),
            mode => format!("{mode:?}"),
        };
        let pressure = status.pressure.map_or_else(
            || "none".to_owned(),
            |pressure| format!("{:.0} %: {}", pressure.level * 100.0, pressure.reason),
        );
        let batch = self.batch.as_ref().map_or_else(
            || "none".to_owned(),
            |batch| format!("{}, not committed", show::counted(batch.len() as u64, "write")),
        );
        for (name, what) in [
            ("mode", mode),
            ("pressure", pressure),
            ("due", jobs(&status.pending)),
            ("running", jobs(&status.running)),
            ("batch", batch),
            ("snapshots", show::number(self.snapshots.len() as u64)),
        ] {
            writeln!(out, "{name:12}{}", show::on_one_line(&what))?;
        }
        Ok(())
    }
}

const NO_BATCH: &str = "no batch is begun: `batch begin` begins one";

fn refused<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Command { what: what.into() })
}

fn no_snapshot(name: &[u8]) -> Failure {
    Failure::Command {
        what: format!("there is no snapshot {}; `snapshot` lists those there are", tsv::escaped(name)),
    }
}

fn show_snapshot(name: &[u8], snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), Failure> {
    let sequence = show::number(snapshot.sequence());
    Ok(writeln!(out, "@{} sees everything up to write {sequence}", tsv::escaped(name))?)
}

fn jobs(jobs: &[Job]) -> String {
    let name = |job: &Job| match job {
        Job::Resume => "take up work again",
        Job::Flush => "flush",
        Job::PrepareLog => "make the next log",
        Job::RemoveFiles => "remove files",
        Job::Compact => "merge",
        _ => "something else",
    };
    match jobs {
        [] => "nothing".to_owned(),
        jobs => jobs.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

fn show_compaction(report: &CompactionReport, out: &mut dyn Write) -> Result<(), Failure> {
    if report.files_read == 0 {
        return Ok(writeln!(out, "no tables hold such keys: nothing to merge")?);
    }
    Ok(writeln!(
        out,
        "{} of {} merged into {} of {} on level {}; dropped: {} that newer ones hide, {} that hide nothing",
        show::counted(report.files_read, "table"),
        show::size(report.bytes_read),
        show::counted(report.files_written, "table"),
        show::size(report.bytes_written),
        report.level,
        show::counted(report.entries_hidden, "entry"),
        show::counted(report.deletions_spent, "deletion"),
    )?)
}

fn help(command: Option<&[u8]>, out: &mut dyn Write) -> Result<(), Failure> {
    let forms = match command {
        None => &FORMS[..],
        Some(name) => std::slice::from_ref(Form::of(name).ok_or_else(|| command::unknown(name))?),
    };
    for form in forms {
        for line in show::wrapped(&format!("{:39}", form.usage()), form.purpose) {
            writeln!(out, "{line}")?;
        }
    }
    if command.is_none() {
        writeln!(out, "\nOPTIONS are {} N, {} and {}.", OPTIONS[0], OPTIONS[1], OPTIONS[2])?;
        writeln!(
            out,
            r#"Blanks in a word: "two words". Escapes: \n \t \r \" \\ \xHH. A line that begins with # is a comment."#
        )?;
    }
    Ok(())
}
