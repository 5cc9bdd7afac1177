//! However a packed body is cut, what comes out is the same; and never more than is allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::http1::{Gunzip, GzipError};

const MAX: usize = 4_096;

fn unpack(bytes: &[u8], piece: usize) -> Result<Vec<u8>, GzipError> {
    let (mut gunzip, mut plain) = (Gunzip::new(), Vec::new());
    for input in bytes.chunks(piece) {
        gunzip.take(input, &mut plain, MAX)?;
        assert!(plain.len() <= MAX);
    }
    gunzip.finish()?;
    Ok(plain)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let (cut, whole) = (unpack(bytes, usize::from(*piece) + 1), unpack(bytes, bytes.len().max(1)));
    assert_eq!(cut.is_ok(), whole.is_ok());
    if let (Ok(cut), Ok(whole)) = (cut, whole) {
        assert_eq!(cut, whole);
    }
});
