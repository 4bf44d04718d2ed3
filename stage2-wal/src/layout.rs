//! Every byte of a file belongs to a named field.
//!
//! ```text
//!   000000  89 4c 53 4d 4c 0d 0a 1a  magic          "\x89LSML\r\n\x1a"
//!   000008  01 00                    version        1
//! ```
//!
//! A [`Field`] is a span of bytes with a name and a meaning. The spans come from
//! the decoders themselves ([`Decoder::recording`](crate::coding::Decoder::recording)), so that the golden
//! snapshots, the dumps and the pictures of a format all show what the code
//! reads.
//!
//! **INV-LAYOUT-1** [`annotated_hex`] shows every byte once. Bytes that no field
//! claims are shown as such and never passed over.

use std::fmt::Write;

/// How many bytes one line of a dump shows.
const BYTES_PER_LINE: usize = 8;

/// A span of bytes, what it is called and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The offset of its first byte.
    pub start: usize,
    /// The offset behind its last byte.
    pub end: usize,
    /// Its name in the grammar.
    pub name: &'static str,
    /// Its value, in words.
    pub meaning: String,
}

impl Field {
    /// The same field in a file where the decoded bytes began at `base`.
    pub fn shifted(self, base: usize) -> Field {
        Field { start: self.start + base, end: self.end + base, ..self }
    }
}

/// A stretch of a file: what it holds, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<C> {
    /// The offset of its first byte.
    pub start: usize,
    /// The offset behind its last byte.
    pub end: usize,
    /// What it holds, or in words why nobody can say.
    pub contents: Result<C, String>,
    /// The fields of its bytes; none where it is damaged.
    pub fields: Vec<Field>,
}

/// `fields` of `bytes`, with the fields of what those called `name` hold in their
/// place, as `inner` names them. What it does not name is unclaimed.
pub fn refined(
    bytes: &[u8],
    fields: &[Field],
    name: &str,
    inner: impl Fn(&[u8]) -> Vec<Field>,
) -> Vec<Field> {
    let refine = |field: &Field| match field.name == name {
        true => {
            let held = bytes.get(field.start..field.end).unwrap_or_default();
            inner(held).into_iter().map(|inner| inner.shifted(field.start)).collect()
        }
        false => vec![field.clone()],
    };
    fields.iter().flat_map(refine).collect()
}

/// The name under which [`annotated_hex`] shows bytes that no field claims.
pub const UNCLAIMED: &str = "(no field)";

/// `bytes` as hex, each line with the field that it belongs to. `fields` are in
/// order of their start and do not overlap.
pub fn annotated_hex(bytes: &[u8], fields: &[Field]) -> String {
    let mut text = String::new();
    let mut shown = 0;
    for field in fields {
        write_span(&mut text, bytes, shown, field.start, UNCLAIMED, "");
        write_span(&mut text, bytes, field.start, field.end, field.name, &field.meaning);
        shown = field.end;
    }
    write_span(&mut text, bytes, shown, bytes.len(), UNCLAIMED, "");
    text
}

/// The spans of `bytes` that no field claims.
pub fn unclaimed(bytes: &[u8], fields: &[Field]) -> Vec<(usize, usize)> {
    let mut gaps = Vec::new();
    let mut claimed = 0;
    for field in fields {
        if field.start > claimed {
            gaps.push((claimed, field.start));
        }
        claimed = claimed.max(field.end);
    }
    if claimed < bytes.len() {
        gaps.push((claimed, bytes.len()));
    }
    gaps
}

fn write_span(text: &mut String, bytes: &[u8], start: usize, end: usize, name: &str, meaning: &str) {
    let span = bytes.get(start..end).unwrap_or_default();
    let mut label = format!("{name:<22} {meaning}");
    for (index, line) in span.chunks(BYTES_PER_LINE).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let offset = start + index * BYTES_PER_LINE;
        let row = format!("{offset:06x}  {:<23}  {label}", hex.join(" "));
        writeln!(text, "{}", row.trim_end()).expect("a String takes every write");
        label.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(start: usize, end: usize, name: &'static str) -> Field {
        Field { start, end, name, meaning: format!("{} bytes", end - start) }
    }

    #[test]
    fn every_byte_is_shown_and_the_unclaimed_are_named() {
        let text = annotated_hex(b"0123456789abc", &[field(0, 2, "head"), field(3, 12, "body")]);
        assert_eq!(
            text,
            "000000  30 31                    head                   2 bytes\n\
             000002  32                       (no field)\n\
             000003  33 34 35 36 37 38 39 61  body                   9 bytes\n\
             00000b  62\n\
             00000c  63                       (no field)\n"
        );
        assert_eq!(unclaimed(b"0123456789abc", &[field(0, 2, "a"), field(3, 12, "b")]), [(2, 3), (12, 13)]);
    }

    #[test]
    fn what_a_field_holds_takes_its_place() {
        let fields = [field(0, 2, "head"), field(2, 6, "body")];
        let seen = refined(b"012345", &fields, "body", |held| vec![field(0, held.len() - 1, "inner")]);
        assert_eq!(seen, [field(0, 2, "head"), Field { start: 2, end: 5, ..field(0, 3, "inner") }]);
        assert_eq!(unclaimed(b"012345", &seen), [(5, 6)]);
    }
}
