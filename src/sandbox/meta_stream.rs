//! Closed ledgers as stellar-core's `METADATA_OUTPUT_STREAM` writes them: `LedgerCloseMeta` in XDR behind a record mark
//! (RFC 5531: four bytes, big-endian, the top bit says that the record is whole), to a named pipe, a Unix socket or a
//! file.
//!
//! Whoever comes, whenever, gets every ledger from the first one, so that its history has no gap. For that the stream
//! keeps them, up to a bound of bytes. Once the first ledger has had to go, a newcomer is turned away at once (its
//! connection ends without a byte) rather than shown a world with a hole in it; and a reader that is so slow that its
//! next ledger is gone is cut off. Publishing never waits for a reader: core would stall, the sandbox's clock does not.
//!
//! A pipe has one reader at a time. That it went is noticed at the next write; whoever opens the pipe before that goes
//! on where the other left off, and after it from the first ledger. Where readers come and go, use the socket.

use super::serve::Server;
use parking_lot::{Condvar, Mutex};
use rustix::fs::{Mode, OFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Readers of a Unix socket at once; one more is closed without a byte.
pub(crate) const MAX_READERS: usize = 8;
/// The mark of a whole record.
const LAST_FRAGMENT: u32 = 1 << 31;
/// How often a pipe that has no reader, or a full one, is tried again.
const PIPE_RETRY: Duration = Duration::from_millis(1);
/// How long a pipe stays closed after its reader was cut off, so that the reader sees the end.
const PIPE_CUT_OFF: Duration = Duration::from_millis(100);

/// Where closed ledgers are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaOutput {
    /// A named pipe (mode 0600) in a directory of its own (0700) that is removed at the end.
    Pipe,
    /// A Unix socket in such a directory. Any number of readers up to eight, each at its own pace.
    UnixSocket,
    /// A file, which must not exist yet unless the world is one that was kept: then it goes on.
    File(PathBuf),
}

/// The running stream. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct MetaStream {
    history: Arc<History>,
    path: PathBuf,
    readers: Readers,
    /// Removed last, when nobody writes into it any more.
    _directory: Option<PrivateDirectory>,
}

#[derive(Debug)]
enum Readers {
    One(Mutex<Option<JoinHandle<()>>>),
    Many(Server<UnixListener>),
}

impl MetaStream {
    /// Opens the output. Keeps at most `max_history_bytes` of ledgers, but always the newest. A file is added to if
    /// `append` says so.
    ///
    /// # Errors
    /// If the pipe, socket, file, directory or thread cannot be made.
    pub(crate) fn start(output: &MetaOutput, max_history_bytes: usize, append: bool) -> io::Result<Self> {
        let history = Arc::new(History::new(max_history_bytes));
        match output {
            MetaOutput::Pipe => {
                let directory = PrivateDirectory::new()?;
                let path = directory.path.join("meta.pipe");
                rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR)?;
                let (writing, pipe) = (Arc::clone(&history), path.clone());
                let thread = spawn(move || writing.feed_pipe(&pipe))?;
                Ok(Self { history, path, readers: Readers::One(Mutex::new(Some(thread))), _directory: Some(directory) })
            }
            MetaOutput::UnixSocket => {
                let directory = PrivateDirectory::new()?;
                let path = directory.path.join("meta.sock");
                let listener = UnixListener::bind(&path)?;
                let writing = Arc::clone(&history);
                let server = Server::start("sandbox-meta", listener, MAX_READERS, move |socket| {
                    let _ = writing.feed(&mut &**socket);
                })?;
                Ok(Self { history, path, readers: Readers::Many(server), _directory: Some(directory) })
            }
            MetaOutput::File(path) => {
                let mut file = File::options().append(true).create_new(!append).open(path)?;
                let writing = Arc::clone(&history);
                let thread = spawn(move || writing.fill(&mut file))?;
                Ok(Self {
                    history,
                    path: path.clone(),
                    readers: Readers::One(Mutex::new(Some(thread))),
                    _directory: None,
                })
            }
        }
    }

    /// The pipe, the socket or the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a closed ledger (XDR, unframed). Waits for nobody.
    pub(crate) fn publish(&self, meta: &[u8]) {
        self.history.push(meta);
    }

    /// Says nothing for so long; ledgers that close meanwhile follow after it.
    pub(crate) fn stall(&self, duration: Duration) {
        self.history.lock().silent_until = Some(Instant::now() + duration);
    }

    /// Ends every reader's stream as it is. They may come again. A file goes on.
    pub(crate) fn cut(&self) {
        self.history.lock().cuts += 1;
        self.history.news.notify_all();
    }

    /// Readers that were turned away or cut off because the history no longer reaches back far enough.
    pub(crate) fn refused(&self) -> u64 {
        let too_many = match &self.readers {
            Readers::One(_) => 0,
            Readers::Many(server) => server.refused(),
        };
        too_many + self.history.gaps.load(Ordering::Relaxed)
    }

    /// Ends every reader's stream and waits for the threads. What a reader has not taken yet is lost to it; a file is
    /// complete.
    pub(crate) fn stop(&self) {
        self.history.lock().stopping = true;
        self.history.news.notify_all();
        match &self.readers {
            Readers::One(thread) => {
                if let Some(thread) = thread.lock().take() {
                    let _ = thread.join();
                }
            }
            Readers::Many(server) => server.stop(),
        }
    }
}

impl Drop for MetaStream {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("sandbox-meta".into()).spawn(run)
}

/// The ledgers so far, each with its record mark.
#[derive(Debug)]
struct History {
    kept: Mutex<Kept>,
    news: Condvar,
    gaps: AtomicU64,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Arc<[u8]>>,
    /// How many records have been dropped from the front.
    dropped: u64,
    bytes: usize,
    stopping: bool,
    /// Readers of the pipe that have come and gone.
    pipe_readers: u64,
    /// How often all readers' streams were ended.
    cuts: u64,
    /// Until when nobody is told anything.
    silent_until: Option<Instant>,
}

/// Why a reader's stream ends.
enum End {
    /// The stream stops.
    Stopping,
    /// The reader's next ledger is gone.
    Gap,
    /// Every reader's stream is ended.
    Cut,
    /// The reader went.
    Io(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl History {
    fn new(max_bytes: usize) -> Self {
        Self { kept: Mutex::new(Kept::default()), news: Condvar::new(), gaps: AtomicU64::new(0), max_bytes }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Kept> {
        self.kept.lock()
    }

    fn push(&self, meta: &[u8]) {
        let record = record(meta);
        let mut kept = self.lock();
        kept.bytes += record.len();
        kept.records.push_back(record);
        while kept.bytes > self.max_bytes && kept.records.len() > 1 {
            let Some(oldest) = kept.records.pop_front() else { break };
            kept.bytes -= oldest.len();
            kept.dropped += 1;
        }
        drop(kept);
        self.news.notify_all();
    }

    /// Record number `index` as soon as there is one, unless streams were ended more often than `cuts`.
    fn wait_for(&self, index: u64, cuts: u64) -> Result<Arc<[u8]>, End> {
        let mut kept = self.lock();
        loop {
            if kept.cuts > cuts {
                return Err(End::Cut);
            }
            if let Some(until) = kept.silent_until.filter(|until| Instant::now() < *until && !kept.stopping) {
                self.news.wait_until(&mut kept, until);
                continue;
            }
            let Some(place) = index.checked_sub(kept.dropped) else {
                self.gaps.fetch_add(1, Ordering::Relaxed);
                return Err(End::Gap);
            };
            if let Some(record) = usize::try_from(place).ok().and_then(|place| kept.records.get(place)) {
                return Ok(Arc::clone(record));
            }
            if kept.stopping {
                return Err(End::Stopping);
            }
            self.news.wait(&mut kept);
        }
    }

    fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Writes everything, from the first ledger on, until the stream stops or is ended, or the reader goes.
    fn feed(&self, output: &mut impl Write) -> Result<(), End> {
        let cuts = self.lock().cuts;
        self.write(output, cuts)
    }

    fn write(&self, output: &mut impl Write, cuts: u64) -> Result<(), End> {
        for index in 0.. {
            output.write_all(&self.wait_for(index, cuts)?)?;
        }
        Ok(())
    }

    /// Writes everything to a file.
    fn fill(&self, file: &mut File) {
        if let Err(End::Io(error)) = self.write(file, u64::MAX) {
            tracing::error!(%error, "the file of closed ledgers ends here: make room, and start again");
        }
    }

    /// Feeds one reader of the pipe after the other.
    fn feed_pipe(&self, path: &Path) {
        while !self.is_stopping() {
            // Without blocking, since opening a pipe for writing would wait for a reader, and so keep a stop waiting.
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::open(path, flags, Mode::empty()) {
                Ok(pipe) => {
                    let mut pipe = PatientPipe { pipe: File::from(pipe), history: self };
                    // Whatever the end, the next reader starts anew.
                    let end = self.feed(&mut pipe);
                    drop(pipe);
                    self.lock().pipe_readers += 1;
                    if matches!(end, Err(End::Gap | End::Cut)) {
                        thread::sleep(PIPE_CUT_OFF);
                    }
                }
                // ENXIO: no reader yet.
                Err(_) => thread::sleep(PIPE_RETRY),
            }
        }
    }
}

/// A pipe that is tried again while it is full.
struct PatientPipe<'h> {
    pipe: File,
    history: &'h History,
}

impl Write for PatientPipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.history.is_stopping() {
                        return Err(error);
                    }
                    thread::sleep(PIPE_RETRY);
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn record(meta: &[u8]) -> Arc<[u8]> {
    let length = u32::try_from(meta.len()).unwrap_or(u32::MAX);
    assert!(length < LAST_FRAGMENT, "a ledger of {} bytes does not fit a record", meta.len());
    let mut record = Vec::with_capacity(4 + meta.len());
    record.extend_from_slice(&(length | LAST_FRAGMENT).to_be_bytes());
    record.extend_from_slice(meta);
    record.into()
}

/// A fresh directory that nobody else may enter, removed with what is in it.
#[derive(Debug)]
struct PrivateDirectory {
    path: PathBuf,
}

impl PrivateDirectory {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("stellar-sandbox-{}-{number}", std::process::id()));
            // Fails if it exists, whoever made it: a foreign directory is never used.
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    use std::os::unix::net::UnixStream;

    fn read_record(source: &mut impl Read) -> Option<Vec<u8>> {
        let mut mark = [0; 4];
        source.read_exact(&mut mark).ok()?;
        let mark = u32::from_be_bytes(mark);
        assert_eq!(mark & LAST_FRAGMENT, LAST_FRAGMENT);
        let mut record = vec![0; usize::try_from(mark & !LAST_FRAGMENT).unwrap()];
        source.read_exact(&mut record).ok()?;
        Some(record)
    }

    #[test]
    fn a_late_reader_of_the_socket_gets_every_ledger_from_the_first() {
        let stream = MetaStream::start(&MetaOutput::UnixSocket, 1 << 20, false).unwrap();
        stream.publish(b"one");
        let mut early = UnixStream::connect(stream.path()).unwrap();
        assert_eq!(read_record(&mut early).unwrap(), b"one");
        stream.publish(b"two");
        let mut late = UnixStream::connect(stream.path()).unwrap();
        for expected in [b"one", b"two"] {
            assert_eq!(read_record(&mut late).unwrap(), expected);
        }
        assert_eq!(read_record(&mut early).unwrap(), b"two");
        let directory = stream.path().parent().unwrap().to_owned();
        stream.stop();
        assert_eq!(read_record(&mut late), None);
        drop(stream);
        assert!(!directory.exists());
    }

    #[test]
    fn nobody_is_shown_a_history_with_a_hole() {
        let stream = MetaStream::start(&MetaOutput::UnixSocket, 10, false).unwrap();
        let mut early = UnixStream::connect(stream.path()).unwrap();
        stream.publish(b"one");
        assert_eq!(read_record(&mut early).unwrap(), b"one");
        stream.publish(b"two");
        assert_eq!(read_record(&mut early).unwrap(), b"two");
        let mut late = UnixStream::connect(stream.path()).unwrap();
        assert_eq!(read_record(&mut late), None);
        assert_eq!(stream.refused(), 1);
        stream.publish(b"a ledger beyond the bound is still kept while it is the newest");
        assert!(read_record(&mut early).unwrap().starts_with(b"a ledger beyond"));
    }

    #[test]
    fn a_pipe_is_private_and_takes_more_than_it_holds() {
        let stream = MetaStream::start(&MetaOutput::Pipe, 1 << 24, false).unwrap();
        let kind = std::fs::metadata(stream.path()).unwrap();
        assert!(kind.file_type().is_fifo());
        assert_eq!(kind.permissions().mode() & 0o777, 0o600);
        let directory = std::fs::metadata(stream.path().parent().unwrap()).unwrap();
        assert_eq!(directory.permissions().mode() & 0o777, 0o700);
        let large: Vec<u8> = (0..300_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
        stream.publish(&large);
        stream.publish(b"next");
        for gone in 0..2 {
            // The reader goes away in the middle, and the next one starts from the first ledger.
            let mut reader = File::open(stream.path()).unwrap();
            reader.read_exact(&mut [0; 1000]).unwrap();
            drop(reader);
            while stream.history.lock().pipe_readers == gone {
                thread::yield_now();
            }
        }
        let mut reader = File::open(stream.path()).unwrap();
        assert_eq!(read_record(&mut reader).unwrap(), large);
        assert_eq!(read_record(&mut reader).unwrap(), b"next");
        stream.stop();
        assert_eq!(read_record(&mut reader), None);
    }

    #[test]
    fn a_stream_that_is_cut_ends_for_its_readers_and_one_that_stalls_goes_on() {
        let stream = MetaStream::start(&MetaOutput::UnixSocket, 1 << 20, false).unwrap();
        stream.publish(b"first");
        let mut reader = UnixStream::connect(stream.path()).unwrap();
        assert_eq!(read_record(&mut reader).unwrap(), b"first");
        stream.cut();
        assert_eq!(read_record(&mut reader), None);
        let silence = Instant::now();
        stream.stall(Duration::from_millis(100));
        stream.publish(b"second");
        let mut reader = UnixStream::connect(stream.path()).unwrap();
        assert_eq!(read_record(&mut reader).unwrap(), b"first");
        assert!(silence.elapsed() >= Duration::from_millis(100));
        assert_eq!(read_record(&mut reader).unwrap(), b"second");
    }

    #[test]
    fn stopping_does_not_wait_for_a_reader_that_does_not_read() {
        let stream = MetaStream::start(&MetaOutput::Pipe, 1 << 24, false).unwrap();
        let _deaf = File::open(stream.path()).unwrap();
        stream.publish(&vec![1; 1 << 20]);
        let (done, stopped) = std::sync::mpsc::channel();
        thread::spawn(move || {
            stream.stop();
            done.send(()).unwrap();
        });
        stopped.recv_timeout(Duration::from_secs(10)).expect("a full pipe kept the stream");
    }

    #[test]
    fn a_file_is_complete_when_the_stream_stops_and_none_is_overwritten() {
        let directory = PrivateDirectory::new().unwrap();
        let output = MetaOutput::File(directory.path.join("ledgers.xdr"));
        let stream = MetaStream::start(&output, 1 << 20, false).unwrap();
        (0..100_u8).for_each(|number| stream.publish(&[number; 10]));
        stream.stop();
        let mut file = File::open(stream.path()).unwrap();
        for number in 0..100_u8 {
            assert_eq!(read_record(&mut file).unwrap(), [number; 10]);
        }
        assert_eq!(read_record(&mut file), None);
        assert_eq!(MetaStream::start(&output, 1, false).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
}
