//! Damaged files, and what a database makes of them.
//!
//! ```text
//!   every kind of file ──one damage──▶ image ──open, scan, get──▶ verdict
//!                                                refused · unchanged · shorter
//! ```
//!
//! A [`Subject`] is a small database at rest with every kind of file in it. One
//! [`Damage`] at a time is done to one of its files, and whoever opens it then is
//! either told so or finds what was written: `judge` knows no third answer but
//! a shorter prefix, and whether that is one nobody could have told from a torn
//! tail is for [`Subject::promised_beside`] to say.

use std::ops::Range;
use std::sync::Arc;

use stage6_engine::compaction::manifest::{Current, current_layout};
use stage6_engine::memtable::error::Error as StorageError;
use stage6_engine::memtable::key::Sequence;
use stage6_engine::sstable::layout::table_layout;
use stage6_engine::wal::identity::file_salt;
use stage6_engine::wal::layout::Field;
use stage6_engine::wal::log::format;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Codec, Db, Durability, Error, Leveled, Read, Result, SimRuntime};

use crate::dice::Dice;
use crate::model::{Contents, Model, Write};
use crate::script::{batch_of, tiny};

/// The unit in which a disk loses what it held.
pub const SECTOR_BYTES: usize = 512;

/// How many keys the databases have.
const KEYS: usize = 40;

/// What happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The bit with this number, counted from the file's front, is another one.
    Bit(usize),
    /// Only so many bytes are left.
    Cut(usize),
    /// The sector with this number holds zeros.
    Sector(usize),
}

impl Damage {
    /// Every damage of these kinds to a file of so many bytes.
    pub fn all(bytes: usize) -> impl Iterator<Item = Damage> {
        let bits = (0..bytes * 8).map(Damage::Bit);
        let cuts = (0..bytes).map(Damage::Cut);
        bits.chain(cuts).chain((0..bytes.div_ceil(SECTOR_BYTES)).map(Damage::Sector))
    }

    /// Its kind, in words.
    pub fn kind(self) -> &'static str {
        match self {
            Damage::Bit(_) => "one bit flipped",
            Damage::Cut(_) => "cut short",
            Damage::Sector(_) => "a sector zeroed",
        }
    }

    /// The bytes that it reaches, in a file of so many.
    pub fn span(self, bytes: usize) -> Range<usize> {
        match self {
            Damage::Bit(bit) => bit / 8..bit / 8 + 1,
            Damage::Cut(length) => length..bytes,
            Damage::Sector(sector) => sector * SECTOR_BYTES..bytes.min((sector + 1) * SECTOR_BYTES),
        }
    }

    /// Does it to `bytes`.
    pub fn strike(self, bytes: &mut Vec<u8>) {
        let span = self.span(bytes.len());
        match self {
            Damage::Bit(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
            Damage::Cut(length) => bytes.truncate(length),
            Damage::Sector(_) => bytes[span].fill(0),
        }
    }
}

/// What a reader was told by a database with one damaged file.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Opening it failed with this error.
    RefusedAtOpen(Error),
    /// It opened, some reads failed with this error, and all others were right.
    RefusedAtRead(Error),
    /// Every answer was right.
    Unchanged,
    /// Every answer was right as of this earlier batch boundary.
    Shorter(Sequence),
}

impl Verdict {
    /// The error, if that was the answer.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Verdict::RefusedAtOpen(error) | Verdict::RefusedAtRead(error) => Some(error),
            Verdict::Unchanged | Verdict::Shorter(_) => None,
        }
    }

    /// The file that the error names, if it names one and a place in it.
    pub fn named(&self) -> Option<(&str, u64)> {
        match self.error()? {
            Error::Storage(StorageError::Corruption { file, offset, .. }) => Some((file, *offset)),
            _ => None,
        }
    }
}

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

/// A database at rest, and what was written to it.
#[derive(Debug)]
pub struct Subject {
    /// How it was made, in words.
    pub name: String,
    /// Its files.
    pub image: Image,
    /// What it should hold.
    pub model: Model,
}

impl Subject {
    /// Writes a database with tables of this codec on several levels, two live
    /// logs, and a manifest with several edits, and leaves it as `ending` says.
    ///
    /// # Errors
    /// The first error of the database: a simulated disk gives it no reason for one.
    pub fn write(codec: Codec, ending: Ending) -> Result<Subject> {
        let (vfs, mut model) = (SimVfs::new(), Model::default());
        let db = writer(codec).open_vfs(Arc::new(vfs.clone()))?;
        let mut dice = Dice::new(3);
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
        Ok(Subject { name: format!("{codec:?}, {ending:?}"), image, model })
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
        Ok(Subject { name: "a log with padding".to_owned(), image: vfs.image(), model })
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

fn writer(codec: Codec) -> Builder {
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

/// Opens for reading only, with a cold cache that stays cold.
fn reader() -> Builder {
    Db::builder().cache_bytes(0).runtime(Arc::new(SimRuntime::new(1))).read_only()
}

fn key(number: usize) -> Vec<u8> {
    format!("key{number:02}").into_bytes()
}

/// Half chance and half repetition, so that it shrinks by some; or a deletion.
fn value(dice: &mut Dice) -> Option<Vec<u8>> {
    let is_put = dice.roll(5) > 0;
    is_put.then(|| (0..16).map(|_| b'a' + dice.roll(26) as u8).chain([b'.'; 24]).collect())
}

/// Opens what `vfs` holds for reading, and judges every answer.
///
/// # Errors
/// A wrong answer, in words.
pub fn judge_reading(model: &Model, vfs: &SimVfs) -> Result<Verdict, String> {
    match reader().open_vfs(Arc::new(vfs.clone())) {
        Ok(db) => judge(model, &db),
        Err(error) => Ok(Verdict::RefusedAtOpen(error)),
    }
}

/// Opens what `image` holds for writing, compacts everything, and judges every
/// answer before and after. One that opens sound is also written to and opened again;
/// one that is refused must be as it was.
///
/// # Errors
/// A wrong answer, in words.
pub fn judge_writing(model: &Model, image: &Image, codec: Codec) -> Result<Verdict, String> {
    let vfs = SimVfs::from_image(image);
    let open = || writer(codec).cache_bytes(0).open_vfs(Arc::new(vfs.clone()));
    let db = match open() {
        Ok(db) => db,
        Err(error) if vfs.image() == *image => return Ok(Verdict::RefusedAtOpen(error)),
        Err(error) => return Err(format!("it was changed, and then refused: {error}")),
    };
    let verdict = judge(model, &db)?;
    let compacted = db.compact_range(..);
    let again = judge(model, &db).map_err(|what| format!("after a compaction: {what}"))?;
    match (&verdict, compacted) {
        (Verdict::RefusedAtRead(_), Ok(_)) if again.error().is_none() => {
            return Err("a compaction made damage disappear".to_owned());
        }
        (Verdict::RefusedAtRead(_), _) => return Ok(verdict),
        (_, Err(error)) => return Err(format!("what can be read cannot be compacted: {error}")),
        (_, Ok(_)) => {}
    }
    let mut expected = model.at_boundary(db.stats().visible_sequence).cloned().unwrap_or_default();
    expected.insert(key(3), b"behind the damage".to_vec());
    let found = write_and_reopen(db, open).map_err(|error| format!("it opened, and then failed: {error}"))?;
    match found == expected {
        true => Ok(verdict),
        false => Err(format!("after a write and a reopen: {} keys of {}", found.len(), expected.len())),
    }
}

fn write_and_reopen(db: Db, open: impl Fn() -> Result<Db>) -> Result<Contents> {
    db.write_opt(&batch_of(&[(key(3), Some(b"behind the damage".to_vec()))]), Durability::Sync)?;
    db.close()?;
    drop(db);
    let db = open()?;
    db.check_invariants()?;
    db.range(..).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// Scans everything and gets every key. Each answer is right, or an error.
fn judge(model: &Model, db: &Db) -> Result<Verdict, String> {
    let sequence = db.stats().visible_sequence;
    let expected =
        model.at_boundary(sequence).ok_or_else(|| format!("it ends at {sequence}, inside of a batch"))?;
    let mut refusal = None;
    let mut left = expected.iter();
    for entry in db.range(..) {
        match entry {
            Ok((key, value)) if left.next().is_some_and(|(k, v)| key == *k && value == *v) => {}
            Ok((key, _)) => return Err(format!("a scan finds {key:?}, which is wrong there")),
            Err(error) => refusal = Some(error),
        }
    }
    if let (None, Some((key, _))) = (&refusal, left.next()) {
        return Err(format!("a scan ends before {}", key.escape_ascii()));
    }
    for key in (0..=KEYS).map(key) {
        match db.get(&key) {
            Ok(value) if value.as_deref() == expected.get(&key).map(Vec::as_slice) => {}
            Ok(value) => return Err(format!("get({}) gives {value:?}", key.escape_ascii())),
            Err(error) => drop(refusal.get_or_insert(error)),
        }
    }
    Ok(match refusal {
        Some(error) => Verdict::RefusedAtRead(error),
        None if sequence == model.sequence() => Verdict::Unchanged,
        None => Verdict::Shorter(sequence),
    })
}
