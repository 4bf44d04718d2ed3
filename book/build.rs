//! Makes the Rust in the chapters doctests of this crate: a chapter is documentation of an
//! item that exists for nothing else.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=chapters");
    let chapters = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("chapters");
    let mut files: Vec<PathBuf> =
        fs::read_dir(chapters)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let mut snippets = String::new();
    for (index, file) in files.iter().enumerate() {
        writeln!(snippets, "#[doc = include_str!({file:?})]\nstruct Chapter{index};")
            .map_err(io::Error::other)?;
    }
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("snippets.rs"), snippets)
}
