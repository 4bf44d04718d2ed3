//! A flush as it happened: every call to the disk, in its order.

use stage2_wal::vfs::FileId;
use stage2_wal::vfs::crash::Call;

use super::Drawn;
use super::sequence::{Step, diagram};
use crate::labs::crash_between::Flush;

const LANES: [&str; 5] = ["jobs", "table", "directory", "manifest", "logs"];
const JOBS: usize = 0;
const DIRECTORY: usize = 2;

pub(super) fn draw() -> Drawn {
    let flush = Flush::observed()?;
    let mut steps = Vec::new();
    for call in &flush.trace.calls[flush.calls.clone()] {
        let file = flush.file(call).map(|file| file.to_string()).unwrap_or_default();
        let label = match call {
            Call::Create { .. } => format!("create {file}"),
            Call::Append { bytes, .. } => flush.appended(call, bytes.len()),
            Call::Sync { .. } => "sync".to_owned(),
            Call::Rename { from, to } => format!("rename {from} to {to}"),
            Call::Remove { .. } => format!("remove {file}"),
            Call::SyncDirectory => "sync".to_owned(),
        };
        steps.push(Step::Call(JOBS, lane(flush.file(call)), label));
    }
    Ok(diagram(&LANES, &steps))
}

fn lane(file: Option<FileId>) -> usize {
    match file {
        Some(FileId::Table(_)) => 1,
        Some(FileId::Log(_)) => 4,
        Some(_) => 3,
        None => DIRECTORY,
    }
}
