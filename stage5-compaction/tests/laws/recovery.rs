//! A crash at every call, while tables are installed, merged and swept, and while
//! the tree is opened again: what a crash leaves is the old version or the new
//! one, with all of its tables, and never older than what was installed.

use std::sync::Arc;

use stage5_compaction::compaction::{DropRule, Leveled};
use stage5_compaction::edit::VersionEdit;
use stage5_compaction::manifest::Current;
use stage5_compaction::memtable::key::Sequence;
use stage5_compaction::merge::MergingCursor;
use stage5_compaction::version::Version;
use stage5_compaction::version_set::recover;
use stage5_compaction::wal::vfs::crash::{Call, Image, Trace};
use stage5_compaction::wal::vfs::{FileId, SimVfs};

use crate::workshop::{Workshop, cache_over, memtable_of, walk};

/// A version that was installed: when, its files, and all of its entries.
struct State {
    /// How many calls had been made when the install returned.
    calls: usize,
    files: VersionEdit,
    entries: Vec<String>,
}

fn entries(version: &Version) -> Result<Vec<String>, String> {
    let cursors = version.cursors().map_err(|error| error.to_string())?;
    walk(&mut MergingCursor::new(cursors)).map_err(|error| error.to_string())
}

/// Flushes, compacts and opens again for some rounds, and notes every version on the way.
struct Run {
    shop: Workshop,
    states: Vec<State>,
}

impl Run {
    fn new(rounds: Sequence) -> Run {
        let mut run = Run { shop: Workshop::new(), states: Vec::new() };
        run.note();
        let strategy =
            Leveled { level0_files: 2, base_level_bytes: 400, size_ratio: 3, target_file_bytes: 300 };
        for round in 0..rounds {
            run.flush(round);
            let visible = run.shop.set.flushed_sequence();
            while let Some((_, outcome)) = run.shop.compact(&strategy, DropRule::new(&[visible / 2], visible))
            {
                run.shop.install(outcome);
                run.note();
                run.shop.sweep();
            }
            if round % 3 == 1 {
                run.shop.reopen();
            }
        }
        run
    }

    fn flush(&mut self, round: Sequence) {
        let first = self.shop.set.flushed_sequence() + 1;
        let keys: Vec<String> =
            (0..12).map(|number| format!("key {:02}", (number * 5 + round * 7) % 30)).collect();
        let value = format!("written in round {round}");
        let writes: Vec<_> = keys
            .iter()
            .zip(first..)
            .map(|(key, sequence)| (key.as_str(), sequence, (sequence % 5 > 0).then_some(value.as_str())))
            .collect();
        let visible = first + writes.len() as Sequence - 1;
        self.shop.flush(&memtable_of(&writes), &[visible / 2], visible);
        self.note();
    }

    fn note(&mut self) {
        let version = self.shop.version();
        let entries = entries(&version).expect("every table is sound");
        self.states.push(State { calls: self.shop.vfs.calls(), files: version.as_edit(), entries });
    }

    /// Opens every image of `trace`. Returns how many there were, and how many
    /// opened as the version that was installed last and as the one after it.
    fn judge(&self, trace: &Trace) -> Result<(usize, [usize; 2]), String> {
        let mut found = [0, 0];
        let images = trace.for_each_crash(|calls_done, policy, image| {
            let installed = self.states.iter().rposition(|state| state.calls <= calls_done);
            let opened =
                self.open(&image).map_err(|what| format!("after {calls_done} calls, {policy}: {what}"))?;
            match (installed, opened) {
                (None, None | Some(0)) => Ok(()),
                (Some(installed), Some(opened)) if opened == installed || opened == installed + 1 => {
                    found[opened - installed] += 1;
                    Ok(())
                }
                (installed, opened) => Err(format!(
                    "after {calls_done} calls, {policy}: {installed:?} was installed, {opened:?} opened"
                )),
            }
        })?;
        Ok((images, found))
    }

    /// The same on a disk that answers some calls and does nothing.
    fn judge_without(&self, is_left_out: impl Fn(&Call) -> bool) -> Result<(usize, [usize; 2]), String> {
        let mut trace = self.shop.vfs.trace();
        for call in trace.calls.iter_mut().filter(|call| is_left_out(call)) {
            *call = Call::Sync { inode: usize::MAX };
        }
        self.judge(&trace)
    }

    /// Which of the versions a directory holds; none before the first commit.
    fn open(&self, image: &Image) -> Result<Option<usize>, String> {
        let vfs = Arc::new(SimVfs::from_image(image));
        let Some(current) = Current::read(&*vfs).map_err(|error| error.to_string())? else { return Ok(None) };
        let recovered = recover(&*vfs, current, &cache_over(&vfs)).map_err(|error| error.to_string())?;
        recovered.version.check_invariants()?;
        let files = recovered.version.as_edit();
        let known =
            self.states.iter().position(|state| state.files == files).ok_or("a version that never was")?;
        if entries(&recovered.version)? != self.states[known].entries {
            return Err("the right files with other entries".to_owned());
        }
        Ok(Some(known))
    }
}

#[test]
fn a_crash_at_any_call_leaves_the_old_version_or_the_new_one_with_all_its_tables() {
    let run = Run::new(16);
    let (images, [as_installed, as_next]) =
        run.judge(&run.shop.vfs.trace()).expect("no crash breaks the law");
    println!(
        "install: {} versions, {} calls, {images} crash images: {as_installed} the version installed last, \
         {as_next} the one under way, 0 violations",
        run.states.len(),
        run.shop.vfs.calls()
    );
    assert!(as_next > 0 && run.states.len() > 10 && images > 1_000);
}

/// The oracle must be able to fail: a disk that leaves a sync out is found out.
#[test]
fn a_sync_that_was_left_out_is_noticed() {
    let run = Run::new(3);
    let created = |wanted: fn(&FileId) -> bool| {
        let inode = |call: &Call| match call {
            Call::Create { file, inode } if wanted(file) => Some(*inode),
            _ => None,
        };
        run.shop.vfs.trace().calls.iter().filter_map(inode).collect::<Vec<_>>()
    };
    for (whose, inodes) in [
        ("the tables'", created(|file| matches!(file, FileId::Table(_)))),
        ("the manifest's", created(|file| matches!(file, FileId::Manifest(_)))),
        ("that of CURRENT's temporary file", created(|file| matches!(file, FileId::Temporary(_)))),
    ] {
        let is_left_out = |call: &Call| matches!(call, Call::Sync { inode } if inodes.contains(inode));
        println!("without {whose} sync: {}", run.judge_without(is_left_out).expect_err(whose));
    }
    let directory = run.judge_without(|call| *call == Call::SyncDirectory).expect_err("the directory's");
    println!("without the directory's sync: {directory}");
}
