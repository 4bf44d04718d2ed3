//! Tables, filled in while the book is built, from what was measured and is committed.
//!
//! ```text
//!   counts           stage6-engine/benches/counts.txt
//!   peer-workloads   bench/peers/src/workload.rs ──▶ what each does, a row for each
//!   peer-…           measured ──▶ figures, and sentences that name what they show
//! ```
//!
//! A table is a function and a line in [`TABLES`]. It returns Markdown.

mod counts;
mod peers;
mod workloads;

use crate::measured::Outcome;

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// What a page calls it.
    pub name: &'static str,
    fill: fn() -> Outcome<String>,
}

/// All of them.
pub const TABLES: &[Table] = &[
    Table { name: "counts", fill: counts::fill },
    Table { name: "peer-workloads", fill: workloads::fill },
    Table { name: "peer-setting", fill: peers::setting },
    Table { name: "peer-speeds", fill: peers::speeds },
    Table { name: "peer-processors", fill: peers::processors },
    Table { name: "peer-bill", fill: peers::bill },
    Table { name: "peer-growth", fill: peers::growth },
];

/// The table called `name`.
pub fn find(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

impl Table {
    /// Fills it.
    ///
    /// # Errors
    /// In words, when what it is made from is not what it was.
    pub fn markdown(&self) -> Result<String, String> {
        (self.fill)().map_err(|error| format!("the table {}: {error}", self.name))
    }
}

/// The rows under their headings, the first column to the left and the others to the right.
fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let rule = format!("|---|{}\n", "---:|".repeat(headings.len().saturating_sub(1)));
    line(&headings) + &rule + &rows.iter().map(|row| line(row)).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_filled_from_what_is_committed() {
        for table in TABLES {
            let text = table.markdown().unwrap();
            assert!(text.len() > 50 && !text.contains("NaN"), "{}: {text}", table.name);
        }
    }
}
