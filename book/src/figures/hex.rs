//! Bytes in hexadecimal, each in the colour of its field, with the field's name and meaning.

use std::ops::Range;

use stage2_wal::layout::{Field, UNCLAIMED, unclaimed};

use super::svg::{Anchor, Area, CHARACTER, Drawing, LINE};

const BYTES_PER_ROW: usize = 8;
const BYTE: f64 = 3.0 * CHARACTER;
const OFFSET_WIDTH: f64 = 7.0 * CHARACTER;
const HEX_WIDTH: f64 = BYTES_PER_ROW as f64 * BYTE;
const NAME_LEFT: f64 = OFFSET_WIDTH + HEX_WIDTH + 12.0;
/// So many colours take turns.
const COLOURS: usize = 8;

/// Draws `bytes` below what is drawn already, under a heading, and says them in words. Of a
/// field longer than `most_rows` rows the middle is left out.
pub fn rows(
    drawing: &mut Drawing,
    heading: &str,
    bytes: &[u8],
    fields: &[Field],
    most_rows: usize,
) -> String {
    rows_of(drawing, heading, bytes, 0..bytes.len(), fields, most_rows)
}

/// The same for the part of `bytes` at `place`. The fields count from the file's first byte.
pub fn rows_of(
    drawing: &mut Drawing,
    heading: &str,
    bytes: &[u8],
    place: Range<usize>,
    fields: &[Field],
    most_rows: usize,
) -> String {
    let mut y = if drawing.height() == 0.0 { 14.0 } else { drawing.height() + LINE };
    if !heading.is_empty() {
        drawing.words("strong", Anchor::Start, (0.0, y), heading);
        y += LINE;
    }
    let meaning_left = NAME_LEFT + (longest_name(fields) + 2.0) * CHARACTER;
    let mut all: Vec<Field> = fields.iter().filter(|field| place.contains(&field.start)).cloned().collect();
    let gap = |(start, end)| Field { start, end, name: UNCLAIMED, meaning: String::new() };
    let gaps = unclaimed(bytes.get(..place.end).unwrap_or_default(), fields);
    all.extend(
        gaps.into_iter()
            .map(|(start, end)| gap((start.max(place.start), end)))
            .filter(|gap| gap.start < gap.end),
    );
    all.sort_by_key(|field| (field.start, field.end));
    for (index, field) in all.iter().enumerate() {
        let class = format!("k{}", index % COLOURS);
        drawing.words("", Anchor::Start, (NAME_LEFT, y), field.name);
        drawing.words("faint", Anchor::Start, (meaning_left, y), &field.meaning);
        let span = bytes.get(field.start..field.end).unwrap_or_default();
        if span.is_empty() {
            drawing.words("faint", Anchor::Start, (OFFSET_WIDTH, y), "no byte");
            y += LINE;
        }
        let rows: Vec<&[u8]> = span.chunks(BYTES_PER_ROW).collect();
        for (row, chunk) in rows.iter().enumerate() {
            if row + 1 == most_rows && rows.len() > most_rows {
                let left = span.len() - row * BYTES_PER_ROW;
                drawing.words("faint", Anchor::Start, (OFFSET_WIDTH, y), format!("… {left} more bytes"));
                y += LINE;
                break;
            }
            byte_row(drawing, &class, y, field.start + row * BYTES_PER_ROW, chunk);
            y += LINE;
        }
    }
    let told = |field: &Field| {
        format!("{} at {}, {} bytes: {}.", field.name, field.start, field.end - field.start, field.meaning)
    };
    format!("{heading} {}", all.iter().map(told).collect::<Vec<_>>().join(" "))
}

fn byte_row(drawing: &mut Drawing, class: &str, y: f64, offset: usize, bytes: &[u8]) {
    drawing.words("faint", Anchor::Start, (0.0, y), format!("{offset:06x}"));
    let width = bytes.len() as f64 * BYTE - CHARACTER + 4.0;
    drawing.area(class, Area::new(OFFSET_WIDTH - 2.0, y - 13.0, width, LINE - 1.0));
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    drawing.words("", Anchor::Start, (OFFSET_WIDTH, y), hex.join(" "));
}

fn longest_name(fields: &[Field]) -> f64 {
    fields.iter().map(|field| field.name.len()).max().unwrap_or_default().max(UNCLAIMED.len()) as f64
}
