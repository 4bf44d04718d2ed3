//! The keys, the values, and what is done with them.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use stage6_engine::{Db, Read};

use super::Stopwatch;
use crate::failure::Failure;

/// Of every order and value.
pub(super) const SEED: u64 = 0x1517;

/// Values are cut from so many bytes, each at another place.
const POOL_BYTES: usize = 1 << 20;

/// What a benchmark writes, and expects to read.
pub(super) struct Input {
    keys: u64,
    value_bytes: usize,
    pool: Vec<u8>,
}

impl Input {
    pub(super) fn new(keys: u64, value_bytes: usize) -> Input {
        Input { keys, value_bytes, pool: half_compressible(POOL_BYTES + value_bytes) }
    }

    /// All places from 0 on, in random order.
    pub(super) fn shuffled(&self) -> Vec<u64> {
        let mut places: Vec<u64> = (0..self.keys).collect();
        places.shuffle(&mut SmallRng::seed_from_u64(SEED));
        places
    }

    fn value(&self, place: u64) -> &[u8] {
        // An odd factor, so that no two neighbours begin at the same byte.
        let begin = place.wrapping_mul(7_919) as usize % POOL_BYTES;
        &self.pool[begin..begin + self.value_bytes]
    }
}

/// Half random bytes, half blanks, in turns of eight: values that a codec can
/// shorten, but not to nothing.
fn half_compressible(length: usize) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        let random = rng.next_u64().to_le_bytes();
        bytes.extend_from_slice(&random);
        bytes.extend_from_slice(&[b' '; 8]);
    }
    bytes.truncate(length);
    bytes
}

/// The key at `place`: even.
fn key(place: u64) -> [u8; 16] {
    digits(2 * place)
}

/// A key that is absent, between two that are there.
fn absent_key(place: u64) -> [u8; 16] {
    digits(2 * place + 1)
}

fn digits(mut number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

pub(super) fn fill(
    db: &Db,
    input: &Input,
    places: impl IntoIterator<Item = u64>,
    measured: &mut Stopwatch,
) -> Result<(), Failure> {
    for place in places {
        measured.time(|| db.put(key(place), input.value(place)))?;
    }
    Ok(())
}

pub(super) fn read_random(db: &Db, input: &Input, measured: &mut Stopwatch) -> Result<(), Failure> {
    for place in input.shuffled() {
        let value = measured.time(|| db.get(key(place)))?;
        expect(value.as_deref() == Some(input.value(place)), key(place))?;
    }
    Ok(())
}

pub(super) fn read_missing(db: &Db, input: &Input, measured: &mut Stopwatch) -> Result<(), Failure> {
    for place in input.shuffled() {
        let value = measured.time(|| db.get(absent_key(place)))?;
        expect(value.is_none(), absent_key(place))?;
    }
    Ok(())
}

pub(super) fn read_in_order(db: &Db, input: &Input, measured: &mut Stopwatch) -> Result<(), Failure> {
    let mut cursor = db.cursor();
    for place in 0..input.keys {
        measured.time(|| if place == 0 { cursor.seek_to_first() } else { cursor.next() });
        cursor.status()?;
        let is_right =
            cursor.is_valid() && cursor.key() == key(place) && cursor.value() == input.value(place);
        expect(is_right, key(place))?;
    }
    Ok(())
}

fn expect(is_right: bool, key: [u8; 16]) -> Result<(), Failure> {
    if is_right {
        return Ok(());
    }
    let key = key.escape_ascii();
    Err(Failure::Unfit {
        what: format!("the benchmark ended: the answer for key {key} is wrong, a bug of the database"),
    })
}
