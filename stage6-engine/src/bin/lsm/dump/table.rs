//! A table, in the order in which it is read: from the footer on.

use std::sync::Arc;

use bytes::Bytes;
use stage6_engine::bloom::filter::{self, Filter};
use stage6_engine::bloom::policy::META_BLOCK_PREFIX;
use stage6_engine::memtable::error::Error;
use stage6_engine::sstable::block::{Block, BlockCursor};
use stage6_engine::sstable::compression::Codec;
use stage6_engine::sstable::footer::Footer;
use stage6_engine::sstable::index::Index;
use stage6_engine::sstable::layout::{Contents, META_CONTENTS, table_parts};
use stage6_engine::sstable::metaindex::Metaindex;
use stage6_engine::sstable::properties::Properties;
use stage6_engine::wal::coding::Malformed;
use stage6_engine::wal::layout::{Field, Part, refined};
use stage6_engine::wal::vfs::ReadFile;

use super::json::Json;
use super::log::{entries, sequences};
use super::row::{Detail, Row, key, range};
use super::{Dumped, File};
use crate::failure::Failure;
use crate::show;

/// Takes apart the table `file`; with the entries of its blocks if they are asked
/// for.
pub(crate) fn read(file: File, with_entries: bool) -> Result<Dumped, Failure> {
    let whole: Arc<dyn ReadFile> = Arc::new(Whole { name: file.name.clone(), bytes: file.bytes.clone() });
    let parts = table_parts(&whole).map_err(stage6_engine::Error::from)?;
    let fields = parts.iter().flat_map(|part| fields_of(&file.bytes, part)).collect();
    let mut count = 0;
    let mut summary = String::new();
    let mut rows = Vec::new();
    for part in by_reading(&parts) {
        match &part.contents {
            Ok(Contents::Footer(footer)) => {
                count = footer.entries;
                summary = entries(count, 0);
            }
            Ok(Contents::Properties(properties)) => summary = told(properties),
            _ => {}
        }
        rows.push(row(part, count, with_entries));
    }
    Ok(Dumped { summary, rows, fields, file })
}

/// From the footer to the first data block; damage in its place among them.
fn by_reading(parts: &[Part<Contents>]) -> Vec<&Part<Contents>> {
    let rank = |part: &&Part<Contents>| match &part.contents {
        Ok(Contents::Footer(_)) => 0,
        Ok(Contents::Metaindex(_)) => 1,
        Ok(Contents::Properties(_)) => 2,
        Ok(Contents::Meta { .. }) => 3,
        Ok(Contents::Index(_)) => 4,
        Ok(Contents::Data { .. }) | Err(_) => 5,
    };
    let mut parts: Vec<&Part<Contents>> = parts.iter().collect();
    parts.sort_by_key(rank);
    parts
}

fn fields_of(bytes: &[u8], part: &Part<Contents>) -> Vec<Field> {
    let Ok(Contents::Meta { name, .. }) = &part.contents else { return part.fields.clone() };
    let kind = name.strip_prefix(META_BLOCK_PREFIX).filter(|kind| Filter::KNOWN.contains(kind));
    match kind {
        Some(kind) => refined(bytes, &part.fields, META_CONTENTS, |held| filter::layout(kind, held)),
        None => part.fields.clone(),
    }
}

fn row(part: &Part<Contents>, entries: u64, with_entries: bool) -> Row {
    let span = (part.start, part.end);
    match &part.contents {
        Ok(Contents::Footer(footer)) => footer_row(span, footer),
        Ok(Contents::Metaindex(metaindex)) => metaindex_row(span, metaindex),
        Ok(Contents::Properties(properties)) => properties_row(span, properties),
        Ok(Contents::Meta { name, contents }) => meta_row(span, name, contents, entries),
        Ok(Contents::Index(index)) => index_row(span, index),
        Ok(Contents::Data { block, codec, separator }) => {
            data_row(span, block, *codec, &separator.user_key, with_entries)
        }
        Err(what) => Row::damage(span, what),
    }
}

fn footer_row(span: (usize, usize), footer: &Footer) -> Row {
    let Footer { index, metaindex, version, salt, .. } = footer;
    let words = format!(
        "version {version}, salt {salt:08x}; metaindex at {}, index at {}",
        metaindex.offset, index.offset,
    );
    let facts = vec![
        ("version", u64::from(*version).into()),
        ("salt", format!("{salt:08x}").into()),
        ("entries", footer.entries.into()),
        ("index_offset", index.offset.into()),
        ("metaindex_offset", metaindex.offset.into()),
    ];
    Row::new("footer", span, words, facts)
}

fn metaindex_row(span: (usize, usize), metaindex: &Metaindex) -> Row {
    let names: Vec<&str> = metaindex.blocks.iter().map(|block| block.name.as_str()).collect();
    let facts = names.iter().map(|name| Json::from(*name)).collect();
    Row::new("metaindex", span, names.join(", "), vec![("meta_blocks", Json::List(facts))])
}

fn told(properties: &Properties) -> String {
    let Properties { first_sequence, last_sequence, .. } = properties;
    let entries = entries(properties.entries, properties.deletions);
    let range = range(&properties.smallest, &properties.largest);
    format!("{entries}, {range}, {}", sequences(*first_sequence, *last_sequence))
}

fn properties_row(span: (usize, usize), properties: &Properties) -> Row {
    let Properties { data_blocks, data_bytes, key_bytes, value_bytes, .. } = properties;
    let words = format!(
        "{} of {}; keys {}, values {}",
        show::counted(*data_blocks, "data block"),
        show::size(*data_bytes),
        show::size(*key_bytes),
        show::size(*value_bytes)
    );
    let facts = vec![
        ("entries", properties.entries.into()),
        ("deletions", properties.deletions.into()),
        ("smallest_key", properties.smallest.user_key.as_ref().into()),
        ("largest_key", properties.largest.user_key.as_ref().into()),
        ("first_sequence", properties.first_sequence.into()),
        ("last_sequence", properties.last_sequence.into()),
        ("key_bytes", (*key_bytes).into()),
        ("value_bytes", (*value_bytes).into()),
        ("data_blocks", (*data_blocks).into()),
        ("data_bytes", (*data_bytes).into()),
    ];
    Row::new("properties", span, words, facts)
}

fn meta_row(span: (usize, usize), name: &str, contents: &[u8], entries: u64) -> Row {
    let facts = vec![("name", Json::from(name))];
    let filter = name.strip_prefix(META_BLOCK_PREFIX).map(|kind| Filter::open(kind, contents));
    match filter {
        Some(Ok(Some(filter))) => {
            let per_entry = filter.size_bytes() as f64 * 8.0 / entries.max(1) as f64;
            let size = show::size(filter.size_bytes() as u64);
            let words = format!("{}: {size} of bits, {per_entry:.1} an entry", filter.name());
            let bits = ("filter_bytes", filter.size_bytes().into());
            Row::new("filter", span, words, [facts, vec![bits]].concat())
        }
        Some(Err(damage)) => Row::damage(span, &format!("{name}: {damage}")),
        Some(Ok(None)) | None => Row::new("meta block", span, format!("{name}: not known here"), facts),
    }
}

fn index_row(span: (usize, usize), index: &Index) -> Row {
    let words = format!("{}, one for each data block", show::counted(index.len() as u64, "separator"));
    Row::new("index", span, words, vec![("separators", index.len().into())])
}

fn data_row(span: (usize, usize), block: &Block, codec: Codec, separator: &[u8], with_entries: bool) -> Row {
    let (first, last) = ends(block);
    let codec = match codec {
        Codec::None => "",
        Codec::Lz4 => " by lz4",
    };
    let words = format!(
        "{} of {}{codec}: {} … {} ≤ {}",
        entries(block.entries() as u64, 0),
        show::size(block.size_bytes() as u64),
        key(&first),
        key(&last),
        key(separator),
    );
    let facts = vec![
        ("count", block.entries().into()),
        ("first_key", first.as_slice().into()),
        ("last_key", last.as_slice().into()),
        ("separator", separator.into()),
        ("payload_bytes", block.size_bytes().into()),
    ];
    let row = Row::new("data block", span, words, facts);
    if with_entries { row.with("entries", held(block)) } else { row }
}

/// The first and the last key of a block, which was checked when it was taken
/// apart.
fn ends(block: &Block) -> (Vec<u8>, Vec<u8>) {
    let mut cursor = block.cursor();
    let mut key_after = |moved: fn(&mut BlockCursor) -> Result<bool, Malformed>| match moved(&mut cursor) {
        Ok(_) => cursor.key().map(|key| key.user_key.to_vec()).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    (key_after(BlockCursor::seek_to_first), key_after(BlockCursor::seek_to_last))
}

/// The entries of such a block.
fn held(block: &Block) -> Vec<Detail> {
    let mut cursor = block.cursor();
    let mut held = Vec::new();
    let mut moved = cursor.seek_to_first();
    while let (Ok(true), Some(at), Some(kind), Some(value)) =
        (&moved, cursor.key(), cursor.kind(), cursor.value())
    {
        held.push(Detail::entry(at.sequence, kind, at.user_key, value));
        moved = cursor.advance();
    }
    held
}

/// A file that was read whole.
#[derive(Debug)]
struct Whole {
    name: String,
    bytes: Bytes,
}

impl ReadFile for Whole {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len());
        let what = || format!("{length} bytes wanted, the file ends at {}", self.bytes.len());
        let end = end.ok_or_else(|| Error::corruption(&self.name, offset, what()))?;
        Ok(self.bytes.slice(start..end))
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
