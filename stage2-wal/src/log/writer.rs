//! Appends records to a log.
//!
//! ```text
//!   record ──split at block ends──▶ first · middle … · last ──one append──▶ file
//! ```
//!
//! **INV-LOG-3** A record reaches the file by one append, and nothing is ever
//! appended behind a failure: after the first error the writer only repeats it.
//! What a failed append left in the file is unknown, and whatever followed it
//! might be read as if the failed record had been acknowledged.

use std::sync::Arc;

use stage1_memtable::error::Result;
use stage1_memtable::key::Sequence;

use super::format::{self, FragmentType, Header, MIN_FRAGMENT_BYTES};
use crate::identity::{DatabaseId, file_salt};
use crate::vfs::{AppendFile, FileId, Vfs};

/// The writer of one log, from its creation to its end.
#[derive(Debug)]
pub struct LogWriter {
    file: Arc<dyn AppendFile>,
    number: u64,
    salt: u32,
    /// Where the next byte goes.
    position: u64,
    /// The fragments of one append; kept for its capacity.
    buffer: Vec<u8>,
    failure: Option<stage1_memtable::Error>,
}

impl LogWriter {
    /// Creates the log `file` with its header. Neither is durable yet: the header
    /// will be by the file's first sync, the name by a sync of the directory,
    /// which the caller does before the first append.
    pub fn create(vfs: &dyn Vfs, file: FileId, database: DatabaseId) -> Result<LogWriter> {
        LogWriter::create_with_room(vfs, file, database, 0)
    }

    /// The same, for a log that will grow to about `room_bytes`: see
    /// [`Vfs::create_with_room`].
    pub fn create_with_room(
        vfs: &dyn Vfs,
        file: FileId,
        database: DatabaseId,
        room_bytes: u64,
    ) -> Result<LogWriter> {
        let number = file.number().unwrap_or_default();
        let salt = file_salt(database, number);
        let header = Header { number, salt }.encode();
        let writer = LogWriter {
            file: vfs.create_with_room(file, room_bytes)?,
            number,
            salt,
            position: header.len() as u64,
            buffer: Vec::new(),
            failure: None,
        };
        writer.file.append(&header).inspect_err(|_| {
            let _orphan_for_the_next_open = vfs.remove(file);
        })?;
        Ok(writer)
    }

    /// The number in the log's name.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How long the file is, in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.position
    }

    /// The file, for a sync that must not hold up appends.
    pub fn file(&self) -> &Arc<dyn AppendFile> {
        &self.file
    }

    /// Appends one record, given in two parts so that a caller with a header and
    /// a body need not join them.
    ///
    /// # Errors
    /// That of the file. The record may be there in part, and this writer takes
    /// nothing more.
    pub fn append_record(&mut self, head: &[u8], body: &[u8]) -> Result<()> {
        self.buffer.clear();
        let mut rest = Parts { head, body };
        let mut is_first = true;
        while is_first || !rest.is_empty() {
            self.pad();
            let offset = self.position + self.buffer.len() as u64;
            let room = format::block_left(offset) as usize - format::FRAGMENT_HEADER_BYTES;
            let is_last = rest.len() <= room;
            let kind = match (is_first, is_last) {
                (true, true) => FragmentType::Full,
                (true, false) => FragmentType::First,
                (false, false) => FragmentType::Middle,
                (false, true) => FragmentType::Last,
            };
            rest.put_fragment(&mut self.buffer, self.salt, offset, kind, room);
            is_first = false;
        }
        self.append_buffer()
    }

    /// Appends the promise that every sequence up to `sequence` is durable.
    ///
    /// # Errors
    /// As [`append_record`](LogWriter::append_record).
    pub fn append_promise(&mut self, sequence: Sequence) -> Result<()> {
        self.buffer.clear();
        self.pad();
        let offset = self.position + self.buffer.len() as u64;
        format::put_fragment(
            &mut self.buffer,
            self.salt,
            offset,
            FragmentType::Promise,
            &sequence.to_le_bytes(),
        );
        self.append_buffer()
    }

    /// Fills the rest of the block where no fragment may begin (INV-LOG-2).
    fn pad(&mut self) {
        let left = format::block_left(self.position + self.buffer.len() as u64);
        if left < MIN_FRAGMENT_BYTES {
            self.buffer.resize(self.buffer.len() + left as usize, 0);
        }
    }

    fn append_buffer(&mut self) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if let Err(failure) = self.file.append(&self.buffer) {
            self.failure = Some(failure.clone());
            return Err(failure);
        }
        self.position += self.buffer.len() as u64;
        Ok(())
    }
}

/// What is left of a record.
struct Parts<'a> {
    head: &'a [u8],
    body: &'a [u8],
}

impl Parts<'_> {
    fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves up to `room` bytes into a fragment: the payload is laid down first
    /// behind a blank header, so that it is copied once.
    fn put_fragment(
        &mut self,
        buffer: &mut Vec<u8>,
        salt: u32,
        offset: u64,
        kind: FragmentType,
        room: usize,
    ) {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; format::FRAGMENT_HEADER_BYTES]);
        let from_head = self.head.len().min(room);
        let from_body = self.body.len().min(room - from_head);
        buffer.extend_from_slice(&self.head[..from_head]);
        buffer.extend_from_slice(&self.body[..from_body]);
        self.head = &self.head[from_head..];
        self.body = &self.body[from_body..];

        let (header, payload) = buffer[start..].split_at_mut(format::FRAGMENT_HEADER_BYTES);
        let crc = format::fragment_crc(salt, offset, kind as u8, payload);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        header[4..6].copy_from_slice(&(payload.len() as u16).to_le_bytes());
        header[6] = kind as u8;
    }
}
