//! The reading end of a named pipe that must never be closed, because whatever writes to it would suffer.

use super::failure::Failure;
use super::transport::Socket;
use mio::{Registry, Token};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Dry,
    /// The last writer has gone. What comes next is another writer's first byte.
    Ended,
}

/// A named pipe, opened once and kept.
#[derive(Debug)]
pub struct Inlet(Socket);

impl Inlet {
    /// Opens it, waiting for no writer.
    ///
    /// # Errors
    /// If it cannot be opened, or is no pipe.
    pub fn open(path: &Path, registry: &Registry, token: Token) -> io::Result<Self> {
        let refused = |failure: Failure| io::Error::other(failure.to_string());
        let mut socket = Socket::pipe(path).map_err(refused)?;
        socket.register(registry, token).map_err(refused)?;
        Ok(Self(socket))
    }

    /// Asks the kernel for a longer queue than 64 KiB, so that a writer need not wait for each piece to be taken. Without
    /// it, it is slower, and no less right: hence no error.
    pub fn widen(&self, bytes: usize) {
        if let Socket::Pipe(pipe) = &self.0 {
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, bytes);
        }
    }

    /// Reads what is there. After [`Arrived::Dry`] and [`Arrived::Ended`] the next is announced as an event.
    ///
    /// # Errors
    /// If the kernel says so.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Arrived> {
        loop {
            return match self.0.read(buffer) {
                Ok(0) => Ok(Arrived::Ended),
                Ok(count) => Ok(Arrived::Bytes(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Arrived::Dry),
                Err(error) => Err(error),
            };
        }
    }
}
