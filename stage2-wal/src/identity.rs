//! Who wrote this file: the database's id, and the salt of each file.
//!
//! ```text
//!   salt = CRC-32( database id, 16 bytes LE ‖ file number, 8 bytes LE )
//! ```
//!
//! Every checksum in a log or a table also covers the file's salt and the place
//! in the file. So bytes of another file, of another database, or of another
//! place fail as surely as flipped bits do: a block restored to the wrong
//! offset, a table swapped for its neighbour, a recycled disk sector. Two copies of
//! one directory that both go on have the same salts: these are not told apart. Nor are
//! a file that a crash took before anybody relied on it, and the next one with its number.

use std::fmt;

/// The random identity of a database, written in `CURRENT`. Two databases never
/// share one, but for copies and checkpoints of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseId(pub u128);

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The salt of the file with this number in the database with this id.
pub fn file_salt(database: DatabaseId, number: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&database.0.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_strangers_have_other_salts() {
        let ours = file_salt(DatabaseId(7), 3);
        assert_eq!(ours, file_salt(DatabaseId(7), 3));
        assert_ne!(ours, file_salt(DatabaseId(7), 4));
        assert_ne!(ours, file_salt(DatabaseId(8), 3));
    }
}
