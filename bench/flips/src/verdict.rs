//! What a reader was told, and which kind of answer that is.
//!
//! ```text
//!   answers ──▶ do they agree with one state of the workload?
//!               no  ──▶ only keys missing? hole : wrong
//!               yes ──▶ panicked? panic ▸ an error? error ▸ which state?
//!                       the last: unchanged · the first: empty · between: shorter
//! ```
//!
//! The law: **an error excuses what was not answered, never an answer that is
//! wrong.** A scan that ends in an error behind right entries is an error; a get that
//! says "absent" beside it for a key that is there is a wrong answer.

use std::collections::BTreeMap;

use crate::workload::State;

/// What became of one flip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every answer was right.
    Unchanged,
    /// An error, at open or at read, and no wrong answer beside it.
    Error,
    /// No error, and every answer right as of an earlier write: the end is lost.
    Shorter,
    /// No error, and nothing there: everything is lost.
    Empty,
    /// No error, and keys missing that were written before others that are there.
    Hole,
    /// A wrong value, an overwritten or deleted one, or a key nobody wrote.
    Wrong,
    /// A thread panicked, and no wrong answer was given.
    Panic,
    /// The process died.
    Abort,
    /// No answer within the time limit.
    Hang,
}

impl Verdict {
    /// All, in the order of the table's columns.
    pub const ALL: [Verdict; 9] = [
        Verdict::Unchanged,
        Verdict::Error,
        Verdict::Shorter,
        Verdict::Empty,
        Verdict::Hole,
        Verdict::Wrong,
        Verdict::Panic,
        Verdict::Abort,
        Verdict::Hang,
    ];

    /// Its name, in the table and between the processes.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Unchanged => "unchanged",
            Verdict::Error => "error",
            Verdict::Shorter => "shorter",
            Verdict::Empty => "empty",
            Verdict::Hole => "hole",
            Verdict::Wrong => "wrong",
            Verdict::Panic => "panic",
            Verdict::Abort => "abort",
            Verdict::Hang => "hang",
        }
    }

    /// The verdict of this name.
    pub fn named(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Whether answers differ from what was written and nothing says so.
    pub fn is_silent_loss(self) -> bool {
        matches!(self, Verdict::Shorter | Verdict::Empty | Verdict::Hole | Verdict::Wrong)
    }
}

/// What a reader was told.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// The entries of a scan, up to its end or its error.
    pub scanned: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the scan came to its end.
    pub scan_is_whole: bool,
    /// The gets that were answered.
    pub gets: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The first error.
    pub error: Option<String>,
    /// Whether any thread panicked.
    pub panicked: bool,
}

/// Which kind of answer this is, when `states` are what the writes went through.
pub fn judge(states: &[State], answers: &Answers) -> Verdict {
    let last = states.len() - 1;
    let Some(latest) = (0..=last).rev().find(|&at| agree(&states[at], answers)) else {
        return if only_missing(&states[last], answers) { Verdict::Hole } else { Verdict::Wrong };
    };
    match latest {
        _ if answers.panicked => Verdict::Panic,
        _ if answers.error.is_some() => Verdict::Error,
        at if at == last => Verdict::Unchanged,
        0 => Verdict::Empty,
        _ => Verdict::Shorter,
    }
}

/// Whether every answer is what a database in this state would say.
fn agree(state: &State, answers: &Answers) -> bool {
    let mut entries = state.iter();
    let scanned = answers.scanned.iter().all(|(key, value)| entries.next() == Some((key, value)));
    let nothing_left = !answers.scan_is_whole || entries.next().is_none();
    scanned && nothing_left && answers.gets.iter().all(|(key, value)| state.get(key) == value.as_ref())
}

/// Whether all that was found is right, and no more than that is lacking.
fn only_missing(expected: &State, answers: &Answers) -> bool {
    let gets = answers.gets.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let mut found = answers.scanned.iter().map(|(key, value)| (key, value)).chain(gets);
    let in_order = answers.scanned.is_sorted_by(|(one, _), (next, _)| one < next);
    in_order && found.all(|(key, value)| expected.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{keys, states};

    fn told(state: &State) -> Answers {
        Answers {
            scanned: state.clone().into_iter().collect(),
            scan_is_whole: true,
            gets: keys().into_iter().map(|key| (key.clone(), state.get(&key).cloned())).collect(),
            ..Answers::default()
        }
    }

    #[test]
    fn each_state_is_told_from_all_others() {
        let states = states();
        for (at, state) in states.iter().enumerate() {
            let expected = match at {
                0 => Verdict::Empty,
                at if at == states.len() - 1 => Verdict::Unchanged,
                _ => Verdict::Shorter,
            };
            assert_eq!(judge(&states, &told(state)), expected, "state {at}");
        }
    }

    #[test]
    fn a_key_missing_from_the_middle_is_a_hole() {
        let states = states();
        let mut state = states[90].clone();
        state.remove(b"key001".as_slice());
        assert_eq!(judge(&states, &told(&state)), Verdict::Hole);
    }

    #[test]
    fn another_value_and_a_key_come_back_are_wrong() {
        let states = states();
        let mut other = states[90].clone();
        other.insert(b"key001".to_vec(), b"something else".to_vec());
        assert_eq!(judge(&states, &told(&other)), Verdict::Wrong);
        let mut resurrected = states[90].clone();
        let deleted = states[60].keys().find(|key| !states[90].contains_key(*key)).expect("a deletion");
        resurrected.insert(deleted.clone(), states[60][deleted].clone());
        assert_eq!(judge(&states, &told(&resurrected)), Verdict::Wrong);
    }

    #[test]
    fn a_scan_and_a_get_that_disagree_are_no_state() {
        let states = states();
        let mut answers = told(&states[90]);
        answers.gets.insert(b"key001".to_vec(), None);
        assert_eq!(judge(&states, &answers), Verdict::Hole);
    }

    #[test]
    fn an_error_excuses_what_was_not_answered_and_nothing_else() {
        let states = states();
        let mut answers = told(&states[90]);
        answers.scanned.truncate(10);
        answers.scan_is_whole = false;
        answers.error = Some("the block is damaged".to_owned());
        assert_eq!(judge(&states, &answers), Verdict::Error);
        answers.gets.insert(b"key001".to_vec(), None);
        assert_eq!(judge(&states, &answers), Verdict::Hole);
        let refused = Answers { error: Some("no".to_owned()), ..Answers::default() };
        assert_eq!(judge(&states, &refused), Verdict::Error);
    }

    #[test]
    fn a_panic_counts_before_an_error_and_behind_a_wrong_answer() {
        let states = states();
        let mut answers = Answers { panicked: true, error: Some("no".to_owned()), ..told(&states[90]) };
        assert_eq!(judge(&states, &answers), Verdict::Panic);
        answers.gets.insert(b"key001".to_vec(), Some(b"something else".to_vec()));
        assert_eq!(judge(&states, &answers), Verdict::Wrong);
    }

    #[test]
    fn every_verdict_is_found_by_its_name() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::named(verdict.name()), Some(verdict));
        }
    }
}
