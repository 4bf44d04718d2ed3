//! The grammar of a log file.
//!
//! ```text
//!   file     := header  block*
//!   header   := magic 8 · version u16 · zero u16 · features u32 · number u64
//!               · salt u32 · crc u32                                (32 bytes)
//!   block    := fragment*  padding              (32 KiB; the header is in the first)
//!   fragment := crc u32 · length u16 · type u8 · payload
//!   type     := 1 full | 2 first | 3 middle | 4 last | 5 promise
//!   promise  := sequence u64                                        (a payload)
//!   padding  := up to 14 bytes that nobody reads, to the end of the block
//! ```
//!
//! **INV-LOG-1** The CRC of a fragment covers the file's salt, the fragment's own
//! offset, its length, its type and its payload. So zeros (whose CRC over
//! nothing is 0) never parse; and stale bytes, a record copied to another place and
//! a record of another file parse no more often than noise does, once in 2³².
//!
//! **INV-LOG-2** A fragment begins only where at least [`MIN_FRAGMENT_BYTES`] of
//! the block are left, which is what a promise needs. So a promise is never
//! split, and can be found by its bytes alone behind any damage.
//!
//! Blocks and fragments are LevelDB's log format
//! (<https://github.com/google/leveldb/blob/main/doc/log_format.md>); the header,
//! the salt and offset in the checksum, and promises are this project's.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage1_memtable::error::{Error, Result};
use stage1_memtable::key::Sequence;

use crate::coding::{Decoder, Malformed};
use crate::layout::Field;

/// The unit of the file in which fragments are laid out.
pub const BLOCK_BYTES: u64 = 32 * 1024;

/// The first bytes of a log, in the manner of PNG: a byte that is no ASCII, the
/// name, and line ends that a transfer as text would change.
pub const MAGIC: [u8; 8] = *b"\x89LSML\r\n\x1a";

/// The version of this grammar.
pub const VERSION: u16 = 1;

/// Length of the file's header.
pub const HEADER_BYTES: usize = 32;

/// Length of what stands before a fragment's payload.
pub const FRAGMENT_HEADER_BYTES: usize = 7;

/// Length of a promise: a fragment with a sequence as its payload.
pub const PROMISE_BYTES: usize = FRAGMENT_HEADER_BYTES + size_of::<Sequence>();

/// No fragment begins with less than this left in the block.
pub const MIN_FRAGMENT_BYTES: u64 = PROMISE_BYTES as u64;

/// What a fragment holds of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FragmentType {
    /// A whole record.
    Full = 1,
    /// A record's beginning.
    First = 2,
    /// A record's inside.
    Middle = 3,
    /// A record's end.
    Last = 4,
    /// No record: every sequence up to the payload's is durable.
    Promise = 5,
}

impl FragmentType {
    /// The type that `byte` stands for. 0 stands for none: zeros never parse.
    pub fn from_byte(byte: u8) -> Option<FragmentType> {
        use FragmentType::{First, Full, Last, Middle, Promise};
        [Full, First, Middle, Last, Promise].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What a log says about itself in its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The number in the file's name.
    pub number: u64,
    /// See [`crate::identity::file_salt`].
    pub salt: u32,
}

impl Header {
    /// The header as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0u16.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the front of `file`.
    ///
    /// # Errors
    /// [`Malformed`] when it is not whole, which a crash may cause.
    /// `Ok(Err(Unsupported))` when it is whole and of a version or with features
    /// that this release does not know.
    pub fn decode(decoder: &mut Decoder<'_>, name: &str) -> Result<Result<Header>, Malformed> {
        let magic = decoder.bytes("magic", MAGIC.len())?;
        let version = decoder.u16("version")?;
        let zero = decoder.u16("zero")?;
        let features = decoder.u32("features")?;
        let number = decoder.u64("number")?;
        let salt = decoder.crc("salt")?;
        let crc = decoder.crc("header crc")?;
        if magic != MAGIC {
            return Err(decoder.malformed("the file does not begin as a log does"));
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(magic);
        hasher.update(&version.to_le_bytes());
        hasher.update(&zero.to_le_bytes());
        hasher.update(&features.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        hasher.update(&salt.to_le_bytes());
        if hasher.finalize() != crc {
            return Err(decoder.malformed("the header's checksum does not match"));
        }
        if version != VERSION || features != 0 {
            let what =
                format!("log version {version} with features {features:#x}; known is version {VERSION}");
            return Ok(Err(Error::unsupported(name, what)));
        }
        Ok(Ok(Header { number, salt }))
    }
}

/// The checksum of a fragment at `offset` of the file with this salt.
pub fn fragment_crc(salt: u32, offset: u64, kind: u8, payload: &[u8]) -> u32 {
    // In two pieces: each costs the choice of an implementation and a start of its own.
    let [s0, s1, s2, s3] = salt.to_le_bytes();
    let [o0, o1, o2, o3, o4, o5, o6, o7] = offset.to_le_bytes();
    let [l0, l1] = (payload.len() as u16).to_le_bytes();
    let place = [s0, s1, s2, s3, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, kind];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place);
    hasher.update(payload);
    hasher.finalize()
}

/// Appends a fragment that will stand at `offset` of the file.
pub fn put_fragment(bytes: &mut Vec<u8>, salt: u32, offset: u64, kind: FragmentType, payload: &[u8]) {
    bytes.extend_from_slice(&fragment_crc(salt, offset, kind as u8, payload).to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    bytes.push(kind as u8);
    bytes.extend_from_slice(payload);
}

/// A fragment as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// What it holds.
    pub kind: FragmentType,
    /// Its bytes behind the fragment's header.
    pub payload: &'a [u8],
}

impl Fragment<'_> {
    /// The sequence that a promise promises.
    pub fn promised(&self) -> Option<Sequence> {
        let payload = self.payload.try_into().ok()?;
        (self.kind == FragmentType::Promise).then(|| Sequence::from_le_bytes(payload))
    }
}

/// Reads the fragment at the front of `decoder`, which stands at `offset` of the
/// file. `block_left` is what is left of the block from there.
pub fn decode_fragment<'a>(
    decoder: &mut Decoder<'a>,
    salt: u32,
    offset: u64,
    block_left: u64,
) -> Result<Fragment<'a>, Malformed> {
    let crc = decoder.crc("crc")?;
    let length = decoder.u16("length")?;
    let kind = decoder.u8("type")?;
    if (FRAGMENT_HEADER_BYTES as u64).saturating_add(u64::from(length)) > block_left {
        return Err(decoder.malformed(format!("a fragment of {length} bytes reaches beyond its block")));
    }
    let payload = decoder.bytes("payload", usize::from(length))?;
    if fragment_crc(salt, offset, kind, payload) != crc {
        return Err(decoder.malformed("the fragment's checksum does not match"));
    }
    let Some(kind) = FragmentType::from_byte(kind) else {
        return Err(decoder.malformed(format!("fragment type {kind} is not known")));
    };
    if kind == FragmentType::Promise && usize::from(length) != size_of::<Sequence>() {
        return Err(decoder.malformed(format!("a promise of {length} bytes")));
    }
    Ok(Fragment { kind, payload })
}

/// What stands behind the header at one place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A fragment.
    Fragment(Fragment<'a>),
    /// The end of a block, in which no fragment begins.
    Padding,
    /// Nothing but zeros to the end of the file, if there is anything.
    Zeros,
}

/// Reads what stands at `offset` of the file with this salt, where something
/// begins. `decoder` stands there and reaches to the end of the file.
///
/// # Errors
/// [`Malformed`] where nothing does that a writer writes.
pub fn decode_place<'a>(decoder: &mut Decoder<'a>, salt: u32, offset: u64) -> Result<Place<'a>, Malformed> {
    let left = block_left(offset);
    if left < MIN_FRAGMENT_BYTES {
        decoder.bytes("padding", decoder.remaining().min(left as usize))?;
        return Ok(Place::Padding);
    }
    if decoder.rest().iter().all(|byte| *byte == 0) {
        let length = decoder.remaining();
        decoder.bytes("zeros", length)?;
        decoder.explain(|| format!("{length} of them: room that was given ahead"));
        return Ok(Place::Zeros);
    }
    let fragment = decode_fragment(decoder, salt, offset, left)?;
    decoder.explain(|| match fragment.promised() {
        Some(sequence) => format!("promise: every sequence up to {sequence} is durable"),
        None => format!("{:?}, {} bytes", fragment.kind, fragment.payload.len()),
    });
    Ok(Place::Fragment(fragment))
}

/// How many bytes from `offset` to the end of its block.
pub fn block_left(offset: u64) -> u64 {
    BLOCK_BYTES.saturating_sub(offset % BLOCK_BYTES)
}

/// The highest promise that stands anywhere in `bytes` from `offset` on, whatever
/// lies before it. Every place is tried: only a fragment written at that very
/// place of this very file has the right checksum.
pub fn find_promises(bytes: &[u8], offset: u64, salt: u32) -> Option<Sequence> {
    // What every promise has behind its checksum: length 8, type 5.
    const MARK: [u8; 3] = [size_of::<Sequence>() as u8, 0, FragmentType::Promise as u8];
    let candidates = bytes.windows(PROMISE_BYTES).enumerate();
    candidates
        .filter(|(_, window)| window.get(4..FRAGMENT_HEADER_BYTES) == Some(&MARK))
        .filter_map(|(index, window)| {
            let place = offset.saturating_add(index as u64);
            let fragment = decode_fragment(&mut Decoder::new(window), salt, place, block_left(place)).ok()?;
            fragment.promised()
        })
        .max()
}

/// The fields of a log file, up to its end or its first damage.
pub fn layout(bytes: &[u8]) -> Vec<Field> {
    let mut decoder = Decoder::recording(bytes);
    let Ok(Ok(header)) = Header::decode(&mut decoder, "log") else {
        return decoder.into_fields();
    };
    while decoder.remaining() > 0 {
        let offset = decoder.position() as u64;
        if decode_place(&mut decoder, header.salt, offset).is_err() {
            break;
        }
    }
    decoder.into_fields()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_and_one_of_the_future_is_refused() {
        let header = Header { number: 7, salt: 0xfeed_f00d };
        let mut bytes = header.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&mut Decoder::new(&bytes), "x").unwrap().unwrap(), header);

        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        let error = Header::decode(&mut Decoder::new(&bytes), "000007.log").unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "000007.log cannot be read by this release: log version 2 with features 0x0; known is version 1"
        );
    }

    #[test]
    fn zeros_stale_bytes_and_copies_are_no_fragments() {
        let mut bytes = Vec::new();
        put_fragment(&mut bytes, 1, 100, FragmentType::Full, b"fig");
        let read = |salt, offset| decode_fragment(&mut Decoder::new(&bytes), salt, offset, 1000).is_ok();
        assert!(read(1, 100));
        assert!(!read(1, 200), "a copy at another place");
        assert!(!read(2, 100), "a fragment of another file");
        assert!(decode_fragment(&mut Decoder::new(&[0; 64]), 0, 0, 1000).is_err(), "zeros");
    }

    #[test]
    fn a_promise_is_found_behind_any_damage_and_only_where_it_was_written() {
        let mut bytes = vec![0xab; 33];
        put_fragment(&mut bytes, 9, 1033, FragmentType::Promise, &41u64.to_le_bytes());
        bytes.extend([0xcd; 20]);
        assert_eq!(find_promises(&bytes, 1000, 9), Some(41));
        assert_eq!(find_promises(&bytes, 1001, 9), None);
        assert_eq!(find_promises(&bytes, 1000, 8), None);
    }
}
