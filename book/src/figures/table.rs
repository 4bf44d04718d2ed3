//! A small table and its parts: a map of the file, the bytes of each kind of block, and what
//! lies between two blocks.

use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::key::{InternalKey, Kind, OwnedKey};
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::layout::{Part, refined};
use stage2_wal::vfs::{FileId, SimVfs, Vfs};
use stage3_sstable::compression::Codec;
use stage3_sstable::layout::{Contents, META_CONTENTS, table_parts};
use stage3_sstable::table::TableOptions;
use stage4_bloom::filter;
use stage4_bloom::filtered::{FilteredTableBuilder, FilteredTableOptions};
use stage4_bloom::policy::{FilterPolicy, meta_block_name};
use stage4_bloom::{blocked, bloom};

use super::svg::{Anchor, Area, CHARACTER, Drawing, LINE};
use super::{Drawn, hex};

const FILE: FileId = FileId::Table(2);
const FRUITS: [(&str, &str); 9] = [
    ("apple", "red"),
    ("apricot", "orange"),
    ("banana", "yellow"),
    ("blackberry", "black"),
    ("blueberry", "blue"),
    ("cherry", "black"),
    ("cranberry", "red"),
    ("fig", "green"),
    ("kiwi", "brown"),
];

/// A table in memory: its bytes and its parts.
struct Sample {
    bytes: Bytes,
    parts: Vec<Part<Contents>>,
}

impl Sample {
    /// Small blocks, none compressed, so that there are several and each byte has a name.
    fn of(filter: Arc<dyn FilterPolicy>) -> Result<Sample, stage1_memtable::Error> {
        let disk = SimVfs::new();
        let table = TableOptions { block_size_bytes: 64, codec: Codec::None };
        let options = FilteredTableOptions { table, filter: Some(filter) };
        let salt = file_salt(DatabaseId(7), 2);
        let mut builder = FilteredTableBuilder::new(disk.create(FILE)?, FILE.to_string(), salt, options);
        for (sequence, (key, value)) in (1..).zip(FRUITS) {
            let (kind, value) = if key == "cherry" { (Kind::Deletion, "") } else { (Kind::Value, value) };
            builder.add(InternalKey::new(key.as_bytes(), sequence), kind, value.as_bytes())?;
        }
        builder.finish()?;
        let file = disk.open(FILE)?;
        Ok(Sample { bytes: file.read_all()?, parts: table_parts(&file)? })
    }

    /// Draws the bytes of the first part that is wanted.
    fn hex(&self, heading: &str, is_wanted: impl Fn(&Contents) -> bool) -> Drawn {
        let wanted = |part: &&Part<Contents>| part.contents.as_ref().is_ok_and(&is_wanted);
        let part = self.parts.iter().find(wanted).ok_or("the table has no such part")?;
        let mut fields = part.fields.clone();
        if let Ok(Contents::Meta { name, .. }) = &part.contents {
            let name = name.strip_prefix(&meta_block_name("")).unwrap_or(name);
            fields = refined(&self.bytes, &fields, META_CONTENTS, |held| filter::layout(name, held));
        }
        let mut drawing = Drawing::new();
        let heading = format!("{heading}, at {} of {FILE}", part.start);
        let words = hex::rows_of(&mut drawing, &heading, &self.bytes, part.start..part.end, &fields, 9);
        Ok((drawing, words))
    }
}

fn sample() -> Result<Sample, stage1_memtable::Error> {
    Sample::of(Arc::new(blocked::Blocked::default()))
}

pub(super) fn block_hex() -> Drawn {
    sample()?.hex("the first data block", |contents| matches!(contents, Contents::Data { .. }))
}

pub(super) fn filter_hex() -> Drawn {
    let sample = Sample::of(Arc::new(bloom::Bloom::new(10)))?;
    sample.hex("the filter, in the standard layout", |contents| matches!(contents, Contents::Meta { .. }))
}

pub(super) fn blocked_filter_hex() -> Drawn {
    sample()?.hex("the filter, blocked", |contents| matches!(contents, Contents::Meta { .. }))
}

pub(super) fn properties_hex() -> Drawn {
    sample()?.hex("the properties", |contents| matches!(contents, Contents::Properties(_)))
}

pub(super) fn metaindex_hex() -> Drawn {
    sample()?.hex("the metaindex", |contents| matches!(contents, Contents::Metaindex(_)))
}

pub(super) fn index_hex() -> Drawn {
    sample()?.hex("the index", |contents| matches!(contents, Contents::Index(_)))
}

pub(super) fn footer_hex() -> Drawn {
    sample()?.hex("the footer", |contents| matches!(contents, Contents::Footer(_)))
}

/// The file from its first byte to its last: a row for each part, as long as the part.
pub(super) fn map() -> Drawn {
    let sample = sample()?;
    let mut drawing = Drawing::new();
    let scale = 420.0 / sample.bytes.len() as f64;
    let mut words = Vec::new();
    drawing.words("faint", Anchor::End, (48.0, 12.0), "offset");
    for (row, part) in (1..).zip(&sample.parts) {
        let y = LINE * 1.3 * f64::from(row) + 8.0;
        let contents = part.contents.as_ref().map_err(String::as_str)?;
        let (class, label) = described(contents);
        drawing.words("faint", Anchor::End, (48.0, y), part.start);
        let width = ((part.end - part.start) as f64 * scale).max(4.0);
        let area = Area::new(58.0 + part.start as f64 * scale, y - 13.0, width, LINE);
        drawing.area(class, area);
        drawing.words("small over", Anchor::Start, (area.left + area.width + 8.0, y), &label);
        words.push(format!("{label} at {}, {} bytes.", part.start, part.end - part.start));
    }
    pointers(&mut drawing, &sample, scale);
    Ok((drawing, format!("{FILE} has {} bytes. {}", sample.bytes.len(), words.join(" "))))
}

/// Who says where what lies: the footer of index and metaindex.
fn pointers(drawing: &mut Drawing, sample: &Sample, scale: f64) {
    let row_of = |start: usize| sample.parts.iter().position(|part| part.start == start).unwrap_or(0) + 1;
    let Some(Contents::Footer(footer)) = sample.parts.last().and_then(|part| part.contents.as_ref().ok())
    else {
        return;
    };
    let bottom = LINE * 1.3 * sample.parts.len() as f64 + 4.0;
    for (index, handle) in [footer.metaindex, footer.index].into_iter().enumerate() {
        let x = 58.0 + handle.offset as f64 * scale + 4.0;
        let y = LINE * 1.3 * row_of(handle.offset as usize) as f64 + 13.0;
        let turn = bottom + 4.0 - 8.0 * index as f64;
        let from = 58.0 + (sample.bytes.len() - 60) as f64 * scale;
        drawing.line("dashed", (from, turn), (x, turn));
        drawing.arrow("dashed", (x, turn), (x, y));
    }
}

fn described(contents: &Contents) -> (&'static str, String) {
    match contents {
        Contents::Data { block, .. } => ("k0", format!("data, {} entries", block.entries())),
        Contents::Meta { name, .. } => ("k1", format!("meta: {name}")),
        Contents::Properties(_) => ("k2", "meta: properties".to_owned()),
        Contents::Metaindex(_) => ("k4", "metaindex: names and places".to_owned()),
        Contents::Index(_) => ("k3", "index: a separator for each data block".to_owned()),
        Contents::Footer(_) => ("k6", "footer, 64 bytes".to_owned()),
    }
}

/// Blocks on the line of keys, the separators between them, and where seeks lead.
pub(super) fn gaps() -> Drawn {
    let sample = sample()?;
    let data: Vec<(Vec<String>, &OwnedKey)> = sample
        .parts
        .iter()
        .filter_map(|part| match &part.contents {
            Ok(Contents::Data { block, separator, .. }) => Some((keys_of(block), separator)),
            _ => None,
        })
        .collect();
    let mut drawing = Drawing::new();
    let mut x = 0.0;
    let mut words = Vec::new();
    let mut place_of = std::collections::BTreeMap::new();
    let mut ends = Vec::new();
    for (index, (keys, separator)) in data.iter().enumerate() {
        let width: f64 = keys.iter().map(|key| key.len() as f64 * CHARACTER + 12.0).sum::<f64>() + 8.0;
        drawing.area("k0", Area::new(x, 0.0, width, 34.0));
        drawing.words("faint", Anchor::Start, (x, 50.0), format!("block {index}"));
        let mut left = x + 10.0;
        for key in keys {
            drawing.words("", Anchor::Start, (left, 22.0), key);
            place_of.insert(key.clone(), left + key.len() as f64 * CHARACTER / 2.0);
            left += key.len() as f64 * CHARACTER + 12.0;
        }
        let shown = format!("{}", separator.user_key.escape_ascii());
        let middle = x + width + 17.0;
        drawing.line("dashed", (middle, -2.0), (middle, 66.0));
        drawing.words("small", Anchor::Middle, (middle, 80.0), format!("≤ \"{shown}\""));
        words.push(format!("Block {index} holds {} and has the separator {shown:?}.", keys.join(", ")));
        ends.push(separator.user_key.clone());
        x += width + 34.0;
    }
    let sought = ["ap", "b", "blue", "cat", "d", "lemon"];
    for (row, key) in (0..).zip(sought) {
        let y = 108.0 + LINE * f64::from(row);
        let block = ends.iter().position(|end| key.as_bytes() <= &end[..]);
        let found = place_of.keys().find(|stored| stored.as_str() >= key);
        let block =
            block.map_or_else(|| "behind the last block".to_owned(), |block| format!("block {block}"));
        let found = found.map_or_else(|| "the end".to_owned(), |found| format!("stands on {found}"));
        for (left, text) in [(0.0, format!("seek {key}")), (96.0, block.clone()), (260.0, found.clone())] {
            drawing.words("small", Anchor::Start, (left, y), text);
        }
        words.push(format!("A seek to {key} goes to {block}, {found}."));
    }
    Ok((drawing, words.join(" ")))
}

fn keys_of(block: &stage3_sstable::block::Block) -> Vec<String> {
    let mut cursor = block.cursor();
    let mut keys = Vec::new();
    let mut moved = cursor.seek_to_first();
    while let (Ok(()), Some(key)) = (&moved, cursor.key()) {
        keys.push(key.user_key.escape_ascii().to_string());
        moved = cursor.advance();
    }
    keys
}
