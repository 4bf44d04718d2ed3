//! The law of the recovery modes: **what is lost was asked for, is said, and stays
//! within reach.** The default mode loses nothing that was promised durable; the
//! others lose what their name says; and no log that was read with a loss is ever
//! removed by the database.

use std::sync::Arc;

use stage6_engine::RecoveryMode::{PointInTime, Salvage, Strict, TolerateTornTail};
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{Fault, FaultKind, FaultVfs, FileId, SimVfs, Vfs};
use stage6_engine::{Builder, Db, Durability, ErrorKind, Read, RecoveryMode, Result, SimRuntime};

const MODES: [RecoveryMode; 4] = [Strict, TolerateTornTail, PointInTime, Salvage];

/// Length of a log's header, and of a record with one key of a letter.
const HEADER: usize = 32;
const RECORD: usize = 7 + 7;

/// One thread: nothing happens behind the test's back.
fn still() -> Builder {
    Db::builder().runtime(Arc::new(SimRuntime::new(1))).database_id(7)
}

fn open(disk: &SimVfs, mode: RecoveryMode) -> Result<Db> {
    still().recovery(mode).open_vfs(Arc::new(disk.clone()))
}

fn keys(db: &impl Read) -> Result<String> {
    db.range(..).map(|entry| Ok(String::from_utf8_lossy(&entry?.0).into_owned())).collect()
}

/// A disk to be damaged. What a test tells of it is told of copies, one a mode.
struct Story {
    disk: SimVfs,
    db: Db,
}

impl Story {
    fn begin() -> Story {
        Story::with(still())
    }

    /// Every write begins a new log, and nothing is ever flushed.
    fn of_many_logs() -> Story {
        Story::with(still().memtable_bytes(1).max_immutables(100))
    }

    fn with(builder: Builder) -> Story {
        let disk = SimVfs::new();
        let db = builder.open_vfs(Arc::new(disk.clone())).expect("an empty disk");
        Story { disk, db }
    }

    /// One write for each letter.
    fn write(self, letters: &str) -> Story {
        letters.chars().for_each(|letter| {
            self.db.put(letter.to_string(), "").expect("a simulated disk never fails");
        });
        self
    }

    fn promise(self, letters: &str) -> Story {
        let story = self.write(letters);
        story.db.persist().expect("a simulated disk never fails");
        story
    }

    /// The process dies: nothing is closed.
    fn die(self) -> Disk {
        Disk(self.disk.image())
    }
}

#[derive(Clone)]
struct Disk(Image);

impl Disk {
    fn logs(&self) -> Vec<FileId> {
        self.0.keys().copied().filter(|file| matches!(file, FileId::Log(_))).collect()
    }

    /// The logs that hold a record, in order.
    fn filled_logs(&self) -> Vec<FileId> {
        self.logs().into_iter().filter(|log| self.0[log].len() > HEADER).collect()
    }

    fn change(mut self, log: FileId, change: impl FnOnce(&mut Vec<u8>)) -> Disk {
        let mut bytes = self.0[&log].to_vec();
        change(&mut bytes);
        self.0.insert(log, bytes.into());
        self
    }

    fn damage(self, log: FileId, record: usize) -> Disk {
        self.change(log, |bytes| bytes[HEADER + record * RECORD + 7] ^= 1)
    }

    fn without(mut self, log: FileId) -> Disk {
        self.0.remove(&log).expect("it was there");
        self
    }

    fn vfs(&self) -> SimVfs {
        SimVfs::from_image(&self.0)
    }

    /// What a mode makes of it: the keys and what is lost, or that it is refused.
    /// Read-only says the same, and writes nothing.
    fn tell(&self, mode: RecoveryMode) -> String {
        let say = |opened: Result<Db>| match opened.and_then(|db| Ok((keys(&db)?, db))) {
            Ok((keys, db)) => format!("{keys}, lost {:?}", db.recovery_report().replay.lost),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
                assert!(error.to_string().contains(".log is corrupt at offset"), "{error}");
                "refused".to_owned()
            }
        };
        let disk = self.vfs();
        let runtime = Arc::new(SimRuntime::new(1));
        let reader = Db::builder().runtime(runtime).recovery(mode).read_only();
        let read = say(reader.open_vfs(Arc::new(disk.clone())));
        assert_eq!((disk.calls(), disk.image() == self.0), (0, true), "{mode:?} read-only wrote something");
        let written = say(open(&disk, mode));
        assert_eq!(written, read, "{mode:?}");
        if written == "refused" {
            assert!(self.0.iter().all(|(file, bytes)| disk.image().get(file) == Some(bytes)), "{mode:?}");
        }
        written
    }

    fn tells(&self, strict: &str, tolerant: &str, point_in_time: &str, salvage: &str) {
        let said = MODES.map(|mode| self.tell(mode));
        assert_eq!(said, [strict, tolerant, point_in_time, salvage]);
    }
}

#[test]
fn a_torn_tail_is_refused_by_strict_alone() {
    let disk = Story::begin().promise("a").write("b").die();
    let log = disk.filled_logs()[0];
    let torn = disk.change(log, |bytes| bytes.truncate(bytes.len() - 1));
    torn.tells("refused", "a, lost []", "a, lost []", "a, lost []");
}

#[test]
fn damage_below_a_promise_loses_what_the_mode_accepts() {
    let disk = Story::begin().promise("abc").write("d").die();
    let log = disk.filled_logs()[0];
    disk.damage(log, 1).tells("refused", "refused", "a, lost [2..=4]", "acd, lost [2..=2]");
}

#[test]
fn damage_in_the_middle_of_an_older_log_ends_or_is_skipped() {
    let disk = Story::begin().write("abc").die();
    let log = disk.filled_logs()[0];
    let later = Story::of_many_logs().write("abcd").die();
    let older = later.filled_logs()[1];
    disk.damage(log, 1).tells("refused", "a, lost []", "a, lost [2..=3]", "ac, lost [2..=2]");
    later.damage(older, 0).tells("refused", "a, lost [2..=4]", "a, lost [2..=4]", "acd, lost [2..=2]");
}

#[test]
fn a_missing_middle_log_is_a_gap_that_only_salvage_goes_over() {
    let disk = Story::of_many_logs().write("abc").die();
    let middle = disk.filled_logs()[1];
    disk.without(middle).tells("refused", "a, lost [2..=3]", "a, lost [2..=3]", "ac, lost [2..=2]");
    let promised = Story::of_many_logs().promise("abc").die();
    promised.without(middle).tells("refused", "refused", "a, lost [2..=3]", "ac, lost [2..=2]");
}

#[test]
fn behind_a_damaged_header_only_salvage_reads() {
    let disk = Story::begin().promise("ab").die();
    let log = disk.filled_logs()[0];
    disk.change(log, |bytes| bytes[3] ^= 1).tells("refused", "refused", ", lost [1..=2]", "ab, lost []");
}

#[test]
fn the_manifest_has_no_modes() {
    let disk = Story::begin().promise("a").die();
    let manifest = *disk.0.keys().find(|file| matches!(file, FileId::Manifest(_))).expect("it has one");
    let damaged = disk.change(manifest, |bytes| bytes[HEADER + 10] ^= 1);
    for mode in MODES {
        let error = open(&damaged.vfs(), mode).map(drop).expect_err("fewer records than promised");
        assert!(error.kind() == ErrorKind::Corruption && error.to_string().contains("MANIFEST"), "{error}");
    }
}

/// A damaged disk, and what either of the modes that accept loss gets out of it.
fn damaged() -> (Disk, FileId, [(RecoveryMode, &'static str); 2]) {
    let disk = Story::begin().promise("abc").die();
    let log = disk.filled_logs()[0];
    (disk.damage(log, 1), log, [(PointInTime, "a"), (Salvage, "ac")])
}

#[test]
fn what_was_opened_with_losses_goes_on_in_the_default_mode_and_keeps_everything() -> Result<()> {
    let (disk, _, modes) = damaged();
    for (mode, left) in modes {
        let vfs = disk.vfs();
        let db = open(&vfs, mode)?;
        assert_eq!(db.recovery_report().replay.promised, 3);
        assert_eq!(db.put("x", "")?.sequence(), 4, "above everything accepted or promised");
        assert_eq!(db.delete("a")?.sequence(), 5);
        db.check_invariants()?;
        db.close()?;
        let db = open(&vfs, TolerateTornTail)?;
        assert_eq!(keys(&db)?, format!("{}x", &left[1..]));
        assert_eq!(db.recovery_report().replay.lost, []);
        assert_eq!(db.put("y", "")?.sequence(), 6);
        drop(db);
        assert_eq!(keys(&open(&vfs, Strict)?)?, format!("{}xy", &left[1..]));
    }
    Ok(())
}

#[test]
fn a_log_that_was_read_with_a_loss_stays_until_a_person_removes_it() -> Result<()> {
    let (disk, log, modes) = damaged();
    let kept = FileId::DamagedLog(log.number().expect("a log has a number"));
    for (mode, _) in modes {
        let vfs = disk.vfs();
        let report = open(&vfs, mode)?.recovery_report().clone();
        assert_eq!(report.damaged_logs, [kept.to_string()]);
        for later in MODES {
            let db = open(&vfs, later)?;
            assert_eq!(db.recovery_report().damaged_logs, [kept.to_string()], "every open reminds of it");
            db.compact_range(..)?;
            db.check_invariants()?;
        }
        assert_eq!(vfs.image()[&kept], disk.0[&log]);
        vfs.remove(kept)?;
        assert!(open(&vfs, Strict)?.recovery_report().damaged_logs.is_empty());
    }
    Ok(())
}

#[test]
fn logs_that_were_read_whole_are_not_kept() -> Result<()> {
    let disk = Story::of_many_logs().promise("abc").die();
    let middle = disk.filled_logs()[1];
    let vfs = disk.damage(middle, 0).vfs();
    assert_eq!(open(&vfs, Salvage)?.recovery_report().damaged_logs.len(), 1);
    assert_eq!(vfs.list()?.into_iter().filter(|file| matches!(file, FileId::Log(_))).count(), 1);
    Ok(())
}

#[test]
fn a_damaged_log_of_before_is_never_overwritten() -> Result<()> {
    let (disk, log, modes) = damaged();
    let kept = FileId::DamagedLog(log.number().expect("a log has a number"));
    let vfs = disk.vfs();
    vfs.create(kept)?.append(b"of an older state")?;
    let before = vfs.image();
    for (mode, _) in modes {
        let error = open(&vfs, mode).map(drop).expect_err("the name is taken");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(vfs.image(), before);
    }
    Ok(())
}

/// Or each attempt would take more of a disk that is full.
#[test]
fn an_open_that_has_no_room_before_its_manifest_leaves_the_directory_as_it_was() {
    let (disk, _, modes) = damaged();
    for (mode, _) in modes {
        let mut refused = 0;
        for at_call in 0.. {
            let vfs = disk.vfs();
            let full = FaultVfs::new(Arc::new(vfs.clone()));
            full.arm(Fault { kind: FaultKind::NoSpace, at_call, is_sticky: true });
            let error = still().recovery(mode).open_vfs(Arc::new(full)).map(drop).expect_err("it is full");
            if error.to_string().contains("MANIFEST") {
                break;
            }
            assert_eq!(vfs.image(), disk.0, "{error}");
            refused += usize::from(error.to_string().contains(".tmp"));
        }
        assert!(refused > 1, "the copy of the log was not under way");
    }
}

#[test]
fn a_damaged_log_without_a_database_is_not_an_empty_directory() -> Result<()> {
    let vfs = SimVfs::new();
    vfs.create(FileId::DamagedLog(4))?.append(b"all that is left")?;
    assert_eq!(open(&vfs, Salvage).map(drop).map_err(|error| error.kind()), Err(ErrorKind::Corruption));
    Ok(())
}

/// The recovery itself may crash at any call. The next open, in the same mode or
/// back in the default one, finds what it would have found: before the commit the
/// damaged logs, untouched; behind it what was recovered. Either way the damaged
/// bytes are there.
#[test]
fn a_recovery_that_crashes_is_begun_again_or_was_done() -> Result<()> {
    let (disk, log, modes) = damaged();
    let kept = FileId::DamagedLog(log.number().expect("a log has a number"));
    let whole = Story::begin().promise("abc").die();
    for (mode, left) in modes {
        let vfs = disk.vfs();
        drop(open(&vfs, mode)?);
        let mut refused = 0;
        let images = vfs.trace().for_each_crash(|calls, policy, image| {
            let at = format!("{mode:?}, a crash after {calls} calls, {policy}");
            let damaged = |image: &Image| [log, kept].map(|file| image.get(&file) == Some(&disk.0[&log]));
            assert!(damaged(&image).contains(&true), "{at}: the damaged log is gone");
            match open(&SimVfs::from_image(&image), TolerateTornTail) {
                Ok(db) => assert_eq!(keys(&db)?, left, "{at}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corruption, "{at}: {error}");
                    refused += 1;
                }
            }
            let again = SimVfs::from_image(&image);
            let db = open(&again, mode)?;
            assert_eq!(keys(&db)?, left, "{at}");
            db.check_invariants()?;
            db.put("z", "")?;
            db.close()?;
            assert_eq!(keys(&open(&again, TolerateTornTail)?)?, format!("{left}z"), "{at}");
            assert_eq!(damaged(&again.image()), [false, true], "{at}: kept once, under its own name");
            Ok::<(), stage6_engine::Error>(())
        })?;
        println!(
            "{mode:?}: {images} crash images of a recovery, {refused} still refused by the default mode"
        );
        assert!(images > 50 && refused > 0 && refused < images);
    }
    // Nothing of this is due to a disk that was whole.
    assert_eq!(MODES.map(|mode| whole.tell(mode)), ["abc, lost []"; 4]);
    Ok(())
}

/// Where nothing is damaged, a crash costs no mode but the strict one anything that
/// was promised.
#[test]
fn a_crash_of_the_database_loses_no_promise_in_any_mode() -> Result<()> {
    let vfs = SimVfs::new();
    let db = still().memtable_bytes(200).open_vfs(Arc::new(vfs.clone()))?;
    let mut promised = Vec::new();
    for (index, letter) in ('a'..='j').enumerate() {
        let durability = [Durability::Buffer, Durability::Sync][index % 2];
        let mut batch = stage6_engine::WriteBatch::new();
        batch.put(letter.to_string(), [b'v'; 40]);
        if db.write_opt(&batch, durability)?.is_durable() {
            promised.push((vfs.calls(), index + 1));
        }
    }
    let images = vfs.trace().for_each_crash(|calls, policy, image| {
        let durable = promised.iter().filter(|(call, _)| *call <= calls).map(|(_, count)| *count).max();
        for mode in [PointInTime, Salvage] {
            let found = keys(&open(&SimVfs::from_image(&image), mode)?)?;
            let wanted = &"abcdefghij"[..durable.unwrap_or(0)];
            assert!(found.starts_with(wanted), "{mode:?}, after {calls} calls, {policy}: {found}");
        }
        Ok::<(), stage6_engine::Error>(())
    })?;
    println!("{images} crash images, opened in two modes each");
    Ok(())
}
