//! The edits in a log, and `CURRENT`, which says which log counts.
//!
//! ```text
//!   CURRENT            MANIFEST-000007 (a record log)
//!   ┌────────────┐     ┌────────────────┬───────────┬────────┬───────────┬──
//!   │ manifest 7 │ ──▶ │ whole version  │ promise 1 │ edit   │ promise 2 │ …
//!   │ database id│     └────────────────┴───────────┴────────┴───────────┴──
//!   └────────────┘
//!   current := magic 8 · version u16 · zero u16 · features u32
//!              · database id u128 · manifest u64 · crc u32          (44 bytes)
//! ```
//!
//! - **INV-MANIFEST-1** The first record is the whole version. Each edit is one
//!   record, synced, then its promise, synced too: *the first S records of this
//!   manifest are durable*. Only then may anything rely on it.
//! - **INV-MANIFEST-2** `CURRENT` is replaced in one step, by a file that was
//!   synced before the rename, and vouches for the manifest's first record.
//! - **INV-MANIFEST-3** After a failed append or sync a manifest is never appended
//!   to again: whether the edit is in it, the next open finds out.
//!
//! Replay takes the records up to the first damage. Fewer than promised, or not
//! even the first, is corruption in every mode: what is missing would name files
//! that were since removed.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use stage4_bloom::memtable::error::{Error, Result};
use stage4_bloom::wal::coding::{Decoder, Malformed};
use stage4_bloom::wal::identity::{DatabaseId, file_salt};
use stage4_bloom::wal::layout::Field;
use stage4_bloom::wal::log::reader::read_log;
use stage4_bloom::wal::log::{End, LogWriter};
use stage4_bloom::wal::vfs::{FileId, Vfs};

use crate::edit::VersionEdit;

/// The first bytes of `CURRENT`.
const MAGIC: [u8; 8] = *b"\x89LSMC\r\n\x1a";

/// The version of `CURRENT`'s grammar.
const VERSION: u16 = 1;

/// A `CURRENT` longer than this is refused before it is read. One has 44 bytes, in every
/// version; what is a little longer is read to be shown, and refused as damaged.
const MAX_CURRENT_BYTES: u64 = 4096;

/// What `CURRENT` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// The database's identity.
    pub database: DatabaseId,
    /// The number of the manifest that counts.
    pub manifest: u64,
}

impl Current {
    /// Reads `CURRENT`, or `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Corruption`] or [`Error::Unsupported`] for a file that is not
    /// whole or not known.
    pub fn read(vfs: &dyn Vfs) -> Result<Option<Current>> {
        let file = match vfs.open(FileId::Current) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.len() > MAX_CURRENT_BYTES {
            let what = format!("{} bytes are too many for a CURRENT", file.len());
            return Err(Error::corruption(file.describe(), MAX_CURRENT_BYTES, what));
        }
        Current::from_bytes(&file.read_all()?, &file.describe()).map(Some)
    }

    /// Reads the bytes of a `CURRENT` that messages call `name`.
    ///
    /// # Errors
    /// [`Error::Corruption`] or [`Error::Unsupported`] when they are not whole or
    /// not known.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Current> {
        Current::decode(&mut Decoder::new(bytes), name).map_err(|damage| damage.in_file(name, 0))?
    }

    /// Replaces `CURRENT` in one durable step: this is the commit of an open.
    /// Goes by a temporary file with `number`.
    pub fn commit(&self, vfs: &dyn Vfs, number: u64) -> Result<()> {
        let temporary = FileId::Temporary(number);
        let file = vfs.create(temporary)?;
        file.append(&self.encode())?;
        file.sync()?;
        vfs.rename(temporary, FileId::Current)?;
        vfs.sync_directory()
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0u16.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(&self.database.0.to_le_bytes());
        bytes.extend_from_slice(&self.manifest.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `Ok(Err(Unsupported))` for a whole file of a version not known here.
    fn decode(decoder: &mut Decoder<'_>, name: &str) -> Result<Result<Current>, Malformed> {
        let magic = decoder.bytes("magic", MAGIC.len())?;
        let version = decoder.u16("version")?;
        let zero = decoder.u16("zero")?;
        let features = decoder.u32("features")?;
        let database = decoder.bytes("database id", size_of::<u128>())?;
        let manifest = decoder.u64("manifest")?;
        let crc = decoder.crc("crc")?;
        decoder.finish()?;
        if magic != MAGIC {
            return Err(Malformed { offset: 0, what: "the file does not begin as CURRENT does".to_owned() });
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(magic);
        hasher.update(&version.to_le_bytes());
        hasher.update(&zero.to_le_bytes());
        hasher.update(&features.to_le_bytes());
        hasher.update(database);
        hasher.update(&manifest.to_le_bytes());
        if hasher.finalize() != crc {
            return Err(Malformed { offset: 0, what: "the checksum does not match".to_owned() });
        }
        if version != VERSION || features != 0 {
            let what =
                format!("format version {version} with features {features:#x}; known is version {VERSION}");
            return Ok(Err(Error::unsupported(name, what)));
        }
        let mut id = [0; size_of::<u128>()];
        id.copy_from_slice(database);
        Ok(Ok(Current { database: DatabaseId(u128::from_le_bytes(id)), manifest }))
    }
}

/// The fields of a `CURRENT` file, up to its end or its first damage.
pub fn current_layout(bytes: &[u8]) -> Vec<Field> {
    let mut decoder = Decoder::recording(bytes);
    // Damage ends the fields; what they do not cover is shown as unclaimed.
    let _ = Current::decode(&mut decoder, "CURRENT");
    decoder.into_fields()
}

/// The writer of one manifest.
#[derive(Debug)]
pub struct Manifest {
    log: LogWriter,
    records: u64,
    failure: Option<Error>,
}

impl Manifest {
    /// Creates manifest `number` with `snapshot` as its first record, durable and
    /// promised. Its name is durable after the caller's sync of the directory.
    pub fn create(
        vfs: &dyn Vfs,
        number: u64,
        database: DatabaseId,
        snapshot: &VersionEdit,
    ) -> Result<Manifest> {
        let log = LogWriter::create(vfs, FileId::Manifest(number), database)?;
        let mut manifest = Manifest { log, records: 0, failure: None };
        manifest.append(snapshot)?;
        Ok(manifest)
    }

    /// Appends `edit` and makes it and its promise durable (INV-MANIFEST-1).
    ///
    /// # Errors
    /// That of the file, now and at every later call (INV-MANIFEST-3).
    pub fn append(&mut self, edit: &VersionEdit) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let result = self.append_durably(edit);
        self.failure = result.as_ref().err().cloned();
        result
    }

    fn append_durably(&mut self, edit: &VersionEdit) -> Result<()> {
        self.log.append_record(&edit.encode(), b"")?;
        self.log.file().sync()?;
        self.records = self.records.saturating_add(1);
        self.log.append_promise(self.records)?;
        self.log.file().sync()
    }

    /// The number in its name.
    pub fn number(&self) -> u64 {
        self.log.number()
    }

    /// Its length, in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.log.len_bytes()
    }

    /// Takes nothing more from here on.
    pub(crate) fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// Why it takes nothing more, if it has failed.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }
}

/// Reads the edits of the manifest that `current` names.
///
/// # Errors
/// [`Error::Corruption`] when it holds fewer records than it promises, or not
/// even the first; when a record with a sound checksum is no edit. That of
/// reading it.
pub fn read_manifest(vfs: &dyn Vfs, current: Current) -> Result<Vec<VersionEdit>> {
    let Current { database, manifest } = current;
    let file = vfs.open(FileId::Manifest(manifest)).map_err(|error| match error.is_not_found() {
        true => Error::corruption(
            vfs.describe(FileId::Current),
            0,
            format!("it names manifest {manifest}, which is not there; restore the database from a copy"),
        ),
        false => error,
    })?;
    let name = file.describe();
    let contents = read_log(&*file, manifest, file_salt(database, manifest))?;
    let promised = contents.promised.unwrap_or_default().max(1);
    if (contents.records.len() as u64) < promised {
        let (offset, why) = match &contents.end {
            End::Damaged(damage) => (damage.offset as u64, damage.what.as_str()),
            End::Clean => (contents.file_bytes, "the file ends"),
        };
        let what = format!(
            "{} whole records, but {promised} were promised durable ({why}); restore the database from a copy",
            contents.records.len()
        );
        return Err(Error::corruption(name, offset, what));
    }
    let decode = |record: stage4_bloom::wal::log::Record<'_>| {
        VersionEdit::decode(record.payload).map_err(|damage| {
            Error::corruption(&name, record.offset, format!("a record is no version edit: {damage}"))
        })
    };
    contents.records.iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage4_bloom::wal::layout::{annotated_hex, unclaimed};
    use stage4_bloom::wal::vfs::SimVfs;

    const CURRENT: Current = Current { database: DatabaseId(0x1234), manifest: 7 };

    fn edit(next_file_number: u64) -> VersionEdit {
        VersionEdit { next_file_number: Some(next_file_number), ..VersionEdit::default() }
    }

    fn written(edits: u64) -> SimVfs {
        let vfs = SimVfs::new();
        let mut manifest = Manifest::create(&vfs, 7, CURRENT.database, &edit(0)).unwrap();
        (1..edits).for_each(|number| manifest.append(&edit(number)).unwrap());
        vfs
    }

    #[test]
    fn the_edits_come_back_in_their_order() {
        let edits = read_manifest(&written(3), CURRENT).unwrap();
        assert_eq!(edits, [edit(0), edit(1), edit(2)]);
    }

    #[test]
    fn a_current_that_is_far_too_long_is_refused_without_being_read() {
        let vfs = SimVfs::new();
        CURRENT.commit(&vfs, 9).unwrap();
        vfs.corrupt(FileId::Current, |bytes| bytes.resize(MAX_CURRENT_BYTES as usize + 1, 0)).unwrap();
        assert!(Current::read(&vfs).unwrap_err().to_string().contains("4097 bytes are too many"));
    }

    #[test]
    fn a_torn_last_edit_that_was_not_promised_is_forgotten() {
        let vfs = written(2);
        vfs.corrupt(FileId::Manifest(7), |bytes| bytes.extend_from_slice(b"half an edit")).unwrap();
        assert_eq!(read_manifest(&vfs, CURRENT).unwrap().len(), 2);
    }

    #[test]
    fn damage_below_a_promise_is_corruption() {
        let vfs = written(2);
        vfs.corrupt(FileId::Manifest(7), |bytes| bytes[32 + 7] ^= 1).unwrap();
        let error = read_manifest(&vfs, CURRENT).unwrap_err();
        assert_eq!(
            error.to_string(),
            "MANIFEST-000007 is corrupt at offset 32: 0 whole records, but 2 were promised durable \
             (the fragment's checksum does not match); restore the database from a copy"
        );
    }

    #[test]
    fn a_manifest_without_its_first_record_is_corruption() {
        let vfs = written(1);
        vfs.corrupt(FileId::Manifest(7), Vec::clear).unwrap();
        assert!(read_manifest(&vfs, CURRENT).is_err());
    }

    #[test]
    fn current_is_read_back_and_every_flipped_bit_is_an_error() {
        let vfs = SimVfs::new();
        assert_eq!(Current::read(&vfs).unwrap(), None);
        CURRENT.commit(&vfs, 9).unwrap();
        assert_eq!(Current::read(&vfs).unwrap(), Some(CURRENT));
        for bit in 0..44 * 8 {
            vfs.corrupt(FileId::Current, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
            assert!(Current::read(&vfs).is_err(), "bit {bit}");
            vfs.corrupt(FileId::Current, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        }
        for length in 0..44 {
            vfs.corrupt(FileId::Current, |bytes| bytes.truncate(length)).unwrap();
            assert!(Current::read(&vfs).is_err(), "cut to {length}");
            vfs.corrupt(FileId::Current, |bytes| *bytes = CURRENT.encode()).unwrap();
        }
    }

    #[test]
    fn a_current_of_the_future_is_refused_by_name() {
        let vfs = SimVfs::new();
        CURRENT.commit(&vfs, 9).unwrap();
        vfs.corrupt(FileId::Current, |bytes| {
            bytes[8] = 9;
            let crc = crc32fast::hash(&bytes[..40]);
            bytes[40..].copy_from_slice(&crc.to_le_bytes());
        })
        .unwrap();
        assert_eq!(
            Current::read(&vfs).unwrap_err().to_string(),
            "CURRENT cannot be read by this release: format version 9 with features 0x0; known is version 1"
        );
    }

    #[test]
    fn every_byte_of_current_and_of_a_manifest_belongs_to_a_named_field() {
        let current = CURRENT.encode();
        let fields = current_layout(&current);
        assert_eq!(unclaimed(&current, &fields), []);
        insta::assert_snapshot!("current", annotated_hex(&current, &fields));

        let manifest = &written(2).image()[&FileId::Manifest(7)];
        let fields = stage4_bloom::wal::log::format::layout(manifest);
        assert_eq!(unclaimed(manifest, &fields), []);
        insta::assert_snapshot!("manifest", annotated_hex(manifest, &fields));
    }
}
