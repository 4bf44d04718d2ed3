//! A directory as bytes, and a copy of it with one bit flipped.
//!
//! ```text
//!   file   │ live │ zeros … │ live │ zeros      in sectors of 512 bytes
//!          └──────┴─────────┴──────┴──────▶ byte × 8 + bit = the flip's number
//! ```
//!
//! A sector is live when any of its bytes is not zero. Some engines give themselves
//! megabytes of zeros ahead: the copies keep those as holes, and flips in them are
//! chosen and counted apart.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The unit in which live bytes are told from zeros.
const SECTOR_BYTES: usize = 512;

/// One bit of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flip {
    /// The file's place in [`Image::files`].
    pub file: usize,
    /// The bit's number, counted from the file's front.
    pub bit: u64,
}

/// One file of an image.
#[derive(Debug)]
pub struct ImageFile {
    /// Its path below the directory.
    pub name: PathBuf,
    length: u64,
    runs: Vec<(u64, Vec<u8>)>,
}

/// A directory with all its files.
#[derive(Debug)]
pub struct Image {
    /// Directories below, parents first.
    directories: Vec<PathBuf>,
    /// The files, in the order of their names.
    pub files: Vec<ImageFile>,
}

impl Image {
    /// Reads all that is in `directory`.
    ///
    /// # Errors
    /// That of reading it.
    pub fn load(directory: &Path) -> io::Result<Image> {
        let mut image = Image { directories: Vec::new(), files: Vec::new() };
        image.load_below(directory, Path::new(""))?;
        Ok(image)
    }

    fn load_below(&mut self, root: &Path, below: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(root.join(below))?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.directories.push(name.clone());
                self.load_below(root, &name)?;
            } else {
                let bytes = fs::read(entry.path())?;
                self.files.push(ImageFile { name, length: bytes.len() as u64, runs: live_runs(&bytes) });
            }
        }
        Ok(())
    }

    /// Writes it to `directory`, which must not be there, with this bit flipped.
    ///
    /// # Errors
    /// That of writing it.
    pub fn restore(&self, directory: &Path, flip: Option<Flip>) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for below in &self.directories {
            fs::create_dir_all(directory.join(below))?;
        }
        for (number, file) in self.files.iter().enumerate() {
            let bit = flip.filter(|flip| flip.file == number).map(|flip| flip.bit);
            file.restore(&directory.join(&file.name), bit)?;
        }
        Ok(())
    }
}

impl ImageFile {
    /// The ranges of bytes in live sectors.
    pub fn live(&self) -> Vec<Range<u64>> {
        self.runs.iter().map(|(start, bytes)| *start..*start + bytes.len() as u64).collect()
    }

    /// The ranges of bytes in sectors of zeros.
    pub fn zeros(&self) -> Vec<Range<u64>> {
        let mut from = 0;
        let mut ranges = Vec::new();
        for live in self.live() {
            ranges.push(from..live.start);
            from = live.end;
        }
        ranges.push(from..self.length);
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    fn restore(&self, path: &Path, bit: Option<u64>) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.set_len(self.length)?;
        for (start, bytes) in &self.runs {
            file.seek(SeekFrom::Start(*start))?;
            file.write_all(bytes)?;
        }
        if let Some(bit) = bit {
            file.seek(SeekFrom::Start(bit / 8))?;
            file.write_all(&[self.byte(bit / 8) ^ (1 << (bit % 8))])?;
        }
        Ok(())
    }

    fn byte(&self, at: u64) -> u8 {
        let holds = |(start, bytes): &&(u64, Vec<u8>)| (*start..*start + bytes.len() as u64).contains(&at);
        self.runs.iter().find(holds).map_or(0, |(start, bytes)| bytes[(at - start) as usize])
    }
}

/// The stretches of live sectors, each with its offset.
fn live_runs(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
    for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
        let start = (number * SECTOR_BYTES) as u64;
        match runs.last_mut() {
            _ if sector.iter().all(|byte| *byte == 0) => {}
            Some((from, run)) if *from + run.len() as u64 == start => run.extend_from_slice(sector),
            _ => runs.push((start, sector.to_vec())),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(bytes: &[u8]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("below")).expect("it is new");
        fs::write(directory.path().join("below/file"), bytes).expect("it can be written");
        directory
    }

    #[test]
    fn a_restored_file_differs_in_the_flipped_bit_alone() {
        let mut bytes = vec![0; 3_000];
        bytes[600] = 7;
        bytes[2_999] = 1;
        let image = Image::load(directory_with(&bytes).path()).expect("it is there");
        for bit in [0, 600 * 8, 700 * 8 + 3, 2_999 * 8 + 7] {
            let target = tempfile::tempdir().expect("a temporary directory");
            image.restore(&target.path().join("copy"), Some(Flip { file: 0, bit })).expect("it is new");
            let copy = fs::read(target.path().join("copy/below/file")).expect("it was restored");
            let mut expected = bytes.clone();
            expected[(bit / 8) as usize] ^= 1 << (bit % 8);
            assert_eq!(copy, expected);
        }
    }

    #[test]
    fn live_sectors_and_zeros_together_are_the_file() {
        let mut bytes = vec![0; 3_000];
        bytes[600] = 7;
        let image = Image::load(directory_with(&bytes).path()).expect("it is there");
        let (live, zeros) = (image.files[0].live(), image.files[0].zeros());
        assert_eq!((live.first(), live.len()), (Some(&(512..1024)), 1));
        assert_eq!(zeros, [0..512, 1024..3_000]);
    }
}
