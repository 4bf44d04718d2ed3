//! Logs: a file as it is, behind a sound header, of fragments with right
//! checksums, or written by the writer and then damaged.
//!
//! ```text
//!   input    := 0 · file
//!             | 1 · what follows the header
//!             | 2 · fragment*
//!             | 3 · flip offset u16 · mask u8 · section*       a record each
//!   fragment := type u8 · fill u8 · length u16                 the payload is `fill`s
//!   type     := as in the log | 6 to the end of the block | 7 zeros
//!             | 0x80 with `length` bytes of the input for a payload
//! ```

use std::collections::BTreeMap;

use stage6_engine::memtable::error::Result;
use stage6_engine::memtable::key::Sequence;
use stage6_engine::wal::identity::{DatabaseId, file_salt};
use stage6_engine::wal::journal::{RecoveryMode, ReplayReport, replay_in_mode};
use stage6_engine::wal::log::format::{self, Header, block_left, fragment_crc};
use stage6_engine::wal::log::parts::log_parts;
use stage6_engine::wal::log::reader::read_log;
use stage6_engine::wal::log::{End, LogContents, LogWriter, salvage_log};
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};

use super::input::Input;
use super::{Memory, NAME, refused_or};

const DATABASE: DatabaseId = DatabaseId(7);
const NUMBER: u64 = 1;

/// The longest file that is sealed here: a block and a bit, so that a record can
/// reach into the next.
const MAX_FILE_BYTES: usize = 40_000;

pub(super) fn run(bytes: &[u8]) -> usize {
    let mut input = Input::new(bytes);
    let file = match input.byte() {
        Some(1) => [&header(), input.rest()].concat(),
        Some(2) => sealed(input),
        Some(3) => written(input),
        _ => input.rest().to_vec(),
    };
    judge_reading(&file);
    judge_replay(&file);
    file.len()
}

fn salt() -> u32 {
    file_salt(DATABASE, NUMBER)
}

fn header() -> Vec<u8> {
    Header { number: NUMBER, salt: salt() }.encode()
}

/// Fragments in any order, each under its right checksum.
fn sealed(mut input: Input<'_>) -> Vec<u8> {
    let mut file = header();
    while let (Some(kind), Some(fill), Some(length)) = (input.byte(), input.byte(), input.short()) {
        let left = block_left(file.len() as u64) as usize;
        let length = usize::from(length);
        if file.len() + length.max(left) > MAX_FILE_BYTES {
            break;
        }
        match kind {
            6 => file.resize(file.len() + left, fill),
            7 => file.resize(file.len() + length, 0),
            0x80.. => put_fragment(&mut file, kind & 0x7f, input.take(length)),
            _ => put_fragment(&mut file, kind, &vec![fill; length]),
        }
    }
    file
}

fn put_fragment(file: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let crc = fragment_crc(salt(), file.len() as u64, kind, payload);
    file.extend_from_slice(&crc.to_le_bytes());
    file.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    file.push(kind);
    file.extend_from_slice(payload);
}

/// A log of the writer's, with up to eight bits of one byte flipped.
fn written(mut input: Input<'_>) -> Vec<u8> {
    let (at, mask) = (input.short().unwrap_or(0), input.byte().unwrap_or(0));
    let payloads: Vec<&[u8]> = input.sections().collect();
    let mut file = write(&payloads);
    assert_eq!(payloads_of(&read(&file).expect("nobody damaged it")), payloads, "what was written is read");
    if let Some(byte) = file.get_mut(usize::from(at)) {
        *byte ^= mask;
    }
    file
}

/// A log with a record for each payload, and a promise behind it.
fn write(payloads: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let (vfs, id) = (SimVfs::without_trace(), FileId::Log(NUMBER));
    let mut writer = LogWriter::create(&vfs, id, DATABASE).expect("a disk in memory");
    for (payload, promised) in payloads.iter().zip(1..) {
        writer.append_record(payload.as_ref(), b"").expect("a disk in memory");
        writer.append_promise(promised).expect("a disk in memory");
    }
    vfs.open(id).and_then(|file| file.read_all()).expect("a disk in memory").to_vec()
}

fn read(file: &[u8]) -> Result<LogContents> {
    read_log(&*Memory::file(file.to_vec()), NUMBER, salt())
}

fn payloads_of(contents: &LogContents) -> Vec<&[u8]> {
    contents.records.iter().map(|record| record.payload).collect()
}

/// Records ascend; what salvage reads begins with them; every byte lies in one
/// part; and they can be written again.
fn judge_reading(file: &[u8]) {
    let fields = format::layout(file);
    assert!(fields.windows(2).all(|pair| pair[0].end <= pair[1].start), "fields overlap");
    let parts = refused_or(log_parts(file, NAME));
    if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
        assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, file.len()), "INV-PARTS-1");
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "INV-PARTS-1");
    }
    let Some(contents) = refused_or(read(file)) else { return };
    assert!(contents.records.iter().is_sorted_by(|a, b| a.offset < b.offset), "records in the file's order");
    let salvaged = salvage_log(&*Memory::file(file.to_vec()), NUMBER, salt());
    let (salvaged, damages) = refused_or(salvaged).expect("what can be read can be salvaged");
    assert!(
        contents.records.iter().eq(salvaged.records.iter().take(contents.records.len())),
        "salvage loses nothing"
    );
    assert_eq!(damages.is_empty(), contents.end == End::Clean);
    assert!(damages.iter().all(|damage| damage.offset < damage.end), "a stretch of damage has a byte");

    let payloads = payloads_of(&contents);
    let again = read(&write(&payloads)).expect("a log of the writer's");
    assert_eq!(payloads_of(&again), payloads, "a round trip changed a record");
    assert_eq!(again.end, End::Clean);
}

/// The batches that a mode accepts, by their sequences.
type Accepted = Vec<(Sequence, Sequence)>;

/// The more a mode forgives, the more it returns, in the same order.
fn judge_replay(file: &[u8]) {
    let image = BTreeMap::from([(FileId::Log(NUMBER), file.to_vec().into())]);
    let vfs = SimVfs::from_image(&image);
    let strict = replay(&vfs, RecoveryMode::Strict);
    let tolerant = replay(&vfs, RecoveryMode::TolerateTornTail);
    let in_time = replay(&vfs, RecoveryMode::PointInTime);
    let salvaged = replay(&vfs, RecoveryMode::Salvage);
    for (careful, bold) in [(&strict, &tolerant), (&tolerant, &in_time), (&in_time, &salvaged)] {
        let Some(careful) = careful else { continue };
        let bold = bold.as_ref().expect("a mode that forgives more opens as well");
        assert!(bold.starts_with(careful), "{bold:?} loses something of {careful:?}");
    }
}

fn replay(vfs: &SimVfs, mode: RecoveryMode) -> Option<Accepted> {
    let mut accepted = Accepted::new();
    let report = replay_in_mode(mode, vfs, DATABASE, &[NUMBER], 0, |batch| {
        accepted.push((batch.first_sequence(), batch.last_sequence()));
    });
    let report: ReplayReport = refused_or(report)?;
    let is_chain = |pair: &[(Sequence, Sequence)]| pair[0].1 < pair[1].0;
    assert!(accepted.windows(2).all(is_chain), "INV-REPLAY-1: {accepted:?}");
    assert_eq!(report.batches, accepted.len() as u64);
    assert_eq!(report.last_sequence, accepted.last().map_or(0, |last| last.1));
    assert!(report.next_sequence > report.last_sequence, "INV-REPLAY-4");
    Some(accepted)
}
