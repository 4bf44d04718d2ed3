//! No answer takes long: the databases are a few kilobytes. One that does is a hang,
//! and since nothing can end it but the end of the process, that is what happens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

const HANG: Duration = Duration::from_secs(20);

/// What each thread does at this moment, and since when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    now: Mutex<HashMap<ThreadId, (String, Instant)>>,
    is_over: AtomicBool,
}

impl Watch {
    /// Runs `work` under watch.
    pub(super) fn over<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            scope.spawn(|| self.keep());
            let done = work();
            self.is_over.store(true, Ordering::Relaxed);
            done
        })
    }

    /// This thread begins something else.
    pub(super) fn begin(&self, what: &str) {
        let now = (what.to_owned(), Instant::now());
        self.locked().insert(std::thread::current().id(), now);
    }

    /// This thread has nothing to do.
    pub(super) fn end(&self) {
        self.locked().remove(&std::thread::current().id());
    }

    fn keep(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
            if let Some((what, _)) = self.locked().values().find(|(_, since)| since.elapsed() > HANG) {
                println!("a hang: {what}");
                std::process::abort();
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<ThreadId, (String, Instant)>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
