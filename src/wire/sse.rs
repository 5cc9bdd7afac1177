//! Server-sent events (WHATWG HTML, section 9.2) out of a body that comes cut anywhere.

/// Bounds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// The longest line, bytes, without its end.
    pub max_line_bytes: usize,
    /// The longest data of an event, bytes, lines joined.
    pub max_event_bytes: usize,
}

impl Default for SseLimits {
    fn default() -> Self {
        Self { max_line_bytes: 256 << 10, max_event_bytes: 256 << 10 }
    }
}

/// Why a stream is given up. Begin anew on a fresh connection, after [`SseParser::reset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line is longer than the bound.
    #[error("a line of the event stream is longer than {0} bytes")]
    LineTooLong(usize),
    /// An event's data are longer than the bound.
    #[error("an event of the stream has more than {0} bytes of data")]
    EventTooLong(usize),
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// Its kind; empty for a plain message.
    pub kind: &'a [u8],
    /// Its data, lines joined by LF.
    pub data: &'a [u8],
    /// The last id that the stream has told, in this event or an earlier one; empty if none.
    pub id: &'a [u8],
}

/// Reads events. Its buffers are kept, so that nothing is allocated once they have grown.
#[derive(Debug)]
pub struct SseParser {
    limits: SseLimits,
    line: Vec<u8>,
    kind: Vec<u8>,
    /// Each line of data with an LF behind it.
    data: Vec<u8>,
    id: Vec<u8>,
    /// The id of the event that is being read; it becomes the stream's with the event's end.
    next_id: Vec<u8>,
    retry_ms: Option<u64>,
    /// Whether no line has ended yet: only the first may begin with a byte order mark.
    first: bool,
    /// The last line ended in CR: an LF that follows belongs to that end.
    after_cr: bool,
    handed_out: bool,
    failed: Option<SseError>,
}

impl SseParser {
    /// A parser that takes no more than `limits`.
    #[must_use]
    pub fn new(limits: SseLimits) -> Self {
        Self {
            limits,
            line: Vec::new(),
            kind: Vec::new(),
            data: Vec::new(),
            id: Vec::new(),
            next_id: Vec::new(),
            retry_ms: None,
            first: true,
            after_cr: false,
            handed_out: false,
            failed: None,
        }
    }

    /// A fresh connection: what was begun is dropped; the last id and `retry` are kept, as a client that comes again
    /// needs them.
    pub fn reset(&mut self) {
        self.line.clear();
        self.clear_event();
        self.next_id.clear();
        self.next_id.extend_from_slice(&self.id);
        (self.first, self.after_cr, self.failed) = (true, false, None);
    }

    /// The id of the last whole event that had one; empty if none had.
    #[must_use]
    pub fn last_id(&self) -> &[u8] {
        &self.id
    }

    /// How long the server wants a client to wait before it comes again, milliseconds, if it said so.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// The next event, once it is whole, taking what it needs from the front of `input`.
    ///
    /// # Errors
    /// If a bound is passed; then everything is refused until [`reset`](Self::reset).
    pub fn next<'s>(&'s mut self, input: &mut &[u8]) -> Result<Option<SseEvent<'s>>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.handed_out {
            self.clear_event();
        }
        match self.advance(input) {
            Ok(true) => {
                self.handed_out = true;
                let data = self.data.strip_suffix(b"\n").unwrap_or(&self.data);
                Ok(Some(SseEvent { kind: &self.kind, data, id: &self.id }))
            }
            Ok(false) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    fn clear_event(&mut self) {
        self.kind.clear();
        self.data.clear();
        self.handed_out = false;
    }

    /// Takes lines until one ends an event.
    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, SseError> {
        while !input.is_empty() {
            if core::mem::take(&mut self.after_cr) && input[0] == b'\n' {
                *input = &input[1..];
                continue;
            }
            let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let piece = &input[..end.unwrap_or(input.len())];
            if piece.len() > self.limits.max_line_bytes - self.line.len() {
                return Err(SseError::LineTooLong(self.limits.max_line_bytes));
            }
            self.line.extend_from_slice(piece);
            let Some(end) = end else {
                *input = &[];
                return Ok(false);
            };
            self.after_cr = input[end] == b'\r';
            *input = &input[end + 1..];
            if self.line_ended()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Uses a whole line; true if an event ends with it.
    fn line_ended(&mut self) -> Result<bool, SseError> {
        let mut line: &[u8] = &self.line;
        if core::mem::take(&mut self.first) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            self.line.clear();
            self.id.clone_from(&self.next_id);
            if self.data.is_empty() {
                self.kind.clear();
            }
            return Ok(!self.data.is_empty());
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                // Each line before had an LF, which joins it to this one.
                if value.len() + self.data.len() > self.limits.max_event_bytes {
                    return Err(SseError::EventTooLong(self.limits.max_event_bytes));
                }
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => replace(&mut self.kind, value),
            b"id" if !value.contains(&0) => replace(&mut self.next_id, value),
            b"retry" => self.retry_ms = decimal(value).or(self.retry_ms),
            // Comments, which have no name, and fields that nobody knows.
            _ => {}
        }
        self.line.clear();
        Ok(false)
    }
}

fn replace(field: &mut Vec<u8>, value: &[u8]) {
    field.clear();
    field.extend_from_slice(value);
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit).then_some(text)?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
