//! A record log: the journal's, which holds batches, or a manifest, which holds
//! edits.

use stage6_engine::compaction::edit::{self, VersionEdit};
use stage6_engine::compaction::file::FileMeta;
use stage6_engine::wal::batch::{self, Batch};
use stage6_engine::wal::coding::Malformed;
use stage6_engine::wal::layout::{Field, Part, refined};
use stage6_engine::wal::log::format::{Header, MAGIC, VERSION};
use stage6_engine::wal::log::parts::{Contents, log_parts};

use super::json::{Facts, Json};
use super::row::{Detail, Row, range};
use super::{Dumped, File};
use crate::failure::Failure;
use crate::show;

/// What the records of a log are.
pub(crate) trait Records: Default {
    /// What one is called.
    const PAYLOAD: &'static str;
    /// Reads one, which stands at this place of the file.
    fn record(&mut self, span: (usize, usize), payload: &[u8]) -> Result<Row, Malformed>;
    /// A promise, in words.
    fn promise(&mut self, promised: u64) -> String;
    /// The fields of a record.
    fn layout(payload: &[u8]) -> Vec<Field>;
    /// All of them, in words.
    fn summary(&self) -> String;
}

/// Takes apart the log `file`.
pub(crate) fn read<R: Records>(file: File) -> Result<Dumped, Failure> {
    let starts_foreign = !MAGIC.starts_with(&file.bytes[..file.bytes.len().min(MAGIC.len())]);
    if starts_foreign && file.bytes.iter().take(MAGIC.len()).any(|byte| *byte != 0) {
        return Err(Failure::Foreign {
            file: file.name,
            expected: "a log or a manifest, which begin with \\x89LSML",
        });
    }
    let parts = log_parts(&file.bytes, &file.name).map_err(stage6_engine::Error::from)?;
    let mut records = R::default();
    let mut rows = Vec::new();
    let mut fields = Vec::new();
    for part in &parts {
        rows.extend(rows_of(part, &mut records, file.number));
        fields.extend(fields_of::<R>(&file.bytes, part));
    }
    Ok(Dumped { summary: records.summary(), rows, fields, file })
}

fn fields_of<R: Records>(bytes: &[u8], part: &Part<Contents>) -> Vec<Field> {
    match part.contents {
        Ok(Contents::Record { fragments: 1, .. }) => refined(bytes, &part.fields, "payload", R::layout),
        _ => part.fields.clone(),
    }
}

fn rows_of<R: Records>(part: &Part<Contents>, records: &mut R, number: Option<u64>) -> Vec<Row> {
    let span = (part.start, part.end);
    let bytes = show::counted((part.end - part.start) as u64, "byte");
    vec![match &part.contents {
        Ok(Contents::Header(header)) => return header_rows(header, span, number),
        Ok(Contents::Record { payload, fragments }) => match records.record(span, payload) {
            Ok(row) if *fragments == 1 => row,
            Ok(row) => Row { words: format!("{}, in {fragments} fragments", row.words), ..row },
            Err(error) => Row::damage(span, &format!("a record is no {}: {error}", R::PAYLOAD)),
        },
        Ok(Contents::Promise(promised)) => {
            Row::new("promise", span, records.promise(*promised), vec![("promised", (*promised).into())])
        }
        Ok(Contents::Padding) => {
            Row::new("padding", span, format!("{bytes} to the end of the block"), vec![])
        }
        // A log may have been created and not written to; a manifest counts once it was.
        Ok(Contents::Zeros) if part.start == 0 && R::PAYLOAD == Edits::PAYLOAD => {
            Row::damage(span, "a manifest begins with its header, and here there is none")
        }
        Ok(Contents::Zeros) => Row::new("zeros", span, format!("{bytes} that were never written"), vec![]),
        Err(what) => Row::damage(span, what),
    }]
}

fn header_rows(header: &Header, span: (usize, usize), number: Option<u64>) -> Vec<Row> {
    let Header { number: stated, salt } = header;
    let words = format!("number {stated}, version {VERSION}, salt {salt:08x}");
    let facts = vec![("number", (*stated).into()), ("salt", format!("{salt:08x}").into())];
    let mut rows = vec![Row::new("header", span, words, facts)];
    if let Some(named) = number.filter(|named| named != stated) {
        let what = format!("the header says number {stated}, the name says {named}");
        rows.push(Row::damage((span.0, span.0), &what));
    }
    rows
}

/// Of the journal.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    count: u64,
    sequences: Option<(u64, u64)>,
    promised: Option<u64>,
}

impl Records for Batches {
    const PAYLOAD: &'static str = "batch";

    fn record(&mut self, span: (usize, usize), payload: &[u8]) -> Result<Row, Malformed> {
        let batch = Batch::decode(payload)?;
        let (first, last) = (batch.first_sequence(), batch.last_sequence());
        let least = self.sequences.map_or(first, |(least, _)| least);
        self.sequences = Some((least, last));
        self.count += 1;
        let entries =
            batch.entries().map(|entry| Detail::entry(entry.sequence, entry.kind, entry.key, entry.value));
        let words = format!("{}, {}", sequences(first, last), show::counted(payload.len() as u64, "byte"));
        let facts = vec![("first_sequence", first.into()), ("last_sequence", last.into())];
        Ok(Row::new("batch", span, words, facts).with("entries", entries.collect()))
    }

    fn promise(&mut self, promised: u64) -> String {
        self.promised = self.promised.max(Some(promised));
        format!("every sequence up to {promised} is durable")
    }

    fn layout(payload: &[u8]) -> Vec<Field> {
        batch::layout(payload)
    }

    fn summary(&self) -> String {
        let mut summary = show::counted(self.count, "batch");
        if let Some((first, last)) = self.sequences {
            summary.push_str(&format!(", {}", sequences(first, last)));
        }
        if let Some(promised) = self.promised {
            summary.push_str(&format!(", promised up to {promised}"));
        }
        summary
    }
}

/// One sequence, or from one to another.
pub(crate) fn sequences(first: u64, last: u64) -> String {
    match first == last {
        true => format!("sequence {first}"),
        false => format!("sequences {first} to {last}"),
    }
}

/// Of a manifest.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    count: u64,
    tables: usize,
    flushed: Option<u64>,
}

impl Records for Edits {
    const PAYLOAD: &'static str = "version edit";

    fn record(&mut self, span: (usize, usize), payload: &[u8]) -> Result<Row, Malformed> {
        let edit = VersionEdit::decode(payload)?;
        self.count += 1;
        self.tables = (self.tables + edit.added.len()).saturating_sub(edit.removed.len());
        self.flushed = edit.flushed_sequence.or(self.flushed);
        let place =
            if self.count == 1 { "the whole version".to_owned() } else { format!("edit {}", self.count) };
        let words = format!("{place}, {}", show::counted(payload.len() as u64, "byte"));
        Ok(Row::new("edit", span, words, Vec::new()).with("changes", changes(&edit)))
    }

    fn promise(&mut self, promised: u64) -> String {
        match promised {
            1 => "the first edit is durable".to_owned(),
            _ => format!("the first {promised} edits are durable"),
        }
    }

    fn layout(payload: &[u8]) -> Vec<Field> {
        edit::layout(payload)
    }

    fn summary(&self) -> String {
        let (edits, tables) = (show::counted(self.count, "edit"), show::counted(self.tables as u64, "table"));
        let flushed = self.flushed.map_or(String::new(), |sequence| format!(", flushed up to {sequence}"));
        format!("{edits}, {tables} after the last{flushed}")
    }
}

fn changes(edit: &VersionEdit) -> Vec<Detail> {
    let numbers = [
        ("log floor", "log_floor", edit.log_floor),
        ("next file number", "next_file_number", edit.next_file_number),
        ("flushed up to sequence", "flushed_sequence", edit.flushed_sequence),
    ];
    let numbers = numbers.into_iter().filter_map(|(words, name, number)| Some((words, name, number?)));
    let numbers = numbers.map(|(words, name, number)| Detail {
        words: format!("{words} {number}"),
        facts: vec![("change", "number".into()), (name, number.into())],
    });
    let removed = edit.removed.iter().map(|(level, number)| Detail {
        words: format!("remove table {number} from level {level}"),
        facts: vec![("change", "remove".into()), ("level", (*level).into()), ("table", (*number).into())],
    });
    numbers.chain(removed).chain(edit.added.iter().map(|(level, meta)| added(*level, meta))).collect()
}

fn added(level: usize, meta: &FileMeta) -> Detail {
    let words = format!(
        "add table {} to level {level}: {}, {}, {}",
        meta.number,
        range(&meta.smallest, &meta.largest),
        entries(meta.entries, meta.deletions),
        show::size(meta.size_bytes),
    );
    let mut facts: Facts = vec![("change", "add".into()), ("level", level.into())];
    facts.extend(file_facts(meta));
    Detail { words, facts }
}

fn file_facts(meta: &FileMeta) -> Facts {
    let key = |key: &[u8]| Json::from(key);
    vec![
        ("table", meta.number.into()),
        ("file_bytes", meta.size_bytes.into()),
        ("smallest_key", key(&meta.smallest.user_key)),
        ("largest_key", key(&meta.largest.user_key)),
        ("first_sequence", meta.first_sequence.into()),
        ("last_sequence", meta.last_sequence.into()),
        ("entries", meta.entries.into()),
        ("deletions", meta.deletions.into()),
        ("checksum", format!("{:08x}", meta.checksum).into()),
    ]
}

/// How many entries, and how many of them are deletions.
pub(crate) fn entries(entries: u64, deletions: u64) -> String {
    match deletions {
        0 => entries_alone(entries),
        _ => format!("{} ({})", entries_alone(entries), show::counted(deletions, "deletion")),
    }
}

fn entries_alone(entries: u64) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        _ => format!("{} entries", show::number(entries)),
    }
}
