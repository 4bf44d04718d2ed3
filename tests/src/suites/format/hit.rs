//! Damage to one file, drawn by chance and named so that it can be done again.

use std::fmt;

use stage6_engine::wal::vfs::FileId;
use stage6_engine::wal::vfs::crash::Image;

use crate::dice::Dice;
use crate::suite::Failure;
use crate::suites::flip::damage::{Damage, SECTOR_BYTES};

/// What happens to one file. Written `000005.sst:bit-1234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Which file.
    pub file: FileId,
    /// What happens to it.
    pub damage: Damage,
}

impl Hit {
    /// One of all damages to a file of so many bytes; each kind has the same chance.
    pub fn draw(file: FileId, bytes: usize, dice: &mut Dice) -> Hit {
        let mut below = |count: usize| dice.roll(count as u64) as usize;
        let damage = match below(3) {
            0 => Damage::Bit(below(bytes * 8)),
            1 => Damage::Cut(below(bytes)),
            _ => Damage::Sector(below(bytes.div_ceil(SECTOR_BYTES))),
        };
        Hit { file, damage }
    }

    /// Reads what [`Hit`] is written as.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(at: &str) -> Result<Hit, Box<Failure>> {
        let read = || {
            let (file, damage) = at.split_once(':')?;
            let (kind, number) = damage.split_once('-')?;
            let number = number.parse().ok()?;
            let damage = match kind {
                "bit" => Damage::Bit(number),
                "cut" => Damage::Cut(number),
                "sector" => Damage::Sector(number),
                _ => return None,
            };
            Some(Hit { file: FileId::parse(file)?, damage })
        };
        read().ok_or_else(|| {
            Failure::new(format!("--at {at}: expected FILE:DAMAGE, such as 000005.sst:bit-1234"))
        })
    }

    /// `image` with this damage.
    ///
    /// # Errors
    /// That the file does not reach so far.
    pub fn strike(self, image: &Image) -> Result<Image, String> {
        let mut bytes = image.get(&self.file).map(|bytes| bytes.to_vec()).unwrap_or_default();
        if self.damage.span(bytes.len()).start >= bytes.len() {
            return Err(format!("there is no {self}"));
        }
        self.damage.strike(&mut bytes);
        let mut image = image.clone();
        image.insert(self.file, bytes.into());
        Ok(image)
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.damage)
    }
}
