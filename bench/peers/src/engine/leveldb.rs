//! LevelDB, in C++, by the C interface of Debian's `libleveldb-dev`.
//!
//! | setting | here |
//! |---|---|
//! | durability | its default: `write()` of each record to the log, no sync; `set_sync(1)` for `Disk` |
//! | compression | none; its default is Snappy |
//! | cache | `cache_create_lru`. The first 1,000 tables are mapped besides |
//! | filter | `filterpolicy_create_bloom`; its default is none |
//! | write buffer | 64 MiB; its default is 4 MiB |
//! | instructions | Debian's build, for any x86-64: it measures as fast as one optimised for the machine, as it checks no checksum when it reads |
//!
//! It offers no flush. What it keeps in its log becomes tables at the next open.
//!
//! **INV-PEERS-2** Every pointer here came from the library, is not null, and is
//! released by its owner's `Drop` alone. An owner lends it only to calls that end
//! before the owner does.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use super::{Durability, Engine, FILTER_BITS, Outcome, PEERS_WRITE_BUFFER_BYTES, Seen, Settings};
use crate::keys::Key;

/// The functions of `leveldb/c.h` that are used, as they are declared there.
mod c {
    use std::ffi::{c_char, c_int};

    macro_rules! opaque {
        ($($name:ident)*) => { $(#[repr(C)] pub(super) struct $name { _private: [u8; 0] })* };
    }
    opaque! { Db Cache FilterPolicy Iterator Options ReadOptions WriteBatch WriteOptions }

    #[link(name = "leveldb")]
    unsafe extern "C" {
        pub(super) fn leveldb_open(
            o: *const Options,
            name: *const c_char,
            error: *mut *mut c_char,
        ) -> *mut Db;
        pub(super) fn leveldb_close(db: *mut Db);
        pub(super) fn leveldb_put(
            db: *mut Db,
            o: *const WriteOptions,
            key: *const c_char,
            key_length: usize,
            value: *const c_char,
            value_length: usize,
            error: *mut *mut c_char,
        );
        pub(super) fn leveldb_delete(
            db: *mut Db,
            o: *const WriteOptions,
            key: *const c_char,
            key_length: usize,
            error: *mut *mut c_char,
        );
        pub(super) fn leveldb_write(
            db: *mut Db,
            o: *const WriteOptions,
            batch: *mut WriteBatch,
            error: *mut *mut c_char,
        );
        pub(super) fn leveldb_get(
            db: *mut Db,
            o: *const ReadOptions,
            key: *const c_char,
            key_length: usize,
            value_length: *mut usize,
            error: *mut *mut c_char,
        ) -> *mut c_char;
        pub(super) fn leveldb_free(pointer: *mut c_char);

        pub(super) fn leveldb_create_iterator(db: *mut Db, o: *const ReadOptions) -> *mut Iterator;
        pub(super) fn leveldb_iter_destroy(i: *mut Iterator);
        pub(super) fn leveldb_iter_valid(i: *const Iterator) -> u8;
        pub(super) fn leveldb_iter_seek(i: *mut Iterator, key: *const c_char, key_length: usize);
        pub(super) fn leveldb_iter_seek_to_last(i: *mut Iterator);
        pub(super) fn leveldb_iter_next(i: *mut Iterator);
        pub(super) fn leveldb_iter_prev(i: *mut Iterator);
        pub(super) fn leveldb_iter_key(i: *const Iterator, length: *mut usize) -> *const c_char;
        pub(super) fn leveldb_iter_value(i: *const Iterator, length: *mut usize) -> *const c_char;
        pub(super) fn leveldb_iter_get_error(i: *const Iterator, error: *mut *mut c_char);

        pub(super) fn leveldb_writebatch_create() -> *mut WriteBatch;
        pub(super) fn leveldb_writebatch_destroy(batch: *mut WriteBatch);
        pub(super) fn leveldb_writebatch_put(
            batch: *mut WriteBatch,
            key: *const c_char,
            key_length: usize,
            value: *const c_char,
            value_length: usize,
        );

        pub(super) fn leveldb_options_create() -> *mut Options;
        pub(super) fn leveldb_options_destroy(o: *mut Options);
        pub(super) fn leveldb_options_set_create_if_missing(o: *mut Options, create: u8);
        pub(super) fn leveldb_options_set_filter_policy(o: *mut Options, policy: *mut FilterPolicy);
        pub(super) fn leveldb_options_set_write_buffer_size(o: *mut Options, bytes: usize);
        pub(super) fn leveldb_options_set_cache(o: *mut Options, cache: *mut Cache);
        pub(super) fn leveldb_options_set_compression(o: *mut Options, compression: c_int);
        pub(super) fn leveldb_filterpolicy_create_bloom(bits_per_key: c_int) -> *mut FilterPolicy;
        pub(super) fn leveldb_filterpolicy_destroy(policy: *mut FilterPolicy);
        pub(super) fn leveldb_cache_create_lru(capacity: usize) -> *mut Cache;
        pub(super) fn leveldb_cache_destroy(cache: *mut Cache);
        pub(super) fn leveldb_readoptions_create() -> *mut ReadOptions;
        pub(super) fn leveldb_readoptions_destroy(o: *mut ReadOptions);
        pub(super) fn leveldb_writeoptions_create() -> *mut WriteOptions;
        pub(super) fn leveldb_writeoptions_destroy(o: *mut WriteOptions);
        pub(super) fn leveldb_writeoptions_set_sync(o: *mut WriteOptions, sync: u8);
    }
}

/// `leveldb_no_compression`.
const NO_COMPRESSION: c_int = 0;

pub(super) fn open(directory: &Path, settings: Settings) -> Outcome<Box<dyn Engine>> {
    let parts = Parts::new(settings)?;
    let name = CString::new(directory.as_os_str().as_encoded_bytes())?;
    // SAFETY: INV-PEERS-2; the name ends with a zero and is copied by the call.
    let database = checked(|error| unsafe { c::leveldb_open(parts.options.as_ptr(), name.as_ptr(), error) })?;
    Ok(Box::new(LevelDb { database: non_null(database)?, parts }))
}

/// What a database is opened with, and needs until it is closed.
struct Parts {
    options: NonNull<c::Options>,
    cache: NonNull<c::Cache>,
    filter: NonNull<c::FilterPolicy>,
    read_options: NonNull<c::ReadOptions>,
    write_options: NonNull<c::WriteOptions>,
}

impl Parts {
    fn new(settings: Settings) -> Outcome<Parts> {
        let buffer = settings.write_buffer_bytes.unwrap_or(PEERS_WRITE_BUFFER_BYTES);
        let sync = u8::from(settings.durability == Durability::Disk);
        // SAFETY: the constructors take no pointers; the setters take those just made.
        unsafe {
            let parts = Parts {
                options: non_null(c::leveldb_options_create())?,
                cache: non_null(c::leveldb_cache_create_lru(settings.cache_bytes))?,
                filter: non_null(c::leveldb_filterpolicy_create_bloom(c_int::from(FILTER_BITS)))?,
                read_options: non_null(c::leveldb_readoptions_create())?,
                write_options: non_null(c::leveldb_writeoptions_create())?,
            };
            let options = parts.options.as_ptr();
            c::leveldb_options_set_create_if_missing(options, 1);
            c::leveldb_options_set_compression(options, NO_COMPRESSION);
            c::leveldb_options_set_write_buffer_size(options, buffer);
            c::leveldb_options_set_cache(options, parts.cache.as_ptr());
            c::leveldb_options_set_filter_policy(options, parts.filter.as_ptr());
            c::leveldb_writeoptions_set_sync(parts.write_options.as_ptr(), sync);
            Ok(parts)
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // SAFETY: INV-PEERS-2; a database is closed before its parts are dropped.
        unsafe {
            c::leveldb_options_destroy(self.options.as_ptr());
            c::leveldb_cache_destroy(self.cache.as_ptr());
            c::leveldb_filterpolicy_destroy(self.filter.as_ptr());
            c::leveldb_readoptions_destroy(self.read_options.as_ptr());
            c::leveldb_writeoptions_destroy(self.write_options.as_ptr());
        }
    }
}

struct LevelDb {
    database: NonNull<c::Db>,
    parts: Parts,
}

// SAFETY: `leveldb/db.h` and `leveldb/cache.h` allow calls from many threads at
// once; the options are only read after they were set.
unsafe impl Send for LevelDb {}
// SAFETY: as above.
unsafe impl Sync for LevelDb {}

impl Drop for LevelDb {
    fn drop(&mut self) {
        // SAFETY: INV-PEERS-2; every cursor borrows the database and is gone.
        unsafe { c::leveldb_close(self.database.as_ptr()) }
    }
}

impl Engine for LevelDb {
    fn put(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        // SAFETY: INV-PEERS-2; key and value are copied by the call.
        checked(|error| unsafe {
            c::leveldb_put(
                self.database.as_ptr(),
                self.parts.write_options.as_ptr(),
                key.as_ptr().cast(),
                key.len(),
                value.as_ptr().cast(),
                value.len(),
                error,
            );
        })
    }

    fn delete(&self, key: &[u8]) -> Outcome<()> {
        let (database, options) = (self.database.as_ptr(), self.parts.write_options.as_ptr());
        // SAFETY: INV-PEERS-2; the key is copied by the call.
        checked(|error| unsafe {
            c::leveldb_delete(database, options, key.as_ptr().cast(), key.len(), error);
        })
    }

    fn write_batch(&self, records: &[(Key, &[u8])]) -> Outcome<()> {
        let batch = Batch::of(records)?;
        let (database, options) = (self.database.as_ptr(), self.parts.write_options.as_ptr());
        // SAFETY: INV-PEERS-2.
        checked(|error| unsafe { c::leveldb_write(database, options, batch.0.as_ptr(), error) })
    }

    fn get(&self, key: &[u8], seen: &mut Seen) -> Outcome<()> {
        let (database, options) = (self.database.as_ptr(), self.parts.read_options.as_ptr());
        let mut length = 0;
        // SAFETY: INV-PEERS-2; the key is only read by the call.
        let value = checked(|error| unsafe {
            c::leveldb_get(database, options, key.as_ptr().cast(), key.len(), &raw mut length, error)
        })?;
        if !value.is_null() {
            // SAFETY: a value that is not null is an array of `length` bytes, ours to free.
            unsafe {
                seen.see(key, slice::from_raw_parts(value.cast(), length));
                c::leveldb_free(value);
            }
        }
        Ok(())
    }

    fn scan(&self, key: &[u8], limit: u64, seen: &mut Seen) -> Outcome<()> {
        let cursor = Cursor::new(self)?;
        // SAFETY: INV-PEERS-2; the key is only read by the call.
        unsafe { c::leveldb_iter_seek(cursor.iterator.as_ptr(), key.as_ptr().cast(), key.len()) };
        cursor.show(c::leveldb_iter_next, limit, seen)
    }

    fn scan_back(&self, limit: u64, seen: &mut Seen) -> Outcome<()> {
        let cursor = Cursor::new(self)?;
        // SAFETY: INV-PEERS-2.
        unsafe { c::leveldb_iter_seek_to_last(cursor.iterator.as_ptr()) };
        cursor.show(c::leveldb_iter_prev, limit, seen)
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}

struct Batch(NonNull<c::WriteBatch>);

impl Batch {
    fn of(records: &[(Key, &[u8])]) -> Outcome<Batch> {
        // SAFETY: takes no pointers.
        let batch = Batch(non_null(unsafe { c::leveldb_writebatch_create() })?);
        for (key, value) in records {
            let (key_pointer, value_pointer) = (key.as_ptr().cast(), value.as_ptr().cast());
            // SAFETY: INV-PEERS-2; key and value are copied by the call.
            unsafe {
                c::leveldb_writebatch_put(
                    batch.0.as_ptr(),
                    key_pointer,
                    key.len(),
                    value_pointer,
                    value.len(),
                );
            }
        }
        Ok(batch)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: INV-PEERS-2.
        unsafe { c::leveldb_writebatch_destroy(self.0.as_ptr()) }
    }
}

struct Cursor<'a> {
    iterator: NonNull<c::Iterator>,
    _database: &'a LevelDb,
}

impl<'a> Cursor<'a> {
    fn new(database: &'a LevelDb) -> Outcome<Cursor<'a>> {
        let options = database.parts.read_options.as_ptr();
        // SAFETY: INV-PEERS-2; the database is borrowed as long as the cursor lives.
        let iterator = unsafe { c::leveldb_create_iterator(database.database.as_ptr(), options) };
        Ok(Cursor { iterator: non_null(iterator)?, _database: database })
    }

    fn show(&self, step: unsafe extern "C" fn(*mut c::Iterator), limit: u64, seen: &mut Seen) -> Outcome<()> {
        let iterator = self.iterator.as_ptr();
        for _ in 0..limit {
            // SAFETY: INV-PEERS-2; key and value are asked for while the iterator is
            // valid, and stay where they are until it moves.
            unsafe {
                if c::leveldb_iter_valid(iterator) == 0 {
                    break;
                }
                let (mut key_length, mut value_length) = (0, 0);
                let key = c::leveldb_iter_key(iterator, &raw mut key_length);
                let value = c::leveldb_iter_value(iterator, &raw mut value_length);
                let key = slice::from_raw_parts(key.cast(), key_length);
                seen.see(key, slice::from_raw_parts(value.cast(), value_length));
                step(iterator);
            }
        }
        // SAFETY: INV-PEERS-2.
        checked(|error| unsafe { c::leveldb_iter_get_error(iterator, error) })
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // SAFETY: INV-PEERS-2.
        unsafe { c::leveldb_iter_destroy(self.iterator.as_ptr()) }
    }
}

/// Makes a call, and an error of the message it left.
fn checked<T>(call: impl FnOnce(*mut *mut c_char) -> T) -> Outcome<T> {
    let mut message = ptr::null_mut();
    let answer = call(&raw mut message);
    if message.is_null() {
        return Ok(answer);
    }
    // SAFETY: a message ends with a zero, and is ours to free.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        c::leveldb_free(message);
        Err(text.into())
    }
}

fn non_null<T>(pointer: *mut T) -> Outcome<NonNull<T>> {
    NonNull::new(pointer).ok_or_else(|| "LevelDB returned no object".into())
}
