//! A part of a file, told once: as a line of words with others below it, or as a
//! line of JSON.
//!
//! ```text
//!       32  batch      sequences 1 to 2, 31 bytes            words
//!                             1  put     'fig' → green       details
//!                             2  delete  'kiwi'
//! ```

use stage6_engine::memtable::key::{Kind, OwnedKey, Sequence};

use super::json::{Facts, Json};
use crate::{show, tsv};

/// How many columns a key takes where others stand beside it.
const KEY_COLUMNS: usize = 24;

/// What stands before the words of a row.
const INDENT: usize = 22;

/// A part of a file.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) part: &'static str,
    /// The offset of its first byte.
    pub(crate) start: usize,
    /// The offset behind its last byte.
    pub(crate) end: usize,
    /// What it says, on one line.
    pub(crate) words: String,
    /// The same for a program.
    pub(crate) facts: Facts,
    /// What the details are together: `entries`, `changes`.
    pub(crate) detailed: &'static str,
    /// What it holds.
    pub(crate) details: Vec<Detail>,
}

/// One thing of many that a part holds.
#[derive(Debug, Clone)]
pub(crate) struct Detail {
    pub(crate) words: String,
    pub(crate) facts: Facts,
}

/// The part that nobody can read.
const DAMAGE: &str = "DAMAGE";

impl Row {
    /// A part without details.
    pub(crate) fn new(part: &'static str, (start, end): (usize, usize), words: String, facts: Facts) -> Row {
        Row { part, start, end, words, facts, detailed: "", details: Vec::new() }
    }

    /// A stretch that cannot be read, because of `what`.
    pub(crate) fn damage((start, end): (usize, usize), what: &str) -> Row {
        let words = format!("{}: {what}", show::counted((end - start) as u64, "byte"));
        Row::new(DAMAGE, (start, end), words, vec![("what", what.into())])
    }

    /// The same with what it holds.
    pub(crate) fn with(self, detailed: &'static str, details: Vec<Detail>) -> Row {
        Row { detailed, details, ..self }
    }

    /// Whether it cannot be read.
    pub(crate) fn is_damage(&self) -> bool {
        self.part == DAMAGE
    }

    /// Whether `--limit` counts it.
    pub(crate) fn is_record(&self) -> bool {
        ["batch", "edit", "data block"].contains(&self.part)
    }

    /// The lines, with at most `limit` details.
    pub(crate) fn lines(&self, limit: usize) -> Vec<String> {
        let mut lines = vec![self.first_line()];
        let indent = " ".repeat(INDENT);
        lines.extend(self.details.iter().take(limit).map(|detail| format!("{indent}{}", detail.words)));
        if self.details.len() > limit {
            lines.push(format!("{indent}… and {} more", show::number((self.details.len() - limit) as u64)));
        }
        lines.iter().map(|line| show::shortened(line, show::COLUMNS)).collect()
    }

    fn first_line(&self) -> String {
        format!("{:>8}  {:<10}  {}", self.start, self.part, self.words)
    }

    /// The JSON, with at most `limit` details.
    pub(crate) fn json(&self, limit: usize) -> Json {
        let (offset, bytes) = (self.start.into(), (self.end - self.start).into());
        let part = self.part.to_ascii_lowercase();
        let mut facts = vec![("part", part.into()), ("offset", offset), ("bytes", bytes)];
        facts.extend(self.facts.iter().cloned());
        if !self.detailed.is_empty() {
            let shown = self.details.iter().take(limit).map(|detail| Json::Object(detail.facts.clone()));
            facts.push((self.detailed, Json::List(shown.collect())));
        }
        if self.details.len() > limit {
            facts.push(("left_out", (self.details.len() - limit).into()));
        }
        Json::Object(facts)
    }
}

impl Detail {
    /// An entry of a batch or a block.
    pub(crate) fn entry(sequence: Sequence, kind: Kind, user_key: &[u8], value: &[u8]) -> Detail {
        let (sequence_fact, key_fact) = (("sequence", sequence.into()), ("key", user_key.into()));
        match kind {
            Kind::Value => Detail {
                words: format!(
                    "{sequence:>8}  put     {} → {}",
                    key(user_key),
                    beginning(value, show::COLUMNS)
                ),
                facts: vec![sequence_fact, ("kind", "value".into()), key_fact, ("value", value.into())],
            },
            Kind::Deletion => Detail {
                words: format!("{sequence:>8}  delete  {}", key(user_key)),
                facts: vec![sequence_fact, ("kind", "deletion".into()), key_fact],
            },
        }
    }
}

/// A key in quotes, cut to a width that leaves room beside it.
pub(crate) fn key(user_key: &[u8]) -> String {
    format!("'{}'", beginning(user_key, KEY_COLUMNS))
}

/// From one key to another.
pub(crate) fn range(smallest: &OwnedKey, largest: &OwnedKey) -> String {
    if smallest.user_key == largest.user_key {
        return key(&smallest.user_key);
    }
    format!("{} … {}", key(&smallest.user_key), key(&largest.user_key))
}

/// At most `columns` of bytes, escaped. A value may have a gigabyte, and only
/// what is shown is looked at.
fn beginning(bytes: &[u8], columns: usize) -> String {
    // No character has more than four bytes.
    let looked_at = &bytes[..bytes.len().min(4 * columns + 4)];
    show::shortened(&tsv::escaped(looked_at), columns)
}
