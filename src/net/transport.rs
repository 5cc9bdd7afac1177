//! The three kinds of descriptor behind one face, and TLS over byte slices.

use super::endpoint::TlsSettings;
use super::failure::Failure;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::{FileType, Mode, OFlags};
use rustls::ClientConnection;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::Path;

/// A descriptor that never blocks.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Pipe(File),
}

impl Socket {
    pub(super) fn tcp(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).map_err(Failure::Connect)?;
        // Small messages go at once. A kernel that refuses costs latency, not correctness.
        drop(stream.set_nodelay(true));
        Ok(Self::Tcp(stream))
    }

    pub(super) fn unix(path: &Path) -> Result<Self, Failure> {
        UnixStream::connect(path).map(Self::Unix).map_err(Failure::Connect)
    }

    /// The reading end of a named pipe. Opening it does not wait for a writer.
    pub(super) fn pipe(path: &Path) -> Result<Self, Failure> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| Failure::Connect(error.into()))?;
        let kind = rustix::fs::fstat(&file).map_err(|error| Failure::Connect(error.into()))?;
        if FileType::from_raw_mode(kind.st_mode) != FileType::Fifo {
            return Err(Failure::NotAPipe(path.to_owned()));
        }
        Ok(Self::Pipe(file.into()))
    }

    /// Asks for this descriptor's events. (The kernel forgets the request when the descriptor is closed.)
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> Result<(), Failure> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = match self {
            Self::Tcp(stream) => stream.register(registry, token, both),
            Self::Unix(stream) => stream.register(registry, token, both),
            Self::Pipe(file) => SourceFd(&file.as_raw_fd()).register(registry, token, Interest::READABLE),
        };
        registered.map_err(Failure::Connect)
    }

    /// Whether connecting has come to an end, and which.
    pub(super) fn is_connected(&self) -> Result<bool, Failure> {
        let Self::Tcp(stream) = self else { return Ok(true) };
        if let Some(error) = stream.take_error().map_err(Failure::Connect)? {
            return Err(Failure::Connect(error));
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(Failure::Connect(error)),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Pipe(file) => file.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Pipe(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(parts),
            Self::Unix(stream) => stream.write_vectored(parts),
            Self::Pipe(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls `io` again as long as signals interrupt it; `None` if it would block.
pub(super) fn unless_blocked(mut io: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match io() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The TLS of one connection.
#[derive(Debug)]
pub(super) struct Tls(Box<ClientConnection>);

/// What came of a piece of ciphertext.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decrypted {
    /// Bytes of plain text.
    pub(super) length: usize,
    /// The peer has said good-bye.
    pub(super) ended: bool,
}

impl Tls {
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, Failure> {
        let connection = ClientConnection::new(settings.config.clone(), settings.name.clone());
        connection.map(|connection| Self(Box::new(connection))).map_err(Failure::Tls)
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Takes all of `cipher` and puts what it says into `plain`, which must hold a record more than `cipher` can.
    pub(super) fn decrypt(&mut self, mut cipher: &[u8], plain: &mut [u8]) -> Result<Decrypted, Failure> {
        let mut decrypted = Decrypted { length: 0, ended: false };
        while !cipher.is_empty() && !decrypted.ended {
            self.0.read_tls(&mut cipher).map_err(Failure::Read)?;
            let state = self.0.process_new_packets().map_err(Failure::Tls)?;
            decrypted.ended = state.peer_has_closed();
            let waiting = state.plaintext_bytes_to_read();
            if waiting > 0 {
                let room = &mut plain[decrypted.length..decrypted.length + waiting];
                self.0.reader().read_exact(room).map_err(Failure::Read)?;
                decrypted.length += waiting;
            }
        }
        Ok(decrypted)
    }

    /// Takes as much of `plain` as there is room for.
    pub(super) fn encrypt(&mut self, plain: &[u8]) -> Result<usize, Failure> {
        self.0.writer().write(plain).map_err(Failure::Write)
    }

    /// Writes waiting ciphertext until all is written (true) or the socket is full (false).
    pub(super) fn write_to(&mut self, socket: &mut Socket) -> Result<bool, Failure> {
        while self.0.wants_write() {
            if unless_blocked(|| self.0.write_tls(socket)).map_err(Failure::Write)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
