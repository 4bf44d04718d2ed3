//! The whole way, from a write to a verdict, with the engine of this repository.

use std::path::Path;
use std::process::Command;

use flips::engines;
use flips::image::{Flip, Image};
use flips::observe::observe;
use flips::scenario;
use flips::verdict::{Verdict, judge};
use flips::workload::states;

/// What a reader is told after this bit of the file with this ending is flipped.
fn verdict_of(image: &Image, ending: &str, bit: u64) -> Verdict {
    let file = image.files.iter().position(|file| file.name.to_string_lossy().ends_with(ending));
    let flip = Flip { file: file.expect("it has such a file"), bit };
    let copy = tempfile::tempdir().expect("a temporary directory");
    image.restore(&copy.path().join("database"), Some(flip)).expect("it is new");
    let stage6 = engines::named("stage6").expect("it is one of them");
    judge(&states(), &observe(stage6, &copy.path().join("database")))
}

fn written(name: &str) -> Image {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let stage6 = engines::named("stage6").expect("it is one of them");
    let scenario = scenario::named(name).expect("it is one of them");
    scenario::write(stage6, scenario, &directory.path().join("database")).expect("nothing fails");
    Image::load(&directory.path().join("database")).expect("it was written")
}

#[test]
fn a_flip_in_a_record_of_the_log_is_an_error() {
    assert_eq!(verdict_of(&written("journal-closed"), ".log", 1_000 * 8), Verdict::Error);
}

#[test]
fn a_flip_in_current_is_an_error() {
    assert_eq!(verdict_of(&written("settled-closed"), "CURRENT", 3), Verdict::Error);
}

#[test]
fn a_run_of_the_command_writes_its_results_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (scratch, out) = (directory.path().join("scratch"), directory.path().join("out"));
    std::fs::create_dir(&scratch).expect("it is new");
    let mut command = Command::new(env!("CARGO_BIN_EXE_flips"));
    command.args(["--engine", "stage6", "--flips", "40", "--scratch"]).arg(&scratch).arg("--out").arg(&out);
    let run = command.output().expect("it starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let page = std::fs::read_to_string(out.join("RESULTS.md")).expect("it was written");
    assert!(page.contains("| stage6 | journal-killed |") && out.join("RESULTS.json").is_file());
    assert!(is_empty(&scratch));
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).expect("it is there").next().is_none()
}
