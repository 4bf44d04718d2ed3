//! The cursor of anything that holds entries.
//!
//! A scan, a flush and a compaction merge the same three kinds of source; they
//! differ in which ones. An enum keeps the merge free of virtual calls.

use bytes::Bytes;
use stage4_bloom::memtable::cursor::Cursor;
use stage4_bloom::memtable::error::Result;
use stage4_bloom::memtable::key::{InternalKey, Kind};
use stage4_bloom::memtable::memtable::MemTableCursor;
use stage4_bloom::sstable::table::TableCursor;

use crate::concat::ConcatCursor;

/// A memtable's, a table's or a level's cursor.
///
/// `repr(u8)` gives the choice of the three a byte of its own. Without it the compiler keeps
/// the choice in values that a field of one of them never has, and to read it from there
/// took six more instructions in each of the five calls that a step of a scan makes.
#[derive(Debug)]
#[repr(u8)]
pub enum SourceCursor {
    /// Over a memtable.
    Memtable(MemTableCursor),
    /// Over one table: the files of level 0 overlap, so each is a source.
    Table(TableCursor),
    /// Over the disjoint files of a level.
    Level(ConcatCursor),
}

/// Calls the same method on whichever cursor it is.
macro_rules! each {
    ($self:ident, $cursor:ident => $call:expr) => {
        match $self {
            SourceCursor::Memtable($cursor) => $call,
            SourceCursor::Table($cursor) => $call,
            SourceCursor::Level($cursor) => $call,
        }
    };
}

impl Cursor for SourceCursor {
    fn seek_to_first(&mut self) {
        each!(self, cursor => cursor.seek_to_first());
    }
    fn seek_to_last(&mut self) {
        each!(self, cursor => cursor.seek_to_last());
    }
    fn seek(&mut self, target: InternalKey<'_>) {
        each!(self, cursor => cursor.seek(target));
    }
    fn seek_before(&mut self, target: InternalKey<'_>) {
        each!(self, cursor => cursor.seek_before(target));
    }
    #[inline]
    fn next(&mut self) {
        each!(self, cursor => cursor.next());
    }
    #[inline]
    fn prev(&mut self) {
        each!(self, cursor => cursor.prev());
    }
    #[inline]
    fn is_valid(&self) -> bool {
        each!(self, cursor => cursor.is_valid())
    }
    #[inline]
    fn key(&self) -> InternalKey<'_> {
        each!(self, cursor => cursor.key())
    }
    #[inline]
    fn kind(&self) -> Kind {
        each!(self, cursor => cursor.kind())
    }
    #[inline]
    fn value(&self) -> &[u8] {
        each!(self, cursor => cursor.value())
    }
    #[inline]
    fn value_owned(&self) -> Bytes {
        each!(self, cursor => cursor.value_owned())
    }
    #[inline]
    fn standing(&self) -> Option<(InternalKey<'_>, Kind)> {
        each!(self, cursor => cursor.standing())
    }
    #[inline]
    fn is_surely_newest(&self) -> bool {
        each!(self, cursor => cursor.is_surely_newest())
    }
    fn status(&self) -> Result<()> {
        each!(self, cursor => cursor.status())
    }
}
