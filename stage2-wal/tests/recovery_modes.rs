//! The four recovery modes, each over the same damaged logs. A line says what is
//! replayed, what is known to be lost, and where writing goes on; or where replay
//! refused.

use std::sync::Arc;

use stage2_wal::batch::WriteBatch;
use stage2_wal::identity::DatabaseId;
use stage2_wal::journal::RecoveryMode::{PointInTime, Salvage, Strict, TolerateTornTail};
use stage2_wal::journal::{Journal, RecoveryMode, ReplayReport, replay_in_mode};
use stage2_wal::memtable::error::{Error, Result};
use stage2_wal::memtable::key::Sequence;
use stage2_wal::vfs::{FileId, SimVfs, Vfs};

const DATABASE: DatabaseId = DatabaseId(0x3a);

/// Length of the header, and of a record with one key of a letter.
const HEADER: usize = 32;
const RECORD: usize = 7 + 7;

struct Story {
    vfs: Arc<SimVfs>,
    journal: Journal,
}

impl Story {
    fn begin() -> Story {
        let vfs = Arc::new(SimVfs::new());
        let journal = Journal::create(vfs.clone(), DATABASE, 1, 0).expect("a simulated disk never fails");
        Story { vfs, journal }
    }

    /// One batch for each letter.
    fn write(&self, letters: &str) -> Sequence {
        let append = |letter: char| {
            let mut batch = WriteBatch::new();
            batch.put(letter.to_string(), "");
            self.journal.appender().append(&batch).expect("the batch is valid")
        };
        letters.chars().map(append).max().unwrap_or_default()
    }

    fn promise(&self, letters: &str) {
        self.journal.persist(self.write(letters)).expect("a simulated disk never fails");
    }

    fn rotate(&self, number: u64) {
        let log = self.journal.prepare(number).expect("the name is free");
        self.journal.appender().rotate(log).expect("the journal is sound");
    }

    /// Flips a bit of the `record`-th record of a log.
    fn damage(&self, log: u64, record: usize) {
        self.change(log, |bytes| bytes[HEADER + record * RECORD + 7] ^= 1);
    }

    fn change(&self, log: u64, change: impl FnOnce(&mut Vec<u8>)) {
        self.vfs.corrupt(FileId::Log(log), change).expect("the log is there");
    }

    fn replay(&self, mode: RecoveryMode) -> Result<(String, ReplayReport)> {
        replay_all(&self.vfs, mode)
    }

    fn tell(&self, mode: RecoveryMode) -> String {
        match self.replay(mode) {
            Ok((keys, report)) => {
                format!("{keys}, lost {:?}, next {}", report.lost, report.next_sequence)
            }
            Err(Error::Corruption { file, offset, .. }) => format!("{file} at {offset}"),
            Err(error) => error.to_string(),
        }
    }

    fn tells(&self, strict: &str, tolerant: &str, point_in_time: &str, salvage: &str) {
        assert_eq!(self.tell(Strict), strict);
        assert_eq!(self.tell(TolerateTornTail), tolerant);
        assert_eq!(self.tell(PointInTime), point_in_time);
        assert_eq!(self.tell(Salvage), salvage);
    }
}

fn replay_all(vfs: &SimVfs, mode: RecoveryMode) -> Result<(String, ReplayReport)> {
    let mut keys = String::new();
    let logs: Vec<u64> = vfs.list()?.into_iter().filter_map(FileId::number).collect();
    let report = replay_in_mode(mode, vfs, DATABASE, &logs, 0, |batch| {
        batch.entries().for_each(|entry| keys.push_str(&String::from_utf8_lossy(entry.key)));
    })?;
    Ok((keys, report))
}

#[test]
fn replay_of_whole_logs_is_the_same_in_each_mode() {
    let story = Story::begin();
    story.promise("ab");
    story.rotate(2);
    story.write("c");
    story.change(2, |bytes| bytes.resize(10_000, 0));
    let whole = "abc, lost [], next 4";
    story.tells(whole, whole, whole, whole);
}

#[test]
fn replay_of_a_torn_tail_is_refused_by_strict_alone() {
    let story = Story::begin();
    story.promise("a");
    story.write("b");
    story.change(1, |bytes| bytes.truncate(bytes.len() - 1));
    let first = "a, lost [], next 2";
    story.tells("000001.log at 61", first, first, first);
}

#[test]
fn replay_of_damage_below_a_promise_loses_what_the_mode_accepts() {
    let story = Story::begin();
    story.promise("abc");
    story.write("d");
    story.damage(1, 1);
    let at = "000001.log at 46";
    story.tells(at, at, "a, lost [2..=4], next 5", "acd, lost [2..=2], next 5");
}

#[test]
fn replay_of_damage_in_an_older_log_goes_on_as_the_mode_says() {
    let story = Story::begin();
    story.write("abc");
    story.rotate(2);
    story.write("de");
    story.damage(1, 1);
    story.tells(
        "000001.log at 46",
        "a, lost [2..=5], next 2",
        "a, lost [2..=5], next 6",
        "acde, lost [2..=2], next 6",
    );
}

/// The damage took no batch, and the next log says so. Only a point in time does
/// not weigh that.
#[test]
fn replay_of_half_a_record_in_an_older_log_ends_a_point_in_time() {
    let story = Story::begin();
    story.write("a");
    story.change(1, |bytes| bytes.extend_from_slice(b"half a record"));
    story.rotate(2);
    story.write("b");
    let whole = "ab, lost [], next 3";
    story.tells("000001.log at 46", whole, "a, lost [2..=2], next 3", whole);
}

#[test]
fn replay_of_a_missing_middle_log_ends_at_the_gap_or_goes_over_it() {
    let story = Story::begin();
    for (number, letters) in [(2, "a"), (3, "bc"), (4, "d")] {
        story.write(letters);
        story.rotate(number);
    }
    story.vfs.remove(FileId::Log(2)).expect("it was there");
    story.tells(
        "000003.log at 32",
        "a, lost [2..=4], next 2",
        "a, lost [2..=4], next 5",
        "ad, lost [2..=3], next 5",
    );
}

#[test]
fn replay_behind_a_damaged_header_is_for_salvage_alone() {
    let story = Story::begin();
    story.promise("a");
    story.rotate(2);
    story.promise("bc");
    story.change(2, |bytes| bytes[3] ^= 1);
    let at = "000002.log at 0";
    story.tells(at, at, "a, lost [2..=3], next 4", "abc, lost [], next 4");
}

#[test]
fn replay_of_a_sound_record_that_is_no_batch_is_damage_where_loss_is_accepted() {
    let story = Story::begin();
    let mut log = stage2_wal::log::LogWriter::create(&*story.vfs, FileId::Log(2), DATABASE).expect("created");
    story.write("a");
    log.append_record(b"no batch", b"").expect("appended");
    let at = "000002.log at 32";
    story.tells(at, at, "a, lost [], next 2", "a, lost [], next 2");
    assert_eq!(story.replay(Salvage).expect("salvaged").1.dropped.len(), 1);
}

#[test]
fn replay_skips_no_sound_log_in_the_wrong_place() {
    let story = Story::begin();
    story.promise("a");
    let stranger = story.vfs.image()[&FileId::Log(1)].to_vec();
    story.rotate(2);
    story.change(2, |bytes| *bytes = stranger);
    story.tells("000002.log at 0", "000002.log at 0", "000002.log at 0", "000002.log at 0");
}

#[test]
fn replay_lists_every_stretch_that_it_passes_over() {
    let story = Story::begin();
    story.write("abc");
    story.rotate(2);
    story.write("d");
    story.damage(1, 1);
    let stretches = |mode| {
        let (_, report) = story.replay(mode).expect("nothing was promised");
        report.dropped.iter().map(|dropped| (dropped.log, dropped.offset, dropped.bytes)).collect::<Vec<_>>()
    };
    let (second, rest, next_log) = (46, 2 * RECORD as u64, RECORD as u64);
    assert_eq!(stretches(PointInTime), [(1, second, rest), (2, 32, next_log)]);
    assert_eq!(stretches(TolerateTornTail), [(1, second, rest), (2, 32, next_log)]);
    assert_eq!(stretches(Salvage), [(1, second, RECORD as u64)]);
}

/// A crash is no damage: whatever one leaves, every mode but the strict one finds
/// all that was promised, and `Salvage` all that the default mode finds.
#[test]
fn replay_after_a_crash_alone_keeps_every_promise_in_each_mode() {
    let story = Story::begin();
    story.promise("a");
    story.write("b");
    story.rotate(2);
    story.promise("cd");
    story.rotate(3);
    story.write("ef");
    let judge = |_, _, image| {
        let vfs = SimVfs::from_image(&image);
        let (tolerant, report) = replay_all(&vfs, TolerateTornTail)?;
        for mode in [PointInTime, Salvage] {
            let (keys, found) = replay_all(&vfs, mode)?;
            assert!(found.last_sequence >= report.promised, "{mode:?}: {keys}");
            assert!(if mode == Salvage { keys.starts_with(&tolerant) } else { tolerant.starts_with(&keys) });
        }
        Ok::<(), Error>(())
    };
    let images = story.vfs.trace().for_each_crash(judge).expect("each image opens in each mode");
    assert!(images > 100, "{images} images");
}

/// Whatever bit is flipped: no mode makes anything up, and `Salvage` loses no batch
/// that the flip did not touch.
#[test]
fn replay_of_a_flipped_bit_costs_salvage_one_batch_at_most() {
    let story = Story::begin();
    story.promise("ab");
    story.rotate(2);
    story.promise("cd");
    for log in [1, 2] {
        // Behind the fields of the header that say whose log it is.
        for byte in (0..8).chain(HEADER..HEADER + 2 * RECORD) {
            story.change(log, |bytes| bytes[byte] ^= 4);
            let (keys, report) = story.replay(Salvage).expect("salvage opens what is damaged");
            // A length that is wrong hides what follows in its block.
            assert!(
                keys.len() >= if [36, 37].contains(&byte) { 2 } else { 3 },
                "log {log}, byte {byte}: {keys}"
            );
            assert!("abcd".chars().filter(|key| keys.contains(*key)).eq(keys.chars()), "ascending");
            assert_eq!(
                4 - keys.len() as u64,
                report.lost.iter().map(|r| r.end() - r.start() + 1).sum::<u64>()
            );
            let (prefix, _) = story.replay(PointInTime).expect("a point in time opens what is damaged");
            assert!("abcd".starts_with(&prefix));
            story.change(log, |bytes| bytes[byte] ^= 4);
        }
    }
}
