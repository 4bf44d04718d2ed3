//! Single entries and stretches of them: put, get, delete, scan.

use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::ops::Bound;

use stage6_engine::{Db, Key, Range, Read, Value};

use crate::args::{Delete, Get, Listing, Put, Scan};
use crate::database::{durability, open_to_read, open_to_read_as, open_to_write};
use crate::failure::Failure;
use crate::{show, tsv};

pub(crate) fn put(args: &Put) -> Result<(), Failure> {
    let db = open_to_write(&args.directory, args.sync)?;
    db.put(bytes(&args.key), bytes(&args.value))?;
    Ok(db.close()?)
}

pub(crate) fn get(args: &Get, out: &mut dyn Write) -> Result<(), Failure> {
    let key = bytes(&args.key);
    let value = open_to_read(&args.directory)?.get(key)?;
    let value = value.ok_or_else(|| Failure::Absent { key: tsv::escaped(key) })?;
    Ok(writeln!(out, "{}", show::text(&value))?)
}

/// Creates nothing: what is not there needs no deletion.
pub(crate) fn delete(args: &Delete) -> Result<(), Failure> {
    let builder = Db::builder().create_if_missing(false).durability(durability(args.sync));
    let db = builder.open(&args.directory)?;
    db.delete(bytes(&args.key))?;
    Ok(db.close()?)
}

pub(crate) fn scan(args: &Scan, out: &mut dyn Write) -> Result<(), Failure> {
    list(stretch(&open_to_read_as(&args.directory, args.recovery)?, args), &args.listing, out)
}

/// Prints a stretch of entries, a line each.
pub(crate) fn list(range: Range, listing: &Listing, out: &mut dyn Write) -> Result<(), Failure> {
    let mut out = BufWriter::new(out);
    let limit = listing.limit.unwrap_or(usize::MAX);
    match listing.reverse {
        false => print(range.take(limit), listing.keys_only, &mut out)?,
        true => print(range.rev().take(limit), listing.keys_only, &mut out)?,
    }
    Ok(out.flush()?)
}

fn stretch(db: &Db, args: &Scan) -> Range {
    if let Some(prefix) = &args.prefix {
        return db.prefix(bytes(prefix));
    }
    let lower = args.from.as_deref().map_or(Bound::Unbounded, |key| Bound::Included(bytes(key)));
    let upper = args.to.as_deref().map_or(Bound::Unbounded, |key| Bound::Excluded(bytes(key)));
    db.range((lower, upper))
}

fn print(
    entries: impl Iterator<Item = stage6_engine::Result<(Key, Value)>>,
    keys_only: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for entry in entries {
        let (key, value) = entry?;
        match keys_only {
            true => writeln!(out, "{}", tsv::escaped(&key))?,
            false => writeln!(out, "{}\t{}", tsv::escaped(&key), tsv::escaped(&value))?,
        }
    }
    Ok(())
}

/// An argument's bytes, as the shell gave them.
fn bytes(argument: &OsStr) -> &[u8] {
    argument.as_encoded_bytes()
}
