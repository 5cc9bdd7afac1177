//! One message after the other, parsed in the same memory.

use simd_json::tape::Value;
use simd_json::{Buffers, Tape};

/// The deepest nesting that is looked into.
const MAX_DEPTH: usize = 32;

/// What parsing works in. Nothing is allocated once it has grown.
pub(super) struct TapeReader {
    /// The message, which parsing writes into.
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl TapeReader {
    pub(super) fn new() -> Self {
        Self { text: Vec::new(), buffers: Buffers::with_max_depth(4096, MAX_DEPTH), tape: Tape(Vec::new()) }
    }

    /// What `read` makes of the message; `None` if it is no JSON, or no UTF-8, or nested too deep.
    pub(super) fn read<T>(&mut self, message: &[u8], read: impl FnOnce(Value<'_, '_>) -> T) -> Option<T> {
        self.load(message);
        self.read_loaded(read)
    }

    /// Copies a message.
    pub(super) fn load(&mut self, message: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(message);
    }

    /// The same of the message that was copied last. It is spent by that.
    pub(super) fn read_loaded<T>(&mut self, read: impl FnOnce(Value<'_, '_>) -> T) -> Option<T> {
        let mut tape = core::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape);
        let made = parsed.ok().map(|()| read(tape.as_value()));
        self.tape = tape.reset();
        self.text.clear();
        made
    }
}
