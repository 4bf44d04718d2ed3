//! The disjoint files of a level as one cursor.
//!
//! ```text
//!   level 5    [apple … fig]  [grape … kiwi]  [lemon … pear]
//!   seek(lime)        └─ binary search by largest key ─▶ ▲ only this file is opened
//! ```
//!
//! **INV-CONCAT-1** The files are disjoint and in ascending order. Were they not,
//! the cursor would leave one file for the next while the first still held newer
//! versions, and return an old one.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use stage4_bloom::filtered::FilteredTable;
use stage4_bloom::memtable::cursor::Cursor;
use stage4_bloom::memtable::error::{Error, Result};
use stage4_bloom::memtable::key::{InternalKey, Kind};
use stage4_bloom::sstable::table::TableCursor;

use crate::table_cache::TableFile;

/// A cursor over files that follow one another.
#[derive(Debug)]
pub struct ConcatCursor {
    files: Arc<[Arc<TableFile>]>,
    /// The file that is open, and a cursor in it.
    open: Option<(usize, TableCursor)>,
    /// Makes the cursor of a file.
    cursor_of: fn(&FilteredTable) -> TableCursor,
    failure: Option<Error>,
}

impl ConcatCursor {
    /// A cursor over `files`, which are disjoint and ascending. Opens none yet.
    pub fn new(files: Arc<[Arc<TableFile>]>) -> ConcatCursor {
        ConcatCursor::with(files, FilteredTable::cursor)
    }

    /// The same for a compaction: its blocks are read once and then gone, so they
    /// take no room in the block cache.
    pub fn past_cache(files: Arc<[Arc<TableFile>]>) -> ConcatCursor {
        ConcatCursor::with(files, |table| table.table().cursor_past_cache())
    }

    fn with(files: Arc<[Arc<TableFile>]>, cursor_of: fn(&FilteredTable) -> TableCursor) -> ConcatCursor {
        debug_assert!(
            files.windows(2).all(|pair| pair[0].meta().largest < pair[1].meta().smallest),
            "INV-CONCAT-1"
        );
        ConcatCursor { files, open: None, cursor_of, failure: None }
    }

    /// Opens the file at `index`, unless it is open, and places its cursor.
    fn enter(&mut self, index: usize, place: impl FnOnce(&mut TableCursor)) {
        if self.failure.is_some() {
            return;
        }
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            match self.files[index].table() {
                Ok(table) => self.open = Some((index, (self.cursor_of)(table))),
                Err(error) => return self.fail(error),
            }
        }
        if let Some((_, cursor)) = &mut self.open {
            place(cursor);
        }
        self.note_failure();
    }

    fn fail(&mut self, error: Error) {
        self.open = None;
        self.failure = Some(error);
    }

    fn note_failure(&mut self) {
        if let Some(Err(error)) = self.open.as_ref().map(|(_, cursor)| cursor.status()) {
            self.fail(error);
        }
    }

    fn place_of_open(&self) -> Option<usize> {
        self.open.as_ref().map(|(index, _)| *index)
    }

    fn entry(&self) -> &TableCursor {
        &self.open.as_ref().expect("the caller checked is_valid()").1
    }
}

impl Cursor for ConcatCursor {
    fn seek_to_first(&mut self) {
        if !self.files.is_empty() {
            self.enter(0, TableCursor::seek_to_first);
        }
    }

    fn seek_to_last(&mut self) {
        if let Some(last) = self.files.len().checked_sub(1) {
            self.enter(last, TableCursor::seek_to_last);
        }
    }

    fn seek(&mut self, target: InternalKey<'_>) {
        let index =
            self.files.partition_point(|file| file.meta().largest.as_key().cmp(&target) == Ordering::Less);
        match index < self.files.len() {
            true => self.enter(index, |cursor| cursor.seek(target)),
            false => self.open = None,
        }
    }

    fn next(&mut self) {
        if !self.is_valid() {
            return;
        }
        if let Some((_, cursor)) = &mut self.open {
            cursor.next();
        }
        self.note_failure();
        let Some(index) = self.place_of_open() else { return };
        if !self.is_valid() && index + 1 < self.files.len() {
            self.enter(index + 1, TableCursor::seek_to_first);
        }
    }

    fn prev(&mut self) {
        if !self.is_valid() {
            return;
        }
        if let Some((_, cursor)) = &mut self.open {
            cursor.prev();
        }
        self.note_failure();
        let Some(index) = self.place_of_open() else { return };
        if !self.is_valid() && index > 0 {
            self.enter(index - 1, TableCursor::seek_to_last);
        }
    }

    fn is_valid(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, cursor)| cursor.is_valid())
    }

    fn key(&self) -> InternalKey<'_> {
        self.entry().key()
    }

    fn kind(&self) -> Kind {
        self.entry().kind()
    }

    fn value(&self) -> &[u8] {
        self.entry().value()
    }

    fn value_owned(&self) -> Bytes {
        self.entry().value_owned()
    }

    fn status(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}
