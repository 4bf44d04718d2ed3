//! The set of files at one moment.
//!
//! ```text
//!   level 0   12 ▭▭▭▭▭▭▭▭▭▭     newest first: a lookup asks them in this order
//!             11    ▭▭▭▭▭▭▭▭▭
//!   level 5   ▭▭▭ ▭▭▭ ▭▭▭       disjoint, ascending: a lookup asks one
//!   level 6   ▭▭▭ ▭▭▭ ▭▭▭ ▭▭▭
//! ```
//!
//! **INV-VERSION-1** On levels below 0, files are disjoint by *user key* and
//! ascending. So all versions of a key on a level are in one file.
//!
//! **INV-VERSION-2** For any user key, everything on a level is newer than
//! everything on the levels below it, and on level 0 everything in a newer file
//! is newer than in an older one. So the first answer of a lookup, from the top,
//! is the right one.
//!
//! A version never changes. Whoever holds one can read all its files, whatever
//! compactions do meanwhile.

use std::sync::Arc;

use stage4_bloom::memtable::error::Result;
use stage4_bloom::memtable::key::{KeyHeads, OwnedKey};
use stage4_bloom::memtable::lookup::{Answer, Lookup, LookupKey, Observer, Touch};

use crate::concat::ConcatCursor;
use crate::edit::VersionEdit;
use crate::fences::Fences;
use crate::file::LEVELS;
use crate::source::SourceCursor;
use crate::table_cache::{TableCache, TableFile};

/// A level's files, in its order.
pub type Level = Arc<[Arc<TableFile>]>;

/// An immutable set of files, by level.
#[derive(Debug, Clone)]
pub struct Version {
    levels: [Level; LEVELS],
    /// The ends of each level's files.
    fences: [Fences; LEVELS],
}

impl Default for Version {
    fn default() -> Version {
        Version::of(std::array::from_fn(|_| Level::default()))
    }
}

impl Version {
    fn of(levels: [Level; LEVELS]) -> Version {
        let fences = std::array::from_fn(|level| Fences::of(&levels[level]));
        Version { levels, fences }
    }

    /// The files of `level`: of level 0 newest first, of others ascending.
    pub fn level(&self, level: usize) -> &Level {
        &self.levels[level]
    }

    /// All levels, from 0 down.
    pub fn levels(&self) -> impl Iterator<Item = (usize, &Level)> {
        self.levels.iter().enumerate()
    }

    /// All files with their levels.
    pub fn files(&self) -> impl Iterator<Item = (usize, &Arc<TableFile>)> {
        self.levels().flat_map(|(level, files)| files.iter().map(move |file| (level, file)))
    }

    /// The size of a level, in bytes.
    pub fn level_bytes(&self, level: usize) -> u64 {
        self.levels[level].iter().map(|file| file.meta().size_bytes).sum()
    }

    /// The files of `level` that have a user key in `smallest..=largest`.
    pub fn overlapping(&self, level: usize, smallest: &[u8], largest: &[u8]) -> Vec<Arc<TableFile>> {
        let files = &self.levels[level];
        // Below level 0 they are in order: only the stretch that overlaps is looked at.
        let first = match level {
            0 => 0,
            _ => files.partition_point(|file| *file.meta().largest.user_key < *smallest),
        };
        let is_behind = |file: &&Arc<TableFile>| level > 0 && *file.meta().smallest.user_key > *largest;
        let stretch = files[first..].iter().take_while(|file| !is_behind(file));
        stretch.filter(|file| file.meta().overlaps(smallest, largest)).cloned().collect()
    }

    /// Whether nothing below an output to `level` can hold versions of
    /// `user_key`. An output to level 0 lies above every file that is there.
    pub fn is_bottom_for(&self, level: usize, user_key: &[u8]) -> bool {
        let level0_is_below = level == 0 && self.levels[0].iter().any(|file| file.meta().covers(user_key));
        !level0_is_below && (level + 1..LEVELS).all(|below| self.file_covering(below, user_key).is_none())
    }

    /// The one file of a level below 0 whose range holds `user_key`.
    pub fn file_covering(&self, level: usize, user_key: &[u8]) -> Option<&Arc<TableFile>> {
        self.fences[level].find(&self.levels[level], user_key, KeyHeads::of(user_key))
    }

    /// The files whose ranges hold the key, with their levels, in the order in which
    /// they are asked.
    #[inline]
    fn candidates<'a>(&'a self, key: &LookupKey<'a>) -> impl Iterator<Item = (usize, &'a Arc<TableFile>)> {
        let (user_key, heads) = (key.key.user_key, key.heads);
        let (level0, fences) = (&self.levels[0], &self.fences[0]);
        let above = (0..level0.len()).filter(move |place| fences.covers(level0, *place, user_key, heads));
        let below = (1..LEVELS).filter_map(move |level| {
            Some((level, self.fences[level].find(&self.levels[level], user_key, heads)?))
        });
        above.map(|place| (0, &level0[place])).chain(below)
    }

    /// A cursor for each source of this version: a file of level 0 each, and one
    /// for each level below that has files. Whoever moves them holds the version
    /// too: a cursor over a file of level 0 does not keep that file.
    ///
    /// # Errors
    /// That of opening a file of level 0.
    pub fn cursors(&self) -> Result<Vec<SourceCursor>> {
        self.cursors_behind(std::iter::empty())
    }

    /// The sources in `front`, and behind them what [`cursors`](Self::cursors) gives, in one
    /// list that is allocated once: with it, and without a source for an empty memtable, a
    /// cursor over three sources is opened by 800 instructions instead of 1,560.
    ///
    /// # Errors
    /// As [`cursors`](Self::cursors).
    pub fn cursors_behind(&self, front: impl Iterator<Item = SourceCursor>) -> Result<Vec<SourceCursor>> {
        let below = || self.levels[1..].iter().filter(|files| !files.is_empty());
        let behind = self.levels[0].len() + below().count();
        let mut cursors = Vec::with_capacity(front.size_hint().0 + behind);
        cursors.extend(front);
        for file in self.levels[0].iter() {
            cursors.push(SourceCursor::Table(file.table()?.cursor()));
        }
        cursors.extend(below().map(|files| SourceCursor::Level(ConcatCursor::new(Arc::clone(files)))));
        Ok(cursors)
    }

    /// The version that `edit` makes of this one.
    ///
    /// # Errors
    /// A sentence that says which law the edit breaks; nothing has changed then.
    pub fn apply(&self, edit: &VersionEdit, cache: &Arc<TableCache>) -> Result<Version, String> {
        let mut levels: [Vec<Arc<TableFile>>; LEVELS] =
            std::array::from_fn(|level| self.levels[level].to_vec());
        for (level, number) in &edit.removed {
            let files = &mut levels[*level];
            let place = files.iter().position(|file| file.meta().number == *number);
            let Some(place) = place else {
                return Err(format!("file {number} is removed from level {level}, where it is not"));
            };
            files.remove(place);
        }
        for (level, meta) in &edit.added {
            // A moved file keeps its open table.
            let moved = self.files().find(|(_, file)| file.meta().number == meta.number);
            let file = moved.map_or_else(|| cache.file(meta.clone()), |(_, file)| Arc::clone(file));
            levels[*level].push(file);
        }
        levels[0].sort_by_key(|file| std::cmp::Reverse(newness(file)));
        for level in &mut levels[1..] {
            level.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        }
        let version = Version::of(levels.map(Level::from));
        version.check_invariants()?;
        Ok(version)
    }

    /// Marks the files that `next` no longer has: each goes with its last reader.
    pub(crate) fn mark_obsolete(&self, next: &Version) {
        let kept: std::collections::BTreeSet<u64> =
            next.files().map(|(_, file)| file.meta().number).collect();
        for (_, file) in self.files().filter(|(_, file)| !kept.contains(&file.meta().number)) {
            file.mark_obsolete();
        }
    }

    /// Says which invariant does not hold, if one does not. Cheap: it reads no
    /// file.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut numbers = std::collections::BTreeSet::new();
        for (level, file) in self.files() {
            let number = file.meta().number;
            if !numbers.insert(number) {
                return Err(format!("file {number} stands twice, once on level {level}"));
            }
        }
        for (level, files) in self.levels().skip(1) {
            for pair in files.windows(2) {
                let (left, right) = (pair[0].meta(), pair[1].meta());
                if left.largest.user_key >= right.smallest.user_key {
                    return Err(format!(
                        "INV-VERSION-1: files {} and {} overlap on level {level}",
                        left.number, right.number
                    ));
                }
            }
        }
        let newest_first = |pair: &[Arc<TableFile>]| newness(&pair[0]) > newness(&pair[1]);
        if !self.levels[0].windows(2).all(newest_first) {
            return Err("INV-VERSION-2: two files of level 0 hold the same sequences".to_owned());
        }
        Ok(())
    }

    /// The whole version as an edit to nothing: the first record of a manifest.
    pub fn as_edit(&self) -> VersionEdit {
        let added = self.files().map(|(level, file)| (level, file.meta().clone())).collect();
        VersionEdit { added, ..VersionEdit::default() }
    }

    /// The smallest and largest user keys of all files, if there are any.
    pub fn key_range(&self) -> Option<(OwnedKey, OwnedKey)> {
        let smallest = self.files().map(|(_, file)| &file.meta().smallest).min()?;
        let largest = self.files().map(|(_, file)| &file.meta().largest).max()?;
        Some((smallest.clone(), largest.clone()))
    }
}

/// Which of two files of level 0 is newer: each holds the sequences of its own
/// flush, and no others. Where an opening made two files of what one log held, the sequences
/// of both interleave, but they have no user key in common: either may stand before the other.
fn newness(file: &TableFile) -> (u64, u64) {
    (file.meta().last_sequence, file.meta().first_sequence)
}

impl Lookup for Version {
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
        for (level, file) in self.candidates(key) {
            match ask(file, level, key, observer)? {
                Answer::Absent => {}
                answer => return Ok(answer),
            }
        }
        Ok(Answer::Absent)
    }
}

#[inline]
fn ask<O: Observer>(file: &TableFile, level: usize, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
    observer.observe(|| Touch::Table { number: file.meta().number, level });
    file.table()?.lookup(key, observer)
}
