//! What one operation touches: sources, filters and blocks for gets of each kind, bytes and calls for
//! puts of each kind. And what a sorted map in memory does with the same keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use stage1_memtable::lookup::Touch;
use stage2_wal::vfs::SimVfs;
use stage2_wal::vfs::crash::Call;
use stage6_engine::{Builder, Codec, Db, Durability, Read, Result, SimRuntime, WriteBatch};

use super::prelude::{Dice, number, row};
use super::{Outcome, Output};

const RECORDS: u64 = 50_000;
const GETS: u64 = 2_000;
const PUTS: u64 = 1_024;
const VALUE: [u8; 100] = [b'v'; 100];

pub(super) fn run(out: &mut Output) -> Outcome {
    out.part("gets");
    gets(out)?;
    out.part("puts");
    puts(out)?;
    out.part("map");
    map(out)
}

fn options() -> Builder {
    let runtime = Arc::new(SimRuntime::new(1));
    Db::builder().database_id(7).runtime(runtime).codec(Codec::None)
}

/// Present keys have even numbers.
fn key(record: u64) -> [u8; 16] {
    format!("{:016}", 2 * record).into_bytes().try_into().unwrap_or([b'0'; 16])
}

/// Three quarters of the records in one run, the others in two tables of level 0, a few in the memtable.
fn filled(filter: bool) -> Result<Db> {
    let options = if filter { options() } else { options().filter(None) };
    let db = options.open_in_memory()?;
    let part = |part: u64| (0..RECORDS).filter(move |record| record * 7 % 8 == part);
    for quarter in 0..6 {
        part(quarter).try_for_each(|record| db.put(key(record), VALUE).map(drop))?;
    }
    db.compact_range(..)?;
    for newer in 6..8 {
        part(newer).try_for_each(|record| db.put(key(record), VALUE).map(drop))?;
        db.flush()?;
    }
    (0..100).try_for_each(|record| db.put(key(record), VALUE).map(drop))?;
    Ok(db)
}

/// What lookups touched, in all.
#[derive(Default)]
struct Touched {
    memtables: u64,
    tables: u64,
    filters: u64,
    blocks: u64,
    read: u64,
}

impl Touched {
    fn note(&mut self, touches: &[Touch]) {
        for touch in touches {
            match touch {
                Touch::Memtable { .. } => self.memtables += 1,
                Touch::Table { .. } => self.tables += 1,
                Touch::Filter { .. } => self.filters += 1,
                Touch::Block { cached, .. } => {
                    self.blocks += 1;
                    self.read += u64::from(!cached);
                }
                _ => {}
            }
        }
    }
}

fn gets(out: &mut Output) -> Outcome {
    let widths = [34, 10, 8, 8, 8, 12];
    out.line(row(
        &widths,
        &[&"for each get", &"memtables", &"tables", &"filters", &"blocks", &"blocks read"],
    ));
    type Draw = fn(&mut Dice) -> [u8; 16];
    let present: Draw = |dice| key(dice.below(RECORDS));
    let absent: Draw = |dice| {
        let mut key = key(dice.below(RECORDS));
        key[15] += 1;
        key
    };
    let newest: Draw = |dice| key(dice.below(100));
    let hot: Draw = |dice| key(1_000 + dice.below(100));
    let kinds: [(&str, bool, Draw, usize); 6] = [
        ("written a moment ago", true, newest, 64 << 20),
        ("a few keys, again and again", true, hot, 64 << 20),
        ("any key, all in the cache", true, present, 64 << 20),
        ("any key of one run, no cache", true, present, 0),
        ("absent", true, absent, 64 << 20),
        ("absent, without filters", false, absent, 64 << 20),
    ];
    for (name, filter, draw, cache_bytes) in kinds {
        let db = filled(filter)?;
        let db = if cache_bytes == 0 { uncached(filter)? } else { db };
        // Once through everything, so that what fits into the cache is there.
        db.range(..).try_for_each(|entry| entry.map(drop))?;
        let (mut dice, mut touched) = (Dice::seeded(3), Touched::default());
        for _ in 0..GETS {
            touched.note(&db.explain_get(draw(&mut dice))?.1);
        }
        let each = |count: u64| format!("{:.2}", count as f64 / GETS as f64);
        out.line(row(
            &widths,
            &[
                &name,
                &each(touched.memtables),
                &each(touched.tables),
                &each(touched.filters),
                &each(touched.blocks),
                &each(touched.read),
            ],
        ));
    }
    Ok(())
}

/// The same, without a cache.
fn uncached(filter: bool) -> Result<Db> {
    let disk = SimVfs::without_trace();
    let copy = filled(filter)?;
    let db = options().cache_bytes(0).open_vfs(Arc::new(disk))?;
    let entries = copy.range(..).collect::<Result<Vec<_>>>()?;
    entries.iter().try_for_each(|(key, value)| db.put(key, value).map(drop))?;
    db.compact_range(..)?;
    Ok(db)
}

fn puts(out: &mut Output) -> Outcome {
    let widths = [34, 14, 10, 14];
    out.line(row(
        &widths,
        &[&"for 1,024 records of 116 bytes", &"calls to disk", &"syncs", &"bytes a record"],
    ));
    let kinds: [(&str, u64, Durability); 4] = [
        ("one by one, Buffer", 1, Durability::Buffer),
        ("in batches of 64, Buffer", 64, Durability::Buffer),
        ("one by one, Sync", 1, Durability::Sync),
        ("in batches of 64, Sync", 64, Durability::Sync),
    ];
    for (name, batch, durability) in kinds {
        let disk = SimVfs::new();
        let db = options().open_vfs(Arc::new(disk.clone()))?;
        let begin = disk.calls();
        for first in (0..PUTS).step_by(batch as usize) {
            let mut records = WriteBatch::new();
            for record in first..first + batch {
                records.put(key(record), VALUE);
            }
            db.write_opt(&records, durability)?;
        }
        let trace = disk.trace();
        let calls = trace.calls.get(begin..).unwrap_or(&[]);
        let syncs = calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count();
        let bytes: usize = calls
            .iter()
            .map(|call| if let Call::Append { bytes, .. } = call { bytes.len() } else { 0 })
            .sum();
        let each = format!("{:.1}", bytes as f64 / PUTS as f64);
        out.line(row(&widths, &[&name, &calls.len(), &syncs, &each]));
    }
    Ok(())
}

/// The same records in a `BTreeMap` and in a database in memory.
fn map(out: &mut Output) -> Outcome {
    let mut dice = Dice::seeded(9);
    let keys: Vec<[u8; 16]> = (0..RECORDS).map(|_| key(dice.below(RECORDS))).collect();
    let begin = Instant::now();
    let mut map = BTreeMap::new();
    for key in &keys {
        map.insert(key.to_vec(), VALUE.to_vec());
    }
    let map_filled = begin.elapsed();
    let db = options().open_in_memory()?;
    let begin = Instant::now();
    keys.iter().try_for_each(|key| db.put(key, VALUE).map(drop))?;
    let db_filled = begin.elapsed();
    let begin = Instant::now();
    let of_map = keys.iter().filter(|key| map.contains_key(&key[..])).count();
    let map_read = begin.elapsed();
    let begin = Instant::now();
    let mut of_db = 0;
    for key in &keys {
        of_db += usize::from(db.get(key)?.is_some());
    }
    let db_read = begin.elapsed();
    let kept = db.range(..).count();
    let widths = [34, 14, 14];
    out.line(row(&widths, &[&"", &"BTreeMap", &"this database"]));
    out.line(row(&widths, &[&"records put", &number(RECORDS), &number(RECORDS)]));
    out.line(row(&widths, &[&"keys there", &number(map.len() as u64), &number(kept as u64)]));
    out.line(row(&widths, &[&"gets answered", &number(of_map as u64), &number(of_db as u64)]));
    out.line(row(
        &widths,
        &[&"versions kept", &number(map.len() as u64), &number(db.stats().memtable_entries)],
    ));
    out.line(row(&widths, &[&"there when the process has died", &"0", &number(kept as u64)]));
    let ratio = |db: std::time::Duration, map: std::time::Duration| db.as_secs_f64() / map.as_secs_f64();
    out.time(format!("a put takes {:.1} times as long as an insert", ratio(db_filled, map_filled)));
    out.time(format!("a get takes {:.1} times as long as a lookup", ratio(db_read, map_read)));
    Ok(())
}
