//! What a user does with a database, as data, and as a seed draws it.
//!
//! ```text
//!   put, delete, batch, persist      what is written
//!   get, scan, prefix, both ends,    what is read, and compared with the model
//!   walk, snapshots
//!   run a job, flush, compact        what must change no answer
//!   checkpoint, reopen
//! ```
//!
//! Keys are so few and so short that they collide and are prefixes of one another;
//! the empty key is one of them. What an operation does is in
//! [`session`](crate::session).

use std::fmt;

use stage6_engine::Durability;

use crate::dice::Dice;
use crate::model::Write;

/// One operation.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Give a key a value, as durable as the options say.
    Put(Vec<u8>, Vec<u8>),
    /// Delete a key, as durable as the options say.
    Delete(Vec<u8>),
    /// Write a batch.
    Batch(Vec<Write>, Durability),
    /// Make everything durable.
    Persist,
    /// Read one key.
    Get(Vec<u8>),
    /// Read the keys from one to another, in both directions. They may be reversed,
    /// which is an error.
    Scan(Vec<u8>, Vec<u8>),
    /// Read the keys with this prefix.
    Prefix(Vec<u8>),
    /// Take from the front (`true`) or the back of all keys, and then the rest.
    BothEnds(Vec<bool>),
    /// Seek a key with a cursor, and step forward (`true`) or backward.
    Walk(Vec<u8>, Vec<bool>),
    /// Hold the present, if there are not many snapshots yet.
    TakeSnapshot,
    /// Let the snapshot of this number go, if there is one.
    DropSnapshot(usize),
    /// Read all of the snapshot of this number, if there is one.
    ReadSnapshot(usize),
    /// Run one of the jobs that are due.
    RunJob(usize),
    /// Rotate, flush, and wait.
    Flush,
    /// Compact the tables that hold keys from one to another, or all of them.
    Compact(Option<(Vec<u8>, Vec<u8>)>),
    /// Make a second database, and read it.
    Checkpoint,
    /// Close, and open under the options that follow from this number.
    Reopen(u64),
}

/// The bytes of which keys are made are below this.
pub const ALPHABET: u8 = 5;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 3;

impl Operation {
    /// An operation that the dice choose.
    pub fn drawn(dice: &mut Dice) -> Operation {
        match dice.roll(100) {
            0..18 => Operation::Put(key(dice), value(dice)),
            18..24 => Operation::Delete(key(dice)),
            24..34 => Operation::Batch(writes(dice), Durability::Buffer),
            34..38 => Operation::Batch(writes(dice), Durability::Sync),
            38..40 => Operation::Persist,
            40..54 => Operation::Get(key(dice)),
            54..58 => Operation::Scan(key(dice), key(dice)),
            58..60 => Operation::Prefix(key(dice)),
            60..62 => Operation::BothEnds(choices(dice)),
            62..65 => Operation::Walk(key(dice), choices(dice)),
            65..68 => Operation::TakeSnapshot,
            68..70 => Operation::DropSnapshot(dice.roll(4) as usize),
            70..73 => Operation::ReadSnapshot(dice.roll(4) as usize),
            73..93 => Operation::RunJob(dice.roll(60) as usize),
            93..95 => Operation::Flush,
            95 => Operation::Compact(None),
            96..98 => Operation::Compact(Some(ordered(key(dice), key(dice)))),
            98 if dice.roll(4) == 0 => Operation::Checkpoint,
            _ => Operation::Reopen(dice.roll(1 << 32)),
        }
    }
}

fn key(dice: &mut Dice) -> Vec<u8> {
    let length = dice.roll(LONGEST_KEY as u64 + 1);
    (0..length).map(|_| dice.roll(u64::from(ALPHABET)) as u8).collect()
}

/// Mostly small; now and then empty, or larger than a block.
fn value(dice: &mut Dice) -> Vec<u8> {
    let length = match dice.roll(40) {
        0 => 3_000,
        1..4 => 0,
        _ => 1 + dice.roll(150),
    };
    let first = dice.roll(256);
    // No two bytes alike in a row: a value that was shifted is another one.
    (0..length).map(|index| (first + index) as u8).collect()
}

fn writes(dice: &mut Dice) -> Vec<Write> {
    (0..1 + dice.roll(6)).map(|_| (key(dice), (dice.roll(4) > 0).then(|| value(dice)))).collect()
}

fn choices(dice: &mut Dice) -> Vec<bool> {
    (0..1 + dice.roll(30)).map(|_| dice.roll(2) == 0).collect()
}

/// The two keys, the smaller first.
pub fn ordered(one: Vec<u8>, other: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    if one <= other { (one, other) } else { (other, one) }
}

/// The operations as a list that can be read.
pub fn spell<T: fmt::Display>(operations: &[T]) -> String {
    let spelled: Vec<String> = operations.iter().map(T::to_string).collect();
    format!("{} operations: {}", operations.len(), spelled.join(", "))
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Put(key, value) => write!(f, "put {}", spell_write(key, Some(value))),
            Operation::Delete(key) => write!(f, "delete {}", spell_key(key)),
            Operation::Batch(writes, durability) => {
                let spelled = writes.iter().map(|(key, value)| spell_write(key, value.as_ref()));
                write!(f, "write [{}] {durability:?}", spelled.collect::<Vec<_>>().join(", "))
            }
            Operation::Persist => write!(f, "persist"),
            Operation::Get(key) => write!(f, "get {}", spell_key(key)),
            Operation::Scan(from, to) => write!(f, "scan {} to {}", spell_key(from), spell_key(to)),
            Operation::Prefix(prefix) => write!(f, "scan all that begin with {}", spell_key(prefix)),
            Operation::BothEnds(ends) => write!(f, "take {} from both ends", ends.len()),
            Operation::Walk(key, steps) => write!(f, "walk {} from {}", spell_steps(steps), spell_key(key)),
            Operation::TakeSnapshot => write!(f, "take a snapshot"),
            Operation::DropSnapshot(index) => write!(f, "drop snapshot {index}"),
            Operation::ReadSnapshot(index) => write!(f, "read snapshot {index}"),
            Operation::RunJob(index) => write!(f, "run job {index}"),
            Operation::Flush => write!(f, "flush"),
            Operation::Compact(None) => write!(f, "compact"),
            Operation::Compact(Some((from, to))) => {
                write!(f, "compact {} to {}", spell_key(from), spell_key(to))
            }
            Operation::Checkpoint => write!(f, "checkpoint"),
            Operation::Reopen(options) => write!(f, "reopen with options {options}"),
        }
    }
}

/// The bytes of a key as digits: `'013'`.
fn spell_key(key: &[u8]) -> String {
    let digits: Vec<String> = key.iter().map(u8::to_string).collect();
    format!("'{}'", digits.concat())
}

fn spell_write(key: &[u8], value: Option<&Vec<u8>>) -> String {
    match value {
        Some(value) => format!("{} = {} bytes", spell_key(key), value.len()),
        None => format!("no {}", spell_key(key)),
    }
}

fn spell_steps(steps: &[bool]) -> String {
    steps.iter().map(|forward| if *forward { '>' } else { '<' }).collect()
}
