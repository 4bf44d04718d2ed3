//! Manifests: `CURRENT`, single edits, and whole databases whose manifest holds
//! whatever it likes under right checksums.
//!
//! ```text
//!   input := 0 · CURRENT
//!          | 1 · CURRENT without its checksum
//!          | 2 · edit
//!          | 3 · promised u8 · section*          a record each, behind CURRENT, with
//!                                                empty tables of the sizes it names
//! ```

use std::sync::Arc;

use stage6_engine::compaction::edit::{self, VersionEdit};
use stage6_engine::compaction::file::MAX_FILE_NUMBER;
use stage6_engine::compaction::manifest::Current;
use stage6_engine::wal::identity::DatabaseId;
use stage6_engine::wal::layout::unclaimed;
use stage6_engine::wal::log::LogWriter;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Db, Error, ErrorKind, Read, Result, SimRuntime};

use super::input::Input;
use super::{NAME, refused_or};
use crate::script::tiny;

const DATABASE: DatabaseId = DatabaseId(7);
const NUMBER: u64 = 3;

/// The largest table that is put there for a manifest that names it.
const MAX_TABLE_BYTES: u64 = 4096;

pub(super) fn run(bytes: &[u8]) -> usize {
    let mut input = Input::new(bytes);
    match input.byte() {
        Some(1) => judge_current(&[input.rest(), &crc32fast::hash(input.rest()).to_le_bytes()].concat()),
        Some(2) => judge_edit(input.rest()),
        Some(3) => judge_database(input),
        _ => judge_current(input.rest()),
    }
    bytes.len()
}

fn judge_current(bytes: &[u8]) {
    let Some(current) = refused_or(Current::from_bytes(bytes, NAME)) else { return };
    let vfs = SimVfs::without_trace();
    current.commit(&vfs, NUMBER).expect("a disk in memory");
    assert_eq!(Current::read(&vfs).expect("it was just written"), Some(current));
}

fn judge_edit(bytes: &[u8]) {
    let fields = edit::layout(bytes);
    let Ok(decoded) = VersionEdit::decode(bytes) else { return };
    assert_eq!(unclaimed(bytes, &fields), [], "what decodes has no byte without a name");
    assert_eq!(VersionEdit::decode(&decoded.encode()), Ok(decoded), "a round trip changed an edit");
}

/// The database is opened or refused. If it is refused, nothing has changed; if it
/// is opened, it answers, writes, and opens again.
fn judge_database(mut input: Input<'_>) {
    let promised = u64::from(input.byte().unwrap_or(1));
    let records: Vec<&[u8]> = input.sections().collect();
    records.iter().for_each(|record| judge_edit(record));
    let vfs = database(&records, promised).expect("a disk in memory");
    let before = vfs.image();
    for builder in [reader(), tiny()] {
        if open(builder, &vfs).is_none() {
            assert_eq!(vfs.image(), before, "a database that is refused stays as it is");
            return;
        }
    }
    if !has_numbers(&vfs) {
        return;
    }
    let db = open(tiny(), &vfs).expect("it was opened before");
    if db.put("key", "value").is_ok() && db.close().is_ok() && has_numbers(&vfs) {
        let again = open(tiny(), &vfs).expect("it was opened before");
        assert!(storage_says_no(again.get("key")).is_none_or(|value| value.as_deref() == Some(b"value")));
    }
}

/// Whether the numbers of files are not used up, as after nine million years.
fn has_numbers(vfs: &SimVfs) -> bool {
    let files = vfs.list().expect("a disk in memory");
    files.into_iter().filter_map(FileId::number).all(|number| number < MAX_FILE_NUMBER)
}

/// A reader takes the database's id from it.
fn reader() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1))).cache_bytes(0).read_only()
}

fn open(builder: Builder, vfs: &SimVfs) -> Option<Db> {
    let db = storage_says_no(builder.open_vfs(Arc::new(vfs.clone())))?;
    storage_says_no(db.check_invariants());
    for entry in db.range(..).chain(db.range(..).rev()) {
        storage_says_no(entry);
    }
    Some(db)
}

/// As [`refused_or`], for the errors of a database.
#[track_caller]
fn storage_says_no<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(Error::Storage(error)) => refused_or(Err(error)),
        Err(error) => panic!("{error}, which is {:?} and not {:?}", error.kind(), ErrorKind::Corruption),
    }
}

/// A directory with these records in its manifest, and every table that they name.
fn database(records: &[&[u8]], promised: u64) -> stage6_engine::memtable::error::Result<SimVfs> {
    let vfs = SimVfs::without_trace();
    let mut log = LogWriter::create(&vfs, FileId::Manifest(NUMBER), DATABASE)?;
    for record in records {
        log.append_record(record, b"")?;
    }
    log.append_promise(promised)?;
    Current { database: DATABASE, manifest: NUMBER }.commit(&vfs, NUMBER + 1)?;
    let edits = records.iter().filter_map(|record| VersionEdit::decode(record).ok());
    for (_, meta) in edits.flat_map(|edit| edit.added) {
        // A number that was named twice has its file already.
        if let Ok(table) = vfs.create(FileId::Table(meta.number)) {
            table.append(&vec![0; meta.size_bytes.min(MAX_TABLE_BYTES) as usize])?;
        }
    }
    Ok(vfs)
}
