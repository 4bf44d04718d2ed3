//! What happens inside, a line on stderr for each event.
//!
//! ```text
//!     0.214 s  flush    1 memtable with 31,204 entries, 8.0 MiB
//!     0.268 s  flushed  1 table of 3.9 MiB, in 54.1ms
//!     0.730 s  merge    4 tables of 15.6 MiB to level 6, because level 0 has 4 files
//! ```
//!
//! Only the process that writes can tell: it alone holds the database. So a verb
//! that writes much shows its own events, instead of a bar.

use std::time::Instant;

use stage6_engine::{Event, Listener};

use crate::show;

/// Prints events as they happen.
#[derive(Debug)]
pub(crate) struct Watch {
    begin: Instant,
}

impl Watch {
    pub(crate) fn begin() -> Watch {
        Watch { begin: Instant::now() }
    }
}

impl Listener for Watch {
    fn on_event(&self, event: &Event) {
        eprintln!("{:9.3} s  {}", self.begin.elapsed().as_secs_f64(), show::on_one_line(&line(event)));
    }
}

/// An event in words: what, and how much of it.
pub(crate) fn line(event: &Event) -> String {
    let tables_of = |tables: usize, bytes: u64| {
        format!("{} of {}", show::counted(tables as u64, "table"), show::size(bytes))
    };
    match event {
        Event::Recovered(report) if report.created => "opened   a new database".to_owned(),
        Event::Recovered(report) => {
            let batches = show::counted(report.replay.batches, "batch");
            let logs = show::counted(report.replay.logs as u64, "log");
            let tables = show::counted(report.tables_written as u64, "table");
            format!("opened   {batches} from {logs} into {tables}")
        }
        Event::FlushBegun { memtables, entries, bytes } => {
            let memtables = show::counted(*memtables as u64, "memtable");
            let entries = show::counted(*entries, "entry");
            format!("flush    {memtables} with {entries}, {}", show::size(*bytes))
        }
        Event::FlushEnded { tables, bytes, took, .. } => {
            format!("flushed  {}, in {took:.1?}", tables_of(*tables, *bytes))
        }
        Event::CompactionBegun { reason, tables, bytes, output_level, is_move } => {
            let verb = if *is_move { "move " } else { "merge" };
            format!("{verb}    {} to level {output_level}, because {reason}", tables_of(*tables, *bytes))
        }
        Event::CompactionEnded { tables: 0, took, .. } => {
            format!("done     no table had to be written, in {took:.1?}")
        }
        Event::CompactionEnded { tables, bytes, entries_hidden, deletions_spent, took } => format!(
            "merged   {}, {} hidden and {} spent, in {took:.1?}",
            tables_of(*tables, *bytes),
            show::counted(*entries_hidden, "entry"),
            show::counted(*deletions_spent, "deletion"),
        ),
        Event::PressureChanged(Some(pressure)) => {
            format!("pressure {:.0} %: {}", pressure.level * 100.0, pressure.reason)
        }
        Event::PressureChanged(None) => "pressure is gone".to_owned(),
        Event::Stopped(error) => format!("stopped  {error}"),
        Event::Resumed => "resumed".to_owned(),
        other => other.to_string(),
    }
}
