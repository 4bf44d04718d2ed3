//! Where every lock, atomic and thread of all stages comes from.
//!
//! ```text
//!                    ordinarily            with --cfg shuttle
//!   Mutex, RwLock    parking_lot           shuttle, behind the same signatures
//!   Condvar          parking_lot           shuttle
//!   atomic           std                   shuttle
//!   ArcSwap, Guard   arc_swap              a pointer, and a turn before it
//!   thread           std                   shuttle
//! ```
//!
//! Ordinarily these are names and nothing else: the same types, at no cost. With
//! `RUSTFLAGS="--cfg shuttle"` one thread at a time runs, and at each use of a thing
//! from here a scheduler decides who goes on. So a suite can drive the same code
//! through a million interleavings, and play a bad one again from its seed.
//!
//! **INV-SYNC-1** What threads tell one another goes through this module: locks,
//! what is published, whatever another thread decides by. Mere counts may be std's.
//!
//! What it does not show. Under shuttle all atomics are sequentially consistent: it
//! finds wrong orders of steps, not wrong memory orderings. It looks into no other
//! library: the caches have no scheduling point inside, so nothing from here may be used
//! in a closure that they call under a lock of their own.
//! Time does not pass: whoever waits with a deadline waits until he is told.

#[cfg(shuttle)]
mod shuttled;

#[cfg(not(shuttle))]
pub use arc_swap::{ArcSwap, Guard};
#[cfg(not(shuttle))]
pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub use std::{sync::atomic, thread};

#[cfg(shuttle)]
pub use shuttled::{ArcSwap, Condvar, Guard, Mutex, MutexGuard, RwLock, atomic, thread};
