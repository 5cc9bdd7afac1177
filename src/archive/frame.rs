//! A ledger on the disk: one zstd frame with a checksum, and in it the record mark and the ledger, so that
//! `zstd --decompress` of a whole file gives what stellar-core wrote.

use super::failure::ArchiveError;
use crate::wire::record_mark::{MARK_BYTES, announced_bytes, mark_of};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use zstd::zstd_safe::CParameter;

/// zstd's own default: faster than ledgers come from any network, and a quarter of their size.
const LEVEL: i32 = 3;

/// Makes frames. Keeps its memory from one to the next.
pub(super) struct FrameMaker {
    compressor: zstd::bulk::Compressor<'static>,
    marked: Vec<u8>,
}

impl FrameMaker {
    pub(super) fn new() -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor, marked: Vec::new() })
    }

    /// The frame of a ledger.
    pub(super) fn frame(&mut self, ledger: &[u8]) -> io::Result<Vec<u8>> {
        let mark = mark_of(ledger.len()).ok_or_else(|| {
            let why = format!("a ledger of {} bytes fits no record mark", ledger.len());
            io::Error::new(ErrorKind::InvalidInput, why)
        })?;
        self.marked.clear();
        self.marked.extend_from_slice(&mark);
        self.marked.extend_from_slice(ledger);
        self.compressor.compress(&self.marked)
    }
}

/// What stands where the next frame should.
#[derive(Debug)]
pub(super) enum Found {
    /// A ledger.
    Ledger,
    /// The file's end.
    End,
    /// The beginning of a frame, and then the file's end: its writer was stopped.
    Torn,
    /// No frame, or one that is broken.
    Damaged(String),
}

/// Reads a file frame by frame.
pub(super) struct FrameReader {
    path: PathBuf,
    input: Counted<BufReader<File>>,
    max_ledger_bytes: usize,
    /// Where the frame that was read last begins.
    frame_at: u64,
}

impl FrameReader {
    pub(super) fn open(path: &Path, max_ledger_bytes: usize) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::io("open", path))?;
        let input = Counted { inner: BufReader::with_capacity(64 * 1024, file), count: 0 };
        Ok(Self { path: path.to_owned(), input, max_ledger_bytes, frame_at: 0 })
    }

    /// How far the file was read.
    pub(super) fn end(&self) -> u64 {
        self.input.count
    }

    /// The file and the place of the last frame, for an error.
    pub(super) fn place(&self) -> String {
        format!("{}: the frame at byte {}", self.path.display(), self.frame_at)
    }

    /// Reads the next frame's ledger into `into`.
    pub(super) fn next(&mut self, into: &mut Vec<u8>) -> Result<Found, ArchiveError> {
        self.frame_at = self.input.count;
        match self.read(into) {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.is_at_end() => Ok(Found::Torn),
            // zstd's own errors have no number of the system's.
            Err(error) if error.raw_os_error().is_none() => Ok(Found::Damaged(error.to_string())),
            Err(error) => Err(ArchiveError::io("read", &self.path)(error)),
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.input.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Found> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(Found::End);
        }
        let mut content = zstd::stream::read::Decoder::with_buffer(&mut self.input)?.single_frame();
        let mut mark = [0; MARK_BYTES];
        content.read_exact(&mut mark)?;
        let length = match announced_bytes(mark, self.max_ledger_bytes, 0) {
            Ok(length) => length,
            Err(error) => return Ok(Found::Damaged(error.to_string())),
        };
        into.clear();
        // One byte more than was announced: it must not be there, and asking for it checks the frame's checksum.
        content.take(length as u64 + 1).read_to_end(into)?;
        match into.len().cmp(&length) {
            core::cmp::Ordering::Equal => Ok(Found::Ledger),
            core::cmp::Ordering::Less => Ok(Found::Damaged(format!("{} of {length} bytes are there", into.len()))),
            core::cmp::Ordering::Greater => Ok(Found::Damaged(format!("more than the {length} bytes it announces"))),
        }
    }
}

/// Counts what is taken, so that it is known where frames begin.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count += amount as u64;
        self.inner.consume(amount);
    }
}
