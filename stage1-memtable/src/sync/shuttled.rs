//! What [`sync`](super) gives under shuttle: its primitives behind the signatures
//! of parking_lot and arc_swap.
//!
//! A panic in one thread ends the whole run, so nobody ever meets a poisoned lock.

#![allow(missing_docs)]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use shuttle::sync as shuttle_sync;

pub use shuttle::sync::atomic;
pub use shuttle::thread;

use atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub struct Mutex<T>(shuttle_sync::Mutex<T>);

/// Empty only while its holder waits.
pub struct MutexGuard<'a, T>(Option<shuttle_sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Mutex<T> {
        Mutex(shuttle_sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("its holder does not wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("its holder does not wait")
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[derive(Debug, Default)]
pub struct Condvar(shuttle_sync::Condvar);

impl Condvar {
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect("its holder does not wait yet");
        guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    /// Time does not pass here: this waits until it is told.
    pub fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        _deadline: Instant,
    ) -> shuttle_sync::WaitTimeoutResult {
        let held = guard.0.take().expect("its holder does not wait yet");
        let ended = self.0.wait_timeout(held, Duration::MAX).unwrap_or_else(PoisonError::into_inner);
        guard.0 = Some(ended.0);
        ended.1
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[derive(Debug, Default)]
pub struct RwLock<T>(shuttle_sync::RwLock<T>);

impl<T> RwLock<T> {
    pub const fn new(value: T) -> RwLock<T> {
        RwLock(shuttle_sync::RwLock::new(value))
    }

    pub fn read(&self) -> shuttle_sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> shuttle_sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pointer that is replaced in one step. Others may go first at each use.
pub struct ArcSwap<T> {
    current: parking_lot::Mutex<Arc<T>>,
    turn: AtomicUsize,
}

/// What was loaded. It owns here what it borrows ordinarily.
#[derive(Debug)]
pub struct Guard<P>(P);

impl<T> ArcSwap<T> {
    pub fn from_pointee(value: T) -> ArcSwap<T> {
        ArcSwap { current: parking_lot::Mutex::new(Arc::new(value)), turn: AtomicUsize::new(0) }
    }

    pub fn load(&self) -> Guard<Arc<T>> {
        Guard(self.load_full())
    }

    pub fn load_full(&self) -> Arc<T> {
        self.turn.load(Ordering::SeqCst);
        Arc::clone(&self.current.lock())
    }

    pub fn store(&self, next: Arc<T>) {
        self.turn.fetch_add(1, Ordering::SeqCst);
        let before = std::mem::replace(&mut *self.current.lock(), next);
        // What it owned may lock as it goes, which lets others go first.
        drop(before);
    }
}

impl<P> Deref for Guard<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0
    }
}

impl<T> fmt::Debug for ArcSwap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArcSwap")
    }
}
