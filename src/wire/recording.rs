//! Recorded ledgers in a file: a record-marked stream, as stellar-core writes it, or a data-lake batch; either plain or
//! compressed by zstd. Which of them it is, the first bytes say.

use super::lake::{LakeBatch, LakeError};
use super::record_mark::{LAST_FRAGMENT, MARK_BYTES, RecordError, announced_bytes};
use std::io::{self, Read};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a recording cannot be read on. Nothing follows such an error.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file, or its compression.
    #[error("the recording cannot be read at byte {offset} of its (decompressed) content: {error}")]
    Read {
        /// How far reading came.
        offset: u64,
        /// What the system, or zstd, says.
        error: io::Error,
    },
    /// The record marks.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The batch.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A batch that is longer than the bound.
    #[error("the batch is longer than the {max} bytes that are allowed for one message")]
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// No ledger at all.
    #[error("the recording is empty: there is nothing to replay")]
    Empty,
}

/// The ledgers of a recording, one after the other.
pub struct Recording<'r> {
    content: Content<'r>,
    /// The current ledger, or the whole batch.
    buffer: Vec<u8>,
    max_message_bytes: usize,
}

enum Content<'r> {
    Marked { input: Box<dyn Read + 'r>, offset: u64 },
    Batch(LakeBatch),
    Ended,
}

impl core::fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let content = match &self.content {
            Content::Marked { .. } => "record-marked",
            Content::Batch(_) => "batch",
            Content::Ended => "ended",
        };
        f.debug_struct("Recording").field("content", &content).finish_non_exhaustive()
    }
}

impl<'r> Recording<'r> {
    /// Looks at the first bytes of `input`. No message longer than `max_message_bytes` is taken, however much a
    /// compressed file would give.
    ///
    /// # Errors
    /// If it cannot be read, is empty, or is neither kind of recording.
    pub fn open(mut input: impl Read + 'r, max_message_bytes: usize) -> Result<Self, RecordingError> {
        let mut first = [0; 4];
        read_all(&mut input, &mut first, 0)?.ok_or(RecordingError::Empty)?;
        let whole = io::Cursor::new(first).chain(input);
        if first != ZSTD_MAGIC {
            return Self::open_plain(first, Box::new(whole), max_message_bytes);
        }
        let mut plain =
            zstd::stream::read::Decoder::new(whole).map_err(|error| RecordingError::Read { offset: 0, error })?;
        read_all(&mut plain, &mut first, 0)?.ok_or(RecordingError::Empty)?;
        Self::open_plain(first, Box::new(io::Cursor::new(first).chain(plain)), max_message_bytes)
    }

    fn open_plain(first: [u8; 4], input: Box<dyn Read + 'r>, max: usize) -> Result<Self, RecordingError> {
        let mut buffer = Vec::new();
        let content = if u32::from_be_bytes(first) & LAST_FRAGMENT != 0 {
            Content::Marked { input, offset: 0 }
        } else {
            read_at_most(input, max.saturating_add(1), &mut buffer, 0)?;
            if buffer.len() > max {
                return Err(RecordingError::TooLarge { max });
            }
            Content::Batch(LakeBatch::open(&buffer)?)
        };
        Ok(Self { content, buffer, max_message_bytes: max })
    }

    /// Where in the (decompressed) content the next ledger begins, with its record mark if it has one; `None` after
    /// the end.
    #[must_use]
    pub fn next_offset(&self) -> Option<u64> {
        match &self.content {
            Content::Marked { offset, .. } => Some(*offset),
            Content::Batch(batch) => Some(batch.offset() as u64),
            Content::Ended => None,
        }
    }

    /// The next ledger's bytes, a `LedgerCloseMeta`; `None` at the end.
    ///
    /// # Errors
    /// If the recording is damaged here; then it is at its end.
    pub fn next_ledger(&mut self) -> Result<Option<&[u8]>, RecordingError> {
        match core::mem::replace(&mut self.content, Content::Ended) {
            Content::Ended => Ok(None),
            Content::Batch(mut batch) => {
                let ledger = batch.next_ledger(&self.buffer)?;
                self.content = Content::Batch(batch);
                Ok(ledger)
            }
            Content::Marked { mut input, offset } => {
                let Some(length) = next_message(&mut input, offset, self.max_message_bytes, &mut self.buffer)? else {
                    return Ok(None);
                };
                self.content = Content::Marked { input, offset: offset + length };
                Ok(Some(&self.buffer))
            }
        }
    }
}

/// Reads one marked message into `body` and says how many bytes it took, its mark included.
fn next_message(
    input: &mut dyn Read,
    offset: u64,
    max: usize,
    body: &mut Vec<u8>,
) -> Result<Option<u64>, RecordingError> {
    let mut mark = [0; MARK_BYTES];
    if read_all(input, &mut mark, offset)?.is_none() {
        return Ok(None);
    }
    let length = announced_bytes(mark, max, offset)?;
    body.clear();
    read_at_most(input, length, body, offset)?;
    if body.len() < length {
        return Err(RecordError::Truncated { offset }.into());
    }
    Ok(Some((MARK_BYTES + length) as u64))
}

fn read_at_most(input: impl Read, length: usize, into: &mut Vec<u8>, offset: u64) -> Result<(), RecordingError> {
    let read = input.take(length as u64).read_to_end(into);
    read.map(|_| ()).map_err(|error| RecordingError::Read { offset: offset + into.len() as u64, error })
}

/// Fills `into`; `None` if the input is at its end before the first byte.
fn read_all(input: &mut (impl Read + ?Sized), into: &mut [u8], offset: u64) -> Result<Option<()>, RecordingError> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(RecordError::Truncated { offset }.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(RecordingError::Read { offset: offset + filled as u64, error }),
        }
    }
    Ok(Some(()))
}
