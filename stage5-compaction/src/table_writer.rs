//! Pours sorted entries into tables.
//!
//! ```text
//!   (apple,9) (apple,4) … (fig,5) ┃ (grape,7) … (kiwi,2) ┃ (lemon,1) …
//!   └──────── 000012.sst ───────┘ ┃ └── 000013.sst ────┘ ┃
//!                                 └ between two user keys, at the target size
//! ```
//!
//! **INV-WRITER-1** All versions of a user key go into one table, however large:
//! were they split, the two tables of a level would overlap (INV-VERSION-1), and
//! a lookup that asks one file a level would miss the versions in the other.
//!
//! **INV-WRITER-2** A [`NewTable`] is synced: it can only be had from here, and its
//! file is closed by then. So a merge of any size holds one file open, and nobody
//! who edits has to wait for a table's sync.

use std::sync::Arc;

use stage4_bloom::filtered::{FilteredTableBuilder, FilteredTableOptions};
use stage4_bloom::memtable::error::Result;
use stage4_bloom::memtable::key::{InternalKey, Kind};
use stage4_bloom::wal::identity::{DatabaseId, file_salt};
use stage4_bloom::wal::vfs::{AppendFile, FileId, Vfs};

use crate::file::{FileMeta, FileNumbers};

/// A table that is complete and synced, whose name may not yet be durable, and
/// which is in no version.
#[derive(Debug, Clone)]
pub struct NewTable {
    /// What the manifest will say about it.
    pub meta: FileMeta,
}

/// Where tables are made, and how.
#[derive(Debug, Clone)]
pub struct TableFactory {
    /// The directory.
    pub vfs: Arc<dyn Vfs>,
    /// The database that they will belong to.
    pub database: DatabaseId,
    /// Where their numbers come from.
    pub numbers: FileNumbers,
    /// How they are laid out.
    pub options: FilteredTableOptions,
}

/// Writes entries into as many tables as the target size asks for.
#[derive(Debug)]
pub struct TableWriter<'a> {
    factory: &'a TableFactory,
    target_bytes: u64,
    open: Option<OpenTable>,
    done: Vec<NewTable>,
}

#[derive(Debug)]
struct OpenTable {
    number: u64,
    file: Arc<dyn AppendFile>,
    builder: FilteredTableBuilder,
}

impl<'a> TableWriter<'a> {
    /// Begins a new table once one has reached `target_bytes`.
    pub fn new(factory: &'a TableFactory, target_bytes: u64) -> TableWriter<'a> {
        TableWriter { factory, target_bytes, open: None, done: Vec::new() }
    }

    /// Adds an entry behind the last one.
    ///
    /// # Errors
    /// That of the file. Nothing written so far is in any version; call
    /// [`discard`](TableWriter::discard).
    #[inline]
    pub fn add(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) -> Result<()> {
        if self.is_full_before(key.user_key) {
            self.close_table()?;
        }
        let table = match &mut self.open {
            Some(table) => table,
            none => none.insert(self.factory.create()?),
        };
        table.builder.add(key, kind, value)
    }

    /// The tables, complete and synced.
    ///
    /// # Errors
    /// As [`add`](TableWriter::add).
    pub fn finish(&mut self) -> Result<Vec<NewTable>> {
        self.close_table()?;
        Ok(std::mem::take(&mut self.done))
    }

    /// Removes what was written, after a failure. What cannot be removed now is
    /// an orphan, which the next open removes.
    pub fn discard(self) {
        let done = self.done.iter().map(|table| table.meta.number);
        for number in done.chain(self.open.iter().map(|table| table.number)) {
            let _orphan_for_the_next_open = self.factory.vfs.remove(FileId::Table(number));
        }
    }

    #[inline]
    fn is_full_before(&self, user_key: &[u8]) -> bool {
        let Some(OpenTable { builder, .. }) = &self.open else { return false };
        let full = builder.size_bytes() >= self.target_bytes;
        full && builder.last_key().is_some_and(|last| last.user_key != user_key)
    }

    fn close_table(&mut self) -> Result<()> {
        let Some(table) = self.open.take() else { return Ok(()) };
        let OpenTable { number, file, builder, .. } = table;
        match builder.finish().and_then(|summary| file.sync().map(|()| summary)) {
            Ok(summary) => {
                self.done.push(NewTable { meta: FileMeta::of(number, &summary) });
                Ok(())
            }
            Err(error) => {
                let _orphan_for_the_next_open = self.factory.vfs.remove(FileId::Table(number));
                Err(error)
            }
        }
    }
}

impl TableFactory {
    fn create(&self) -> Result<OpenTable> {
        let number = self.numbers.take();
        let id = FileId::Table(number);
        let file = self.vfs.create(id)?;
        let salt = file_salt(self.database, number);
        let name = self.vfs.describe(id);
        let builder = FilteredTableBuilder::new(Arc::clone(&file), name, salt, self.options.clone());
        Ok(OpenTable { number, file, builder })
    }
}
