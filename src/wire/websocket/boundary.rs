//! Whether a stream of a server's frames may end where it does.

/// Follows frames by their headers, so that an end inside a message can be told from one between two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Boundary {
    header: [u8; Self::MAX_HEADER_BYTES],
    header_len: usize,
    /// Bytes of the current frame that are still to come, once its header is whole.
    payload_left: u64,
    /// A message was begun by a frame that is not its last.
    is_fragmented: bool,
}

impl Boundary {
    const MAX_HEADER_BYTES: usize = 10;

    pub(super) fn is_inside_message(&self) -> bool {
        self.header_len > 0 || self.payload_left > 0 || self.is_fragmented
    }

    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let passed = bytes.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                bytes = &bytes[passed..];
                self.payload_left -= passed as u64;
                continue;
            }
            self.header[self.header_len] = bytes[0];
            bytes = &bytes[1..];
            self.header_len += 1;
            if let Some(payload) = self.payload_bytes() {
                self.begin_payload(payload);
            }
        }
    }

    /// What the header announces, once it is whole. (A server's frames have no mask; one that has is refused anyway.)
    fn payload_bytes(&self) -> Option<u64> {
        let header = &self.header[..self.header_len];
        match (header, header.get(1)? & 0x7f) {
            ([_, _, high, low], 126) => Some(u64::from(u16::from_be_bytes([*high, *low]))),
            ([_, _, length @ ..], 127) => length.try_into().ok().map(u64::from_be_bytes),
            (_, 126) => None,
            (_, length) => Some(u64::from(length)),
        }
    }

    fn begin_payload(&mut self, payload: u64) {
        const FINAL: u8 = 0x80;
        const CONTROL: u8 = 0x08;
        if self.header[0] & CONTROL == 0 {
            self.is_fragmented = self.header[0] & FINAL == 0;
        }
        self.header_len = 0;
        self.payload_left = payload;
    }
}
