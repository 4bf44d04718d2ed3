//! Every disk that a crash may leave.
//!
//! ```text
//!   trace:   Create  Append  Sync  Append  SyncDir  Append  Rename │ crash here
//!                                                                  ▼
//!   per file:       [ durable prefix │ unsynced: each append, each 4 KiB page ]
//!   the directory:  [ durable names  │ unsynced creations, renames, removals  ]
//!                                                                  ▼
//!   images:  nothing unsynced is there · all of it · each part alone · all but
//!            one part · the last write torn at each sector (short, zeros, stale,
//!            garbage) · every subset of pages · each prefix of the names, …
//! ```
//!
//! What was not synced may reach the disk in any order, as INV-VFS-1 to 3 allow: by the
//! page; where a write was under way, by the sector; and by the append, wherever in a
//! sector it stands, which makes this disk weaker than any real one. Two things no disk
//! does, and neither does this model: synced bytes are never garbage, and they stay. Of
//! arbitrary bytes, of many pages and of many names no walk can try every case: where it
//! draws, the seed is fixed.
//!
//! [`Trace::for_each_crash`] walks a recorded run and yields the images for
//! every call boundary. The caller opens each one and asks an oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use super::FileId;

/// A directory's files and what they hold.
pub type Image = BTreeMap<FileId, Bytes>;

/// The identity of a file behind its names.
pub type Inode = usize;

/// The unit in which the page cache reaches the disk.
const PAGE_BYTES: usize = 4096;

/// The unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// Up to this many unsynced pages, every subset is tried.
const EXHAUSTIVE_PAGES: usize = 6;

/// Beyond it, this many subsets are drawn.
const SAMPLED_SUBSETS: u64 = 64;

/// One call that changed the directory or made a change durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// A file was created under this name.
    Create {
        /// Its name.
        file: FileId,
        /// Its identity.
        inode: Inode,
    },
    /// Bytes were appended.
    Append {
        /// To which file.
        inode: Inode,
        /// The bytes.
        bytes: Bytes,
    },
    /// All appended so far was made durable.
    Sync {
        /// In which file.
        inode: Inode,
    },
    /// A name was moved, replacing what had the new one.
    Rename {
        /// The old name.
        from: FileId,
        /// The new name.
        to: FileId,
    },
    /// A name was removed.
    Remove {
        /// The name.
        file: FileId,
    },
    /// All names so far were made durable.
    SyncDirectory,
}

/// What a [`SimVfs`](super::SimVfs) held at first, and every call since.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The durable files at the beginning.
    pub base: Image,
    /// The calls, in order.
    pub calls: Vec<Call>,
}

/// How an image was chosen among those that a crash may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which unsynced names are there.
    pub names: NamePolicy,
    /// Which unsynced bytes are there.
    pub data: DataPolicy,
}

/// Which unsynced creations, renames and removals reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePolicy {
    /// The first so many.
    Prefix(usize),
    /// Only this one.
    Only(usize),
    /// All but this one.
    AllBut(usize),
}

/// Which unsynced bytes reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataPolicy {
    /// None.
    Lost,
    /// All.
    Kept,
    /// Only this append, counted over all files.
    OnlyAppend(usize),
    /// All but this append.
    AllButAppend(usize),
    /// Only those of this file.
    OnlyFile(Inode),
    /// All but those of this file.
    AllButFile(Inode),
    /// All, but the last append of this file only up to a byte; what follows is
    /// filled.
    Torn(Inode, usize, Fill),
    /// These of the unsynced pages, as bits counted over all files; the file
    /// ends where it should (`false`) or behind its last page kept (`true`).
    Pages(u64, bool),
}

/// What stands where the rest of a torn write should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing: the file ends there.
    Short,
    /// Zeros, up to the length that the write would have had.
    Zeros,
    /// Bytes that stood elsewhere in the same file before.
    Stale,
    /// Arbitrary bytes.
    Garbage,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "names {:?}, data {:?}", self.names, self.data)
    }
}

impl Trace {
    /// A trace that begins with `base`.
    pub fn new(base: Image) -> Trace {
        Trace { base, calls: Vec::new() }
    }

    /// Builds the images of a crash at every call boundary and gives each to
    /// `judge` with the number of calls done before it and its policy. An error
    /// of `judge` ends the walk. Returns how many images were judged.
    ///
    /// # Errors
    /// The first error of `judge`.
    pub fn for_each_crash<E>(
        &self,
        mut judge: impl FnMut(usize, Policy, Image) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut images = 0;
        let mut disk = Disk::new(&self.base);
        for calls_done in 0..=self.calls.len() {
            disk.share();
            for policy in disk.policies(calls_done as u64) {
                judge(calls_done, policy, disk.image(policy))?;
                images += 1;
            }
            if let Some(call) = self.calls.get(calls_done) {
                disk.apply(call);
            }
        }
        Ok(images)
    }

    /// The policies of a crash after `calls_done` calls: for one crash instead of
    /// all of them, choose one and build its image by [`Trace::crash`].
    ///
    /// ```
    /// use stage2_wal::vfs::{FileId, SimVfs, Vfs};
    ///
    /// let disk = SimVfs::new();
    /// disk.create(FileId::Log(1))?.append(b"not synced")?;
    /// let trace = disk.trace();
    /// let policy = trace.policies(disk.calls())[0];
    /// assert!(trace.crash(disk.calls(), policy).is_empty(), "not even its name is there");
    /// # Ok::<(), stage2_wal::memtable::Error>(())
    /// ```
    pub fn policies(&self, calls_done: usize) -> Vec<Policy> {
        self.disk_after(calls_done).policies(calls_done as u64)
    }

    /// The image of a crash after `calls_done` calls under `policy`: one of
    /// [`Trace::policies`], or that of a failure, to replay it.
    pub fn crash(&self, calls_done: usize, policy: Policy) -> Image {
        self.disk_after(calls_done).image(policy)
    }

    fn disk_after(&self, calls_done: usize) -> Disk {
        let mut disk = Disk::new(&self.base);
        self.calls.iter().take(calls_done).for_each(|call| disk.apply(call));
        disk
    }
}

/// A file during the walk: its durable prefix and the appends behind it.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    durable: usize,
    /// Where each unsynced append begins.
    appends: Vec<usize>,
    /// Whether the file's unsynced pages take part in subsets: those that are
    /// named as logs or manifests when they are created.
    is_log: bool,
    /// `bytes` for the images, made again after each append.
    shared: Option<Bytes>,
}

enum NameChange {
    Create { file: FileId, inode: Inode },
    Rename { from: FileId, to: FileId },
    Remove { file: FileId },
}

/// What is durable and what is not, at one moment of the walk.
struct Disk {
    files: BTreeMap<Inode, File>,
    durable_names: BTreeMap<FileId, Inode>,
    name_changes: Vec<NameChange>,
}

impl Disk {
    /// The files of an image are numbered as [`SimVfs::from_image`](super::SimVfs::from_image) numbers them.
    fn new(base: &Image) -> Disk {
        let mut disk =
            Disk { files: BTreeMap::new(), durable_names: BTreeMap::new(), name_changes: Vec::new() };
        for (inode, (&file, bytes)) in base.iter().enumerate() {
            let durable = bytes.len();
            disk.files.insert(inode, File { bytes: bytes.to_vec(), durable, ..File::default() });
            disk.durable_names.insert(file, inode);
        }
        disk
    }

    fn apply(&mut self, call: &Call) {
        match call {
            &Call::Create { file, inode } => {
                let is_log = matches!(file, FileId::Log(_) | FileId::Manifest(_));
                self.files.insert(inode, File { is_log, ..File::default() });
                self.name_changes.push(NameChange::Create { file, inode });
            }
            Call::Append { inode, bytes } => {
                let file = self.files.entry(*inode).or_default();
                file.appends.push(file.bytes.len());
                file.bytes.extend_from_slice(bytes);
                file.shared = None;
            }
            Call::Sync { inode } => {
                let file = self.files.entry(*inode).or_default();
                file.durable = file.bytes.len();
                file.appends.clear();
            }
            &Call::Rename { from, to } => self.name_changes.push(NameChange::Rename { from, to }),
            &Call::Remove { file } => self.name_changes.push(NameChange::Remove { file }),
            Call::SyncDirectory => {
                self.durable_names = self.names(NamePolicy::Prefix(self.name_changes.len()));
                self.name_changes.clear();
                let alive: BTreeSet<Inode> = self.durable_names.values().copied().collect();
                self.files.retain(|inode, _| alive.contains(inode));
            }
        }
    }

    /// Makes the bytes that all images of this moment share.
    fn share(&mut self) {
        for file in self.files.values_mut().filter(|file| file.shared.is_none()) {
            file.shared = Some(Bytes::copy_from_slice(&file.bytes));
        }
    }

    fn names(&self, policy: NamePolicy) -> BTreeMap<FileId, Inode> {
        let reached = |index: usize| match policy {
            NamePolicy::Prefix(count) => index < count,
            NamePolicy::Only(one) => index == one,
            NamePolicy::AllBut(one) => index != one,
        };
        let mut names = self.durable_names.clone();
        for (_, change) in self.name_changes.iter().enumerate().filter(|(index, _)| reached(*index)) {
            match *change {
                NameChange::Create { file, inode } => {
                    names.insert(file, inode);
                }
                NameChange::Rename { from, to } => {
                    if let Some(inode) = names.remove(&from) {
                        names.insert(to, inode);
                    }
                }
                NameChange::Remove { file } => {
                    names.remove(&file);
                }
            }
        }
        names
    }

    /// Every choice of names with the extremes of data, and every choice of data
    /// with the extremes of names.
    fn policies(&self, seed: u64) -> Vec<Policy> {
        let all = NamePolicy::Prefix(self.name_changes.len());
        let mut policies = Vec::new();
        for names in self.name_policies() {
            policies.extend([DataPolicy::Lost, DataPolicy::Kept].map(|data| Policy { names, data }));
        }
        for data in self.data_policies(seed) {
            policies.push(Policy { names: all, data });
            if !self.name_changes.is_empty() {
                policies.push(Policy { names: NamePolicy::Prefix(0), data });
            }
        }
        policies
    }

    fn name_policies(&self) -> Vec<NamePolicy> {
        let changes = self.name_changes.len();
        let mut policies: Vec<NamePolicy> = (0..=changes).map(NamePolicy::Prefix).collect();
        if changes > 1 {
            policies.extend((1..changes).map(NamePolicy::Only));
            policies.extend((0..changes - 1).map(NamePolicy::AllBut));
        }
        policies
    }

    fn data_policies(&self, seed: u64) -> Vec<DataPolicy> {
        let mut policies = Vec::new();
        let unsynced: Vec<Inode> =
            self.files.iter().filter(|(_, file)| !file.appends.is_empty()).map(|(inode, _)| *inode).collect();
        let appends: usize = self.files.values().map(|file| file.appends.len()).sum();
        if appends > 1 {
            policies.extend((0..appends).map(DataPolicy::OnlyAppend));
            policies.extend((0..appends).map(DataPolicy::AllButAppend));
        }
        if unsynced.len() > 1 {
            policies.extend(unsynced.iter().map(|&inode| DataPolicy::OnlyFile(inode)));
            policies.extend(unsynced.iter().map(|&inode| DataPolicy::AllButFile(inode)));
        }
        for inode in unsynced {
            policies.extend(self.files[&inode].torn_policies(inode));
        }
        policies.extend(page_subsets(self.unsynced_pages().len(), seed));
        policies
    }

    /// The unsynced pages of all logs, in order of file and page.
    fn unsynced_pages(&self) -> Vec<(Inode, usize)> {
        let logs = self.files.iter().filter(|(_, file)| file.is_log);
        logs.flat_map(|(&inode, file)| file.unsynced_pages().map(move |page| (inode, page))).collect()
    }

    fn image(&self, policy: Policy) -> Image {
        let mut appends_before = 0;
        let mut holdings: BTreeMap<Inode, Bytes> = BTreeMap::new();
        for (&inode, file) in &self.files {
            holdings.insert(inode, self.held(inode, file, appends_before, policy.data));
            appends_before += file.appends.len();
        }
        self.names(policy.names)
            .into_iter()
            .filter_map(|(name, inode)| holdings.get(&inode).map(|bytes| (name, bytes.clone())))
            .collect()
    }

    /// What `file` holds under `policy`. Its appends are counted from
    /// `appends_before`.
    fn held(&self, inode: Inode, file: &File, appends_before: usize, policy: DataPolicy) -> Bytes {
        let own = |append: usize| append.checked_sub(appends_before).filter(|&own| own < file.appends.len());
        match policy {
            DataPolicy::Lost => file.durable(),
            DataPolicy::Kept => file.newest(),
            DataPolicy::OnlyAppend(append) => own(append).map_or(file.durable(), |own| file.only_append(own)),
            DataPolicy::AllButAppend(append) => {
                own(append).map_or(file.newest(), |own| file.without_append(own))
            }
            DataPolicy::OnlyFile(only) if only == inode => file.newest(),
            DataPolicy::OnlyFile(_) => file.durable(),
            DataPolicy::AllButFile(but) if but == inode => file.durable(),
            DataPolicy::AllButFile(_) => file.newest(),
            DataPolicy::Torn(torn, at, fill) if torn == inode => file.torn(at, fill),
            DataPolicy::Torn(..) => file.newest(),
            DataPolicy::Pages(subset, cut) if file.is_log => {
                let pages = self.unsynced_pages();
                let kept = pages.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
                file.with_pages(
                    kept.filter(|(_, (owner, _))| *owner == inode).map(|(_, (_, page))| *page),
                    cut,
                )
            }
            DataPolicy::Pages(..) => file.durable(),
        }
    }
}

/// All subsets of `pages` bits but none and all, or seeded samples of them.
fn page_subsets(pages: usize, seed: u64) -> Vec<DataPolicy> {
    if pages == 0 {
        return Vec::new();
    }
    let subsets: BTreeSet<u64> = if pages <= EXHAUSTIVE_PAGES {
        (0..1 << pages).collect()
    } else {
        let mask = if pages >= 64 { u64::MAX } else { (1 << pages) - 1 };
        (0..SAMPLED_SUBSETS)
            .map(|draw| mix(seed.wrapping_mul(SAMPLED_SUBSETS).wrapping_add(draw)) & mask)
            .collect()
    };
    subsets.into_iter().flat_map(|subset| [false, true].map(|cut| DataPolicy::Pages(subset, cut))).collect()
}

/// A well-mixed word for each seed (the finalizer of SplitMix64; Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl File {
    fn newest(&self) -> Bytes {
        self.shared.clone().unwrap_or_else(|| Bytes::copy_from_slice(&self.bytes))
    }

    fn durable(&self) -> Bytes {
        self.newest().slice(..self.durable)
    }

    fn append_span(&self, append: usize) -> std::ops::Range<usize> {
        let end = self.appends.get(append + 1).copied().unwrap_or(self.bytes.len());
        self.appends[append]..end
    }

    /// The durable bytes, a hole of zeros, and this append.
    fn only_append(&self, append: usize) -> Bytes {
        let span = self.append_span(append);
        let mut bytes = self.bytes[..self.durable].to_vec();
        bytes.resize(span.start, 0);
        bytes.extend_from_slice(&self.bytes[span]);
        Bytes::from(bytes)
    }

    /// All bytes, but zeros where this append was; a last append leaves nothing.
    fn without_append(&self, append: usize) -> Bytes {
        let span = self.append_span(append);
        if span.end == self.bytes.len() {
            return self.newest().slice(..span.start);
        }
        let mut bytes = self.bytes.clone();
        bytes[span].fill(0);
        Bytes::from(bytes)
    }

    /// The last append may end at each sector boundary inside it. The sector in
    /// which it begins may hold synced bytes: it is old or new as a whole.
    fn torn_policies(&self, inode: Inode) -> Vec<DataPolicy> {
        let Some(&start) = self.appends.last() else { return Vec::new() };
        let boundaries = (start / SECTOR_BYTES + 1..).map(|sector| sector * SECTOR_BYTES);
        let mut policies: Vec<DataPolicy> = boundaries
            .take_while(|&at| at < self.bytes.len())
            .flat_map(|at| {
                [Fill::Short, Fill::Zeros, Fill::Stale, Fill::Garbage]
                    .map(|fill| DataPolicy::Torn(inode, at, fill))
            })
            .collect();
        // A write cut short by the death of the process ends at any byte.
        let inside = [start + 1, self.bytes.len().saturating_sub(1)].into_iter().filter(|&at| at > start);
        policies.extend(inside.map(|at| DataPolicy::Torn(inode, at, Fill::Short)));
        policies
    }

    fn torn(&self, at: usize, fill: Fill) -> Bytes {
        let mut bytes = self.bytes[..at].to_vec();
        let missing = self.bytes.len() - at;
        match fill {
            Fill::Short => {}
            Fill::Zeros => bytes.resize(self.bytes.len(), 0),
            Fill::Stale => bytes.extend(self.bytes.iter().cycle().take(missing)),
            Fill::Garbage => bytes.extend((0..missing as u64).map(|index| mix(index ^ at as u64) as u8)),
        }
        Bytes::from(bytes)
    }

    fn unsynced_pages(&self) -> std::ops::Range<usize> {
        match self.appends.is_empty() {
            true => 0..0,
            false => self.durable / PAGE_BYTES..self.bytes.len().div_ceil(PAGE_BYTES),
        }
    }

    /// The durable bytes and these pages as they are now; the other pages as
    /// they were when last synced. A cut file ends behind what it kept.
    fn with_pages(&self, kept: impl Iterator<Item = usize>, cut: bool) -> Bytes {
        let mut bytes = vec![0; self.bytes.len()];
        bytes[..self.durable].copy_from_slice(&self.bytes[..self.durable]);
        let mut end = self.durable;
        for page in kept {
            let span = page * PAGE_BYTES..((page + 1) * PAGE_BYTES).min(self.bytes.len());
            end = end.max(span.end);
            bytes[span.clone()].copy_from_slice(&self.bytes[span]);
        }
        if cut {
            bytes.truncate(end);
        }
        Bytes::from(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::{SimVfs, Vfs};

    fn images_after(run: impl Fn(&SimVfs)) -> Vec<Image> {
        let vfs = SimVfs::new();
        run(&vfs);
        let trace = vfs.trace();
        let mut images = Vec::new();
        trace
            .for_each_crash(|calls, _, image| {
                if calls == trace.calls.len() {
                    images.push(image);
                }
                Ok::<(), ()>(())
            })
            .unwrap();
        images
    }

    #[test]
    fn a_synced_file_with_a_synced_name_is_whole_in_every_image() {
        let images = images_after(|vfs| {
            let file = vfs.create(FileId::Log(1)).unwrap();
            file.append(b"acknowledged").unwrap();
            file.sync().unwrap();
            vfs.sync_directory().unwrap();
        });
        assert!(!images.is_empty());
        assert!(images.iter().all(|image| image[&FileId::Log(1)] == "acknowledged"));
    }

    #[test]
    fn a_name_that_was_not_synced_may_be_gone() {
        let images = images_after(|vfs| {
            let file = vfs.create(FileId::Log(1)).unwrap();
            file.append(b"acknowledged").unwrap();
            file.sync().unwrap();
        });
        assert!(images.iter().any(Image::is_empty));
    }

    #[test]
    fn an_unsynced_page_may_be_there_without_the_one_before_it() {
        let images = images_after(|vfs| {
            let file = vfs.create(FileId::Log(1)).unwrap();
            vfs.sync_directory().unwrap();
            file.append(&[1; PAGE_BYTES]).unwrap();
            file.append(&[2; PAGE_BYTES]).unwrap();
        });
        let hole: Vec<u8> = [vec![0; PAGE_BYTES], vec![2; PAGE_BYTES]].concat();
        assert!(images.iter().any(|image| image[&FileId::Log(1)] == hole));
    }

    #[test]
    fn a_rename_leaves_the_old_file_or_the_new_one() {
        let images = images_after(|vfs| {
            for (file, bytes) in [(FileId::Current, b"old"), (FileId::Temporary(2), b"new")] {
                let created = vfs.create(file).unwrap();
                created.append(bytes).unwrap();
                created.sync().unwrap();
            }
            vfs.sync_directory().unwrap();
            vfs.rename(FileId::Temporary(2), FileId::Current).unwrap();
        });
        let seen: BTreeSet<&[u8]> = images.iter().map(|image| &image[&FileId::Current][..]).collect();
        assert_eq!(seen, BTreeSet::from([&b"old"[..], b"new"]));
    }
}
