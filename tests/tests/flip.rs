//! Every bit of every file flipped, every length cut to, every sector zeroed,
//! blocks and files swapped: an error that names the file and a place in it, or
//! the answers that were right before. Never a wrong one, never a panic.
//!
//! ```text
//!   5 databases × every file × every damage ──▶ refused   names file and offset
//!                                               unchanged in what nobody needs
//!                                               shorter   what no reader can tell
//!                                                         from a torn tail
//! ```
//!
//! What is unchanged lies in bytes that the format's own layout calls padding,
//! or in a promise that a later one repeats or that nothing follows. What is
//! shorter is a prefix at a batch boundary, and the damage took every promise
//! that covered the rest.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stage6_engine::Codec;
use stage6_engine::wal::layout::Field;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs};
use tests::flip::{Damage, Ending, Subject, Verdict, judge_reading, judge_writing, place};

/// Of so many damages, one is also opened for writing.
const WRITING_EVERY: usize = 37;

/// No answer takes so long: the databases are a few kilobytes.
const HANG: Duration = Duration::from_secs(20);

/// How many damages had which verdict.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    at_open: usize,
    at_read: usize,
    unchanged: usize,
    shorter: usize,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::RefusedAtOpen(_) => &mut self.at_open,
            Verdict::RefusedAtRead(_) => &mut self.at_read,
            Verdict::Unchanged => &mut self.unchanged,
            Verdict::Shorter(_) => &mut self.shorter,
        };
        *counter += 1;
    }

    fn total(self) -> usize {
        self.at_open + self.at_read + self.unchanged + self.shorter
    }
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<(&'static str, &'static str), Count>,
    /// Where damage changed nothing or took a tail: verdict, file, damage, field.
    places: BTreeMap<[&'static str; 4], usize>,
    written: usize,
}

impl Table {
    fn merge(&mut self, other: Table) {
        for (row, count) in other.rows {
            let sum = self.rows.entry(row).or_default();
            sum.at_open += count.at_open;
            sum.at_read += count.at_read;
            sum.unchanged += count.unchanged;
            sum.shorter += count.shorter;
        }
        for (place, count) in other.places {
            *self.places.entry(place).or_default() += count;
        }
        self.written += other.written;
    }

    fn print(&self) {
        let header = ("file", "damage", "refused at open", "at read", "unchanged", "shorter", "wrong");
        let (file, damage, open, read, unchanged, shorter, wrong) = header;
        println!("{file:<12} {damage:<16} {open:>15} {read:>9} {unchanged:>9} {shorter:>7} {wrong:>5}");
        for ((file, damage), count) in &self.rows {
            let Count { at_open, at_read, unchanged, shorter } = count;
            println!(
                "{file:<12} {damage:<16} {at_open:>15} {at_read:>9} {unchanged:>9} {shorter:>7} {:>5}",
                0
            );
        }
        for ([verdict, file, damage, place], count) in &self.places {
            println!("{verdict}: {file}, {damage}, in {place}: {count}");
        }
    }

    fn total(&self) -> usize {
        self.rows.values().map(|count| count.total()).sum()
    }
}

/// What an attack does at this moment.
#[derive(Debug, Default)]
struct Progress {
    done: AtomicUsize,
    now: Mutex<Option<(FileId, Damage)>>,
}

/// One database under attack.
struct Attack<'a> {
    subject: &'a Subject,
    /// The first of several that were written alike and left differently.
    first: Option<&'a Subject>,
    codec: Codec,
    table: Table,
    progress: &'a Progress,
}

impl<'a> Attack<'a> {
    fn new(
        subject: &'a Subject,
        first: Option<&'a Subject>,
        codec: Codec,
        progress: &'a Progress,
    ) -> Attack<'a> {
        Attack { subject, first, codec, table: Table::default(), progress }
    }

    /// Does every damage to every file, one at a time. A table that is the same as
    /// the first subject's was struck there: what lies in the logs is nothing to it.
    fn strike_everything(&mut self) -> Result<(), String> {
        for (&file, bytes) in &self.subject.image {
            if self.first.is_none_or(|first| !is_table(file) || first.image[&file] != *bytes) {
                self.strike(file, Damage::all(bytes.len()))?;
            }
        }
        Ok(())
    }

    fn strike(&mut self, file: FileId, damages: impl Iterator<Item = Damage>) -> Result<(), String> {
        let bytes = &self.subject.image[&file];
        let fields = self.subject.layout(file).expect("nothing is damaged yet");
        let vfs = SimVfs::from_image(&self.subject.image);
        for (count, damage) in damages.enumerate() {
            *self.progress.now.lock().expect("nobody panics with it") = Some((file, damage));
            vfs.corrupt(file, |bytes| damage.strike(bytes)).expect("the file is there");
            let is_written = count % WRITING_EVERY == 0;
            self.ask(file, damage, &fields, &vfs, is_written).map_err(|wrong| {
                format!("{}: {file}, {damage:?} of {} bytes: {wrong}", self.subject.name, bytes.len())
            })?;
            vfs.corrupt(file, |changed| *changed = bytes.to_vec()).expect("the file is there");
            self.progress.done.fetch_add(1, Ordering::Relaxed);
        }
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
        let verdict = answer(|| judge_reading(&self.subject.model, vfs))?;
        self.check(file, damage, fields, &verdict)?;
        if !is_written {
            return Ok(());
        }
        self.table.written += 1;
        let writing = answer(|| judge_writing(&self.subject.model, &vfs.image(), self.codec))?;
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
        self.table.rows.entry((kind, damage.kind())).or_default().add(verdict);
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
                *self.table.places.entry(["unchanged", kind, damage.kind(), needed]).or_default() += 1;
                is_needless(needed).then_some(()).ok_or_else(|| format!("nobody notices, in {needed}"))
            }
            Verdict::Shorter(sequence) => {
                let needed = needed_place(fields, damage.span(length));
                *self.table.places.entry(["shorter", kind, damage.kind(), needed]).or_default() += 1;
                let promised =
                    self.subject.promised_beside(file, damage).expect("the undamaged file has a layout");
                match is_record_log(file) && *sequence >= promised {
                    true => Ok(()),
                    false => Err(format!("it ends at {sequence}, and {promised} is still promised")),
                }
            }
        }
    }
}

fn is_table(file: FileId) -> bool {
    matches!(file, FileId::Table(_))
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

/// The verdict; a panic is a wrong answer.
fn answer(judge: impl FnOnce() -> Result<Verdict, String>) -> Result<Verdict, String> {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| Err("it panics".to_owned()))
}

/// Attacks every subject in a thread of its own, and ends the process if one of
/// them makes no progress.
fn attack_all(subjects: &[(Codec, Subject)]) -> Result<Table, String> {
    let progress: Vec<Progress> = subjects.iter().map(|_| Progress::default()).collect();
    std::thread::scope(|scope| {
        let attacks: Vec<_> = subjects
            .iter()
            .zip(&progress)
            .map(|((codec, subject), progress)| {
                scope.spawn(move || {
                    let first = subjects.iter().find(|(other, _)| other == codec).map(|(_, first)| first);
                    let first = first.filter(|first| first.name != subject.name);
                    let mut attack = Attack::new(subject, first, *codec, progress);
                    attack.strike_everything().map(|()| attack.table)
                })
            })
            .collect();
        let mut moved = vec![(0, Instant::now()); attacks.len()];
        while attacks.iter().any(|attack| !attack.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            for ((attack, progress), (done, when)) in attacks.iter().zip(&progress).zip(&mut moved) {
                let now = progress.done.load(Ordering::Relaxed);
                if now != *done || attack.is_finished() {
                    (*done, *when) = (now, Instant::now());
                } else if when.elapsed() > HANG {
                    println!("flip: a hang: {:?}", progress.now);
                    std::process::abort();
                }
            }
        }
        let mut table = Table::default();
        for attack in attacks {
            table.merge(attack.join().expect("a panic is caught where it happens")?);
        }
        Ok(table)
    })
}

fn write(codec: Codec, ending: Ending) -> Subject {
    Subject::write(codec, ending).expect("a simulated disk never fails")
}

#[test]
fn no_damage_to_any_file_gives_a_wrong_answer() {
    let subjects = [
        (Codec::None, Ending::Killed),
        (Codec::None, Ending::KilledUnsynced),
        (Codec::None, Ending::Closed),
        (Codec::Lz4, Ending::Killed),
        (Codec::Lz4, Ending::Closed),
    ]
    .map(|(codec, ending)| (codec, write(codec, ending)));
    for (_, subject) in &subjects {
        let sizes = subject.image.iter().map(|(file, bytes)| format!("{file} {}", bytes.len()));
        println!("flip: {}: {}", subject.name, sizes.collect::<Vec<_>>().join(", "));
        assert!(subject.levels() >= 3 && subject.tables().count() >= 4 && subject.logs().count() == 2);
    }
    let table = attack_all(&subjects).unwrap_or_else(|wrong| panic!("{wrong}"));
    table.print();
    println!("flip: {} damages, 0 wrong answers, {} also opened for writing", table.total(), table.written);
    let count = |file, damage| table.rows[&(file, damage)];
    for file in ["CURRENT", "table"] {
        for damage in ["one bit flipped", "cut short", "a sector zeroed"] {
            let Count { unchanged, shorter, .. } = count(file, damage);
            assert_eq!(unchanged + shorter, 0, "every byte of {file} is needed");
        }
    }
    assert!(count("newest log", "cut short").shorter > 0, "the end of the newest log can always be lost");
}

#[test]
fn padding_is_read_by_nobody_and_all_beside_it_is_needed() {
    let subject = Subject::with_padding().expect("a simulated disk never fails");
    let log = subject.logs().last().expect("it has one");
    let fields = subject.layout(log).expect("nothing is damaged yet");
    let ends = |field: &Field| {
        let head = field.start..field.end.min(field.start + 4);
        let tail = field.end.saturating_sub(12).max(head.end)..field.end;
        head.chain(tail).collect::<Vec<_>>()
    };
    let bits = fields.iter().flat_map(ends).flat_map(|byte| byte * 8..byte * 8 + 8).map(Damage::Bit);
    let progress = Progress::default();
    let mut attack = Attack::new(&subject, None, Codec::None, &progress);
    attack.strike(log, bits).unwrap_or_else(|wrong| panic!("{wrong}"));
    attack.table.print();
    let padding = attack.table.places.get(&["unchanged", "newest log", "one bit flipped", "padding"]);
    assert_eq!(padding, Some(&(8 * 10)));
}

/// Swaps two parts of the files; both are refused, and the error names one.
fn check_swap(subject: &Subject, what: &str, files: [FileId; 2], image: &Image) {
    let verdict = answer(|| judge_reading(&subject.model, &SimVfs::from_image(image)));
    let verdict = verdict.unwrap_or_else(|wrong| unreachable!("{}: {what}: {wrong}", subject.name));
    let named = verdict.named().is_some_and(|(name, _)| files.iter().any(|file| file.to_string() == name));
    assert!(named, "{}: {what}: {verdict:?}", subject.name);
}

#[test]
fn two_files_that_changed_places_are_refused() {
    let mut swaps = 0;
    for codec in [Codec::None, Codec::Lz4] {
        let subject = write(codec, Ending::Killed);
        let files: Vec<FileId> = subject.image.keys().copied().filter(|file| *file != FileId::Lock).collect();
        for (index, &one) in files.iter().enumerate() {
            for &other in &files[index + 1..] {
                let mut image = subject.image.clone();
                image.insert(one, subject.image[&other].clone());
                image.insert(other, subject.image[&one].clone());
                check_swap(&subject, &format!("{one} and {other}"), [one, other], &image);
                swaps += 1;
            }
        }
    }
    println!("flip: {swaps} pairs of files changed places, all refused");
}

#[test]
fn a_block_in_the_place_of_another_is_refused() {
    let (mut within, mut between) = (0, 0);
    for codec in [Codec::None, Codec::Lz4] {
        let subject = write(codec, Ending::Killed);
        let mut blocks = Vec::new();
        for table in subject.tables() {
            let spans = subject.blocks(table).expect("nothing is damaged yet");
            blocks.extend(spans.into_iter().map(|span| (table, span)));
        }
        for (index, (one, here)) in blocks.iter().enumerate() {
            for (other, there) in &blocks[index + 1..] {
                let (own, stranger) =
                    (&subject.image[one][here.clone()], &subject.image[other][there.clone()]);
                let mut image = subject.image.clone();
                if one == other {
                    let bytes = &subject.image[one];
                    let middle = &bytes[here.end..there.start];
                    let swapped = [&bytes[..here.start], stranger, middle, own, &bytes[there.end..]].concat();
                    image.insert(*one, swapped.into());
                    within += 1;
                } else if own.len() == stranger.len() {
                    let mut bytes = subject.image[one].to_vec();
                    bytes[here.clone()].copy_from_slice(stranger);
                    image.insert(*one, bytes.into());
                    between += 1;
                } else {
                    continue;
                }
                check_swap(
                    &subject,
                    &format!("{one} {here:?} and {other} {there:?}"),
                    [*one, *other],
                    &image,
                );
            }
        }
    }
    println!("flip: {within} pairs of blocks changed places, {between} took that of another table's");
    assert!(within > 20 && between > 5);
}

#[test]
fn what_stands_in_lock_is_read_by_nobody() {
    let subject = write(Codec::None, Ending::Killed);
    let mut image = subject.image.clone();
    image.insert(FileId::Lock, vec![0x5a; 512].into());
    let verdict = judge_reading(&subject.model, &SimVfs::from_image(&image)).expect("a right answer");
    assert!(matches!(verdict, Verdict::Unchanged), "{verdict:?}");
}
