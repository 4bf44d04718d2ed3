//! What a filter takes: building one of 30,000 keys, and asking it for a key that is there and
//! for one that is not.
//!
//! ```sh
//! cargo bench -p stage4-bloom
//! ```
//!
//! Both policies have 10 bits a key. The hash of a key is made once for each get, elsewhere.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stage4_bloom::blocked::Blocked;
use stage4_bloom::bloom::Bloom;
use stage4_bloom::filter::Filter;
use stage4_bloom::memtable::hash::hash_key;
use stage4_bloom::policy::FilterPolicy;

const KEYS: u64 = 30_000;

fn hashes(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    numbers.map(|number| hash_key(format!("{number:016}").as_bytes())).collect()
}

fn filter(criterion: &mut Criterion, policy: &dyn FilterPolicy) {
    let present = hashes(0..KEYS);
    let absent = hashes(KEYS..2 * KEYS);
    let name = policy.name();
    criterion.bench_function(&format!("{name}: build of 30,000"), |bencher| {
        bencher.iter(|| policy.build(black_box(&present)));
    });
    let filter = Filter::open(name, &policy.build(&present)).expect("it was just built");
    let filter = filter.expect("its policy is known");
    for (what, hashes) in [("there", &present), ("not there", &absent)] {
        let mut hashes = hashes.iter().cycle();
        criterion.bench_function(&format!("{name}: a key that is {what}"), |bencher| {
            bencher.iter(|| filter.may_contain(*hashes.next().expect("the keys never end")));
        });
    }
}

fn blocked(criterion: &mut Criterion) {
    filter(criterion, &Blocked::new(10));
}

fn bloom(criterion: &mut Criterion) {
    filter(criterion, &Bloom::new(10));
}

criterion_group!(benches, blocked, bloom);
criterion_main!(benches);
