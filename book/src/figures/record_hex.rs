//! The first bytes of a log: header, one batch, its promise.

use std::sync::Arc;

use stage2_wal::batch::{self, WriteBatch};
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::Journal;
use stage2_wal::layout::refined;
use stage2_wal::log::LogWriter;
use stage2_wal::log::parts::{Contents, log_parts};
use stage2_wal::vfs::{FileId, SimVfs};

use super::svg::Drawing;
use super::{Drawn, hex};

pub(super) fn draw() -> Drawn {
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), DatabaseId(7), 1, 0)?;
    let last = journal.appender().append(WriteBatch::new().put("fig", "green").delete("kiwi"))?;
    journal.persist(last)?;
    let file = FileId::Log(1);
    let bytes = disk.image().remove(&file).unwrap_or_default();
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    for part in log_parts(&bytes, &file.to_string())? {
        let mut fields = part.fields;
        let heading = match part.contents? {
            Contents::Header(_) => format!("the header of {file}"),
            Contents::Record { .. } => {
                fields = refined(&bytes, &fields, "payload", batch::layout);
                "a record: the batch \"put fig = green, delete kiwi\"".to_owned()
            }
            Contents::Promise(sequence) => format!("a promise: every sequence up to {sequence} is durable"),
            Contents::Padding | Contents::Zeros => continue,
        };
        let place = part.start..part.end;
        words.push(hex::rows_of(&mut drawing, &heading, &bytes, place, &fields, 4));
    }
    Ok((drawing, words.join(" ")))
}

/// A record of 40,000 bytes: its fragments, and the padding that nobody reads.
pub(super) fn over_blocks() -> Drawn {
    let disk = SimVfs::new();
    let file = FileId::Log(1);
    let mut writer = LogWriter::create(&disk, file, DatabaseId(7))?;
    writer.append_record(b"", &[b'a'; 32_720])?;
    writer.append_record(b"", &[b'b'; 40_000])?;
    let bytes = disk.image().remove(&file).unwrap_or_default();
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    for part in log_parts(&bytes, &file.to_string())? {
        let heading = match part.contents? {
            Contents::Header(_) => continue,
            Contents::Record { payload, fragments: 1 } => format!("a record of {} bytes", payload.len()),
            Contents::Record { payload, fragments } => {
                format!("a record of {} bytes in {fragments} fragments", payload.len())
            }
            Contents::Padding => "padding: no fragment fits here".to_owned(),
            Contents::Promise(_) | Contents::Zeros => continue,
        };
        words.push(hex::rows_of(&mut drawing, &heading, &bytes, part.start..part.end, &part.fields, 3));
    }
    Ok((drawing, words.join(" ")))
}
