//! Boxes, lines and words, all in one style.
//!
//! ```text
//!   Drawing ──▶ <svg role="img"> <title> <desc> … </svg>
//! ```
//!
//! - **INV-SVG-1** No colour is written here: shapes carry classes, and
//!   `theme/figures.css` gives those the colours of mdBook's themes.
//! - **INV-SVG-2** There is no empty line in it, so that Markdown takes it as one block of HTML.
//!
//! Lengths are in pixels at full size. Words are set in a monospaced font, so that their
//! width is known here.

use std::fmt::{Display, Write};

/// The width of a character.
pub const CHARACTER: f64 = 7.3;

/// The distance of two lines of words.
pub const LINE: f64 = 18.0;

/// Where a word stands in relation to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// In pixels, as all that follows.
    pub left: f64,
    /// The upper edge.
    pub top: f64,
    /// To the right of it.
    pub width: f64,
    /// Below it.
    pub height: f64,
}

impl Area {
    /// The rectangle with this corner and size.
    pub fn new(left: f64, top: f64, width: f64, height: f64) -> Area {
        Area { left, top, width, height }
    }

    fn middle(self) -> (f64, f64) {
        (self.left + self.width / 2.0, self.top + self.height / 2.0)
    }
}

/// A place.
pub type Point = (f64, f64);

/// A picture that is being drawn. It grows to hold what is drawn.
#[derive(Debug, Default)]
pub struct Drawing {
    body: String,
    width: f64,
    height: f64,
}

impl Drawing {
    /// An empty one.
    pub fn new() -> Drawing {
        Drawing::default()
    }

    fn reach(&mut self, right: f64, bottom: f64) {
        self.width = self.width.max(right);
        self.height = self.height.max(bottom);
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.body.write_fmt(text).expect("a String takes every write");
        self.body.push('\n');
    }

    /// A rectangle of this class: `box`, `quiet`, `k0` to `k7`.
    pub fn area(&mut self, class: &str, area: Area) {
        let Area { left, top, width, height } = area;
        self.reach(left + width, top + height);
        self.write(format_args!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\"/>"
        ));
    }

    /// A rectangle with words in its middle.
    pub fn labelled(&mut self, class: &str, area: Area, label: impl Display) {
        self.area(class, area);
        let (x, y) = area.middle();
        self.words("", Anchor::Middle, (x, y + 4.0), label);
    }

    /// Words on a line through this place. Classes: none, `small`, `strong`, `faint`.
    pub fn words(&mut self, class: &str, anchor: Anchor, (x, y): Point, words: impl Display) {
        let words = words.to_string();
        let length = words.chars().count() as f64 * CHARACTER;
        let right = match anchor {
            Anchor::Start => x + length,
            Anchor::Middle => x + length / 2.0,
            Anchor::End => x,
        };
        self.reach(right, y + 5.0);
        let anchor = anchor.name();
        let words = escaped(&words);
        self.write(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        ));
    }

    /// A line of this class: `line`, `dashed`, `axis`.
    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        self.reach(from.0.max(to.0), from.1.max(to.1));
        self.write(format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line with a head at its end. The head is drawn, and not a marker: markers have ids.
    pub fn arrow(&mut self, class: &str, from: Point, to: Point) {
        self.line(class, from, to);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(1.0);
        let (dx, dy) = (dx / length, dy / length);
        let corner = |side: f64| (to.0 - 7.0 * dx - side * 3.5 * dy, to.1 - 7.0 * dy + side * 3.5 * dx);
        let (left, right) = (corner(1.0), corner(-1.0));
        self.write(format_args!(
            "<polygon class=\"head\" points=\"{:.1},{:.1} {:.1},{:.1} {:.1},{:.1}\"/>",
            to.0, to.1, left.0, left.1, right.0, right.1
        ));
    }

    /// Lines from point to point.
    pub fn path(&mut self, class: &str, points: &[Point]) {
        let points: Vec<String> = points
            .iter()
            .map(|&(x, y)| {
                self.reach(x, y);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        self.write(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    /// A dot.
    pub fn dot(&mut self, class: &str, (x, y): Point, radius: f64) {
        self.reach(x + radius, y + radius);
        self.write(format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"));
    }

    /// How high it is so far.
    pub fn height(&self) -> f64 {
        self.height
    }

    /// The picture, with what it shows in words for whoever does not see it.
    pub fn finish(self, title: &str, description: &str) -> String {
        let (width, height) = (self.width.ceil() + 8.0, self.height.ceil() + 8.0);
        // Words stay readable: a wide picture scrolls in its own box and does not shrink.
        let least = width.min(620.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"-4 -4 {} {}\" width=\"{width}\" height=\"{height}\" \
             style=\"min-width:{least}px\">\n<title>{}</title>\n<desc>{}</desc>\n{}</svg>",
            width + 4.0,
            height + 4.0,
            escaped(title),
            escaped(description),
            self.body
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
