//! The table of results.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What a campaign did to one target.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) executions: u64,
    pub(crate) seconds: u64,
    pub(crate) edges: u64,
    pub(crate) features: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) crashes: u64,
}

const HEAD: &str = "\
# The last campaign

Written by the campaign itself, on a machine with 2 cores:

```sh
cargo run --release --manifest-path fuzz/Cargo.toml --bin campaign -- --executions 24000000 --keep
```

Targets are built with debug assertions and overflow checks. A crash is a panic, a broken law (see
`tests/src/fuzz/`), an input that takes ten seconds, or a decoder that takes more than 4 × its input + 1 MiB
of memory. Edges and features are libFuzzer's counts of what the inputs reached; files and bytes are what
is kept in `tests/corpus/` and replayed by `cargo test -p tests --test fuzz_corpus`.

";

/// The name of the row of sums.
const ALL: &str = "all";

pub(crate) fn write_table(path: &Path, rows: &[Row]) {
    fs::write(path, format!("{HEAD}{}", table(rows))).expect("fuzz/ can be written");
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| target | executions | seconds | edges | features | files kept | bytes kept | crashes |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut all = Row { name: ALL, ..Row::default() };
    for row in rows {
        write_row(&mut text, row);
        all.executions += row.executions;
        all.seconds += row.seconds;
        all.files += row.files;
        all.bytes += row.bytes;
        all.crashes += row.crashes;
    }
    write_row(&mut text, &all);
    text
}

fn write_row(text: &mut String, row: &Row) {
    let numbers = [row.executions, row.seconds, row.edges, row.features, row.files, row.bytes, row.crashes];
    let mut cells: Vec<String> = numbers.iter().map(|number| grouped(*number)).collect();
    if row.name == ALL {
        // Targets reach the same edges: a sum would count them again.
        cells[2..4].fill(String::new());
    }
    writeln!(text, "| {} | {} |", row.name, cells.join(" | ")).expect("a string takes everything");
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}
