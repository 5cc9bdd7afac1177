//! Record marks (RFC 5531, section 11), as stellar-core writes them before each `LedgerCloseMeta` of its
//! `METADATA_OUTPUT_STREAM`: four bytes, big-endian, the top bit set ("last fragment") and the message's length in the
//! other 31.

/// The longest message that is taken unless configured otherwise: 256 MiB. Pubnet ledgers measure some hundred
/// kilobytes to a few megabytes; the bound is there for a mark that lies, and costs nothing until bytes really come.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 256 << 20;

/// How long a mark is.
pub const MARK_BYTES: usize = 4;
pub(super) const LAST_FRAGMENT: u32 = 1 << 31;

/// Why a stream is no sequence of marked records. Its place in the stream is lost with it: begin anew with a fresh
/// connection and [`RecordSplitter::reset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The mark's top bit is clear. stellar-core writes each message as one fragment.
    #[error("record mark {mark:#010x} at byte {offset} lacks the last-fragment bit: this is no ledger stream")]
    NotLastFragment {
        /// The four bytes.
        mark: u32,
        /// Where the mark begins, counted from the connection's first byte.
        offset: u64,
    },
    /// The mark announces a message of no bytes.
    #[error("record mark at byte {offset} announces an empty message")]
    Empty {
        /// Where the mark begins.
        offset: u64,
    },
    /// The mark announces more than the configured bound.
    #[error("record mark at byte {offset} announces {length} bytes, more than the configured {max}")]
    Oversized {
        /// What it announces.
        length: usize,
        /// The bound.
        max: usize,
        /// Where the mark begins.
        offset: u64,
    },
    /// The stream ended inside a mark or a message.
    #[error("the stream ended inside the record that began at byte {offset}")]
    Truncated {
        /// Where its mark begins.
        offset: u64,
    },
}

/// Cuts a stream of bytes, handed in as it comes, into its messages.
///
/// A message that lies whole in the input is handed out as a slice of the input; one that came in pieces is put
/// together in a buffer, which grows only by bytes that have come, never by what a mark promises, and is kept for the
/// next.
#[derive(Debug)]
pub struct RecordSplitter {
    max_message_bytes: usize,
    /// Bytes of the mark that came so far, then all four.
    mark: [u8; MARK_BYTES],
    mark_len: usize,
    /// Length of the message, known once the mark is whole.
    length: usize,
    body: Vec<u8>,
    /// The body was handed out and is to be dropped by the next call.
    handed_out: bool,
    /// Where in the stream the current record began, and how far the stream was read.
    record_at: u64,
    read_to: u64,
}

impl RecordSplitter {
    /// A splitter that refuses messages longer than `max_message_bytes`.
    #[must_use]
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            mark: [0; MARK_BYTES],
            mark_len: 0,
            length: 0,
            body: Vec::new(),
            handed_out: false,
            record_at: 0,
            read_to: 0,
        }
    }

    /// The next whole message, taking what it needs from the front of `input`; `None` once `input` is used up.
    ///
    /// # Errors
    /// At a mark that cannot be one. The splitter then refuses everything until it is [`reset`](Self::reset).
    pub fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<Option<&'s [u8]>, RecordError> {
        if self.handed_out {
            self.begin_record();
        }
        if self.mark_len < MARK_BYTES {
            let taken = self.take(input, MARK_BYTES - self.mark_len);
            self.mark[self.mark_len..self.mark_len + taken.len()].copy_from_slice(taken);
            self.mark_len += taken.len();
            if self.mark_len < MARK_BYTES {
                return Ok(None);
            }
        }
        self.length = self.announced()?;
        if self.body.is_empty() && input.len() >= self.length {
            self.handed_out = true;
            return Ok(Some(self.take(input, self.length)));
        }
        let piece = self.take(input, self.length - self.body.len());
        self.body.extend_from_slice(piece);
        if self.body.len() < self.length {
            return Ok(None);
        }
        self.handed_out = true;
        Ok(Some(&self.body))
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// If it ends inside a mark or a message.
    pub fn finish(&self) -> Result<(), RecordError> {
        if self.handed_out || self.mark_len == 0 {
            return Ok(());
        }
        Err(RecordError::Truncated { offset: self.record_at })
    }

    /// Forgets the stream; the next byte is the first of a new one. The buffer is kept.
    pub fn reset(&mut self) {
        self.read_to = 0;
        self.begin_record();
    }

    /// Bytes that the buffer for messages in pieces holds room for: how far it has grown.
    #[must_use]
    pub fn buffer_capacity(&self) -> usize {
        self.body.capacity()
    }

    fn begin_record(&mut self) {
        self.mark_len = 0;
        self.body.clear();
        self.handed_out = false;
        self.record_at = self.read_to;
    }

    fn take<'i>(&mut self, input: &mut &'i [u8], at_most: usize) -> &'i [u8] {
        let (taken, rest) = input.split_at(at_most.min(input.len()));
        *input = rest;
        self.read_to += taken.len() as u64;
        taken
    }

    fn announced(&self) -> Result<usize, RecordError> {
        announced_bytes(self.mark, self.max_message_bytes, self.record_at)
    }
}

/// The mark before a message of so many bytes; `None` if no mark can say it (2^31 and more).
#[must_use]
pub fn mark_of(message_bytes: usize) -> Option<[u8; MARK_BYTES]> {
    let length = u32::try_from(message_bytes).ok().filter(|length| length & LAST_FRAGMENT == 0)?;
    Some((LAST_FRAGMENT | length).to_be_bytes())
}

/// How long the message behind `mark` is, the mark being at `offset` of its stream.
///
/// # Errors
/// If it can be no mark, or announces more than `max`.
pub fn announced_bytes(mark: [u8; MARK_BYTES], max: usize, offset: u64) -> Result<usize, RecordError> {
    let mark = u32::from_be_bytes(mark);
    if mark & LAST_FRAGMENT == 0 {
        return Err(RecordError::NotLastFragment { mark, offset });
    }
    let length = (mark & !LAST_FRAGMENT) as usize;
    if length == 0 {
        return Err(RecordError::Empty { offset });
    }
    if length > max {
        return Err(RecordError::Oversized { length, max, offset });
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for message in messages {
            let mark = LAST_FRAGMENT | u32::try_from(message.len()).unwrap();
            stream.extend_from_slice(&mark.to_be_bytes());
            stream.extend_from_slice(message);
        }
        stream
    }

    fn split(splitter: &mut RecordSplitter, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut found = Vec::new();
        while let Some(message) = splitter.next(&mut bytes)? {
            found.push(message.to_vec());
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_wherever_the_stream_is_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..12),
            cuts in prop::collection::vec(1_usize..30, 1..40),
        ) {
            let stream = marked(&messages);
            let mut splitter = RecordSplitter::new(40);
            let mut found = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                found.extend(split(&mut splitter, piece).unwrap());
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, messages);
            prop_assert_eq!(splitter.finish(), Ok(()));
        }
    }

    #[test]
    fn a_whole_message_is_handed_out_without_a_copy() {
        let stream = marked(&[vec![7; 16]]);
        let mut splitter = RecordSplitter::new(16);
        let mut input = &stream[..];
        let message = splitter.next(&mut input).unwrap().unwrap();
        assert!(core::ptr::eq(message, &stream[4..]));
        assert_eq!(splitter.buffer_capacity(), 0);
    }

    #[test]
    fn a_mark_that_lies_allocates_nothing() {
        let mut splitter = RecordSplitter::new(DEFAULT_MAX_MESSAGE_BYTES);
        let mark = (LAST_FRAGMENT | (200 << 20)).to_be_bytes();
        assert_eq!(split(&mut splitter, &mark), Ok(vec![]));
        assert_eq!(split(&mut splitter, b"only this"), Ok(vec![]));
        assert!(splitter.buffer_capacity() < 64);
        assert_eq!(splitter.finish(), Err(RecordError::Truncated { offset: 0 }));
    }

    #[test]
    fn what_cannot_be_a_mark_is_refused_with_its_place_until_reset() {
        let good = marked(&[vec![1, 2, 3]]);
        let cases = [
            (0x0000_0010_u32, RecordError::NotLastFragment { mark: 0x10, offset: 7 }),
            (LAST_FRAGMENT, RecordError::Empty { offset: 7 }),
            (LAST_FRAGMENT | 11, RecordError::Oversized { length: 11, max: 10, offset: 7 }),
        ];
        for (mark, error) in cases {
            let mut splitter = RecordSplitter::new(10);
            let stream = [&good[..], &mark.to_be_bytes()].concat();
            assert_eq!(split(&mut splitter, &stream), Err(error));
            assert_eq!(split(&mut splitter, b"more"), Err(error));
            splitter.reset();
            assert_eq!(split(&mut splitter, &good), Ok(vec![vec![1, 2, 3]]));
        }
    }

    #[test]
    fn the_end_of_a_stream_is_good_only_between_messages() {
        let stream = marked(&[vec![1, 2, 3], vec![4]]);
        for end in 0..=stream.len() {
            let mut splitter = RecordSplitter::new(10);
            split(&mut splitter, &stream[..end]).unwrap();
            let between = [0, 7, 12].contains(&end);
            assert_eq!(splitter.finish().is_ok(), between, "stream of {end} bytes");
        }
    }
}
