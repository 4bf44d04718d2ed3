//! The way of one put, one delete and one get, as it was just observed.

use std::sync::Arc;

use stage1_memtable::lookup::Touch;
use stage2_wal::coding::Decoder;
use stage2_wal::identity::{DatabaseId, file_salt};
use stage2_wal::log::format::{FragmentType, decode_fragment};
use stage2_wal::vfs::FileId;
use stage6_engine::{Builder, Db, Durability, SimRuntime, WriteBatch};

use super::Drawn;
use super::sequence::{Step, diagram};
use super::watched::{Call, Seen, Watched};

const LANES: [&str; 5] = ["caller", "engine", "log", "memtable", "disk"];
const CALLER: usize = 0;
const ENGINE: usize = 1;
const LOG: usize = 2;
const MEMTABLE: usize = 3;
const DISK: usize = 4;
const DATABASE: u128 = 7;

pub(super) fn put() -> Drawn {
    let mut batch = WriteBatch::new();
    batch.put("fig", "green");
    written("put fig = green", &batch)
}

pub(super) fn delete() -> Drawn {
    let mut batch = WriteBatch::new();
    batch.delete("fig");
    written("delete fig", &batch)
}

/// A database that does nothing behind our back, and the same in every run.
fn quiet() -> Builder {
    Db::builder().database_id(DATABASE).runtime(Arc::new(SimRuntime::new(1)))
}

/// Writes `batch` durably to a database that holds one key, and draws what was seen.
fn written(question: &str, batch: &WriteBatch) -> Drawn {
    let disk = Watched::new();
    let db = quiet().open_vfs(Arc::new(disk.clone()))?;
    db.put("apple", "red")?;
    let (commit, seen) = disk.during(&db, || db.write_opt(batch, Durability::Sync));
    let sequence = commit?.sequence();
    let mut steps = vec![Step::Call(CALLER, ENGINE, question.to_owned())];
    for pair in seen.windows(2) {
        steps.extend(steps_of_call(&pair[0])?);
        steps.extend(steps_between(&pair[0], &pair[1]));
    }
    steps.push(Step::Answer(ENGINE, CALLER, format!("sequence {sequence}, durable")));
    Ok(diagram(&LANES, &steps))
}

fn steps_of_call(seen: &Seen) -> Result<Vec<Step>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(match &seen.call {
        Call::Append(file, offset, bytes) => {
            let number = file.number().unwrap_or_default();
            let salt = file_salt(DatabaseId(DATABASE), number);
            let fragment = decode_fragment(&mut Decoder::new(bytes), salt, *offset, 32_768)
                .map_err(|malformed| malformed.in_file(file.to_string(), *offset))?;
            let what = match fragment.promised() {
                Some(sequence) => format!("promise {sequence}"),
                None => "append a batch".to_owned(),
            };
            debug_assert!(fragment.kind == FragmentType::Full || fragment.promised().is_some());
            vec![
                Step::Call(ENGINE, LOG, what),
                Step::Call(LOG, DISK, format!("{} bytes at {offset} of {file}", bytes.len())),
            ]
        }
        Call::Sync(file) => vec![Step::Call(ENGINE, DISK, format!("sync {file}"))],
        Call::Other => Vec::new(),
    })
}

/// What no call shows, and what was seen to have changed since.
fn steps_between(before: &Seen, after: &Seen) -> Vec<Step> {
    let mut steps = Vec::new();
    if after.entries > before.entries {
        steps.push(Step::Call(ENGINE, MEMTABLE, format!("insert, now {} entries", after.entries)));
    }
    if after.visible > before.visible {
        steps.push(Step::Note(ENGINE, format!("visible up to {}", after.visible)));
    }
    steps
}

pub(super) fn get() -> Drawn {
    let db = quiet().open_in_memory()?;
    let fill = |first: usize, step: usize| -> Result<(), stage6_engine::Error> {
        for number in (first..2_000).step_by(step) {
            db.put(format!("fruit{number:05}"), format!("basket {number}"))?;
        }
        db.flush()
    };
    fill(0, 1)?;
    db.compact_range(..)?;
    fill(0, 7)?;
    fill(1, 7)?;
    db.put("apple", "red")?;
    let key = "fruit00723";
    let (value, touches) = db.explain_get(key)?;
    let lanes = ["caller", "engine", "memtable", "filter", "table"];
    let mut steps = vec![Step::Call(0, 1, format!("get {key}"))];
    for touch in &touches {
        steps.extend(match touch {
            Touch::Memtable { entries } => {
                vec![
                    Step::Call(1, 2, format!("in it? (entries: {entries})")),
                    Step::Answer(2, 1, "absent".to_owned()),
                ]
            }
            Touch::Table { number, level } => {
                vec![Step::Note(1, format!("level {level}: {}", FileId::Table(*number)))]
            }
            Touch::Filter { may_contain } => {
                let answer = if *may_contain { "perhaps" } else { "certainly not" };
                vec![Step::Call(1, 3, "is it there?".to_owned()), Step::Answer(3, 1, answer.to_owned())]
            }
            Touch::Block { offset, bytes, .. } => {
                vec![Step::Call(1, 4, format!("the block at {offset}, {bytes} bytes"))]
            }
            _ => Vec::new(),
        });
    }
    if let Some(value) = value {
        steps.push(Step::Answer(4, 1, format!("the entry, {} bytes", value.len())));
        steps.push(Step::Answer(1, 0, value.escape_ascii().to_string()));
    }
    Ok(diagram(&lanes, &steps))
}
