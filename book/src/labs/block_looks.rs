//! What the search of a block looks at: the same steps, with a witness.
//!
//! ```text
//!   heads    appl  bana  blac  cher  grap  grap  kiwi     Look::Head: one word of a packed array
//!                                      │     │
//!   entries                            └──┬──┘            Look::Entry: decoded and compared
//! ```
//!
//! The block's own search shows its steps to nobody. This one takes them over the heads that
//! [`block_fields`] names, and fails where it comes to another position than the block.

use std::cell::RefCell;

use bytes::Bytes;
use stage1_memtable::key::{InternalKey, OwnedKey};
use stage2_wal::coding::Malformed;
use stage3_sstable::block::{Block, block_fields};

/// A block, its heads as they are stored, and its keys.
#[derive(Debug)]
pub struct WatchedBlock {
    /// The block itself.
    pub block: Block,
    /// The heads, as big-endian words.
    pub heads: Vec<u32>,
    /// The keys of its entries.
    pub keys: Vec<OwnedKey>,
}

/// A step of a search, at the entry with this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Its head was compared.
    Head(usize),
    /// It was decoded, and its key was compared.
    Entry(usize),
}

impl WatchedBlock {
    /// The block of this payload.
    ///
    /// # Errors
    /// [`Malformed`] when it is none.
    pub fn of(payload: Bytes) -> Result<WatchedBlock, Malformed> {
        let heads = block_fields(&payload)?.into_iter().filter(|field| field.name == "head");
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let heads = heads.map(|field| word(&payload[field.start..field.end])).collect();
        let block = Block::parse(payload)?;
        let mut keys = Vec::new();
        let mut cursor = block.cursor();
        cursor.seek_to_first()?;
        while let Some(key) = cursor.key() {
            keys.push(key.to_owned());
            cursor.advance()?;
        }
        Ok(WatchedBlock { block, heads, keys })
    }

    /// The steps of a search for `target`, and the position to which it comes.
    ///
    /// # Errors
    /// [`Malformed`] when the block comes to another.
    pub fn search(&self, target: InternalKey<'_>) -> Result<(usize, Vec<Look>), Malformed> {
        let looks = RefCell::new(Vec::new());
        let position = match target.user_key.strip_prefix(self.block.prefix()) {
            Some(suffix) => self.search_heads(suffix, target, |look| looks.borrow_mut().push(look)),
            None => self.block.position_of(target)?,
        };
        if position != self.block.position_of(target)? {
            let what = format!("the block does not find {target:?} at {position}");
            return Err(Malformed { offset: 0, what });
        }
        Ok((position, looks.into_inner()))
    }

    fn search_heads(&self, suffix: &[u8], target: InternalKey<'_>, see: impl Fn(Look)) -> usize {
        let head = suffix.iter().chain(&[0; 4]).take(4).fold(0, |head, byte| head << 8 | u32::from(*byte));
        let positions: Vec<usize> = (0..self.heads.len()).collect();
        let is_before = |position: &usize| {
            see(Look::Head(*position));
            self.heads[*position] < head
        };
        let from = positions.partition_point(is_before);
        let is_alike = |position: &usize| {
            see(Look::Head(*position));
            self.heads[*position] == head
        };
        let to = from + positions[from..].partition_point(is_alike);
        let (mut from, mut to) = (from, to);
        while from < to {
            let middle = from.midpoint(to);
            see(Look::Entry(middle));
            match self.keys[middle].as_key() < target {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        from
    }
}
