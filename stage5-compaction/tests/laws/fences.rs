//! Which file may hold a key: as a search through the files themselves says.

use stage5_compaction::fences::Fences;
use stage5_compaction::memtable::key::KeyHeads;

use crate::workshop::{Workshop, Write};

const LONG: &str = "sixteen bytes of ";

/// Files that fences tell apart by the first 16 bytes of a key, and files that
/// begin alike and are told apart behind them.
fn ends() -> Vec<[String; 2]> {
    let short = [["a", "b"], ["c", "c"], ["d", "d\0"], ["d\0\0", "f"]].map(|ends| ends.map(str::to_owned));
    let long = [["", "a"], ["b", "c"], ["ca", "x"]].map(|ends| ends.map(|end| format!("{LONG}{end}")));
    short.into_iter().chain(long).chain([["t".to_owned(), "z".to_owned()]]).collect()
}

#[test]
fn fences_find_the_file_that_a_search_through_the_files_finds() {
    let ends = ends();
    let mut shop = Workshop::new();
    let writes: Vec<Vec<Write<'_>>> = ends
        .iter()
        .map(|[first, last]| vec![(first.as_str(), 2, Some("x")), (last.as_str(), 1, Some("y"))])
        .collect();
    for table in &writes {
        shop.place(6, &[table]);
    }
    let version = shop.version();
    let files = version.level(6);
    let fences = Fences::of(files);
    let around =
        |key: &str| [key.to_owned(), format!("{key}\0"), format!("{key}~"), key[..key.len() / 2].to_owned()];
    for key in ends.iter().flatten().flat_map(|key| around(key)) {
        let key = key.as_bytes();
        let expected = files.iter().find(|file| file.meta().covers(key)).map(|file| file.meta().number);
        let found = fences.find(files, key, KeyHeads::of(key)).map(|file| file.meta().number);
        assert_eq!(found, expected, "{:?}", key.escape_ascii().to_string());
    }
    assert_eq!(files.len(), ends.len());
}
