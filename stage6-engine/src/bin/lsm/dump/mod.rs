//! What a file holds, as its own decoders read it.
//!
//! ```text
//!   000002.sst     ──▶ table    ──┐
//!   000006.log     ──▶ log      ──┤   rows    ──▶ words, or JSON
//!   MANIFEST-000005 ─▶ log      ──┼──▶
//!   CURRENT        ──▶ current  ──┘   fields  ──▶ hex
//!   a directory    ──▶ a line for each of them
//! ```
//!
//! **INV-DUMP-1** Nothing is parsed here: rows and fields come from the parts into
//! which each format takes its own files. So a dump shows what the database sees.
//!
//! No file needs another, nor the database's lock: each states its own salt. A
//! damaged one is shown as far as it is sound, with the damage in its place, and
//! the verb then fails. Of a database that somebody writes to, the last record of
//! the newest log may be there by half, which looks like damage and is none.

mod json;
mod row;
mod log;
mod table;
mod current;
mod hex;
mod directory;

use std::io::{BufWriter, Write};
use std::path::Path;

use bytes::Bytes;
use stage6_engine::wal::layout::Field;
use stage6_engine::wal::vfs::FileId;

use crate::args::Dump;
use crate::failure::Failure;
use crate::show;

use json::Json;
use row::Row;

/// A file that was read whole.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path, as it was given.
    name: String,
    /// The number in its name, if it is named as a database names its files.
    number: Option<u64>,
    bytes: Bytes,
}

impl File {
    fn read(path: &Path) -> Result<File, Failure> {
        let bytes = std::fs::read(path).map_err(Failure::file("read", path))?.into();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = FileId::parse(&name).and_then(FileId::number);
        Ok(File { name: path.display().to_string(), number, bytes })
    }
}

/// What can be dumped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Table,
    Log,
    Manifest,
    Current,
}

impl Kind {
    /// What a file of this name is; a copy may have another stem.
    fn of(name: &str) -> Option<Kind> {
        match name {
            "CURRENT" => Some(Kind::Current),
            _ if name.starts_with("MANIFEST-") => Some(Kind::Manifest),
            _ if name.ends_with(".sst") => Some(Kind::Table),
            _ if name.ends_with(".log") || name.ends_with(".log.damaged") => Some(Kind::Log),
            _ => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::Log => "log",
            Kind::Manifest => "manifest",
            Kind::Current => "current",
        }
    }
}

/// A file taken apart.
#[derive(Debug)]
pub(crate) struct Dumped {
    file: File,
    /// All of it on one line.
    summary: String,
    rows: Vec<Row>,
    /// In the order of the file.
    fields: Vec<Field>,
}

pub(crate) fn dump(args: &Dump, out: &mut dyn Write) -> Result<(), Failure> {
    let mut out = BufWriter::new(out);
    if args.path.is_dir() {
        let listed = directory::dump(args, &mut out);
        out.flush()?;
        return listed;
    }
    let name = args.path.file_name().unwrap_or_default().to_string_lossy();
    let kind = Kind::of(&name).ok_or_else(|| Failure::Foreign {
        file: args.path.display().to_string(),
        expected: "a table (*.sst), a log (*.log), MANIFEST-* or CURRENT",
    })?;
    let dumped = read(File::read(&args.path)?, kind, args.entries)?;
    match (args.hex, args.json) {
        (true, _) => hex::write(&dumped, &mut out)?,
        (_, true) => dumped.write_json(kind, args.limit, &mut out)?,
        _ => dumped.write_words(kind, args.limit, &mut out)?,
    }
    out.flush()?;
    dumped.judged()
}

fn read(file: File, kind: Kind, with_entries: bool) -> Result<Dumped, Failure> {
    match kind {
        Kind::Table => table::read(file, with_entries),
        Kind::Log => log::read::<log::Batches>(file),
        Kind::Manifest => log::read::<log::Edits>(file),
        Kind::Current => current::read(file),
    }
}

impl Dumped {
    /// What cannot be read of it.
    fn damages(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_damage())
    }

    fn damaged_bytes(&self) -> usize {
        self.damages().map(|row| row.end - row.start).sum()
    }

    /// The rows up to the last record that `limit` allows, and all damage; and how
    /// many were left out.
    fn shown(&self, limit: usize) -> (Vec<&Row>, usize) {
        let mut records = 0;
        let within = |row: &&Row| {
            records += usize::from(row.is_record());
            records <= limit || row.is_damage()
        };
        let shown: Vec<&Row> = self.rows.iter().filter(within).collect();
        let left_out = self.rows.len() - shown.len();
        (shown, left_out)
    }

    fn write_words(&self, kind: Kind, limit: Option<usize>, out: &mut impl Write) -> Result<(), Failure> {
        let limit = limit.unwrap_or(usize::MAX);
        for line in show::wrapped("", &format!("{}: {}, {}", self.file.name, kind.words(), self.summary)) {
            writeln!(out, "{line}")?;
        }
        let (rows, left_out) = self.shown(limit);
        for line in rows.iter().flat_map(|row| row.lines(limit)) {
            writeln!(out, "{}", line.trim_end())?;
        }
        if left_out > 0 {
            writeln!(out, "          … and {}", show::counted(left_out as u64, "part"))?;
        }
        let bytes = show::counted(self.file.bytes.len() as u64, "byte");
        match self.damages().count() {
            0 => writeln!(out, "{bytes}, all sound")?,
            _ => writeln!(out, "{bytes}, {} of them damaged", show::number(self.damaged_bytes() as u64))?,
        }
        Ok(())
    }

    fn write_json(&self, kind: Kind, limit: Option<usize>, out: &mut impl Write) -> Result<(), Failure> {
        let limit = limit.unwrap_or(usize::MAX);
        let (rows, left_out) = self.shown(limit);
        let file = vec![
            ("file", self.file.name.as_str().into()),
            ("kind", kind.words().into()),
            ("bytes", self.file.bytes.len().into()),
            ("damaged_bytes", self.damaged_bytes().into()),
            ("parts_left_out", left_out.into()),
        ];
        writeln!(out, "{}", Json::Object(file))?;
        for row in rows {
            writeln!(out, "{}", row.json(limit))?;
        }
        Ok(())
    }

    /// Fails when a part of it cannot be read.
    fn judged(&self) -> Result<(), Failure> {
        let Some(first) = self.damages().next() else { return Ok(()) };
        let places = match self.damages().count() {
            1 => String::new(),
            count => format!(" and in {}", show::counted(count as u64 - 1, "other place")),
        };
        let (name, start, words) = (&self.file.name, first.start, &first.words);
        Err(Failure::Damaged { what: format!("{name} is damaged at offset {start}{places}: {words}") })
    }
}
