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

#[cfg(test)]
mod tests {
    use super::*;
    use stellar_xdr::{LedgerCloseMeta, LedgerCloseMetaBatch, Limits, WriteXdr};

    /// Three empty ledgers.
    fn ledgers() -> Vec<LedgerCloseMeta> {
        let numbered = |seq| {
            let LedgerCloseMeta::V0(mut meta) = LedgerCloseMeta::default() else { unreachable!() };
            meta.ledger_header.header.ledger_seq = seq;
            LedgerCloseMeta::V0(meta)
        };
        (7..10).map(numbered).collect()
    }

    fn xdr(value: &impl WriteXdr) -> Vec<u8> {
        value.to_xdr(Limits::none()).unwrap()
    }

    fn batch() -> Vec<u8> {
        let ledger_close_metas = ledgers().try_into().unwrap();
        xdr(&LedgerCloseMetaBatch { start_sequence: 7, end_sequence: 9, ledger_close_metas })
    }

    fn marked() -> Vec<u8> {
        let one = |ledger: &LedgerCloseMeta| {
            let xdr = xdr(ledger);
            let mark = LAST_FRAGMENT | u32::try_from(xdr.len()).unwrap();
            [&mark.to_be_bytes()[..], &xdr].concat()
        };
        ledgers().iter().flat_map(one).collect()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn read(bytes: &[u8], max: usize) -> Result<Vec<Vec<u8>>, RecordingError> {
        let mut recording = Recording::open(bytes, max)?;
        let mut found = Vec::new();
        while let Some(ledger) = recording.next_ledger()? {
            found.push(ledger.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn both_kinds_are_recognised_plain_and_compressed() {
        let expected: Vec<_> = ledgers().iter().map(xdr).collect();
        for bytes in [marked(), zstd(&marked()), batch(), zstd(&batch())] {
            assert_eq!(read(&bytes, 1 << 20).unwrap(), expected);
        }
        // Two files put one behind the other are one file to zstd.
        let twice = [zstd(&marked()), zstd(&marked())].concat();
        assert_eq!(read(&twice, 1 << 20).unwrap().len(), 6);
    }

    #[test]
    fn a_recording_that_ends_too_early_says_where() {
        let (marked, batch) = (marked(), batch());
        let one = marked.len() / 3;
        for end in 1..marked.len() {
            match read(&marked[..end], 1 << 20) {
                Ok(found) => assert_eq!(found.len() * one, end),
                Err(RecordingError::Record(RecordError::Truncated { offset })) => {
                    assert_eq!(offset, (end / one * one) as u64, "{end} bytes");
                }
                Err(other) => panic!("{end} bytes: {other}"),
            }
        }
        for end in 4..batch.len() {
            assert!(matches!(read(&batch[..end], 1 << 20), Err(RecordingError::Lake(_))), "{end} bytes");
        }
        let compressed = zstd(&marked);
        for end in 4..compressed.len() {
            let error = read(&compressed[..end], 1 << 20).unwrap_err();
            assert!(matches!(error, RecordingError::Read { .. } | RecordingError::Record(_)), "{end} bytes: {error}");
        }
    }

    #[test]
    fn what_is_no_recording_or_too_long_is_named() {
        assert!(matches!(read(b"", 100), Err(RecordingError::Empty)));
        assert!(matches!(read(&zstd(b""), 100), Err(RecordingError::Empty)));
        let error = read(b"#!/bin/sh\necho hello\n", 1 << 20).unwrap_err();
        assert!(error.to_string().starts_with("not a LedgerCloseMetaBatch"), "{error}");
        let trailing = [batch(), vec![0; 4]].concat();
        assert!(matches!(read(&trailing, 1 << 20), Err(RecordingError::Lake(LakeError::TrailingBytes(4)))));
        let length = ledgers().first().map(|ledger| xdr(ledger).len()).unwrap();
        assert!(matches!(read(&marked(), length - 1), Err(RecordingError::Record(RecordError::Oversized { .. }))));
        assert!(read(&marked(), length).is_ok());
        assert!(matches!(read(&batch(), batch().len() - 1), Err(RecordingError::TooLarge { .. })));
        // A few bytes that unpack to a gigabyte are not unpacked further than the bound.
        let bomb = zstd(&vec![0; 1 << 26]);
        assert!(matches!(read(&bomb, 1 << 20), Err(RecordingError::TooLarge { max: 1_048_576 })));
    }
}
