//! Facts as JSON, for programs.

use std::fmt::{self, Display, Formatter, Write};

use crate::tsv;

/// A value, as JSON knows them.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Number(u64),
    Text(String),
    /// Bytes, with the escapes of `lsm scan`: every value has exactly one text.
    Bytes(Vec<u8>),
    List(Vec<Json>),
    Object(Facts),
}

/// Named values, in their order.
pub(crate) type Facts = Vec<(&'static str, Json)>;

impl From<u64> for Json {
    fn from(number: u64) -> Json {
        Json::Number(number)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Json {
        Json::Number(number as u64)
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(text)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<&[u8]> for Json {
    fn from(bytes: &[u8]) -> Json {
        Json::Bytes(bytes.to_vec())
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Json::Number(number) => write!(f, "{number}"),
            Json::Text(text) => quoted(f, text),
            Json::Bytes(bytes) => quoted(f, &tsv::escaped(bytes)),
            Json::List(values) => enclosed(f, ['[', ']'], values, |f, value| write!(f, "{value}")),
            Json::Object(facts) => enclosed(f, ['{', '}'], facts, |f, (name, value)| {
                quoted(f, name)?;
                write!(f, ":{value}")
            }),
        }
    }
}

fn enclosed<T>(
    f: &mut Formatter<'_>,
    [open, close]: [char; 2],
    values: &[T],
    each: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        each(f, value)?;
    }
    f.write_char(close)
}

/// Source of the escapes: <https://www.rfc-editor.org/rfc/rfc8259#section-7>
fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            '\0'..' ' => write!(f, "\\u{:04x}", u32::from(character))?,
            _ => f.write_char(character)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_string_may_not_hold_is_escaped() {
        let facts = vec![
            ("text", Json::from("a \"word\"\n\u{1}")),
            ("bytes", Json::from(&b"\xff\\\t"[..])),
            ("list", Json::List(vec![7u64.into(), Json::List(Vec::new()), Json::Object(Vec::new())])),
        ];
        assert_eq!(
            Json::Object(facts).to_string(),
            r#"{"text":"a \"word\"\u000a\u0001","bytes":"\\xff\\\\\\t","list":[7,[],{}]}"#
        );
    }
}
