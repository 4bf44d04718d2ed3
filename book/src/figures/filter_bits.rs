//! The bits of a small filter: who set them, and who finds one unset.

use std::collections::BTreeSet;

use stage1_memtable::hash::hash_key;
use stage2_wal::coding::Decoder;
use stage4_bloom::bloom::{Bloom, BloomFilter};
use stage4_bloom::policy::FilterPolicy;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

const BITS_PER_KEY: u32 = 8;
const KEYS: [&str; 8] = ["apple", "banana", "cherry", "fig", "kiwi", "lemon", "mango", "plum"];
const ASKED: [&str; 3] = ["fig", "grape", "pear"];
const CELL: f64 = 17.0;
const COLUMNS: usize = 32;

pub(super) fn draw() -> Drawn {
    let all = Bloom::new(BITS_PER_KEY).build(&KEYS.map(|key| hash_key(key.as_bytes())));
    let filter = BloomFilter::decode(&all).map_err(|malformed| malformed.what)?;
    let set = set_bits(&all)?;
    let mut drawing = Drawing::new();
    drawing.words("", Anchor::Start, (0.0, 12.0), format!("set by {}", KEYS.join(", ")));
    grid(&mut drawing, 22.0, set.1, |bit| if set.0.contains(&bit) { "k0" } else { "box" });
    let rows = set.1.div_ceil(COLUMNS) as f64;
    let mut top = 22.0 + rows * CELL + 30.0;
    let mut words =
        vec![format!("A filter of {} bits, {} of them set by {} keys.", set.1, set.0.len(), KEYS.len())];
    // And one that is let through although it is not there: it is looked for until it is found.
    let unlucky = (0..10_000).map(|number| format!("fruit {number}"));
    let unlucky = unlucky.filter(|key| filter.may_contain(hash_key(key.as_bytes()))).take(1);
    for key in ASKED.map(str::to_owned).into_iter().chain(unlucky) {
        let hash = hash_key(key.as_bytes());
        let own = positions(hash)?;
        let unset: Vec<usize> = own.difference(&set.0).copied().collect();
        let verdict = match (filter.may_contain(hash), KEYS.contains(&key.as_str())) {
            (false, _) => "certainly not",
            (true, true) => "perhaps, and it is there",
            (true, false) => "perhaps, and it is not there",
        };
        drawing.words("", Anchor::Start, (0.0, top), format!("{key}? {verdict}"));
        grid(&mut drawing, top + 8.0, set.1, |bit| match (own.contains(&bit), set.0.contains(&bit)) {
            (true, true) => "k1",
            (true, false) => "k3",
            (false, true) => "k7",
            (false, false) => "box",
        });
        words.push(format!("{key} has {} positions, {} of them unset: {verdict}.", own.len(), unset.len()));
        top += rows * CELL + 36.0;
    }
    Ok((drawing, words.join(" ")))
}

fn grid<'a>(drawing: &mut Drawing, top: f64, bits: usize, class_of: impl Fn(usize) -> &'a str) {
    for bit in 0..bits {
        let (row, column) = (bit / COLUMNS, bit % COLUMNS);
        let area = Area::new(column as f64 * CELL, top + row as f64 * CELL, CELL - 2.0, CELL - 2.0);
        drawing.area(class_of(bit), area);
    }
}

/// The positions of one key: the bits of a filter as large as the other, with this key alone.
fn positions(hash: u64) -> Result<BTreeSet<usize>, String> {
    set_bits(&Bloom::new(BITS_PER_KEY).build(&[hash; KEYS.len()])).map(|(set, _)| set)
}

/// Which bits of a filter are set, and how many it has.
fn set_bits(filter: &[u8]) -> Result<(BTreeSet<usize>, usize), String> {
    let mut decoder = Decoder::new(filter);
    let mut read = || -> Result<(BTreeSet<usize>, usize), stage2_wal::coding::Malformed> {
        decoder.u8("probes")?;
        let words = decoder.varint("words")? as usize;
        let mut set = BTreeSet::new();
        for word in 0..words {
            let bits = decoder.u64("word")?;
            set.extend((0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| word * 64 + bit));
        }
        Ok((set, words * 64))
    };
    read().map_err(|malformed| malformed.what)
}
