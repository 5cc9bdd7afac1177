//! One reader of the stream.

use super::log::Log;
use mio::net::{TcpStream, UnixStream};
use std::io::{self, ErrorKind, Read, Write};

/// Bytes that one client is given before the next has its turn.
const TURN_BYTES: usize = 64 << 10;

/// A client's socket.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => { stream }.read(buffer),
            Socket::Tcp(stream) => { stream }.read(buffer),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => { stream }.write(bytes),
            Socket::Tcp(stream) => { stream }.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a client went.
#[derive(Debug)]
pub enum Gone {
    /// It closed its connection, or lost it.
    Left(Option<io::Error>),
    /// Its next record had to go before it took it.
    TooSlow {
        /// How many records it was behind.
        records: u64,
    },
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: Socket,
    /// What it was given as its name in the log: the how-many-eth client it is.
    pub(super) number: u64,
    /// The record that it is given, and how many bytes of it it has.
    next: u64,
    offset: usize,
    writable: bool,
}

impl Client {
    pub(super) fn new(socket: Socket, number: u64, begin: u64) -> Self {
        Self { socket, number, next: begin, offset: 0, writable: true }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn on_writable(&mut self) {
        self.writable = true;
    }

    /// Whether it could be given something at once.
    pub(super) fn wants_turn(&self, log: &Log) -> bool {
        self.writable && self.next < log.end()
    }

    /// Looks whether it is still there. Whatever it says is nothing to us.
    pub(super) fn on_readable(&self) -> Result<(), Gone> {
        let mut scrap = [0; 4096];
        loop {
            match (&self.socket).read(&mut scrap) {
                Ok(0) => return Err(Gone::Left(None)),
                // One that talks does not keep the others waiting: it is one of ours, or it is none.
                Ok(_) => return Err(Gone::Left(Some(io::Error::other("it sends bytes, which no reader does")))),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Gone::Left(Some(error))),
            }
        }
    }

    /// Gives it what it takes, up to a turn's share.
    pub(super) fn write(&mut self, log: &Log) -> Result<(), Gone> {
        if log.is_gone(self.next) {
            return Err(Gone::TooSlow { records: log.end() - self.next });
        }
        let mut left = TURN_BYTES;
        while left > 0 && self.writable {
            let Some(record) = log.get(self.next) else { return Ok(()) };
            let rest = &record[self.offset..];
            let rest = &rest[..rest.len().min(left)];
            match (&self.socket).write(rest) {
                Ok(count) => {
                    left -= count;
                    self.offset += count;
                    if self.offset == record.len() {
                        (self.next, self.offset) = (self.next + 1, 0);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(Gone::Left(Some(error))),
            }
        }
        Ok(())
    }
}
