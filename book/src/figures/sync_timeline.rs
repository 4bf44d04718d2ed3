//! Appends, syncs and promises in the order of their calls, for groups of different size.

use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::coding::Decoder;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::journal::Journal;
use stage2_wal::log::format::{HEADER_BYTES, decode_fragment};
use stage2_wal::vfs::SimVfs;
use stage2_wal::vfs::crash::Call;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

const DATABASE: DatabaseId = DatabaseId(7);
const WRITES: u64 = 16;
const GROUPS: [u64; 3] = [1, 4, 16];
const LEFT: f64 = 120.0;
const STEP: f64 = 12.0;
const ROW: f64 = 92.0;

/// What a call to the log was.
enum Mark {
    Append,
    Sync,
    Promise(u64),
}

pub(super) fn draw() -> Drawn {
    let mut drawing = Drawing::new();
    let mut words = Vec::new();
    legend(&mut drawing);
    for (row, group) in (0..).zip(GROUPS) {
        let marks = marks(group)?;
        let syncs = marks.iter().filter(|mark| matches!(mark, Mark::Sync)).count();
        draw_row(&mut drawing, 40.0 + ROW * f64::from(row), group, &marks);
        words
            .push(format!("Synced after each {group} writes: {} calls, {syncs} of them syncs.", marks.len()));
    }
    Ok((drawing, format!("{WRITES} writes to a log. {}", words.join(" "))))
}

fn legend(drawing: &mut Drawing) {
    drawing.area("k0", Area::new(LEFT, 2.0, 8.0, 12.0));
    drawing.words("small", Anchor::Start, (LEFT + 14.0, 13.0), "append");
    drawing.area("k3", Area::new(LEFT + 90.0, 0.0, 8.0, 16.0));
    drawing.words("small", Anchor::Start, (LEFT + 104.0, 13.0), "sync");
    drawing.dot("head", (LEFT + 170.0, 9.0), 4.0);
    drawing.words("small", Anchor::Start, (LEFT + 180.0, 13.0), "promise: so many writes are durable");
}

/// One mark after the other; below them, the writes that are not yet durable at each moment.
fn draw_row(drawing: &mut Drawing, top: f64, group: u64, marks: &[Mark]) {
    let base = top + 34.0;
    drawing.words("", Anchor::Start, (0.0, base - 8.0), format!("groups of {group}"));
    drawing.words("faint", Anchor::Start, (0.0, base + 22.0), "not yet durable");
    drawing.line("axis", (LEFT - 4.0, base), (LEFT + STEP * marks.len() as f64 + 4.0, base));
    let mut pending = 0u64;
    let mut durable = 0u64;
    for (index, mark) in marks.iter().enumerate() {
        let x = LEFT + STEP * index as f64;
        match mark {
            Mark::Append => {
                pending += 1;
                drawing.area("k0", Area::new(x, base - 16.0, STEP - 4.0, 16.0));
            }
            Mark::Sync => drawing.area("k3", Area::new(x, base - 30.0, STEP - 4.0, 30.0)),
            Mark::Promise(sequence) => {
                pending -= sequence - durable;
                durable = *sequence;
                drawing.dot("head", (x + STEP / 2.0 - 2.0, base - 8.0), 4.0);
                if group > 1 {
                    drawing.words("small", Anchor::Middle, (x + 4.0, base - 36.0), sequence);
                }
            }
        }
        if pending > 0 {
            let height = 2.0 + 1.6 * pending as f64;
            drawing.area("quiet", Area::new(x, base + 4.0, STEP - 1.0, height));
        }
    }
}

fn marks(group: u64) -> Result<Vec<Mark>, stage2_wal::memtable::Error> {
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), DATABASE, 1, 0)?;
    let before = disk.calls();
    for number in 1..=WRITES {
        let mut batch = WriteBatch::new();
        batch.put(format!("fruit{number}"), "fresh");
        let last = journal.appender().append(&batch)?;
        if number % group == 0 {
            journal.persist(last)?;
        }
    }
    let mut offset = HEADER_BYTES as u64;
    let mut marks = Vec::new();
    for call in &disk.trace().calls[before..] {
        match call {
            Call::Append { bytes, .. } => {
                let salt = file_salt(DATABASE, 1);
                let fragment = decode_fragment(&mut Decoder::new(bytes), salt, offset, 32_768);
                let promised = fragment.ok().and_then(|fragment| fragment.promised());
                marks.push(promised.map_or(Mark::Append, Mark::Promise));
                offset += bytes.len() as u64;
            }
            Call::Sync { .. } => marks.push(Mark::Sync),
            _ => {}
        }
    }
    Ok(marks)
}
