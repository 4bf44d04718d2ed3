//! What the operations of a memtable take: an insert, a lookup of a key that is there and of
//! one that is not, and a step of a cursor.
//!
//! ```sh
//! cargo bench -p stage1-memtable
//! ```
//!
//! Keys are 16 decimal digits in an order without pattern, values 100 bytes, and the memtable
//! about 8 MiB, as the engine's is.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{Kind, MAX_SEQUENCE};
use stage1_memtable::lookup::{Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

const ENTRIES: u64 = 30_000;
const MEMTABLE_BYTES: usize = 8 << 20;

/// The keys in an order without pattern: a step of more than half of them, of which
/// they have no divisor.
fn key(turn: u64) -> [u8; 16] {
    let number = turn * 18_973 % ENTRIES;
    format!("{:016}", 2 * number).into_bytes().try_into().expect("so few keys have 16 digits")
}

fn absent(turn: u64) -> [u8; 16] {
    let mut key = key(turn);
    key[15] += 1;
    key
}

fn filled() -> Arc<MemTable> {
    let memtable = MemTable::for_bytes(MEMTABLE_BYTES);
    (0..ENTRIES).for_each(|turn| memtable.insert(turn + 1, Kind::Value, &key(turn), &[b'v'; 100]));
    Arc::new(memtable)
}

fn insert(criterion: &mut Criterion) {
    let keys: Vec<[u8; 16]> = (0..ENTRIES).map(key).collect();
    let fill = |memtable: MemTable| {
        for (key, sequence) in keys.iter().zip(1..) {
            memtable.insert(sequence, Kind::Value, key, &[b'v'; 100]);
        }
        memtable
    };
    criterion.bench_function("insert of 30,000", |bencher| {
        bencher.iter_batched(|| MemTable::for_bytes(MEMTABLE_BYTES), fill, BatchSize::LargeInput);
    });
}

fn lookup(criterion: &mut Criterion) {
    let memtable = filled();
    for (name, key) in [("lookup, there", key as fn(u64) -> [u8; 16]), ("lookup, not there", absent)] {
        let keys: Vec<[u8; 16]> = (0..ENTRIES).map(key).collect();
        let mut keys = keys.iter().cycle();
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let key = keys.next().expect("the keys never end");
                memtable.lookup(&LookupKey::new(black_box(key), MAX_SEQUENCE), &mut ())
            });
        });
    }
}

fn step(criterion: &mut Criterion) {
    let mut cursor = filled().cursor();
    criterion.bench_function("step of a cursor", |bencher| {
        bencher.iter(|| {
            if !cursor.is_valid() {
                cursor.seek_to_first();
            }
            black_box(cursor.value());
            cursor.next();
        });
    });
}

criterion_group!(benches, insert, lookup, step);
criterion_main!(benches);
