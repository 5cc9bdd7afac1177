//! Where clients come in.

use super::client::Socket;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::fs::Mode;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// A listening socket.
#[derive(Debug)]
pub enum Door {
    /// On a path; removed when this is dropped.
    Unix(UnixListener, PathBuf),
    /// On an address.
    Tcp(TcpListener),
}

impl Door {
    /// A Unix socket that its owner alone may open (0600). One that a dead process has left behind is replaced; one on
    /// which somebody listens is not. (The mode is set by the umask, which is the process's: no other thread may create
    /// files meanwhile.)
    ///
    /// # Errors
    /// If something else is at `path`, or the system says no.
    pub fn unix(path: &Path) -> io::Result<Self> {
        remove_dead(path)?;
        let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        Ok(Self::Unix(bound?, path.to_owned()))
    }

    /// TCP. Whoever reaches the port reads the stream.
    ///
    /// # Errors
    /// If the address is taken, or not ours.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).map(Self::Tcp)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Unix(_, path) => format!("unix:{}", path.display()),
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "tcp".to_owned(), |address| format!("tcp://{address}"))
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Unix(listener, _) => registry.register(listener, token, Interest::READABLE),
            Self::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    /// The next who waits, its events asked for under `token`; `None` if nobody does.
    pub(super) fn accept(&self, registry: &Registry, token: Token) -> io::Result<Option<Socket>> {
        let both = Interest::READABLE | Interest::WRITABLE;
        loop {
            let accepted = match self {
                Self::Unix(listener, _) => listener.accept().and_then(|(mut stream, _)| {
                    registry.register(&mut stream, token, both)?;
                    Ok(Socket::Unix(stream))
                }),
                Self::Tcp(listener) => listener.accept().and_then(|(mut stream, _)| {
                    registry.register(&mut stream, token, both)?;
                    stream.set_nodelay(true)?;
                    Ok(Socket::Tcp(stream))
                }),
            };
            match accepted {
                Ok(socket) => return Ok(Some(socket)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                // Who gave up before it was its turn.
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // If somebody else was faster, all the better.
            drop(std::fs::remove_file(path));
        }
    }
}

fn remove_dead(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "something that is no socket is there"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process serves there")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}
