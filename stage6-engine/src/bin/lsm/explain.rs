//! The way of one lookup: what it asked, and what that cost.
//!
//! ```text
//!   cold  memtable with 74 entries
//!         level 6, table 000052 · its filter says maybe · block at 8,123 of 4 KiB, read from the file
//!         = a value of 260 B: 2 sources, 1 filter (0 said no), 1 block of 4 KiB (0 in the cache)
//!   warm  …
//! ```
//!
//! Each source has a line, in the order in which they were asked: the newest first,
//! and none behind the one that knows the key.

use std::io::Write;

use stage6_engine::Db;
use stage6_engine::memtable::lookup::Touch;

use crate::args::Explain;
use crate::database::open_to_read;
use crate::failure::Failure;
use crate::{show, tsv};

/// Twice: with nothing in the cache, and with what the first lookup left there.
pub(crate) fn explain(args: &Explain, out: &mut dyn Write) -> Result<(), Failure> {
    let db = open_to_read(&args.directory)?;
    twice(&db, args.key.as_encoded_bytes(), ["cold", "warm"], out)
}

/// Looks `key` up two times, and shows each under its name.
pub(crate) fn twice(db: &Db, key: &[u8], names: [&str; 2], out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "get {}", show::shortened(&tsv::escaped(key), 60))?;
    for name in names {
        let (value, touched) = db.explain_get(key)?;
        let outcome = value.map_or_else(
            || "no value".to_owned(),
            |value| format!("a value of {}", show::size(value.len() as u64)),
        );
        let lines = way(&touched, "entry").into_iter();
        let lines = lines.chain([format!("= {outcome}: {}", cost(&touched))]);
        for (index, line) in lines.enumerate() {
            writeln!(out, "{:6}  {line}", if index == 0 { name } else { "" })?;
        }
    }
    Ok(())
}

/// What a lookup touched, a line for each source. An entry is called `noun`.
pub(crate) fn way(touched: &[Touch], noun: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for touch in touched {
        let (is_source, text) = match touch {
            Touch::Memtable { entries } => {
                (true, format!("memtable with {}", show::counted(*entries as u64, noun)))
            }
            Touch::Table { number, level } => (true, format!("level {level}, table {number:06}")),
            Touch::Filter { may_contain: false } => (false, "its filter says no".to_owned()),
            Touch::Filter { may_contain: true } => (false, "its filter says maybe".to_owned()),
            Touch::Block { offset, bytes, cached } => {
                let origin = if *cached { "found in the cache" } else { "read from the file" };
                let (offset, size) = (show::number(*offset), show::size(u64::from(*bytes)));
                (false, format!("block at {offset} of {size}, {origin}"))
            }
            other => (false, format!("{other:?}")),
        };
        match lines.last_mut() {
            Some(line) if !is_source => *line += &format!(" · {text}"),
            _ => lines.push(text),
        }
    }
    lines
}

/// All of it in numbers.
fn cost(touched: &[Touch]) -> String {
    let count = |wanted: fn(&Touch) -> bool| touched.iter().filter(|touch| wanted(touch)).count() as u64;
    let sources = count(|touch| matches!(touch, Touch::Memtable { .. } | Touch::Table { .. }));
    let filters = count(|touch| matches!(touch, Touch::Filter { .. }));
    let refusals = count(|touch| matches!(touch, Touch::Filter { may_contain: false }));
    let blocks = count(|touch| matches!(touch, Touch::Block { .. }));
    let cached = count(|touch| matches!(touch, Touch::Block { cached: true, .. }));
    let bytes_of = |touch: &Touch| if let Touch::Block { bytes, .. } = touch { u64::from(*bytes) } else { 0 };
    format!(
        "{}, {} ({refusals} said no), {} of {} ({cached} in the cache)",
        show::counted(sources, "source"),
        show::counted(filters, "filter"),
        show::counted(blocks, "block"),
        show::size(touched.iter().map(bytes_of).sum()),
    )
}
