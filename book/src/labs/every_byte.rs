//! A small database, every byte of its files with the name of its field, and numbers by which
//! another reader can check its arithmetic.

use std::sync::Arc;

use stage1_memtable::hash::hash_key;
use stage2_wal::batch;
use stage2_wal::coding::varint;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::layout::{Field, annotated_hex, refined};
use stage2_wal::log::format::{FragmentType, put_fragment};
use stage2_wal::log::parts::{Contents as LogContents, log_parts};
use stage2_wal::vfs::{FileId, SimVfs, Vfs};
use stage3_sstable::compression::{Codec, Compressor};
use stage3_sstable::frame::block_checksum;
use stage3_sstable::layout::{Contents, META_CONTENTS, table_parts};
use stage4_bloom::blocked::Blocked;
use stage4_bloom::bloom::Bloom;
use stage4_bloom::filter;
use stage4_bloom::policy::FilterPolicy;
use stage5_compaction::edit;
use stage5_compaction::manifest::{Current, current_layout};
use stage6_engine::{Db, Durability, Read, SimRuntime, WriteBatch};

use super::{Outcome, Output};

/// An id whose bytes show their order.
const DATABASE: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
/// So small that a table of five entries has several blocks.
const BLOCK_SIZE_BYTES: usize = 64;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn run(out: &mut Output) -> Outcome {
    let disk = written(out)?;
    out.part("directory");
    for (file, bytes) in disk.image() {
        out.line(format!("{:<15} {:>4} bytes", file.to_string(), bytes.as_ref().len()));
    }
    let current = Current::read(&disk)?.ok_or("there is no CURRENT")?;
    out.part("current");
    let bytes = disk.open(FileId::Current)?.read_all()?;
    show(out, &bytes, &current_layout(&bytes), 0, bytes.len());
    out.part("manifest");
    show_log(out, &disk, FileId::Manifest(current.manifest), edit::layout)?;
    for file in disk.list()? {
        match file {
            FileId::Log(_) => {
                out.part("log");
                show_log(out, &disk, file, batch::layout)?;
            }
            FileId::Table(_) => show_table(out, &disk, file)?,
            _ => {}
        }
    }
    over_blocks(out)?;
    checks(out);
    hashes(out);
    filters(out);
    compressed(out);
    Ok(())
}

/// Five entries in a table, two in a log, with the promises that say so.
fn written(out: &mut Output) -> Result<SimVfs, Failure> {
    let disk = SimVfs::without_trace();
    let options = Db::builder().database_id(DATABASE).block_size_bytes(BLOCK_SIZE_BYTES);
    let db = options.runtime(Arc::new(SimRuntime::new(1))).open_vfs(Arc::new(disk.clone()))?;
    db.put("apple", "red")?;
    // Somebody who still reads the first apple: so the table keeps it.
    let snapshot = db.snapshot()?;
    db.put("apricot", "")?;
    db.write(WriteBatch::new().put("banana", "yellow").delete("apple"))?;
    db.put("honey", "bzz".repeat(30))?;
    db.flush()?;
    drop(snapshot);
    db.write_opt(WriteBatch::new().put("fig", "green"), Durability::Sync)?;
    db.delete("banana")?;
    out.part("contents");
    for entry in db.range(..) {
        let (key, value) = entry?;
        out.line(format!("{} = {}", key.escape_ascii(), value.escape_ascii()));
    }
    db.close()?;
    Ok(disk)
}

fn show(out: &mut Output, bytes: &[u8], fields: &[Field], start: usize, end: usize) {
    let within = |field: &&Field| (start..end).contains(&field.start);
    let fields: Vec<Field> = fields.iter().filter(within).cloned().collect();
    let text = annotated_hex(bytes.get(..end).unwrap_or_default(), &fields);
    // What lies in front has been shown before.
    let is_here = |line: &&str| {
        line.get(..6)
            .is_some_and(|offset| usize::from_str_radix(offset, 16).is_ok_and(|offset| offset >= start))
    };
    text.lines().filter(is_here).for_each(|line| out.line(line));
}

fn show_log(out: &mut Output, disk: &SimVfs, file: FileId, layout: impl Fn(&[u8]) -> Vec<Field>) -> Outcome {
    let bytes = disk.open(file)?.read_all()?;
    for part in log_parts(&bytes, &file.to_string())? {
        let fields = match part.contents? {
            LogContents::Record { .. } => refined(&bytes, &part.fields, "payload", &layout),
            LogContents::Promise(count) => promise_of(file, part.fields, count),
            _ => part.fields,
        };
        show(out, &bytes, &fields, part.start, part.end);
    }
    Ok(())
}

/// A log's promise speaks of sequences, a manifest's of its records.
fn promise_of(file: FileId, mut fields: Vec<Field>, count: u64) -> Vec<Field> {
    if let (FileId::Manifest(_), Some(payload)) = (file, fields.last_mut()) {
        payload.meaning = format!("promise: so many records are durable: {count}");
    }
    fields
}

fn show_table(out: &mut Output, disk: &SimVfs, file: FileId) -> Outcome {
    let file = disk.open(file)?;
    let bytes = file.read_all()?;
    let mut last = "";
    for part in table_parts(&file)? {
        let contents = part.contents?;
        let (name, mut fields) = (name_of(&contents), part.fields);
        if let Contents::Meta { name, .. } = &contents {
            let kind = name.strip_prefix("filter.").unwrap_or(name);
            fields = refined(&bytes, &fields, META_CONTENTS, |held| filter::layout(kind, held));
        }
        if name != last {
            out.part(name);
            last = name;
        }
        show(out, &bytes, &fields, part.start, part.end);
    }
    Ok(())
}

fn name_of(contents: &Contents) -> &'static str {
    match contents {
        Contents::Data { .. } => "data-blocks",
        Contents::Meta { .. } => "filter",
        Contents::Properties(_) => "properties",
        Contents::Metaindex(_) => "metaindex",
        Contents::Index(_) => "index",
        Contents::Footer(_) => "footer",
    }
}

/// A record that does not fit the first block, in a line for each of its fragments.
fn over_blocks(out: &mut Output) -> Outcome {
    let disk = SimVfs::without_trace();
    let file = FileId::Log(1);
    let mut writer = stage2_wal::log::LogWriter::create(&disk, file, DatabaseId(DATABASE))?;
    writer.append_record(b"", &[b'a'; 32_715])?;
    writer.append_record(b"", &[b'b'; 40_000])?;
    writer.append_promise(2)?;
    let bytes = disk.open(file)?.read_all()?;
    out.part("over-blocks");
    let mut starts = Vec::new();
    for part in log_parts(&bytes, "log")? {
        starts.extend(part.fields.iter().filter(|field| field.name != "payload").cloned());
    }
    for field in starts.iter().skip_while(|field| field.name != "header crc").skip(1) {
        let span = bytes.get(field.start..field.end).unwrap_or_default();
        out.line(format!("{:06x}  {:<15}  {:<8} {}", field.start, hex(span), field.name, field.meaning));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// Varints and checksums.
fn checks(out: &mut Output) {
    out.part("varints");
    for number in [0, 1, 127, 128, 300, 16_383, 16_384, (1 << 56) - 1, u64::MAX] {
        out.line(format!("{number:<20}  {}", hex(&varint(number).collect::<Vec<u8>>())));
    }
    out.part("salts");
    for (database, number) in [(0, 1), (7, 1), (7, 2), (DATABASE, 1), (DATABASE, 2)] {
        let salt = file_salt(DatabaseId(database), number);
        out.line(format!("id {database:032x}  number {number}  salt {salt:08x}"));
    }
    out.part("fragments");
    let promise = 3u64.to_le_bytes();
    let fragments: [(u64, FragmentType, &[u8]); 4] = [
        (32, FragmentType::Full, b""),
        (32, FragmentType::Full, b"fig"),
        (100, FragmentType::Full, b"fig"),
        (42, FragmentType::Promise, &promise),
    ];
    for (offset, kind, payload) in fragments {
        let mut bytes = Vec::new();
        put_fragment(&mut bytes, 0x1234_5678, offset, kind, payload);
        out.line(format!("at {offset:<4} {kind:<8?} {}", hex(&bytes)));
    }
    out.part("blocks");
    for (offset, codec) in [(0, 0), (4_096, 0), (4_096, 1)] {
        let [salt, payload] = [&0x1234_5678u32.to_le_bytes()[..], b"block"];
        let two = block_checksum(payload, codec, offset, 0x1234_5678);
        let one = crc32fast::hash(&[payload, &[codec], &offset.to_le_bytes(), salt].concat());
        out.line(format!("at {offset:<5} codec {codec}  version 1 {one:08x}  version 2 {two:08x}"));
    }
}

fn hashes(out: &mut Output) {
    out.part("hashes");
    let counted: Vec<u8> = (0..=255u8).cycle().take(2_048).collect();
    for length in [0, 1, 2, 3, 4, 8, 9, 16, 17, 32, 33, 128, 129, 240, 241, 1_024, 1_025, 2_048] {
        let hash = hash_key(counted.get(..length).unwrap_or_default());
        out.line(format!("{length:>5} bytes  {hash:016x}"));
    }
}

/// A hash that is built in many times buys room and sets the bits of one.
fn filters(out: &mut Output) {
    out.part("filters");
    for key in ["fig", "kiwi"] {
        let hash = hash_key(key.as_bytes());
        out.line(format!("{key}: hash {hash:016x}"));
        let kinds: [(&str, Vec<u8>); 2] =
            [("bloom", Bloom::new(10).build(&[hash; 32])), ("blocked", Blocked::new(10).build(&[hash; 200]))];
        for (kind, bytes) in kinds {
            out.line(format!("  filter.{kind}"));
            let is_told = |field: &&Field| field.name != "word" || !field.meaning.ends_with("no bit");
            let fields = filter::layout(kind, &bytes);
            let words = fields.iter().filter(|field| field.name == "word").map(|field| field.start);
            let first = words.min().unwrap_or_default();
            for field in fields.iter().filter(is_told) {
                let word = field.start.checked_sub(first).map(|behind| format!(" {}", behind / 8));
                out.line(format!("    {}{}: {}", field.name, word.unwrap_or_default(), field.meaning));
            }
        }
    }
}

fn compressed(out: &mut Output) {
    out.part("lz4");
    let payloads =
        ["a".repeat(40), "abcdefgh".repeat(6), format!("{}{}", "0123456789abcdef", "x".repeat(400))];
    for payload in payloads {
        let mut compressor = Compressor::new();
        let (_, stored) = compressor.compress(Codec::Lz4, payload.as_bytes());
        let shown = if payload.len() > 60 {
            format!("{}… {} bytes", &payload[..24], payload.len())
        } else {
            payload.clone()
        };
        out.line(format!("{shown}\n  {}", hex(stored)));
    }
}
