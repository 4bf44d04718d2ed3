//! The bytes of a fuzzer, taken apart from the front.
//!
//! ```text
//!   section := length u16 · bytes              what is missing is simply not there
//! ```
//!
//! Every input means something: a fuzzer that is refused learns nothing.

/// What is left of an input.
#[derive(Debug, Clone)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Two bytes, little-endian.
    pub(super) fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// The next `length` bytes, or as many as there are.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// The next section; `None` at the end.
    pub(super) fn section(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        Some(self.take(usize::from(length)))
    }

    /// All sections that are left.
    pub(super) fn sections(mut self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || self.section())
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Appends `bytes` as a section.
pub(super) fn put_section(input: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("a seed is small");
    input.extend_from_slice(&length.to_le_bytes());
    input.extend_from_slice(bytes);
}
