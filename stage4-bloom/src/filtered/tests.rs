use super::*;
use crate::bloom::Bloom;
use proptest::prelude::*;
use stage3_sstable::memtable::error::ErrorKind;
use stage3_sstable::wal::vfs::{FileId, SimVfs, Vfs};

const SALT: u32 = 7;
const FILE: FileId = FileId::Table(2);

/// A directory with one table that holds `entries`, which are in order.
fn write<'a>(
    filter: Option<Arc<dyn FilterPolicy>>,
    entries: impl IntoIterator<Item = (&'a [u8], u64, Kind)>,
) -> SimVfs {
    let vfs = SimVfs::without_trace();
    let options = FilteredTableOptions { filter, ..FilteredTableOptions::default() };
    let mut builder = FilteredTableBuilder::new(vfs.create(FILE).unwrap(), vfs.describe(FILE), SALT, options);
    for (user_key, sequence, kind) in entries {
        let value: &[u8] = if kind == Kind::Value { user_key } else { b"" };
        builder.add(InternalKey::new(user_key, sequence), kind, value).unwrap();
    }
    builder.finish().unwrap();
    vfs
}

fn write_values(filter: Option<Arc<dyn FilterPolicy>>, user_keys: &[Vec<u8>]) -> SimVfs {
    write(filter, user_keys.iter().map(|key| (key.as_slice(), 5, Kind::Value)))
}

fn open(vfs: &SimVfs) -> Result<FilteredTable> {
    FilteredTable::open(vfs.open(FILE).unwrap(), SALT, 2, Arc::new(BlockCache::new(1 << 20)))
}

fn numbered_keys(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("key{number:06}").into_bytes()).collect()
}

fn lookup(table: &FilteredTable, user_key: &[u8]) -> (Answer, Vec<Touch>) {
    let mut touched = Vec::new();
    let answer = table.lookup(&LookupKey::new(user_key, 9), &mut touched).unwrap();
    (answer, touched)
}

fn blocks_read(touched: &[Touch]) -> usize {
    touched.iter().filter(|touch| matches!(touch, Touch::Block { .. })).count()
}

fn blocked() -> Option<Arc<dyn FilterPolicy>> {
    FilteredTableOptions::default().filter
}

/// Builds whatever it is told to, under a name of its choice.
#[derive(Debug)]
struct Forger {
    name: &'static str,
    bytes: Vec<u8>,
}

impl FilterPolicy for Forger {
    fn name(&self) -> &'static str {
        self.name
    }
    fn build(&self, _hashes: &[u64]) -> Vec<u8> {
        self.bytes.clone()
    }
    fn false_positive_rate(&self) -> f64 {
        1.0
    }
}

#[test]
fn an_absent_key_costs_no_block_and_a_present_one_costs_one() {
    let keys = numbered_keys(10_000);
    let table = open(&write_values(blocked(), &keys)).unwrap();
    let mut read_for_absent = 0;
    for key in &keys {
        let (answer, touched) = lookup(&table, key);
        assert!(matches!(answer, Answer::Value { .. }));
        assert_eq!(touched[0], Touch::Filter { may_contain: true });
        assert_eq!(blocks_read(&touched), 1);
        let (answer, touched) = lookup(&table, &[key, &b"?"[..]].concat());
        assert_eq!(answer, Answer::Absent);
        read_for_absent += blocks_read(&touched);
    }
    assert!((50..200).contains(&read_for_absent), "{read_for_absent} blocks for 10,000 absent keys");
}

#[test]
fn without_a_filter_every_absent_key_costs_a_block() {
    let keys = numbered_keys(1_000);
    let table = open(&write_values(None, &keys)).unwrap();
    assert_eq!(table.filter_bytes(), 0);
    let (answer, touched) = lookup(&table, b"key000500?");
    assert_eq!((answer, blocks_read(&touched)), (Answer::Absent, 1));
}

#[test]
fn a_deleted_value_does_not_come_back_from_an_older_table() {
    let older = open(&write(blocked(), [(&b"fig"[..], 3, Kind::Value)])).unwrap();
    let newer = open(&write(blocked(), [(&b"fig"[..], 5, Kind::Deletion)])).unwrap();
    let answers = [&newer, &older].map(|table| lookup(table, b"fig").0);
    let first = answers.into_iter().find(|answer| *answer != Answer::Absent);
    assert_eq!(first, Some(Answer::Deleted { sequence: 5 }));
}

#[test]
fn the_empty_key_is_a_key() {
    let table = open(&write(blocked(), [(&b""[..], 5, Kind::Value)])).unwrap();
    assert!(matches!(lookup(&table, b"").0, Answer::Value { .. }));
}

#[test]
fn all_versions_of_a_key_are_one_entry_of_the_filter() {
    let versions = (1..=1_000).rev().map(|sequence| (&b"fig"[..], sequence, Kind::Value));
    let table = open(&write(blocked(), versions)).unwrap();
    assert_eq!(table.filter_bytes(), 64);
}

#[test]
fn a_reader_uses_the_filter_that_the_file_carries() {
    let keys = numbered_keys(100);
    let policies: [Option<Arc<dyn FilterPolicy>>; 4] = [
        Some(Arc::new(Blocked::new(4))),
        Some(Arc::new(Bloom::new(20))),
        Some(Arc::new(Forger { name: "ribbon", bytes: b"of a later release".to_vec() })),
        None,
    ];
    let opened = policies.map(|policy| open(&write_values(policy, &keys)).unwrap());
    let names = opened.each_ref().map(|table| table.filter().map(Filter::name));
    assert_eq!(names, [Some("blocked"), Some("bloom"), None, None]);
    for table in &opened {
        assert!(keys.iter().all(|key| matches!(lookup(table, key).0, Answer::Value { .. })));
        table.verify().unwrap();
    }
}

#[test]
fn every_flipped_bit_of_the_filter_is_corruption() {
    let keys = numbered_keys(40);
    let hashes: Vec<u64> = keys.iter().map(|key| hash_key(key)).collect();
    let filter = Blocked::default().build(&hashes);
    let vfs = write_values(blocked(), &keys);
    let file = vfs.image()[&FILE].clone();
    let start = file.windows(filter.len()).position(|window| window == filter).unwrap();
    for bit in start * 8..(start + filter.len()) * 8 {
        vfs.corrupt(FILE, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        assert_eq!(open(&vfs).unwrap_err().kind(), ErrorKind::Corruption, "bit {bit}");
        vfs.corrupt(FILE, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
    }
    open(&vfs).unwrap();
}

#[test]
fn a_malformed_filter_under_a_valid_checksum_is_corruption() {
    for name in Filter::KNOWN {
        let forger = Forger { name, bytes: vec![7, 200, 1] };
        let error = open(&write_values(Some(Arc::new(forger)), &numbered_keys(3))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(error.to_string().contains(&meta_block_name(name)), "{error}");
    }
}

#[test]
fn verify_finds_a_filter_that_denies_a_key_of_its_table() {
    let of_no_keys = Forger { name: "blocked", bytes: Blocked::default().build(&[]) };
    let table = open(&write_values(Some(Arc::new(of_no_keys)), &numbered_keys(3))).unwrap();
    let error = table.verify().unwrap_err();
    assert!(error.to_string().contains("it denies \"key000000\" @ 5"), "{error}");
}

#[test]
fn verification_puts_nothing_into_the_cache() {
    let vfs = write_values(blocked(), &numbered_keys(100));
    let cache = Arc::new(BlockCache::new(1 << 20));
    let table = FilteredTable::open(vfs.open(FILE).unwrap(), SALT, 2, Arc::clone(&cache)).unwrap();
    table.verify().unwrap();
    assert_eq!(cache.stats().blocks, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_filter_bytes_make_a_table_panic(bytes: Vec<u8>, known in 0..Filter::KNOWN.len()) {
        let forger = Forger { name: Filter::KNOWN[known], bytes };
        match open(&write_values(Some(Arc::new(forger)), &numbered_keys(3))) {
            Ok(table) => drop(lookup(&table, b"key000001")),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corruption),
        }
    }
}
