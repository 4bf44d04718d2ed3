//! What the operations of a database take: a put, a get, a get of a key that is not there, a
//! step of a scan, and opening again with a full log.
//!
//! ```sh
//! cargo bench -p stage6-engine --bench operations
//! ```
//!
//! Files lie in memory, so the disk takes no part: `writes` measures with it. `cargo counts`
//! counts what is executed. Keys are 16 decimal digits, values 100 bytes.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stage6_engine::wal::vfs::{SimVfs, Vfs};
use stage6_engine::{Builder, Codec, Db, Read, SimRuntime};

const KEYS: u64 = 30_000;

fn builder() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1))).codec(Codec::None).memtable_bytes(64 << 20)
}

fn database(disk: Arc<dyn Vfs>) -> Db {
    builder().open_vfs(disk).expect("memory never fails")
}

/// Keys in an order without pattern: a step that has no divisor in common with their number.
fn key(turn: u64) -> String {
    format!("{:016}", turn * 18_973 % KEYS)
}

fn filled(disk: Arc<dyn Vfs>) -> Db {
    let db = database(disk);
    (0..KEYS).for_each(|turn| put_one(&db, &key(turn)));
    db
}

fn put_one(db: &Db, key: &str) {
    db.put(key, [b'v'; 100]).expect("memory never fails");
}

fn put(criterion: &mut Criterion) {
    let db = Db::builder().codec(Codec::None).open_in_memory().expect("memory never fails");
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let mut keys = keys.iter().cycle();
    criterion.bench_function("put", |bencher| {
        bencher.iter(|| put_one(&db, keys.next().expect("the keys never end")));
    });
}

fn get(criterion: &mut Criterion) {
    let db = filled(Arc::new(SimVfs::without_trace()));
    db.compact_range(..).expect("memory never fails");
    for (name, suffix) in [("get", ""), ("get of a missing key", "x")] {
        let keys: Vec<String> = (0..KEYS).map(|turn| key(turn) + suffix).collect();
        let mut keys = keys.iter().cycle();
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| db.get(keys.next().expect("the keys never end")));
        });
    }
    let mut cursor = db.cursor();
    criterion.bench_function("step of a scan", |bencher| {
        bencher.iter(|| {
            if !cursor.is_valid() {
                cursor.seek_to_first();
            }
            black_box(cursor.value());
            cursor.next();
        });
    });
}

fn recovery(criterion: &mut Criterion) {
    let disk = SimVfs::without_trace();
    drop(filled(Arc::new(disk.clone())));
    let image = disk.image();
    let mut group = criterion.benchmark_group("recovery");
    group.throughput(Throughput::Elements(KEYS)).sample_size(20);
    group.bench_function("of 30,000", |bencher| {
        bencher.iter(|| database(Arc::new(SimVfs::from_image(&image))));
    });
}

criterion_group!(benches, put, get, recovery);
criterion_main!(benches);
