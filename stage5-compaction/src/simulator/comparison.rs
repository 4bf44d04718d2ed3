//! Several strategies on one workload, as a table.

use std::fmt;

use crate::compaction::Strategy;
use crate::file::LEVELS;
use crate::simulator::course::Course;
use crate::simulator::workload::Workload;
use crate::simulator::{figure, simulate};

/// The courses of several strategies, to be shown side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    courses: Vec<Course>,
}

impl Comparison {
    /// Gives the same writes to each of `strategies`.
    pub fn of(strategies: &[(&str, &dyn Strategy)], workload: &Workload) -> Comparison {
        let course = |(name, strategy): &(&str, &dyn Strategy)| simulate(name, *strategy, workload);
        Comparison { courses: strategies.iter().map(course).collect() }
    }

    /// One course for each strategy, in their order.
    pub fn courses(&self) -> &[Course] {
        &self.courses
    }

    /// Amplifications and the sizes of levels over time, as an SVG image. It has no
    /// colours of its own, so it is as light or dark as the page it stands on.
    pub fn to_svg(&self) -> String {
        figure::draw(&self.courses)
    }
}

/// The header of a column, and what stands below it.
type Column = (&'static str, fn(&Course) -> String);

const COLUMNS: [Column; 10] = [
    ("bytes written", |course| decimal(course.end().write_amplification())),
    ("space at end", |course| decimal(course.end().space_amplification())),
    ("space at most", |course| decimal(course.peak_space_amplification())),
    ("files a get", |course| decimal(course.mean_files_per_get())),
    ("at end", |course| decimal(course.end().files_per_get())),
    ("files a scan", |course| decimal(course.mean_files_per_scan())),
    ("at end", |course| decimal(course.end().files_per_scan())),
    ("compactions", |course| course.end().compactions.to_string()),
    ("moves", |course| course.end().moves.to_string()),
    ("files", |course| course.end().files.to_string()),
];

fn decimal(number: f64) -> String {
    format!("{number:.2}")
}

/// Two plain tables: what it cost, and the bytes of each level at the end.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10}", "")?;
        COLUMNS.iter().try_for_each(|(header, _)| write!(f, "  {header}"))?;
        writeln!(f)?;
        for course in &self.courses {
            write!(f, "{:10}", course.name())?;
            COLUMNS
                .iter()
                .try_for_each(|(header, cell)| write!(f, "  {:>1$}", cell(course), header.len()))?;
            writeln!(f)?;
        }
        writeln!(f)?;
        write!(f, "{:10}", "bytes of")?;
        (0..LEVELS).try_for_each(|level| write!(f, "  {:>11}", format!("level {level}")))?;
        writeln!(f)?;
        for course in &self.courses {
            write!(f, "{:10}", course.name())?;
            course.end().level_bytes.iter().try_for_each(|bytes| write!(f, "  {bytes:>11}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
