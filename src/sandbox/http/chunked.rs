//! Request bodies that come in chunks (RFC 9112, section 7.1).

/// Puts a body together from its chunks as they arrive.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    body: Vec<u8>,
    /// Bytes of the current chunk that are still to come, its line end included.
    left: usize,
    /// Whether the last chunk was seen, and only trailers follow.
    trailing: bool,
}

/// Why a body cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unchunkable {
    /// It is longer than the bound.
    TooLong,
    /// It is not made of chunks.
    Malformed,
}

/// The longest line of a chunk's size with its extensions, or of a trailer.
const MAX_LINE_BYTES: usize = 256;

impl Chunked {
    /// Takes what is there from the front of `input`; gives the body once it is whole.
    pub(super) fn take(&mut self, input: &mut Vec<u8>, max_bytes: usize) -> Result<Option<Vec<u8>>, Unchunkable> {
        let mut at = 0;
        let whole = loop {
            let rest = &input[at..];
            if self.left > 0 {
                let count = self.left.min(rest.len());
                // The last two bytes of a chunk are its line end.
                let data = count.min(self.left.saturating_sub(2));
                self.body.extend_from_slice(&rest[..data]);
                if rest[data..count].iter().any(|byte| !b"\r\n".contains(byte)) {
                    return Err(Unchunkable::Malformed);
                }
                (self.left, at) = (self.left - count, at + count);
                if self.left > 0 {
                    break false;
                }
                continue;
            }
            let Some(end) = rest.iter().take(MAX_LINE_BYTES).position(|byte| *byte == b'\n') else {
                if rest.len() >= MAX_LINE_BYTES {
                    return Err(Unchunkable::Malformed);
                }
                break false;
            };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            at += end + 1;
            if self.trailing {
                if line.is_empty() {
                    break true;
                }
                continue;
            }
            let size = chunk_size(line).ok_or(Unchunkable::Malformed)?;
            if size > max_bytes.saturating_sub(self.body.len()) {
                return Err(Unchunkable::TooLong);
            }
            if size == 0 {
                self.trailing = true;
            } else {
                self.left = size + 2;
            }
        };
        input.drain(..at);
        Ok(whole.then(|| std::mem::take(&mut self.body)))
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.body.capacity()
    }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_body_is_whole_however_its_bytes_arrive(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            piece in 1..30_usize,
        ) {
            let mut sent: Vec<u8> = Vec::new();
            for chunk in &chunks {
                sent.extend(format!("{:x};note=1\r\n", chunk.len()).bytes());
                sent.extend(chunk);
                sent.extend(b"\r\n");
            }
            sent.extend(b"0\r\nTrailer: x\r\n\r\nnext");
            let (mut chunked, mut input, mut whole) = (Chunked::default(), Vec::new(), None);
            for bytes in sent.chunks(piece) {
                input.extend_from_slice(bytes);
                if whole.is_none() {
                    whole = chunked.take(&mut input, 1000).unwrap();
                }
            }
            prop_assert_eq!(whole, Some(chunks.concat()));
            prop_assert_eq!(input, b"next");
        }
    }

    #[test]
    fn what_is_too_long_or_no_chunk_is_refused() {
        let take = |text: &str| Chunked::default().take(&mut text.as_bytes().to_vec(), 10);
        assert_eq!(take("b\r\n"), Err(Unchunkable::TooLong));
        assert_eq!(take("5\r\nhello\r\n6\r\n"), Err(Unchunkable::TooLong));
        for text in ["x\r\n", "-1\r\n", "\r\n", "2\r\nabc\r\n", "ffffffffffffffffff\r\n"] {
            assert_eq!(take(text), Err(Unchunkable::Malformed), "{text}");
        }
        assert_eq!(take(&"0".repeat(300)), Err(Unchunkable::Malformed));
    }
}
