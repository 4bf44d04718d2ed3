//! A line, taken apart into words.
//!
//! ```text
//!   line   := blank* (word blank+)* word? | blank* '#' any*      a comment has no words
//!   word   := (byte | escape | quoted)+
//!   quoted := '"' (byte | escape | blank)* '"'
//!   escape := \t \n \r \\ \" and \xHH                           (two hexadecimal digits)
//! ```
//!
//! The escapes are those of `scan` and `load`, and one for the quote, so that what
//! `scan` prints can be typed again. A word with quotes in it is always plain: `"@a"`
//! is a key, `@a` is a snapshot.

use crate::failure::Failure;
use crate::tsv;

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    /// Whether it may mean nothing but its bytes.
    pub(super) is_quoted: bool,
    /// Where it begins in the line.
    pub(super) begin: usize,
    /// Where it ends, and whether that is inside quotes.
    end: usize,
    is_open: bool,
}

impl Word {
    fn beginning_at(begin: usize) -> Word {
        Word { bytes: Vec::new(), is_quoted: false, begin, end: begin, is_open: false }
    }

    /// What follows `sign`, if the word begins with it and not with a quote.
    pub(super) fn behind(&self, sign: &str) -> Option<&[u8]> {
        if self.is_quoted { None } else { self.bytes.strip_prefix(sign.as_bytes()) }
    }
}

/// The words of a whole line.
pub(super) fn split(line: &[u8]) -> Result<Vec<Word>, Failure> {
    let words = take_apart(line).map_err(|what| Failure::Command { what })?;
    match words.last() {
        Some(word) if word.is_open => Err(Failure::Command {
            what: r#"a quote is not closed; write a quote that is meant as \""#.into(),
        }),
        _ => Ok(words),
    }
}

/// The words of a line that is still typed, the last of which may go on: it is
/// empty when the line ends behind a blank. None for a line that is wrong already.
pub(super) fn split_unfinished(line: &[u8]) -> Option<(Vec<Word>, Word)> {
    let mut words = take_apart(line).ok()?;
    let last = words.pop_if(|last| last.end == line.len());
    Some((words, last.unwrap_or_else(|| Word::beginning_at(line.len()))))
}

fn take_apart(line: &[u8]) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut at = skip_blanks(line, 0);
    if line[at..].starts_with(b"#") {
        return Ok(words);
    }
    while at < line.len() {
        let word = take_word(line, at)?;
        at = skip_blanks(line, word.end);
        words.push(word);
    }
    Ok(words)
}

fn skip_blanks(line: &[u8], from: usize) -> usize {
    from + line[from..].iter().take_while(|byte| is_blank(**byte)).count()
}

/// The ends of lines are blanks too.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

fn take_word(line: &[u8], begin: usize) -> Result<Word, String> {
    let mut word = Word::beginning_at(begin);
    while let [first, behind @ ..] = &line[word.end..] {
        word.end += 1;
        match first {
            b'"' => {
                word.is_quoted = true;
                word.is_open = !word.is_open;
            }
            b'\\' => {
                let (byte, rest) = unescape(behind)?;
                word.bytes.push(byte);
                word.end = line.len() - rest.len();
            }
            byte if is_blank(*byte) && !word.is_open => {
                word.end -= 1;
                break;
            }
            byte => word.bytes.push(*byte),
        }
    }
    Ok(word)
}

/// The byte that stands behind a backslash, and what follows it.
fn unescape(escape: &[u8]) -> Result<(u8, &[u8]), String> {
    if let [b'"', rest @ ..] = escape {
        return Ok((b'"', rest));
    }
    tsv::unescape_one(escape).ok_or_else(|| {
        let shown = escape[..escape.len().min(1)].escape_ascii();
        format!(r#"the escape \{shown} is not known; there are \t, \n, \r, \xHH, \", and \\ for a backslash"#)
    })
}

/// A word as it can be typed, with quotes where it needs them.
pub(super) fn written(bytes: &[u8]) -> String {
    let escaped = tsv::escaped(bytes).replace('"', r#"\""#);
    let needs_quotes = escaped.is_empty() || escaped.contains(' ') || escaped.starts_with(['@', '-', '#']);
    if needs_quotes { format!("\"{escaped}\"") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(line: &str) -> Vec<Vec<u8>> {
        split(line.as_bytes()).unwrap().into_iter().map(|word| word.bytes).collect()
    }

    #[test]
    fn blanks_part_words_unless_they_are_quoted() {
        assert_eq!(bytes(" put  fig\t\"light green\"\r\n"), [&b"put"[..], b"fig", b"light green"]);
        assert_eq!(bytes(r#"put "" a\"b\x00\n"#), [&b"put"[..], b"", b"a\"b\0\n"]);
        assert_eq!(bytes(" # nothing"), Vec::<Vec<u8>>::new());
        assert_eq!(bytes("put #1 a#"), [&b"put"[..], b"#1", b"a#"]);
    }

    #[test]
    fn what_is_quoted_is_no_sign() {
        let words = split(br#"@a "@a""#).unwrap();
        assert_eq!([words[0].behind("@"), words[1].behind("@")], [Some(&b"a"[..]), None]);
    }

    #[test]
    fn what_cannot_be_a_word_is_told() {
        let told = |line: &str| split(line.as_bytes()).unwrap_err().to_string();
        assert!(told("put \"fig").starts_with("a quote is not closed"));
        assert!(told(r"put \q").starts_with(r"the escape \q is not known"));
    }

    #[test]
    fn the_last_word_of_an_unfinished_line_may_go_on() {
        let last = |line: &str| {
            let (words, last) = split_unfinished(line.as_bytes()).unwrap();
            (words.len(), last.begin, last.bytes)
        };
        assert_eq!(last("get fi"), (1, 4, b"fi".to_vec()));
        assert_eq!(last("get "), (1, 4, vec![]));
        assert_eq!(last("get \"light g"), (1, 4, b"light g".to_vec()));
        assert_eq!(last(""), (0, 0, vec![]));
        assert_eq!(split_unfinished(br"get \"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(word: Vec<u8>) {
            let words = split(written(&word).as_bytes()).unwrap();
            prop_assert_eq!(words.len(), 1);
            prop_assert_eq!(&words[0].bytes, &word);
            prop_assert!(words[0].behind("@").is_none() && words[0].behind("--").is_none());
        }
    }
}
