//! The law of the interface: **a database answers as a sorted map does**, of which
//! every past moment can be kept.
//!
//! The map is a `BTreeMap`. The entries lie in every place at once: memtable,
//! waiting memtables, level 0 and the levels below it.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use proptest::prelude::*;
use stage6_engine::{
    Builder, Db, DbCursor, Durability, ErrorKind, Key, Leveled, Read, Result, SimRuntime, Snapshot, Value,
    WriteBatch,
};

/// Small memtables and tables; nothing happens behind the test's back.
fn still() -> Builder {
    let small = Leveled { level0_files: 2, base_level_bytes: 400, size_ratio: 3, target_file_bytes: 250 };
    let builder = Db::builder().runtime(Arc::new(SimRuntime::new(1))).strategy(small);
    builder.memtable_bytes(600).max_immutables(50).level0_limits(50, 100).block_size_bytes(64)
}

fn open() -> Db {
    still().open_in_memory().expect("an empty database in memory")
}

fn with_keys(keys: &[&str]) -> Result<Db> {
    let db = open();
    for key in keys {
        db.put(key, format!("value of {key}"))?;
    }
    Ok(db)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn value(from: &impl Read, key: &str) -> Result<Option<String>> {
    Ok(from.get(key)?.map(|value| text(&value)))
}

fn keys(entries: impl Iterator<Item = Result<(Key, Value)>>) -> Result<Vec<String>> {
    entries.map(|entry| entry.map(|(key, _)| text(&key))).collect()
}

fn run_all_jobs(db: &Db) -> Result<()> {
    while let Some(job) = db.pending_jobs().first() {
        db.run_job(*job)?;
    }
    Ok(())
}

#[test]
fn a_key_has_its_last_value_or_none() -> Result<()> {
    let db = open();
    assert_eq!(value(&db, "fig")?, None);
    db.put("fig", "green")?;
    db.put("fig", "brown")?;
    assert_eq!(value(&db, "fig")?.as_deref(), Some("brown"));
    db.delete("fig")?;
    db.delete("never there")?;
    assert!(!db.contains("fig")?);
    db.put("fig", "again")?;
    assert!(db.contains("fig")?);
    Ok(())
}

#[test]
fn the_empty_key_is_a_key_and_the_empty_value_a_value() -> Result<()> {
    let db = open();
    db.put("", "of nothing")?;
    db.put("nothing", "")?;
    for _ in 0..2 {
        assert_eq!(value(&db, "")?.as_deref(), Some("of nothing"));
        assert_eq!(value(&db, "nothing")?.as_deref(), Some(""));
        assert_eq!(keys(db.range(..))?, ["", "nothing"]);
        db.compact_range(..)?;
    }
    db.delete("")?;
    assert_eq!(keys(db.range(..))?, ["nothing"]);
    Ok(())
}

#[test]
fn a_batch_is_applied_in_its_order() -> Result<()> {
    let db = open();
    let mut batch = WriteBatch::new();
    batch.put("a", "1").delete("a").put("a", "2").put("b", "1").delete("b");
    let commit = db.write(&batch)?;
    assert_eq!(commit.sequence(), 5);
    assert_eq!((value(&db, "a")?.as_deref(), value(&db, "b")?), (Some("2"), None));
    Ok(())
}

#[test]
fn an_empty_batch_writes_nothing() -> Result<()> {
    let db = with_keys(&["fig"])?;
    let before = db.stats();
    for durability in [Durability::Buffer, Durability::Sync] {
        assert_eq!(db.write_opt(&WriteBatch::new(), durability)?.sequence(), 1);
    }
    assert_eq!(db.stats().visible_sequence, before.visible_sequence);
    assert_eq!(keys(db.range(..))?, ["fig"]);
    Ok(())
}

#[test]
fn a_write_says_when_it_is_durable() -> Result<()> {
    let db = open();
    let first = db.put("a", "")?;
    let second = db.put("b", "")?;
    assert!(!first.is_durable() && !second.is_durable());
    second.wait_durable()?;
    assert!(first.is_durable() && second.is_durable(), "what came before is durable too");
    let third = db.put("c", "")?;
    db.persist()?;
    assert!(third.is_durable());
    assert_eq!(db.stats().durable_sequence, 3);
    Ok(())
}

#[test]
fn ranges_have_every_form_and_both_directions() -> Result<()> {
    let db = with_keys(&["a", "b", "c", "d"])?;
    for _ in 0..2 {
        assert_eq!(keys(db.range(..))?, ["a", "b", "c", "d"]);
        assert_eq!(keys(db.range("b".."d"))?, ["b", "c"]);
        assert_eq!(keys(db.range("b"..="d"))?, ["b", "c", "d"]);
        assert_eq!(keys(db.range("c"..))?, ["c", "d"]);
        assert_eq!(keys(db.range(.."c"))?, ["a", "b"]);
        assert_eq!(keys(db.range(..="c"))?, ["a", "b", "c"]);
        assert_eq!(keys(db.range((Excluded("a"), Excluded("d"))))?, ["b", "c"]);
        assert_eq!(keys(db.range((Excluded("a"), Unbounded)))?, ["b", "c", "d"]);
        assert_eq!(keys(db.range((Included("bb"), Included("cc"))))?, ["c"]);
        assert_eq!(keys(db.range("b".."d").rev())?, ["c", "b"]);
        assert_eq!(keys(db.range("b"..="d").rev())?, ["d", "c", "b"]);
        assert_eq!(keys(db.range((Excluded("a"), Unbounded)).rev())?, ["d", "c", "b"]);
        assert_eq!(keys(db.range(..="c").rev())?, ["c", "b", "a"]);
        db.compact_range(..)?;
    }
    Ok(())
}

#[test]
fn an_empty_range_is_empty_from_both_ends() -> Result<()> {
    let db = with_keys(&["a", "b", "c"])?;
    for range in [db.range("b".."b"), db.range((Excluded("b"), Excluded("b"))), db.range("bb".."c")] {
        assert_eq!(keys(range)?, [""; 0]);
    }
    assert_eq!(keys(db.range("b".."b").rev())?, [""; 0]);
    assert_eq!(keys(open().range(..).rev())?, [""; 0]);
    Ok(())
}

#[test]
fn everything_is_a_range_without_ends_and_two_empty_ends_hold_nothing() -> Result<()> {
    let db = with_keys(&["", "a", "b"])?;
    for _ in 0..2 {
        assert_eq!(keys(db.range(..))?, ["", "a", "b"]);
        assert_eq!(keys(db.range(..).rev())?, ["b", "a", ""]);
        assert_eq!(keys(db.range(""..))?, ["", "a", "b"]);
        assert_eq!(keys(db.range(""..=""))?, [""]);
        assert_eq!(keys(db.range("".."a"))?, [""]);
        assert_eq!(keys(db.range("".."").rev())?, [""; 0]);
        assert_eq!(keys(db.range(""..""))?, [""; 0]);
        assert_eq!(keys(db.prefix(""))?, ["", "a", "b"]);
        db.compact_range(..)?;
    }
    Ok(())
}

/// Every order of steps from both ends, over ranges of up to five entries.
#[test]
fn both_ends_meet_in_the_middle_and_no_entry_comes_twice() -> Result<()> {
    let all = ["a", "b", "c", "d", "e"];
    for count in 0..=all.len() {
        let db = with_keys(&all[..count])?;
        run_all_jobs(&db)?;
        for order in 0u32..1 << (count + 2) {
            let mut range = db.range(..);
            let (mut front, mut back) = (Vec::new(), Vec::new());
            for step in 0..count + 2 {
                match order >> step & 1 {
                    0 => front.extend(range.next()),
                    _ => back.extend(range.next_back()),
                }
            }
            let met = keys(front.into_iter().chain(back.into_iter().rev()))?;
            assert_eq!(met, &all[..count], "steps {order:b}");
            assert!(range.next().is_none() && range.next_back().is_none());
        }
    }
    Ok(())
}

#[test]
fn a_prefix_holds_what_begins_with_it() -> Result<()> {
    let db = open();
    let written: [&[u8]; 8] =
        [b"", b"a", b"a\xfe", b"a\xff", b"a\xff\xff", b"a\xff\xff\x00", b"b", b"\xff\xff\x01"];
    for key in written {
        db.put(key, "")?;
    }
    for prefix in [&b""[..], b"a", b"a\xff", b"a\xff\xff", b"b", b"c", b"\xff", b"\xff\xff", b"\xff\xff\xff"]
    {
        let expected: Vec<&[u8]> = written.into_iter().filter(|key| key.starts_with(prefix)).collect();
        let forward: Vec<Key> = db.prefix(prefix).map(|entry| Ok(entry?.0)).collect::<Result<_>>()?;
        let backward: Vec<Key> = db.prefix(prefix).rev().map(|entry| Ok(entry?.0)).collect::<Result<_>>()?;
        assert_eq!(forward, expected, "prefix {}", prefix.escape_ascii());
        assert!(backward.iter().rev().eq(&forward), "prefix {}", prefix.escape_ascii());
    }
    Ok(())
}

#[test]
fn a_snapshot_reads_the_past_across_flushes_and_compactions() -> Result<()> {
    let db = open();
    db.put("fig", "green")?;
    db.put("kiwi", "brown")?;
    let past = db.snapshot()?;
    db.put("fig", "blue")?;
    db.delete("kiwi")?;
    db.put("lemon", "yellow")?;
    for _ in 0..3 {
        assert_eq!(value(&past, "fig")?.as_deref(), Some("green"));
        assert_eq!(keys(past.range(..))?, ["fig", "kiwi"]);
        assert_eq!(keys(past.range(..).rev())?, ["kiwi", "fig"]);
        assert_eq!(value(&db, "fig")?.as_deref(), Some("blue"));
        assert_eq!(keys(db.range(..))?, ["fig", "lemon"]);
        db.compact_range(..)?;
    }
    assert_eq!(past.sequence(), 2);
    Ok(())
}

#[test]
fn versions_go_once_the_last_snapshot_that_sees_them_is_dropped() -> Result<()> {
    let db = open();
    db.put("fig", "1")?;
    let (first, same) = (db.snapshot()?, db.snapshot()?);
    db.put("fig", "2")?;
    assert_eq!(db.stats().snapshots, 1, "two snapshots of one moment");
    db.compact_range(..)?;
    assert_eq!(db.stats().table_entries, 2);
    drop(first);
    assert_eq!(db.compact_range(..)?.entries_hidden, 0);
    drop(same);
    assert_eq!(db.compact_range(..)?.entries_hidden, 1);
    assert_eq!(db.stats().table_entries, 1);
    Ok(())
}

#[test]
fn what_was_asked_for_outlives_the_handle() -> Result<()> {
    let db = with_keys(&["a", "b", "c"])?;
    db.flush()?;
    let (mut range, mut cursor, snapshot) = (db.range(..), db.cursor(), db.snapshot()?);
    let kept = db.get("b")?;
    db.delete("b")?;
    db.compact_range(..)?;
    run_all_jobs(&db)?;
    drop(db);
    assert_eq!(keys(range.by_ref())?, ["a", "b", "c"]);
    cursor.seek("b");
    assert_eq!(text(cursor.value()), "value of b");
    assert_eq!(keys(snapshot.range(..))?, ["a", "b", "c"]);
    assert_eq!(kept.as_deref(), Some(&b"value of b"[..]));
    Ok(())
}

#[test]
fn an_iterator_sees_the_moment_at_which_it_was_made() -> Result<()> {
    let db = with_keys(&["a", "c"])?;
    let range = db.range(..);
    let mut cursor = db.cursor();
    db.put("b", "later")?;
    db.delete("c")?;
    assert_eq!(keys(range)?, ["a", "c"]);
    cursor.seek_to_last();
    assert_eq!(cursor.key(), b"c");
    Ok(())
}

/// Twenty versions of each key, half of them behind a snapshot: more than a scan
/// steps over before it seeks.
#[test]
fn keys_with_many_versions_come_once_and_as_of_their_moment() -> Result<()> {
    let db = open();
    let write_versions = |from: u32| -> Result<()> {
        for version in from..from + 10 {
            for key in ["a", "b", "c"] {
                db.put(key, version.to_string())?;
            }
        }
        Ok(())
    };
    write_versions(0)?;
    let past = db.snapshot()?;
    db.put("aa", "only later")?;
    write_versions(10)?;
    db.delete("b")?;
    let entries = |entries: Vec<Result<(Key, Value)>>| -> Result<Vec<String>> {
        entries.into_iter().map(|entry| entry.map(|(key, value)| text(&key) + &text(&value))).collect()
    };
    for _ in 0..3 {
        assert_eq!(entries(past.range(..).collect())?, ["a9", "b9", "c9"]);
        assert_eq!(entries(past.range(..).rev().collect())?, ["c9", "b9", "a9"]);
        assert_eq!(entries(past.range("b"..).collect())?, ["b9", "c9"]);
        assert_eq!(entries(db.range(..).collect())?, ["a19", "aaonly later", "c19"]);
        assert_eq!(entries(db.range(..).rev().collect())?, ["c19", "aaonly later", "a19"]);
        db.flush()?;
        run_all_jobs(&db)?;
    }
    Ok(())
}

#[test]
fn a_long_run_of_deletions_is_walked_over_in_both_directions() -> Result<()> {
    let db = with_keys(&["a", "z"])?;
    for number in 0..2_000 {
        db.put(format!("m{number:05}"), "soon gone")?;
    }
    for number in 0..2_000 {
        db.delete(format!("m{number:05}"))?;
    }
    for _ in 0..2 {
        assert_eq!(keys(db.range(..))?, ["a", "z"]);
        assert_eq!(keys(db.range(..).rev())?, ["z", "a"]);
        assert_eq!(keys(db.prefix("m"))?, [""; 0]);
        db.compact_range(..)?;
    }
    assert_eq!(db.stats().table_entries, 2);
    Ok(())
}

#[test]
fn a_lookup_says_what_it_touched() -> Result<()> {
    use stage6_engine::memtable::lookup::Touch;
    let db = with_keys(&["a", "b"])?;
    let (found, touched) = db.explain_get("a")?;
    assert!(found.is_some());
    assert!(matches!(touched[..], [Touch::Memtable { entries: 2 }]), "{touched:?}");
    db.flush()?;
    let (_, touched) = db.explain_get("a")?;
    assert!(matches!(touched[1], Touch::Table { level: 0, .. }), "{touched:?}");
    let (absent, touched) = db.explain_get("aa")?;
    assert!(absent.is_none());
    assert!(matches!(touched[2], Touch::Filter { may_contain: false }), "{touched:?}");
    Ok(())
}

#[test]
fn a_cursor_without_a_place_stays_there_until_it_seeks() -> Result<()> {
    let db = with_keys(&["a", "b"])?;
    let mut cursor = db.cursor();
    cursor.next();
    cursor.prev();
    assert!(!cursor.is_valid());
    cursor.seek_to_last();
    cursor.next();
    cursor.prev();
    assert!(!cursor.is_valid(), "behind the end there is no way back but a seek");
    cursor.seek_before("b");
    assert_eq!((cursor.key(), cursor.value()), (&b"a"[..], &b"value of a"[..]));
    assert_eq!(cursor.value_owned(), "value of a");
    cursor.status()?;
    Ok(())
}

#[test]
fn errors_come_once_and_then_the_range_ends() -> Result<()> {
    let db = with_keys(&["a"])?;
    let (mut forward, mut backward) = (db.range(..), db.range(..));
    db.close()?;
    for next in [forward.next(), backward.next_back()] {
        assert_eq!(next.and_then(Result::err).map(|error| error.kind()), Some(ErrorKind::Closed));
    }
    assert!(forward.next().is_none() && forward.next_back().is_none() && backward.next().is_none());
    Ok(())
}

/// Something that changes a database, or where its entries lie.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, usize),
    Delete(u8),
    RunJob,
    Flush,
    CompactRange(u8, u8),
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0u8..16, 0usize..60).prop_map(|(key, length)| Step::Put(key, length)),
        8 => (0u8..16).prop_map(Step::Delete),
        4 => Just(Step::RunJob),
        1 => Just(Step::Flush),
        1 => (0u8..16, 0u8..16).prop_map(|(a, b)| Step::CompactRange(a.min(b), a.max(b))),
        1 => Just(Step::Snapshot),
    ]
}

#[derive(Debug, Clone)]
enum Move {
    First,
    Last,
    Seek(u8),
    SeekBefore(u8),
    Next,
    Prev,
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        1 => Just(Move::First),
        1 => Just(Move::Last),
        2 => (0u8..34).prop_map(Move::Seek),
        2 => (0u8..34).prop_map(Move::SeekBefore),
        6 => Just(Move::Next),
        6 => Just(Move::Prev),
    ]
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// The keys are even bytes, so that there is a place to seek between any two.
fn key_of(number: u8) -> Vec<u8> {
    vec![number * 2]
}

/// A snapshot, and what it holds.
type Past = (Snapshot, Model);

/// Carries `steps` out. Returns the database, what it holds, and its past.
fn carry_out(steps: &[Step]) -> Result<(Db, Model, Vec<Past>)> {
    let db = open();
    let (mut model, mut snapshots) = (Model::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Put(key, length) => {
                let value = vec![number as u8; *length];
                db.put(key_of(*key), &value)?;
                model.insert(key_of(*key), value);
            }
            Step::Delete(key) => {
                db.delete(key_of(*key))?;
                model.remove(&key_of(*key));
            }
            Step::RunJob => {
                if let Some(job) = db.pending_jobs().first() {
                    db.run_job(*job)?;
                }
            }
            Step::Flush => db.flush()?,
            Step::CompactRange(from, to) => drop(db.compact_range(key_of(*from)..=key_of(*to))?),
            Step::Snapshot => snapshots.push((db.snapshot()?, model.clone())),
        }
    }
    Ok((db, model, snapshots))
}

/// Moves `cursor` and a key of `model` alike, and compares them at each step.
fn move_both(mut cursor: DbCursor, model: &Model, moves: &[Move]) -> Result<(), TestCaseError> {
    let mut place: Option<Vec<u8>> = None;
    let next = |from: &Vec<u8>| model.range((Excluded(from.clone()), Unbounded)).next();
    let before = |from: &Vec<u8>| model.range(..from.clone()).next_back();
    for (number, a_move) in moves.iter().enumerate() {
        let reached = match (a_move, &place) {
            (Move::First, _) => model.iter().next(),
            (Move::Last, _) => model.iter().next_back(),
            (Move::Seek(key), _) => model.range(vec![*key]..).next(),
            (Move::SeekBefore(key), _) => before(&vec![*key]),
            (Move::Next, Some(place)) => next(place),
            (Move::Prev, Some(place)) => before(place),
            (Move::Next | Move::Prev, None) => None,
        };
        match a_move {
            Move::First => cursor.seek_to_first(),
            Move::Last => cursor.seek_to_last(),
            Move::Seek(key) => cursor.seek([*key]),
            Move::SeekBefore(key) => cursor.seek_before([*key]),
            Move::Next => cursor.next(),
            Move::Prev => cursor.prev(),
        }
        let stands_on = cursor.is_valid().then(|| (cursor.key().to_vec(), cursor.value().to_vec()));
        let expected = reached.map(|(key, value)| (key.clone(), value.clone()));
        prop_assert_eq!(&stands_on, &expected, "at move {}", number);
        place = expected.map(|(key, _)| key);
    }
    cursor.status()?;
    Ok(())
}

fn lookups_agree(source: &impl Read, model: &Model) -> Result<(), TestCaseError> {
    for number in 0..16 {
        let found = source.get(key_of(number))?.map(|value| value.to_vec());
        prop_assert_eq!(found.as_ref(), model.get(&key_of(number)), "key {}", number);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_cursor_moves_as_over_a_sorted_map_wherever_the_entries_lie(
        steps in proptest::collection::vec(step(), 1..120),
        moves in proptest::collection::vec(a_move(), 1..60),
    ) {
        let (db, model, snapshots) = carry_out(&steps)?;
        move_both(db.cursor(), &model, &moves)?;
        lookups_agree(&db, &model)?;
        for (snapshot, past) in &snapshots {
            move_both(snapshot.cursor(), past, &moves)?;
            lookups_agree(snapshot, past)?;
        }
        db.check_invariants()?;
    }
}
