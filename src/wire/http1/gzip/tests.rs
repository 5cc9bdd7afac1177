use super::*;
use crate::wire::http1::{HttpError, HttpLimits, ResponseParser};
use flate2::Compression;
use proptest::prelude::*;
use std::io::Write as _;

const MAX: usize = 1 << 16;

fn packed(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[expect(clippy::panic_in_result_fn, reason = "a test's helper")]
fn unpack(pieces: &[&[u8]], max: usize) -> Result<Vec<u8>, GzipError> {
    let (mut gunzip, mut plain) = (Gunzip::new(), Vec::new());
    for piece in pieces {
        gunzip.take(piece, &mut plain, max)?;
        assert!(plain.len() <= max);
    }
    gunzip.finish()?;
    Ok(plain)
}

fn pieces(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.iter_mut().for_each(|cut| *cut %= bytes.len() + 1);
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

/// Text that packs well, and bytes that do not.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2_000),
        (any::<u8>(), 0..50_000_usize).prop_map(|(byte, count)| vec![byte; count]),
        prop::collection::vec("[a-d]{1,6}", 0..2_000).prop_map(|words| words.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn whatever_was_packed_comes_out_however_it_is_cut(
        plain in plain(), level in 0..10_u32, cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let packed = packed(&plain, level);
        prop_assert_eq!(unpack(&pieces(&packed, cuts), MAX), Ok(plain.clone()));
        prop_assert_eq!(unpack(&[&packed], plain.len()), Ok(plain.clone()));
        if let Some(less) = plain.len().checked_sub(1) {
            prop_assert_eq!(unpack(&[&packed], less), Err(GzipError::TooLong(less)));
        }
    }

    #[test]
    fn damage_is_noticed_or_does_no_harm_however_it_is_cut(
        plain in plain(), level in 0..10_u32, at in any::<usize>(), bit in 0..8_u8,
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let mut packed = packed(&plain, level);
        let at = at % packed.len();
        packed[at] ^= 1 << bit;
        let whole = unpack(&[&packed], MAX);
        prop_assert_eq!(unpack(&pieces(&packed, cuts), MAX).is_err(), whole.is_err());
        // Some bits mean nothing: the time in the header, what fills the last byte of the data.
        prop_assert!(whole.is_err() || whole == Ok(plain), "{}", at);
    }

    #[test]
    fn what_is_cut_short_is_so_and_what_follows_is_too_much(plain in plain(), end in any::<usize>(), more in any::<u8>()) {
        let mut packed = packed(&plain, 6);
        let end = end % packed.len();
        prop_assert_eq!(unpack(&[&packed[..end]], MAX), Err(GzipError::Truncated));
        packed.push(more);
        prop_assert_eq!(unpack(&[&packed], MAX), Err(GzipError::Trailing));
    }

    #[test]
    fn no_bytes_make_it_panic_or_pass_the_bound(bytes in prop::collection::vec(any::<u8>(), 0..300), max in 0..200_usize) {
        let _ = unpack(&[&bytes], max);
        let _ = unpack(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0], &bytes], max);
    }
}

#[test]
fn every_part_of_a_header_is_passed_over_and_an_endless_one_is_refused() {
    let plain = b"hello".to_vec();
    let bare = packed(&plain, 6);
    for flags in 0..32_u8 {
        let mut bytes = bare[..HEADER_BYTES].to_vec();
        bytes[3] = flags;
        if flags & EXTRA != 0 {
            let extra: &[u8] = if flags & TEXT != 0 { &[0, 0] } else { &[3, 0, 1, 2, 3] };
            bytes.extend_from_slice(extra);
        }
        for flag in [NAME, COMMENT] {
            if flags & flag != 0 {
                bytes.extend_from_slice(b"name\0");
            }
        }
        if flags & HEADER_CHECKSUM != 0 {
            bytes.extend_from_slice(&[1, 2]);
        }
        bytes.extend_from_slice(&bare[HEADER_BYTES..]);
        for piece in [1, 3, bytes.len()] {
            assert_eq!(unpack(&bytes.chunks(piece).collect::<Vec<_>>(), MAX), Ok(plain.clone()), "flags {flags}");
        }
    }
    let endless = [&[0x1f, 0x8b, 8, NAME, 0, 0, 0, 0, 0, 0][..], &[b'x'; MAX_HEADER_BYTES]].concat();
    assert_eq!(unpack(&[&endless], MAX), Err(GzipError::Header));
    for at in 0..4 {
        let mut bytes = bare.clone();
        bytes[at] ^= 0x80;
        assert_eq!(unpack(&[&bytes], MAX), Err(GzipError::Header));
    }
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Encoding: {head}\r\n\r\n").as_bytes(), body].concat()
}

fn read(bytes: &[u8], piece: usize, max: usize) -> Result<Vec<u8>, HttpError> {
    let mut parser = ResponseParser::new(HttpLimits { max_body_bytes: max, ..HttpLimits::default() });
    parser.expect();
    for mut bytes in bytes.chunks(piece) {
        if let Some(response) = parser.next(&mut bytes)? {
            return Ok(response.body.to_vec());
        }
    }
    Ok(parser.finish()?.map(|response| response.body.to_vec()).unwrap_or_default())
}

#[test]
fn a_bomb_is_refused_at_the_bound_and_says_so() {
    let bomb = packed(&vec![0; 64 << 20], 9);
    assert!(bomb.len() < 100_000);
    let framed = response(&format!("gzip\r\nContent-Length: {}", bomb.len()), &bomb);
    let mut parser = ResponseParser::new(HttpLimits { max_body_bytes: 1 << 20, ..HttpLimits::default() });
    parser.expect();
    let error = parser.next(&mut &framed[..]).unwrap_err();
    assert_eq!(error, HttpError::Gzip(GzipError::TooLong(1 << 20)));
    assert!(error.to_string().contains("it unpacks to more than 1048576 bytes"), "{error}");
    assert!(parser.unpacked.capacity() <= 2 << 20, "{} bytes were made", parser.unpacked.capacity());
    // Packed bytes that never come to anything: empty blocks.
    let nothing = [&packed(b"", 0)[..HEADER_BYTES], &[0, 0, 0, 0xff, 0xff].repeat(1_000)].concat();
    let framed = response("gzip", &nothing);
    for piece in [100, framed.len()] {
        assert_eq!(read(&framed, piece, 4_000), Err(HttpError::BodyTooLong(4_000)));
    }
}

#[test]
fn a_response_is_unpacked_whatever_ends_its_body() {
    let plain = b"{\"records\":[]}".repeat(10);
    let body = packed(&plain, 6);
    let chunk = format!("{:x}\r\n", body.len());
    let chunked = [chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    for bytes in [
        response(&format!("gzip\r\nContent-Length: {}", body.len()), &body),
        response("GZIP\r\nTransfer-Encoding: chunked", &chunked),
        response("x-gzip", &body),
    ] {
        for piece in [1, 7, bytes.len()] {
            assert_eq!(read(&bytes, piece, 200), Ok(plain.clone()));
        }
    }
    assert_eq!(read(&response("identity\r\nContent-Length: 2", b"ok"), 9, 200), Ok(b"ok".to_vec()));
    assert_eq!(read(&response("gzip\r\nContent-Length: 0", b""), 9, 200), Ok(vec![]));
    for (head, body) in [("br", &b"ok"[..]), ("gzip, gzip", &body), ("gzip\r\nContent-Encoding: gzip", &body)] {
        assert_eq!(read(&response(head, body), 9, 200), Err(HttpError::ContentEncoding));
    }
    let short = &body[..body.len() - 1];
    let framed = response(&format!("gzip\r\nContent-Length: {}", short.len()), short);
    assert_eq!(read(&framed, 9, 200), Err(HttpError::Gzip(GzipError::Truncated)));
    assert_eq!(read(&response("gzip", short), 9, 200), Err(HttpError::Gzip(GzipError::Truncated)));
    let more = [&body[..], b"x"].concat();
    assert_eq!(read(&response("gzip", &more), 9, 200), Err(HttpError::Gzip(GzipError::Trailing)));
}
