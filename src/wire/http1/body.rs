//! A response's body, by whichever of its three ends.

use super::HttpError;

/// The longest line of a chunk's size with its extensions, or of a trailer.
const MAX_LINE_BYTES: usize = 256;
/// The most lines of trailers.
const MAX_TRAILER_LINES: u8 = 32;

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks, which end by themselves.
    Chunks(At),
    /// Everything until the connection ends.
    UntilClose,
}

/// Where among chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In a chunk's size line.
    Size,
    /// In a chunk, before so many bytes.
    Data(u64),
    /// In the empty line that ends a chunk.
    DataEnd,
    /// After the last chunk, after so many lines.
    Trailers(u8),
}

/// What has come. Kept from one response to the next.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) body: Vec<u8>,
    /// A chunk's size line, or a trailer, that comes in pieces.
    line: Vec<u8>,
}

impl Buffers {
    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.line.clear();
    }
}

impl Body {
    pub(super) fn chunks() -> Self {
        Self::Chunks(At::Size)
    }

    /// How long the body is announced to be, as far as it is.
    pub(super) fn announced(&self) -> u64 {
        match self {
            Self::Length(length) => *length,
            Self::Chunks(_) | Self::UntilClose => 0,
        }
    }

    /// Takes what `input` has of it; true once nothing is to come.
    pub(super) fn take(&mut self, into: &mut Buffers, input: &mut &[u8], max: usize) -> Result<bool, HttpError> {
        match self {
            Self::Length(left) => {
                take_bytes(left, &mut into.body, input, max)?;
                Ok(*left == 0)
            }
            Self::UntilClose => {
                take_bytes(&mut u64::MAX.clone(), &mut into.body, input, max)?;
                Ok(false)
            }
            Self::Chunks(at) => at.take(into, input, max),
        }
    }
}

impl At {
    fn take(&mut self, into: &mut Buffers, input: &mut &[u8], max: usize) -> Result<bool, HttpError> {
        loop {
            if let Self::Data(left) = self {
                take_bytes(left, &mut into.body, input, max)?;
                if *left > 0 {
                    return Ok(false);
                }
                *self = Self::DataEnd;
            }
            let Some(line) = take_line(&mut into.line, input)? else { return Ok(false) };
            *self = match *self {
                Self::Size => match chunk_size(line)? {
                    0 => Self::Trailers(0),
                    size => Self::Data(size),
                },
                Self::DataEnd if line.is_empty() => Self::Size,
                Self::Trailers(_) if line.is_empty() => return Ok(true),
                Self::Trailers(lines) if lines < MAX_TRAILER_LINES => Self::Trailers(lines + 1),
                Self::DataEnd | Self::Trailers(_) | Self::Data(_) => return Err(HttpError::Chunk),
            };
            into.line.clear();
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    // `parse_chunk_size` wants to see the line's end.
    let mut whole = [0; MAX_LINE_BYTES + 2];
    whole[..line.len()].copy_from_slice(line);
    whole[line.len()..line.len() + 2].copy_from_slice(b"\r\n");
    match httparse::parse_chunk_size(&whole[..line.len() + 2]) {
        Ok(httparse::Status::Complete((_, size))) => Ok(size),
        _ => Err(HttpError::Chunk),
    }
}

/// The line without its end, which must be CR LF, once that has come.
fn take_line<'l>(line: &'l mut Vec<u8>, input: &mut &[u8]) -> Result<Option<&'l [u8]>, HttpError> {
    while let Some((byte, rest)) = input.split_first() {
        *input = rest;
        if *byte == b'\n' {
            return line.strip_suffix(b"\r").map(Some).ok_or(HttpError::Chunk);
        }
        if line.len() == MAX_LINE_BYTES {
            return Err(HttpError::Chunk);
        }
        line.push(*byte);
    }
    Ok(None)
}

fn take_bytes(left: &mut u64, body: &mut Vec<u8>, input: &mut &[u8], max: usize) -> Result<(), HttpError> {
    let count = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    if count > max - body.len() {
        return Err(HttpError::BodyTooLong(max));
    }
    let (taken, rest) = input.split_at(count);
    body.extend_from_slice(taken);
    *input = rest;
    *left -= count as u64;
    Ok(())
}
