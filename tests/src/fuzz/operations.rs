//! A database against a map: any bytes are a list of operations.
//!
//! ```text
//!   input     := operation*
//!   operation := verb u8 · key u8 [· length u8]
//!   verb mod  16:  0–4 put · 5, 6 delete · 7 batch · 8 scan · 9 get · 10 flush
//!                  11 compact · 12 reopen · 13 snapshot · 14 job · 15 persist
//! ```
//!
//! **The law: every answer is that of the map**, now and as of each snapshot.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use stage6_engine::wal::vfs::{SimVfs, Vfs};
use stage6_engine::{Db, Durability, Read, Result, Snapshot, WriteBatch};

use super::input::Input;
use crate::model::Contents;
use crate::script::tiny;

/// More snapshots than these, and the oldest is let go.
const MOST_SNAPSHOTS: usize = 3;

pub(super) fn run(bytes: &[u8]) -> usize {
    let mut course = Course::new().expect("a disk in memory");
    let mut input = Input::new(bytes);
    while let (Some(verb), Some(key)) = (input.byte(), input.byte()) {
        course.step(verb % 16, key, &mut input).expect("a disk in memory");
    }
    course.judge().expect("a disk in memory");
    bytes.len()
}

struct Course {
    vfs: Arc<dyn Vfs>,
    db: Db,
    map: Contents,
    snapshots: VecDeque<(Snapshot, Contents)>,
}

impl Course {
    fn new() -> Result<Course> {
        let vfs: Arc<dyn Vfs> = Arc::new(SimVfs::without_trace());
        let db = tiny().open_vfs(Arc::clone(&vfs))?;
        Ok(Course { vfs, db, map: BTreeMap::new(), snapshots: VecDeque::new() })
    }

    fn step(&mut self, verb: u8, key: u8, input: &mut Input<'_>) -> Result<()> {
        match verb {
            0..=4 => {
                let length = input.byte().unwrap_or(0);
                self.db.put([key], value(key, length))?;
                self.map.insert(vec![key], value(key, length));
            }
            5 | 6 => {
                self.db.delete([key])?;
                self.map.remove(&[key][..]);
            }
            7 => self.batch(key, input)?,
            8 => self.scan_from(key)?,
            9 => self.get(key)?,
            10 => self.db.flush()?,
            11 => drop(self.db.compact_range([key / 2]..[key])?),
            12 => self.reopen()?,
            13 => self.keep_snapshot()?,
            14 => self.run_job()?,
            _ => self.db.persist()?,
        }
        Ok(())
    }

    /// Up to eight writes that happen together; the same key may come twice.
    fn batch(&mut self, key: u8, input: &mut Input<'_>) -> Result<()> {
        let mut batch = WriteBatch::new();
        for offset in 0..key % 8 + 1 {
            let (key, length) = (key.wrapping_mul(offset), input.byte().unwrap_or(0));
            if length % 4 == 0 {
                batch.delete([key]);
                self.map.remove(&[key][..]);
            } else {
                batch.put([key], value(key, length));
                self.map.insert(vec![key], value(key, length));
            }
        }
        self.db.write_opt(&batch, Durability::Sync).map(drop)
    }

    fn get(&self, key: u8) -> Result<()> {
        let found = self.db.get([key])?.map(|value| value.to_vec());
        assert_eq!(found, self.map.get(&[key][..]).cloned());
        Ok(())
    }

    fn scan_from(&self, key: u8) -> Result<()> {
        let found: Contents = collect(self.db.range([key]..))?.into_iter().collect();
        let expected: Contents =
            self.map.range(vec![key]..).map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(found, expected);
        Ok(())
    }

    /// A snapshot keeps its database open, so they go first.
    fn reopen(&mut self) -> Result<()> {
        self.judge()?;
        self.snapshots.clear();
        self.db.close()?;
        self.db = tiny().open_vfs(Arc::clone(&self.vfs))?;
        Ok(())
    }

    fn keep_snapshot(&mut self) -> Result<()> {
        self.snapshots.push_back((self.db.snapshot()?, self.map.clone()));
        if self.snapshots.len() > MOST_SNAPSHOTS {
            self.snapshots.pop_front();
        }
        Ok(())
    }

    fn run_job(&self) -> Result<()> {
        self.db.pending_jobs().first().map_or(Ok(()), |job| self.db.run_job(*job))
    }

    /// All answers, in both directions, now and as of each snapshot.
    fn judge(&self) -> Result<()> {
        self.db.check_invariants()?;
        agree(&self.db, &self.map)?;
        self.snapshots.iter().try_for_each(|(snapshot, map)| agree(snapshot, map))
    }
}

fn agree(read: &impl Read, map: &Contents) -> Result<()> {
    let expected: Vec<_> = map.clone().into_iter().collect();
    assert_eq!(collect(read.range(..))?, expected);
    let mut backward = collect(read.range(..).rev())?;
    backward.reverse();
    assert_eq!(backward, expected);
    Ok(())
}

fn collect(
    entries: impl Iterator<Item = Result<(stage6_engine::Key, stage6_engine::Value)>>,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    entries.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// A value of `length` bytes that tells which write it is from.
fn value(key: u8, length: u8) -> Vec<u8> {
    vec![key ^ length; usize::from(length)]
}
