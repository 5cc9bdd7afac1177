//! A stage is a state machine, not a thread.

use super::{ConnId, MonoNanos, Now};

/// A state machine on the line. The same object runs on a thread of its own, fused with its neighbours, or in a
/// simulation with virtual time.
///
/// Once warm, no method allocates, locks, logs, sleeps, or asks for time or randomness.
pub trait Stage {
    /// What comes in. Borrowed where it is bytes.
    type Input<'a>;
    /// What goes out.
    type Output: Copy;

    /// Takes one input at `now`, and hands what follows from it to `sink`.
    fn on_event(&mut self, now: Now, input: Self::Input<'_>, sink: &mut impl Sink<Self::Output>);

    /// Called when [`next_deadline`](Self::next_deadline) has passed.
    fn on_time(&mut self, now: Now, sink: &mut impl Sink<Self::Output>);

    /// When this stage next wants [`on_time`](Self::on_time), if at all.
    fn next_deadline(&self) -> Option<MonoNanos>;
}

/// Where a stage's output goes: the next stage, a ring, or a test's vector.
pub trait Sink<T> {
    /// Takes one item. Never blocks and never fails: what a full ring does is the ring's rule.
    fn put(&mut self, item: T);
}

impl<T> Sink<T> for Vec<T> {
    fn put(&mut self, item: T) {
        self.push(item);
    }
}

/// An event with the moment at which the bytes that caused it came off the wire (the return of the `read` that
/// completed the message).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped<E> {
    /// When.
    pub wire: MonoNanos,
    /// What.
    pub event: E,
}

/// What the network tells the stage that owns a connection. Bytes are plain text (TLS is the network's business).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetEvent<'a> {
    /// The connection stands; the stage may send its greeting.
    Opened(ConnId),
    /// Bytes have come, in order, cut anywhere.
    Bytes(ConnId, &'a [u8]),
    /// The connection is gone; the network will try again by itself, with back-off.
    Closed(ConnId),
}

/// A stage that owns connections. Its driver, after each call, writes what is waiting in the outboxes.
pub trait NetPort {
    /// How many connections the stage owns: ids `0..connections()`.
    fn connections(&self) -> u8;

    /// Bytes that wait to be sent on `conn`. The driver takes from its front what the socket took.
    fn outbox(&mut self, conn: ConnId) -> &mut Outbox;

    /// True once if the stage wants `conn` closed and opened anew (a protocol error, a server that went silent).
    fn take_reset(&mut self, conn: ConnId) -> bool;

    /// The wire time of what caused the bytes last put into an outbox, once, if the time from there to the socket is a
    /// latency: `None` if they were held back on purpose, or sent again.
    fn take_stamp(&mut self) -> Option<MonoNanos> {
        None
    }
}

/// Bytes on their way out of a stage: a buffer of fixed capacity.
#[derive(Debug)]
pub struct Outbox {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The outbox has no room for a message; nothing of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes do not fit the outbox, which has {free} of {capacity} free: the peer is not reading")]
pub struct OutboxFull {
    /// Bytes of the message.
    pub wanted: usize,
    /// Bytes free.
    pub free: usize,
    /// Bytes in all.
    pub capacity: usize,
}

impl Outbox {
    /// An empty outbox that never holds more than `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 }
    }

    /// What waits.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Puts a whole message behind what waits.
    ///
    /// # Errors
    /// If it does not fit; then nothing is taken.
    pub fn push(&mut self, message: &[u8]) -> Result<(), OutboxFull> {
        let used = self.end - self.start;
        let free = self.bytes.len() - used;
        if message.len() > free {
            return Err(OutboxFull { wanted: message.len(), free, capacity: self.bytes.len() });
        }
        if message.len() > self.bytes.len() - self.end {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, used);
        }
        self.bytes[self.end..self.end + message.len()].copy_from_slice(message);
        self.end += message.len();
        Ok(())
    }

    /// Drops `count` bytes from the front: they are sent.
    ///
    /// # Panics
    /// If fewer wait.
    pub fn sent(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "more bytes were sent than waited");
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Forgets what waits: the connection it was for is gone.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_keeps_order_and_refuses_what_does_not_fit_whole() {
        let mut outbox = Outbox::new(8);
        outbox.push(b"abcdef").unwrap();
        assert_eq!(outbox.push(b"xyz"), Err(OutboxFull { wanted: 3, free: 2, capacity: 8 }));
        outbox.sent(4);
        outbox.push(b"ghijkl").unwrap();
        assert_eq!(outbox.waiting(), b"efghijkl");
        outbox.sent(8);
        assert!(outbox.waiting().is_empty());
    }
}
