//! A server that passes requests on, or fails them in one of the ways in which servers do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(2);

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Serve,
    /// Answers with this status.
    Status(u16),
    /// Takes no connection, and has none.
    Refuse,
    /// Takes requests, and never answers.
    Hang,
    /// Ends the connection in the middle of an answer.
    Cut,
}

struct Shared {
    mode: Mutex<Mode>,
    /// Requests that came, as far as they may be looked at.
    asked: Mutex<Vec<String>>,
    served: AtomicUsize,
    ended: AtomicBool,
}

pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Passes on to `target`.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Serve),
            asked: Mutex::default(),
            served: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let proxy = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || accept(Some(listener), port, target, &shared));
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }

    /// Requests whose first line names this path.
    pub(crate) fn asked_for(&self, path: &str) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|request| request.starts_with(&format!("GET {path}"))).cloned().collect()
    }

    /// Requests that were passed on.
    pub(crate) fn served(&self) -> usize {
        self.shared.served.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

fn accept(mut listener: Option<TcpListener>, port: u16, target: SocketAddr, shared: &Arc<Shared>) {
    while !shared.has_ended() {
        if shared.mode() == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(("127.0.0.1", port)).ok();
        }
        let Some(open) = &listener else {
            thread::sleep(TICK);
            continue;
        };
        open.set_nonblocking(true).unwrap();
        match open.accept() {
            Ok((client, _)) => {
                let shared = Arc::clone(shared);
                thread::spawn(move || serve(&client, target, &shared));
            }
            Err(_) => thread::sleep(TICK),
        }
    }
}

/// Serves one connection: a request comes in one piece, which is how the feed sends them.
fn serve(client: &TcpStream, target: SocketAddr, shared: &Arc<Shared>) {
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(TICK)).unwrap();
    let upstream = TcpStream::connect(target).unwrap();
    upstream.set_nodelay(true).unwrap();
    let back = (upstream.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(shared));
    thread::spawn(move || pass_back(back.0, back.1, &back.2));
    let mut request = [0; 16 << 10];
    loop {
        let length = match (&mut &*client).read(&mut request) {
            Ok(0) => break,
            Ok(length) => length,
            Err(_) if shared.mode() == Mode::Refuse || shared.has_ended() => break,
            Err(_) => continue,
        };
        shared.asked.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());
        match shared.mode() {
            Mode::Serve | Mode::Cut => {
                shared.served.fetch_add(1, Ordering::Relaxed);
                let _ = (&mut &upstream).write_all(&request[..length]);
            }
            Mode::Status(status) => {
                let answer = format!("HTTP/1.1 {status} No\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
                let _ = (&mut &*client).write_all(answer.as_bytes());
            }
            Mode::Refuse => break,
            Mode::Hang => {}
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = upstream.shutdown(Shutdown::Both);
}

/// Passes back what comes. A server that fails takes its streams with it: what was under way ends.
fn pass_back(mut upstream: TcpStream, mut client: TcpStream, shared: &Shared) {
    let (mut bytes, mut under_way) = ([0; 16 << 10], false);
    upstream.set_read_timeout(Some(TICK)).unwrap();
    loop {
        match upstream.read(&mut bytes) {
            Ok(0) => break,
            Ok(_) if shared.mode() == Mode::Cut => {
                let _ = client.write_all(&bytes[..20]);
                break;
            }
            Ok(length) => {
                under_way |= bytes[..length].windows(17).any(|part| part == b"text/event-stream");
                if client.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            Err(_) => {}
        }
        let fails = under_way && matches!(shared.mode(), Mode::Status(_));
        if fails || shared.mode() == Mode::Refuse || shared.has_ended() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}
