//! However a stream is cut, the same messages come out of it, and the same error ends them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::record_mark::{RecordError, RecordSplitter};

const MAX_MESSAGE_BYTES: usize = 1 << 12;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, stream) = input;
    let whole = split(stream, stream.len().max(1));
    let cut = split(stream, usize::from(piece).max(1));
    assert_eq!(whole, cut);
});

fn split(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Result<(), RecordError>) {
    let mut splitter = RecordSplitter::new(MAX_MESSAGE_BYTES);
    let mut messages = Vec::new();
    for mut bytes in stream.chunks(piece) {
        loop {
            match splitter.next(&mut bytes) {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(splitter.buffer_capacity() <= 2 * MAX_MESSAGE_BYTES);
    }
    (messages, splitter.finish())
}
