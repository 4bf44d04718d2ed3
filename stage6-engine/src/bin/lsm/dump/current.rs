//! `CURRENT`: which manifest counts, and whose database this is.

use stage6_engine::compaction::manifest::{Current, current_layout};

use super::row::Row;
use super::{Dumped, File};
use crate::failure::Failure;

pub(crate) fn read(file: File) -> Result<Dumped, Failure> {
    let current = Current::from_bytes(&file.bytes, &file.name).map_err(stage6_engine::Error::from)?;
    let (manifest, database) = (current.manifest, current.database.to_string());
    let summary = format!("manifest {manifest} counts, database {database}");
    let span = (0, file.bytes.len());
    let rows = vec![
        Row::new("manifest", span, format!("number {manifest} counts"), vec![("manifest", manifest.into())]),
        Row::new("database", span, format!("id {database}"), vec![("id", database.into())]),
    ];
    Ok(Dumped { summary, rows, fields: current_layout(&file.bytes), file })
}
