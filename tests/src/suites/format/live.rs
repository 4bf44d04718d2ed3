//! Databases that are written by chance, and read by both readers, sound and damaged.

use std::sync::Arc;

use stage6_engine::bloom::bloom::Bloom;
use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::{Builder, Codec, Db, Durability, Leveled, SimRuntime, Tiered};
use tempfile::TempDir;

use super::decoder::{Answer, Decoder, check_answer};
use super::golden::listing;
use super::hit::Hit;
use super::reading::{read_by_engine, write_image};
use crate::dice::Dice;
use crate::model::{Contents, Model, Write};
use crate::script::{batch_of, tiny};

/// How often a database is damaged, once at a time.
const HITS: u64 = 6;

/// How many batches a database has.
const BATCHES: u64 = 120;

/// Options, and what they are called.
pub type OptionSet = (&'static str, fn() -> Builder);

/// The options under which databases are written by chance.
pub const OPTION_SETS: [OptionSet; 6] = [
    ("plain blocks, leveled", tiny),
    ("lz4, tiered", || {
        tiny().codec(Codec::Lz4).block_size_bytes(1_024).strategy(Tiered::default()).level0_limits(12, 24)
    }),
    ("standard filter of 14 bits", || tiny().filter(Some(Arc::new(Bloom::new(14))))),
    ("no filter, an entry a block", || tiny().filter(None).block_size_bytes(1).strategy(Leveled::default())),
    ("one memtable, one long log", || tiny().memtable_bytes(1 << 20)),
    ("defaults", || Db::builder().runtime(Arc::new(SimRuntime::new(1)))),
];

/// A database at rest that was written by chance.
#[derive(Debug)]
pub struct Live {
    /// Its files.
    pub image: Image,
    /// What it should hold.
    pub contents: Contents,
}

impl Live {
    /// Writes batches, flushes, compacts and opens again as `seed` says. One in two is
    /// left as a killed process leaves it.
    ///
    /// # Errors
    /// The first error of the database: a simulated disk gives it no reason for one.
    pub fn write(builder: fn() -> Builder, seed: u64) -> stage6_engine::Result<Live> {
        let (disk, mut model, mut dice) = (SimVfs::without_trace(), Model::default(), Dice::new(seed));
        let open = || builder().open_vfs(Arc::new(disk.clone()));
        let mut db = open()?;
        for _ in 0..BATCHES {
            let writes: Vec<Write> = (0..1 + dice.roll(6)).map(|_| one_write(&mut dice)).collect();
            let durability = if dice.roll(4) == 0 { Durability::Sync } else { Durability::Buffer };
            db.write_opt(&batch_of(&writes), durability)?;
            model.apply(&writes);
            match dice.roll(40) {
                0 => db.flush()?,
                1 => drop(db.compact_range(..)?),
                2 => {
                    db.close()?;
                    db = open()?;
                }
                3..12 => db.pending_jobs().first().map_or(Ok(()), |job| db.run_job(*job))?,
                _ => {}
            }
        }
        if dice.roll(2) == 0 {
            db.close()?;
        }
        Ok(Live { image: disk.image(), contents: model.now().clone() })
    }

    /// Both readers read what was written.
    ///
    /// # Errors
    /// Which of them does not.
    pub fn check(&self, decoder: &Decoder, scratch: &TempDir) -> Result<(), String> {
        let written = listing(&self.contents);
        if read_by_engine(&self.image) != Answer::Listing(written.clone()) {
            return Err("the engine does not read what it wrote".to_owned());
        }
        check_answer(&self.decode(decoder, &self.image, scratch)?, &written)
    }

    fn decode(&self, decoder: &Decoder, image: &Image, scratch: &TempDir) -> Result<Answer, String> {
        write_image(image, scratch.path())?;
        decoder.read(scratch.path())
    }

    /// Each file that is not empty has the same chance.
    pub fn draw_hits(&self, dice: &mut Dice) -> Vec<Hit> {
        let files: Vec<_> = self.image.iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        let hit = |_| {
            let (file, bytes) = files[dice.roll(files.len() as u64) as usize];
            Hit::draw(*file, bytes.len(), dice)
        };
        (0..HITS).map(hit).collect()
    }

    /// What both readers say of the damaged database, in words.
    ///
    /// # Errors
    /// What each says, when they do not agree.
    pub fn check_hit(&self, decoder: &Decoder, hit: Hit, scratch: &TempDir) -> Result<&'static str, String> {
        let image = hit.strike(&self.image)?;
        let answers = (read_by_engine(&image), self.decode(decoder, &image, scratch)?);
        match &answers {
            (Answer::Refused(_), Answer::Refused(_)) => Ok("refused by both"),
            (Answer::Listing(engine), Answer::Listing(decoder)) if engine == decoder => {
                match *engine == listing(&self.contents) {
                    true => Ok("of no consequence"),
                    false => Ok("in a torn end that nobody promised"),
                }
            }
            (engine, decoder) => Err(format!("the engine says: {engine}; the decoder says: {decoder}")),
        }
    }
}

/// A key of few bytes of few kinds, so that keys come again and begin alike, and a
/// value that is now a word, now long, now nothing.
fn one_write(dice: &mut Dice) -> Write {
    let length = dice.roll(5) * dice.roll(5);
    let key = (0..length).map(|_| [0, b'a', b'b', 255][dice.roll(4) as usize]).collect();
    let value = match dice.roll(8) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some((0..dice.roll(3_000)).map(|_| dice.roll(256) as u8).collect()),
        _ => Some([b'a' + dice.roll(26) as u8, b' '].repeat(dice.roll(60) as usize)),
    };
    (key, value)
}
