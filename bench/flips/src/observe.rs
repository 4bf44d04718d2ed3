//! Asks one database everything, and lives through its panics.
//!
//! ```text
//!   reopen ──▶ scan ──▶ get, get, … ──▶ close      a step that panics or fails
//!     └─────────┴────────┴──────────────┴─▶ Answers    ends that step alone
//! ```
//!
//! A panic of any thread counts, also one that the engine keeps to itself. A process
//! in which a thread has panicked should not be asked again.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Check, Engine, Outcome, Store};
use crate::verdict::Answers;
use crate::workload::{KEYS, keys};

/// A scan that goes round in circles is ended here, and is wrong by then.
const SCAN_LIMIT: usize = KEYS * 10;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// From now on a panic is counted and not printed.
pub fn count_panics() {
    panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
}

/// Opens what is in `directory`, and reads all of it twice: by scan and by get.
pub fn observe(engine: &dyn Engine, directory: &Path) -> Answers {
    let panics_before = PANICS.load(Ordering::SeqCst);
    let mut answers = Answers::default();
    if let Some(store) = step(&mut answers, |_| engine.reopen(directory)) {
        step(&mut answers, |answers| scan(&*store, answers));
        for key in keys() {
            if let Some(value) = step(&mut answers, |_| store.get(&key)) {
                answers.gets.insert(key, value);
            }
        }
        step(&mut answers, |_| store.close());
    }
    answers.panicked |= PANICS.load(Ordering::SeqCst) > panics_before;
    answers
}

/// What the engine's own check says; nothing, when it panics.
pub fn check(engine: &dyn Engine, directory: &Path) -> Option<Check> {
    let panics_before = PANICS.load(Ordering::SeqCst);
    let checked = panic::catch_unwind(AssertUnwindSafe(|| engine.check(directory))).ok();
    checked.filter(|_| PANICS.load(Ordering::SeqCst) == panics_before)
}

fn scan(store: &dyn Store, answers: &mut Answers) -> Outcome<()> {
    let scanned = &mut answers.scanned;
    store.scan(&mut |key, value| {
        scanned.push((key.to_vec(), value.to_vec()));
        scanned.len() < SCAN_LIMIT
    })?;
    answers.scan_is_whole = true;
    Ok(())
}

/// One step; none, when it failed or panicked, which is noted.
fn step<T>(answers: &mut Answers, work: impl FnOnce(&mut Answers) -> Outcome<T>) -> Option<T> {
    match panic::catch_unwind(AssertUnwindSafe(|| work(answers))) {
        Ok(Ok(value)) => Some(value),
        Ok(Err(failure)) => {
            answers.error.get_or_insert_with(|| failure.to_string());
            None
        }
        Err(_) => {
            answers.panicked = true;
            None
        }
    }
}
