//! What every engine is given to keep, and every state it may then be found in.
//!
//! ```text
//!   write    1      2      3    …   60     61 …            90
//!          put a  put b  put c     put z   overwrite, delete
//!   state  0      1      2      3   …                      90   = expected
//! ```
//!
//! Each write is synced before the next begins, so after a crash state 90 is owed.
//! Each write changes what the database holds, so no two states that follow one
//! another are equal, and a prefix of the writes can be told from another.

use std::collections::BTreeMap;

/// How many keys are put at first.
pub const KEYS: usize = 60;

/// How many writes come behind: two overwrites and then a deletion, in turn.
const CHANGES: usize = 30;

/// How many writes are made before the data is moved out of the journal, where an
/// engine has one: some overwrites and deletions are on either side.
pub const WRITES_BEFORE_SETTLING: usize = KEYS + CHANGES / 2;

/// What a database holds.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// One write: a key, and its value or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: Vec<u8>,
    /// The new value; none: a deletion.
    pub value: Option<Vec<u8>>,
}

/// All writes, in their order.
pub fn writes() -> Vec<Write> {
    let puts = (0..KEYS).map(|number| Write { key: key(number), value: Some(value(number, 0)) });
    puts.chain((0..CHANGES).map(change)).collect()
}

/// The state before the first write, and that behind each.
pub fn states() -> Vec<State> {
    let mut states = vec![State::new()];
    for Write { key, value } in writes() {
        let mut next = states.last().cloned().unwrap_or_default();
        match value {
            Some(value) => next.insert(key, value),
            None => next.remove(&key),
        };
        states.push(next);
    }
    states
}

/// Every key that was ever written, and one that never was.
pub fn keys() -> Vec<Vec<u8>> {
    (0..=KEYS).map(key).collect()
}

fn key(number: usize) -> Vec<u8> {
    format!("key{number:03}").into_bytes()
}

/// The keys change in an order that jumps: 17 and 60 have no divisor in common, so
/// no key changes twice.
fn change(turn: usize) -> Write {
    let number = turn * 17 % KEYS;
    Write { key: key(number), value: (turn % 3 < 2).then(|| value(number, 1)) }
}

/// 20 to 100 bytes that no other write has: text, so that a reader of a dump sees it.
fn value(number: usize, round: usize) -> Vec<u8> {
    let length = 20 + (number * 37 + round * 11) % 81;
    let text = format!("value {number} of round {round}, ");
    text.bytes().chain((0..).map(|place| b'a' + ((place * 7 + number) % 26) as u8)).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_changes_what_is_there() {
        let states = states();
        assert_eq!(states.len(), KEYS + CHANGES + 1);
        for (before, after) in states.iter().zip(&states[1..]) {
            assert_ne!(before, after);
        }
    }

    #[test]
    fn values_have_20_to_100_bytes() {
        for write in writes() {
            assert!(write.value.is_none_or(|value| (20..=100).contains(&value.len())));
        }
    }
}
