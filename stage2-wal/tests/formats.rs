//! The formats of this stage, byte by byte. Every byte belongs to a named field,
//! and the fields come from the decoders themselves.

use stage2_wal::batch::{self, WriteBatch};
use stage2_wal::identity::DatabaseId;
use stage2_wal::layout::{Field, annotated_hex, unclaimed};
use stage2_wal::log::LogWriter;
use stage2_wal::log::format::{self, BLOCK_BYTES, FRAGMENT_HEADER_BYTES, HEADER_BYTES};
use stage2_wal::vfs::{FileId, SimVfs};

const DATABASE: DatabaseId = DatabaseId(0x1234);
const LOG: FileId = FileId::Log(3);

/// How many lines of a long field are shown at either end.
const LINES_AT_EACH_END: usize = 2;

/// Where a line of a dump goes on with the name of a field, if one begins there.
const NAME_COLUMN: usize = 33;

fn log_of(write: impl FnOnce(&mut LogWriter)) -> Vec<u8> {
    let vfs = SimVfs::new();
    let mut writer = LogWriter::create(&vfs, LOG, DATABASE).expect("a simulated disk never fails");
    write(&mut writer);
    vfs.image()[&LOG].to_vec()
}

/// The dump of a format without a gap; of long fields only the two ends.
fn dump(bytes: &[u8], fields: &[Field]) -> String {
    assert_eq!(unclaimed(bytes, fields), [], "every byte belongs to a named field");
    let text = annotated_hex(bytes, fields);
    let lines: Vec<&str> = text.lines().collect();
    let groups = lines.chunk_by(|_, next| next.len() < NAME_COLUMN);
    let mut shown = Vec::new();
    for group in groups {
        match group.len() - group.len().min(2 * LINES_AT_EACH_END) {
            0 | 1 => shown.extend(group.iter().map(ToString::to_string)),
            hidden => {
                let end = group.len() - LINES_AT_EACH_END;
                shown.extend(group[..LINES_AT_EACH_END].iter().map(ToString::to_string));
                shown.push(format!("        … {hidden} lines"));
                shown.extend(group[end..].iter().map(ToString::to_string));
            }
        }
    }
    shown.join("\n")
}

/// Bytes that are easy to follow from fragment to fragment.
fn text_of(bytes: usize) -> Vec<u8> {
    b"0123456789abcdef".iter().copied().cycle().take(bytes).collect()
}

/// The same fields, with long meanings cut: the bytes beside them say the rest.
fn abridge(fields: Vec<Field>) -> Vec<Field> {
    let cut = |meaning: String| match meaning.char_indices().nth(44) {
        Some((end, _)) => format!("{}…", &meaning[..end]),
        None => meaning,
    };
    fields.into_iter().map(|field| Field { meaning: cut(field.meaning), ..field }).collect()
}

#[test]
fn a_log_begins_with_its_header() {
    let bytes = log_of(|_| {});
    assert_eq!(bytes.len(), HEADER_BYTES);
    insta::assert_snapshot!("header", dump(&bytes, &format::layout(&bytes)));
}

#[test]
fn small_records_and_a_promise_are_one_fragment_each() {
    let bytes = log_of(|log| {
        log.append_record(b"head ", b"and body").expect("appended");
        log.append_record(b"", b"").expect("appended");
        log.append_promise(2).expect("appended");
    });
    insta::assert_snapshot!("fragments", dump(&bytes, &format::layout(&bytes)));
}

#[test]
fn a_record_over_three_blocks_begins_behind_the_padding_of_the_first() {
    let bytes = log_of(|log| {
        // Ten bytes are left of the first block: too few for a fragment.
        let first_block = BLOCK_BYTES as usize - HEADER_BYTES - FRAGMENT_HEADER_BYTES - 10;
        log.append_record(&text_of(first_block), b"").expect("appended");
        log.append_record(&text_of(70_000), b"").expect("appended");
        log.append_promise(7).expect("appended");
    });
    insta::assert_snapshot!("over_blocks", dump(&bytes, &abridge(format::layout(&bytes))));
}

#[test]
fn a_batch_is_a_head_and_its_entries() {
    let mut batch = WriteBatch::new();
    batch.put("fig", "green").delete("kiwi").put("", "").put("plum", text_of(200));
    let bytes = [batch::head(300, batch.len() as u64).as_bytes(), batch.body()].concat();
    insta::assert_snapshot!("batch", dump(&bytes, &abridge(batch::layout(&bytes))));
}
