//! Numbered things that never move: whoever holds a number reads without a lock while
//! more are added.
//!
//! ```text
//!   number   0 … 999 │ 1000 … │ 1008 … │ 1016 … │ 1024 … │ 1032 … 1047 │ …
//!            near      far:  8        8        8        8            16    four of 16, of 32, …
//!            at once   each when its first number is added
//! ```
//!
//! A vector that grows moves what it holds, and so cannot be read meanwhile. Here only a
//! further chunk is allocated. Four chunks have the same size before it doubles: so less
//! than a fifth of the whole is allocated in advance.
//!
//! What is near is found by one addition, and a search that goes from thing to thing waits
//! for each before it knows the next. Measured with only the nodes of a list far, which its
//! searches meet last: a tenth more for each, and two times as long for a step of a scan.
//!
//! **INV-CHUNKS-1** A number is told to others after the thing is there.

use std::sync::OnceLock;

/// How many far chunks have the same size, as a power of two.
const SAME_SIZE_BITS: u32 = 2;

/// How many things the first far chunks hold, as a power of two.
const FIRST_CHUNK_BITS: u32 = 3;

/// The arithmetic begins here: before the first four chunks it has four that are empty.
const FIRST_PLACE: usize = 1 << (FIRST_CHUNK_BITS + SAME_SIZE_BITS);

/// Enough for every number.
const FAR_CHUNKS: usize = ((u32::BITS + 1 - FIRST_CHUNK_BITS - SAME_SIZE_BITS) << SAME_SIZE_BITS) as usize;

/// Things by their numbers.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    near: Box<[T]>,
    far: Box<[OnceLock<Box<[T]>>; FAR_CHUNKS]>,
}

impl<T: Default> Chunks<T> {
    /// The first `near` of them are there.
    pub(crate) fn new(near: usize) -> Chunks<T> {
        Chunks { near: fresh(near), far: Box::new([const { OnceLock::new() }; FAR_CHUNKS]) }
    }

    /// Makes the thing with this number be there. Called by one writer at a time.
    #[inline]
    pub(crate) fn add(&self, number: u32) -> &T {
        match self.near.get(number as usize) {
            Some(thing) => thing,
            None => {
                let place = self.place(number);
                &self.far[place.chunk].get_or_init(|| fresh(place.chunk_length))[place.within]
            }
        }
    }

    /// The thing with this number.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> &T {
        match self.near.get(number as usize) {
            Some(thing) => thing,
            None => {
                let place = self.place(number);
                let chunk = self.far[place.chunk].get();
                &chunk.expect("INV-CHUNKS-1: the thing was there before its number was told")[place.within]
            }
        }
    }

    #[inline]
    fn place(&self, number: u32) -> Place {
        Place::of(number as usize - self.near.len())
    }
}

fn fresh<T: Default>(count: usize) -> Box<[T]> {
    std::iter::repeat_with(T::default).take(count).collect()
}

/// Where one of the far things is.
struct Place {
    chunk: usize,
    within: usize,
    chunk_length: usize,
}

impl Place {
    #[inline]
    fn of(far: usize) -> Place {
        let place = far + FIRST_PLACE;
        let chunk_bits = place.ilog2() - SAME_SIZE_BITS;
        let doublings = (chunk_bits - FIRST_CHUNK_BITS) as usize;
        // The leading bits but for the first, which `doublings` tells.
        let among_same_size = (place >> chunk_bits) - (1 << SAME_SIZE_BITS);
        Place {
            chunk: (doublings << SAME_SIZE_BITS) + among_same_size,
            within: place & ((1 << chunk_bits) - 1),
            chunk_length: 1 << chunk_bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn places_follow_one_another_without_a_gap() {
        let mut next = (0, 0);
        for far in 0..1 << 20 {
            let place = Place::of(far);
            assert_eq!((place.chunk, place.within), next, "{far}");
            let is_last = place.within + 1 == place.chunk_length;
            next = if is_last { (place.chunk + 1, 0) } else { (place.chunk, place.within + 1) };
        }
        assert!(Place::of(u32::MAX as usize).chunk < FAR_CHUNKS);
    }

    #[test]
    fn less_than_a_fifth_is_allocated_in_advance() {
        for far in (1_000..1 << 20).step_by(97) {
            let place = Place::of(far);
            let allocated = far - place.within + place.chunk_length;
            assert!((allocated - far) * 5 < allocated + FIRST_PLACE, "{far}");
        }
    }

    #[test]
    fn what_was_added_stays_whatever_follows() {
        let chunks = Chunks::<AtomicU32>::new(100);
        let (near, far) = (chunks.add(0), chunks.add(100));
        for number in 0..50_000 {
            chunks.add(number).store(number, Ordering::Relaxed);
        }
        assert!((0..50_000).all(|number| chunks.get(number).load(Ordering::Relaxed) == number));
        assert!(std::ptr::eq(near, chunks.get(0)) && std::ptr::eq(far, chunks.get(100)));
    }
}
