//! However a stream is cut, its events are the same; and its bounds hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::sse::{SseError, SseLimits, SseParser};

const LIMITS: SseLimits = SseLimits { max_line_bytes: 64, max_event_bytes: 96 };

type Events = Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>;

fn read(bytes: &[u8], piece: usize) -> (Events, Option<SseError>) {
    let (mut parser, mut events) = (SseParser::new(LIMITS), Vec::new());
    for mut input in bytes.chunks(piece) {
        loop {
            match parser.next(&mut input) {
                Ok(Some(event)) => {
                    assert!(event.data.len() <= LIMITS.max_event_bytes);
                    events.push((event.kind.to_vec(), event.data.to_vec(), event.id.to_vec()));
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    assert_eq!(read(bytes, usize::from(*piece) + 1), read(bytes, bytes.len().max(1)));
});
