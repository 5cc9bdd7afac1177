//! gzip (RFC 1952) out of bytes that come as they come, unpacked into no more than is wanted. The deflating inside is
//! `flate2`'s; header and trailer are read here, so that all of it can stop anywhere.

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// The fixed part of a header.
const HEADER_BYTES: usize = 10;
/// Checksum and length behind the data.
const TRAILER_BYTES: usize = 8;
/// The longest header that is taken, with the file names and comments that nobody sends.
const MAX_HEADER_BYTES: usize = 4 << 10;
/// Unpacked at once.
const PIECE_BYTES: usize = 32 << 10;

const TEXT: u8 = 1;
const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;

/// Why bytes cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// Its header is none, or one of a kind that nobody writes.
    #[error("it does not begin as gzip does")]
    Header,
    /// What is packed cannot be unpacked.
    #[error("it is damaged: what is packed cannot be unpacked")]
    Damaged,
    /// Checksum or length are not those of what was unpacked.
    #[error("it is damaged: what was unpacked is not what was packed")]
    Checksum,
    /// A bomb, or an honest body that is too long.
    #[error("it unpacks to more than {0} bytes, of which no more are taken")]
    TooLong(usize),
    /// Something follows behind its end. (A second member would be legal; no server sends one.)
    #[error("something follows behind its end")]
    Trailing,
    /// It ends too soon.
    #[error("it is cut short")]
    Truncated,
}

/// Unpacks one member after the other. What it works in is kept, so that nothing is allocated for it after
/// [`new`](Self::new).
pub struct Gunzip {
    inflate: Decompress,
    checksum: Crc,
    state: State,
    /// Bytes of the header, or of the trailer, that have come.
    seen: usize,
    trailer: [u8; TRAILER_BYTES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the header, with the flags once they are known.
    Header(Part, u8),
    Data,
    Trailer,
    Ended,
    Failed(GzipError),
}

/// The parts of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// So many of its bytes have come.
    Fixed(usize),
    /// A length in two bytes, of which so many have come.
    ExtraLength(u8, u16),
    Extra(u16),
    /// Up to a zero.
    Name,
    Comment,
    /// Two bytes, of which so many have come. They are not looked at: the data have a checksum of their own.
    Checksum(u8),
}

impl core::fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gunzip").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Default for Gunzip {
    fn default() -> Self {
        Self::new()
    }
}

impl Gunzip {
    /// Ready for a member.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            state: State::Header(Part::Fixed(0), 0),
            seen: 0,
            trailer: [0; TRAILER_BYTES],
        }
    }

    /// Ready for another member, whatever became of the last.
    pub fn reset(&mut self) {
        if self.state != State::Header(Part::Fixed(0), 0) {
            self.inflate.reset(false);
            self.checksum.reset();
            (self.state, self.seen) = (State::Header(Part::Fixed(0), 0), 0);
        }
    }

    /// Takes all of `input`, and puts what it unpacks to behind `into`, which never becomes longer than `max` bytes.
    ///
    /// # Errors
    /// If it is not gzip, or too much; then everything is refused until [`reset`](Self::reset).
    pub fn take(&mut self, input: &[u8], into: &mut Vec<u8>, max: usize) -> Result<(), GzipError> {
        let taken = self.advance(input, into, max);
        if let Err(error) = taken {
            self.state = State::Failed(error);
        }
        taken
    }

    /// All that there is has been taken.
    ///
    /// # Errors
    /// If that was not all of it.
    pub fn finish(&self) -> Result<(), GzipError> {
        match self.state {
            State::Ended => Ok(()),
            State::Failed(error) => Err(error),
            State::Header(..) | State::Data | State::Trailer => Err(GzipError::Truncated),
        }
    }

    fn advance(&mut self, mut input: &[u8], into: &mut Vec<u8>, max: usize) -> Result<(), GzipError> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                // What is packed may end without more input.
                State::Data => {
                    if !self.inflate(&mut input, into, max)? {
                        return Ok(());
                    }
                    (self.state, self.seen) = (State::Trailer, 0);
                }
                _ if input.is_empty() => return Ok(()),
                State::Ended => return Err(GzipError::Trailing),
                State::Header(part, flags) => {
                    let (byte, rest) = (input[0], &input[1..]);
                    input = rest;
                    self.state = self.header(part, flags, byte)?;
                }
                State::Trailer => {
                    self.trailer[self.seen] = input[0];
                    input = &input[1..];
                    self.seen += 1;
                    if self.seen == TRAILER_BYTES {
                        self.state = self.check()?;
                    }
                }
            }
        }
    }

    /// Takes a byte of the header.
    fn header(&mut self, part: Part, flags: u8, byte: u8) -> Result<State, GzipError> {
        self.seen += 1;
        if self.seen > MAX_HEADER_BYTES {
            return Err(GzipError::Header);
        }
        let next = match part {
            Part::Fixed(at) => {
                let is_good = match at {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    // Deflate, which is the only method there is.
                    2 => byte == 8,
                    // No flags that are not known.
                    3 => byte & !(TEXT | HEADER_CHECKSUM | EXTRA | NAME | COMMENT) == 0,
                    _ => true,
                };
                let flags = if at == 3 { byte } else { flags };
                return match at + 1 {
                    _ if !is_good => Err(GzipError::Header),
                    HEADER_BYTES => Ok(after(0, flags)),
                    at => Ok(State::Header(Part::Fixed(at), flags)),
                };
            }
            Part::ExtraLength(0, _) => Part::ExtraLength(1, byte.into()),
            Part::ExtraLength(_, low) => match low | u16::from(byte) << 8 {
                0 => return Ok(after(EXTRA, flags)),
                length => Part::Extra(length),
            },
            Part::Extra(1) => return Ok(after(EXTRA, flags)),
            Part::Extra(left) => Part::Extra(left - 1),
            Part::Name if byte == 0 => return Ok(after(NAME, flags)),
            Part::Comment if byte == 0 => return Ok(after(COMMENT, flags)),
            Part::Name | Part::Comment => part,
            Part::Checksum(0) => Part::Checksum(1),
            Part::Checksum(_) => return Ok(State::Data),
        };
        Ok(State::Header(next, flags))
    }

    /// Unpacks; true once there is no more.
    fn inflate(&mut self, input: &mut &[u8], into: &mut Vec<u8>, max: usize) -> Result<bool, GzipError> {
        loop {
            let (before, room) = (into.len(), max - into.len());
            // With no room left, one byte more shows that there is more.
            into.resize(before + room.clamp(1, PIECE_BYTES), 0);
            let (read, wrote) = (self.inflate.total_in(), self.inflate.total_out());
            let unpacked = self.inflate.decompress(input, &mut into[before..], FlushDecompress::None);
            let count = |now: u64, then: u64| usize::try_from(now - then).unwrap_or(usize::MAX);
            let (read, wrote) = (count(self.inflate.total_in(), read), count(self.inflate.total_out(), wrote));
            let filled = before + wrote == into.len();
            into.truncate(before + wrote.min(room));
            if wrote > room {
                return Err(GzipError::TooLong(max));
            }
            *input = &input[read..];
            self.checksum.update(&into[before..]);
            match unpacked {
                Ok(Status::StreamEnd) => return Ok(true),
                // Without input, what is left to be told fits what there was room for.
                Ok(_) if input.is_empty() && !filled => return Ok(false),
                Ok(_) if read > 0 || wrote > 0 => {}
                Ok(_) if input.is_empty() => return Ok(false),
                Ok(_) | Err(_) => return Err(GzipError::Damaged),
            }
        }
    }

    fn check(&self) -> Result<State, GzipError> {
        let word = |at: usize| {
            let bytes: [u8; 4] = self.trailer[at..at + 4].try_into().unwrap_or_default();
            u32::from_le_bytes(bytes)
        };
        let is_good = word(0) == self.checksum.sum() && word(4) == self.checksum.amount();
        if is_good { Ok(State::Ended) } else { Err(GzipError::Checksum) }
    }
}

/// What follows in a header after a part, of those that its flags announce.
fn after(part: u8, flags: u8) -> State {
    // They come in the order of their bits, but for the checksum, which is last.
    let comes = |next: u8| flags & next != 0 && part < next;
    if comes(EXTRA) {
        State::Header(Part::ExtraLength(0, 0), flags)
    } else if comes(NAME) {
        State::Header(Part::Name, flags)
    } else if comes(COMMENT) {
        State::Header(Part::Comment, flags)
    } else if flags & HEADER_CHECKSUM != 0 {
        State::Header(Part::Checksum(0), flags)
    } else {
        State::Data
    }
}

#[cfg(test)]
mod tests;
