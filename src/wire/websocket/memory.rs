//! A stream that is two pieces of memory.

use std::io::{self, Read, Write};

/// Reads from `input` until that is used up, writes behind `output` up to its bound; beyond either it "would block".
#[derive(Debug)]
pub(super) struct Memory<'m, 'i> {
    pub(super) input: &'m mut &'i [u8],
    pub(super) output: &'m mut Vec<u8>,
    pub(super) max_output: usize,
}

impl Read for Memory<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(into)
    }
}

impl Write for Memory<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.max_output.saturating_sub(self.output.len()));
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.output.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
