//! How many absent keys pass a filter, measured and by the formula, for both filters and 4
//! to 16 bits a key; and the blocks that a get over four levels reads, by how the bits are
//! divided among the levels.

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
use stage4_bloom::wal::vfs::{FileId, SimVfs, Vfs};

use super::prelude::{Dice, number, row};
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
    levels(out)
}

fn rates(out: &mut Output, keys: &[u64], absent: &[u64]) -> Outcome {
    out.part("rates");
    let widths = [10, 6, 9, 9, 9, 9, 18];
    let heading: [&dyn Display; 7] =
        [&"bits a key", &"probes", &"standard", &"formula", &"blocked", &"formula", &"blocked / standard"];
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
