//! A table with a filter in front of it.
//!
//! ```text
//!   000002.sst   data blocks · meta blocks · metaindex · index · footer
//!                               │
//!                               └─ "filter.blocked"
//!
//!   add(key, kind, value) ──▶ TableBuilder                    finish()
//!            └─ hash, once per user key ──▶ policy.build ──▶ meta block
//!
//!   lookup(key) ──▶ filter? ── certainly not ──▶ Absent
//!                      └────── perhaps, or no filter ──▶ Table
//! ```
//!
//! The table below never hears the word filter, and the filter never sees a key:
//! they meet in the meta block's name and in the hash that a
//! [`LookupKey`] carries.
//!
//! - **INV-FILTERED-1** With the filter and without it a table gives the same
//!   answer to every question.
//! - **INV-FILTERED-2** A deletion's key is in the filter like any other. Were it
//!   left out, the filter would say "certainly not", the lookup would go on to an
//!   older table, and the value that the deletion hides would be back.
//!
//! Damage of a filter is damage of its file, and opening says so: a filter that
//! were skipped in silence would cost a block read per lookup and nobody would
//! know why. Only a kind that is not known here is passed over.

use std::fmt;
use std::sync::Arc;

use stage3_sstable::cache::BlockCache;
use stage3_sstable::memtable::cursor::Cursor;
use stage3_sstable::memtable::error::{Error, Result};
use stage3_sstable::memtable::hash::hash_key;
use stage3_sstable::memtable::key::{InternalKey, Kind};
use stage3_sstable::memtable::lookup::{Answer, Lookup, LookupKey, Observer, Touch};
use stage3_sstable::table::{Table, TableBuilder, TableCursor, TableOptions, TableReport, TableSummary};
use stage3_sstable::wal::vfs::{AppendFile, ReadFile};

use crate::blocked::Blocked;
use crate::filter::Filter;
use crate::policy::{FilterPolicy, meta_block_name};

/// What the writer of a table chooses.
#[derive(Debug, Clone)]
pub struct FilteredTableOptions {
    /// The options of the table itself.
    pub table: TableOptions,
    /// What builds the filter; `None` for a table without. A blocked filter of
    /// 10 bits a key unless set.
    pub filter: Option<Arc<dyn FilterPolicy>>,
}

impl Default for FilteredTableOptions {
    fn default() -> FilteredTableOptions {
        FilteredTableOptions { table: TableOptions::default(), filter: Some(Arc::new(Blocked::default())) }
    }
}

/// Writes a table and its filter.
pub struct FilteredTableBuilder {
    table: TableBuilder,
    policy: Option<Arc<dyn FilterPolicy>>,
    /// One for each user key so far; none without a policy.
    hashes: Vec<u64>,
}

impl FilteredTableBuilder {
    /// Writes a table into `file`, which is empty. `name` is how messages name
    /// the file, `salt` is what its checksums cover.
    pub fn new(file: Arc<dyn AppendFile>, name: String, salt: u32, options: FilteredTableOptions) -> Self {
        FilteredTableBuilder {
            table: TableBuilder::new(file, name, salt, options.table),
            policy: options.filter,
            hashes: Vec::new(),
        }
    }

    /// Adds an entry behind the last one, and its key to the filter, of whatever
    /// kind it is (INV-FILTERED-2).
    ///
    /// # Errors
    /// As [`TableBuilder::add`].
    #[inline]
    pub fn add(&mut self, key: InternalKey<'_>, kind: Kind, value: &[u8]) -> Result<()> {
        self.table.add(key, kind, value)?;
        if self.policy.is_some() {
            self.keep_hash(hash_key(key.user_key));
        }
        Ok(())
    }

    /// The versions of a key stand together, so the last hash is the only one to
    /// compare with. Comparing hashes instead of keys is exact here: the bits of a key
    /// depend on nothing but its hash, so two keys of one hash set the same ones.
    fn keep_hash(&mut self, hash: u64) {
        if self.hashes.last() != Some(&hash) {
            self.hashes.push(hash);
        }
    }

    /// Adds a meta block beside the filter's. See
    /// [`TableBuilder::add_meta_block`].
    pub fn add_meta_block(&mut self, name: &str, contents: Vec<u8>) {
        self.table.add_meta_block(name, contents);
    }

    /// The last key added.
    pub fn last_key(&self) -> Option<InternalKey<'_>> {
        self.table.last_key()
    }

    /// About how long the file would be if it were finished now, in bytes,
    /// without filter, index and footer.
    pub fn size_bytes(&self) -> u64 {
        self.table.size_bytes()
    }

    /// How many entries were added.
    pub fn entries(&self) -> u64 {
        self.table.entries()
    }

    /// Builds the filter and completes the file. Does not sync it.
    ///
    /// # Errors
    /// As [`TableBuilder::finish`].
    pub fn finish(mut self) -> Result<TableSummary> {
        if let Some(policy) = &self.policy {
            self.table.add_meta_block(&meta_block_name(policy.name()), policy.build(&self.hashes));
        }
        self.table.finish()
    }
}

impl fmt::Debug for FilteredTableBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilteredTableBuilder")
            .field("policy", &self.policy)
            .field("entries", &self.entries())
            .field("hashes", &self.hashes.len())
            .finish()
    }
}

/// A table that asks its filter first.
///
/// ```
/// use std::sync::Arc;
/// use stage4_bloom::filtered::{FilteredTable, FilteredTableBuilder, FilteredTableOptions};
/// use stage4_bloom::memtable::key::{InternalKey, Kind};
/// use stage4_bloom::memtable::lookup::{Answer, Lookup, LookupKey, Touch};
/// use stage4_bloom::sstable::cache::BlockCache;
/// use stage4_bloom::wal::vfs::{FileId, SimVfs, Vfs};
///
/// let (vfs, file, salt) = (SimVfs::without_trace(), FileId::Table(2), 7);
/// let options = FilteredTableOptions::default();
/// let mut builder = FilteredTableBuilder::new(vfs.create(file)?, vfs.describe(file), salt, options);
/// builder.add(InternalKey::new(b"fig", 1), Kind::Value, b"green")?;
/// builder.add(InternalKey::new(b"plum", 2), Kind::Value, b"blue")?;
/// builder.finish()?;
///
/// let cache = Arc::new(BlockCache::new(1 << 20));
/// let table = FilteredTable::open(vfs.open(file)?, salt, 2, cache)?;
/// let mut touched = Vec::new();
/// let answer = table.lookup(&LookupKey::new(b"kiwi", 9), &mut touched)?;
/// assert_eq!(answer, Answer::Absent);
/// assert_eq!(touched, [Touch::Filter { may_contain: false }]);
/// # Ok::<(), stage4_bloom::memtable::Error>(())
/// ```
#[derive(Debug)]
pub struct FilteredTable {
    table: Arc<Table>,
    /// `None` when the file carries no filter of a known kind.
    filter: Option<Filter>,
}

impl FilteredTable {
    /// Opens the table in `file` with the filter that it carries, whatever the
    /// options of writers are now.
    ///
    /// # Errors
    /// As [`Table::open`], and [`Corruption`](Error::Corruption) when the filter
    /// is damaged or malformed.
    pub fn open(file: Arc<dyn ReadFile>, salt: u32, number: u64, cache: Arc<BlockCache>) -> Result<Self> {
        let table = Arc::new(Table::open(file, salt, number, cache)?);
        let filter = open_filter(&table)?;
        Ok(FilteredTable { table, filter })
    }

    /// A cursor over the whole table; it stands on no entry yet. A filter has no
    /// part in it.
    pub fn cursor(&self) -> TableCursor {
        self.table.cursor()
    }

    /// The table behind the filter.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The filter, if the file carries one of a known kind.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// How much memory the filter occupies; 0 without one.
    pub fn filter_bytes(&self) -> usize {
        self.filter.as_ref().map_or(0, Filter::size_bytes)
    }

    /// Reads the whole file, past the cache, and checks it; then asks the filter that
    /// was opened for every key of the table. A checksum says that the filter is the one
    /// that was written, and only this says that it was the right one.
    ///
    /// # Errors
    /// As [`Table::verify`], and [`Corruption`](Error::Corruption) when the
    /// filter denies a key that the table holds.
    pub fn verify(&self) -> Result<TableReport> {
        let report = self.table.verify()?;
        if let Some(filter) = &self.filter {
            self.verify_filter(filter)?;
        }
        Ok(report)
    }

    /// Checks INV-FILTER-1 for the keys of this table.
    fn verify_filter(&self, filter: &Filter) -> Result<()> {
        let mut cursor = self.table.cursor_past_cache();
        cursor.seek_to_first();
        while cursor.is_valid() {
            let key = cursor.key();
            if !filter.may_contain(hash_key(key.user_key)) {
                return Err(malformed_filter(&self.table, filter.name(), format_args!("it denies {key:?}")));
            }
            cursor.next();
        }
        cursor.status()
    }
}

impl Lookup for FilteredTable {
    #[inline]
    fn lookup<O: Observer>(&self, key: &LookupKey<'_>, observer: &mut O) -> Result<Answer> {
        if let Some(filter) = &self.filter {
            let may_contain = filter.may_contain(key.hash);
            observer.observe(|| Touch::Filter { may_contain });
            if !may_contain {
                return Ok(Answer::Absent);
            }
        }
        self.table.lookup(key, observer)
    }
}

/// The best of the known filters that `table` carries.
fn open_filter(table: &Table) -> Result<Option<Filter>> {
    for name in Filter::KNOWN {
        if let Some(bytes) = table.meta_block(&meta_block_name(name))? {
            return Filter::open(name, &bytes).map_err(|malformed| malformed_filter(table, name, malformed));
        }
    }
    Ok(None)
}

/// The offset is the file's beginning, because only the table knows where its
/// meta blocks lie; the message names the block instead.
fn malformed_filter(table: &Table, name: &str, what: impl fmt::Display) -> Error {
    Error::corruption(table.name(), 0, format!("meta block {}: {what}", meta_block_name(name)))
}

#[cfg(test)]
mod tests;
