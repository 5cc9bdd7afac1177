//! A small bounded server: one thread accepts, one thread serves each connection, and stopping ends them all at once.
//!
//! A thread a connection is what keeps an idle connection from holding up a busy one; the bound keeps that affordable.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the accepting thread rests after an error of the system (out of file descriptors, say).
const ACCEPT_ERROR_REST: Duration = Duration::from_millis(10);

/// A connected socket.
pub(crate) trait Socket: std::fmt::Debug + Send + Sync + 'static {
    /// Ends both directions: whoever waits in a read or a write of it returns.
    fn shut_down(&self);
}

/// A listening socket.
pub(crate) trait Listener: Send + Sync + 'static {
    /// What it accepts.
    type Socket: Socket;

    /// Waits for the next connection.
    fn accept(&self) -> io::Result<Self::Socket>;

    /// Makes a waiting [`accept`](Self::accept) return, by connecting to it.
    fn wake(&self);
}

impl Socket for TcpStream {
    fn shut_down(&self) {
        // An error means that the peer was faster.
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Listener for TcpListener {
    type Socket = TcpStream;

    fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn wake(&self) {
        if let Ok(address) = self.local_addr() {
            let _ = TcpStream::connect(address);
        }
    }
}

impl Socket for UnixStream {
    fn shut_down(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Listener for UnixListener {
    type Socket = UnixStream;

    fn accept(&self) -> io::Result<UnixStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }

    fn wake(&self) {
        if let Ok(address) = self.local_addr()
            && let Some(path) = address.as_pathname()
        {
            let _ = UnixStream::connect(path);
        }
    }
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Server<L: Listener> {
    shared: Arc<Shared<L>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared<L: Listener> {
    name: &'static str,
    listener: L,
    max_connections: usize,
    refused: AtomicU64,
    connections: Mutex<Connections<L::Socket>>,
}

#[derive(Debug)]
struct Connections<S> {
    stopping: bool,
    open: FxHashMap<u64, Arc<S>>,
}

impl<L: Listener> Server<L> {
    /// Serves every connection with `serve` on a thread of its own, at most `max_connections` at once; a connection
    /// beyond that is closed without a byte and counted.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        name: &'static str,
        listener: L,
        max_connections: usize,
        serve: impl Fn(&Arc<L::Socket>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let connections = Mutex::new(Connections { stopping: false, open: FxHashMap::default() });
        let shared = Arc::new(Shared { name, listener, max_connections, refused: AtomicU64::new(0), connections });
        let accepting = Arc::clone(&shared);
        let thread = thread::Builder::new().name(name.into()).spawn(move || accepting.run(&serve))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Connections that were closed at once because there were too many.
    pub(crate) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Accepts no more, ends every connection and waits for their threads.
    pub(crate) fn stop(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        {
            let mut connections = self.shared.connections.lock();
            connections.stopping = true;
            connections.open.values().for_each(|socket| socket.shut_down());
        }
        self.shared.listener.wake();
        // A panic of a serving thread was reported by the thread itself.
        let _ = thread.join();
    }
}

impl<L: Listener> Drop for Server<L> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<L: Listener> Shared<L> {
    fn run(&self, serve: &(impl Fn(&Arc<L::Socket>) + Send + Sync)) {
        thread::scope(|scope| {
            for id in 0_u64.. {
                let socket = match self.listener.accept() {
                    Ok(socket) => Some(Arc::new(socket)),
                    Err(_) => None,
                };
                match self.admit(id, socket.as_ref()) {
                    Admission::Stopping => break,
                    Admission::Refused => continue,
                    Admission::Admitted => {}
                }
                let Some(socket) = socket else {
                    thread::sleep(ACCEPT_ERROR_REST);
                    continue;
                };
                let slot = Slot { shared: self, id };
                let spawned = thread::Builder::new().name(self.name.into()).spawn_scoped(scope, move || {
                    let _slot = slot;
                    serve(&socket);
                    socket.shut_down();
                });
                if spawned.is_err() {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Whether a connection may be served. Asked under the lock that [`Server::stop`] takes, so that none slips by.
    fn admit(&self, id: u64, socket: Option<&Arc<L::Socket>>) -> Admission {
        let mut connections = self.connections.lock();
        if connections.stopping {
            return Admission::Stopping;
        }
        let Some(socket) = socket else { return Admission::Admitted };
        if connections.open.len() >= self.max_connections {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Admission::Refused;
        }
        connections.open.insert(id, Arc::clone(socket));
        Admission::Admitted
    }
}

enum Admission {
    Admitted,
    Refused,
    Stopping,
}

/// A connection's place in the list, given back however its thread ends.
struct Slot<'s, L: Listener> {
    shared: &'s Shared<L>,
    id: u64,
}

impl<L: Listener> Drop for Slot<'_, L> {
    fn drop(&mut self) {
        self.shared.connections.lock().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::SocketAddr;
    use std::sync::mpsc;

    fn echo_server(max_connections: usize) -> (Server<TcpListener>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start("test-echo", listener, max_connections, |socket| {
            let mut byte = [0];
            while (&**socket).read_exact(&mut byte).is_ok() {
                (&**socket).write_all(&byte).unwrap();
            }
        });
        (server.unwrap(), address)
    }

    fn echoes(mut client: &TcpStream) -> bool {
        let mut byte = [0];
        client.write_all(b"x").is_ok() && client.read_exact(&mut byte).is_ok()
    }

    #[test]
    fn an_idle_connection_holds_up_nobody() {
        let (_server, address) = echo_server(2);
        let _idle = TcpStream::connect(address).unwrap();
        assert!(echoes(&TcpStream::connect(address).unwrap()));
    }

    #[test]
    fn one_connection_too_many_is_closed_and_a_place_given_back_is_used_again() {
        let (server, address) = echo_server(1);
        let first = TcpStream::connect(address).unwrap();
        assert!(echoes(&first));
        assert!(!echoes(&TcpStream::connect(address).unwrap()));
        assert_eq!(server.refused(), 1);
        drop(first);
        let again = || (0..1000).any(|_| echoes(&TcpStream::connect(address).unwrap()));
        assert!(again());
    }

    #[test]
    fn stopping_ends_connections_that_wait() {
        let (server, address) = echo_server(4);
        let clients = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        assert!(clients.iter().all(echoes));
        let (done, stopped) = mpsc::channel();
        thread::spawn(move || {
            server.stop();
            done.send(()).unwrap();
        });
        stopped.recv_timeout(Duration::from_secs(10)).expect("a waiting connection kept the server");
        assert!(!clients.iter().any(echoes));
    }
}
