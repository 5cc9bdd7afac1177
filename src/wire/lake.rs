//! Objects of the ledger data lake (SEP-54, `Stellar-exporter.x`): a `LedgerCloseMetaBatch`, unframed, compressed by
//! zstd as it lies in the lake.

use super::ledger::{SkimError, measure};

const HEADER_BYTES: usize = 12;

/// Why bytes are no `LedgerCloseMetaBatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LakeError {
    /// The batch's own header is not one.
    #[error("not a LedgerCloseMetaBatch: ledgers {start} to {end} are announced, and {count} of them")]
    Header {
        /// First ledger's number.
        start: u32,
        /// Last ledger's number.
        end: u32,
        /// How many follow.
        count: u32,
    },
    /// Fewer bytes than a batch's header.
    #[error("not a LedgerCloseMetaBatch: {0} bytes are fewer than its header has")]
    TooShort(usize),
    /// One of its ledgers is none.
    #[error("in the batch's ledger that begins at byte {offset}: {error}")]
    Ledger {
        /// Where in the batch.
        offset: usize,
        /// What is wrong, its place counted from there.
        error: SkimError,
    },
    /// Bytes follow the last ledger.
    #[error("{0} bytes follow the batch's last ledger")]
    TrailingBytes(usize),
}

/// Where in a batch its ledgers are. Holds no bytes itself, so that the batch may lie wherever it does.
#[derive(Clone, Copy, Debug)]
pub struct LakeBatch {
    start: u32,
    left: u32,
    at: usize,
}

impl LakeBatch {
    /// Reads the header of a decompressed batch.
    ///
    /// # Errors
    /// If it is no header, or not of as many ledgers as it says.
    pub fn open(batch: &[u8]) -> Result<Self, LakeError> {
        let header = batch.first_chunk::<HEADER_BYTES>().ok_or(LakeError::TooShort(batch.len()))?;
        let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (start, end, count) = (number(0), number(4), number(8));
        if end.checked_sub(start).and_then(|span| span.checked_add(1)) != Some(count) {
            return Err(LakeError::Header { start, end, count });
        }
        Ok(Self { start, left: count, at: HEADER_BYTES })
    }

    /// The number of its first ledger.
    #[must_use]
    pub fn start(&self) -> u32 {
        self.start
    }

    /// Where in the batch the next ledger begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next ledger of the same batch.
    ///
    /// # Errors
    /// If its bytes are no ledger, or if bytes follow the last. The batch is then at its end.
    pub fn next_ledger<'b>(&mut self, batch: &'b [u8]) -> Result<Option<&'b [u8]>, LakeError> {
        let rest = batch.get(self.at..).unwrap_or_default();
        if self.left == 0 {
            self.at = batch.len();
            return if rest.is_empty() { Ok(None) } else { Err(LakeError::TrailingBytes(rest.len())) };
        }
        match measure(rest) {
            Ok(length) => {
                self.left -= 1;
                self.at += length;
                Ok(Some(&rest[..length]))
            }
            Err(error) => {
                let offset = self.at;
                (self.left, self.at) = (0, batch.len());
                Err(LakeError::Ledger { offset, error })
            }
        }
    }
}
