//! Who calls whom, one line below the other.
//!
//! ```text
//!   caller        engine        memtable
//!     │──put────────▶│             │
//!     │              │──insert────▶│
//!     │◀─────────────│             │
//! ```

use super::svg::{Anchor, Area, CHARACTER, Drawing};

const LANE_TOP: f64 = 0.0;
const LANE_HEIGHT: f64 = 26.0;
const STEP: f64 = 34.0;

/// One line of the diagram: lanes are numbered from the left.
#[derive(Debug, Clone)]
pub enum Step {
    /// A call, with what is asked.
    Call(usize, usize, String),
    /// An answer.
    Answer(usize, usize, String),
    /// What happens in one lane.
    Note(usize, String),
}

/// A diagram with these lanes.
pub fn diagram(lanes: &[&str], steps: &[Step]) -> (Drawing, String) {
    let mut drawing = Drawing::new();
    let places = places(lanes, steps);
    let bottom = LANE_TOP + LANE_HEIGHT + STEP * (steps.len() as f64 + 0.6);
    for (lane, &x) in lanes.iter().zip(&places) {
        let width = (lane.chars().count() as f64 * CHARACTER + 16.0).max(60.0);
        drawing.line("axis", (x, LANE_TOP + LANE_HEIGHT), (x, bottom));
        drawing.labelled("box", Area::new(x - width / 2.0, LANE_TOP, width, LANE_HEIGHT), lane);
    }
    for (index, step) in steps.iter().enumerate() {
        let y = LANE_TOP + LANE_HEIGHT + STEP * (index as f64 + 1.0);
        match step {
            Step::Call(from, to, label) | Step::Answer(from, to, label) => {
                let class = if matches!(step, Step::Answer(..)) { "dashed" } else { "line" };
                let (from, to) = (places[*from], places[*to]);
                drawing.arrow(class, (from, y), (to, y));
                drawing.words("small over", Anchor::Middle, ((from + to) / 2.0, y - 5.0), label);
            }
            Step::Note(lane, label) => {
                let width = label.chars().count() as f64 * CHARACTER * 0.92 + 14.0;
                let area = Area::new(places[*lane] - width / 2.0, y - 15.0, width, 20.0);
                drawing.area("note", area);
                drawing.words("small", Anchor::Middle, (places[*lane], y - 1.0), label);
            }
        }
    }
    (drawing, in_words(lanes, steps))
}

/// Where the lanes stand: far enough apart for what is written between neighbours.
fn places(lanes: &[&str], steps: &[Step]) -> Vec<f64> {
    let width_of = |text: &str| text.chars().count() as f64 * CHARACTER * 0.92 + 22.0;
    let heads = |lane: usize| (lanes[lane].chars().count() as f64 * CHARACTER + 16.0).max(60.0);
    let notes_in = |lane: usize| {
        let widths = steps.iter().map(|step| match step {
            Step::Note(at, label) if *at == lane => width_of(label) - 8.0,
            _ => 0.0,
        });
        widths.fold(heads(lane), f64::max)
    };
    let mut places = vec![notes_in(0) / 2.0];
    for lane in 1..lanes.len() {
        let mut x = places[lane - 1] + (heads(lane - 1) + heads(lane)) / 2.0 + 12.0;
        // A call from further left may use all of the way.
        for step in steps {
            match step {
                Step::Call(from, to, label) | Step::Answer(from, to, label) if *from.max(to) == lane => {
                    x = x.max(places[*from.min(to)] + width_of(label));
                }
                Step::Note(at, label) if *at == lane => {
                    x = x.max(places[lane - 1] + width_of(label) / 2.0 + 8.0);
                }
                _ => {}
            }
        }
        let before = notes_in(lane - 1) / 2.0;
        places.push(x.max(places[lane - 1] + before + 8.0));
    }
    places
}

fn in_words(lanes: &[&str], steps: &[Step]) -> String {
    let told = |step: &Step| match step {
        Step::Call(from, to, label) => format!("{} to {}: {label}.", lanes[*from], lanes[*to]),
        Step::Answer(from, to, label) => format!("{} answers {}: {label}.", lanes[*from], lanes[*to]),
        Step::Note(lane, label) => format!("In {}: {label}.", lanes[*lane]),
    };
    steps.iter().map(told).collect::<Vec<_>>().join(" ")
}
