//! Databases that were written once, and must be read for ever.
//!
//! ```text
//!   tests/golden/v2.1/levels/    CURRENT  LOCK  MANIFEST-000012  000009.log  000011.sst  …
//!   tests/golden/v2.1/levels.txt what it holds: key=value, a line for each
//! ```
//!
//! The version in the path is that of the newest of the formats. When one changes, the
//! engine of that day writes the next beside it, and the older stay as they are: nobody
//! writes there again. In `v2`, tables have version 2. A number behind it counts what the
//! writer does otherwise in the same format: since `v2.1` a block ends before it is
//! larger than it should be.
//!
//! Each database here is written by a function of this file, on one thread and with
//! an id of its own choice, so that the same bytes come from the same engine. Those
//! that are [`Pin::Bytes`] no compaction has a part in: another byte there is a
//! change of a format. The others may come out different when a better choice of
//! compactions is found, and only have to be read.

use std::sync::Arc;

use stage6_engine::bloom::bloom::Bloom;
use stage6_engine::memtable::hash::hash_key;
use stage6_engine::wal::log::format::{BLOCK_BYTES, HEADER_BYTES, PROMISE_BYTES};
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs};
use stage6_engine::{Builder, Codec, Db, Durability, Result};

use crate::dice::Dice;
use crate::model::{Contents, Model, Write};
use crate::script::{batch_of, tiny};

/// The longest value that a listing shows in full, in bytes.
const LONGEST_SHOWN_BYTES: usize = 64;

/// What a change of the engine may do to a golden database that is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// Nothing: every byte of every file is the same.
    Bytes,
    /// Choose other tables: what is read from it is the same.
    Contents,
}

/// A database at rest, and what it holds.
#[derive(Debug)]
pub struct Golden {
    /// The name of its directory.
    pub name: &'static str,
    /// How much of it must never change.
    pub pin: Pin,
    /// Its files.
    pub image: Image,
    /// What a scan gives.
    pub contents: Contents,
}

/// All of them, written by the engine of today.
///
/// # Errors
/// The first error of a database: a simulated disk gives it no reason for one.
pub fn write_all() -> Result<Vec<Golden>> {
    Ok(vec![
        levels()?,
        lz4()?,
        bloom()?,
        no_filter()?,
        long_records()?,
        torn_tail()?,
        unclean()?,
        gap()?,
        recovered()?,
    ])
}

/// `contents` as a listing: a line for each key, in their order.
pub fn listing(contents: &Contents) -> String {
    contents.iter().map(|(key, value)| format!("{}={}\n", shown(key), shown_value(value))).collect()
}

fn shown_value(value: &[u8]) -> String {
    match value.len() {
        0..=LONGEST_SHOWN_BYTES => shown(value),
        length => format!("({length} bytes, xxh3 {:016x})", hash_key(value)),
    }
}

fn shown(bytes: &[u8]) -> String {
    let shown_byte = |&byte: &u8| match byte {
        b'\\' | b'=' => format!("\\x{byte:02x}"),
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(shown_byte).collect()
}

/// A database being written, and what it should hold.
struct Draft {
    name: &'static str,
    disk: SimVfs,
    db: Db,
    model: Model,
    dice: Dice,
}

impl Draft {
    fn new(name: &'static str, seed: u64, builder: Builder) -> Result<Draft> {
        let disk = SimVfs::without_trace();
        let db = builder.database_id(u128::from(seed) << 64 | 0x601d).open_vfs(Arc::new(disk.clone()))?;
        Ok(Draft { name, disk, db, model: Model::default(), dice: Dice::new(seed) })
    }

    fn write(&mut self, durability: Durability, writes: &[Write]) -> Result<()> {
        self.db.write_opt(&batch_of(writes), durability)?;
        self.model.apply(writes);
        Ok(())
    }

    fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.write(Durability::Buffer, &[(key.as_ref().to_vec(), Some(value.as_ref().to_vec()))])
    }

    fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(Durability::Buffer, &[(key.as_ref().to_vec(), None)])
    }

    /// So many batches to the keys of [`Dice::writes`].
    fn write_by_chance(&mut self, batches: usize) -> Result<()> {
        (0..batches).try_for_each(|_| {
            let writes = self.dice.writes();
            self.write(Durability::Buffer, &writes)
        })
    }

    fn settle(&self) -> Result<()> {
        while let Some(job) = self.db.pending_jobs().first() {
            self.db.run_job(*job)?;
        }
        Ok(())
    }

    /// The files as they are now, with the lock that every real directory has.
    fn image(&self) -> Image {
        let mut image = self.disk.image();
        image.entry(FileId::Lock).or_default();
        image
    }

    fn closed(self, pin: Pin) -> Result<Golden> {
        self.db.close()?;
        Ok(self.left_as_it_is(pin))
    }

    fn left_as_it_is(self, pin: Pin) -> Golden {
        Golden { name: self.name, pin, image: self.image(), contents: self.model.now().clone() }
    }
}

/// Keys of every length at which the hash changes its way, and of bytes that are no
/// text.
fn keys_of_many_lengths() -> Vec<Vec<u8>> {
    let lengths =
        [1, 2, 3, 4, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 144, 240, 241, 512, 1_023, 1_024, 1_100];
    let key = |length: usize| (0..length).map(|place| (length * 7 + place * 31) as u8).collect();
    let odd = [vec![], vec![0], vec![0, 0], vec![255; 5], b"a=b\\c".to_vec(), "Ω key".into()];
    lengths.into_iter().map(key).chain(odd).collect()
}

/// Tables on several levels, older versions kept for a snapshot, deletions, moves
/// from level to level, and a log that is not flushed.
fn levels() -> Result<Golden> {
    let mut draft = Draft::new("levels", 1, tiny())?;
    for key in keys_of_many_lengths() {
        let value = key.iter().rev().take(40).copied().collect::<Vec<_>>();
        draft.put(&key, value)?;
    }
    draft.write_by_chance(40)?;
    draft.db.compact_range(..)?;
    for _ in 0..3 {
        draft.write_by_chance(12)?;
        draft.settle()?;
    }
    let snapshot = draft.db.snapshot()?;
    draft.put("key05", "a newer version")?;
    draft.delete("key06")?;
    draft.delete([255; 5])?;
    draft.db.flush()?;
    drop(snapshot);
    draft.put("", "the empty key")?;
    draft.put("empty value", "")?;
    draft.delete("key07")?;
    draft.delete("never was")?;
    draft.write_by_chance(3)?;
    draft.closed(Pin::Contents)
}

/// Blocks that shrank and blocks that did not, with matches far and near.
fn lz4() -> Result<Golden> {
    let builder = tiny().codec(Codec::Lz4).block_size_bytes(4_096).memtable_bytes(64 << 10);
    let mut draft = Draft::new("lz4", 2, builder)?;
    for number in 0..150 {
        draft.put(format!("user/{number:04}/name"), format!("Somebody No. {number} of Somewhere"))?;
    }
    for number in 0..24 {
        let noise: Vec<u8> = (0..200).map(|_| draft.dice.roll(256) as u8).collect();
        draft.put(format!("noise/{number:02}"), noise)?;
    }
    draft.put("run", [b'r'; 20_000])?;
    draft.put("two runs", [[b'a'; 300], [b'b'; 300]].concat())?;
    draft.db.flush()?;
    draft.write_by_chance(5)?;
    draft.closed(Pin::Contents)
}

/// Rotates at the same writes as the engine that wrote these first, which counted 128 bytes
/// for an entry beside its key and value where a memtable counts 100 today.
fn pinned() -> Builder {
    tiny().memtable_bytes(3_330)
}

/// One table and a log, with a standard filter.
fn bloom() -> Result<Golden> {
    let filter = Arc::new(Bloom::new(12));
    let mut draft = Draft::new("bloom", 3, pinned().filter(Some(filter)))?;
    one_table_and_a_log(&mut draft)?;
    draft.closed(Pin::Bytes)
}

/// The same without a filter.
fn no_filter() -> Result<Golden> {
    let mut draft = Draft::new("no-filter", 4, pinned().filter(None))?;
    one_table_and_a_log(&mut draft)?;
    draft.closed(Pin::Bytes)
}

fn one_table_and_a_log(draft: &mut Draft) -> Result<()> {
    for key in keys_of_many_lengths().into_iter().filter(|key| key.len() < 300) {
        draft.put(&key, "in the table")?;
    }
    draft.delete([0, 0])?;
    draft.db.flush()?;
    draft.put([0, 0], "in the log")?;
    draft.delete([0])?;
    draft.write_by_chance(4)
}

/// A log with a record of three fragments, one that ends with its block, and
/// padding in which no fragment may begin.
fn long_records() -> Result<Golden> {
    let mut draft = Draft::new("long-records", 5, tiny().memtable_bytes(1 << 20))?;
    draft.put("before", "")?;
    let long: Vec<u8> = (0..66_000u32).map(|place| (place / 256 + place % 7) as u8).collect();
    draft.write(
        Durability::Sync,
        &[("long".into(), Some(long)), ("with it".into(), Some(b"short".to_vec()))],
    )?;
    // So much that 10 bytes of the block are left behind the promise.
    let used =
        draft.image().iter().find_map(|(file, bytes)| matches!(file, FileId::Log(_)).then_some(bytes.len()));
    let left = BLOCK_BYTES as usize - used.unwrap_or(HEADER_BYTES) % BLOCK_BYTES as usize;
    let around_the_value = 21 + PROMISE_BYTES;
    draft.write(Durability::Sync, &[("filler".into(), Some(vec![b'f'; left - around_the_value - 10]))])?;
    draft.put("in the next block", "behind padding")?;
    draft.closed(Pin::Bytes)
}

/// One table, a log whose last record was cut by a crash and never promised, and the
/// empty log that was made ready to follow it.
fn torn_tail() -> Result<Golden> {
    let mut draft = Draft::new("torn-tail", 6, pinned())?;
    draft.write_by_chance(20)?;
    draft.db.flush()?;
    draft.settle()?;
    draft.write_by_chance(5)?;
    draft.db.persist()?;
    draft.put("not promised", "and there")?;
    let (before, contents) = (draft.image(), draft.model.now().clone());
    draft.put("not promised either", "and cut in the middle")?;
    let mut golden = Golden { contents, ..draft.left_as_it_is(Pin::Bytes) };
    let log = log_written(&before, &golden.image);
    cut(&mut golden.image, log);
    Ok(golden)
}

/// What a killed process leaves whose last removals of files were lost too: tables
/// and logs that do not count any more, two logs that do, writes that nobody promised.
fn unclean() -> Result<Golden> {
    let mut draft = Draft::new("unclean", 7, pinned())?;
    draft.write_by_chance(25)?;
    draft.db.flush()?;
    draft.write_by_chance(25)?;
    let before = draft.image();
    draft.db.compact_range(..)?;
    while draft.db.stats().waiting_memtables == 0 {
        draft.write_by_chance(1)?;
    }
    let writes = draft.dice.writes();
    draft.write(Durability::Sync, &writes)?;
    draft.write_by_chance(2)?;
    let mut golden = draft.left_as_it_is(Pin::Contents);
    for (file, bytes) in before {
        golden.image.entry(file).or_insert(bytes);
    }
    Ok(golden)
}

/// Two logs, nothing promised. A crash has cut the last record of the older one, so
/// what stands in the newer one lies behind a gap and does not count.
fn gap() -> Result<Golden> {
    let mut draft = Draft::new("gap", 8, pinned())?;
    let mut last = None;
    for number in 0.. {
        let (before, contents) = (draft.image(), draft.model.now().clone());
        draft.put(format!("key {number:03}"), "not promised")?;
        let log = log_written(&before, &draft.image());
        match last.replace((log, contents)) {
            Some((older, contents)) if older != log => {
                let mut golden = Golden { contents, ..draft.left_as_it_is(Pin::Contents) };
                cut(&mut golden.image, older);
                return Ok(golden);
            }
            _ => {}
        }
    }
    unreachable!("a memtable is full at some time");
}

/// The same after it was opened and written to: the sequences behind the gap were
/// given out again, and the removal of the old logs was lost.
fn recovered() -> Result<Golden> {
    let Golden { image: before, mut contents, .. } = gap()?;
    let disk = SimVfs::from_image(&before);
    let db = tiny().open_vfs(Arc::new(disk.clone()))?;
    for number in 0..4 {
        let (key, value) = (format!("later key {number}"), "behind the recovery");
        db.put(&key, value)?;
        contents.insert(key.into(), value.into());
    }
    db.close()?;
    let mut image = disk.image();
    for (file, bytes) in before {
        image.entry(file).or_insert(bytes);
    }
    Ok(Golden { name: "recovered", pin: Pin::Contents, image, contents })
}

/// The log to which the last write went, between two images.
fn log_written(before: &Image, after: &Image) -> FileId {
    let length = |image: &Image, file| image.get(&file).map(AsRef::<[u8]>::as_ref).map_or(0, <[u8]>::len);
    let is_longer = |file: &FileId| {
        matches!(file, FileId::Log(_)) && length(after, *file) > length(before, *file).max(HEADER_BYTES)
    };
    after.keys().copied().find(is_longer).expect("a write makes its log longer")
}

/// Takes the end of the last record from a log.
fn cut(image: &mut Image, log: FileId) {
    if let Some(bytes) = image.get_mut(&log) {
        bytes.truncate(bytes.len() - 9);
    }
}
