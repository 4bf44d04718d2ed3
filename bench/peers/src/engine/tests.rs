//! Every engine that is compiled in answers alike.

use super::*;

const USUAL: Settings =
    Settings { durability: Durability::PageCache, cache_bytes: 8 << 20, write_buffer_bytes: None };

fn seen(show: impl FnOnce(&mut Seen) -> Outcome<()>) -> u64 {
    let mut seen = Seen::default();
    show(&mut seen).unwrap();
    seen.entries
}

/// Each engine, in a new directory.
fn with_each(settings: Settings, story: impl Fn(&Path, &dyn Fn() -> Box<dyn Engine>)) {
    for id in EngineId::all() {
        let directory = tempfile::tempdir().unwrap();
        story(directory.path(), &|| id.open(directory.path(), settings).unwrap());
    }
}

#[test]
fn what_was_put_is_found_and_what_was_deleted_is_not() {
    with_each(USUAL, |_, open| {
        let engine = open();
        engine.put(b"fig", b"green").unwrap();
        engine.put(b"plum", b"blue").unwrap();
        engine.delete(b"plum").unwrap();
        assert_eq!(seen(|seen| engine.get(b"fig", seen)), 1);
        assert_eq!(seen(|seen| engine.get(b"plum", seen)), 0);
        assert_eq!(seen(|seen| engine.get(b"kiwi", seen)), 0);
        engine.close().unwrap();
    });
}

#[test]
fn a_scan_shows_entries_in_order_up_to_its_limit() {
    with_each(USUAL, |_, open| {
        let engine = open();
        let records: Vec<(Key, &[u8])> = (0..100).map(|n| ([n; 16], &b"value"[..])).collect();
        engine.write_batch(&records).unwrap();
        assert_eq!(seen(|seen| engine.scan(&[], u64::MAX, seen)), 100);
        assert_eq!(seen(|seen| engine.scan(&[90; 16], 1_000, seen)), 10);
        assert_eq!(seen(|seen| engine.scan(&[90; 16], 4, seen)), 4);
        assert_eq!(seen(|seen| engine.scan_back(7, seen)), 7);

        let (mut forward, mut backward) = (Seen::default(), Seen::default());
        engine.scan(&[], u64::MAX, &mut forward).unwrap();
        engine.scan_back(u64::MAX, &mut backward).unwrap();
        assert_eq!(forward, backward);
        engine.close().unwrap();
    });
}

#[test]
fn a_closed_database_opens_with_all_it_had() {
    for durability in [Durability::PageCache, Durability::Disk] {
        with_each(Settings { durability, ..USUAL }, |directory, open| {
            let engine = open();
            for n in 0..50u8 {
                engine.put(&[n; 16], &[n; 100]).unwrap();
            }
            engine.flush().unwrap();
            engine.close().unwrap();
            let engine = open();
            assert_eq!(seen(|seen| engine.scan(&[], u64::MAX, seen)), 50, "{}", directory.display());
            engine.close().unwrap();
        });
    }
}

#[test]
fn a_name_is_read_as_it_is_written() {
    for text in ["stage6", "rocksdb@16", "leveldb"] {
        assert_eq!(text.parse::<EngineId>().unwrap().to_string(), text);
    }
    assert!("rocks".parse::<EngineId>().is_err());
    assert!("rocksdb@much".parse::<EngineId>().is_err());
}
