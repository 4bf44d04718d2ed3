//! How many absent keys pass a filter, measured and by the formula, for both filters and 4
//! to 16 bits a key; the bits of one key, computed anew; the cache lines of a question; what a
//! filter adds to the opening of a table; and the blocks that a get over four levels reads, by
//! how the bits are divided among the levels.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;

use stage4_bloom::blocked::Blocked;
use stage4_bloom::bloom::Bloom;
use stage4_bloom::filter::Filter;
use stage4_bloom::filtered::{FilteredTable, FilteredTableBuilder, FilteredTableOptions};
use stage4_bloom::memtable::hash::hash_key;
use stage4_bloom::memtable::key::{InternalKey, Kind};
use stage4_bloom::memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage4_bloom::policy::FilterPolicy;
use stage4_bloom::sstable::cache::BlockCache;
use stage4_bloom::sstable::compression::Codec;
use stage4_bloom::sstable::table::TableOptions;
use stage4_bloom::wal::vfs::{FileId, SimVfs, Vfs};

use super::prelude::{Dice, number, row};
use super::table_reads::{Noted, VALUE_BYTES, orders};
use super::{Outcome, Output};

/// How many keys are in the filter.
const KEYS: usize = 50_000;
/// How many that are not are asked for.
const QUESTIONS: usize = 200_000;
/// How many keys each level has, the newest first: each ten times the one above.
const LEVELS: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// How many gets of each kind.
const GETS: usize = 10_000;

type Failure = Box<dyn Error + Send + Sync>;

pub(super) fn run(out: &mut Output) -> Outcome {
    let (keys, absent) = (hashes(1, KEYS), hashes(2, QUESTIONS));
    rates(out, &keys, &absent)?;
    probes(out);
    one_key(out)?;
    lines(out, &keys, &absent)?;
    opening(out)?;
    levels(out)
}

fn rates(out: &mut Output, keys: &[u64], absent: &[u64]) -> Outcome {
    out.part("rates");
    let widths = [10, 6, 9, 9, 9, 9, 18];
    let heading: [&dyn Display; 7] =
        [&"bits a key", &"probes", &"standard", &"formula", &"blocked", &"formula", &"ratio of formulas"];
    out.line(row(&widths, &heading));
    for bits_per_key in 4..=16 {
        let (standard, blocked) = (Bloom::new(bits_per_key), Blocked::new(bits_per_key));
        let [of_standard, of_blocked] =
            [measured(&standard, keys, absent)?, measured(&blocked, keys, absent)?];
        let cells: [&dyn Display; 7] = [
            &bits_per_key,
            &standard.probes(),
            &percent(of_standard),
            &percent(standard.false_positive_rate()),
            &percent(of_blocked),
            &percent(blocked.false_positive_rate()),
            &format!("{:.2}", blocked.false_positive_rate() / standard.false_positive_rate()),
        ];
        out.line(row(&widths, &cells));
    }
    Ok(())
}

/// What the formula of the standard filter says about other numbers of probes.
fn probes(out: &mut Output) {
    out.part("probes");
    let widths = [22, 18, 18];
    out.line(row(&widths, &[&"probes, 10 bits a key", &"bits that are set", &"absent that pass"]));
    for probes in [1, 2, 4, 6, 7, 8, 10, 14, 20] {
        let set = 1.0 - (-f64::from(probes) / 10.0).exp();
        out.line(row(&widths, &[&probes, &percent(set), &percent(set.powi(probes))]));
    }
}

/// How many bits each filter has in which the bits of one key are shown: 16 words, or 2 blocks.
const SHOWN_BITS: u64 = 1_024;
/// The odd number of the blocked filter.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bits of `fig` in both filters, computed here from its hash alone; an error if the stage
/// sets others.
fn one_key(out: &mut Output) -> Outcome {
    out.part("fig");
    let hash = hash_key(b"fig");
    let hashes = vec![hash; 100];
    let mut line = |what: &str, found: String| out.line(format!("{what:<46}  {found}"));
    line("hash of fig", format!("{hash:016x}"));
    let walk: Vec<u64> = positions(hash, SHOWN_BITS).collect();
    line("standard: step, the hash rotated by 32", format!("{:016x}", hash.rotate_left(32)));
    line("standard: seven positions among 1,024 bits", listed(&walk));
    check_bits(&Bloom::new(10).build(&hashes)[2..], &walk)?;
    let block = upper(hash, SHOWN_BITS / 512);
    let product = hash.wrapping_mul(SPREAD);
    let bits: Vec<u64> = (1..=8).map(|six| (product >> (64 - 6 * six)) % 64).collect();
    line("blocked: which of two blocks", block.to_string());
    line("blocked: product with SPREAD", format!("{product:016x}"));
    line("blocked: its bit in each of the eight words", listed(&bits));
    let places: Vec<u64> = (0..).zip(&bits).map(|(word, bit)| block * 512 + word * 64 + bit).collect();
    check_bits(&Blocked::new(10).build(&hashes)[1..], &places)
}

/// The seven positions of a hash in a standard filter of so many bits.
fn positions(hash: u64, bits: u64) -> impl Iterator<Item = u64> {
    (0..7).map(move |probe: u64| upper(hash.wrapping_add(probe.wrapping_mul(hash.rotate_left(32))), bits))
}

/// `hash` as a fraction of 2^64, times `range`.
fn upper(hash: u64, range: u64) -> u64 {
    ((u128::from(hash) * u128::from(range)) >> 64) as u64
}

fn listed(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// Errs unless the set bits of `words` are these.
fn check_bits(words: &[u8], expected: &[u64]) -> Outcome {
    let set: BTreeSet<u64> = (0..words.len() as u64 * 8).filter(|&bit| is_set(words, bit)).collect();
    if set != expected.iter().copied().collect::<BTreeSet<u64>>() {
        return Err(format!("computed {expected:?}, set are {set:?}").into());
    }
    Ok(())
}

fn is_set(words: &[u8], bit: u64) -> bool {
    words[(bit / 8) as usize] >> (bit % 8) & 1 == 1
}

/// How many lines of 64 bytes a question looks at, at 10 bits a key.
fn lines(out: &mut Output, keys: &[u64], absent: &[u64]) -> Outcome {
    out.part("lines");
    let built = Bloom::new(10).build(keys);
    let words = &built[built.len() - (keys.len() * 10).div_ceil(64) * 8..];
    let of = |hashes: &[u64]| {
        let lines: usize = hashes.iter().map(|&hash| lines_of(words, hash)).sum();
        format!("{:.2}", lines as f64 / hashes.len() as f64)
    };
    let widths = [30, 15, 8];
    out.line(row(&widths, &[&"lines of 64 bytes a question", &"key is there", &"absent"]));
    out.line(row(&widths, &[&"standard", &of(keys), &of(absent)]));
    out.line(row(&widths, &[&"blocked", &1, &1]));
    Ok(())
}

/// In a standard filter: the lines of the positions up to the first that is not set.
fn lines_of(words: &[u8], hash: u64) -> usize {
    let mut lines = BTreeSet::new();
    for position in positions(hash, words.len() as u64 * 8) {
        lines.insert(position / 512);
        if !is_set(words, position) {
            break;
        }
    }
    lines.len()
}

/// What is read to open the tables of the chapter on tables, without a filter and with one.
fn opening(out: &mut Output) -> Outcome {
    out.part("opening");
    let widths = [9, 8, 12, 6, 11, 9, 13];
    let heading: [&dyn Display; 7] =
        [&"entries", &"filter", &"file bytes", &"reads", &"bytes read", &"of file", &"filter memory"];
    out.line(row(&widths, &heading));
    for count in [1, 1_000, 100_000] {
        for name in ["none", "10 bits"] {
            let (opened, reads) = open_orders(count, name != "none")?;
            let bytes: u64 = reads.iter().map(|(_, length)| *length as u64).sum();
            let file = opened.table().file_bytes();
            let share = format!("{:.2} %", 100.0 * bytes as f64 / file as f64);
            let counts = [count, file, reads.len() as u64, bytes, opened.filter_bytes() as u64].map(number);
            let [entries, file, reads, bytes, memory] = &counts;
            out.line(row(&widths, &[entries, &name, file, reads, bytes, &share, memory]));
        }
    }
    Ok(())
}

/// A table of so many orders, and every read of its opening.
fn open_orders(count: u64, has_filter: bool) -> Result<(FilteredTable, Vec<(u64, usize)>), Failure> {
    let (vfs, file, salt) = (SimVfs::without_trace(), FileId::Table(2), 7);
    let filter = has_filter.then(|| Arc::new(Blocked::default()) as Arc<dyn FilterPolicy>);
    let table = TableOptions { codec: Codec::None, ..TableOptions::default() };
    let options = FilteredTableOptions { table, filter };
    let mut builder = FilteredTableBuilder::new(vfs.create(file)?, vfs.describe(file), salt, options);
    for (key, sequence) in orders(count) {
        builder.add(InternalKey::new(key.as_bytes(), sequence), Kind::Value, &[b'v'; VALUE_BYTES])?;
    }
    builder.finish()?;
    let noted = Arc::new(Noted { file: vfs.open(file)?, reads: Arc::default() });
    let reads = Arc::clone(&noted.reads);
    let opened = FilteredTable::open(noted, salt, 2, Arc::new(BlockCache::new(0)))?;
    let reads = std::mem::take(&mut *reads.lock());
    Ok((opened, reads))
}

/// One table a level, and gets that ask from the newest to the oldest until one answers.
fn levels(out: &mut Output) -> Outcome {
    out.part("levels");
    let widths = [22, 12, 30, 12];
    let heading: [&dyn Display; 4] =
        [&"bits a key, by level", &"bytes", &"blocks per get: at the bottom", &"absent"];
    out.line(row(&widths, &heading));
    let divisions: [(&str, [u32; 4]); 4] = [
        ("no filter", [0, 0, 0, 0]),
        ("10 10 10 10", [10, 10, 10, 10]),
        ("24 19 14  9", [24, 19, 14, 9]),
        ("10 10 10 none", [10, 10, 10, 0]),
    ];
    for (name, bits) in divisions {
        let tables: Vec<FilteredTable> = (3..)
            .zip(LEVELS.iter().zip(bits))
            .map(|(seed, (&keys, bits))| table(seed, keys, bits))
            .collect::<Result<_, _>>()?;
        let bytes: usize = tables.iter().map(FilteredTable::filter_bytes).sum();
        let bottom = blocks_read(&tables, keys(6, LEVELS[3]).step_by(LEVELS[3] / GETS), true)?;
        let absent = blocks_read(&tables, keys(2, GETS), false)?;
        let [bottom, absent] = [bottom, absent].map(|blocks| format!("{:.4}", blocks as f64 / GETS as f64));
        out.line(row(&widths, &[&name, &number(bytes as u64), &bottom, &absent]));
    }
    Ok(())
}

/// The part of `absent` that passes a filter of `keys`, none of which is denied.
fn measured(policy: &dyn FilterPolicy, keys: &[u64], absent: &[u64]) -> Result<f64, Failure> {
    let filter = built(policy, keys)?;
    if !keys.iter().all(|&hash| filter.may_contain(hash)) {
        return Err("a key that is there was denied".into());
    }
    let passed = absent.iter().filter(|&&hash| filter.may_contain(hash)).count();
    Ok(passed as f64 / absent.len() as f64)
}

/// A filter as a reader gets it: out of its bytes, by its name.
fn built(policy: &dyn FilterPolicy, keys: &[u64]) -> Result<Filter, Failure> {
    let filter = Filter::open(policy.name(), &policy.build(keys)).map_err(|malformed| malformed.what)?;
    filter.ok_or_else(|| "an unknown filter".into())
}

/// A table of so many keys, and two more between which all keys lie, so that no question
/// is answered by the range alone.
fn table(seed: u64, count: usize, bits_per_key: u32) -> Result<FilteredTable, Failure> {
    let (vfs, file, salt) = (SimVfs::without_trace(), FileId::Table(seed), 7);
    let filter: Option<Arc<dyn FilterPolicy>> = match bits_per_key {
        0 => None,
        bits => Some(Arc::new(Blocked::new(bits))),
    };
    let options = FilteredTableOptions { filter, ..FilteredTableOptions::default() };
    let mut builder = FilteredTableBuilder::new(vfs.create(file)?, vfs.describe(file), salt, options);
    let ends = ["apple", "plum"].map(str::to_owned);
    let sorted: BTreeSet<String> = keys(seed, count).chain(ends).collect();
    for key in sorted {
        builder.add(InternalKey::new(key.as_bytes(), 1), Kind::Value, b"ripe")?;
    }
    builder.finish()?;
    Ok(FilteredTable::open(vfs.open(file)?, salt, seed, Arc::new(BlockCache::new(64 << 20)))?)
}

/// How many blocks are read when every key is asked for once.
fn blocks_read(
    tables: &[FilteredTable],
    asked: impl Iterator<Item = String>,
    there: bool,
) -> Result<usize, Failure> {
    let (mut blocks, mut touched) = (0, Vec::new());
    for key in asked {
        let question = LookupKey::new(key.as_bytes(), 1);
        let mut found = false;
        for table in tables {
            found = table.lookup(&question, &mut touched)? != Answer::Absent;
            if found {
                break;
            }
        }
        if found != there {
            return Err(format!("{key}: a filter changed an answer").into());
        }
        blocks += touched.drain(..).filter(|touch| matches!(touch, Touch::Block { .. })).count();
    }
    Ok(blocks)
}

fn hashes(seed: u64, count: usize) -> Vec<u64> {
    keys(seed, count).map(|key| hash_key(key.as_bytes())).collect()
}

/// So many different keys, in no order. Two seeds have no key in common.
fn keys(seed: u64, count: usize) -> impl Iterator<Item = String> {
    let mut dice = Dice::seeded(seed << 56);
    (0..count).map(move |_| format!("fig/{:016x}", dice.next()))
}

fn percent(part: f64) -> String {
    format!("{:.3} %", 100.0 * part)
}
