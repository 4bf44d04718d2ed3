//! Golden databases of every released format are read back, and a decoder that was
//! written from the book alone reads what the engine writes.
//!
//! The short form of the suite `format`. To write golden databases for a new format:
//! `cargo test -p tests --test format -- --ignored --nocapture`.

use std::error::Error;
use std::path::Path;

use tests::suite::{Course, Failure};
use tests::suites::format::SUITE;
use tests::suites::format::golden::{listing, write_all};
use tests::suites::format::reading::write_image;

#[test]
fn what_was_written_once_is_read_for_ever_and_by_whoever_knows_the_book() -> Result<(), Box<Failure>> {
    SUITE.conclude(&Course::short()).map(drop)
}

#[test]
#[ignore = "writes golden databases to a temporary directory"]
fn golden_databases_are_written_by_the_engine_of_today() -> Result<(), Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    for golden in write_all()? {
        write_image(&golden.image, &directory.join(golden.name))?;
        std::fs::write(directory.join(format!("{}.txt", golden.name)), listing(&golden.contents))?;
        let bytes: usize = golden.image.values().map(AsRef::<[u8]>::as_ref).map(<[u8]>::len).sum();
        println!("{}: {} keys in {bytes} bytes", golden.name, golden.contents.len());
    }
    println!("written to {}", directory.display());
    Ok(())
}
