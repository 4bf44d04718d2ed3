//! Overwrite, delete, and read the past: what a memtable keeps, in which order,
//! and what a reader at each sequence is told.

use std::sync::Arc;

use stage1_memtable::Result;
use stage1_memtable::cursor::Cursor;
use stage1_memtable::key::{Kind, Sequence};
use stage1_memtable::lookup::{Answer, Lookup, LookupKey};
use stage1_memtable::memtable::MemTable;

/// What is written, in order; the first write has sequence 1.
const WRITES: [(&str, Option<&str>); 7] = [
    ("fig", Some("green")),
    ("kiwi", Some("brown")),
    ("fig", Some("violet")),
    ("apple", Some("red")),
    ("fig", None),
    ("kiwi", Some("")),
    ("fig", Some("black")),
];

const KEYS: [&str; 4] = ["apple", "fig", "kiwi", "plum"];

fn main() -> Result<()> {
    let memtable = Arc::new(MemTable::new());
    write_all(&memtable);
    show_order(&memtable);
    show_the_past(&memtable)
}

fn write_all(memtable: &MemTable) {
    println!("written, each under its own sequence:\n");
    for ((key, value), sequence) in WRITES.into_iter().zip(1..) {
        match value {
            Some(value) => memtable.insert(sequence, Kind::Value, key.as_bytes(), value.as_bytes()),
            None => memtable.insert(sequence, Kind::Deletion, key.as_bytes(), b""),
        }
        match value {
            Some(value) => println!("  {sequence}  put     {key:<6} {value:?}"),
            None => println!("  {sequence}  delete  {key}"),
        }
    }
}

/// Keys ascending, and of one key the newest first: a reader at a sequence seeks
/// there and stands on its answer.
fn show_order(memtable: &Arc<MemTable>) {
    println!("\nkept in the one order, nothing overwritten:\n");
    let mut cursor = memtable.cursor();
    cursor.seek_to_first();
    while cursor.is_valid() {
        let key = cursor.key();
        let what = match cursor.kind() {
            Kind::Value => format!("{:?}", cursor.value().escape_ascii().to_string()),
            Kind::Deletion => "deleted".to_owned(),
        };
        println!("  {:<6} {}  {what}", key.user_key.escape_ascii(), key.sequence);
        cursor.next();
    }
}

fn show_the_past(memtable: &MemTable) -> Result<()> {
    println!("\nwhat a reader is told, by the sequence at which it reads:\n");
    println!("  at  {}", KEYS.map(|key| format!("{key:<12}")).concat().trim_end());
    for sequence in 0..=WRITES.len() as Sequence {
        let mut row = String::new();
        for key in KEYS {
            let answer = memtable.lookup(&LookupKey::new(key.as_bytes(), sequence), &mut ())?;
            row.push_str(&format!("{:<12}", in_words(&answer)));
        }
        println!("  {sequence:<3} {}", row.trim_end());
    }
    println!("\n\"-\" is absent: ask an older source. \"deleted\" is an answer: ask nobody else.");
    Ok(())
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Value { value, .. } => format!("{:?}", value.escape_ascii().to_string()),
        Answer::Deleted { .. } => "deleted".to_owned(),
        Answer::Absent => "-".to_owned(),
    }
}
