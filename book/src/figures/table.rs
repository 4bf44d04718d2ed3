//! A small table and its parts: a map of the file, and the bytes of each kind of block.

use std::sync::Arc;

use bytes::Bytes;
use stage1_memtable::key::{InternalKey, Kind};
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

use super::svg::{Anchor, Area, Drawing, LINE};
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
        Contents::Data { block, .. } if block.entries() == 1 => ("k0", "data, 1 entry".to_owned()),
        Contents::Data { block, .. } => ("k0", format!("data, {} entries", block.entries())),
        Contents::Meta { name, .. } => ("k1", format!("meta: {name}")),
        Contents::Properties(_) => ("k2", "meta: properties".to_owned()),
        Contents::Metaindex(_) => ("k4", "metaindex: names and places".to_owned()),
        Contents::Index(_) => ("k3", "index: a separator for each data block".to_owned()),
        Contents::Footer(_) => ("k6", "footer, 64 bytes".to_owned()),
    }
}
