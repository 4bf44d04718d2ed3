//! A small database at rest, with every kind of file in it.
//!
//! ```text
//!   CURRENT   manifest with several edits
//!   older log, newest log        promised to the end, unpromised, or closed
//!   tables on three levels
//! ```

use std::ops::Range;
use std::sync::Arc;

use stage6_engine::compaction::manifest::{Current, current_layout};
use stage6_engine::memtable::key::Sequence;
use stage6_engine::sstable::layout::table_layout;
use stage6_engine::wal::identity::file_salt;
use stage6_engine::wal::layout::Field;
use stage6_engine::wal::log::format;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Codec, Db, Durability, Leveled, Result};

use super::damage::Damage;
use super::verdict::reader;
use crate::dice::Dice;
use crate::model::{Model, Write};
use crate::script::{batch_of, tiny};

/// How many keys the databases have.
pub(super) const KEYS: usize = 40;

/// How a database was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As a killed process leaves it: all that it wrote was synced and promised.
    Killed,
    /// The same, but that nobody ever promised the last batch.
    KilledUnsynced,
    /// Closed, which promises what was not yet.
    Closed,
}

impl Ending {
    /// Every one.
    pub const ALL: [Ending; 3] = [Ending::Killed, Ending::KilledUnsynced, Ending::Closed];

    fn name(self) -> &'static str {
        match self {
            Ending::Killed => "killed",
            Ending::KilledUnsynced => "unsynced",
            Ending::Closed => "closed",
        }
    }
}

/// A database at rest, and what was written to it.
#[derive(Debug)]
pub struct Subject {
    /// How it was left, as `--at` takes it.
    pub name: &'static str,
    /// That of its tables.
    pub codec: Codec,
    /// Its files.
    pub image: Image,
    /// What it should hold.
    pub model: Model,
}

impl Subject {
    /// Writes a database with tables of this codec on several levels, two live
    /// logs, and a manifest with several edits, and leaves it as `ending` says. The
    /// values follow from `seed`.
    ///
    /// # Errors
    /// The first error of the database: a simulated disk gives it no reason for one.
    pub fn write(seed: u64, codec: Codec, ending: Ending) -> Result<Subject> {
        let (vfs, mut model) = (SimVfs::new(), Model::default());
        let db = writer(codec).open_vfs(Arc::new(vfs.clone()))?;
        let mut dice = Dice::new(seed);
        let mut put = |durability, keys: &[usize]| -> Result<()> {
            let writes: Vec<Write> = keys.iter().map(|&number| (key(number), value(&mut dice))).collect();
            db.write_opt(&batch_of(&writes), durability)?;
            model.apply(&writes);
            Ok(())
        };
        put(Durability::Sync, &(0..KEYS).collect::<Vec<_>>())?;
        db.compact_range(..)?;
        for keys in [[1, 2, 3, 30, 31], [0, 2, 4, 33, 39], [5, 6, 7, 8, 9]] {
            put(Durability::Sync, &keys)?;
            db.flush()?;
            settle(&db)?;
        }
        for turn in 0.. {
            if db.stats().waiting_memtables > 0 && turn % 4 == 0 {
                break;
            }
            put(Durability::Sync, &[turn, turn + 10])?;
        }
        put(Durability::Sync, &[14, 2, 25])?;
        match ending {
            Ending::Killed => {}
            Ending::KilledUnsynced => put(Durability::Buffer, &[3, 26, 12])?,
            Ending::Closed => {
                put(Durability::Buffer, &[3, 26, 12])?;
                db.close()?;
            }
        }
        let mut image = vfs.image();
        image.entry(FileId::Lock).or_default();
        Ok(Subject { name: ending.name(), codec, image, model })
    }

    /// A database whose only log has some bytes of padding before the end of its
    /// first block, and a batch behind it.
    ///
    /// # Errors
    /// As [`write`](Subject::write).
    pub fn with_padding() -> Result<Subject> {
        let (vfs, mut model) = (SimVfs::new(), Model::default());
        let db = tiny().memtable_bytes(1 << 20).open_vfs(Arc::new(vfs.clone()))?;
        // Room for the promise, and then too little for another fragment.
        let around_the_value = 20 + format::PROMISE_BYTES + format::HEADER_BYTES;
        let filler = format::BLOCK_BYTES as usize - 10 - around_the_value;
        for writes in [[(key(0), Some(vec![7; filler]))], [(key(1), Some(b"in the next block".to_vec()))]] {
            db.write_opt(&batch_of(&writes), Durability::Sync)?;
            model.apply(&writes);
        }
        Ok(Subject { name: "padded", codec: Codec::None, image: vfs.image(), model })
    }

    /// A database with one table whose data blocks are all of one length: nothing
    /// but its checksum tells one from another in its place.
    ///
    /// # Errors
    /// As [`write`](Subject::write).
    pub fn with_equal_blocks() -> Result<Subject> {
        let (vfs, mut model) = (SimVfs::new(), Model::default());
        let strategy = Leveled { target_file_bytes: 1 << 20, ..Leveled::default() };
        let db = tiny().memtable_bytes(1 << 20).strategy(strategy).open_vfs(Arc::new(vfs.clone()))?;
        let writes: Vec<Write> = (0..KEYS).map(|number| (key(number), Some(vec![b'v'; 60]))).collect();
        db.write_opt(&batch_of(&writes), Durability::Sync)?;
        model.apply(&writes);
        db.compact_range(..)?;
        settle(&db)?;
        Ok(Subject { name: "equal", codec: Codec::None, image: vfs.image(), model })
    }

    /// Its kind of file, in words.
    pub fn kind(&self, file: FileId) -> &'static str {
        match file {
            FileId::Current => "CURRENT",
            FileId::Lock => "LOCK",
            FileId::Manifest(_) => "manifest",
            FileId::Table(_) => "table",
            FileId::Temporary(_) => "temporary",
            FileId::Log(_) if Some(file) == self.logs().last() => "newest log",
            FileId::Log(_) => "older log",
            FileId::DamagedLog(_) => "damaged log",
        }
    }

    /// Its logs, oldest first.
    pub fn logs(&self) -> impl DoubleEndedIterator<Item = FileId> {
        self.image.keys().copied().filter(|file| matches!(file, FileId::Log(_)))
    }

    /// Its tables.
    pub fn tables(&self) -> impl Iterator<Item = FileId> {
        self.image.keys().copied().filter(|file| matches!(file, FileId::Table(_)))
    }

    /// How many levels have tables.
    pub fn levels(&self) -> usize {
        let db =
            reader().open_vfs(Arc::new(SimVfs::from_image(&self.image))).expect("nothing is damaged yet");
        db.levels().iter().filter(|tables| !tables.is_empty()).count()
    }

    /// The blocks of a table, each with what stands behind it: all but the footer.
    ///
    /// # Errors
    /// As [`layout`](Subject::layout).
    pub fn blocks(&self, table: FileId) -> Result<Vec<Range<usize>>> {
        let mut start = 0;
        let fields = self.layout(table)?;
        let ends = fields.iter().filter(|field| field.name == "block checksum").map(|field| field.end);
        Ok(ends.map(|end| std::mem::replace(&mut start, end)..end).collect())
    }

    /// The fields of one of its files, as the format's own code names them.
    ///
    /// # Errors
    /// That of reading it: the undamaged file gives no reason for one.
    pub fn layout(&self, file: FileId) -> Result<Vec<Field>> {
        let bytes = &self.image[&file];
        Ok(match file {
            FileId::Current => current_layout(bytes),
            FileId::Manifest(_) | FileId::Log(_) | FileId::DamagedLog(_) => format::layout(bytes),
            FileId::Table(number) => {
                let vfs = SimVfs::from_image(&self.image);
                let current = Current::read(&vfs)?.expect("a database has a CURRENT");
                table_layout(vfs.open(file)?, file_salt(current.database, number))?
            }
            FileId::Lock | FileId::Temporary(_) => Vec::new(),
        })
    }

    /// The highest promise in the logs that lies beside what `damage` does to
    /// `file`.
    ///
    /// # Errors
    /// As [`layout`](Subject::layout).
    pub fn promised_beside(&self, file: FileId, damage: Damage) -> Result<Sequence> {
        let mut highest = 0;
        for log in self.logs() {
            let bytes = &self.image[&log];
            let hit = if log == file { damage.span(bytes.len()) } else { 0..0 };
            for field in self.layout(log)?.iter().filter(|field| is_promise(field)) {
                let begins = field.start - format::FRAGMENT_HEADER_BYTES;
                if field.end <= hit.start || begins >= hit.end {
                    let payload = bytes[field.start..field.end].try_into().unwrap_or_default();
                    highest = highest.max(Sequence::from_le_bytes(payload));
                }
            }
        }
        Ok(highest)
    }
}

/// The payload of a promise.
fn is_promise(field: &Field) -> bool {
    field.name == "payload" && field.meaning.starts_with("promise")
}

/// Where a byte of a log or a manifest stands, in words; in other files, the name
/// of its field.
pub fn place(fields: &[Field], byte: usize) -> &'static str {
    let Some(at) = fields.iter().position(|field| (field.start..field.end).contains(&byte)) else {
        return "no field";
    };
    let ends = |field: &&Field| matches!(field.name, "payload" | "padding" | "header crc");
    match fields[at..].iter().find(ends) {
        Some(field) if is_promise(field) => "a promise",
        Some(field) if field.name == "payload" => "a record",
        Some(field) if field.name == "padding" => "padding",
        Some(_) => "the header",
        None => fields[at].name,
    }
}

/// A database small enough that forty keys reach several levels.
pub(super) fn writer(codec: Codec) -> Builder {
    tiny().codec(codec).memtable_bytes(1_500).block_size_bytes(256).strategy(Leveled {
        level0_files: 2,
        base_level_bytes: 1_000,
        size_ratio: 2,
        target_file_bytes: 400,
    })
}

/// Leaves no job undone, and so no file that nobody names.
fn settle(db: &Db) -> Result<()> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

/// The key with this number.
pub(super) fn key(number: usize) -> Vec<u8> {
    format!("key{number:02}").into_bytes()
}

/// Half chance and half repetition, so that it shrinks by some; or a deletion.
fn value(dice: &mut Dice) -> Option<Vec<u8>> {
    let is_put = dice.roll(5) > 0;
    is_put.then(|| (0..16).map(|_| b'a' + dice.roll(26) as u8).chain([b'.'; 24]).collect())
}
