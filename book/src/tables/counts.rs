//! The committed counts of instructions, and how much is let pass of each.

use super::table;
use crate::labs::prelude::number;
use crate::measured::Outcome;

const COUNTS: &str = include_str!("../../../stage6-engine/benches/counts.txt");

pub(super) fn fill() -> Outcome<String> {
    let counts = COUNTS.lines().filter_map(|line| line.split_once(" = "));
    let counts = counts.filter_map(|(name, count)| Some((name, count.trim().parse::<f64>().ok()?)));
    let rows: Vec<Vec<String>> = counts
        .map(|(name, count)| vec![name.to_owned(), number(count as u64), number((count / 20.0) as u64)])
        .collect();
    match rows.is_empty() {
        true => Err("nothing was counted".into()),
        false => Ok(table(&["instructions for each", "committed", "a twentieth"], &rows)),
    }
}
