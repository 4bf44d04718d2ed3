//! Walks over a table, one block in hand.
//!
//! ```text
//!   index     sep 0     sep 1     sep 2
//!               │         │         │
//!   blocks    [0 …]     [1 … ● …]  [2 …]
//!                            └─ the cursor: ordinal 1, a position in block 1
//! ```

use std::sync::Arc;

use bytes::Bytes;
use stage2_wal::coding::Malformed;
use stage2_wal::memtable::cursor::Cursor;
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::{InternalKey, Kind};

use super::ahead::Ahead;
use super::reader::Table;
use crate::block::BlockCursor;

/// A cursor over a table. It keeps the table open.
#[derive(Debug)]
pub struct TableCursor {
    table: Arc<Table>,
    source: BlockSource,
    /// Which block is in hand.
    ordinal: usize,
    block: BlockCursor,
    /// What it reads of the file, once it does.
    ahead: Option<Box<Ahead>>,
    /// The failure that ended this cursor. Once it is set, the cursor stands on
    /// no entry and no seek changes that (INV-CURSOR-3).
    failure: Option<Error>,
}

/// Where a cursor gets its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockSource {
    /// From the cache, which keeps what was read.
    Cache,
    /// From the file, leaving the cache as it is.
    File,
}

impl TableCursor {
    pub(super) fn new(table: Arc<Table>, source: BlockSource) -> TableCursor {
        TableCursor { table, source, ordinal: 0, block: BlockCursor::default(), ahead: None, failure: None }
    }

    /// Takes the block with this ordinal in hand and moves within it. Behind
    /// either end of the table, and after a failure, no block is in hand.
    fn enter(
        &mut self,
        ordinal: Option<usize>,
        move_to: impl FnOnce(&mut BlockCursor) -> Result<bool, Malformed>,
    ) {
        self.block.leave();
        if self.failure.is_some() {
            return;
        }
        let Some(ordinal) = ordinal.filter(|at| *at < self.table.index.len()) else { return };
        self.ordinal = ordinal;
        let block = match self.source {
            BlockSource::Cache => self.table.block(ordinal, &mut self.ahead),
            BlockSource::File => self.table.block_past_cache(ordinal, &mut self.ahead),
        };
        match block {
            Ok(block) => {
                self.block.enter(block);
                if let Err(what) = move_to(&mut self.block) {
                    self.fail(what);
                }
            }
            Err(error) => self.failure = Some(error),
        }
    }

    /// Goes on behind the block in hand: once for some thirty steps.
    #[cold]
    fn enter_next(&mut self) {
        self.enter(self.ordinal.checked_add(1), BlockCursor::seek_to_first);
    }

    #[cold]
    fn enter_previous(&mut self) {
        self.enter(self.ordinal.checked_sub(1), BlockCursor::seek_to_last);
    }

    /// Ends the cursor: the block turned out to be damaged.
    #[cold]
    fn fail(&mut self, what: Malformed) {
        self.failure = Some(self.table.damage(what, self.ordinal));
        self.block.leave();
    }
}

impl Cursor for TableCursor {
    fn seek_to_first(&mut self) {
        self.enter(Some(0), BlockCursor::seek_to_first);
    }

    fn seek_to_last(&mut self) {
        self.enter(self.table.index.len().checked_sub(1), BlockCursor::seek_to_last);
    }

    fn seek(&mut self, target: InternalKey<'_>) {
        let ordinal = self.table.index.find(target);
        self.enter(Some(ordinal), |block| block.seek(target));
        // The separator may lie above the last key of its block, and the target
        // between the two: then the next block begins with the answer.
        if !self.block.is_valid() {
            self.enter(ordinal.checked_add(1), BlockCursor::seek_to_first);
        }
    }

    #[inline]
    fn next(&mut self) {
        if !self.block.is_valid() {
            return;
        }
        match self.block.advance() {
            Ok(true) => {}
            Ok(false) => self.enter_next(),
            Err(what) => self.fail(what),
        }
    }

    #[inline]
    fn prev(&mut self) {
        if !self.block.is_valid() {
            return;
        }
        match self.block.retreat() {
            Ok(true) => {}
            Ok(false) => self.enter_previous(),
            Err(what) => self.fail(what),
        }
    }

    #[inline]
    fn is_valid(&self) -> bool {
        self.block.is_valid()
    }

    #[inline]
    fn key(&self) -> InternalKey<'_> {
        self.block.key().expect("the caller checked is_valid()")
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.block.kind().expect("the caller checked is_valid()")
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.block.value().expect("the caller checked is_valid()")
    }

    fn value_owned(&self) -> Bytes {
        self.block.value_owned().expect("the caller checked is_valid()")
    }

    #[inline]
    fn standing(&self) -> Option<(InternalKey<'_>, Kind)> {
        self.block.standing()
    }

    #[inline]
    fn is_surely_newest(&self) -> bool {
        self.block.is_surely_newest()
    }

    fn status(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}
