//! Every damage to every file of one database, and every swap of its files and blocks.
//!
//! ```text
//!   killed / 000006.sst / bit-812                                   one file
//!   killed / 000006.sst / as-000007.sst                             two files
//!   killed / 000006.sst / block-1-as-block-0-of-000007.sst          two blocks
//! ```
//!
//! What is unchanged lies in bytes that the format's own layout calls padding, or
//! in a promise that a later one repeats or that nothing follows. What is shorter is
//! a prefix at a batch boundary, and the damage took every promise that covered the
//! rest. Whatever changed places is refused, and the error names one of the two.

use std::ops::Range;

use stage6_engine::wal::layout::Field;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs};

use super::damage::Damage;
use super::subject::{Subject, place};
use super::table::Table;
use super::verdict::{Verdict, answer, judge_reading, judge_writing};
use super::watch::Watch;
use crate::suite::{Failure, Tally};

/// Of so many damages, one is also opened for writing.
const WRITING_EVERY: usize = 37;

/// One database under attack.
pub(super) struct Attack<'a> {
    subject: &'a Subject,
    /// The one place to attack, if not all.
    only: Option<&'a str>,
    watch: &'a Watch,
    pub(super) table: Table,
    /// What is not in the table.
    pub(super) tally: Tally,
}

/// A wrong answer, and to what.
type Wrong = Box<Failure>;

impl<'a> Attack<'a> {
    pub(super) fn new(subject: &'a Subject, only: Option<&'a str>, watch: &'a Watch) -> Attack<'a> {
        Attack { subject, only, watch, table: Table::default(), tally: Tally::default() }
    }

    /// Does every damage to every file that `is_struck` names, one at a time.
    pub(super) fn strike_files(&mut self, is_struck: impl Fn(FileId) -> bool) -> Result<(), Wrong> {
        for (&file, bytes) in &self.subject.image {
            if is_struck(file) {
                self.strike(file, Damage::all(bytes.len()))?;
            }
        }
        Ok(())
    }

    /// Does these damages to one file, one at a time.
    pub(super) fn strike(
        &mut self,
        file: FileId,
        damages: impl Iterator<Item = Damage>,
    ) -> Result<(), Wrong> {
        let bytes = &self.subject.image[&file];
        let fields = self.subject.layout(file).map_err(|error| Failure::new(error.to_string()))?;
        let vfs = SimVfs::from_image(&self.subject.image);
        let corrupt = |change: &mut dyn FnMut(&mut Vec<u8>)| {
            vfs.corrupt(file, change).map_err(|error| Failure::new(error.to_string()))
        };
        for (count, damage) in damages.enumerate() {
            let place = format!("{}/{file}/{damage}", self.subject.name);
            if self.only.is_some_and(|only| only != place) {
                continue;
            }
            self.watch.begin(&place);
            corrupt(&mut |bytes| damage.strike(bytes))?;
            let is_written = count % WRITING_EVERY == 0 || self.only.is_some();
            self.ask(file, damage, &fields, &vfs, is_written).map_err(|what| {
                let operation =
                    format!("{}, of a {} of {} bytes", damage.kind(), self.subject.kind(file), bytes.len());
                wrong(place, operation, what)
            })?;
            corrupt(&mut |changed| *changed = bytes.to_vec())?;
        }
        self.watch.end();
        Ok(())
    }

    /// Asks a reader, and perhaps a writer, who is told the same.
    fn ask(
        &mut self,
        file: FileId,
        damage: Damage,
        fields: &[Field],
        vfs: &SimVfs,
        is_written: bool,
    ) -> Result<(), String> {
        let (model, codec) = (&self.subject.model, self.subject.codec);
        let verdict = answer(|| judge_reading(model, vfs))?;
        self.check(file, damage, fields, &verdict)?;
        if !is_written {
            return Ok(());
        }
        self.tally.add("also opened for writing", 1);
        let writing = answer(|| judge_writing(model, &vfs.image(), codec))?;
        let is_same = match (&verdict, &writing) {
            (Verdict::Shorter(one), Verdict::Shorter(other)) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        };
        is_same.then_some(()).ok_or_else(|| format!("a reader is told {verdict:?}, a writer {writing:?}"))
    }

    /// Counts the verdict, and says what is wrong with it.
    fn check(
        &mut self,
        file: FileId,
        damage: Damage,
        fields: &[Field],
        verdict: &Verdict,
    ) -> Result<(), String> {
        let (kind, length) = (self.subject.kind(file), self.subject.image[&file].len());
        self.table.add(kind, damage.kind(), verdict);
        match verdict {
            Verdict::RefusedAtOpen(error) | Verdict::RefusedAtRead(error) => match verdict.named() {
                Some((name, offset)) if name == file.to_string() && offset <= length as u64 => Ok(()),
                // What a record log has lost at its end is missed elsewhere: in a
                // table that is gone, in the log that should go on where it ended.
                Some(_) if is_record_log(file) && !matches!(damage, Damage::Bit(_)) => Ok(()),
                _ => Err(format!("the error names no place in the file: {error}")),
            },
            Verdict::Unchanged => {
                let needed = needed_place(fields, damage.span(length));
                self.table.add_place(["unchanged", kind, damage.kind(), needed]);
                if let Damage::Bit(bit) = damage {
                    self.table.add_needless(format!("{} {file}", self.subject.name), needed, bit / 8);
                }
                is_needless(needed).then_some(()).ok_or_else(|| format!("nobody notices, in {needed}"))
            }
            Verdict::Shorter(sequence) => {
                let needed = needed_place(fields, damage.span(length));
                self.table.add_place(["shorter", kind, damage.kind(), needed]);
                let promised =
                    self.subject.promised_beside(file, damage).map_err(|error| error.to_string())?;
                match is_record_log(file) && *sequence >= promised {
                    true => Ok(()),
                    false => Err(format!("it ends at {sequence}, and {promised} is still promised")),
                }
            }
        }
    }

    /// Every two files change places.
    pub(super) fn swap_files(&mut self) -> Result<(), Wrong> {
        let files: Vec<FileId> =
            self.subject.image.keys().copied().filter(|file| *file != FileId::Lock).collect();
        for (one, other) in pairs(&files) {
            let mut image = self.subject.image.clone();
            image.insert(*one, self.subject.image[other].clone());
            image.insert(*other, self.subject.image[one].clone());
            self.refused(&format!("{one}/as-{other}"), [*one, *other], &image, "pairs of files swapped")?;
        }
        Ok(())
    }

    /// Every two blocks of one table change places; every block takes that of
    /// another table's of the same length.
    pub(super) fn swap_blocks(&mut self) -> Result<(), Wrong> {
        let mut blocks = Vec::new();
        for table in self.subject.tables() {
            let spans = self.subject.blocks(table).map_err(|error| Failure::new(error.to_string()))?;
            blocks.extend(spans.into_iter().enumerate().map(|(number, span)| (table, number, span)));
        }
        for ((one, first, here), (other, second, there)) in pairs(&blocks) {
            let what = if one == other { "pairs of blocks swapped" } else { "blocks of another table" };
            if let Some(image) = self.swapped((*one, here), (*other, there)) {
                let place = format!("{one}/block-{first}-as-block-{second}-of-{other}");
                self.refused(&place, [*one, *other], &image, what)?;
            }
        }
        Ok(())
    }

    fn swapped(&self, one: (FileId, &Range<usize>), other: (FileId, &Range<usize>)) -> Option<Image> {
        let ((one, here), (other, there)) = (one, other);
        let (bytes, from) = (&self.subject.image[&one], &self.subject.image[&other]);
        let (own, stranger) = (&bytes[here.clone()], &from[there.clone()]);
        let changed = match one == other {
            true => [&bytes[..here.start], stranger, &bytes[here.end..there.start], own, &bytes[there.end..]],
            false if own.len() == stranger.len() => {
                [&bytes[..here.start], stranger, &bytes[here.end..], &[], &[]]
            }
            false => return None,
        };
        let mut image = self.subject.image.clone();
        image.insert(one, changed.concat().into());
        Some(image)
    }

    /// The error names one of these files; it is counted as one of `what`.
    fn refused(
        &mut self,
        place: &str,
        files: [FileId; 2],
        image: &Image,
        what: &'static str,
    ) -> Result<(), Wrong> {
        let place = format!("{}/{place}", self.subject.name);
        if self.only.is_some_and(|only| only != place) {
            return Ok(());
        }
        self.tally.add(what, 1);
        self.watch.begin(&place);
        let verdict = answer(|| judge_reading(&self.subject.model, &SimVfs::from_image(image)));
        self.watch.end();
        let is_named = |verdict: &Verdict| {
            verdict.named().is_some_and(|(name, _)| files.iter().any(|file| file.to_string() == name))
        };
        let what = match verdict {
            Ok(verdict) if is_named(&verdict) => return Ok(()),
            Ok(verdict) => format!("neither file is named: {verdict:?}"),
            Err(what) => what,
        };
        Err(wrong(place, "two parts changed places".to_owned(), what))
    }
}

fn wrong(place: String, operation: String, what: String) -> Wrong {
    Box::new(Failure { at: Some(place), operation: Some(operation), what, ..Failure::default() })
}

fn pairs<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
    all.iter().enumerate().flat_map(|(index, one)| all[index + 1..].iter().map(move |other| (one, other)))
}

fn is_record_log(file: FileId) -> bool {
    matches!(file, FileId::Manifest(_) | FileId::Log(_))
}

/// Where the damage lies: of several places, one that answers depend on.
fn needed_place(fields: &[Field], span: Range<usize>) -> &'static str {
    span.map(|byte| place(fields, byte)).max_by_key(|place| !is_needless(place)).unwrap_or("no byte")
}

/// Bytes that no answer depends on.
fn is_needless(place: &str) -> bool {
    matches!(place, "a promise" | "padding")
}
