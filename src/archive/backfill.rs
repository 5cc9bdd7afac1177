//! Brings the ledgers that a recording misses, on a thread of its own: the stream's ledgers are written meanwhile, so that
//! a core that writes to a pipe never waits for it.

use super::failure::ArchiveError;
use super::http::Access;
use super::origin::{Origin, Range};
use super::recorder::{Pen, Recorder};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it is looked for gaps.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// News that wait to be heard. Whoever lets more wait holds up the filling.
const MOST_NEWS: usize = 64;
/// How long the thread is waited for at the end. What it leaves, the next start mends.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What the filling has to tell.
#[derive(Debug)]
pub enum News {
    /// A gap is closed: its first and its last ledger, and how many of its ledgers were brought.
    Filled(u32, u32, u32),
    /// It failed, and is tried again after this time.
    Trouble(ArchiveError, Duration),
    /// It failed for good. What is missing stays missing.
    GivenUp(ArchiveError),
}

/// The running filling.
#[derive(Debug)]
pub struct Backfill {
    news: Receiver<News>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Backfill {
    /// Starts to fill a recording's gaps from `origin`, those there are and those that come.
    ///
    /// # Errors
    /// If there can be no thread, or no file be written.
    pub fn start(recorder: &Recorder, origin: Origin, access: Access) -> Result<Self, ArchiveError> {
        let (told, news) = sync_channel(MOST_NEWS);
        let stop = Arc::new(AtomicBool::new(false));
        let pen = recorder.pen()?;
        let filler = Filler { recorder: recorder.clone(), pen, origin, access, stop: Arc::clone(&stop), told };
        let thread = thread::Builder::new().name("archive-backfill".into()).spawn(move || filler.run());
        let thread = thread.map_err(|error| ArchiveError::Asked(format!("cannot start a thread: {error}")))?;
        Ok(Self { news, stop, thread })
    }

    /// What has happened since the last call.
    pub fn news(&self) -> impl Iterator<Item = News> + '_ {
        self.news.try_iter()
    }

    /// Ends it, and gives the last news. Waits for the thread a little; a request that takes longer is left behind.
    #[must_use]
    pub fn stop(self) -> Vec<News> {
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + END_WITHIN;
        let mut last = Vec::new();
        while !self.thread.is_finished() && Instant::now() < until {
            last.extend(self.news.try_iter());
            thread::sleep(Duration::from_millis(5));
        }
        last.extend(self.news.try_iter());
        last
    }
}

struct Filler {
    recorder: Recorder,
    pen: Pen,
    origin: Origin,
    access: Access,
    stop: Arc<AtomicBool>,
    told: SyncSender<News>,
}

impl Filler {
    fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.is_told_to_stop() {
            let Some(&(from, to)) = self.recorder.gaps().first() else {
                self.sleep(LOOK_EVERY);
                continue;
            };
            let filled = self.fill(from, to);
            // In any case: what was brought is to be found under its name.
            let result = self.pen.finish().and(filled);
            match result {
                Ok(None) => {}
                Ok(Some(count)) => {
                    pause = FIRST_PAUSE;
                    self.tell(News::Filled(from, to, count));
                }
                Err(error) if error.is_final() => return self.tell(News::GivenUp(error)),
                Err(error) => {
                    self.tell(News::Trouble(error, pause));
                    self.sleep(pause);
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// Fills a gap, and says how many ledgers it brought; `None` if it was told to stop before the end.
    fn fill(&mut self, from: u32, to: u32) -> Result<Option<u32>, ArchiveError> {
        let mut ledgers = self.origin.open(&self.access, Range { from: Some(from), to: Some(to) })?;
        let (place, mut count) = (self.origin.to_string(), 0);
        while !self.is_told_to_stop() {
            let Some((seal, ledger)) = ledgers.next_ledger()? else { return Ok(Some(count)) };
            let kept = self.pen.keep_sealed(&place, &seal, ledger)?;
            count += u32::from(kept.new);
        }
        Ok(None)
    }

    fn is_told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_told_to_stop() && Instant::now() < until {
            thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn tell(&self, news: News) {
        // Nobody hears it only when the recording is over.
        let _gone = self.told.send(news);
    }
}
