//! The towers of a skip list, and the way of one search through them.

use crate::labs::skip_list::{Look, SkipList};

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

/// Inserted in this order, so that each has the number of its insert for a sequence.
const KEYS: [&str; 15] = [
    "plum", "fig", "apple", "lemon", "nut", "fig", "mango", "cherry", "grape", "banana", "date", "fig",
    "quince", "pear", "kiwi",
];
const SOUGHT: &str = "nut";

const LEFT: f64 = 62.0;
const COLUMN: f64 = 48.0;
const BOX: f64 = 34.0;
const LEVEL: f64 = 44.0;
const HEIGHT: f64 = 24.0;

/// User keys ascending, and of one the newest first.
type Key = (&'static str, std::cmp::Reverse<usize>);

/// A tower on the drawing: from left to right, in the order of keys.
struct Tower {
    key: Key,
    number: usize,
    height: usize,
}

pub(super) fn draw() -> Drawn {
    let mut list: SkipList<Key> = SkipList::default();
    for (key, sequence) in KEYS.into_iter().zip(1..) {
        list.insert((key, std::cmp::Reverse(sequence)));
    }
    let mut looks = Vec::new();
    list.search(&(SOUGHT, std::cmp::Reverse(KEYS.len())), |look| looks.push(look));
    let towers: Vec<Tower> =
        list.towers().into_iter().map(|(key, number, height)| Tower { key: *key, number, height }).collect();
    let page = Page { towers, levels: list.height() };
    let mut drawing = Drawing::new();
    page.draw_links(&mut drawing);
    page.draw_towers(&mut drawing, &looks);
    page.draw_looks(&mut drawing, &looks);
    Ok((drawing, page.in_words(&looks)))
}

struct Page {
    towers: Vec<Tower>,
    levels: usize,
}

impl Page {
    fn y_of(&self, level: usize) -> f64 {
        14.0 + LEVEL * (self.levels - 1 - level) as f64
    }

    fn foot(&self) -> f64 {
        self.y_of(0) + HEIGHT
    }

    /// Where the tower stands that was inserted as the so many-th.
    fn place(&self, number: usize) -> usize {
        self.towers.iter().position(|tower| tower.number == number).unwrap_or(0)
    }

    /// On each level from one tower to the next that reaches it, and from the last into nothing.
    fn draw_links(&self, drawing: &mut Drawing) {
        for level in 0..self.levels {
            let middle = self.y_of(level) + HEIGHT / 2.0;
            drawing.words("faint", Anchor::Start, (0.0, middle + 4.0), format!("level {level}"));
            let mut from = LEFT + BOX;
            for (place, _) in self.towers.iter().enumerate().filter(|(_, tower)| tower.height > level) {
                drawing.arrow("line", (from, middle), (x_of(place), middle));
                from = x_of(place) + BOX;
            }
            drawing.arrow("line", (from, middle), (x_of(self.towers.len()) + 4.0, middle));
        }
    }

    fn draw_towers(&self, drawing: &mut Drawing, looks: &[Look]) {
        for level in 0..self.levels {
            drawing.area("quiet", Area::new(LEFT, self.y_of(level), BOX, HEIGHT));
        }
        drawing.words("small", Anchor::Middle, (LEFT + BOX / 2.0, self.foot() + 16.0), "head");
        for (place, tower) in self.towers.iter().enumerate() {
            for level in 0..tower.height {
                let looked = looks.iter().find(|look| (look.level, look.tower) == (level, tower.number));
                let class = looked.map_or("box", |look| if look.is_before { "k0" } else { "k3" });
                drawing.area(class, Area::new(x_of(place), self.y_of(level), BOX, HEIGHT));
            }
            let (middle, (key, sequence)) = (x_of(place) + BOX / 2.0, tower.key);
            drawing.words("small", Anchor::Middle, (middle, self.foot() + 16.0), key);
            drawing.words("small", Anchor::Middle, (middle, self.foot() + 31.0), sequence.0);
        }
    }

    /// The number of each look in the tower that was looked at, and what the colours mean.
    fn draw_looks(&self, drawing: &mut Drawing, looks: &[Look]) {
        for (number, look) in (1..).zip(looks) {
            let middle = x_of(self.place(look.tower)) + BOX / 2.0;
            drawing.words(
                "strong",
                Anchor::Middle,
                (middle, self.y_of(look.level) + 16.0),
                format!("{number}."),
            );
        }
        let meanings = [("k0", "lies before"), ("k3", "does not lie before")];
        for (place, (class, words)) in (0..).zip(meanings) {
            let x = LEFT + 250.0 * f64::from(place);
            drawing.area(class, Area::new(x, self.foot() + 46.0, 14.0, 14.0));
            drawing.words(
                "small",
                Anchor::Start,
                (x + 22.0, self.foot() + 57.0),
                format!("looked at: {words} {SOUGHT}"),
            );
        }
    }

    fn in_words(&self, looks: &[Look]) -> String {
        let way: Vec<String> = looks
            .iter()
            .map(|look| {
                let (key, _) = self.towers[self.place(look.tower)].key;
                let verdict = if look.is_before { "lies before it" } else { "does not lie before it" };
                format!("on level {} at {key}, which {verdict}", look.level)
            })
            .collect();
        let heights: Vec<String> = (1..self.levels)
            .map(|level| {
                let towers = self.towers.iter().filter(|tower| tower.height > level).count();
                format!("{towers} reach level {level}")
            })
            .collect();
        format!(
            "{} towers in the order of their keys; {}. A search for {SOUGHT} looks {} times: {}.",
            self.towers.len(),
            heights.join(", "),
            looks.len(),
            way.join("; ")
        )
    }
}

fn x_of(place: usize) -> f64 {
    LEFT + COLUMN * (place as f64 + 1.0)
}
