//! However a response is cut, the same comes out of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::http1::{HttpError, HttpLimits, Response, ResponseParser};

const LIMITS: HttpLimits = HttpLimits { max_head_bytes: 1 << 10, max_body_bytes: 1 << 10 };

type Found = Result<Option<(u16, Vec<u8>, bool)>, HttpError>;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, stream) = input;
    let whole = read(stream, stream.len().max(1));
    let cut = read(stream, usize::from(piece).max(1));
    // Which of two faults is met first may depend on the cut: a head can be too long and wrong.
    assert!(whole == cut || (whole.is_err() && cut.is_err()), "whole {whole:?}, cut {cut:?}");
});

fn read(stream: &[u8], piece: usize) -> Found {
    let mut parser = ResponseParser::new(LIMITS);
    parser.expect();
    for mut bytes in stream.chunks(piece) {
        if let Some(found) = owned(parser.next(&mut bytes))? {
            return Ok(Some(found));
        }
    }
    owned(parser.finish())
}

fn owned(response: Result<Option<Response<'_>>, HttpError>) -> Found {
    Ok(response?.map(|found| {
        assert!(found.body.len() <= LIMITS.max_body_bytes);
        (found.status, found.body.to_vec(), found.keep_alive)
    }))
}
