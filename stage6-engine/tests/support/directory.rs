//! What a directory holds, byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

/// Names and bytes; a directory inside has no bytes.
pub(crate) type Contents = BTreeMap<String, Vec<u8>>;

/// Everything in the directory at `path`.
pub(crate) fn contents(path: &Path) -> Contents {
    let entries = std::fs::read_dir(path).expect("the directory can be listed");
    let entries = entries.map(|entry| entry.expect("the directory can be listed"));
    let read = |path| std::fs::read(path).unwrap_or_default();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), read(entry.path()))).collect()
}

/// The names that end with `suffix`, in order.
pub(crate) fn names(path: &Path, suffix: &str) -> Vec<String> {
    contents(path).into_keys().filter(|name| name.ends_with(suffix)).collect()
}
