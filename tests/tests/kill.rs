//! A real child process, killed by signal 9 at a moment it does not choose: every
//! write that it acknowledged is there, in order and without a hole.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use stage6_engine::{Db, Durability, Leveled, Read, WriteBatch};

const DIRECTORY: &str = "KILL_TEST_DIRECTORY";

fn open(path: &Path) -> Db {
    Db::builder()
        .memtable_bytes(64 << 10)
        .strategy(Leveled {
            level0_files: 2,
            base_level_bytes: 64 << 10,
            size_ratio: 4,
            target_file_bytes: 32 << 10,
        })
        .open(path)
        .expect("the directory is ours")
}

/// Not a test of its own: the child that the test below starts and kills. Writes
/// batches of three keys, numbered, and prints each number once acknowledged.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let db = open(directory.as_ref());
    let begin = db.range(..).count() as u64 / 3;
    for number in begin.. {
        let mut batch = WriteBatch::new();
        for part in 0..3u8 {
            batch.put([&number.to_be_bytes()[..], &[part]].concat(), vec![part; 200]);
        }
        let durability = if number % 50 == 0 { Durability::Sync } else { Durability::Buffer };
        db.write_opt(&batch, durability).expect("nothing fails before the kill");
        println!("acknowledged {number}");
    }
}

#[test]
fn everything_acknowledged_before_a_kill_is_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12u64);
    let (mut total, mut previous) = (0, None);
    for round in 0..rounds {
        let acknowledged = run_child_and_kill(directory.path(), Duration::from_millis(40 + 23 * round % 170));
        let db = open(directory.path());
        let batches = count_whole_batches(&db);
        db.check_invariants().expect("levels, manifest and directory agree");
        let last = acknowledged.or(previous);
        assert!(
            last.is_none_or(|last| batches > last),
            "round {round}: {batches} batches, {last:?} acknowledged"
        );
        total = batches;
        previous = last;
    }
    println!("kill: {rounds} rounds, {total} batches, 0 acknowledged lost");
    assert!(total > rounds, "the child hardly wrote");
}

/// Returns the last number that the child acknowledged.
fn run_child_and_kill(directory: &Path, after: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().expect("a test runs"))
        .args(["--exact", "child", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test can start itself");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
    });
    let numbers = output
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
    let last = numbers.last();
    killer.join().expect("killing does not fail");
    last
}

/// The keys are 0, 1, 2, … without a hole, each with its three parts.
fn count_whole_batches(db: &Db) -> u64 {
    let mut entries = 0u64;
    for entry in db.range(..) {
        let (key, value) = entry.expect("every table can be read");
        let (number, part) = (entries / 3, (entries % 3) as u8);
        assert_eq!(key, [&number.to_be_bytes()[..], &[part]].concat(), "a hole or half a batch");
        assert_eq!(value, vec![part; 200]);
        entries += 1;
    }
    assert_eq!(entries % 3, 0, "the last batch is half");
    entries / 3
}
