//! The first bytes of a log: header, one batch, its promise.

use std::sync::Arc;

use stage2_wal::batch::{self, WriteBatch};
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::Journal;
use stage2_wal::layout::refined;
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
