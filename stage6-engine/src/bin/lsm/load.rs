//! A text file into a database.
//!
//! The lines are put in their order, many to a batch. Wherever loading ends,
//! what is loaded is the beginning of the file, with no line left out; loading
//! it again puts the same again and does no harm.

use std::io::Write;

use stage6_engine::{Db, WriteBatch};

use crate::args::Load;
use crate::database::{durability, tuned};
use crate::failure::Failure;
use crate::tsv::Lines;
use crate::{progress, show};

/// A batch is written when it is at least so large.
const BATCH_BYTES: usize = 64 << 10;

pub(crate) fn load(args: &Load, out: &mut dyn Write) -> Result<(), Failure> {
    let progress = if args.tuning.watch { progress::hidden() } else { progress::of_bytes("loading") };
    // First the file: without it no database is created.
    let mut lines = Lines::open(&args.file, &progress)?;
    let db = tuned(&args.tuning).durability(durability(args.sync)).open(&args.directory)?;
    let mut loader = Loader { db, batch: WriteBatch::new(), lines: 0 };
    let result = loader.load(&mut lines);
    progress.finish_and_clear();
    result.map_err(|because| Failure::LoadEnded { because: Box::new(because), lines: loader.lines })?;
    loader.db.close()?;
    Ok(writeln!(out, "{} loaded", show::counted(loader.lines, "line"))?)
}

struct Loader {
    db: Db,
    batch: WriteBatch,
    /// How many lines are in the database.
    lines: u64,
}

impl Loader {
    fn load(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        for line in lines {
            match line {
                Ok((word, definition)) => self.batch.put(word, definition),
                Err(malformed) => {
                    self.write()?;
                    return Err(malformed);
                }
            };
            if self.batch.size_bytes() >= BATCH_BYTES {
                self.write()?;
            }
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        if !self.batch.is_empty() {
            self.db.write(&self.batch)?;
            self.lines += self.batch.len() as u64;
            self.batch.clear();
        }
        Ok(())
    }
}
