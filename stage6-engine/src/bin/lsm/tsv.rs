//! Entries as lines of text: what `scan` prints, and `load` and `tour` read.
//!
//! ```text
//!   file  := line*, as it is or compressed by gzip
//!   line  := field TAB field LF          the word, its definition
//!   field := any byte but TAB, LF, CR; with the escapes
//!            \t \n \r \\ and \xHH        (two hexadecimal digits)
//! ```
//!
//! Every entry of a database has exactly one line in which `scan` writes it, and
//! reading that line gives the entry back, whatever its bytes are.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use stage6_engine::memtable::key::check_limits;

use crate::failure::Failure;

/// How a file that gzip made begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A word and its definition.
pub(crate) type Line = (Vec<u8>, Vec<u8>);

/// The lines of a file, in order. After an error it gives no more.
pub(crate) struct Lines {
    reader: Box<dyn BufRead>,
    file: String,
    /// Of the line that was read last, counted from 1.
    number: u64,
    has_failed: bool,
}

impl Lines {
    /// Opens `path`, or the standard input for `-`; `progress` is told of every byte that is read from it.
    pub(crate) fn open(path: &Path, progress: &ProgressBar) -> Result<Lines, Failure> {
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let file = File::open(path).map_err(Failure::file("open", path))?;
            progress.set_length(file.metadata().map_or(0, |metadata| metadata.len()));
            Box::new(file)
        };
        let mut plain = BufReader::new(progress.wrap_read(input));
        let start = plain.fill_buf().map_err(Failure::file("read", path))?;
        let is_compressed = start.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn BufRead> = match is_compressed {
            true => Box::new(BufReader::new(MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        Ok(Lines { reader, file: path.display().to_string(), number: 0, has_failed: false })
    }

    fn read_line(&mut self) -> Result<Option<Line>, Failure> {
        let mut bytes = Vec::new();
        let length =
            self.reader.read_until(b'\n', &mut bytes).map_err(Failure::file("read", self.file.as_ref()))?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        parse(line).map(Some).map_err(|what| self.malformed(what))
    }

    fn malformed(&self, what: String) -> Failure {
        Failure::Malformed { file: self.file.clone(), line: self.number, what }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, Failure>;

    fn next(&mut self) -> Option<Result<Line, Failure>> {
        if self.has_failed {
            return None;
        }
        let line = self.read_line();
        self.has_failed = line.is_err();
        line.transpose()
    }
}

fn parse(line: &[u8]) -> Result<Line, String> {
    let mut fields = line.split(|byte| *byte == b'\t');
    let (Some(word), Some(definition)) = (fields.next(), fields.next()) else {
        return Err(r"there is no tab in this line; write WORD, a tab, DEFINITION".to_owned());
    };
    if fields.next().is_some() {
        return Err(
            r"there is a second tab in this line; write a tab that belongs to a field as \t".to_owned()
        );
    }
    let entry = (unescape(word)?, unescape(definition)?);
    check_limits(&entry.0, &entry.1).map_err(|error| error.to_string())?;
    Ok(entry)
}

fn unescape(field: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'\r' => {
                return Err(
                    r"there is a carriage return in this line; write it as \r, or end lines with LF alone"
                        .to_owned(),
                );
            }
            b'\\' => {
                let (byte, behind) = unescape_one(behind).ok_or_else(|| unknown_escape(behind))?;
                plain.push(byte);
                rest = behind;
            }
            byte => plain.push(*byte),
        }
    }
    Ok(plain)
}

/// The byte that stands behind a backslash, and what follows it.
pub(crate) fn unescape_one(escape: &[u8]) -> Option<(u8, &[u8])> {
    match escape {
        [b't', rest @ ..] => Some((b'\t', rest)),
        [b'n', rest @ ..] => Some((b'\n', rest)),
        [b'r', rest @ ..] => Some((b'\r', rest)),
        [b'\\', rest @ ..] => Some((b'\\', rest)),
        [b'x', high, low, rest @ ..] => Some((hexadecimal(*high)? << 4 | hexadecimal(*low)?, rest)),
        _ => None,
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn unknown_escape(escape: &[u8]) -> String {
    let shown = escape[..escape.len().min(1)].escape_ascii();
    format!(r"the escape \{shown} is not known; there are \t, \n, \r, \xHH, and \\ for a backslash")
}

/// A field as it stands in a line: text stays text, the rest is escaped.
pub(crate) fn escaped(field: &[u8]) -> String {
    let mut line = String::with_capacity(field.len());
    for chunk in field.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => line.push_str(r"\t"),
                '\n' => line.push_str(r"\n"),
                '\r' => line.push_str(r"\r"),
                '\\' => line.push_str(r"\\"),
                '\0'..' ' | '\x7f' => line.push_str(&hexadecimal_escape(character as u8)),
                _ => line.push(character),
            }
        }
        line.extend(chunk.invalid().iter().map(|byte| hexadecimal_escape(*byte)));
    }
    line
}

fn hexadecimal_escape(byte: u8) -> String {
    format!(r"\x{byte:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_a_word_a_tab_and_a_definition() {
        assert_eq!(parse(b"fig\tgreen\\tand\\\\ \\x41"), Ok((b"fig".to_vec(), b"green\tand\\ A".to_vec())));
        assert_eq!(parse(b"\t"), Ok((vec![], vec![])));
    }

    #[test]
    fn what_is_no_line_is_told_with_what_to_do() {
        let told = |line: &[u8]| parse(line).unwrap_err();
        assert!(told(b"fig").contains("no tab"));
        assert!(told(b"").contains("no tab"));
        assert!(told(b"fig\tgreen\tripe").contains("second tab"));
        assert!(told(b"fig\tgreen\r").contains("carriage return"));
        assert!(told(b"fig\tgr\\een").contains(r"the escape \e is not known"));
        assert!(told(b"fig\tgreen\\x4").contains(r"the escape \x is not known"));
        assert!(told(&[&[b'w'; 65_536][..], b"\t"].concat()).contains("65"));
    }

    proptest! {
        #[test]
        fn what_was_escaped_reads_back(field: Vec<u8>) {
            prop_assert_eq!(unescape(escaped(&field).as_bytes()), Ok(field));
        }
    }
}
