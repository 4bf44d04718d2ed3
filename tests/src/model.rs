//! What a database should hold after each of its writes.

use std::collections::BTreeMap;

use stage6_engine::memtable::key::Sequence;

/// The contents of a database.
pub type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// One write of a batch: a key, and its value or `None` for a deletion.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// The contents at each batch boundary.
#[derive(Debug, Clone)]
pub struct Model {
    /// The last sequence of each batch, ascending, and the contents after it.
    history: Vec<(Sequence, Contents)>,
}

impl Default for Model {
    fn default() -> Model {
        Model { history: vec![(0, Contents::new())] }
    }
}

impl Model {
    /// The contents now.
    pub fn now(&self) -> &Contents {
        &self.history.last().expect("it begins with the empty database").1
    }

    /// The last sequence now.
    pub fn sequence(&self) -> Sequence {
        self.history.last().expect("it begins with the empty database").0
    }

    /// Applies a batch as one step.
    pub fn apply(&mut self, writes: &[Write]) {
        let mut contents = self.now().clone();
        for (key, value) in writes {
            match value {
                Some(value) => contents.insert(key.clone(), value.clone()),
                None => contents.remove(key),
            };
        }
        self.history.push((self.sequence() + writes.len() as u64, contents));
    }

    /// Forgets what came behind `sequence`. Returns whether a batch ended there;
    /// nothing is forgotten otherwise.
    pub fn roll_back_to(&mut self, sequence: Sequence) -> bool {
        let place = self.history.binary_search_by_key(&sequence, |(last, _)| *last);
        if let Ok(place) = place {
            self.history.truncate(place + 1);
        }
        place.is_ok()
    }

    /// The contents at `sequence`, if a batch ended there.
    pub fn at_boundary(&self, sequence: Sequence) -> Option<&Contents> {
        let place = self.history.binary_search_by_key(&sequence, |(last, _)| *last).ok()?;
        Some(&self.history[place].1)
    }
}
