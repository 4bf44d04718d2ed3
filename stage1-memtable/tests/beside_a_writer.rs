//! Readers beside one writer: whoever knows a published sequence finds all that
//! was written up to it, and a cursor keeps its laws while entries appear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{FIRST_SEQUENCE, InternalKey, Kind, Sequence};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

const WRITES: Sequence = 30_000;
const READERS: u64 = 3;

/// Few keys, so that most writes are new versions of a key that is being read.
const KEYS: u64 = 97;

/// A well-mixed word for each seed, so that neighbours lie far apart.
fn mix(seed: u64) -> u64 {
    let word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^ word >> 29
}

fn key_of(sequence: Sequence) -> [u8; 24] {
    let mut key = *b"a prefix of 16 b........";
    key[16..].copy_from_slice(&(mix(sequence) % KEYS).to_be_bytes());
    key
}

/// A memtable and the sequence up to which readers may rely on it.
struct Shared {
    memtable: Arc<MemTable>,
    published: AtomicU64,
}

impl Shared {
    fn new() -> Shared {
        Shared { memtable: Arc::new(MemTable::for_bytes(1 << 20)), published: AtomicU64::new(0) }
    }

    fn write_all(&self) {
        for sequence in FIRST_SEQUENCE..=WRITES {
            self.memtable.insert(sequence, Kind::Value, &key_of(sequence), &sequence.to_le_bytes());
            self.published.store(sequence, Ordering::Release);
        }
    }

    /// Looks up what was written last and something older, as of then.
    fn check_lookups(&self, published: Sequence, seed: u64) {
        for sequence in [published, 1 + mix(seed) % published] {
            let answer = self.memtable.lookup(&LookupKey::new(&key_of(sequence), sequence), &mut ());
            let value = sequence.to_le_bytes().to_vec().into();
            assert_eq!(answer.expect("a memtable never fails"), Answer::Value { value, sequence });
        }
    }

    /// Counts what a scan sees up to `published`: all of it, each once, in order.
    fn check_scan(&self, published: Sequence) {
        let mut cursor = self.memtable.cursor();
        let mut seen = 0;
        let mut last = None;
        cursor.seek_to_first();
        while cursor.is_valid() {
            let here = cursor.key().to_owned();
            assert!(last.as_ref() < Some(&here), "{last:?} before {here:?}");
            seen += u64::from(here.sequence <= published);
            last = Some(here);
            cursor.next();
        }
        assert_eq!(seen, published);
    }
}

#[test]
fn a_reader_never_misses_an_entry_whose_sequence_was_published() {
    let shared = Shared::new();
    thread::scope(|scope| {
        for reader in 0..READERS {
            let shared = &shared;
            scope.spawn(move || {
                let mut rounds = 0u64;
                loop {
                    let published = shared.published.load(Ordering::Acquire);
                    if published >= FIRST_SEQUENCE {
                        shared.check_lookups(published, rounds * READERS + reader);
                        rounds += 1;
                    }
                    if published == WRITES {
                        break;
                    }
                    if rounds % 4_096 == 1 {
                        shared.check_scan(published);
                    }
                }
                shared.check_scan(WRITES);
            });
        }
        shared.write_all();
    });
}

/// The writer puts each new entry right behind the target: between the place
/// where a seek would land and the target itself.
#[test]
fn seek_before_never_lands_behind_its_target_while_entries_appear_there() {
    let memtable = Arc::new(MemTable::new());
    memtable.insert(FIRST_SEQUENCE, Kind::Value, b"apple", b"");
    let target = InternalKey::before_all(b"fig");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for sequence in FIRST_SEQUENCE + 1..=10 * WRITES {
                memtable.insert(sequence, Kind::Value, b"fig", b"");
            }
        });
        let mut cursor = memtable.cursor();
        loop {
            let is_last_round = writer.is_finished();
            cursor.seek_before(target);
            assert_eq!(cursor.key().user_key, b"apple");
            if is_last_round {
                break;
            }
        }
    });
}
