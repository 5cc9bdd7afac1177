//! Names are looked up on a helper thread, because the operating system's resolver blocks.

use super::failure::NetError;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

/// Addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;

struct Request {
    index: usize,
    host: String,
    port: u16,
}

/// An answer for the connection with this index.
pub(super) struct Answer {
    pub(super) index: usize,
    pub(super) addresses: io::Result<Vec<SocketAddr>>,
}

/// The thread, seen from the reactor. It ends when this is dropped; a look-up that hangs keeps nobody.
#[derive(Debug)]
pub(super) struct Names {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
}

impl Names {
    /// Starts the thread for so many connections, each of which has one request under way at most.
    pub(super) fn start(connections: usize, waker: Arc<mio::Waker>) -> Result<Self, NetError> {
        let (requests, asked) = bounded::<Request>(connections.max(1));
        let (answered, answers) = bounded(connections.max(1));
        let work = move || {
            for Request { index, host, port } in asked {
                let addresses = (host.as_str(), port).to_socket_addrs();
                let addresses = addresses.map(|found| found.take(MOST_ADDRESSES).collect());
                if answered.send(Answer { index, addresses }).is_err() {
                    return;
                }
                // A reactor that is gone needs no waking; one that could not be woken finds the answer at its next turn.
                drop(waker.wake());
            }
        };
        thread::Builder::new()
            .name("names".to_owned())
            .spawn(work)
            .map_err(|source| NetError::System { what: "start the thread that looks up names", source })?;
        Ok(Self { requests, answers })
    }

    /// Asks for a name's addresses.
    pub(super) fn ask(&self, index: usize, host: &str, port: u16) {
        let accepted = self.requests.try_send(Request { index, host: host.to_owned(), port });
        assert!(accepted.is_ok(), "each connection has one look-up under way at most, and there is room for all");
    }

    /// Takes an answer, if there is one.
    pub(super) fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}
