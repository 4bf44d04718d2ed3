//! Keys and values as the user gets them: owned, cheap to clone, `Deref` to a
//! slice.
//!
//! A value shares the memory of the block or memtable that it was found in, so
//! a read copies no value; whoever keeps a small value for long keeps that block
//! too, and may prefer `to_vec()`. A short key lies inline, because most keys are
//! shorter than the allocation that would hold them.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// The longest key that lies inline.
const INLINE_BYTES: usize = 30;

/// A user key.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Bytes),
}

impl Key {
    /// A copy of `key`.
    pub fn copy_of(key: &[u8]) -> Key {
        if key.len() > INLINE_BYTES {
            return Key(Repr::Shared(Bytes::copy_from_slice(key)));
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..key.len()].copy_from_slice(key);
        Key(Repr::Inline { length: key.len() as u8, bytes })
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Repr::Shared(bytes) => bytes,
        }
    }
}

/// A value.
#[derive(Clone, Default)]
pub struct Value(Bytes);

impl Value {
    /// The value as refcounted bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Value {
        Value(bytes)
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Bytes {
        value.0
    }
}

impl From<Value> for Vec<u8> {
    fn from(value: Value) -> Vec<u8> {
        value.0.into()
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A key and its value, as a scan gives them.
pub type Entry = (Key, Value);

/// What both have in common: they are bytes, compare as bytes and show as text.
macro_rules! like_a_slice {
    ($name:ident) => {
        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self
            }
        }
        impl Borrow<[u8]> for $name {
            fn borrow(&self) -> &[u8] {
                self
            }
        }
        impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for $name {
            fn eq(&self, other: &T) -> bool {
                **self == *other.as_ref()
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                (**self).cmp(&**other)
            }
        }
        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"{}\"", self.escape_ascii())
            }
        }
    };
}

like_a_slice!(Key);
like_a_slice!(Value);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_the_same_inline_and_shared() {
        for length in [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 1_000] {
            let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            assert_eq!(Key::copy_of(&bytes), bytes);
        }
        assert!(Key::copy_of(b"b") > Key::copy_of(&[b'a'; 40]));
    }
}
