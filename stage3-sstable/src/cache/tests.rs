use proptest::prelude::*;
use stage2_wal::memtable::key::{InternalKey, Kind};

use super::*;
use crate::block::BlockBuilder;

/// A block that says of which table and ordinal it is, with a value of some size.
fn block(table: usize, ordinal: usize, value_bytes: usize) -> Block {
    let mut builder = BlockBuilder::new();
    let key = format!("{table}.{ordinal:03}");
    builder.add(InternalKey::new(key.as_bytes(), 1), Kind::Value, &vec![7; value_bytes]);
    Block::parse(builder.finish().into()).unwrap()
}

fn is_that(block: &Block, table: usize, ordinal: usize) -> bool {
    block.prefix() == format!("{table}.{ordinal:03}").as_bytes()
}

/// A cache with room for so many blocks of 4,096 bytes, and for none more.
fn cache_for(blocks: usize) -> Arc<BlockCache> {
    Arc::new(BlockCache::new(blocks * weight(block(0, 0, 4096).size_bytes()) as usize))
}

/// Asks for a block, and has it kept if it was not there and is wanted.
fn read(slots: &Slots, ordinal: usize) -> bool {
    let asked = slots.get(ordinal);
    if let Err(seen) = asked
        && slots.wants(ordinal, seen)
    {
        slots.keep(ordinal, &block(0, ordinal, 4096));
    }
    asked.is_ok()
}

#[test]
fn a_cached_block_is_found_in_its_table_under_its_ordinal_alone() {
    let cache = Arc::new(BlockCache::new(1 << 20));
    let tables = [Slots::new(cache.clone(), 2), Slots::new(cache.clone(), 2)];
    tables[1].keep(0, &block(1, 0, 9));
    assert!(is_that(&tables[1].get(0).unwrap(), 1, 0));
    assert!(!read(&tables[1], 1));
    assert!(!read(&tables[0], 0));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.blocks), (1, 2, 3));
}

#[test]
fn a_slot_that_points_to_another_block_finds_none() {
    let cache = cache_for(1);
    let tables = [Slots::new(cache.clone(), 1), Slots::new(cache, 1)];
    read(&tables[0], 0);
    read(&tables[1], 0);
    assert_eq!(tables.each_ref().map(|table| table.get(0).is_ok()), [false, true]);
}

#[test]
fn a_block_that_was_hit_survives_those_that_were_not() {
    let slots = Slots::new(cache_for(8), 100);
    read(&slots, 0);
    assert!(read(&slots, 0), "hit");
    (1..50).for_each(|ordinal| assert!(!read(&slots, ordinal)));
    assert!(slots.get(0).is_ok() && slots.get(1).is_err());
}

#[test]
fn a_full_cache_keeps_what_is_read_twice_and_not_what_is_read_once() {
    let slots = Slots::new(cache_for(8), 1_000);
    (0..9).for_each(|ordinal| assert!(!read(&slots, ordinal), "and while there is room, all"));
    let kept = (0..8).filter(|ordinal| slots.get(*ordinal).is_ok()).count();
    (9..1_000).for_each(|ordinal| assert!(!read(&slots, ordinal)));
    assert_eq!((0..8).filter(|ordinal| slots.get(*ordinal).is_ok()).count(), kept);
    assert!(!read(&slots, 995), "read once");
    assert!(read(&slots, 995), "read twice, with three others between");
    assert!(!read(&slots, 20) && !read(&slots, 20), "read twice, with a thousand others between");
}

#[test]
fn a_walk_over_everything_drives_out_what_was_walked_over() {
    let slots = Slots::new(cache_for(40), 1_000);
    for _ in 0..2 {
        (0..20).for_each(|ordinal| _ = read(&slots, ordinal));
    }
    (20..1_000).for_each(|ordinal| _ = read(&slots, ordinal));
    assert!((0..20).all(|ordinal| slots.get(ordinal).is_ok()));
}

#[test]
fn what_comes_back_soon_drives_out_what_is_hit_no_more() {
    let slots = Slots::new(cache_for(40), 60);
    for _ in 0..100 {
        (0..40).for_each(|ordinal| _ = read(&slots, ordinal));
    }
    let walk = || (40..60).filter(|ordinal| read(&slots, *ordinal)).count();
    assert_eq!(walk(), 0);
    assert!((0..50).any(|_| walk() == 20), "the new working set has its place");
}

#[test]
fn no_reader_waits_for_a_longer_way_than_the_longest() {
    let blocks = 3 * LONGEST_WAY;
    let slots = Slots::new(cache_for(blocks), blocks + 1);
    for _ in 0..2 {
        (0..blocks).for_each(|ordinal| _ = read(&slots, ordinal));
    }
    slots.keep(blocks, &block(0, blocks, 4096));
    let still_has_respite =
        |ordinal: &usize| slots.cache.place_of(&slots.slots[*ordinal]).unwrap().1.has_respite();
    assert!((0..blocks).filter(still_has_respite).count() >= blocks - LONGEST_WAY - 1);
    assert_eq!(slots.cache.stats().blocks as usize, blocks);
}

#[test]
fn a_cache_without_capacity_keeps_nothing() {
    let slots = Slots::new(cache_for(0), 1);
    slots.keep(0, &block(0, 0, 9));
    assert!(!read(&slots, 0));
    assert_eq!((slots.cache.stats().blocks, slots.cache.stats().misses), (0, 1));
}

#[test]
fn threads_find_their_blocks_within_the_capacity() {
    let cache = cache_for(8);
    let tables = [Slots::new(cache.clone(), 20), Slots::new(cache.clone(), 20)];
    let walk = |seed: usize| {
        for step in 0..2_000 {
            let (table, ordinal) = ((seed + step) % 2, (seed * 7 + step * step) % 20);
            match tables[table].get(ordinal) {
                Ok(found) => assert!(is_that(&found, table, ordinal)),
                Err(seen) if tables[table].wants(ordinal, seen) => {
                    tables[table].keep(ordinal, &block(table, ordinal, 4096));
                }
                Err(_) => {}
            }
            if step % 100 == 0 {
                let stats = cache.stats();
                assert!(stats.size_bytes <= stats.capacity_bytes && stats.blocks <= 8, "{stats:?}");
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|seed| _ = scope.spawn(move || walk(seed))));
    drop(tables);
    assert_eq!((cache.stats().blocks, cache.stats().size_bytes), (0, 0), "INV-CACHE-3");
}

#[derive(Debug, Clone)]
enum Step {
    Read { table: usize, ordinal: usize },
    Reopen { table: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let read = (0..3usize, 0..20usize).prop_map(|(table, ordinal)| Step::Read { table, ordinal });
    let reopen = (0..3usize).prop_map(|table| Step::Reopen { table });
    proptest::collection::vec(prop_oneof![30 => read, 1 => reopen], 0..300)
}

/// What is in the places, by number.
fn kept(cache: &BlockCache) -> Vec<(u64, usize)> {
    let places = cache.places.iter().filter_map(OnceLock::get).flatten();
    places
        .filter_map(|place| place.kept.lock().as_ref().map(|kept| (kept.number, kept.payload.len())))
        .collect()
}

proptest! {
    /// The model is a list: whatever is in it and is not in the cache was let go.
    #[test]
    fn the_cache_holds_what_was_read_last_once_and_never_more_than_its_capacity(
        capacity_bytes in 0usize..40_000,
        steps in steps(),
    ) {
        let cache = Arc::new(BlockCache::new(capacity_bytes));
        let mut tables: Vec<Slots> = (0..3).map(|_| Slots::new(cache.clone(), 20)).collect();
        let value_bytes = |ordinal: usize| ordinal * ordinal * 40;
        for step in steps {
            match step {
                Step::Reopen { table } => tables[table] = Slots::new(cache.clone(), 20),
                Step::Read { table, ordinal } => {
                    let number = tables[table].number(ordinal);
                    let is_kept = kept(&cache).iter().any(|(other, _)| *other == number);
                    let found = tables[table].get(ordinal);
                    prop_assert_eq!(found.is_ok(), is_kept, "what is kept is found");
                    let read = block(table, ordinal, value_bytes(ordinal));
                    let wants = match found {
                        Ok(found) => {
                            prop_assert!(is_that(&found, table, ordinal));
                            true
                        }
                        Err(seen) => tables[table].wants(ordinal, seen),
                    };
                    if wants {
                        tables[table].keep(ordinal, &read);
                        let fits = weight(read.size_bytes()) <= cache.capacity_bytes;
                        prop_assert_eq!(tables[table].get(ordinal).is_ok(), fits, "what fits is kept");
                    }
                }
            }
            let (kept, stats) = (kept(&cache), cache.stats());
            let numbers: std::collections::BTreeSet<u64> = kept.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(numbers.len(), kept.len(), "each once");
            prop_assert_eq!(stats.blocks, kept.len() as u64);
            prop_assert_eq!(stats.size_bytes, kept.iter().map(|(_, bytes)| weight(*bytes)).sum::<u64>());
            prop_assert!(stats.size_bytes <= stats.capacity_bytes);
            let of_open =
                |number: &u64| tables.iter().any(|table| number.wrapping_sub(table.first_number) < 20);
            prop_assert!(numbers.iter().all(of_open), "INV-CACHE-3");
            let queues = cache.queues.lock();
            let everywhere = queues.young.iter().chain(&queues.old).chain(&queues.free);
            let mut places: Vec<u32> = everywhere.copied().collect();
            places.sort_unstable();
            prop_assert!(places.into_iter().eq(0..queues.used), "each place in one queue, or free, once");
        }
    }
}
