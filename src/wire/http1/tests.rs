use super::*;
use proptest::prelude::*;

const LIMITS: HttpLimits = HttpLimits { max_head_bytes: 256, max_body_bytes: 64 };

type Read = Result<Option<(u16, Vec<u8>, bool)>, HttpError>;

fn owned(response: Result<Option<Response<'_>>, HttpError>) -> Read {
    response.map(|found| found.map(|r| (r.status, r.body.to_vec(), r.keep_alive)))
}

/// What comes of `bytes`, handed in in pieces of `piece`, and of the connection's end after them.
fn read(bytes: &[u8], piece: usize) -> Read {
    let mut parser = ResponseParser::new(LIMITS);
    parser.expect();
    for mut piece in bytes.chunks(piece) {
        if let Some(found) = owned(parser.next(&mut piece))? {
            return Ok(Some(found).filter(|_| piece.is_empty()));
        }
    }
    owned(parser.finish())
}

/// (bytes, status, body, keep-alive)
fn good() -> Vec<(&'static [u8], u16, &'static [u8], bool)> {
    vec![
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 200, b"", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nok", 200, b"ok", true),
        (b"HTTP/1.1 503 Busy\r\nX-Other: 1\r\n\r\nuntil the end", 503, b"until the end", false),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", true),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\ncontent-length: 1\r\n\r\n!", 400, b"!", true),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n, everyone\r\n0\r\nT: 1\r\n\r\n",
            200,
            b"hello, everyone",
            true,
        ),
    ]
}

proptest! {
    #[test]
    fn responses_are_read_whole_wherever_they_are_cut(which in 0..good().len(), piece in 1_usize..40) {
        let (bytes, status, body, keep_alive) = good()[which];
        prop_assert_eq!(read(bytes, piece), Ok(Some((status, body.to_vec(), keep_alive))));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..40) {
        let _ = read(&bytes, piece);
        let mut damaged = good()[7].0.to_vec();
        for (at, byte) in bytes.iter().enumerate().take(3) {
            let place = (at * 31 + usize::from(*byte)) % damaged.len();
            damaged[place] ^= byte;
        }
        let _ = read(&damaged, piece);
    }
}

#[test]
fn a_response_cut_short_is_truncated() {
    for (bytes, _, _, keep_alive) in good().into_iter().filter(|response| response.3) {
        assert!(keep_alive);
        for end in 1..bytes.len() {
            assert_eq!(read(&bytes[..end], 7), Err(HttpError::Truncated), "{end} bytes of {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn what_cannot_be_relied_upon_is_refused() {
    let cases: [(&[u8], HttpError); 10] = [
        (b"ICY 200 OK\r\n\r\n", HttpError::Head(httparse::Error::Version)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", HttpError::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", HttpError::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", HttpError::ContentLength),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HttpError::TransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", HttpError::Chunk),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", HttpError::Chunk),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n", HttpError::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n", HttpError::BodyTooLong(64)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", HttpError::ContentLength),
    ];
    for (bytes, error) in cases {
        for piece in [1, 5, bytes.len()] {
            assert_eq!(read(bytes, piece), Err(error), "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn bounds_hold_where_nothing_is_announced() {
    let head = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 300]].concat();
    assert_eq!(read(&head, 50), Err(HttpError::HeadTooLong(256)));
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 65]].concat();
    assert_eq!(read(&endless, 10), Err(HttpError::BodyTooLong(64)));
    let chunks =
        [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &b"8\r\n01234567\r\n".repeat(9)].concat();
    assert_eq!(read(&chunks, 10), Err(HttpError::BodyTooLong(64)));
}

#[test]
fn one_response_a_request_and_headers_by_name() {
    let mut parser = ResponseParser::new(HttpLimits::default());
    assert_eq!(parser.next(&mut &b"HTTP/1.1"[..]).err(), Some(HttpError::Unasked));
    parser.reset();
    for _ in 0..3 {
        parser.expect();
        assert!(parser.is_waiting());
        let mut input = &b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\n."[..];
        let response = parser.next(&mut input).unwrap().unwrap();
        assert_eq!(response.header("retry-after"), Some(&b"7"[..]));
        assert_eq!(response.header("etag"), None);
        assert!(!parser.is_waiting());
    }
    assert_eq!(parser.next(&mut &b"HTTP/1.1"[..]).err(), Some(HttpError::Unasked));
}
