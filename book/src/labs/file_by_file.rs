//! A database from its first file on: after each step, what lies in the directory, and where
//! the versions of one key are.

use std::collections::BTreeMap;
use std::sync::Arc;

use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{InternalKey, Sequence};
use stage1_memtable::lookup::Touch;
use stage2_wal::batch::Batch;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::log::reader::read_log;
use stage2_wal::vfs::{FileId, SimVfs, Vfs};
use stage3_sstable::cache::BlockCache;
use stage4_bloom::filtered::FilteredTable;
use stage6_engine::{Db, Durability, Job, Leveled, SimRuntime, WriteBatch};

use super::prelude::{number, row};
use super::{Outcome, Output};

const DATABASE: u128 = 7;
/// The key that is followed.
pub(crate) const KEY: &str = "fig";
/// So small that some hundred fruits fill it.
const MEMTABLE_BYTES: usize = 16 << 10;
const STRATEGY: Leveled =
    Leveled { level0_files: 4, base_level_bytes: 1 << 20, size_ratio: 5, target_file_bytes: 512 << 10 };

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What was to be seen after a step.
pub(crate) struct Moment {
    /// The part of the output that shows it.
    pub(crate) name: &'static str,
    /// What was done.
    pub(crate) step: &'static str,
    /// The files and their sizes.
    files: BTreeMap<FileId, usize>,
    /// Where the versions of [`KEY`] lie.
    pub(crate) copies: Vec<Copy>,
}

/// A version of [`KEY`] at one place.
pub(crate) struct Copy {
    pub(crate) place: Place,
    pub(crate) value: String,
    pub(crate) sequence: Sequence,
}

/// Where an entry may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memtable,
    Log(FileId),
    /// A table on this level.
    Table(FileId, usize),
    /// A table that no level has any more.
    Leftover(FileId),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Memtable => f.write_str("the memtable"),
            Place::Log(file) => write!(f, "{file}"),
            Place::Table(file, level) => write!(f, "{file} on level {level}"),
            Place::Leftover(file) => write!(f, "{file}, which no level has"),
        }
    }
}

pub(super) fn run(out: &mut Output) -> Outcome {
    let mut before = BTreeMap::new();
    for moment in moments()? {
        out.part(moment.name);
        out.line(moment.step);
        show_files(out, &before, &moment.files);
        for Copy { place, value, sequence } in &moment.copies {
            out.line(format!("{KEY} = {value}, sequence {sequence}: in {place}"));
        }
        before = moment.files;
    }
    Ok(())
}

fn show_files(out: &mut Output, before: &BTreeMap<FileId, usize>, now: &BTreeMap<FileId, usize>) {
    let widths = [18, 8, 10];
    for (file, bytes) in now {
        let change = match before.get(file) {
            None => "new".to_owned(),
            Some(was) if was == bytes => String::new(),
            Some(was) => format!("+{}", number((bytes - was) as u64)),
        };
        out.line(row(&widths, &[file, &number(*bytes as u64), &change]));
    }
    for file in before.keys().filter(|file| !now.contains_key(file)) {
        out.line(row(&widths, &[file, &"", &"gone"]));
    }
}

/// The database of this run, its disk, and how many fruits went in.
struct Story {
    disk: SimVfs,
    db: Db,
    fruits: usize,
    moments: Vec<Moment>,
}

/// All moments, in order.
pub(crate) fn moments() -> Result<Vec<Moment>, Failure> {
    let disk = SimVfs::new();
    let mut story = Story { db: open(&disk)?, disk, fruits: 0, moments: Vec::new() };
    story.look("open", "open an empty directory")?;
    story.db.put(KEY, "green")?;
    story.look("put", "put fig = green")?;
    story.db.write_opt(WriteBatch::new().put("kiwi", "brown"), Durability::Sync)?;
    story.look("sync", "put kiwi = brown, and wait until it is durable")?;
    story.fill_memtable()?;
    story.look("full", "put fruits until the memtable is full")?;
    story.db.run_job(Job::Flush)?;
    story.look("flush", "the flush")?;
    story.run_jobs()?;
    story.look("tidy", "the other jobs: a log made ahead, what counts no more removed")?;
    for _ in 0..3 {
        story.fill_memtable()?;
        story.db.run_job(Job::Flush)?;
        story.run_jobs_but_compaction()?;
    }
    story.look("four", "three more memtables full of fruits, and their flushes")?;
    story.db.run_job(Job::Compact)?;
    story.look("merge", "the compaction")?;
    story.run_jobs()?;
    story.look("merged", "the other jobs")?;
    story.db.put(KEY, "purple")?;
    story.look("overwrite", "put fig = purple")?;
    story.db.close()?;
    story.look("close", "close")?;
    story.db = open(&story.disk)?;
    story.look("reopen", "open it again")?;
    story.db.compact_range(..)?;
    story.run_jobs()?;
    story.look("compact", "merge everything")?;
    Ok(story.moments)
}

fn open(disk: &SimVfs) -> Result<Db, Failure> {
    let builder = Db::builder().database_id(DATABASE).runtime(Arc::new(SimRuntime::new(1)));
    Ok(builder.memtable_bytes(MEMTABLE_BYTES).strategy(STRATEGY).open_vfs(Arc::new(disk.clone()))?)
}

impl Story {
    fn look(&mut self, name: &'static str, step: &'static str) -> Result<(), Failure> {
        let files = self.disk.image().into_iter().map(|(file, bytes)| (file, bytes.len())).collect();
        let copies = self.copies()?;
        self.moments.push(Moment { name, step, files, copies });
        Ok(())
    }

    /// Puts fruits until a full memtable waits for its flush.
    fn fill_memtable(&mut self) -> Result<(), Failure> {
        while self.db.stats().waiting_memtables == 0 {
            let fruit = format!("fruit{:05}", (self.fruits * 7919) % 100_000);
            self.db.put(fruit, format!("basket {}", self.fruits))?;
            self.fruits += 1;
        }
        Ok(())
    }

    fn run_jobs(&self) -> Result<(), Failure> {
        while let Some(job) = self.db.pending_jobs().first() {
            self.db.run_job(*job)?;
        }
        Ok(())
    }

    fn run_jobs_but_compaction(&self) -> Result<(), Failure> {
        let next = || self.db.pending_jobs().into_iter().find(|job| *job != Job::Compact);
        while let Some(job) = next() {
            self.db.run_job(job)?;
        }
        Ok(())
    }

    /// Every version of the key, from the newest place to the oldest.
    fn copies(&self) -> Result<Vec<Copy>, Failure> {
        let mut copies: Vec<Copy> = self.in_memory()?.into_iter().collect();
        let files: Vec<FileId> = self.disk.list()?.into_iter().rev().collect();
        for file in &files {
            if let FileId::Log(number) = *file {
                copies.extend(self.in_log(*file, number)?);
            }
        }
        for file in &files {
            if let FileId::Table(number) = *file {
                copies.extend(self.in_table(*file, number)?);
            }
        }
        Ok(copies)
    }

    /// What a get finds in a memtable, if it need not go further.
    fn in_memory(&self) -> Result<Option<Copy>, Failure> {
        // A handle that was closed answers nothing.
        let Ok((Some(value), touched)) = self.db.explain_get(KEY) else { return Ok(None) };
        let is_deeper = touched.iter().any(|touch| matches!(touch, Touch::Table { .. }));
        let logs = self.disk.list()?.into_iter().filter(|file| matches!(file, FileId::Log(_)));
        let newest = logs.rev().find_map(|file| self.in_log(file, file.number()?).ok()?.pop());
        Ok(newest.filter(|_| !is_deeper).map(|copy| Copy {
            place: Place::Memtable,
            value: value.escape_ascii().to_string(),
            sequence: copy.sequence,
        }))
    }

    fn in_log(&self, file: FileId, number: u64) -> Result<Vec<Copy>, Failure> {
        let contents = read_log(&*self.disk.open(file)?, number, file_salt(DatabaseId(DATABASE), number))?;
        let mut copies = Vec::new();
        for record in contents.records.iter() {
            let entries = Batch::decode(record.payload)?.entries();
            copies.extend(entries.filter(|entry| entry.key == KEY.as_bytes()).map(|entry| Copy {
                place: Place::Log(file),
                value: entry.value.escape_ascii().to_string(),
                sequence: entry.sequence,
            }));
        }
        Ok(copies)
    }

    fn in_table(&self, file: FileId, number: u64) -> Result<Vec<Copy>, Failure> {
        let salt = file_salt(DatabaseId(DATABASE), number);
        let table = FilteredTable::open(self.disk.open(file)?, salt, number, Arc::new(BlockCache::new(0)))?;
        let holds =
            |tables: &Vec<stage6_engine::TableInfo>| tables.iter().any(|table| table.number == number);
        let place = match self.db.levels().iter().position(holds) {
            Some(level) => Place::Table(file, level),
            None => Place::Leftover(file),
        };
        let mut cursor = table.cursor();
        cursor.seek(InternalKey::before_all(KEY.as_bytes()));
        let mut copies = Vec::new();
        while cursor.is_valid() && cursor.key().user_key == KEY.as_bytes() {
            copies.push(Copy {
                place: place.clone(),
                value: cursor.value().escape_ascii().to_string(),
                sequence: cursor.key().sequence,
            });
            cursor.next();
        }
        Ok(copies)
    }
}
