//! The records of a log, where they lie.
//!
//! ```text
//!   bytes     │ header │ full: fig │ first: lem │ last: on │ promise │ full: kiwi │
//!                      ▲           ▲                                 ▲
//!   offsets            32          42                                76
//!   joined                         lemon
//! ```
//!
//! A record in one fragment, which most are, is copied nowhere: the header of its
//! fragment, which was checked, still says how long it is. One in several fragments is
//! joined. So a record takes 8 bytes beside its log. A log that nobody flushed may have a
//! million of them, and fresh memory, which the system clears first, is a large part of what
//! it takes to open a database: 40 bytes for each were a sixth of all that it asked for.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::fmt;

use bytes::Bytes;

use super::format::{FRAGMENT_HEADER_BYTES, FragmentType};

/// A log of small records holds one for so many bytes. Room for them is asked for at once,
/// because to grow is to copy; room that nobody uses is never given by the system.
const SMALL_RECORD_BYTES: usize = 64;

/// A record, and where it begins in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The offset of its first fragment.
    pub offset: u64,
    /// What was appended.
    pub payload: &'a [u8],
}

/// What was read of a log, in the order of the file.
#[derive(Clone)]
pub struct Records {
    /// The whole file.
    bytes: Bytes,
    /// Where each record begins.
    offsets: Vec<u64>,
    /// The records of several fragments.
    joined: Vec<Vec<u8>>,
}

impl Records {
    /// None yet, of the log with these `bytes`.
    pub(super) fn of(bytes: Bytes) -> Records {
        let offsets = Vec::with_capacity(bytes.len() / SMALL_RECORD_BYTES);
        Records { bytes, offsets, joined: Vec::new() }
    }

    /// The whole file.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Adds the record that is the sound fragment at `offset`, behind all others.
    #[inline]
    pub(super) fn push(&mut self, offset: usize) {
        debug_assert!(self.in_place(offset as u64).is_some(), "a fragment that is a whole record");
        self.offsets.push(offset as u64);
    }

    /// Adds a record that was joined of several sound fragments, the first at `offset`,
    /// behind all others.
    pub(super) fn push_joined(&mut self, offset: usize, payload: Vec<u8>) {
        debug_assert!(self.in_place(offset as u64).is_none(), "a fragment that begins a record");
        self.offsets.push(offset as u64);
        self.joined.push(payload);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// What they take in memory, but for their offsets.
    pub fn size_bytes(&self) -> u64 {
        let joined = self.joined.iter().map(|payload| payload.len() as u64).sum();
        (self.bytes.len() as u64).saturating_add(joined)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let mut joined = self.joined.iter();
        self.offsets.iter().filter_map(move |offset| {
            let payload = self.in_place(*offset).or_else(|| joined.next().map(Vec::as_slice))?;
            Some(Record { offset: *offset, payload })
        })
    }

    /// The payload of the fragment at `offset`, if it is a whole record.
    #[inline]
    fn in_place(&self, offset: u64) -> Option<&[u8]> {
        let fragment = self.bytes.get(offset as usize..)?;
        let (header, behind) = fragment.split_first_chunk::<FRAGMENT_HEADER_BYTES>()?;
        let [_, _, _, _, low, high, kind] = *header;
        let length = usize::from(u16::from_le_bytes([low, high]));
        if kind == FragmentType::Full as u8 { behind.get(..length) } else { None }
    }
}

/// The same records at the same places, whatever stands between them.
impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Records {}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::format::put_fragment;

    /// The log of the picture, but for its header.
    fn records() -> Records {
        use FragmentType::{First, Full, Last};
        let mut bytes = vec![0; 32];
        let mut put = |kind, payload: &[u8]| {
            let offset = bytes.len();
            put_fragment(&mut bytes, 1, offset as u64, kind, payload);
            offset
        };
        let (fig, lem) = (put(Full, b"fig"), put(First, b"lem"));
        put(Last, b"on");
        put(FragmentType::Promise, &[0; 8]);
        let kiwi = put(Full, b"kiwi");
        let mut records = Records::of(bytes.into());
        records.push(fig);
        records.push_joined(lem, b"lemon".to_vec());
        records.push(kiwi);
        records
    }

    #[test]
    fn a_record_is_where_its_fragment_is_unless_it_was_joined() {
        let records = records();
        let seen: Vec<_> = records.iter().map(|record| (record.offset, record.payload)).collect();
        assert_eq!(seen, [(32, &b"fig"[..]), (42, b"lemon"), (76, b"kiwi")]);
        let file = records.bytes().as_ptr_range();
        let lies_there: Vec<_> =
            records.iter().map(|record| file.contains(&record.payload.as_ptr())).collect();
        assert_eq!(lies_there, [true, false, true]);
    }

    #[test]
    fn a_record_that_was_joined_is_in_memory_twice_and_counted_so() {
        let records = records();
        assert_eq!(records.size_bytes(), records.bytes().len() as u64 + 5);
    }
}
