//! Ledgers one after the other, each checked against the one before it.

use super::failure::ArchiveError;
use super::index::Index;
use super::origin::Range;
use super::recordings::Recordings;
use super::seal::{ChainBreak, Seal};
use std::path::Path;

/// Where ledgers come from, in ascending order.
pub(super) trait Source {
    /// Puts the next ledger's bytes into `into`; false at the end.
    fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, ArchiveError>;

    /// Where the last ledger came from, for an error.
    fn place(&self) -> String;
}

/// Ledgers in a row. Each has the number and the previous hash that the one before it demands, and a header that hashes
/// to what it says; the first one has the number that was asked for.
pub struct Ledgers {
    source: Box<dyn Source>,
    /// The number of the next one, once it is known.
    next: Option<u32>,
    to: Option<u32>,
    last: Option<Seal>,
    ledger: Vec<u8>,
}

impl core::fmt::Debug for Ledgers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ledgers").field("next", &self.next).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Ledgers {
    pub(super) fn new(source: impl Source + 'static, range: Range) -> Self {
        Self { source: Box::new(source), next: range.from, to: range.to, last: None, ledger: Vec::new() }
    }

    /// The next ledger; `None` after the last one of the range, or of what there is.
    ///
    /// # Errors
    /// If it cannot be had, is damaged, does not follow the one before it, or is missing although the range names its
    /// end.
    pub fn next_ledger(&mut self) -> Result<Option<(Seal, &[u8])>, ArchiveError> {
        if self.next.zip(self.to).is_some_and(|(next, to)| next > to) {
            return Ok(None);
        }
        if !self.source.next(&mut self.ledger)? {
            let Some((next, to)) = self.next.zip(self.to) else { return Ok(None) };
            let hint = format!(": it ends there, and ledgers up to {to} were asked for");
            return Err(ArchiveError::Missing { place: self.source.place(), ledger: next, hint });
        }
        let place = || self.source.place();
        let seal = Seal::of(&self.ledger).map_err(|error| ArchiveError::damaged(place(), error.to_string()))?;
        let fits = match (&self.last, self.next) {
            (Some(last), _) => seal.follows(last),
            (None, Some(expected)) if expected != seal.seq => Err(ChainBreak::Number { expected, found: seal.seq }),
            (None, _) => Ok(()),
        };
        fits.map_err(|error| ArchiveError::Chain { place: place(), error })?;
        (self.last, self.next) = (Some(seal), seal.seq.checked_add(1));
        Ok(Some((seal, &self.ledger)))
    }

    /// Where the last ledger came from.
    #[must_use]
    pub fn place(&self) -> String {
        self.source.place()
    }
}

/// Reads every ledger of a folder of recordings, range by range, and says how many they are.
///
/// # Errors
/// At the first that is damaged, or does not follow the one before it.
pub fn check(folder: &Path) -> Result<u64, ArchiveError> {
    let index = Index::read(folder)?;
    let mut count = 0;
    for (first, last) in index.ranges() {
        let range = Range { from: Some(first), to: Some(last) };
        let mut ledgers = Ledgers::new(Recordings::of(folder, index.clone(), range)?, range);
        while ledgers.next_ledger()?.is_some() {
            count += 1;
        }
    }
    Ok(count)
}
