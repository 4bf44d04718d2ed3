//! The journal's laws, each told as a short story on a simulated disk.

use super::*;
use crate::vfs::SimVfs;

const DATABASE: DatabaseId = DatabaseId(0x5eed);

struct Story {
    vfs: Arc<SimVfs>,
    journal: Journal,
}

impl Story {
    fn begin() -> Story {
        let vfs = Arc::new(SimVfs::new());
        let journal = Journal::create(vfs.clone(), DATABASE, 1, 0).unwrap();
        Story { vfs, journal }
    }

    fn write(&self, keys: &[&str]) -> Sequence {
        let mut batch = WriteBatch::new();
        keys.iter().for_each(|key| {
            batch.put(key, "value");
        });
        self.journal.appender().append(&batch).unwrap()
    }

    fn rotate(&self, number: u64) {
        let log = self.journal.prepare(number).unwrap();
        self.journal.appender().rotate(log).unwrap();
    }

    fn replay(&self, logs: &[u64], flushed: Sequence) -> Result<(String, ReplayReport)> {
        let mut keys = Vec::new();
        let report = replay(&*self.vfs, DATABASE, logs, flushed, |batch| {
            keys.extend(batch.entries().map(|entry| String::from_utf8(entry.key.to_vec()).unwrap()));
        })?;
        Ok((keys.join(" "), report))
    }

    fn keys(&self, logs: &[u64], flushed: Sequence) -> String {
        self.replay(logs, flushed).unwrap().0
    }

    fn damage(&self, log: u64, change: impl FnOnce(&mut Vec<u8>)) {
        self.vfs.corrupt(FileId::Log(log), change).unwrap();
    }
}

#[test]
fn batches_come_back_in_their_order_over_several_logs() {
    let story = Story::begin();
    story.write(&["a", "b"]);
    story.rotate(2);
    assert_eq!(story.write(&["c"]), 3);
    assert_eq!(story.keys(&[1, 2], 0), "a b c");
}

#[test]
fn what_was_flushed_is_skipped() {
    let story = Story::begin();
    story.write(&["a", "b"]);
    story.rotate(2);
    story.write(&["c"]);
    assert_eq!(story.keys(&[1, 2], 2), "c");
    assert_eq!(story.keys(&[2], 2), "c");
}

#[test]
fn a_torn_tail_that_nobody_promised_is_dropped_and_reported() {
    let story = Story::begin();
    story.write(&["a"]);
    story.journal.persist(1).unwrap();
    story.write(&["b"]);
    story.damage(1, |bytes| bytes.truncate(bytes.len() - 1));
    let (keys, report) = story.replay(&[1], 0).unwrap();
    assert_eq!(keys, "a");
    assert_eq!(report.promised, 1);
    assert_eq!(report.dropped.len(), 1);
}

#[test]
fn damage_below_a_promise_is_corruption_and_no_torn_tail() {
    let story = Story::begin();
    story.write(&["a"]);
    story.write(&["b"]);
    story.journal.persist(2).unwrap();
    story.damage(1, |bytes| bytes[32 + 7] ^= 1);
    let error = story.replay(&[1], 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "000001.log is corrupt at offset 32: the batches end at sequence 0, but up to 2 was promised durable \
         (the fragment's checksum does not match); restore the database from a copy, or keep what is left by \
         another recovery mode"
    );
}

#[test]
fn a_torn_tail_of_an_older_log_does_not_hide_the_next_log() {
    let story = Story::begin();
    story.write(&["a"]);
    story.damage(1, |bytes| bytes.extend_from_slice(b"half a record"));
    story.rotate(2);
    story.write(&["b"]);
    assert_eq!(story.keys(&[1, 2], 0), "a b");
}

#[test]
fn a_gap_ends_the_replay() {
    let story = Story::begin();
    story.write(&["a"]);
    story.write(&["b"]);
    story.damage(1, |bytes| bytes.truncate(bytes.len() - 1));
    story.rotate(2);
    story.write(&["c"]);
    let (keys, report) = story.replay(&[1, 2], 0).unwrap();
    assert_eq!(keys, "a", "c must not follow the lost b");
    assert_eq!(report.dropped.last().unwrap().what, "sequence 2 is missing before 3");
}

#[test]
fn a_missing_log_below_a_promise_is_corruption() {
    let story = Story::begin();
    story.write(&["a"]);
    story.rotate(2);
    story.write(&["b"]);
    story.journal.persist(2).unwrap();
    assert!(story.replay(&[2], 0).is_err());
}

#[test]
fn an_invalid_batch_writes_nothing_and_fails_nothing() {
    let story = Story::begin();
    let mut batch = WriteBatch::new();
    batch.put(vec![b'k'; 70_000], "");
    assert!(story.journal.appender().append(&batch).is_err());
    assert_eq!(story.write(&["a"]), 1);
}

#[test]
fn one_sync_serves_all_who_wrote_before_it() {
    let story = Story::begin();
    let first = story.write(&["a"]);
    let second = story.write(&["b"]);
    story.journal.persist(second).unwrap();
    let calls = story.vfs.calls();
    story.journal.persist(first).unwrap();
    assert_eq!(story.vfs.calls(), calls, "a second sync was needless");
}

#[test]
fn a_closed_journal_promises_its_last_batch() {
    let story = Story::begin();
    story.write(&["a"]);
    story.journal.close().unwrap();
    assert_eq!(story.replay(&[1], 0).unwrap().1.promised, 1);
}

/// Whatever a crash behind `close` leaves, its last promise is in it.
fn assert_the_promise_survives(story: &Story, logs: &[u64], promise: Sequence) {
    let trace = story.vfs.trace();
    let judge = |calls_done: usize, _, image| {
        if calls_done == trace.calls.len() {
            let report = replay(&SimVfs::from_image(&image), DATABASE, logs, 0, |_| {})?;
            assert_eq!(report.promised, promise);
        }
        Ok::<(), Error>(())
    };
    trace.for_each_crash(judge).unwrap();
}

#[test]
fn the_promise_of_a_closed_journal_survives_a_crash_wherever_it_stands() {
    let story = Story::begin();
    let last = story.write(&["a"]);
    story.journal.persist(last).unwrap();
    story.rotate(2);
    story.journal.close().unwrap();
    assert_the_promise_survives(&story, &[1, 2], last);
}

/// A disk that refuses one kind of call from some moment on.
mod failing {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::vfs::{Lock, LockMode, ReadFile};

    #[derive(Debug, Default)]
    pub(super) struct Switches {
        pub(super) append: AtomicBool,
        pub(super) sync: AtomicBool,
    }

    #[derive(Debug)]
    pub(super) struct FailingVfs(pub(super) Arc<SimVfs>, pub(super) Arc<Switches>);

    #[derive(Debug)]
    struct FailingFile(Arc<dyn AppendFile>, Arc<Switches>);

    fn full() -> Error {
        Error::io("append to", "000001.log", std::io::Error::from(std::io::ErrorKind::StorageFull))
    }

    impl AppendFile for FailingFile {
        fn append(&self, bytes: &[u8]) -> Result<()> {
            if self.1.append.load(Ordering::Relaxed) {
                // As a full disk does: a part is written, then the error comes.
                self.0.append(&bytes[..bytes.len() / 2])?;
                return Err(full());
            }
            self.0.append(bytes)
        }
        fn sync(&self) -> Result<()> {
            if self.1.sync.load(Ordering::Relaxed) { Err(full()) } else { self.0.sync() }
        }
        fn finish(&self, length: u64) -> Result<()> {
            self.0.finish(length)
        }
    }

    impl Vfs for FailingVfs {
        fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
            Ok(Arc::new(FailingFile(self.0.create(file)?, self.1.clone())))
        }
        fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
            self.0.open(file)
        }
        fn rename(&self, from: FileId, to: FileId) -> Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, file: FileId) -> Result<()> {
            self.0.remove(file)
        }
        fn list(&self) -> Result<Vec<FileId>> {
            self.0.list()
        }
        fn sync_directory(&self) -> Result<()> {
            self.0.sync_directory()
        }
        fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
            self.0.lock(mode)
        }
        fn describe(&self, file: FileId) -> String {
            self.0.describe(file)
        }
    }

    #[test]
    fn nothing_ever_follows_a_failed_append() {
        let vfs = Arc::new(SimVfs::new());
        let switches = Arc::new(Switches::default());
        let failing = Arc::new(FailingVfs(vfs.clone(), switches.clone()));
        let story = Story { vfs, journal: Journal::create(failing, DATABASE, 1, 0).unwrap() };
        story.write(&["a"]);

        switches.append.store(true, Ordering::Relaxed);
        let mut batch = WriteBatch::new();
        batch.put("b", "lost");
        assert!(story.journal.appender().append(&batch).is_err());
        switches.append.store(false, Ordering::Relaxed);
        assert!(story.journal.appender().append(&batch).is_err(), "the disk is well again, the log is not");
        assert!(story.journal.persist(1).is_err());
        assert_eq!(story.journal.appender().last_sequence(), 1, "the range was given back");

        // The engine flushes "a" to a table; then a new log takes over.
        story.journal.resume(story.journal.prepare(2).unwrap());
        assert_eq!(story.write(&["c"]), 2);
        story.journal.persist(2).unwrap();
        assert_eq!(story.keys(&[2], 1), "c");
    }

    #[test]
    fn a_journal_that_has_failed_does_not_close_as_if_it_had_not() {
        let vfs = Arc::new(SimVfs::new());
        let switches = Arc::new(Switches::default());
        let failing = Arc::new(FailingVfs(vfs.clone(), switches.clone()));
        let story = Story { vfs, journal: Journal::create(failing, DATABASE, 1, 0).unwrap() };
        story.journal.persist(story.write(&["a"])).unwrap();

        switches.append.store(true, Ordering::Relaxed);
        let mut batch = WriteBatch::new();
        batch.put("b", "lost");
        assert!(story.journal.appender().append(&batch).is_err());
        assert!(story.journal.close().is_err(), "half a record stands behind what is durable");
    }

    #[test]
    fn after_a_failed_sync_nothing_is_acknowledged() {
        let vfs = Arc::new(SimVfs::new());
        let switches = Arc::new(Switches::default());
        let failing = Arc::new(FailingVfs(vfs.clone(), switches.clone()));
        let story = Story { vfs, journal: Journal::create(failing, DATABASE, 1, 0).unwrap() };
        story.write(&["a"]);

        switches.sync.store(true, Ordering::Relaxed);
        assert!(story.journal.persist(1).is_err());
        switches.sync.store(false, Ordering::Relaxed);
        assert!(story.journal.persist(1).is_err(), "the pages may be gone although a later sync succeeds");
        assert_eq!(story.journal.durable_sequence(), 0);
        assert!(story.journal.failure().is_some());
    }
}

/// A disk during whose first sync somebody appends.
mod meanwhile {
    use std::sync::OnceLock;
    use std::sync::Weak;

    use super::*;
    use crate::vfs::{Lock, LockMode, ReadFile};

    /// The journal that is appended to.
    type Written = Arc<OnceLock<Weak<Journal>>>;

    #[derive(Debug)]
    struct BusyVfs(Arc<SimVfs>, Written);

    #[derive(Debug)]
    struct BusyFile(Arc<dyn AppendFile>, Written);

    impl AppendFile for BusyFile {
        fn append(&self, bytes: &[u8]) -> Result<()> {
            self.0.append(bytes)
        }
        fn sync(&self) -> Result<()> {
            self.0.sync()?;
            match self.1.get().and_then(Weak::upgrade) {
                Some(journal) => {
                    journal.appender().append(WriteBatch::new().put("b", "came too late")).map(drop)
                }
                None => Ok(()),
            }
        }
        fn finish(&self, length: u64) -> Result<()> {
            self.0.finish(length)
        }
    }

    impl Vfs for BusyVfs {
        fn create(&self, file: FileId) -> Result<Arc<dyn AppendFile>> {
            Ok(Arc::new(BusyFile(self.0.create(file)?, self.1.clone())))
        }
        fn open(&self, file: FileId) -> Result<Arc<dyn ReadFile>> {
            self.0.open(file)
        }
        fn rename(&self, from: FileId, to: FileId) -> Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, file: FileId) -> Result<()> {
            self.0.remove(file)
        }
        fn list(&self) -> Result<Vec<FileId>> {
            self.0.list()
        }
        fn sync_directory(&self) -> Result<()> {
            self.0.sync_directory()
        }
        fn lock(&self, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
            self.0.lock(mode)
        }
        fn describe(&self, file: FileId) -> String {
            self.0.describe(file)
        }
    }

    #[test]
    fn what_is_appended_while_a_sync_runs_is_not_promised() {
        let vfs = Arc::new(SimVfs::new());
        let written = Written::default();
        let journal = Arc::new(
            Journal::create(Arc::new(BusyVfs(vfs.clone(), written.clone())), DATABASE, 1, 0).unwrap(),
        );
        journal.appender().append(WriteBatch::new().put("a", "value")).unwrap();
        written.set(Arc::downgrade(&journal)).unwrap();

        journal.persist(1).unwrap();
        assert_eq!(journal.durable_sequence(), 1);
        let report = replay(&*vfs, DATABASE, &[1], 0, |_| {}).unwrap();
        assert_eq!((report.last_sequence, report.promised), (2, 1), "the second batch is in no synced page");
    }
}
