//! One stream of records to many readers, each at its own pace, none of which can hold up the stream.
//!
//! Records are kept once, for all: as many as a newcomer gets, and beyond those what a reader that is behind still wants,
//! up to a bound of bytes. A reader whose next record had to go for that bound is dropped. So memory is bounded by
//! [`BroadcastLimits::max_bytes`] (or one record, if that is longer), however many readers there are.
//!
//! It waits for nothing: [`Broadcast::publish`] adds a record, [`Broadcast::write`] gives every reader what its socket
//! takes.

mod client;
mod door;
mod log;

pub use client::Gone;
pub use door::Door;

use client::Client;
use log::Log;
use mio::event::Event;
use mio::{Registry, Token};
use std::collections::VecDeque;
use std::io;

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastLimits {
    /// Readers at once; one more is closed without a byte.
    pub clients: usize,
    /// Records that a newcomer gets of those before it.
    pub keep_records: usize,
    /// Bytes of records kept.
    pub max_bytes: usize,
}

/// Who came and went.
#[derive(Debug)]
pub enum News {
    /// A reader came.
    Came {
        /// The how-many-eth it is.
        client: u64,
    },
    /// A reader went, or was sent away.
    Gone {
        /// The how-many-eth it is.
        client: u64,
        /// Why.
        why: Gone,
    },
    /// There was no room for a reader.
    Refused,
    /// The system let nobody in (out of file descriptors, say). It is tried again.
    Shut(io::Error),
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroadcastCounts {
    /// Records published.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Readers that came and found room.
    pub came: u64,
    /// Readers for which there was no room.
    pub refused: u64,
    /// Readers that were dropped for being too slow.
    pub dropped: u64,
}

/// News beyond these are counted, but not told.
const MAX_NEWS: usize = 1024;
/// Readers let in between two looks at the stream.
const ACCEPTS_AT_ONCE: usize = 16;

/// The stream, its doors and its readers. Its tokens are `first_token` and those after it.
#[derive(Debug)]
pub struct Broadcast {
    limits: BroadcastLimits,
    first_token: usize,
    log: Log,
    doors: Vec<(Door, bool)>,
    /// By their tokens.
    clients: Vec<Option<Client>>,
    counts: BroadcastCounts,
    news: VecDeque<News>,
}

impl Broadcast {
    /// A stream at its begin, to be heard at `doors`.
    ///
    /// # Errors
    /// If the system does not watch the doors.
    pub fn new(
        limits: BroadcastLimits,
        mut doors: Vec<Door>,
        registry: &Registry,
        first_token: usize,
    ) -> io::Result<Self> {
        for (index, door) in doors.iter_mut().enumerate() {
            door.register(registry, Token(first_token + index))?;
        }
        Ok(Self {
            limits,
            first_token,
            log: Log::new(limits.keep_records, limits.max_bytes),
            doors: doors.into_iter().map(|door| (door, true)).collect(),
            clients: Vec::new(),
            counts: BroadcastCounts::default(),
            news: VecDeque::new(),
        })
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> BroadcastCounts {
        self.counts
    }

    /// Readers now.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.iter().flatten().count()
    }

    /// Bytes of records kept now.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Who came and went since this was asked last.
    pub fn take_news(&mut self) -> impl Iterator<Item = News> {
        self.news.drain(..)
    }

    /// Adds a record.
    pub fn publish(&mut self, record: Box<[u8]>) {
        self.counts.records += 1;
        self.counts.bytes += record.len() as u64;
        self.log.push(record);
    }

    /// Something happened at one of its tokens.
    pub fn on_event(&mut self, event: &Event) {
        let Some(index) = event.token().0.checked_sub(self.first_token) else { return };
        if let Some((_, waiting)) = self.doors.get_mut(index) {
            *waiting = true;
            return;
        }
        let index = index - self.doors.len();
        let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut) else { return };
        if event.is_writable() {
            client.on_writable();
        }
        if (event.is_readable() || event.is_read_closed() || event.is_error())
            && let Err(why) = client.on_readable()
        {
            self.remove(index, why);
        }
    }

    /// Lets in who waits, and gives every reader what it takes, up to a share. True if there is more to do at once.
    pub fn write(&mut self, registry: &Registry) -> bool {
        self.accept(registry);
        for index in 0..self.clients.len() {
            let Some(client) = &mut self.clients[index] else { continue };
            if let Err(why) = client.write(&self.log) {
                self.remove(index, why);
            }
        }
        let needed = self.clients.iter().flatten().map(Client::next).min();
        self.log.release(needed.unwrap_or(u64::MAX));
        self.clients.iter().flatten().any(|client| client.wants_turn(&self.log))
            || self.doors.iter().any(|(_, waiting)| *waiting)
    }

    fn accept(&mut self, registry: &Registry) {
        for at in 0..self.doors.len() {
            for _ in 0..ACCEPTS_AT_ONCE {
                if !self.doors[at].1 {
                    break;
                }
                let free = self.clients.iter().position(Option::is_none).unwrap_or(self.clients.len());
                let token = Token(self.first_token + self.doors.len() + free);
                match self.doors[at].0.accept(registry, token) {
                    Ok(Some(socket)) => self.let_in(socket, free),
                    Ok(None) => self.doors[at].1 = false,
                    Err(error) => {
                        // The next event, or `knock`, tries again.
                        self.doors[at].1 = false;
                        self.tell(News::Shut(error));
                    }
                }
            }
        }
    }

    /// Looks at the doors at the next turn, whether or not somebody is known to wait: for now and then, since after an
    /// error of the system nobody is announced a second time.
    pub fn knock(&mut self) {
        self.doors.iter_mut().for_each(|(_, waiting)| *waiting = true);
    }

    fn let_in(&mut self, socket: client::Socket, free: usize) {
        if free >= self.limits.clients {
            self.counts.refused += 1;
            self.tell(News::Refused);
            return;
        }
        let number = self.counts.came;
        self.counts.came += 1;
        let client = Client::new(socket, number, self.log.begin());
        if free == self.clients.len() {
            self.clients.push(None);
        }
        self.clients[free] = Some(client);
        self.tell(News::Came { client: number });
    }

    fn remove(&mut self, index: usize, why: Gone) {
        let Some(client) = self.clients[index].take() else { return };
        if matches!(why, Gone::TooSlow { .. }) {
            self.counts.dropped += 1;
        }
        self.tell(News::Gone { client: client.number, why });
    }

    fn tell(&mut self, news: News) {
        if self.news.len() < MAX_NEWS {
            self.news.push_back(news);
        }
    }
}
