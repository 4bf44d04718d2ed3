//! Pictures of the comparison, as SVG.
//!
//! ```text
//!   ratios-….svg    a bar for each workload: ÷ the best log-structured peer, lines at 1 and 2
//!   growth-….svg    a line for each engine: operations per second over records
//!   latency-….svg   a line for each engine: latency over percentiles
//! ```
//!
//! Text and axes take the colour of the page, light or dark, also where the picture is
//! included as an image and no colour is inherited.

use std::fmt::Write as _;

use crate::comparison::{Comparison, Row};
use crate::engine::EngineId;
use crate::keys::KeyKind;
use crate::measure::Latency;
use crate::workload::Workload;

/// Every picture that the medians suffice for, with the name of its file.
pub(crate) fn all(comparison: &Comparison) -> Vec<(String, String)> {
    let rows = comparison.rows();
    let mut plots = Vec::new();
    let mut groups: Vec<(u64, KeyKind)> = rows.iter().map(|row| (row.records, row.keys)).collect();
    groups.dedup();
    for (records, keys) in groups {
        let name = format!("ratios-{}-{records}.svg", keys.name());
        plots.extend(ratios(comparison, records, keys).map(|svg| (name, svg)));
    }
    for &row in &rows {
        let (workload, keys) = (row.workload.name(), row.keys.name());
        if is_smallest(&rows, row) {
            let name = format!("growth-{keys}-{workload}.svg");
            plots.extend(growth(comparison, row).map(|svg| (name, svg)));
        }
        let name = format!("latency-{keys}-{}-{workload}.svg", row.records);
        plots.extend(latency(comparison, row).map(|svg| (name, svg)));
    }
    plots
}

/// Whether no row has the same workload and keys with fewer records.
fn is_smallest(rows: &[Row], row: Row) -> bool {
    sizes(rows, row.workload, row.keys).first() == Some(&row.records)
}

fn sizes(rows: &[Row], workload: Workload, keys: KeyKind) -> Vec<u64> {
    let alike = rows.iter().filter(|row| row.workload == workload && row.keys == keys);
    alike.map(|row| row.records).collect()
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 40.0;

/// Hues that can be told apart on white and on black, by most eyes.
const COLOURS: [&str; 8] =
    ["#d9480f", "#1c7ed6", "#4dabf7", "#2b8a3e", "#9c36b5", "#868e96", "#e8a200", "#0ca678"];

const STYLE: &str = "<style>\
    svg{color:#222;background:transparent}\
    @media(prefers-color-scheme:dark){svg{color:#ddd}}\
    text{font:12px sans-serif;fill:currentColor}\
    .title{font-size:14px;font-weight:bold}\
    .axis{stroke:currentColor;stroke-opacity:.35;stroke-width:1}\
    .mark{stroke:currentColor;stroke-width:1;stroke-dasharray:4 3}\
    polyline{fill:none;stroke-width:2}\
    </style>";

/// A picture under its title.
struct Svg(String);

impl Svg {
    fn new(title: &str, height: f64) -> Svg {
        let mut svg = Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
             <title>{title}</title>{STYLE}\n"
        ));
        svg.text(10.0, 20.0, "start", "title", title);
        svg
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        );
    }

    fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        );
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn curve(&mut self, points: &[(f64, f64)], colour: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.0, "<polyline points=\"{}\" stroke=\"{colour}\"/>", points.join(" "));
    }

    fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

fn colour(comparison: &Comparison, engine: EngineId) -> &'static str {
    let place = comparison.engines().iter().position(|&other| other == engine).unwrap_or(0);
    COLOURS[place % COLOURS.len()]
}

/// A bar for each workload: how many times the best log-structured peer.
fn ratios(comparison: &Comparison, records: u64, keys: KeyKind) -> Option<String> {
    const STEP: f64 = 20.0;
    let rows = comparison.rows().into_iter().filter(|row| (row.records, row.keys) == (records, keys));
    let bars: Vec<(String, f64, bool)> = rows
        .filter_map(|row| {
            let ratio = comparison.ratio(row)?;
            Some((row.workload.name(), ratio.to_best_lsm_peer?, ratio.reaches_its_goal()))
        })
        .collect();
    let most = bars.iter().map(|bar| bar.1).reduce(f64::max)?.max(2.2);
    let width_of = |ratio: f64| ratio / most * (WIDTH - LEFT - RIGHT);
    let bottom = TOP + STEP * bars.len() as f64;
    let mut svg = Svg::new(
        &format!("Times the best log-structured peer ({records} records, {} keys)", keys.name()),
        bottom + 25.0,
    );
    for (place, (workload, ratio, is_reached)) in bars.iter().enumerate() {
        let y = TOP + STEP * place as f64;
        let colour = if *is_reached { COLOURS[3] } else { COLOURS[0] };
        svg.text(LEFT - 8.0, y + 14.0, "end", "name", workload);
        svg.bar(LEFT, y + 3.0, width_of(*ratio), STEP - 6.0, colour);
        svg.text(LEFT + width_of(*ratio) + 5.0, y + 14.0, "start", "value", &format!("{ratio:.2}"));
    }
    for mark in [1.0, 2.0] {
        let x = LEFT + width_of(mark);
        svg.line("mark", (x, TOP), (x, bottom));
        svg.text(x, bottom + 16.0, "middle", "mark-text", &format!("{mark} ×"));
    }
    Some(svg.finish())
}

/// A named line of values; what lies at one place in `values` lies above one place
/// of the axis.
struct Series {
    engine: EngineId,
    values: Vec<Option<f64>>,
}

/// Operations per second over the number of records.
fn growth(comparison: &Comparison, row: Row) -> Option<String> {
    let sizes = sizes(&comparison.rows(), row.workload, row.keys);
    if sizes.len() < 2 {
        return None;
    }
    let speed = |engine, records| Some(comparison.median(Row { records, ..row }, engine)?.figures.per_second);
    let series = series(comparison, |engine| sizes.iter().map(|&records| speed(engine, records)).collect());
    let places: Vec<String> = sizes.iter().map(|size| format!("{} k", size / 1_000)).collect();
    let title =
        format!("{}, {} keys: operations per second over records", row.workload.name(), row.keys.name());
    curves(comparison, &title, &places, &series)
}

/// Latency over percentiles.
fn latency(comparison: &Comparison, row: Row) -> Option<String> {
    let points = |latency: Latency| {
        [latency.p50, latency.p90, latency.p99, latency.p999, latency.p9999, latency.worst]
            .map(|nanos| (nanos > 0).then_some(nanos as f64 / 1e3))
            .to_vec()
    };
    let series = series(comparison, |engine| {
        comparison.median(row, engine).map_or_else(Vec::new, |median| points(median.figures.latency_nanos))
    });
    let places = ["p50", "p90", "p99", "p99.9", "p99.99", "worst"].map(str::to_owned);
    let title =
        format!("{}, {} keys, {} records: latency in µs", row.workload.name(), row.keys.name(), row.records);
    curves(comparison, &title, &places, &series)
}

fn series(comparison: &Comparison, values: impl Fn(EngineId) -> Vec<Option<f64>>) -> Vec<Series> {
    let engines = comparison.engines().into_iter();
    let series = engines.map(|engine| Series { engine, values: values(engine) });
    series.filter(|series| series.values.iter().flatten().count() > 1).collect()
}

/// Lines over a logarithmic axis, named at their right ends.
fn curves(comparison: &Comparison, title: &str, places: &[String], series: &[Series]) -> Option<String> {
    const BOTTOM: f64 = 330.0;
    let values = || series.iter().flat_map(|series| series.values.iter().flatten().copied());
    let lowest = values().reduce(f64::min)?.log10().floor();
    let highest = values().reduce(f64::max)?.log10().ceil().max(lowest + 1.0);
    let y_of = |value: f64| BOTTOM - (value.log10() - lowest) / (highest - lowest) * (BOTTOM - TOP);
    let step = (WIDTH - LEFT / 2.0 - RIGHT) / (places.len() - 1) as f64;
    let x_of = |place: usize| LEFT / 2.0 + step * place as f64;

    let mut svg = Svg::new(title, BOTTOM + 30.0);
    for power in lowest as i32..=highest as i32 {
        let y = y_of(10f64.powi(power));
        svg.line("axis", (x_of(0), y), (x_of(places.len() - 1), y));
        svg.text(x_of(0) - 8.0, y + 4.0, "end", "value", &power_name(power));
    }
    for (place, name) in places.iter().enumerate() {
        svg.text(x_of(place), BOTTOM + 18.0, "middle", "name", name);
    }
    let mut names = Vec::new();
    for Series { engine, values } in series {
        let points =
            values.iter().enumerate().filter_map(|(place, value)| Some((x_of(place), y_of((*value)?))));
        let points: Vec<(f64, f64)> = points.collect();
        svg.curve(&points, colour(comparison, *engine));
        names.extend(points.last().map(|&(x, y)| (x, y, *engine)));
    }
    write_names(&mut svg, comparison, names);
    Some(svg.finish())
}

/// Writes the names at the ends of lines, none over another.
fn write_names(svg: &mut Svg, comparison: &Comparison, mut names: Vec<(f64, f64, EngineId)>) {
    const APART: f64 = 15.0;
    names.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = TOP;
    for (x, y, engine) in names {
        let y = y.max(free);
        free = y + APART;
        svg.bar(x + 8.0, y - 5.0, 10.0, 10.0, colour(comparison, engine));
        svg.text(x + 22.0, y + 4.0, "start", "name", &engine.to_string());
    }
}

fn power_name(power: i32) -> String {
    match power {
        6.. => format!("{} M", 10f64.powi(power - 6)),
        3..6 => format!("{} k", 10f64.powi(power - 3)),
        _ => 10f64.powi(power).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::{ROW, comparison};

    #[test]
    fn a_ratio_becomes_a_bar_with_its_number() {
        let comparison = comparison(&[("stage6", 900.0), ("leveldb", 300.0)]);
        let svg = ratios(&comparison, ROW.records, ROW.keys).unwrap();
        assert!(svg.contains(">3.00</text>") && svg.contains("readrandom"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn without_a_peer_there_is_no_ratio_to_draw() {
        assert_eq!(ratios(&comparison(&[("stage6", 900.0)]), ROW.records, ROW.keys), None);
    }

    #[test]
    fn one_size_is_no_growth() {
        assert_eq!(growth(&comparison(&[("stage6", 900.0), ("leveldb", 300.0)]), ROW), None);
    }

    #[test]
    fn lines_are_named_apart() {
        let comparison = comparison(&[("stage6", 1.0), ("leveldb", 1.0)]);
        let places = ["a".to_owned(), "b".to_owned()];
        let series = series(&comparison, |_| vec![Some(10.0), Some(100.0)]);
        let svg = curves(&comparison, "both", &places, &series).unwrap();
        let heights: Vec<&str> = svg.lines().filter(|line| line.starts_with("<rect")).collect();
        assert_eq!(heights.len(), 2);
        assert_ne!(heights[0].split("y=").nth(1), heights[1].split("y=").nth(1));
    }
}
