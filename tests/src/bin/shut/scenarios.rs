//! The programs: each a few threads over a database so small that every write
//! reaches the part that is asked about.
//!
//! ```text
//!   skip-list     a lookup and a scan beside inserts into one memtable
//!   publication   readers beside rotations, flushes and compactions
//!   sync-lock     writers who share syncs, beside a rotation of the log
//!   stall-gate    writers who are stopped, beside the thread that makes room
//!   snapshots     a snapshot beside writes, flushes and compactions
//!   shutdown      close beside writers, a reader and jobs
//! ```
//!
//! That nobody sleeps for ever is checked in each: when no thread can go on, the run
//! fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stage6_engine::memtable::cursor::Cursor;
use stage6_engine::memtable::key::Kind;
use stage6_engine::memtable::lookup::{Answer, Lookup, LookupKey};
use stage6_engine::memtable::memtable::MemTable;
use stage6_engine::memtable::sync::Mutex;
use stage6_engine::memtable::sync::thread::{self, JoinHandle};
use stage6_engine::wal::identity::DatabaseId;
use stage6_engine::wal::journal::{Journal, replay};
use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::{DataPolicy, NamePolicy, Policy};
use stage6_engine::{Builder, Codec, Db, Durability, Error, Leveled, Read, Runtime, WriteBatch};

use crate::runner::Scenario;

pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "skip-list", run: skip_list },
    Scenario { name: "publication", run: publication },
    Scenario { name: "sync-lock", run: sync_lock },
    Scenario { name: "stall-gate", run: stall_gate },
    Scenario { name: "snapshots", run: snapshots },
    Scenario { name: "shutdown", run: shutdown },
];

/// Threads that the scheduler knows; neither clock nor chance.
#[derive(Debug)]
struct Scheduled {
    workers: usize,
}

impl Runtime for Scheduled {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _duration: Duration) {
        thread::yield_now();
    }

    fn random(&self) -> u64 {
        7
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(name).spawn(work)
    }
}

/// A database whose every write fills a memtable, and whose every second table of
/// level 0 is compacted.
fn tiny(workers: usize) -> Builder {
    Db::builder()
        .memtable_bytes(1)
        .max_immutables(2)
        .block_size_bytes(64)
        .codec(Codec::None)
        .filter(None)
        .cache_bytes(0)
        .max_open_files(4)
        .database_id(0x5107)
        .runtime(Arc::new(Scheduled { workers }))
        .strategy(Leveled {
            level0_files: 2,
            base_level_bytes: 1_000,
            size_ratio: 4,
            target_file_bytes: 1_000,
        })
}

fn number(value: Option<stage6_engine::Value>) -> u64 {
    value.map_or(0, |value| u64::from(value[0]))
}

/// The same value for two keys in one step.
fn pair(value: u8) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put("a", [value]).put("z", [value]);
    batch
}

/// Both values of the pair, in one scan.
fn read_pair(from: &impl Read) -> (u64, u64) {
    let entries: Vec<_> = from.range(..).map(|entry| entry.expect("the disk is sound")).collect();
    let find = |key: &[u8]| number(entries.iter().find(|entry| entry.0 == key).map(|entry| entry.1.clone()));
    (find(b"a"), find(b"z"))
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a panic ends the run");
    }
}

/// INV-SKIP-1 and 2, INV-SHORTCUT-1, INV-MEM-2: what was published is found, by a lookup and by a scan,
/// and all that is found is whole.
fn skip_list() {
    // On the second and the fourth entry a floor stands.
    const KEYS: [&[u8]; 6] = [b"d", b"a", b"f", b"c", b"e", b"b"];
    let memtable = Arc::new(MemTable::for_bytes(2_000));
    let published = Arc::new(AtomicU64::new(0));
    let writer = {
        let (memtable, published) = (Arc::clone(&memtable), Arc::clone(&published));
        thread::spawn(move || {
            for (key, sequence) in KEYS.into_iter().zip(1..) {
                memtable.insert(sequence, Kind::Value, key, key);
                published.store(sequence, Ordering::SeqCst);
            }
        })
    };
    let reader = {
        let (memtable, published) = (Arc::clone(&memtable), Arc::clone(&published));
        thread::spawn(move || {
            let seen = published.load(Ordering::SeqCst);
            for key in &KEYS[..seen as usize] {
                let answer = memtable.lookup(&LookupKey::new(key, seen), &mut ());
                let answer = answer.expect("a memtable never fails");
                assert!(matches!(answer, Answer::Value { value, .. } if value == *key), "it misses {key:?}");
            }
            let mut cursor = memtable.cursor();
            cursor.seek_to_first();
            let mut found = Vec::new();
            while cursor.is_valid() {
                assert_eq!(cursor.key().user_key, cursor.value());
                found.push(cursor.key().to_owned());
                cursor.next();
            }
            assert!(found.is_sorted());
            assert_eq!(found.iter().filter(|key| key.sequence <= seen).count() as u64, seen);
        })
    };
    join(vec![writer, reader]);
}

/// INV-STATE-1 to 3: whoever reads finds what was acknowledged before, no half of a
/// batch, and never goes back.
fn publication() {
    let db = tiny(1).open_in_memory().expect("an empty disk");
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = {
        let (db, acknowledged) = (db.clone(), Arc::clone(&acknowledged));
        thread::spawn(move || {
            for value in 1..=3 {
                db.write(&pair(value)).expect("the disk is sound");
                acknowledged.store(u64::from(value), Ordering::SeqCst);
            }
        })
    };
    let reader = {
        let (db, acknowledged) = (db.clone(), Arc::clone(&acknowledged));
        thread::spawn(move || {
            let mut seen = 0;
            for _ in 0..2 {
                seen = seen.max(acknowledged.load(Ordering::SeqCst));
                let one = number(db.get("a").expect("the disk is sound"));
                assert!(one >= seen, "a get finds {one} after {seen} was acknowledged or seen");
                let (a, z) = read_pair(&db);
                assert_eq!(a, z, "a scan finds half a batch");
                assert!(a >= one, "a scan finds {a} after {one} was seen");
                seen = a;
            }
        })
    };
    join(vec![writer, reader]);
    assert_eq!(read_pair(&db), (3, 3));
}

/// INV-JOURNAL-2 and 3: at the moment when `persist` returns, a disk that loses all
/// that was not synced still has the write, and all before it.
fn sync_lock() {
    let database = DatabaseId(1);
    let disk = SimVfs::new();
    let journal = Journal::create(Arc::new(disk.clone()), database, 1, 0).expect("an empty disk");
    let journal = Arc::new(journal);
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let writer = |name: u8| {
        let (journal, disk, acknowledged) = (Arc::clone(&journal), disk.clone(), Arc::clone(&acknowledged));
        thread::spawn(move || {
            for value in 0..2 {
                let mut batch = WriteBatch::new();
                batch.put([name], [value]);
                let sequence = journal.appender().append(&batch).expect("the disk is sound");
                journal.persist(sequence).expect("the disk is sound");
                let calls = disk.calls();
                acknowledged.lock().push((calls, sequence));
            }
        })
    };
    let rotator = {
        let journal = Arc::clone(&journal);
        thread::spawn(move || {
            let log = journal.prepare(2).expect("the disk is sound");
            journal.appender().rotate(log).expect("the journal is sound");
        })
    };
    join(vec![writer(1), writer(2), writer(3), rotator]);
    let trace = disk.trace();
    let lost = Policy { names: NamePolicy::Prefix(0), data: DataPolicy::Lost };
    for &(calls, sequence) in acknowledged.lock().iter() {
        let image = trace.crash(calls, lost);
        let logs: Vec<u64> = image.keys().filter_map(|file| file.number()).collect();
        let mut last = 0;
        replay(&SimVfs::from_image(&image), database, &logs, 0, |batch| last = batch.last_sequence())
            .expect("nothing that was promised is missing");
        assert!(last >= sequence, "{sequence} was acknowledged at call {calls}; the disk ends at {last}");
    }
}

/// INV-PRESSURE-1: whoever is stopped goes on, and no more memtables wait than the
/// limit and one for each writer who was let through at once.
fn stall_gate() {
    const WRITERS: u64 = 2;
    let db = tiny(1).max_immutables(1).open_in_memory().expect("an empty disk");
    let writer = |name: u8| {
        let db = db.clone();
        thread::spawn(move || {
            for value in 1..=2 {
                db.put([name], [value]).expect("a writer who is stopped waits, and does not fail");
                let waiting = db.stats().waiting_memtables;
                assert!(waiting <= 1 + WRITERS, "{waiting} memtables wait");
            }
        })
    };
    join((0..WRITERS).map(|name| writer(name as u8)).collect());
    for name in 0..WRITERS as u8 {
        assert_eq!(number(db.get([name]).expect("the disk is sound")), 2);
    }
}

/// INV-SNAPSHOT-1: what a snapshot sees never changes, whatever is written, flushed
/// and compacted.
fn snapshots() {
    let db = tiny(1).open_in_memory().expect("an empty disk");
    let writer = {
        let db = db.clone();
        thread::spawn(move || {
            for value in 1..=3 {
                db.write(&pair(value)).expect("the disk is sound");
            }
            db.flush().expect("the disk is sound");
        })
    };
    let reader = {
        let db = db.clone();
        thread::spawn(move || {
            let snapshot = db.snapshot().expect("it is open");
            let seen = number(snapshot.get("a").expect("the disk is sound"));
            assert_eq!(snapshot.sequence(), 2 * seen, "it sees the writes up to its sequence");
            let same = snapshot.clone();
            drop(snapshot);
            assert_eq!(read_pair(&same), (seen, seen), "a snapshot has changed");
            db.flush().expect("the disk is sound");
            assert_eq!(read_pair(&same), (seen, seen), "a snapshot has changed");
        })
    };
    join(vec![writer, reader]);
    assert_eq!(db.stats().snapshots, 0, "nobody holds one");
    assert_eq!(read_pair(&db), (3, 3));
}

/// Closing beside writers, a reader and jobs: everybody comes to an end, and what was
/// acknowledged is there when it is opened again.
fn shutdown() {
    let disk = SimVfs::without_trace();
    let db = tiny(1).open_vfs(Arc::new(disk.clone())).expect("an empty disk");
    let writer = |name: u8, durability: Durability| {
        let db = db.clone();
        thread::spawn(move || {
            let mut acknowledged = 0;
            for value in 1..=2u8 {
                let mut batch = WriteBatch::new();
                batch.put([name], [value]);
                match db.write_opt(&batch, durability) {
                    Ok(_) => acknowledged = u64::from(value),
                    Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
                }
            }
            acknowledged
        })
    };
    let writers = [writer(0, Durability::Buffer), writer(1, Durability::Sync)];
    let reader = {
        let db = db.clone();
        thread::spawn(move || match db.get([0]) {
            Ok(_) | Err(Error::Closed) => {}
            Err(error) => unreachable!("{error}"),
        })
    };
    db.close().expect("the disk is sound");
    let acknowledged = writers.map(|writer| writer.join().expect("a panic ends the run"));
    join(vec![reader]);
    drop(db);
    let db = tiny(0).open_vfs(Arc::new(disk)).expect("it was closed");
    db.check_invariants().expect("it was closed");
    for (name, acknowledged) in (0u8..).zip(acknowledged) {
        let found = number(db.get([name]).expect("the disk is sound"));
        assert!(found >= acknowledged, "writer {name}: {acknowledged} was acknowledged, {found} is there");
    }
}
