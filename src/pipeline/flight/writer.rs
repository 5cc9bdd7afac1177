//! The flight thread: from the rings into two files.

use super::FlightError;
use super::crc32::crc32;
use super::record::{HEADER_BYTES, Header, LONGEST_PAYLOAD, Record, payload_length, seal};
use super::recorder::{FlightRecorder, LEAST_RING_BYTES};
use crate::events::{MonoNanos, Now, UtcNanos};
use crate::pipeline::placement::StageName;
use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(super) const MAGIC: &[u8; 8] = b"flight\r\n";
pub(super) const VERSION: u32 = 1;

/// Bytes of a segment's header besides the configuration: magic, version, number, configuration's length, checksum.
pub(super) const SEGMENT_HEADER_BYTES: usize = 8 + 4 + 8 + 4 + 4;

/// How long the thread rests when nothing came. It is also what a `kill -9` may cost.
const REST: Duration = Duration::from_millis(5);

/// After a failed write the thread tries again no sooner.
const RETRY: Duration = Duration::from_secs(1);

/// A drain writes at least this often, bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// Where and how much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightSettings {
    /// The folder; it is made if it is not there.
    pub folder: PathBuf,
    /// The most bytes that each of the two files may have.
    pub segment_bytes: usize,
    /// Bytes of each hot thread's ring: what may come while the disk is slow.
    pub ring_bytes: usize,
    /// What a reader needs to know to replay, such as the configuration as JSON. Without secrets.
    pub configuration: Vec<u8>,
}

/// Counters of the flight recorder, which any thread may read.
#[derive(Clone, Debug, Default)]
pub struct FlightStatus {
    lost: Arc<AtomicU64>,
    written_bytes: Arc<AtomicU64>,
    last_error: Arc<Mutex<String>>,
}

impl FlightStatus {
    /// Records dropped: by a full ring, or because they could not be written.
    #[must_use]
    pub fn lost_records(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Bytes of records written so far.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Why a file could last not be written; empty if that never happened.
    #[must_use]
    pub fn last_error(&self) -> String {
        self.last_error.lock().clone()
    }
}

/// The running flight thread. Dropped, it writes what has come and ends.
#[derive(Debug)]
pub struct FlightThread {
    status: FlightStatus,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FlightThread {
    /// Its counters.
    #[must_use]
    pub fn status(&self) -> FlightStatus {
        self.status.clone()
    }
}

impl Drop for FlightThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // If it panicked, its message has been printed, and the line goes on without a recorder.
            drop(thread.join());
        }
    }
}

/// Starts the flight thread with a recorder for each of so many hot threads.
///
/// # Errors
/// If a bound is too small, or the folder or its files cannot be made.
pub fn start(
    settings: &FlightSettings,
    hot_threads: usize,
) -> Result<(Vec<FlightRecorder>, FlightThread), FlightError> {
    let least_segment = SEGMENT_HEADER_BYTES + settings.configuration.len() + 2 * (HEADER_BYTES + LONGEST_PAYLOAD);
    at_least("a segment", settings.segment_bytes, least_segment)?;
    at_least("a ring", settings.ring_bytes, LEAST_RING_BYTES)?;
    let status = FlightStatus::default();
    let segments = Segments::begin(settings, status.clone())?;
    let (mut recorders, mut sources) = (Vec::new(), Vec::new());
    for _ in 0..hot_threads {
        let (producer, consumer) = rtrb::RingBuffer::new(settings.ring_bytes);
        recorders.push(FlightRecorder::new(producer, Arc::clone(&status.lost)));
        sources.push(Source { ring: consumer, header: None });
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new().name("flight".to_owned()).spawn(move || run(sources, segments, &stopped));
    let thread = thread.map_err(|source| io_error("start a thread for", &settings.folder, source))?;
    Ok((recorders, FlightThread { status, stop, thread: Some(thread) }))
}

fn at_least(what: &'static str, bytes: usize, least: usize) -> Result<(), FlightError> {
    if bytes < least { Err(FlightError::TooSmall { what, bytes, least }) } else { Ok(()) }
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> FlightError {
    FlightError::Io { what, path: path.to_owned(), source }
}

fn run(mut sources: Vec<Source>, mut segments: Segments, stop: &AtomicBool) {
    loop {
        // Asked before the drain: what was recorded before the stop is written.
        let is_last = stop.load(Ordering::Acquire);
        let mut came = false;
        for source in &mut sources {
            // As many as are there now, so that a thread that never rests cannot hold this one.
            for _ in 0..=source.ring.slots() / HEADER_BYTES {
                let Some((header, payload)) = source.next(&mut segments.payload) else { break };
                came = true;
                segments.add(header, payload);
            }
        }
        segments.write_batch();
        if is_last {
            return;
        }
        if !came {
            thread::park_timeout(REST);
        }
    }
}

/// A hot thread's ring, with a header whose payload is still coming.
struct Source {
    ring: rtrb::Consumer<u8>,
    header: Option<Header>,
}

impl Source {
    /// Takes a whole record; the length of its payload, which is put into `payload`.
    fn next(&mut self, payload: &mut [u8]) -> Option<(Header, usize)> {
        let header = match self.header.take() {
            Some(header) => header,
            None => {
                let mut header = [0; HEADER_BYTES];
                self.ring.pop_entire_slice(&mut header).ok()?;
                header
            }
        };
        let length = payload_length(&header);
        if self.ring.pop_entire_slice(&mut payload[..length]).is_err() {
            self.header = Some(header);
            return None;
        }
        Some((header, length))
    }
}

/// The two files.
struct Segments {
    settings: FlightSettings,
    status: FlightStatus,
    /// The number of the next segment.
    next: u64,
    file: Option<(File, PathBuf)>,
    file_bytes: usize,
    batch: Vec<u8>,
    batch_records: u64,
    /// Records that could not be written, and after which time to try again.
    missing: u64,
    retry_at: Option<Instant>,
    payload: Box<[u8]>,
}

/// The file of a segment.
pub(super) fn segment_path(folder: &Path, index: u64, is_previous: bool) -> PathBuf {
    folder.join(format!("flight-{index}{}.bin", if is_previous { ".previous" } else { "" }))
}

impl Segments {
    fn begin(settings: &FlightSettings, status: FlightStatus) -> Result<Self, FlightError> {
        let folder = &settings.folder;
        fs::create_dir_all(folder).map_err(|source| io_error("make the folder", folder, source))?;
        keep_previous(folder)?;
        let mut segments = Self {
            settings: settings.clone(),
            status,
            next: 0,
            file: None,
            file_bytes: 0,
            batch: Vec::with_capacity(BATCH_BYTES + HEADER_BYTES + LONGEST_PAYLOAD),
            batch_records: 0,
            missing: 0,
            retry_at: None,
            payload: vec![0; LONGEST_PAYLOAD].into_boxed_slice(),
        };
        let path = segment_path(folder, 0, false);
        segments.next_segment().map_err(|source| io_error("write", &path, source))?;
        Ok(segments)
    }

    /// Puts the record in `payload` with its header into the batch, and begins another file if this one is full.
    fn add(&mut self, mut header: Header, length: usize) {
        let record_bytes = HEADER_BYTES + length;
        if self.file_bytes + self.batch.len() + record_bytes > self.settings.segment_bytes {
            self.write_batch();
            if self.file.is_some() {
                let started = self.next_segment();
                self.note(started);
            }
        }
        seal(&mut header, &self.payload[..length]);
        self.batch.extend_from_slice(&header);
        self.batch.extend_from_slice(&self.payload[..length]);
        self.batch_records += 1;
        if self.batch.len() >= BATCH_BYTES {
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.retry();
        let Some((file, _)) = &mut self.file else { return self.drop_batch() };
        match file.write_all(&self.batch) {
            Ok(()) => {
                self.file_bytes += self.batch.len();
                self.status.written_bytes.fetch_add(self.batch.len() as u64, Ordering::Relaxed);
                self.batch.clear();
                self.batch_records = 0;
            }
            Err(error) => {
                self.note(Err(error));
                self.drop_batch();
            }
        }
    }

    fn drop_batch(&mut self) {
        self.missing += self.batch_records;
        self.status.lost.fetch_add(self.batch_records, Ordering::Relaxed);
        self.batch.clear();
        self.batch_records = 0;
    }

    /// Notes a failure, after which nothing is written for a while; the engine goes on.
    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            *self.status.last_error.lock() = error.to_string();
            self.file = None;
            self.retry_at = Some(Instant::now() + RETRY);
        }
    }

    fn retry(&mut self) {
        if self.file.is_none() && self.retry_at.is_none_or(|at| at <= Instant::now()) {
            let started = self.next_segment();
            self.note(started);
        }
    }

    /// Begins the next segment, in the older of the two files.
    fn next_segment(&mut self) -> io::Result<()> {
        let path = segment_path(&self.settings.folder, self.next % 2, false);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let mut start = segment_header(self.next, &self.settings.configuration);
        if self.missing > 0 {
            start.extend_from_slice(&gap(self.missing));
        }
        file.write_all(&start)?;
        self.file_bytes = start.len();
        self.file = Some((file, path));
        (self.next, self.missing, self.retry_at) = (self.next + 1, 0, None);
        Ok(())
    }
}

fn segment_header(number: u64, configuration: &[u8]) -> Vec<u8> {
    let length = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(SEGMENT_HEADER_BYTES + configuration.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    header.extend_from_slice(&length.to_le_bytes());
    header.extend_from_slice(configuration);
    let check = crc32(&[&header]);
    header.extend_from_slice(&check.to_le_bytes());
    header
}

/// A gap record for what a failed file has swallowed; of which stages and when, nobody knows any longer.
fn gap(records: u64) -> Vec<u8> {
    let now = Now { mono: MonoNanos(0), utc: UtcNanos(0) };
    let mut room = [0; 8];
    let (mut header, payload) = Record::Gap { stage: StageName::Feed, now, records }.encode(&mut room);
    seal(&mut header, payload);
    [&header[..], payload].concat()
}

/// Moves the files of the run before out of the way, over those of the run before that.
fn keep_previous(folder: &Path) -> Result<(), FlightError> {
    let had_any = (0..2).any(|index| segment_path(folder, index, false).exists());
    if !had_any {
        return Ok(());
    }
    for index in 0..2 {
        let (path, previous) = (segment_path(folder, index, false), segment_path(folder, index, true));
        let moved = match fs::rename(&path, &previous) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => remove_if_there(&previous),
            result => result,
        };
        moved.map_err(|source| io_error("keep", &path, source))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
