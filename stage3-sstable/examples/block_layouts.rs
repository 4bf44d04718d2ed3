//! Measures two layouts of a block on the same entries, in turns.
//!
//! ```text
//!   cargo run --release -p stage3-sstable --example block_layouts
//! ```

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use stage3_sstable::block::classic::{ClassicBlock, ClassicBuilder};
use stage3_sstable::block::{Block, BlockBuilder};
use stage3_sstable::memtable::key::{InternalKey, Kind};

const ENTRIES: usize = 200_000;
const BLOCK_BYTES: usize = 4096;
const ROUNDS: usize = 9;

/// A layout that can be measured: built, asked, walked.
trait Layout: Sized {
    type Builder: Default;
    fn add(builder: &mut Self::Builder, key: InternalKey<'_>, value: &[u8]) -> usize;
    fn finish(builder: &mut Self::Builder) -> Self;
    fn size(&self) -> usize;
    fn get(&self, key: InternalKey<'_>) -> Option<Bytes>;
    fn walk(&self) -> usize;
}

impl Layout for Block {
    type Builder = BlockBuilder;
    fn add(builder: &mut BlockBuilder, key: InternalKey<'_>, value: &[u8]) -> usize {
        builder.add(key, Kind::Value, value);
        builder.size_bytes()
    }
    fn finish(builder: &mut BlockBuilder) -> Block {
        Block::parse(builder.finish().into()).expect("it was just built")
    }
    fn size(&self) -> usize {
        self.size_bytes()
    }
    fn get(&self, key: InternalKey<'_>) -> Option<Bytes> {
        Block::get(self, key).expect("sound").map(|(_, _, value)| value)
    }
    fn walk(&self) -> usize {
        let mut cursor = self.cursor();
        cursor.seek_to_first().expect("sound");
        let mut sum = 0;
        while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
            sum += key.user_key.len() + value.len();
            cursor.next().expect("sound");
        }
        sum
    }
}

impl Layout for ClassicBlock {
    type Builder = ClassicBuilder;
    fn add(builder: &mut ClassicBuilder, key: InternalKey<'_>, value: &[u8]) -> usize {
        builder.add(key, Kind::Value, value);
        builder.size_bytes()
    }
    fn finish(builder: &mut ClassicBuilder) -> ClassicBlock {
        ClassicBlock::parse(builder.finish().into()).expect("it was just built")
    }
    fn size(&self) -> usize {
        self.size_bytes()
    }
    fn get(&self, key: InternalKey<'_>) -> Option<Bytes> {
        let mut cursor = self.cursor();
        cursor.seek(key);
        (cursor.is_valid() && cursor.key().user_key == key.user_key).then(|| cursor.value_owned())
    }
    fn walk(&self) -> usize {
        let mut cursor = self.cursor();
        cursor.seek_to_first();
        let mut sum = 0;
        while cursor.is_valid() {
            sum += cursor.key().user_key.len() + cursor.value().len();
            cursor.next();
        }
        sum
    }
}

/// Blocks of one layout, and which block holds which key.
struct Blocks<L> {
    blocks: Vec<L>,
    homes: Vec<u32>,
}

fn build<L: Layout>(keys: &[[u8; 16]]) -> Blocks<L> {
    let (mut builder, mut blocks, mut homes) = (L::Builder::default(), Vec::new(), Vec::new());
    let mut value = [0; 100];
    let mut random = SmallRng::seed_from_u64(7);
    for (index, key) in keys.iter().enumerate() {
        random.fill_bytes(&mut value);
        homes.push(blocks.len() as u32);
        let size = L::add(&mut builder, InternalKey::new(key, index as u64 + 1), &value);
        if size >= BLOCK_BYTES || index + 1 == keys.len() {
            blocks.push(L::finish(&mut builder));
        }
    }
    Blocks { blocks, homes }
}

/// Nanoseconds per get of the keys named by `order`.
fn time_gets<L: Layout>(blocks: &Blocks<L>, keys: &[[u8; 16]], order: &[usize]) -> f64 {
    let start = Instant::now();
    for &index in order {
        let block = &blocks.blocks[blocks.homes[index] as usize];
        assert!(black_box(block.get(InternalKey::before_all(&keys[index]))).is_some());
    }
    start.elapsed().as_nanos() as f64 / order.len() as f64
}

/// Nanoseconds per entry of a walk over all blocks.
fn time_walk<L: Layout>(blocks: &Blocks<L>, entries: usize) -> f64 {
    let start = Instant::now();
    let sum: usize = blocks.blocks.iter().map(L::walk).sum();
    assert_eq!(black_box(sum), entries * 116);
    start.elapsed().as_nanos() as f64 / entries as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn measure(name: &str, keys: &[[u8; 16]]) {
    let ours = build::<Block>(keys);
    let classic = build::<ClassicBlock>(keys);
    let mut cold: Vec<usize> = (0..keys.len()).collect();
    cold.shuffle(&mut SmallRng::seed_from_u64(1));
    let mut hot: Vec<usize> = (0..30).cycle().take(100_000).collect();
    hot.shuffle(&mut SmallRng::seed_from_u64(2));
    let mut samples = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        samples[0].push(time_gets(&classic, keys, &cold));
        samples[1].push(time_gets(&ours, keys, &cold));
        samples[2].push(time_gets(&classic, keys, &hot));
        samples[3].push(time_gets(&ours, keys, &hot));
        samples[4].push(time_walk(&classic, keys.len()));
        samples[5].push(time_walk(&ours, keys.len()));
    }
    let [a, b, c, d, e, f] = samples.map(median);
    let bytes = |size: usize| size as f64 / keys.len() as f64;
    let classic_bytes = bytes(classic.blocks.iter().map(Layout::size).sum());
    let our_bytes = bytes(ours.blocks.iter().map(Layout::size).sum());
    println!("{name:<8} classic      {classic_bytes:6.1} B   cold {a:5.0}   hot {c:5.0}   next {e:5.1}");
    println!("{name:<8} addressable  {our_bytes:6.1} B   cold {b:5.0}   hot {d:5.0}   next {f:5.1}");
}

fn main() {
    let mut random = SmallRng::seed_from_u64(42);
    let mut keys: Vec<[u8; 16]> = (0..ENTRIES).map(|_| random.random()).collect();
    keys.sort_unstable();
    measure("random", &keys);
    let decimal = |index: usize| format!("{index:016}").into_bytes().try_into().expect("sixteen digits");
    let mut keys: Vec<[u8; 16]> = (0..ENTRIES).map(|index| decimal(index * 5)).collect();
    keys.sort_unstable();
    measure("decimal", &keys);
}
