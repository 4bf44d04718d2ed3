//! The courses as a drawing.
//!
//! ```text
//!   ┌ bytes written ┐ ┌ space ────────┐ ┌ files a get ──┐   a line for each strategy,
//!   │          ╱─── │ │     ╱╲    ──  │ │  ╱╲ ╱╲        │   its dashes tell which;
//!   └───────────────┘ └───────────────┘ └───────────────┘   heights are logarithms
//!   ┌ never ──┐ ┌ full ───┐ ┌ tiered ─┐ ┌ leveled ┐
//!   │      ▄▆ │ │ ▄▄▄▄▄▄▄ │ │ ▄▆▄▆▄▆▄ │ │ ▄▄▄▄▄▄▄ │   bytes of each level, stacked;
//!   └─────────┘ └─────────┘ └─────────┘ └─────────┘   the deeper the darker, each to
//!                                                     its own scale; dots: live bytes
//! ```
//!
//! Everything is drawn in `currentColor`, more or less opaque.

use std::fmt::Write;

use super::course::{Course, Sample};
use crate::file::LEVELS;

const WIDTH: f64 = 760.0;
const CHART_HEIGHT: f64 = 150.0;
const GAP: f64 = 34.0;
const FIRST_ROW: f64 = 50.0;
const SECOND_ROW: f64 = FIRST_ROW + CHART_HEIGHT + 60.0;
const HEIGHT: f64 = SECOND_ROW + CHART_HEIGHT + 40.0;

/// A line has at most so many points, each the mean of neighbouring samples: read one
/// by one, they would show nothing but the beat of the flushes.
const POINTS: usize = 120;

/// How the lines of the strategies differ, without a colour.
const DASHES: [&str; 6] = ["1 3", "8 3 2 3", "6 4", "none", "2 2 6 2", "12 3"];

/// A number of a sample that is drawn over time.
type Measure = fn(&Sample) -> f64;

/// Part of the drawing: where its corner is and how large it is.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
}

pub(super) fn draw(courses: &[Course]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"currentColor\" stroke-width=\"1.5\">\n\
         <title>Amplification by strategy, over time</title>\n<desc>{}</desc>\n",
        escape(&in_words(courses))
    );
    legend(&mut svg, courses);
    let measures: [(&str, Measure); 3] = [
        ("bytes written per byte", Sample::write_amplification),
        ("bytes stored per live byte", Sample::space_amplification),
        ("files asked by a get", Sample::files_per_get),
    ];
    for (frame, (title, measure)) in frames(measures.len(), FIRST_ROW).zip(measures) {
        lines(&mut svg, frame, title, courses, measure);
    }
    for (frame, course) in frames(courses.len(), SECOND_ROW).zip(courses) {
        areas(&mut svg, frame, course);
    }
    svg.push_str("</svg>\n");
    svg
}

/// What the picture shows, for those who cannot see it.
fn in_words(courses: &[Course]) -> String {
    let sentence = |course: &Course| {
        let end = course.end();
        format!(
            "{}: each byte was written {:.1} times; at the end {:.1} bytes were stored for a live one, and \
             {:.1} at most; a get asked {:.1} files on average.",
            course.name(),
            end.write_amplification(),
            end.space_amplification(),
            course.peak_space_amplification(),
            course.mean_files_per_get()
        )
    };
    courses.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

/// So many frames side by side.
fn frames(number: usize, top: f64) -> impl Iterator<Item = Frame> {
    let width = (WIDTH - GAP * (number + 1) as f64) / number.max(1) as f64;
    (0..number).map(move |index| Frame { left: GAP + index as f64 * (width + GAP), top, width })
}

fn legend(svg: &mut String, courses: &[Course]) {
    for (index, course) in courses.iter().enumerate() {
        let left = GAP + index as f64 * 120.0;
        put(svg, format_args!("<path d=\"M{left:.1} 14h30\" {}/>", stroke(index)));
        put(svg, format_args!("<text x=\"{:.1}\" y=\"18\">{}</text>", left + 36.0, escape(course.name())));
    }
}

/// A measure over time, a line for each course.
fn lines(svg: &mut String, frame: Frame, title: &str, courses: &[Course], measure: Measure) {
    let most = courses.iter().flat_map(Course::samples).map(measure).fold(2.0, f64::max);
    let doublings = most.log2().ceil().max(1.0);
    let height_of = |value: f64| value.max(1.0).log2() / doublings;
    axes(svg, frame, title);
    let step = (doublings / 4.0).ceil().max(1.0) as i32;
    for exponent in (0..=doublings as i32).step_by(step as usize) {
        let value = 2f64.powi(exponent);
        let y = frame.y(height_of(value));
        put(
            svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                frame.left - 4.0,
                y + 4.0
            ),
        );
    }
    for (index, course) in courses.iter().enumerate() {
        let path = outline(frame, course, |sample| height_of(measure(sample)));
        put(svg, format_args!("<path d=\"M{path}\" {}/>", stroke(index)));
    }
}

/// The bytes of a course's levels over time, the last level lowest. Each chart has its
/// own scale; the dots are the live bytes, the same in all.
fn areas(svg: &mut String, frame: Frame, course: &Course) {
    let most = course.samples().iter().map(Sample::disk_bytes).max().unwrap_or(0);
    axes(svg, frame, &format!("{}: up to {:.1} MB", course.name(), most as f64 / 1e6));
    let height_of = |bytes: u64| bytes as f64 / most.max(1) as f64;
    for level in 0..LEVELS {
        let top = |sample: &Sample| height_of(sample.level_bytes[level..].iter().sum());
        let bottom = |sample: &Sample| height_of(sample.level_bytes[level + 1..].iter().sum());
        let (upper, mut lower) = (points(frame, course, top), points(frame, course, bottom));
        if upper == lower {
            continue;
        }
        lower.reverse();
        let opacity = 0.15 + 0.1 * level as f64;
        let path = [upper, lower].concat().join("L");
        put(
            svg,
            format_args!(
                "<path d=\"M{path}Z\" fill-opacity=\"{opacity:.2}\"><title>level {level}</title></path>"
            ),
        );
    }
    let live = outline(frame, course, |sample| height_of(sample.live_bytes));
    put(svg, format_args!("<path d=\"M{live}\" {}><title>live bytes</title></path>", stroke(0)));
}

fn axes(svg: &mut String, frame: Frame, title: &str) {
    let Frame { left, top, width } = frame;
    put(
        svg,
        format_args!(
            "<path d=\"M{left:.1} {top:.1}v{CHART_HEIGHT:.1}h{width:.1}\" fill=\"none\" \
             stroke=\"currentColor\" stroke-opacity=\"0.4\" stroke-width=\"1\"/>"
        ),
    );
    put(svg, format_args!("<text x=\"{left:.1}\" y=\"{:.1}\">{}</text>", top - 8.0, escape(title)));
    let bottom = top + CHART_HEIGHT + 14.0;
    put(
        svg,
        format_args!("<text x=\"{:.1}\" y=\"{bottom:.1}\" text-anchor=\"end\">writes</text>", left + width),
    );
}

fn outline(frame: Frame, course: &Course, height_of: impl Fn(&Sample) -> f64) -> String {
    points(frame, course, height_of).join("L")
}

/// A course in a frame, where 1 is the full height.
fn points(frame: Frame, course: &Course, height_of: impl Fn(&Sample) -> f64) -> Vec<String> {
    let samples = course.samples();
    let portions = samples.chunks_exact(samples.len().div_ceil(POINTS).max(1));
    let last = portions.len().saturating_sub(1).max(1);
    let place = |(index, portion): (usize, &[Sample])| {
        let x = frame.left + frame.width * index as f64 / last as f64;
        let height = portion.iter().map(&height_of).sum::<f64>() / portion.len() as f64;
        format!("{x:.1} {:.1}", frame.y(height))
    };
    portions.enumerate().map(place).collect()
}

impl Frame {
    fn y(&self, height: f64) -> f64 {
        self.top + CHART_HEIGHT * (1.0 - height)
    }
}

fn stroke(index: usize) -> String {
    let dashes = DASHES[index % DASHES.len()];
    format!("fill=\"none\" stroke=\"currentColor\" stroke-dasharray=\"{dashes}\"")
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(svg, "{element}");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
