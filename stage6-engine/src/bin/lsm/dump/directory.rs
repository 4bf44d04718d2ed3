//! A directory: a line for each file, with what it says in short.

use std::io::Write;

use stage6_engine::wal::vfs::FileId;

use super::json::Json;
use super::{File, Kind, read};
use crate::args::Dump;
use crate::failure::Failure;
use crate::show;

/// What a line says of one file.
struct Line {
    name: String,
    bytes: u64,
    kind: &'static str,
    summary: String,
    is_sound: bool,
}

pub(crate) fn dump(args: &Dump, out: &mut impl Write) -> Result<(), Failure> {
    if args.hex {
        let what = "--hex shows one file: name it, behind the directory".to_owned();
        return Err(Failure::Unfit { what });
    }
    let directory = args.path.as_path();
    let listed = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<_> =
        listed.map_err(Failure::file("list", directory))?.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    let mut damaged = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let line = line(path)?;
        match args.json {
            true => writeln!(out, "{}", line.json())?,
            false => writeln!(out, "{}", line.words())?,
        }
        damaged.extend((!line.is_sound).then_some(line.name));
    }
    match damaged.is_empty() {
        true => Ok(()),
        false => Err(Failure::Damaged {
            what: format!("{}: damaged; dump each alone to see how", damaged.join(", ")),
        }),
    }
}

fn line(path: &std::path::Path) -> Result<Line, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(kind) = Kind::of(&name) else {
        let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let (kind, summary) = other(&name);
        return Ok(Line { name, bytes, kind, summary: summary.to_owned(), is_sound: true });
    };
    let file = File::read(path)?;
    let bytes = file.bytes.len() as u64;
    let (summary, is_sound) = match read(file, kind, false) {
        Ok(dumped) => {
            let damage = dumped.damages().next().map(|row| format!("DAMAGED at offset {}; ", row.start));
            let is_sound = damage.is_none();
            (damage.unwrap_or_default() + &dumped.summary, is_sound)
        }
        Err(failure @ (Failure::Database(_) | Failure::Foreign { .. })) => {
            (format!("DAMAGED: {failure}"), false)
        }
        Err(failure) => return Err(failure),
    };
    Ok(Line { name, bytes, kind: kind.words(), summary, is_sound })
}

/// What a file is that has nothing to dump.
fn other(name: &str) -> (&'static str, &'static str) {
    match FileId::parse(name) {
        Some(FileId::Lock) => ("lock", "whoever has the database open has it locked"),
        Some(_) => ("temporary", "on its way to another name when its writer ended"),
        None => ("foreign", "not the database's own"),
    }
}

impl Line {
    fn words(&self) -> String {
        let line =
            format!("{:<18}{:>10}  {:<10}{}", self.name, show::size(self.bytes), self.kind, self.summary);
        show::shortened(&show::on_one_line(&line), show::COLUMNS).trim_end().to_owned()
    }

    fn json(&self) -> Json {
        Json::Object(vec![
            ("file", self.name.as_str().into()),
            ("kind", self.kind.into()),
            ("bytes", self.bytes.into()),
            ("summary", self.summary.as_str().into()),
        ])
    }
}
