//! Numbers, sizes and bytes as a person reads them.

use std::time::Duration;

/// No line of a verb's own words is longer.
pub(crate) const COLUMNS: usize = 100;

/// `149229` as `149,229`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A count with its noun: `1 table`, `2 tables`, `2 batches`, `2 entries`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let several = match noun.strip_suffix("ry") {
        Some(stem) => format!("{stem}ries"),
        None if noun.ends_with("ch") || noun.ends_with("sh") => format!("{noun}es"),
        None => format!("{noun}s"),
    };
    format!("{} {}", number(count), if count == 1 { noun } else { &several })
}

/// A row of two columns: a name, and a number of it.
pub(crate) fn row(name: &str, number: &str) -> String {
    format!("{name:34}{number:>16}")
}

/// A size in the largest unit that leaves a digit before the point.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", mebibytes(bytes)),
        _ => format!("{:.2} GiB", mebibytes(bytes) / 1024.0),
    }
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// How long one of `operations` took, which took `elapsed` together.
pub(crate) fn each(elapsed: Duration, operations: u64) -> String {
    format!("{:.1} µs each", elapsed.as_secs_f64() * 1e6 / operations.max(1) as f64)
}

/// Bytes as they are when they are text, and with escapes when they are not.
pub(crate) fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

/// `text` without anything that would end its line or speak to the terminal.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// At most `columns` of `text`; an ellipsis says that there is more.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(columns.saturating_sub(1)).collect();
    shown.push('…');
    shown
}

/// `text` in lines of at most [`COLUMNS`], broken between words. The first line
/// begins with `first`, the others with as many blanks.
pub(crate) fn wrapped(first: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(first.chars().count());
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut is_begun = false;
    for word in text.split_whitespace() {
        if is_begun && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(
            [0, 999, 1_000, 149_229, 1_000_000].map(number).join(" "),
            "0 999 1,000 149,229 1,000,000"
        );
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [counted(1, "batch"), counted(2, "batch"), counted(0, "word"), counted(2, "entry")],
            ["1 batch", "2 batches", "0 words", "2 entries"]
        );
    }

    #[test]
    fn a_size_has_the_unit_that_suits_it() {
        assert_eq!([1_023, 1_024, 1 << 20, 3 << 30].map(size), ["1023 B", "1 KiB", "1.0 MiB", "3.00 GiB"]);
    }

    #[test]
    fn no_line_is_too_long_and_no_word_is_lost() {
        let text = "word ".repeat(100);
        let lines = wrapped("checked: ", &text);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS));
        assert_eq!(lines.join(" ").matches("word").count(), 100);
        assert!(lines[1].starts_with("         word"));
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(on_one_line("a\nb\u{1b}[1m"), "a\\nb\\u{1b}[1m");
    }
}
