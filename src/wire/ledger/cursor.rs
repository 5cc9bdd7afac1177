//! A place in XDR bytes, and the steps that every structure is made of.

use super::SkimError;

/// A place in XDR bytes. Every step checks that the bytes are there; none allocates.
///
/// It keeps what remains rather than where it stands, so that a step is one comparison (`skim_instructions`).
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

/// What remained at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { whole: bytes, rest: bytes }
    }

    /// Where the cursor stands.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// A place to come back to in [`since`](Self::since).
    #[inline]
    pub(super) fn mark(&self) -> Mark<'a> {
        Mark(self.rest)
    }

    /// What was passed since `mark`.
    #[inline]
    pub(super) fn since(&self, mark: Mark<'a>) -> &'a [u8] {
        &mark.0[..mark.0.len() - self.rest.len()]
    }

    #[inline]
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes do not say what `expected` names.
    #[cold]
    pub(super) fn malformed(&self, expected: &'static str) -> SkimError {
        SkimError::Malformed { offset: self.at(), expected }
    }

    /// The number just read selects no arm of `union` that this program knows.
    #[cold]
    pub(super) fn unknown(&self, union: &'static str, found: i32) -> SkimError {
        SkimError::UnknownProtocol { offset: self.at().saturating_sub(4), union, found }
    }

    #[inline]
    pub(super) fn take<const N: usize>(&mut self, expected: &'static str) -> Result<&'a [u8; N], SkimError> {
        match self.rest.split_first_chunk::<N>() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(chunk)
            }
            None => Err(self.malformed(expected)),
        }
    }

    /// That at least `count` bytes remain. Said before a run of fields, it spares each of them its own comparison: the
    /// compiler sees that they are there (`skim_instructions`).
    #[inline(always)]
    pub(super) fn ensure(&self, count: usize, expected: &'static str) -> Result<(), SkimError> {
        if self.rest.len() < count { Err(self.malformed(expected)) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn skip(&mut self, count: usize, expected: &'static str) -> Result<(), SkimError> {
        match self.rest.get(count..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.malformed(expected)),
        }
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, SkimError> {
        self.take::<4>("a 32-bit number").map(|chunk| u32::from_be_bytes(*chunk))
    }

    #[inline]
    pub(super) fn i32(&mut self) -> Result<i32, SkimError> {
        self.take::<4>("a 32-bit number").map(|chunk| i32::from_be_bytes(*chunk))
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Result<u64, SkimError> {
        self.take::<8>("a 64-bit number").map(|chunk| u64::from_be_bytes(*chunk))
    }

    #[inline]
    pub(super) fn i64(&mut self) -> Result<i64, SkimError> {
        self.take::<8>("a 64-bit number").map(|chunk| i64::from_be_bytes(*chunk))
    }

    #[inline]
    pub(super) fn hash(&mut self) -> Result<&'a [u8; 32], SkimError> {
        self.take::<32>("32 bytes")
    }

    /// A discriminant that may only be zero: an extension point that the protocol has not used yet, or an enumeration
    /// of one.
    #[inline]
    pub(super) fn zero(&mut self, union: &'static str) -> Result<(), SkimError> {
        match self.i32()? {
            0 => Ok(()),
            other => Err(self.unknown(union, other)),
        }
    }

    /// A discriminant between zero and `max`.
    #[inline]
    pub(super) fn arm(&mut self, union: &'static str, max: i32) -> Result<i32, SkimError> {
        let found = self.i32()?;
        if (0..=max).contains(&found) { Ok(found) } else { Err(self.unknown(union, found)) }
    }

    /// Whether an optional value follows.
    #[inline]
    pub(super) fn present(&mut self) -> Result<bool, SkimError> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed("an optional value's mark, 0 or 1")),
        }
    }

    /// An optional value of `count` bytes that need no look.
    #[inline]
    pub(super) fn optional(&mut self, count: usize) -> Result<(), SkimError> {
        if self.present()? { self.skip(count, "an optional value") } else { Ok(()) }
    }

    /// The number of elements of an array, of which each takes at least `element_bytes`.
    #[inline]
    pub(super) fn count(&mut self, max: u32, element_bytes: usize) -> Result<u32, SkimError> {
        let count = self.u32()?;
        if count > max {
            return Err(self.malformed("an array within the protocol's bound"));
        }
        if (count as usize).checked_mul(element_bytes).is_none_or(|bytes| bytes > self.remaining()) {
            return Err(self.malformed("an array that ends within the message"));
        }
        Ok(count)
    }

    /// An array whose elements take `element_bytes` each and need no look.
    #[inline]
    pub(super) fn array(&mut self, max: u32, element_bytes: usize) -> Result<(), SkimError> {
        let count = self.count(max, element_bytes)?;
        self.skip(count as usize * element_bytes, "an array")
    }

    /// `opaque<max>` or `string<max>`, with its padding of zeros.
    #[inline]
    pub(super) fn opaque(&mut self, max: u32) -> Result<(), SkimError> {
        let length = self.u32()?;
        if length > max {
            return Err(self.malformed("bytes within the protocol's bound"));
        }
        self.skip(length as usize, "bytes that end within the message")?;
        match length % 4 {
            0 => Ok(()),
            1 => self.padding::<3>(),
            2 => self.padding::<2>(),
            _ => self.padding::<1>(),
        }
    }

    #[inline]
    fn padding<const N: usize>(&mut self) -> Result<(), SkimError> {
        if *self.take::<N>("padding")? == [0; N] { Ok(()) } else { Err(self.malformed("padding of zeros")) }
    }
}

/// How deep values may nest in one another (`ScVal`, claim predicates, authorisations, quorum sets). The protocol's own
/// reader stops at a depth that admits less than half of it, so nothing real comes near; beyond it bytes are malformed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth(u16);

impl Depth {
    pub(super) const MAX: u16 = 256;

    pub(super) fn top() -> Self {
        Self(Self::MAX)
    }

    pub(super) fn deeper(self, cursor: &Cursor<'_>) -> Result<Self, SkimError> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(cursor.malformed("values nested at most 256 deep")),
        }
    }
}
