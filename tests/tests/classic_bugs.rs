//! The bugs that log-structured engines have had before: each has a test here
//! that would catch it, or a reason why it cannot occur.
//!
//! The table names tests of the whole workspace. Those that have no better place
//! stand below it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use stage6_engine::compaction::compaction::Plan;
use stage6_engine::compaction::version::Version;
use stage6_engine::memtable::error::Result as StorageResult;
use stage6_engine::wal::vfs::{AppendFile, FileId, Lock, LockMode, ReadFile, SimVfs, Vfs};
use stage6_engine::{Db, Durability, Read, Result, Strategy, ThreadRuntime, WriteBatch};
use tests::script::tiny;

/// A bug, the file of the test that would catch it, and the test.
const CAUGHT: [(&str, &str, &str); 58] = [
    (
        "directory not synced after create or rename",
        "tests/tests/crash.rs",
        "crash_oracle_catches_a_directory_that_was_not_synced",
    ),
    (
        "manifest names an unsynced table",
        "tests/tests/crash.rs",
        "crash_oracle_catches_a_table_that_was_not_synced",
    ),
    (
        "CURRENT not synced before the rename",
        "tests/tests/crash.rs",
        "crash_oracle_catches_a_temporary_current_that_was_not_synced",
    ),
    (
        "unlink durable before the edit",
        "tests/tests/crash.rs",
        "crash_oracle_catches_a_manifest_that_was_not_synced",
    ),
    (
        "old log unsynced at rollover",
        "tests/tests/crash.rs",
        "crash_oracle_catches_an_older_log_that_was_not_synced_at_rollover",
    ),
    (
        "an ordinary torn tail blocks the open",
        "stage2-wal/src/journal/tests.rs",
        "a_torn_tail_that_nobody_promised_is_dropped_and_reported",
    ),
    (
        "damage in the middle treated as a tail",
        "stage2-wal/src/journal/tests.rs",
        "damage_below_a_promise_is_corruption_and_no_torn_tail",
    ),
    (
        "damage in the middle treated as a tail",
        "tests/tests/flip.rs",
        "no_damage_to_any_file_gives_a_wrong_answer",
    ),
    ("append after a torn tail", "stage2-wal/src/journal/tests.rs", "nothing_ever_follows_a_failed_append"),
    (
        "length outside of the checksum",
        "stage2-wal/tests/journal_hostile.rs",
        "a_flipped_bit_is_corruption_unless_nobody_needs_it",
    ),
    ("log without checksum", "tests/tests/flip.rs", "no_damage_to_any_file_gives_a_wrong_answer"),
    (
        "zeros parse as records",
        "stage2-wal/src/log/format.rs",
        "zeros_stale_bytes_and_copies_are_no_fragments",
    ),
    (
        "buffer of a record of several chunks not reset",
        "stage2-wal/src/log/reader.rs",
        "what_was_written_is_what_is_read",
    ),
    (
        "logs replayed in listing order",
        "tests/tests/classic_bugs.rs",
        "logs_are_replayed_in_the_order_of_their_numbers_however_they_are_listed",
    ),
    ("replay boundary too high", "stage2-wal/src/journal/tests.rs", "what_was_flushed_is_skipped"),
    (
        "replay boundary too high",
        "tests/tests/crash.rs",
        "a_crash_at_every_call_leaves_a_prefix_with_all_that_was_acknowledged",
    ),
    (
        "crash during recovery",
        "tests/tests/crash.rs",
        "a_crash_at_every_call_leaves_a_prefix_with_all_that_was_acknowledged",
    ),
    ("sequence restarts too low", "stage6-engine/tests/open.rs", "sequences_go_on_where_they_ended"),
    (
        "file number reused against an orphan",
        "stage6-engine/tests/open.rs",
        "what_a_crash_may_leave_over_is_removed_at_open",
    ),
    (
        "a sync fails and a later one acknowledges",
        "stage2-wal/src/journal/tests.rs",
        "after_a_failed_sync_nothing_is_acknowledged",
    ),
    (
        "result of a call to the disk ignored",
        "tests/tests/fault.rs",
        "every_call_may_fail_in_every_way_and_nothing_acknowledged_is_lost",
    ),
    (
        "partial append on a full disk followed by more",
        "stage6-engine/tests/background.rs",
        "a_failed_append_stops_writing_and_loses_nothing_acknowledged",
    ),
    (
        "state published before the manifest is durable",
        "stage5-compaction/tests/laws/version_set.rs",
        "an_edit_is_published_only_when_it_is_durable",
    ),
    (
        "inputs deleted before the manifest is durable",
        "stage5-compaction/tests/laws/recovery.rs",
        "a_crash_at_any_call_leaves_the_old_version_or_the_new_one_with_all_its_tables",
    ),
    (
        "a retry on a full disk leaks or never recovers",
        "tests/tests/fault.rs",
        "every_call_may_fail_in_every_way_and_nothing_acknowledged_is_lost",
    ),
    (
        "orphans never collected",
        "stage6-engine/tests/open.rs",
        "opening_again_and_again_leaves_no_files_behind",
    ),
    (
        "collection deletes a live file",
        "stage6-engine/tests/background.rs",
        "a_table_stays_while_a_cursor_reads_it_and_goes_afterwards",
    ),
    (
        "collection deletes a pending file",
        "stage6-engine/tests/threads.rs",
        "flushes_compactions_and_checks_may_be_asked_for_by_anybody_at_any_time",
    ),
    (
        "an iterator's file deleted",
        "stage5-compaction/tests/laws/table_cache.rs",
        "a_cursor_over_a_level_keeps_its_files_though_its_version_is_gone",
    ),
    ("double open", "stage6-engine/tests/open.rs", "a_second_opener_is_refused_until_the_first_has_closed"),
    ("a write skips the log", "tests/tests/kill.rs", "everything_acknowledged_before_a_kill_is_there"),
    (
        "acknowledged write left in a user buffer",
        "tests/tests/kill.rs",
        "everything_acknowledged_before_a_kill_is_there",
    ),
    (
        "partial batch visible",
        "stage6-engine/tests/threads.rs",
        "a_batch_is_never_seen_by_half_nor_two_moments_by_one_reader",
    ),
    (
        "an option change hides data",
        "stage6-engine/tests/open.rs",
        "reopening_with_other_options_gives_the_same_answers",
    ),
    (
        "tombstone dropped above the bottom",
        "stage5-compaction/src/compaction/drop_rule.rs",
        "a_deletion_goes_at_the_bottom_and_stays_above_it",
    ),
    (
        "version dropped under a snapshot",
        "stage6-engine/tests/background.rs",
        "compact_range_keeps_what_a_snapshot_reads",
    ),
    (
        "one user key's versions split across two tables",
        "stage5-compaction/tests/laws/table_writer.rs",
        "all_versions_of_a_key_go_into_one_table_however_large",
    ),
    (
        "overlapping files in a level",
        "stage5-compaction/tests/laws/version.rs",
        "an_edit_against_a_law_changes_nothing",
    ),
    (
        "empty value taken as delete",
        "stage6-engine/tests/api.rs",
        "the_empty_key_is_a_key_and_the_empty_value_a_value",
    ),
    (
        "level-0 order after recovery",
        "tests/tests/classic_bugs.rs",
        "tables_of_level_0_keep_their_order_over_a_reopen",
    ),
    (
        "put, delete, put folded wrongly",
        "tests/tests/classic_bugs.rs",
        "a_put_behind_a_delete_behind_a_put_is_what_is_there",
    ),
    (
        "worker panic stalls or poisons silently",
        "tests/tests/classic_bugs.rs",
        "a_background_thread_that_panics_is_the_next_writers_error",
    ),
    (
        "an insert over an existing key hides it from a racing get",
        "stage1-memtable/tests/beside_a_writer.rs",
        "a_reader_never_misses_an_entry_whose_sequence_was_published",
    ),
    (
        "length truncated to 16 bits",
        "stage3-sstable/src/table/tests.rs",
        "the_largest_keys_and_values_have_room",
    ),
    (
        "length truncated to 16 bits",
        "stage6-engine/tests/bad_input.rs",
        "one_byte_beyond_a_limit_refuses_the_whole_batch",
    ),
    (
        "length field leads to a huge allocation",
        "stage2-wal/src/coding.rs",
        "a_length_beyond_the_input_is_malformed_before_anything_is_read",
    ),
    (
        "decompression bomb",
        "stage3-sstable/src/compression.rs",
        "a_hostile_size_is_refused_before_anything_is_allocated",
    ),
    (
        "offset overflow",
        "stage3-sstable/src/table/tests.rs",
        "hostile_handles_are_refused_before_anything_is_read_for_them",
    ),
    (
        "offset overflow",
        "stage3-sstable/src/block/tests.rs",
        "a_block_takes_entries_only_while_their_offsets_fit",
    ),
    (
        "wrong metadata under a valid checksum",
        "stage3-sstable/src/table/tests.rs",
        "verification_finds_properties_that_lie_under_a_right_checksum",
    ),
    (
        "wrong metadata under a valid checksum",
        "stage5-compaction/tests/laws/version_set.rs",
        "edits_that_break_a_law_are_corruption_of_the_manifest",
    ),
    (
        "hash not stable across platforms",
        "stage1-memtable/src/hash.rs",
        "the_hash_is_the_same_on_every_machine_and_in_every_release",
    ),
    ("footer unchecked", "stage3-sstable/src/footer.rs", "every_flipped_bit_of_a_footer_is_damage"),
    (
        "filter unchecked",
        "stage4-bloom/src/filtered/tests.rs",
        "every_flipped_bit_of_the_filter_is_corruption",
    ),
    (
        "iterator goes on after an error",
        "stage6-engine/tests/api.rs",
        "errors_come_once_and_then_the_range_ends",
    ),
    ("hostile names", "stage2-wal/src/vfs/mod.rs", "a_name_is_ours_only_when_spelled_as_we_spell_it"),
    (
        "symlinks",
        "stage2-wal/tests/disk.rs",
        "nothing_is_read_written_or_locked_through_what_is_no_regular_file",
    ),
    (
        "log collection never advances",
        "tests/tests/classic_bugs.rs",
        "a_log_goes_when_its_memtable_is_in_a_table",
    ),
];

/// A bug that cannot occur, and why.
const ELSEWHERE: [(&str, &str); 3] = [
    ("clear races compaction", "nothing clears a database at once: entries go by deletions alone"),
    (
        "a range deletion is asked behind the filter",
        "there are no range deletions: the kind is reserved and refused",
    ),
    (
        "appending to a log of before the crash",
        "no file is ever opened to append: each open begins a new log",
    ),
];

#[test]
fn every_classic_bug_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace");
    for (bug, file, test) in CAUGHT {
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
        let start = format!("fn {test}(");
        let place = lines.iter().position(|line| line.starts_with(&start));
        let is_test = place.is_some_and(|place| lines[..place].last() == Some(&"#[test]"));
        assert!(is_test, "{bug}: there is no test {test} in {file}");
    }
    let bugs: BTreeSet<&str> = CAUGHT.iter().map(|(bug, _, _)| *bug).collect();
    for (bug, reason) in ELSEWHERE {
        assert!(!bugs.contains(bug) && !reason.is_empty(), "{bug} has a test and a reason");
    }
    println!("classic bugs: {} have a test, {} cannot occur", bugs.len(), ELSEWHERE.len());
}

fn run_jobs(db: &Db) -> Result<()> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

/// A directory that lists its files backward.
#[derive(Debug)]
struct BackwardVfs(SimVfs);

impl Vfs for BackwardVfs {
    fn list(&self) -> StorageResult<Vec<FileId>> {
        Ok(self.0.list()?.into_iter().rev().collect())
    }

    fn create(&self, file: FileId) -> StorageResult<Arc<dyn AppendFile>> {
        self.0.create(file)
    }

    fn open(&self, file: FileId) -> StorageResult<Arc<dyn ReadFile>> {
        self.0.open(file)
    }

    fn rename(&self, from: FileId, to: FileId) -> StorageResult<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, file: FileId) -> StorageResult<()> {
        self.0.remove(file)
    }

    fn sync_directory(&self) -> StorageResult<()> {
        self.0.sync_directory()
    }

    fn lock(&self, mode: LockMode) -> StorageResult<Option<Box<dyn Lock>>> {
        self.0.lock(mode)
    }

    fn describe(&self, file: FileId) -> String {
        self.0.describe(file)
    }
}

#[test]
fn logs_are_replayed_in_the_order_of_their_numbers_however_they_are_listed() -> Result<()> {
    let vfs = SimVfs::new();
    let db = tiny().open_vfs(Arc::new(vfs.clone()))?;
    let mut written = 0u32;
    while db.stats().waiting_memtables < 2 {
        written += 1;
        db.put("fig", written.to_string().repeat(100))?;
    }
    db.persist()?;
    let image = vfs.image();
    drop(db);
    assert!(image.keys().filter(|file| matches!(file, FileId::Log(_))).count() >= 3);
    let db = tiny().open_vfs(Arc::new(BackwardVfs(SimVfs::from_image(&image))))?;
    assert_eq!(db.get("fig")?.as_deref(), Some(written.to_string().repeat(100).as_bytes()));
    assert_eq!(db.stats().visible_sequence, u64::from(written));
    Ok(())
}

#[test]
fn tables_of_level_0_keep_their_order_over_a_reopen() -> Result<()> {
    let vfs = SimVfs::new();
    let open = || tiny().level0_limits(20, 40).open_vfs(Arc::new(vfs.clone()));
    let db = open()?;
    for value in ["green", "brown", "black"] {
        db.put("fig", value)?;
        db.flush()?;
    }
    for _ in 0..2 {
        db.close()?;
        let db = open()?;
        assert_eq!(db.levels()[0].len(), 3);
        assert_eq!(db.get("fig")?.as_deref(), Some(&b"black"[..]));
        let found: Vec<_> = db.range(..).collect::<Result<_>>()?;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, b"black");
        db.close()?;
    }
    Ok(())
}

#[test]
fn a_put_behind_a_delete_behind_a_put_is_what_is_there() -> Result<()> {
    for flushes in 0u8..8 {
        let db = tiny().open_in_memory()?;
        let flush_if = |bit: u8| if flushes & bit == 0 { Ok(()) } else { db.flush() };
        db.put("fig", "green")?;
        flush_if(1)?;
        db.delete("fig")?;
        flush_if(2)?;
        db.put("fig", "brown")?;
        flush_if(4)?;
        assert_eq!(db.get("fig")?.as_deref(), Some(&b"brown"[..]), "flushed as {flushes:03b}");
        db.compact_range(..)?;
        assert_eq!(db.get("fig")?.as_deref(), Some(&b"brown"[..]), "compacted, flushed as {flushes:03b}");
    }
    Ok(())
}

#[test]
fn a_log_goes_when_its_memtable_is_in_a_table() -> Result<()> {
    let vfs = SimVfs::without_trace();
    let db = tiny().open_vfs(Arc::new(vfs.clone()))?;
    for round in 0u32..40 {
        db.put(format!("key{}", round % 7), "v".repeat(300))?;
        db.flush()?;
        run_jobs(&db)?;
        let logs = vfs.list()?.into_iter().filter(|file| matches!(file, FileId::Log(_))).count();
        assert!(logs <= 2, "round {round}: the current log, the next one, and {logs} in all");
    }
    Ok(())
}

/// A strategy with a bug, which shows when there is a table.
#[derive(Debug)]
struct Panicking;

impl Strategy for Panicking {
    fn pick(&self, version: &Version) -> Option<Plan> {
        assert_eq!(version.files().count(), 0, "a strategy with a bug");
        None
    }

    fn base_level(&self, _: &Version) -> usize {
        1
    }

    fn debt_bytes(&self, _: &Version) -> u64 {
        0
    }

    fn target_file_bytes(&self, _: usize) -> u64 {
        1 << 20
    }
}

/// The database is used in a thread of its own, so that a writer who waits for
/// ever fails the test instead of being it.
#[test]
fn a_background_thread_that_panics_is_the_next_writers_error() {
    let (told, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let builder = Db::builder().memtable_bytes(2_000).max_immutables(1);
        let builder = builder.strategy(Panicking).runtime(Arc::new(ThreadRuntime::new(2)));
        let db = builder.open_in_memory().expect("nothing was compacted yet");
        let mut batch = WriteBatch::new();
        batch.put("fig", "v".repeat(500));
        let error = (0..1_000).find_map(|_| db.write_opt(&batch, Durability::Buffer).err());
        let read = db.get("fig").expect("reads go on").is_some();
        // Nobody listens any more if it came too late.
        let _too_late = told.send((error.map(|error| error.to_string()), read));
    });
    let (error, read) = answer.recv_timeout(Duration::from_secs(20)).expect("no writer waits for ever");
    assert!(error.as_ref().is_some_and(|error| error.contains("panicked")), "{error:?}");
    assert!(read);
}
