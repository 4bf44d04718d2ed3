//! Tables: whole files, single parts, and files whose every block has a right
//! checksum around whatever it holds.
//!
//! ```text
//!   input := 0 · file
//!          | 1 · footer
//!          | 2 · data bytes u16 · index
//!          | 3 · metaindex
//!          | 4 · properties
//!          | 5 · entries u16 · block*           sealed, with a footer that fits
//!   block := role u8 · section                  0x80 the metaindex | 0x40 the index
//!                                               | 0 any other; + 1 compressed
//! ```

use std::sync::Arc;

use bytes::Bytes;
use stage6_engine::bloom::filtered::{FilteredTable, FilteredTableBuilder, FilteredTableOptions};
use stage6_engine::memtable::cursor::Cursor;
use stage6_engine::memtable::key::OwnedKey;
use stage6_engine::memtable::lookup::{Answer, Lookup, LookupKey};
use stage6_engine::sstable::cache::BlockCache;
use stage6_engine::sstable::compression::Codec;
use stage6_engine::sstable::footer::Footer;
use stage6_engine::sstable::format::{BlockHandle, VERSION};
use stage6_engine::sstable::frame::trailer;
use stage6_engine::sstable::index::Index;
use stage6_engine::sstable::layout::{table_layout, table_parts};
use stage6_engine::sstable::metaindex::Metaindex;
use stage6_engine::sstable::properties::Properties;
use stage6_engine::sstable::table::TableOptions;
use stage6_engine::wal::coding::Decoder;
use stage6_engine::wal::layout::unclaimed;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};

use super::block::Shown;
use super::input::Input;
use super::{Memory, refused_or};

/// The salt of every table here.
pub(super) const SALT: u32 = 7;

/// The roles of a block.
pub(super) const METAINDEX: u8 = 0x80;
pub(super) const INDEX: u8 = 0x40;
const COMPRESSED: u8 = 1;

pub(super) fn run(bytes: &[u8]) -> usize {
    let mut input = Input::new(bytes);
    match input.byte() {
        Some(1) => judge_footer(input.rest()),
        Some(2) => judge_index(input),
        Some(3) => judge_metaindex(input.rest()),
        Some(4) => judge_properties(input.rest()),
        Some(5) => return judge(&sealed(input)),
        _ => return judge(input.rest()),
    }
    bytes.len()
}

fn judge_footer(bytes: &[u8]) {
    if let Ok(footer) = Footer::decode(bytes, &mut Decoder::new(bytes)) {
        assert_eq!(footer.encode(), bytes, "a footer is written in one way");
    }
}

fn judge_index(mut input: Input<'_>) {
    let data_bytes = u64::from(input.short().unwrap_or(0));
    let decoded = Index::decode_within(&mut Decoder::new(input.rest()), data_bytes);
    assert!(decoded.is_ok() || Index::decode(&mut Decoder::new(input.rest()), data_bytes).is_err());
    let Ok(index) = decoded else { return };
    let mut end = 0;
    for ordinal in 0..index.len() {
        let (handle, separator) = (index.handle(ordinal), index.separator(ordinal));
        let (handle, separator) = (handle.expect("it is there"), separator.expect("it is there"));
        assert_eq!(handle.offset, end, "INV-INDEX-2");
        end = handle.end().expect("within the data");
        assert_eq!(index.find(separator.as_key()), ordinal, "INV-INDEX-1");
    }
    assert!(end <= data_bytes && index.handle(index.len()).is_none());
}

fn judge_metaindex(bytes: &[u8]) {
    if let Ok(metaindex) = Metaindex::decode(&mut Decoder::new(bytes)) {
        let again = metaindex.encode();
        assert_eq!(Metaindex::decode(&mut Decoder::new(&again)), Ok(metaindex));
    }
}

fn judge_properties(bytes: &[u8]) {
    if let Ok(properties) = Properties::decode(&mut Decoder::new(bytes)) {
        let again = properties.encode();
        assert_eq!(Properties::decode(&mut Decoder::new(&again)), Ok(properties));
    }
}

/// The blocks of `input`, each under its right checksum, and a footer that names
/// the last metaindex and the last index among them.
fn sealed(mut input: Input<'_>) -> Vec<u8> {
    let entries = u64::from(input.short().unwrap_or(0));
    let (mut file, mut index, mut metaindex) = (Vec::new(), BLANK, BLANK);
    while let (Some(role), Some(payload)) = (input.byte(), input.section()) {
        let handle = put_block(&mut file, role, payload);
        match role & (METAINDEX | INDEX) {
            METAINDEX => metaindex = handle,
            INDEX => index = handle,
            _ => {}
        }
    }
    let mut footer =
        Footer { index, metaindex, entries, file_bytes: 0, salt: SALT, version: VERSION, features: 0 };
    footer.file_bytes = (file.len() + footer.encode().len()) as u64;
    file.extend_from_slice(&footer.encode());
    file
}

const BLANK: BlockHandle = BlockHandle { offset: 0, bytes: 0 };

fn put_block(file: &mut Vec<u8>, role: u8, payload: &[u8]) -> BlockHandle {
    let offset = file.len() as u64;
    let codec = if role & COMPRESSED == 0 { Codec::None } else { Codec::Lz4 };
    file.extend_from_slice(payload);
    file.extend_from_slice(&trailer(payload, codec, offset, SALT));
    BlockHandle { offset, bytes: payload.len() as u32 }
}

fn open(bytes: &[u8]) -> Option<FilteredTable> {
    let file = Memory::file(bytes.to_vec());
    refused_or(FilteredTable::open(file, SALT, 2, Arc::new(BlockCache::new(0))))
}

/// A table that verifies is walked in order, both ways, finds all that it holds,
/// and can be built again. Any other is refused, or answers within its bytes.
fn judge(bytes: &[u8]) -> usize {
    let parts = refused_or(table_parts(&Memory::file(bytes.to_vec())));
    if let Some(parts) = parts {
        assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start), "parts overlap");
    }
    let Some(table) = open(bytes) else { return bytes.len() };
    let forward = walk(&table, Cursor::seek_to_first, Cursor::next);
    let backward = walk(&table, Cursor::seek_to_last, Cursor::prev);
    match refused_or(table.verify()) {
        Some(_) => judge_sound(bytes, &table, &forward, backward),
        None => judge_lookups(&table, &forward),
    }
    // What its compressed blocks declare is read a block at a time.
    bytes.len() + bytes.len() * 255
}

fn judge_sound(bytes: &[u8], table: &FilteredTable, forward: &[Shown], mut backward: Vec<Shown>) {
    backward.reverse();
    assert_eq!(forward, backward, "both ways show the same");
    assert!(forward.is_sorted_by(|a, b| a.0 < b.0), "INV-TABLE-1");
    assert_eq!(forward.len() as u64, table.table().properties().entries);
    for (key, _, value) in forward {
        let found = table.lookup(&LookupKey::new(&key.user_key, key.sequence), &mut ());
        match found.expect("it verifies") {
            Answer::Value { value: found, sequence } => {
                assert_eq!((&*found, sequence), (&**value, key.sequence));
            }
            Answer::Deleted { sequence } => assert_eq!(sequence, key.sequence),
            Answer::Absent => panic!("{key:?} is in the table and not found"),
        }
    }
    if let Ok(fields) = table_layout(Memory::file(bytes.to_vec()), SALT) {
        assert_eq!(unclaimed(bytes, &fields), [], "INV-SST-2");
    }
    let again = build(forward, TableOptions::default());
    let again = open(&again).expect("what was built opens");
    assert_eq!(walk(&again, Cursor::seek_to_first, Cursor::next), forward, "a round trip changed a table");
}

/// Answers of a table that does not verify: nothing is promised of them but that
/// they are answers or errors.
fn judge_lookups(table: &FilteredTable, shown: &[Shown]) {
    let none = OwnedKey { user_key: Bytes::new(), sequence: 0 };
    for key in shown.iter().map(|(key, _, _)| key).chain([&none]) {
        let _ = refused_or(table.lookup(&LookupKey::new(&key.user_key, key.sequence), &mut ()));
    }
}

/// What a cursor shows until it ends; once it has failed it shows nothing more.
fn walk(table: &FilteredTable, begin: fn(&mut Shower), step: fn(&mut Shower)) -> Vec<Shown> {
    let mut cursor = table.cursor();
    begin(&mut cursor);
    let mut shown = Vec::new();
    while cursor.is_valid() {
        shown.push((cursor.key().to_owned(), cursor.kind(), cursor.value().to_vec()));
        assert!(shown.len() as u64 <= table.table().file_bytes(), "a walk ends");
        step(&mut cursor);
    }
    if refused_or(cursor.status()).is_none() {
        for again in [step, begin] {
            again(&mut cursor);
            assert!(!cursor.is_valid() && cursor.status().is_err(), "INV-CURSOR-3");
        }
    }
    shown
}

type Shower = stage6_engine::sstable::table::TableCursor;

/// The bytes of a table of these entries.
pub(super) fn build(entries: &[Shown], options: TableOptions) -> Vec<u8> {
    let (vfs, id) = (SimVfs::without_trace(), FileId::Table(2));
    let file = vfs.create(id).expect("a disk in memory");
    let options = FilteredTableOptions { table: options, ..FilteredTableOptions::default() };
    let mut builder = FilteredTableBuilder::new(file, vfs.describe(id), SALT, options);
    for (key, kind, value) in entries {
        builder.add(key.as_key(), *kind, value).expect("entries in their order");
    }
    builder.finish().expect("a disk in memory");
    vfs.open(id).and_then(|file| file.read_all()).expect("a disk in memory").to_vec()
}
