use std::sync::Arc;

use bytes::Bytes;
use stage2_wal::coding::Decoder;
use stage2_wal::layout::{annotated_hex, unclaimed};
use stage2_wal::memtable::cursor::Cursor;
use stage2_wal::memtable::error::{Error, ErrorKind, Result};
use stage2_wal::memtable::key::{InternalKey, Kind, MAX_KEY_BYTES, MAX_SEQUENCE};
use stage2_wal::memtable::lookup::{Answer, Lookup, LookupKey, Touch};
use stage2_wal::memtable::sync::Mutex;
use stage2_wal::vfs::{AppendFile, FileId, ReadFile, SimVfs, Vfs};

use super::*;
use crate::cache::BlockCache;
use crate::compression::Codec;
use crate::footer::{FOOTER_BYTES, Footer};
use crate::format::{BlockHandle, TRAILER_BYTES, VERSION};
use crate::frame::trailer;
use crate::layout::table_layout;
use crate::metaindex::Metaindex;
use crate::properties::{PROPERTIES, Properties};

const SALT: u32 = 0x0000_5a17;
const FILE: FileId = FileId::Table(7);

/// A table in a directory of its own.
struct Disk(SimVfs);

impl Disk {
    fn empty() -> Disk {
        Disk(SimVfs::without_trace())
    }

    fn holding(bytes: &[u8]) -> Disk {
        let disk = Disk::empty();
        disk.0.create(FILE).unwrap().append(bytes).unwrap();
        disk
    }

    fn builder(&self, options: TableOptions) -> TableBuilder {
        TableBuilder::new(self.0.create(FILE).unwrap(), "000007.sst".to_owned(), SALT, options)
    }

    fn bytes(&self) -> Bytes {
        self.0.open(FILE).unwrap().read_all().unwrap()
    }

    fn open_with(&self, salt: u32, cache: &Arc<BlockCache>) -> Result<Arc<Table>> {
        Table::open(self.0.open(FILE)?, salt, 7, Arc::clone(cache)).map(Arc::new)
    }

    fn open(&self) -> Result<Arc<Table>> {
        self.open_with(SALT, &Arc::new(BlockCache::new(1 << 20)))
    }
}

fn options(block_size_bytes: usize, codec: Codec) -> TableOptions {
    TableOptions { block_size_bytes, codec }
}

/// Four fruits in two blocks, with a meta block of somebody else.
fn fruit(codec: Codec) -> Disk {
    let disk = Disk::empty();
    let mut builder = disk.builder(options(110, codec));
    builder.add(InternalKey::new(b"apple", 12), Kind::Value, b"red").unwrap();
    builder.add(InternalKey::new(b"apple", 4), Kind::Deletion, b"").unwrap();
    builder.add(InternalKey::new(b"apricot", 9), Kind::Value, &[b'o'; 40]).unwrap();
    builder.add(InternalKey::new(b"kiwi", 300), Kind::Value, b"green").unwrap();
    builder.add_meta_block("colour.note", b"not ours".to_vec());
    builder.finish().unwrap();
    disk
}

/// Everything that a reader can learn from a table, or its first error.
fn read_everything(disk: &Disk) -> Result<String> {
    let table = disk.open()?;
    let mut story = format!("{:?} {:?}", table.properties(), table.meta_block("colour.note")?);
    let mut cursor = table.cursor();
    cursor.seek_to_first();
    while cursor.is_valid() {
        story += &format!("{:?} {:?} {:?}", cursor.key(), cursor.kind(), cursor.value());
        cursor.next();
    }
    cursor.status()?;
    for user_key in [&b"apple"[..], b"apricot", b"kiwi", b"plum"] {
        story += &format!("{:?}", table.lookup(&LookupKey::new(user_key, 10), &mut ())?);
    }
    Ok(story)
}

fn dump(disk: &Disk) -> String {
    let (bytes, fields) = (disk.bytes(), table_layout(disk.0.open(FILE).unwrap(), SALT).unwrap());
    assert_eq!(unclaimed(&bytes, &fields), [], "every byte has a name");
    assert!(fields.is_sorted_by(|a, b| a.end <= b.start), "no byte has two");
    annotated_hex(&bytes, &fields)
}

#[test]
fn a_plain_table_is_these_bytes() {
    insta::assert_snapshot!(dump(&fruit(Codec::None)));
}

#[test]
fn a_compressed_table_is_these_bytes() {
    insta::assert_snapshot!(dump(&fruit(Codec::Lz4)));
}

#[test]
fn every_flipped_bit_of_a_table_is_an_error() {
    for codec in [Codec::None, Codec::Lz4] {
        let sound = fruit(codec).bytes();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = read_everything(&Disk::holding(&bytes)).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported),
                "bit {bit}: {error}"
            );
            assert!(error.to_string().contains("000007.sst"), "bit {bit}: {error}");
        }
        println!("{codec:?}: {} flips, each an error, none answered wrongly", sound.len() * 8);
    }
}

#[test]
fn every_truncation_and_every_zeroed_sector_of_a_table_is_an_error() {
    let sound = fruit(Codec::None).bytes();
    for length in 0..sound.len() {
        assert!(read_everything(&Disk::holding(&sound[..length])).is_err(), "{length} bytes");
    }
    assert!(read_everything(&Disk::holding(&[&sound[..], b"x"].concat())).is_err(), "a byte too many");
    for start in (0..sound.len()).step_by(64) {
        let mut bytes = sound.to_vec();
        let end = bytes.len().min(start + 64);
        bytes[start..end].fill(0);
        assert!(read_everything(&Disk::holding(&bytes)).is_err(), "zeros from {start}");
    }
}

#[test]
fn a_block_of_another_place_or_another_file_is_refused() {
    let disk = Disk::empty();
    let mut builder = disk.builder(options(1, Codec::None));
    for sequence in [1, 2] {
        builder.add(InternalKey::new(&[b'0' + sequence as u8], sequence), Kind::Value, b"twin").unwrap();
    }
    builder.finish().unwrap();
    let table = disk.open().unwrap();
    let (first, second) = (table.index.handle(0).unwrap(), table.index.handle(1).unwrap());
    assert_eq!(first.bytes, second.bytes, "the twins can be swapped");
    let mut swapped = disk.bytes().to_vec();
    let (front, back) = swapped.split_at_mut(second.offset as usize);
    front.swap_with_slice(&mut back[..second.offset as usize]);
    assert_eq!(read_everything(&Disk::holding(&swapped)).unwrap_err().kind(), ErrorKind::Corruption);

    let stranger = disk.open_with(SALT + 1, &Arc::new(BlockCache::new(0))).unwrap_err();
    assert!(stranger.to_string().contains("another file"), "{stranger}");
}

/// The same table with a changed and again sound footer.
fn with_footer(disk: &Disk, change: impl FnOnce(&mut Footer)) -> Disk {
    let bytes = disk.bytes();
    let (front, tail) = bytes.split_at(bytes.len() - FOOTER_BYTES);
    let mut footer = Footer::decode(tail, &mut Decoder::new(tail)).unwrap();
    change(&mut footer);
    Disk::holding(&[front, &footer.encode()].concat())
}

#[test]
fn a_table_of_an_unknown_version_or_feature_is_unsupported() {
    let disk = fruit(Codec::None);
    let newer = with_footer(&disk, |footer| footer.version = VERSION + 1).open().unwrap_err();
    assert_eq!(newer.to_string(), "000007.sst cannot be read by this release: table format version 3");
    let feature = with_footer(&disk, |footer| footer.features = 4).open().unwrap_err();
    assert_eq!(feature.kind(), ErrorKind::Unsupported);
}

#[test]
fn hostile_handles_are_refused_before_anything_is_read_for_them() {
    let disk = fruit(Codec::None);
    for offset in [0, 1 << 40, u64::MAX] {
        for bytes in [0, u32::MAX] {
            assert!(with_footer(&disk, |footer| footer.index.offset = offset).open().is_err());
            assert!(with_footer(&disk, |footer| footer.metaindex.bytes = bytes).open().is_err());
            assert!(with_footer(&disk, |footer| footer.index.bytes = bytes).open().is_err());
        }
    }
}

/// The same table with a changed block under a checksum that is right again:
/// what a bug of a writer would leave, or somebody who knows the salt.
fn with_block(disk: &Disk, handle: BlockHandle, change: impl FnOnce(&mut [u8])) -> Disk {
    let mut bytes = disk.bytes().to_vec();
    let start = handle.offset as usize;
    let (payload, behind) = bytes[start..].split_at_mut(handle.bytes as usize);
    change(payload);
    behind[..TRAILER_BYTES].copy_from_slice(&trailer(payload, Codec::None, handle.offset, SALT));
    Disk::holding(&bytes)
}

#[test]
fn a_meta_block_that_must_be_understood_makes_a_table_unsupported() {
    let disk = fruit(Codec::None);
    let handle = disk.open().unwrap().footer.metaindex;
    let changed = with_block(&disk, handle, |payload| {
        let mut metaindex = Metaindex::decode(&mut Decoder::new(payload)).unwrap();
        metaindex.blocks[0].must_understand = true;
        payload.copy_from_slice(&metaindex.encode());
    });
    let error = changed.open().unwrap_err();
    assert_eq!(error.to_string(), "000007.sst cannot be read by this release: meta block colour.note");
}

#[test]
fn verification_finds_properties_that_lie_under_a_right_checksum() {
    let disk = fruit(Codec::None);
    let handle = disk.open().unwrap().metaindex.find(PROPERTIES).unwrap();
    let changed = with_block(&disk, handle, |payload| {
        let mut properties = Properties::decode(&mut Decoder::new(payload)).unwrap();
        properties.deletions += 1;
        payload.copy_from_slice(&properties.encode());
    });
    let error = changed.open().unwrap().verify().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
}

#[test]
fn verification_finds_separators_that_lie_under_a_right_checksum() {
    let disk = fruit(Codec::None);
    let handle = disk.open().unwrap().footer.index;
    for (first, last, expected) in
        [(b'a', b"kiwi", "is above its separator"), (b'l', b"zzzz", "is below its block's range")]
    {
        let changed = with_block(&disk, handle, |payload| {
            assert_eq!(payload[3], b'b');
            payload[3] = first;
            let at = payload.windows(4).position(|bytes| bytes == b"kiwi").unwrap();
            payload[at..at + 4].copy_from_slice(last);
        });
        let error = changed.open().unwrap().verify().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn verification_finds_a_separator_that_cuts_through_the_versions_of_a_key() {
    let disk = Disk::empty();
    let mut builder = disk.builder(options(1, Codec::None));
    for (user_key, sequence) in [(b"a", 9), (b"c", 8)] {
        builder.add(InternalKey::new(user_key, sequence), Kind::Value, b"").unwrap();
    }
    builder.finish().unwrap();
    disk.open().unwrap().verify().unwrap();
    // The separator (b, 0) becomes (c, 9): still in order, but who reads c as of 30 comes before it.
    let handle = disk.open().unwrap().footer.index;
    let changed = with_block(&disk, handle, |payload| {
        let at = payload.windows(3).position(|bytes| bytes == [1, b'b', 0]).unwrap();
        payload[at + 1..at + 3].copy_from_slice(&[b'c', 9]);
    });
    let table = changed.open().unwrap();
    assert_eq!(table.lookup(&LookupKey::new(b"c", 30), &mut ()).unwrap(), Answer::Absent);
    assert!(table.verify().unwrap_err().to_string().contains("is below its block's range"));
}

#[test]
fn an_entry_that_is_none_under_a_right_checksum_is_corruption_wherever_it_is_met() {
    let disk = fruit(Codec::None);
    let handle = disk.open().unwrap().index.handle(0).unwrap();
    let changed = with_block(&disk, handle, |payload| payload[0] = 7);
    let table = changed.open().unwrap();
    let mut cursor = table.cursor();
    cursor.seek_to_first();
    assert!(!cursor.is_valid());
    let met = [
        cursor.status().unwrap_err(),
        table.lookup(&LookupKey::new(b"apple", 99), &mut ()).unwrap_err(),
        table.verify().unwrap_err(),
        table_layout(changed.0.open(FILE).unwrap(), SALT).unwrap_err(),
    ];
    for error in met {
        assert_eq!(error.to_string(), "000007.sst is corrupt at offset 0: not an entry");
    }
}

#[test]
fn a_lookup_reads_one_block_and_then_the_cache_has_it() {
    let cache = Arc::new(BlockCache::new(1 << 20));
    let table = fruit(Codec::Lz4).open_with(SALT, &cache).unwrap();
    for expected in [false, true] {
        let mut way = Vec::new();
        let answer = table.lookup(&LookupKey::new(b"kiwi", MAX_SEQUENCE), &mut way).unwrap();
        assert_eq!(answer, Answer::Value { value: "green".into(), sequence: 300 });
        assert!(matches!(way[..], [Touch::Block { cached, .. }] if cached == expected), "{way:?}");
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.blocks), (1, 1, 1));
}

#[test]
fn a_value_that_somebody_keeps_never_changes_whatever_is_read_behind_it() {
    for codec in [Codec::None, Codec::Lz4] {
        let disk = Disk::empty();
        let mut builder = disk.builder(options(256, codec));
        let value = |number: u64| vec![number as u8; 40];
        for number in 0..100_u64 {
            builder.add(InternalKey::new(&number.to_be_bytes(), 1), Kind::Value, &value(number)).unwrap();
        }
        builder.finish().unwrap();
        // Nothing kept, a few blocks, and all of them.
        for cache_bytes in [0, 1_000, 1 << 20] {
            let table = disk.open_with(SALT, &Arc::new(BlockCache::new(cache_bytes))).unwrap();
            let ask = |number: u64| table.lookup(&LookupKey::new(&number.to_be_bytes(), 1), &mut ()).unwrap();
            let kept: Vec<Answer> = (0..100).chain((0..100).rev()).map(ask).collect();
            for (number, answer) in (0..100).chain((0..100).rev()).zip(kept) {
                assert_eq!(answer, Answer::Value { value: value(number).into(), sequence: 1 });
            }
        }
    }
}

/// A file that notes its reads, and fails those that reach behind `sound_bytes`.
#[derive(Debug)]
struct Noted {
    file: Arc<dyn ReadFile>,
    sound_bytes: u64,
    lengths: Mutex<Vec<usize>>,
}

impl ReadFile for Noted {
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.lengths.lock().push(length);
        if offset < self.sound_bytes && offset + length as u64 > self.sound_bytes {
            return Err(Error::corruption(self.describe(), offset, "a bad sector"));
        }
        self.file.read_at(offset, length)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }

    fn describe(&self) -> String {
        self.file.describe()
    }
}

/// 4,000 entries in blocks of about a kilobyte, in a file whose data is sound up to there.
fn long_table(sound_bytes: u64) -> (Arc<Noted>, Arc<Table>) {
    let disk = Disk::empty();
    let mut builder = disk.builder(options(1 << 10, Codec::None));
    for number in 0..4_000_u64 {
        builder.add(InternalKey::new(&number.to_be_bytes(), 1), Kind::Value, &[number as u8; 90]).unwrap();
    }
    builder.finish().unwrap();
    let noted = Arc::new(Noted { file: disk.0.open(FILE).unwrap(), sound_bytes, lengths: Mutex::default() });
    let table = Table::open(noted.clone(), SALT, 7, Arc::new(BlockCache::new(0))).unwrap();
    noted.lengths.lock().clear();
    (noted, Arc::new(table))
}

#[test]
fn a_walk_reads_at_once_as_much_as_it_has_read_and_a_seek_one_block() {
    let (file, table) = long_table(u64::MAX);
    let mut cursor = table.cursor();
    cursor.seek(InternalKey::new(&2_000_u64.to_be_bytes(), 1));
    assert!(matches!(file.lengths.lock()[..], [one] if one <= 1 << 10), "{file:?}");
    let mut entries = 0;
    while cursor.is_valid() {
        let lengths = file.lengths.lock();
        let (last, before) = lengths.split_last().unwrap();
        let limit = before.iter().sum::<usize>().max(1 << 10) + (1 << 10);
        assert!(*last <= limit.min(64 << 10), "{lengths:?}");
        drop(lengths);
        entries += 1;
        cursor.next();
    }
    let lengths = file.lengths.lock();
    assert_eq!(entries, 2_000);
    assert!(lengths.len() < 12 && lengths.iter().any(|length| *length > 60 << 10), "{lengths:?}");
}

#[test]
fn what_cannot_be_read_ahead_is_no_failure_before_the_walk_comes_to_it() {
    let (_, table) = long_table(u64::MAX);
    let bad = table.index.handle(100).unwrap();
    let (_, table) = long_table(bad.offset + 1);
    let mut cursor = table.cursor_past_cache();
    cursor.seek_to_first();
    let mut last = None;
    while cursor.is_valid() {
        last = Some(cursor.key().to_owned());
        cursor.next();
    }
    assert!(cursor.status().is_err());
    let separator = table.index.separator(99).unwrap();
    assert!(
        last.as_ref().unwrap() <= &separator
            && *last.unwrap().user_key > *table.index.separator(98).unwrap().user_key
    );
}

#[test]
fn a_value_of_a_walk_that_somebody_keeps_never_changes() {
    let (_, table) = long_table(u64::MAX);
    let mut cursor = table.cursor();
    cursor.seek_to_first();
    let mut kept = Vec::new();
    for number in 0..4_000 {
        // Some reads have their memory given back, and some not.
        if number % 1_000 < 300 {
            kept.push((cursor.value_owned(), cursor.value().to_vec()));
        }
        cursor.next();
    }
    assert!(!cursor.is_valid() && kept.len() == 1_200);
    assert!(kept.iter().all(|(value, copy)| value == copy));
}

#[test]
fn the_blocks_of_a_table_leave_the_cache_with_it() {
    let disk = fruit(Codec::None);
    let cache = Arc::new(BlockCache::new(1 << 20));
    let (goes, stays) = (disk.open_with(SALT, &cache).unwrap(), disk.open_with(SALT, &cache).unwrap());
    for table in [&goes, &stays] {
        let _found = table.lookup(&LookupKey::new(b"apple", 10), &mut ()).unwrap();
    }
    let _found = goes.lookup(&LookupKey::new(b"kiwi", 300), &mut ()).unwrap();
    assert_eq!(cache.stats().blocks, 3);
    drop(goes);
    assert_eq!(cache.stats().blocks, 1, "that of the other table");
}

#[test]
fn a_block_with_its_trailer_stays_within_its_size_unless_one_entry_does_not() {
    let disk = Disk::empty();
    let mut builder = disk.builder(options(4096, Codec::None));
    for number in 0..2_000_u64 {
        // Some share a long prefix and some none; one value is larger than a block.
        let user_key = format!("{:07}{}", number * 37, "x".repeat(number as usize % 50));
        let value = vec![b'v'; if number == 777 { 5_000 } else { (number * 31 % 120) as usize }];
        // Of four bytes as a varint, as the size of a block counts it.
        let sequence = (1 << 21) + number;
        builder.add(InternalKey::new(user_key.as_bytes(), sequence), Kind::Value, &value).unwrap();
    }
    builder.finish().unwrap();
    let table = disk.open().unwrap();
    let sizes = (0..table.index.len()).filter_map(|at| table.index.handle(at)).map(|handle| handle.bytes);
    let larger: Vec<u32> = sizes.clone().filter(|bytes| *bytes as usize + TRAILER_BYTES > 4096).collect();
    assert!(matches!(larger[..], [only] if only > 5_000), "{larger:?}");
    let mean = sizes.clone().map(u64::from).sum::<u64>() / sizes.count() as u64;
    assert!(mean > 3_800, "blocks are full: {mean} bytes on average");
}

#[test]
fn a_walk_past_the_cache_leaves_the_cache_as_it_is() {
    let cache = Arc::new(BlockCache::new(1 << 20));
    let mut cursor = fruit(Codec::Lz4).open_with(SALT, &cache).unwrap().cursor_past_cache();
    cursor.seek_to_first();
    let mut entries = 0;
    while cursor.is_valid() {
        entries += 1;
        cursor.next();
    }
    assert_eq!((entries, cache.stats().blocks, cache.stats().misses), (4, 0, 0));
}

#[test]
fn a_key_behind_the_last_costs_no_block() {
    let mut way = Vec::new();
    let table = fruit(Codec::None).open().unwrap();
    assert_eq!(table.lookup(&LookupKey::new(b"plum", 9), &mut way).unwrap(), Answer::Absent);
    assert_eq!(way, []);
}

#[test]
fn a_damaged_block_ends_a_cursor_for_good() {
    let disk = fruit(Codec::None);
    let second = disk.open().unwrap().index.handle(1).unwrap();
    let mut bytes = disk.bytes().to_vec();
    bytes[second.offset as usize] ^= 1;
    let mut cursor = Disk::holding(&bytes).open().unwrap().cursor();
    cursor.seek_to_first();
    while cursor.is_valid() {
        cursor.next();
    }
    let error = cursor.status().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.to_string().contains(&format!("offset {}", second.offset)), "{error}");
    cursor.seek_to_first();
    assert!(!cursor.is_valid() && cursor.status().is_err(), "errors stick");
}

#[test]
fn keys_out_of_order_and_beyond_the_limits_are_refused_and_the_table_goes_on() {
    let disk = Disk::empty();
    let mut builder = disk.builder(TableOptions::default());
    let mut add =
        |user_key: &[u8], sequence| builder.add(InternalKey::new(user_key, sequence), Kind::Value, b"");
    add(b"b", 5).unwrap();
    for (user_key, sequence) in [(&b"b"[..], 5), (b"b", 6), (b"a", 9), (b"c", 0), (b"c", MAX_SEQUENCE + 1)] {
        assert_eq!(add(user_key, sequence).unwrap_err().kind(), ErrorKind::InvalidArgument, "{user_key:?}");
    }
    assert!(add(&vec![b'c'; MAX_KEY_BYTES + 1], 1).is_err());
    add(b"b", 4).unwrap();
    add(b"c", 7).unwrap();
    assert_eq!(builder.finish().unwrap().properties.entries, 3);
    assert_eq!(disk.open().unwrap().verify().unwrap().entries, 3);
}

#[test]
fn a_table_without_entries_is_refused() {
    let builder = Disk::empty().builder(TableOptions::default());
    assert_eq!(builder.finish().unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn the_largest_keys_and_values_have_room() {
    let disk = Disk::empty();
    let mut builder = disk.builder(TableOptions::default());
    let long = vec![b'k'; MAX_KEY_BYTES];
    let large = vec![7; 3 << 20];
    builder.add(InternalKey::new(b"", 3), Kind::Value, &large).unwrap();
    for sequence in [9, 8, 7] {
        builder.add(InternalKey::new(&long, sequence), Kind::Value, &large).unwrap();
    }
    builder.finish().unwrap();
    let table = disk.open().unwrap();
    assert_eq!(table.verify().unwrap().data_blocks, 4);
    let answer = table.lookup(&LookupKey::new(&long, 8), &mut ()).unwrap();
    assert_eq!(answer, Answer::Value { value: large.into(), sequence: 8 });
}

#[test]
fn the_summary_says_what_the_file_is() {
    let disk = Disk::empty();
    let mut builder = disk.builder(options(100, Codec::Lz4));
    for number in 0..1_000u64 {
        let user_key = format!("key{number:05}");
        builder.add(InternalKey::new(user_key.as_bytes(), number + 1), Kind::Value, b"some value").unwrap();
    }
    let estimate = builder.size_bytes();
    let summary = builder.finish().unwrap();
    assert_eq!(summary.file_bytes, disk.bytes().len() as u64);
    assert_eq!(summary.checksum, crc32fast::hash(&disk.bytes()));
    assert!(estimate <= summary.file_bytes && estimate > summary.file_bytes / 2, "{estimate}");
    let properties = summary.properties;
    assert_eq!((properties.first_sequence, properties.last_sequence), (1, 1_000));
    assert_eq!((properties.key_bytes, properties.value_bytes), (8_000, 10_000));
    assert_eq!(properties.largest, InternalKey::new(b"key00999", 1_000).to_owned());
}

/// A file that refuses the second append and would take every later one.
#[derive(Debug)]
struct FailsOnce(std::sync::atomic::AtomicUsize);

impl AppendFile for FailsOnce {
    fn append(&self, _bytes: &[u8]) -> Result<()> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            1 => Err(Error::io("append to", "x", std::io::Error::from(std::io::ErrorKind::StorageFull))),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn finish(&self, _length: u64) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_builder_that_has_failed_stays_failed() {
    let file = Arc::new(FailsOnce(0.into()));
    let mut builder = TableBuilder::new(file, "x".to_owned(), SALT, options(4096, Codec::None));
    let mut failures = 0;
    for number in 0..300u64 {
        let user_key = number.to_be_bytes();
        failures += u32::from(builder.add(InternalKey::new(&user_key, 1), Kind::Value, &[1; 4096]).is_err());
    }
    assert!(failures > 1);
    assert!(builder.finish().unwrap_err().is_retryable(), "it is the first failure");
}
