//! A file whose room is given ahead and mapped into memory: an append is a copy.
//!
//! ```text
//!   create           fallocate ─▶ │0 0 0 0 0 0 0 0 0 0 0 0 0 0│   mapped
//!   append           copy ──────▶ │records│0 0 0 0 0 0 0 0 0 0│
//!     a large one,   pwrite ────▶ │records … large│0 0 0 0 0 0│
//!     behind a sync
//!   beyond the room  pwrite ────▶ │records … records … records│records
//!   leave            unmap
//!   finish, drop     unmap, cut ▶ │records│
//! ```
//!
//! A copy into the map puts the bytes where `write` puts them, into the page cache of
//! the operating system: they survive the death of the process in the same way, reads
//! of the file see them, and `fdatasync` finds their pages dirty and writes them (a
//! shared map marks a page at its first store after each writeback). What it saves is the
//! system call for each record: measured, 75 ns instead of 376 for 116 bytes, one record
//! in 35 paying the fault of its page for the others; and a sync need not make a new
//! length durable, which takes it to 0.6 to 0.7 of the time.
//!
//! Both ways lead to the same pages, so an append takes the one that costs less. The first
//! store to a page that is fresh, or was written back, takes a fault of 2 to 4 µs, a
//! `pwrite` 0.4 to 0.7. So two kinds of appends go by `pwrite`: those as long as half a
//! page, whose copy would take a fault for each page (13 KB: 6.9 µs instead of 14), and the
//! few that stand between one sync and the next, because a sync writes the page back.
//!
//! What goes through the map asks for the pages that it will come to, 16 in one call
//! (`MADV_POPULATE_WRITE`): measured, puts of 100 bytes in no order take 0.9 of the time
//! that they take with a fault for each page. A page that was asked for will be written,
//! used or not. So only as many are asked for as were filled since the last sync, and no
//! sync writes more than twice what it has to.
//!
//! **INV-MAPPED-1** The room is really there before it is mapped: `fallocate` gave it, on
//! a file system that keeps what it gave and rewrites it in place. So no store into
//! the map can find the disk full, which would be no error but a signal. Everywhere else
//! the file is a plain one.
//!
//! **INV-MAPPED-2** The map is only written to. Whatever becomes of the file, nothing
//! that this process decides is read from it.
//!
//! What remains: somebody who cuts the file from outside while it is mapped, or a device
//! that fails so that its file system gives up, ends the process with SIGBUS at the next
//! append. What was acknowledged is then where it is after any death of the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memmap2::{Advice, MmapMut, MmapOptions};
use rustix::fs::{FallocateFlags, fallocate, fstatfs};
use stage1_memtable::error::{Error, Result};
use stage1_memtable::sync::Mutex;

use super::AppendFile;

/// For less than this, a map costs more than it saves.
const LEAST_ROOM_BYTES: u64 = 16 << 10;

/// File systems that keep what `fallocate` gave: ext2 to ext4, XFS, tmpfs. Not among
/// them are those that copy on write, and those that lie on others.
const KEEPING: [u32; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// An append as long as this takes longer through the map than by a `pwrite`.
const LARGE_BYTES: usize = 2 << 10;

/// So few appends between two syncs take longer through the map, because of the fault
/// of the first of them.
const FEW_APPENDS: u32 = 8;

/// How far ahead of the appends pages are asked for. More at a time save little more, and the
/// append that asks takes longer: 35 µs.
const AHEAD_BYTES: usize = 64 << 10;

/// A file that is appended to through a map, as far as its room reaches.
#[derive(Debug)]
pub(super) struct MappedFile {
    file: File,
    name: String,
    end: Mutex<End>,
}

/// Where the next byte goes.
#[derive(Debug)]
struct End {
    position: u64,
    /// The file's room, from its first byte on; gone once the file is finished.
    map: Option<MmapMut>,
    /// Up to here the pages of the map were asked for.
    asked_for: usize,
    /// Where the next byte went when a sync was last begun.
    synced: u64,
    /// How many appends there were since a sync was last begun.
    unsynced: u32,
    /// Whether few appends came between the last sync and the one before it: then as few are
    /// expected until the next.
    is_synced_often: bool,
}

/// Maps `room_bytes` that are given to the empty `file`, or says that it must be a
/// plain one. It is empty then as before.
///
/// # Errors
/// That of emptying it again.
pub(super) fn map(file: &File, room_bytes: u64) -> io::Result<Option<MmapMut>> {
    let Ok(length) = usize::try_from(room_bytes) else { return Ok(None) };
    if room_bytes < LEAST_ROOM_BYTES || !keeps_what_it_gives(file) {
        return Ok(None);
    }
    let given = fallocate(file, FallocateFlags::empty(), 0, room_bytes);
    match given.map_err(io::Error::from).and_then(|()| map_given(file, length)) {
        Ok(map) => Ok(Some(map)),
        // A full disk may have given a part.
        Err(_) => file.set_len(0).map(|()| None),
    }
}

fn keeps_what_it_gives(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| KEEPING.contains(&(found.f_type as u32)))
}

/// Maps the `length` bytes that were given to `file`.
///
/// # Safety of the one unsafe call
/// A map is a slice of memory that others can change: by writing to the file, and by
/// cutting it. The file was created by us, for its only writer, in a directory that is
/// locked, with a mode that lets nobody else open it; whoever has the same rights and
/// writes all the same changes bytes that are never read through the map
/// (INV-MAPPED-2). Whoever cuts it ends the process, as the module says. The map is as
/// long as the file, lives no longer than `End`, and is lent to one append at a time by
/// its lock.
#[allow(unsafe_code)]
fn map_given(file: &File, length: usize) -> io::Result<MmapMut> {
    // SAFETY: as above.
    unsafe { MmapOptions::new().len(length).map_mut(file) }
}

impl MappedFile {
    /// Appends to the empty `file` through `map`.
    pub(super) fn new(file: File, name: String, map: MmapMut) -> MappedFile {
        MappedFile { file, name, end: Mutex::new(End::before_all(map)) }
    }

    /// Gives back what lies behind `length`.
    fn trim(&self, length: u64) -> io::Result<()> {
        // Nobody stores behind the end of the file any more.
        self.end.lock().map = None;
        match self.file.metadata()?.len() > length {
            true => self.file.set_len(length),
            false => Ok(()),
        }
    }
}

impl AppendFile for MappedFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut end = self.end.lock();
        let begin = end.position;
        end.unsynced = end.unsynced.saturating_add(1);
        match end.room_for(bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => self
                .file
                .write_all_at(bytes, begin)
                .map_err(|source| Error::io("append to", &self.name, source))?,
        }
        end.position = begin + bytes.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.end.lock().begin_sync();
        self.file.sync_data().map_err(|source| Error::io("sync", &self.name, source))
    }

    /// A log that waits for its memtable's flush takes no memory of the process.
    fn leave(&self) {
        let map = self.end.lock().map.take();
        drop(map);
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.trim(length).map_err(|source| Error::io("trim", &self.name, source))
    }
}

impl End {
    fn before_all(map: MmapMut) -> End {
        End { position: 0, map: Some(map), asked_for: 0, synced: 0, unsynced: 0, is_synced_often: false }
    }

    fn begin_sync(&mut self) {
        self.is_synced_often = std::mem::take(&mut self.unsynced) <= FEW_APPENDS;
        self.synced = self.position;
    }

    /// The next `length` bytes of the map, if it reaches so far and is the cheaper way.
    #[inline]
    fn room_for(&mut self, length: usize) -> Option<&mut [u8]> {
        if length >= LARGE_BYTES || self.is_synced_often && self.unsynced <= FEW_APPENDS {
            return None;
        }
        let begin = usize::try_from(self.position).ok()?;
        let end = begin.checked_add(length)?;
        if end > self.asked_for && self.position - self.synced >= AHEAD_BYTES as u64 {
            self.ask_for_pages(begin);
        }
        self.map.as_mut()?.get_mut(begin..end)
    }

    /// Asks for the pages from `begin` on. An operating system that cannot give them ahead
    /// gives each when it is touched.
    #[cold]
    fn ask_for_pages(&mut self, begin: usize) {
        let Some(map) = &self.map else { return };
        let length = AHEAD_BYTES.min(map.len().saturating_sub(begin));
        let _hint = map.advise_range(Advice::PopulateWrite, begin, length);
        self.asked_for = begin + AHEAD_BYTES;
    }
}

/// A log that is not needed any more, or was made ahead of need, gives back what it did
/// not use, without having been finished.
impl Drop for MappedFile {
    fn drop(&mut self) {
        let position = self.end.lock().position;
        // Zeros at its end do no harm.
        let _kept = self.trim(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::DatabaseId;
    use crate::log::LogWriter;
    use crate::vfs::{FileId, OsVfs, Vfs};

    const LOG: FileId = FileId::Log(3);
    const ROOM: u64 = 64 << 10;

    fn directory() -> (tempfile::TempDir, OsVfs) {
        let directory = tempfile::tempdir().unwrap();
        let vfs = OsVfs::create(directory.path()).unwrap();
        (directory, vfs)
    }

    fn contents(vfs: &OsVfs) -> Vec<u8> {
        vfs.open(LOG).unwrap().read_all().unwrap().to_vec()
    }

    /// The bytes of a log of records of these sizes, finished or only dropped.
    fn log(room_bytes: u64, sizes: &[usize], is_finished: bool) -> Vec<u8> {
        log_synced(room_bytes, sizes, usize::MAX, is_finished)
    }

    /// The same, synced behind each so many records.
    fn log_synced(room_bytes: u64, sizes: &[usize], together: usize, is_finished: bool) -> Vec<u8> {
        let (_directory, vfs) = directory();
        let mut writer = LogWriter::create_with_room(&vfs, LOG, DatabaseId(1), room_bytes).unwrap();
        for (size, count) in sizes.iter().zip(1..) {
            writer.append_record(&vec![*size as u8; *size], b"").unwrap();
            writer.append_promise(1).unwrap();
            if count % together == 0 {
                writer.file().sync().unwrap();
            }
        }
        if is_finished {
            writer.file().sync().unwrap();
            writer.file().finish(writer.len_bytes()).unwrap();
        }
        drop(writer);
        contents(&vfs)
    }

    #[test]
    fn a_mapped_log_and_a_plain_one_are_the_same_bytes() {
        // Within the room; up to its last byte; over its end in one record; far beyond.
        let exact = ROOM as usize - 32 - 7 - 15 - 7;
        for sizes in [&[0, 1, 100][..], &[exact], &[60_000, 10_000], &[50_000, 50_000, 7, 200_000, 7]] {
            let plain = log(0, sizes, true);
            assert_eq!(log(ROOM, sizes, true), plain, "{sizes:?}");
            assert_eq!(log(ROOM, sizes, false), plain, "{sizes:?}, dropped");
        }
    }

    #[test]
    fn a_log_whose_pages_were_asked_for_is_the_same_bytes() {
        let sizes = vec![1_000; 400];
        let plain = log(0, &sizes, true);
        for room in [100, 200, 300, 1_000] {
            assert_eq!(log(room << 10, &sizes, true), plain, "{room} KiB");
        }
    }

    #[test]
    fn no_more_pages_are_asked_for_than_were_filled_since_the_last_sync() {
        let (_directory, vfs) = directory();
        let room = 32 * AHEAD_BYTES;
        let file = File::options().read(true).write(true).create_new(true).open(vfs.directory().join("log"));
        let file = file.unwrap();
        let Some(map) = map(&file, room as u64).unwrap() else { return };
        let log = MappedFile::new(file, "log".to_owned(), map);
        let fill = |bytes: usize| (0..bytes / 1_024).for_each(|_| log.append(&[7; 1_024]).unwrap());
        let asked_for = || log.end.lock().asked_for;

        fill(AHEAD_BYTES);
        assert_eq!(asked_for(), 0, "as much as one call asks for is not filled yet");
        fill(1_024);
        assert_eq!(asked_for(), 2 * AHEAD_BYTES);
        log.sync().unwrap();
        fill(AHEAD_BYTES - 1_024);
        assert_eq!(asked_for(), 2 * AHEAD_BYTES, "a sync is near");
        fill(2 * AHEAD_BYTES);
        assert_eq!(
            asked_for(),
            4 * AHEAD_BYTES + 1_024,
            "the first without a call, as many as one call asks for"
        );
        fill(room);
        let length = log.end.lock().position;
        log.finish(length).unwrap();
        assert_eq!(vfs.directory().join("log").metadata().unwrap().len(), length);
    }

    #[test]
    fn a_log_is_the_same_bytes_however_often_it_is_synced() {
        let sizes: Vec<usize> = (0..60).map(|place| [1, 100, LARGE_BYTES, 7][place % 4] + place).collect();
        let plain = log(0, &sizes, true);
        // Always by `pwrite`; now so, now through the map; nearly always through the map.
        for together in [1, FEW_APPENDS as usize / 2, FEW_APPENDS as usize, 25] {
            assert_eq!(log_synced(ROOM, &sizes, together, true), plain, "each {together} synced");
        }
    }

    #[test]
    fn while_it_is_written_the_room_behind_the_records_is_zeros() {
        let (_directory, vfs) = directory();
        let file = vfs.create_with_room(LOG, ROOM).unwrap();
        file.append(b"fig").unwrap();
        let bytes = contents(&vfs);
        let is_mapped = keeps_what_it_gives(&File::open(vfs.directory()).unwrap());
        assert_eq!(bytes.len() as u64, if is_mapped { ROOM } else { 3 });
        assert!(bytes.starts_with(b"fig") && bytes[3..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn room_that_cannot_be_given_leaves_a_plain_and_empty_file() {
        let (_directory, vfs) = directory();
        // No disk is so large.
        let file = vfs.create_with_room(LOG, 1 << 55).unwrap();
        assert_eq!(contents(&vfs), b"");
        file.append(b"fig").unwrap();
        file.append(b" green").unwrap();
        file.sync().unwrap();
        file.finish(9).unwrap();
        assert_eq!(contents(&vfs), b"fig green");
    }
}
