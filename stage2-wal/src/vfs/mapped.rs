//! A file whose room is given ahead and mapped into memory: an append is a copy.
//!
//! ```text
//!   create           fallocate ─▶ │0 0 0 0 0 0 0 0 0 0 0 0 0 0│
//!   append           copy ──────▶ │records│0 0 0│0 0 0 0 0 0 0│
//!                                 └─ mapped ────┘ then the next window
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
//! Mapped is a window that moves along: what was stored to a map counts as memory of the
//! process until it is unmapped. So a full log of 8 MiB takes one of them, and nothing else
//! is slower or faster by it.
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

/// How much is mapped at a time.
const WINDOW_BYTES: u64 = 1 << 20;

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
const AHEAD_BYTES: u64 = 64 << 10;

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
    /// How far the file may be mapped; 0 once nobody shall map it any more.
    room_bytes: u64,
    window: Option<Window>,
    /// Up to here pages were asked for.
    asked_for: u64,
    /// Where the next byte went when a sync was last begun.
    synced: u64,
    /// How many appends there were since a sync was last begun.
    unsynced: u32,
    /// Whether few appends came between the last sync and the one before it: then as few are
    /// expected until the next.
    is_synced_often: bool,
}

/// The part of a file that is mapped.
#[derive(Debug)]
pub(super) struct Window {
    begin: u64,
    map: MmapMut,
}

/// Gives `room_bytes` to the empty `file` and maps its first window, or says that it must be
/// a plain one. It is empty then as before.
///
/// # Errors
/// That of emptying it again.
pub(super) fn map(file: &File, room_bytes: u64) -> io::Result<Option<Window>> {
    if room_bytes < LEAST_ROOM_BYTES || !keeps_what_it_gives(file) {
        return Ok(None);
    }
    let given = fallocate(file, FallocateFlags::empty(), 0, room_bytes);
    match given.map_err(io::Error::from).and_then(|()| Window::around(0, file, room_bytes)) {
        Ok(window) => Ok(Some(window)),
        // A full disk may have given a part.
        Err(_) => file.set_len(0).map(|()| None),
    }
}

fn keeps_what_it_gives(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| KEEPING.contains(&(found.f_type as u32)))
}

/// Maps `length` bytes from `begin` on that were given to `file`.
///
/// # Safety of the one unsafe call
/// A map is a slice of memory that others can change: by writing to the file, and by
/// cutting it. The file was created by us, for its only writer, in a directory that is
/// locked, with a mode that lets nobody else open it; whoever has the same rights and
/// writes all the same changes bytes that are never read through the map
/// (INV-MAPPED-2). Whoever cuts it ends the process, as the module says. The map ends
/// within the file, lives no longer than `End`, and is lent to one append at a time by
/// its lock.
#[allow(unsafe_code)]
fn map_given(file: &File, begin: u64, length: usize) -> io::Result<MmapMut> {
    // SAFETY: as above.
    unsafe { MmapOptions::new().offset(begin).len(length).map_mut(file) }
}

impl Window {
    /// Maps the window of `file` that holds `position`, which lies within its room.
    fn around(position: u64, file: &File, room_bytes: u64) -> io::Result<Window> {
        let begin = position - position % WINDOW_BYTES;
        let length = WINDOW_BYTES.min(room_bytes - begin);
        Ok(Window { begin, map: map_given(file, begin, length as usize)? })
    }

    /// What it holds from `position` on; nothing if that lies outside.
    #[inline]
    fn room_from(&mut self, position: u64) -> Option<&mut [u8]> {
        let within = usize::try_from(position.checked_sub(self.begin)?).ok()?;
        self.map.get_mut(within..).filter(|room| !room.is_empty())
    }
}

impl MappedFile {
    /// Appends to the empty `file`, to which `room_bytes` were given, through `window`.
    pub(super) fn new(file: File, name: String, room_bytes: u64, window: Window) -> MappedFile {
        MappedFile { file, name, end: Mutex::new(End::before_all(room_bytes, window)) }
    }

    /// Gives back what lies behind `length`.
    fn trim(&self, length: u64) -> io::Result<()> {
        // Nobody stores behind the end of the file any more.
        drop(self.end.lock().take_window());
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
        let copied = end.copy_to_map(bytes, &self.file);
        self.file
            .write_all_at(&bytes[copied..], begin + copied as u64)
            .map_err(|source| Error::io("append to", &self.name, source))?;
        end.position = begin + bytes.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.end.lock().begin_sync();
        self.file.sync_data().map_err(|source| Error::io("sync", &self.name, source))
    }

    /// A log that waits for its memtable's flush takes no memory of the process.
    fn leave(&self) {
        let window = self.end.lock().take_window();
        drop(window);
    }

    fn finish(&self, length: u64) -> Result<()> {
        self.trim(length).map_err(|source| Error::io("trim", &self.name, source))
    }
}

impl End {
    fn before_all(room_bytes: u64, window: Window) -> End {
        let window = Some(window);
        End { position: 0, room_bytes, window, asked_for: 0, synced: 0, unsynced: 0, is_synced_often: false }
    }

    fn begin_sync(&mut self) {
        self.is_synced_often = std::mem::take(&mut self.unsynced) <= FEW_APPENDS;
        self.synced = self.position;
    }

    /// From now on nothing is mapped.
    fn take_window(&mut self) -> Option<Window> {
        self.room_bytes = 0;
        self.window.take()
    }

    /// Copies `bytes` to the map as far as the room reaches, if that is the cheaper way, and
    /// returns how many that were.
    #[inline]
    fn copy_to_map(&mut self, bytes: &[u8], file: &File) -> usize {
        if bytes.len() >= LARGE_BYTES || self.is_synced_often && self.unsynced <= FEW_APPENDS {
            return 0;
        }
        let mut copied = 0;
        while copied < bytes.len() {
            let rest = bytes.len() - copied;
            let Some(room) = self.room_at(self.position + copied as u64, rest, file) else { break };
            let length = room.len().min(rest);
            room[..length].copy_from_slice(&bytes[copied..copied + length]);
            copied += length;
        }
        copied
    }

    /// What is mapped from `position` on, where `wanted` bytes shall go: not nothing; `None`
    /// beyond the room.
    #[inline]
    fn room_at(&mut self, position: u64, wanted: usize, file: &File) -> Option<&mut [u8]> {
        if self.window.as_mut().and_then(|window| window.room_from(position)).is_none() {
            self.move_window(position, file);
        }
        if position + wanted as u64 > self.asked_for && position - self.synced >= AHEAD_BYTES {
            self.ask_for_pages(position);
        }
        self.window.as_mut()?.room_from(position)
    }

    /// Maps the window that holds `position`, and none beyond the room. When that fails, the
    /// file is a plain one from here on.
    #[cold]
    fn move_window(&mut self, position: u64, file: &File) {
        self.window = None;
        if position < self.room_bytes {
            self.window = Window::around(position, file, self.room_bytes).ok();
        }
        if self.window.is_none() {
            self.room_bytes = 0;
        }
    }

    /// Asks for the pages from `position` on, as far as the window reaches. An operating system
    /// that cannot give them ahead gives each when it is touched.
    #[cold]
    fn ask_for_pages(&mut self, position: u64) {
        let Some(window) = &self.window else { return };
        let within = (position - window.begin) as usize;
        let length = window.map.len().saturating_sub(within).min(AHEAD_BYTES as usize);
        let _hint = window.map.advise_range(Advice::PopulateWrite, within, length);
        self.asked_for = position + length as u64;
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
        let Some(window) = map(&file, room).unwrap() else { return };
        let log = MappedFile::new(file, "log".to_owned(), room, window);
        let fill = |bytes: u64| (0..bytes / 1_024).for_each(|_| log.append(&[7; 1_024]).unwrap());
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
    fn a_log_of_several_windows_is_the_same_bytes_as_a_plain_one() {
        // Its room ends within the third; records cross from each window to the next.
        let room = 2 * WINDOW_BYTES + ROOM;
        let sizes: Vec<usize> = (0..3_500).map(|place| [1_100, 13, 0, 1_501][place % 4]).collect();
        assert!(sizes.iter().sum::<usize>() as u64 > room);
        assert_eq!(log(room, &sizes, true), log(0, &sizes, true));
        // A large one goes by `pwrite`, and what follows it skips a window.
        let skipping = [&sizes[..900], &[2 * WINDOW_BYTES as usize], &sizes[..100]].concat();
        assert_eq!(log(3 * room, &skipping, false), log(0, &skipping, false));
    }

    #[test]
    fn of_a_log_no_more_than_a_window_is_mapped() {
        let (_directory, vfs) = directory();
        let file = vfs.create_with_room(LOG, 4 * WINDOW_BYTES).unwrap();
        for _ in 0..3_000 {
            file.append(&[7; 1_500]).unwrap();
            assert!(mapped_bytes(&vfs) <= WINDOW_BYTES);
        }
        file.leave();
        assert_eq!(mapped_bytes(&vfs), 0);
    }

    /// How much of the log this process has mapped.
    fn mapped_bytes(vfs: &OsVfs) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let of_log = maps.lines().filter(|line| line.ends_with(&vfs.describe(LOG)));
        let length = |line: &str| {
            let (begin, end) = line.split(' ').next()?.split_once('-')?;
            Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(begin, 16).ok()?)
        };
        of_log.filter_map(length).sum()
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
