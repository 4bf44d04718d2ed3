//! Five tables that know something of one key, and who is asked; then a level whose files overlap,
//! though its version says otherwise.

use std::error::Error;
use std::sync::Arc;

use stage1_memtable::cursor::Cursor;
use stage1_memtable::error::Result;
use stage1_memtable::key::{InternalKey, Kind, OwnedKey, Sequence};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage1_memtable::memtable::MemTable;
use stage2_wal::identity::DatabaseId;
use stage2_wal::vfs::SimVfs;
use stage3_sstable::cache::BlockCache;
use stage4_bloom::filtered::FilteredTableOptions;
use stage5_compaction::concat::ConcatCursor;
use stage5_compaction::edit::VersionEdit;
use stage5_compaction::file::{FileMeta, FileNumbers};
use stage5_compaction::table_cache::TableCache;
use stage5_compaction::table_writer::{TableFactory, TableWriter};
use stage5_compaction::version::Version;

use super::prelude::row;
use super::{Outcome, Output};

/// A key, its sequence, and a value unless it deletes.
pub(crate) type Write = (&'static str, Sequence, Option<&'static str>);

/// Level and contents of each table, from the oldest.
pub(crate) const FIVE: [(usize, &[Write]); 5] = [
    (6, &[("apple", 1, Some("red")), ("fig", 2, Some("green")), ("pear", 3, Some("green"))]),
    (5, &[("fig", 5, Some("purple")), ("kiwi", 4, Some("brown"))]),
    (4, &[("cherry", 6, Some("black")), ("fig", 7, None), ("grape", 8, Some("blue"))]),
    (0, &[("apple", 9, None), ("fig", 10, Some(""))]),
    (0, &[("date", 11, Some("brown")), ("fig", 12, Some("ripe")), ("lemon", 13, Some("yellow"))]),
];

/// Two tables that both hold `fig`: the second begins with its newest version, a deletion.
const LEFT: &[Write] = &[("apple", 1, Some("red")), ("fig", 5, Some("green")), ("kiwi", 2, Some("brown"))];
const RIGHT: &[Write] = &[("fig", 9, None), ("lemon", 7, Some("yellow")), ("pear", 4, Some("green"))];

pub(super) fn run(out: &mut Output) -> Outcome {
    five_answers(out)?;
    broken_level(out)
}

fn five_answers(out: &mut Output) -> Outcome {
    out.part("five-answers");
    let version = five_tables()?;
    let widths = [8, 12, 26, 40];
    out.line(row(&widths, &[&"key", &"at sequence", &"answer", &"tables asked, with their levels"]));
    for (key, sequence) in [
        ("fig", 13),
        ("fig", 11),
        ("fig", 9),
        ("fig", 6),
        ("fig", 4),
        ("fig", 1),
        ("kiwi", 13),
        ("zebra", 13),
    ] {
        let (answer, asked) = ask(&version, key, sequence)?;
        out.line(row(&widths, &[&key, &sequence, &in_words(&answer), &asked]));
    }
    Ok(())
}

/// A version of those tables.
pub(crate) fn five_tables() -> std::result::Result<Version, Box<dyn Error + Send + Sync>> {
    let shop = Shop::new();
    let tables: Result<Vec<_>> =
        FIVE.iter().map(|(level, writes)| Ok((*level, shop.table(writes)?))).collect();
    Ok(shop.version(tables?)?)
}

fn broken_level(out: &mut Output) -> Outcome {
    let shop = Shop::new();
    let (left, right) = (shop.table(LEFT)?, shop.table(RIGHT)?);
    out.part("refused");
    for meta in [&left, &right] {
        out.line(format!("table {} from {:?} to {:?}", meta.number, meta.smallest, meta.largest));
    }
    let refused = shop.version(vec![(5, left.clone()), (5, right.clone())]);
    out.line(format!("the edit: {}", refused.err().unwrap_or("accepted".to_owned())));

    out.part("accepted");
    let smallest = OwnedKey { user_key: "lemon".into(), sequence: 7 };
    let lie = FileMeta { smallest, ..right };
    out.line(format!("table {} is said to begin with {:?}", lie.number, lie.smallest));
    let version = shop.version(vec![(5, left), (5, lie)])?;
    out.line("the edit: accepted");
    out.line(format!("get fig at 9: {}", in_words(&ask(&version, "fig", 9)?.0)));
    let mut cursor = ConcatCursor::new(Arc::clone(version.level(5)));
    cursor.seek(InternalKey::before_all(b"fig"));
    out.line(format!("seek fig: {:?}", cursor.key()));
    let mut walked = Vec::new();
    cursor.seek_to_first();
    while cursor.is_valid() {
        walked.push(format!("{} {}", cursor.key().user_key.escape_ascii(), cursor.key().sequence));
        cursor.next();
    }
    out.line(format!("a walk: {}", walked.join(", ")));
    for file in version.level(5).iter() {
        let verdict =
            file.verify().map_or_else(|error| format!("{:?}", error.kind()), |_| "sound".to_owned());
        out.line(format!("table {} against its entry in the version: {verdict}", file.meta().number));
    }
    Ok(())
}

pub(crate) fn ask(version: &Version, key: &str, sequence: Sequence) -> Result<(Answer, String)> {
    let mut touched = Vec::new();
    let answer = version.lookup(&LookupKey::new(key.as_bytes(), sequence), &mut touched)?;
    let table = |touch: &Touch| match touch {
        Touch::Table { number, level } => Some(format!("{number} ({level})")),
        _ => None,
    };
    let asked: Vec<String> = touched.iter().filter_map(table).collect();
    Ok((answer, if asked.is_empty() { "none".to_owned() } else { asked.join(", ") }))
}

pub(crate) fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Value { value, sequence } => format!("\"{}\" of {sequence}", value.escape_ascii()),
        Answer::Deleted { sequence } => format!("deleted by {sequence}"),
        Answer::Absent => "absent".to_owned(),
    }
}

/// A simulated disk, and what pours tables into it.
pub(crate) struct Shop {
    pub(crate) factory: TableFactory,
    pub(crate) cache: Arc<TableCache>,
}

impl Shop {
    pub(crate) fn new() -> Shop {
        let vfs = Arc::new(SimVfs::without_trace());
        let database = DatabaseId(9);
        let cache = TableCache::new(vfs.clone(), database, Arc::new(BlockCache::new(1 << 20)), 8);
        let (numbers, options) = (FileNumbers::starting_at(1), FilteredTableOptions::default());
        Shop { factory: TableFactory { vfs, database, numbers, options }, cache }
    }

    pub(crate) fn table(&self, writes: &[Write]) -> Result<FileMeta> {
        let memtable = Arc::new(MemTable::new());
        for (key, sequence, value) in writes {
            let kind = if value.is_some() { Kind::Value } else { Kind::Deletion };
            memtable.insert(*sequence, kind, key.as_bytes(), value.unwrap_or_default().as_bytes());
        }
        let mut writer = TableWriter::new(&self.factory, u64::MAX);
        let mut cursor = memtable.cursor();
        cursor.seek_to_first();
        while cursor.is_valid() {
            writer.add(cursor.key(), cursor.kind(), cursor.value())?;
            cursor.next();
        }
        let [table] = &writer.finish()?[..] else { unreachable!("no table is ever full") };
        Ok(table.meta.clone())
    }

    pub(crate) fn version(&self, added: Vec<(usize, FileMeta)>) -> std::result::Result<Version, String> {
        let edit = VersionEdit { added, ..VersionEdit::default() };
        Version::default().apply(&edit, &self.cache)
    }
}
