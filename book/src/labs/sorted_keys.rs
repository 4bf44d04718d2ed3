//! How small sorted keys become, and what a search in them costs: where the bytes of an entry
//! go, two layouts, seven sizes of a block, and codecs.

use std::collections::BTreeMap;
use std::fmt::Display;

use bytes::Bytes;
use stage1_memtable::key::{InternalKey, Kind};
use stage2_wal::coding::varint;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::vfs::{FileId, SimVfs, Vfs};
use stage3_sstable::block::{BlockBuilder, block_fields};
use stage3_sstable::compression::Codec;
use stage3_sstable::format::TRAILER_BYTES;
use stage3_sstable::table::{TableBuilder, TableOptions, TableSummary};

use super::block_looks::{Look, WatchedBlock};
use super::classic_block::ClassicBlock;
use super::prelude::{Dice, number, row};
use super::{Outcome, Output};

const COUNT: u64 = 10_000;
const VALUE_BYTES: usize = 100;
const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-abcdefghijklmnopqrstuvwxyz_";
/// The size of a block that is usual.
const USUAL_BYTES: usize = 4 << 10;
/// Every so many-th key is searched for.
const STEP: usize = 7;

struct Entry {
    key: String,
    sequence: u64,
    value: Vec<u8>,
}

impl Entry {
    fn internal_key(&self) -> InternalKey<'_> {
        InternalKey::new(self.key.as_bytes(), self.sequence)
    }
}

pub(super) fn run(out: &mut Output) -> Outcome {
    let families: [(&str, KeyOf); 3] = [
        ("orders", |place, _| {
            format!("order/2025-{:02}-{:02}/{:04}", 1 + place / 3_100, 1 + place / 100 % 31, place % 100)
        }),
        ("digits", |_, dice| format!("{:016}", dice.below(10_u64.pow(16)))),
        ("random", |_, dice| (0..16).map(|_| char::from(LETTERS[dice.below(64) as usize])).collect()),
    ];
    let families = families.map(|(name, key)| (name, entries(key)));
    for (name, entries) in &families {
        fields(out, name, entries)?;
    }
    layouts(out, &families)?;
    sizes(out, &families[0].1)
}

/// The key at a place, of which a part may be drawn.
type KeyOf = fn(u64, &mut Dice) -> String;

/// Sorted entries with keys of this kind. Half of each value repeats.
fn entries(key: KeyOf) -> Vec<Entry> {
    let mut dice = Dice::seeded(5);
    let keys: BTreeMap<String, ()> = (0..COUNT).map(|place| (key(place, &mut dice), ())).collect();
    let entry = |(key, ()): (String, ())| {
        let drawn = (0..VALUE_BYTES / 2).map(|_| dice.next() as u8);
        let value =
            b"paid by card, sent, ".iter().copied().cycle().take(VALUE_BYTES / 2).chain(drawn).collect();
        Entry { key, sequence: 1 + dice.below(1 << 20), value }
    };
    keys.into_iter().map(entry).collect()
}

/// The entries of one block after another, ended as a table ends them.
fn cut(entries: &[Entry], size_bytes: usize) -> Vec<(Bytes, &[Entry])> {
    let mut builder = BlockBuilder::new();
    let (mut blocks, mut start) = (Vec::new(), 0);
    for (place, entry) in entries.iter().enumerate() {
        let bytes = builder.size_bytes_with(entry.key.as_bytes(), &entry.value) + TRAILER_BYTES;
        if !builder.is_empty() && (bytes > size_bytes || !builder.has_room()) {
            blocks.push((builder.finish().into(), &entries[start..place]));
            start = place;
        }
        builder.add(entry.internal_key(), Kind::Value, &entry.value);
    }
    blocks.push((builder.finish().into(), &entries[start..]));
    blocks
}

/// How many bytes of an entry each field of a block takes, on average.
fn fields(out: &mut Output, name: &str, entries: &[Entry]) -> Outcome {
    out.part(name);
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = 0;
    for (payload, _) in cut(entries, USUAL_BYTES) {
        all += payload.len();
        for field in block_fields(&payload)? {
            *sums.entry(field.name).or_default() += field.end - field.start;
        }
    }
    let mean = |bytes: usize| format!("{:.2}", bytes as f64 / entries.len() as f64);
    let widths = [46, 8];
    let first = &entries[0].key;
    out.line(row(&widths, &[&format!("keys like {first:?}, one entry"), &"bytes"]));
    let keys: usize = entries.iter().map(|entry| entry.key.len()).sum();
    out.line(row(&widths, &[&"  the key, as it was given", &mean(keys)]));
    let sum = |names: &[&str]| names.iter().filter_map(|name| sums.get(name)).sum::<usize>();
    let groups: [(&str, &[&str]); 6] = [
        ("  its suffix", &["suffix"]),
        ("  its share of the prefix", &["prefix"]),
        ("  its head and its offset", &["head", "offset"]),
        ("  kind, sequence, two lengths", &["kind", "sequence", "suffix length", "value length"]),
        ("  its share of the counts", &["prefix bytes", "entries"]),
        ("  the value", &["value"]),
    ];
    for (label, names) in groups {
        out.line(row(&widths, &[&label, &mean(sum(names))]));
    }
    out.line(row(&widths, &[&"  the entry in its block", &mean(all)]));
    Ok(())
}

/// Both layouts with the same entries in each block. LevelDB writes kind and sequence in
/// eight bytes, which is counted beside.
fn layouts(out: &mut Output, families: &[(&str, Vec<Entry>)]) -> Outcome {
    out.part("layouts");
    let widths = [8, 8, 10, 14, 20, 14, 15];
    let heading: [&dyn Display; 7] = [
        &"keys",
        &"layout",
        &"in a block",
        &"bytes an entry",
        &"as LevelDB writes it",
        &"heads compared",
        &"entries decoded",
    ];
    out.line(row(&widths, &heading));
    for (name, entries) in families {
        let blocks = cut(entries, USUAL_BYTES);
        let in_a_block = entries.len() / blocks.len();
        let [mut classic_bytes, mut our_bytes, mut decoded, mut heads, mut ours, mut searches] = [0; 6];
        for (payload, entries) in blocks {
            let mut classic = ClassicBlock::default();
            entries.iter().for_each(|entry| classic.add(entry.internal_key(), Kind::Value, &entry.value));
            (classic_bytes, our_bytes) = (classic_bytes + classic.size_bytes(), our_bytes + payload.len());
            let watched = WatchedBlock::of(payload)?;
            for (place, entry) in entries.iter().enumerate().step_by(STEP) {
                let (found, count) = classic.search(entry.internal_key())?;
                let (position, looks) = watched.search(entry.internal_key())?;
                if position != place || found.is_none_or(|found| found.as_key() != entry.internal_key()) {
                    return Err(format!("{} is not found", entry.key).into());
                }
                let compared = looks.iter().filter(|look| matches!(look, Look::Head(_))).count();
                (decoded, heads, ours) = (decoded + count, heads + compared, ours + looks.len() - compared);
                searches += 1;
            }
        }
        let mean = |sum: usize, count: usize| format!("{:.1}", sum as f64 / count as f64);
        let each = |bytes| mean(bytes, entries.len());
        let wider: usize = entries.iter().map(|entry| 8 - 1 - varint(entry.sequence).count()).sum();
        let (classic, levels) = (each(classic_bytes), each(classic_bytes + wider));
        let decoded = mean(decoded, searches);
        out.line(row(&widths, &[name, &"classic", &in_a_block, &classic, &levels, &"none", &decoded]));
        let (each, heads, ours) = (each(our_bytes), mean(heads, searches), mean(ours, searches));
        out.line(row(&widths, &[&"", &"ours", &in_a_block, &each, &"", &heads, &ours]));
    }
    Ok(())
}

/// Blocks of 1 to 64 KiB.
fn sizes(out: &mut Output, entries: &[Entry]) -> Outcome {
    out.part("sizes");
    let widths = [8, 10, 10, 12, 10, 12, 12, 14];
    let heading: [&dyn Display; 8] = [
        &"KiB",
        &"blocks",
        &"entries",
        &"file, plain",
        &"file, lz4",
        &"other bytes",
        &"read, plain",
        &"read, lz4",
    ];
    out.line(row(&widths, &heading));
    for kib in [1, 2, 4, 8, 16, 32, 64] {
        let [plain, lz4] = [Codec::None, Codec::Lz4].map(|codec| table(entries, kib << 10, codec));
        let (plain, lz4) = (plain?, lz4?);
        let blocks = plain.properties.data_blocks;
        let read = |summary: &TableSummary| number(summary.properties.data_bytes / blocks);
        let cells: [&dyn Display; 8] = [
            &kib,
            &number(blocks),
            &(entries.len() as u64 / blocks),
            &number(plain.file_bytes),
            &number(lz4.file_bytes),
            &number(plain.file_bytes - plain.properties.data_bytes),
            &read(&plain),
            &read(&lz4),
        ];
        out.line(row(&widths, &cells));
    }
    Ok(())
}

fn table(
    entries: &[Entry],
    block_size_bytes: usize,
    codec: Codec,
) -> Result<TableSummary, stage1_memtable::Error> {
    let disk = SimVfs::new();
    let file = FileId::Table(2);
    let options = TableOptions { block_size_bytes, codec };
    let salt = file_salt(DatabaseId(7), 2);
    let mut builder = TableBuilder::new(disk.create(file)?, file.to_string(), salt, options);
    for entry in entries {
        builder.add(entry.internal_key(), Kind::Value, &entry.value)?;
    }
    builder.finish()
}
