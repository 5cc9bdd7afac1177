//! The server: [`tiny_http`] behind a [`door`](super::door), and a few threads that answer.

use super::door::{Door, DoorKey};
use super::health::HealthHandle;
use super::metrics::MetricsHandle;
use super::pages::{Page, Sources};
use super::publish::StatusHandle;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tiny_http::{Header, Request, Response, Server};

/// Threads that make answers. They never wait for a client (the door does), so a few suffice.
const WORKERS: usize = 4;

/// How soon a worker notices that it should stop.
const STOP_CHECK: Duration = Duration::from_millis(200);

/// The page's own files only, nothing inline, nothing from elsewhere, and in nobody's frame.
const HEADERS: [(&str, &str); 7] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Server", "stellar-connector"),
];

/// Why the observer does not start.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// Another program has the port.
    #[error(
        "cannot listen on {address}: the port is taken (perhaps by another connector). Stop that program, or choose \
         another port with METRICS_PORT"
    )]
    PortTaken {
        /// The address that was wanted.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}. Choose an address of this machine with METRICS_HOST, and a port \
             that this user may open with METRICS_PORT"
    )]
    Bind {
        /// The address that was wanted.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system refuses a socket or a thread.
    #[error("cannot start the status server ({what}): {source}. See the limits on open files and threads (ulimit -a)")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A running server of probes, metrics and pages. Dropping it stops it.
#[derive(Debug)]
pub struct Observer {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    key: DoorKey,
    threads: Vec<JoinHandle<()>>,
}

impl Observer {
    /// Where the server listens if nothing else is configured: this machine only.
    pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

    /// Listens on `address` (port 0: any free one) and serves from then on. Its threads inherit the caller's CPU
    /// affinity: to be called from a thread that is not pinned to the line's cores.
    ///
    /// # Errors
    /// If the port is taken, the address is not ours, or the system has no socket or thread left.
    pub fn start(
        address: SocketAddr,
        status: StatusHandle,
        health: HealthHandle,
        metrics: MetricsHandle,
    ) -> Result<Self, ObserveError> {
        let system = |what| move |source| ObserveError::System { what, source };
        let outside = TcpListener::bind(address).map_err(|source| refused(address, source))?;
        let address = outside.local_addr().map_err(system("address"))?;
        let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(system("inner socket"))?;
        let upstream = inside.local_addr().map_err(system("inner address"))?;
        let (door, key) = Door::new(outside, upstream).map_err(system("door"))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let mut observer = Self { address, stopping: Arc::clone(&stopping), key, threads: Vec::new() };

        let sources = Sources { status, health, metrics };
        observer.spawn("observe-door", move || door.run()).map_err(system("thread"))?;
        observer.spawn("observe-http", move || serve(&inside, &sources, &stopping)).map_err(system("thread"))?;
        Ok(observer)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: no connection is accepted any more, and the threads have ended when this returns.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.key.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the status server panicked");
            }
        }
    }
}

fn refused(address: SocketAddr, source: io::Error) -> ObserveError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ObserveError::PortTaken { address },
        _ => ObserveError::Bind { address, source },
    }
}

/// Runs the HTTP server until told to stop. It gives up when the process is out of file descriptors for a moment; then
/// another one takes its place on the same socket.
fn serve(listener: &TcpListener, sources: &Sources, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Acquire) {
        let server = listener.try_clone().map_err(Into::into).and_then(|socket| Server::from_listener(socket, None));
        match server {
            Ok(server) => work(&server, sources, stopping),
            Err(error) => tracing::warn!(%error, "the status server cannot serve; trying again"),
        }
        if !stopping.load(Ordering::Acquire) {
            thread::sleep(STOP_CHECK);
        }
    }
}

fn work(server: &Server, sources: &Sources, stopping: &AtomicBool) {
    let broken = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while !stopping.load(Ordering::Acquire) && !broken.load(Ordering::Acquire) {
                    match server.recv_timeout(STOP_CHECK) {
                        Ok(Some(request)) => answer(request, sources),
                        Ok(None) => {}
                        Err(_) => broken.store(true, Ordering::Release),
                    }
                }
            });
        }
    });
}

fn answer(request: Request, sources: &Sources) {
    // A mistake in one page must not take the probes down with it.
    let page = catch_unwind(AssertUnwindSafe(|| sources.page(request.url()))).unwrap_or(Page {
        code: 500,
        content_type: "text/plain; charset=utf-8",
        body: "this page cannot be made: the program has a mistake; see its log\n".into(),
    });
    let mut response = Response::from_string(page.body).with_status_code(page.code).with_chunked_threshold(usize::MAX);
    for (name, value) in HEADERS.into_iter().chain([("Content-Type", page.content_type)]) {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    // What the other side does with it is the door's business.
    let _ = request.respond(response);
}
