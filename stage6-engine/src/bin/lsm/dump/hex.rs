//! Every byte, with the field that it belongs to.

use std::io::Write;

use stage6_engine::wal::layout::{annotated_hex, unclaimed};

use super::Dumped;
use crate::failure::Failure;
use crate::show;

/// The field that is told in one line, however long it is.
const ZEROS: &str = "zeros";

pub(crate) fn write(dumped: &Dumped, out: &mut impl Write) -> Result<(), Failure> {
    let bytes = &dumped.file.bytes;
    let (fields, zeros) = match dumped.fields.split_last() {
        Some((last, fields)) if last.name == ZEROS => (fields, Some(last)),
        _ => (&dumped.fields[..], None),
    };
    let shown = zeros.map_or(bytes.len(), |zeros| zeros.start);
    out.write_all(annotated_hex(&bytes[..shown], fields).as_bytes())?;
    if let Some(zeros) = zeros {
        writeln!(out, "{:06x}  00 … 00                  {ZEROS:<22} {}", zeros.start, zeros.meaning)?;
    }
    for row in dumped.damages() {
        writeln!(out, "damaged at offset {}: {}", row.start, row.words)?;
    }
    Ok(writeln!(out, "{}", closing(dumped))?)
}

fn closing(dumped: &Dumped) -> String {
    let bytes = show::counted(dumped.file.bytes.len() as u64, "byte");
    let gaps = unclaimed(&dumped.file.bytes, &dumped.fields);
    if gaps.is_empty() {
        return format!("{bytes}, all attributed");
    }
    let lost: usize = gaps.iter().map(|(start, end)| end - start).sum();
    let places: Vec<String> = gaps.iter().map(|(start, end)| format!("{start}..{end}")).collect();
    format!("{bytes}, {} of them in no field: {}", show::number(lost as u64), places.join(", "))
}
