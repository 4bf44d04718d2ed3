//! The four engines, each behind the one trait.

mod fjall;
mod redb;
mod sled;
mod stage6;

use crate::engine::Engine;

/// Every engine, in the order of the table.
pub fn all() -> [&'static dyn Engine; 4] {
    [&stage6::Stage6, &fjall::Fjall, &redb::Redb, &sled::Sled]
}

/// The engine of this name.
pub fn named(name: &str) -> Option<&'static dyn Engine> {
    all().into_iter().find(|engine| engine.name() == name)
}
