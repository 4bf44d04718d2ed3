//! The input as an ordinary map: what the database is compared with.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use stage6_engine::{Key, Range, Read, Value};

use crate::failure::Failure;
use crate::show;
use crate::tsv::Lines;

/// Of the order in which the words come: the same in every run.
const SEED: u64 = 1985;

/// The dictionary of this workspace, from its root.
const DICTIONARY: &str = "data/wordnet/wordnet.tsv.gz";

#[derive(Clone)]
pub(super) struct Words {
    /// Where they were read, in a few words.
    pub(super) source: String,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Words {
    /// Reads `file`, or the dictionary of the workspace. A word that comes twice
    /// has the last of its definitions, as in the database.
    pub(super) fn read(file: Option<&Path>) -> Result<Words, Failure> {
        let file = file.map_or_else(find_dictionary, |file| Ok(file.to_path_buf()))?;
        let lines = Lines::open(&file, &indicatif::ProgressBar::hidden())?;
        let entries = lines.collect::<Result<BTreeMap<_, _>, Failure>>()?;
        if entries.is_empty() {
            let what = format!(
                "{} holds no words: give a file with lines of WORD, a tab, DEFINITION",
                file.display()
            );
            return Err(Failure::Unfit { what });
        }
        let name = file.file_name().unwrap_or(file.as_os_str());
        Ok(Words { source: name.display().to_string(), entries })
    }

    pub(super) fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Of all words and definitions.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.iter().map(|(word, definition)| (word.len() + definition.len()) as u64).sum()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(word, definition)| (&word[..], &definition[..]))
    }

    pub(super) fn contains(&self, word: &[u8]) -> bool {
        self.entries.contains_key(word)
    }

    pub(super) fn put(&mut self, word: &[u8], definition: &[u8]) {
        self.entries.insert(word.to_vec(), definition.to_vec());
    }

    pub(super) fn delete(&mut self, word: &[u8]) {
        self.entries.remove(word);
    }

    /// The words that begin with `prefix`.
    pub(super) fn beginning_with(&self, prefix: &[u8]) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let behind = self.entries.range::<[u8], _>(from);
        let inside = behind.take_while(|(word, _)| word.starts_with(prefix));
        inside.map(|(word, definition)| (&word[..], &definition[..])).collect::<Vec<_>>().into_iter()
    }

    /// All entries, in an order that has nothing to do with theirs.
    pub(super) fn shuffled(&self) -> Vec<(&[u8], &[u8])> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.shuffle(&mut SmallRng::seed_from_u64(SEED));
        entries
    }

    /// A word to show things with: `wish` if it is one, or the one in the middle.
    pub(super) fn specimen(&self, wish: &str) -> Vec<u8> {
        if self.contains(wish.as_bytes()) {
            return wish.as_bytes().to_vec();
        }
        let middle = self.entries.keys().nth(self.entries.len() / 2);
        middle.cloned().expect("there is at least one word")
    }

    /// How many words `source` does not give with their definitions, one by one.
    pub(super) fn missed_by(&self, source: &impl Read) -> Result<u64, Failure> {
        let mut missed = 0;
        for (word, definition) in self.iter() {
            missed += u64::from(source.get(word)?.as_deref() != Some(definition));
        }
        Ok(missed)
    }

    /// Whether a walk over `range` gives exactly these entries, in this order.
    pub(super) fn equal_walk(&self, range: Range) -> Result<bool, Failure> {
        is_same_walk(range, self.iter())
    }
}

/// Whether two walks give the same entries in the same order.
pub(super) fn is_same_walk<'a>(
    walk: impl Iterator<Item = stage6_engine::Result<(Key, Value)>>,
    mut expected: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<bool, Failure> {
    for entry in walk {
        let (key, value) = entry?;
        if expected.next() != Some((&key[..], &value[..])) {
            return Ok(false);
        }
    }
    Ok(expected.next().is_none())
}

/// A definition cut to what fits behind its word.
pub(super) fn shown((word, definition): (&[u8], &[u8])) -> String {
    let line = format!("{:22} {}", show::text(word), show::text(definition));
    show::shortened(&show::on_one_line(&line), show::COLUMNS - 6)
}

/// From where the tool is run, or where it was built.
fn find_dictionary() -> Result<PathBuf, Failure> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let candidates = [PathBuf::from(DICTIONARY), built.join(DICTIONARY)];
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| Failure::Unfit {
        what: format!(
            "{DICTIONARY} is not here: go to the root of the workspace, or name a file with --data FILE"
        ),
    })
}
