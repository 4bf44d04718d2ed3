//! What two kinds of record notice of damage: `length · payload · crc of the payload`, as it
//! is often drawn, and a fragment of our log.

use stage2_wal::coding::Decoder;
use stage2_wal::log::format::{FragmentType, decode_fragment, put_fragment};

use super::prelude::row;
use super::{Outcome, Output};

const PAYLOAD: &[u8] = b"put fig = green";
const SALT: u32 = 0x5a17_c0de;
/// Where the record stands in its file.
const OFFSET: u64 = 4_096;

/// A way to write records.
struct Form {
    name: &'static str,
    record: Vec<u8>,
    /// What is read from `bytes` at this offset of this file: a payload, or nothing.
    read: fn(bytes: &[u8], salt: u32, offset: u64) -> Option<Vec<u8>>,
}

/// What is done to a record, and how often the outcome is accepted.
type Trial = fn(&Form) -> Tally;

pub(super) fn run(out: &mut Output) -> Outcome {
    let naive = naive(PAYLOAD);
    let mut fragment = Vec::new();
    put_fragment(&mut fragment, SALT, OFFSET, FragmentType::Full, PAYLOAD);
    let forms = [
        Form { name: "length, payload, crc", record: naive, read: read_naive },
        Form { name: "our fragment", record: fragment, read: read_ours },
    ];
    let widths = [34, 22, 14];
    out.line(row(&widths, &[&"accepted although it is wrong", &forms[0].name, &forms[1].name]));
    let trials: [(&str, Trial); 6] = [
        ("one bit flipped", flipped),
        ("cut short", cut),
        ("zeros instead of the record", |form| accepted([(vec![0; form.record.len()], SALT, OFFSET)], form)),
        ("copied to another place", |form| accepted([(form.record.clone(), SALT, OFFSET + 64)], form)),
        ("left over from another file", |form| accepted([(form.record.clone(), SALT ^ 1, OFFSET)], form)),
        ("as it was written (it must be)", |form| accepted([(form.record.clone(), SALT, OFFSET)], form)),
    ];
    for (name, trial) in trials {
        let [naive, ours] = [trial(&forms[0]), trial(&forms[1])];
        out.line(row(&widths, &[&name, &naive, &ours]));
    }
    Ok(())
}

/// How many trials were accepted, of how many.
struct Tally(usize, usize);

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{} of {}", self.0, self.1))
    }
}

fn flipped(form: &Form) -> Tally {
    let flip = |bit: usize| {
        let mut bytes = form.record.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (bytes, SALT, OFFSET)
    };
    accepted((0..form.record.len() * 8).map(flip), form)
}

fn cut(form: &Form) -> Tally {
    let cut = |length: usize| (form.record[..length].to_vec(), SALT, OFFSET);
    accepted((0..form.record.len()).map(cut), form)
}

fn accepted(trials: impl IntoIterator<Item = (Vec<u8>, u32, u64)>, form: &Form) -> Tally {
    trials.into_iter().fold(Tally(0, 0), |Tally(accepted, all), (bytes, salt, offset)| {
        Tally(accepted + usize::from((form.read)(&bytes, salt, offset).is_some()), all + 1)
    })
}

fn naive(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..], payload, &crc32fast::hash(payload).to_le_bytes()].concat()
}

fn read_naive(bytes: &[u8], _salt: u32, _offset: u64) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let crc = rest.first_chunk::<4>()?;
    (crc32fast::hash(payload).to_le_bytes() == *crc).then(|| payload.to_vec())
}

fn read_ours(bytes: &[u8], salt: u32, offset: u64) -> Option<Vec<u8>> {
    let fragment = decode_fragment(&mut Decoder::new(bytes), salt, offset, 32_768).ok()?;
    Some(fragment.payload.to_vec())
}
