//! Bounded rings between threads.
//!
//! [`one_to_one`] is the straight line between two stages, on `rtrb`: each end keeps a cached copy of the other's index
//! and touches the other's cache line only when the cache says empty or full, so a hop costs little more than moving
//! one cache line between two cores. [`many_to_one`] is for where several feed one, on crossbeam's `ArrayQueue`, which
//! pays a compare-and-swap at each end.
//!
//! `cargo bench --bench hop` compares both with a bare cache-line ping-pong, in one run on two pinned cores. Its p50
//! ratios for an event of 64 bytes, on a shared virtual machine whose two processors are now near each other (bare hop
//! 33 ns), now far (160 ns):
//!
//! | hop over a bare one | near | far |
//! |---|---|---|
//! | `one_to_one`, 128 places | 1.8 to 2.4 | 1.7 |
//! | `one_to_one`, 4,096 places | 3.1 to 3.3 | 2.6 |
//! | `many_to_one`, 128 places | 3.7 to 4.5 | 3.0 to 3.5 |
//!
//! **So keep rings small.** A ring goes round through all its places however few are in use; one that outgrows the
//! first-level cache (256 events in 16 KiB and both ends' other data) misses it at each hop.
//!
//! What happens at the bound is part of a ring's type:
//! * [`Lossless`]: `try_push` says that there is no room, and the producer has to hold the item and try again.
//! * [`Conflating`]: `push` drops the item and counts it. For what the next item makes obsolete anyway.
//!
//! A ring's [`Gauge`] may be read from any thread. Its counters are relaxed: each is right, together they are a moment
//! blurred by what is in flight.

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A full ring refuses: the producer holds the item and tries again.
#[derive(Clone, Copy, Debug)]
pub enum Lossless {}

/// A full ring drops the new item and counts it.
#[derive(Clone, Copy, Debug)]
pub enum Conflating {}

/// The ring is full and did not take the item, which the caller still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full: its reader is behind")]
pub struct Full;

/// The producer's counters: written by it alone where there is one, so a plain store is enough.
#[derive(Debug, Default)]
struct ProducerCount {
    pushed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct ConsumerCount {
    popped: AtomicU64,
    high_water: AtomicU64,
}

/// The two ends' counters, each on a cache line of its own so that counting never moves a line between the ends.
#[derive(Debug, Default)]
struct Counts {
    producer: CachePadded<ProducerCount>,
    consumer: CachePadded<ConsumerCount>,
}

/// A ring's counters, for whoever watches it.
#[derive(Clone, Debug)]
pub struct Gauge {
    counts: Arc<Counts>,
    capacity: usize,
}

impl Gauge {
    /// Items in the ring now.
    #[must_use]
    pub fn depth(&self) -> u64 {
        // Popped first: read the other way round, a pop in between would make the difference negative.
        let popped = self.counts.consumer.popped.load(Ordering::Relaxed);
        self.counts.producer.pushed.load(Ordering::Relaxed).saturating_sub(popped)
    }

    /// The most items that the consumer ever found waiting when it came back to the ring.
    #[must_use]
    pub fn high_water(&self) -> u64 {
        self.counts.consumer.high_water.load(Ordering::Relaxed)
    }

    /// Items that a full ring dropped ([`Conflating`]), or how often it refused one ([`Lossless`]).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counts.producer.dropped.load(Ordering::Relaxed)
    }

    /// Items that the consumer has taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.counts.consumer.popped.load(Ordering::Relaxed)
    }

    /// Items that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Adds one to a counter that only this thread writes.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The writing end of a [`one_to_one`] ring with rule `R`.
#[derive(Debug)]
pub struct Producer<T, R> {
    ring: rtrb::Producer<T>,
    gauge: Gauge,
    rule: PhantomData<R>,
}

/// The reading end of a [`one_to_one`] ring.
#[derive(Debug)]
pub struct Consumer<T> {
    ring: rtrb::Consumer<T>,
    gauge: Gauge,
}

/// A ring for `capacity` items between one producer and one consumer.
///
/// # Panics
/// If `capacity` is zero.
#[must_use]
pub fn one_to_one<T: Copy, R>(capacity: usize) -> (Producer<T, R>, Consumer<T>) {
    assert!(capacity > 0, "a ring holds at least one item");
    let (producer, consumer) = rtrb::RingBuffer::new(capacity);
    let gauge = Gauge { counts: Arc::default(), capacity };
    (Producer { ring: producer, gauge: gauge.clone(), rule: PhantomData }, Consumer { ring: consumer, gauge })
}

impl<T: Copy, R> Producer<T, R> {
    /// The ring's counters.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// How many items there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.ring.slots()
    }

    /// Whether the consumer is gone, so that nobody will ever read what is pushed.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    fn offer(&mut self, item: T) -> Result<(), Full> {
        let count = &self.gauge.counts.producer;
        if self.ring.push(item).is_err() {
            bump(&count.dropped);
            return Err(Full);
        }
        bump(&count.pushed);
        Ok(())
    }
}

impl<T: Copy> Producer<T, Lossless> {
    /// Puts an item in, if there is room.
    ///
    /// # Errors
    /// If the ring is full: hold the item, and try again.
    pub fn try_push(&mut self, item: T) -> Result<(), Full> {
        self.offer(item)
    }
}

impl<T: Copy> Producer<T, Conflating> {
    /// Puts an item in, or drops and counts it if the ring is full. True if it was taken.
    pub fn push(&mut self, item: T) -> bool {
        self.offer(item).is_ok()
    }
}

impl<T: Copy> Consumer<T> {
    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        // Only when the cached end is reached does `rtrb` look at the producer's index: that is the moment at which the
        // depth is known for nothing.
        let looks = self.ring.cached_slots() == 0;
        let item = self.ring.pop().ok()?;
        let count = &self.gauge.counts.consumer;
        bump(&count.popped);
        if looks {
            let found = self.ring.cached_slots() as u64 + 1;
            if found > count.high_water.load(Ordering::Relaxed) {
                count.high_water.store(found, Ordering::Relaxed);
            }
        }
        Some(item)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether the producer is gone. What it pushed before can still be taken.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// The ring's counters.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }
}

/// A writing end of a [`many_to_one`] ring with rule `R`; clone it for each producer.
#[derive(Debug)]
pub struct SharedProducer<T, R> {
    queue: Arc<ArrayQueue<T>>,
    gauge: Gauge,
    rule: PhantomData<R>,
}

/// The reading end of a [`many_to_one`] ring.
#[derive(Debug)]
pub struct SharedConsumer<T> {
    queue: Arc<ArrayQueue<T>>,
    gauge: Gauge,
}

/// A ring for `capacity` items into which many may push.
///
/// # Panics
/// If `capacity` is zero.
#[must_use]
pub fn many_to_one<T: Copy, R>(capacity: usize) -> (SharedProducer<T, R>, SharedConsumer<T>) {
    let queue = Arc::new(ArrayQueue::new(capacity));
    let gauge = Gauge { counts: Arc::default(), capacity };
    let producer = SharedProducer { queue: Arc::clone(&queue), gauge: gauge.clone(), rule: PhantomData };
    (producer, SharedConsumer { queue, gauge })
}

impl<T, R> Clone for SharedProducer<T, R> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), gauge: self.gauge.clone(), rule: PhantomData }
    }
}

impl<T: Copy, R> SharedProducer<T, R> {
    /// The ring's counters.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    fn offer(&self, item: T) -> Result<(), Full> {
        let count = &self.gauge.counts.producer;
        if self.queue.push(item).is_err() {
            count.dropped.fetch_add(1, Ordering::Relaxed);
            return Err(Full);
        }
        count.pushed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl<T: Copy> SharedProducer<T, Lossless> {
    /// Puts an item in, if there is room.
    ///
    /// # Errors
    /// If the ring is full: hold the item, and try again.
    pub fn try_push(&self, item: T) -> Result<(), Full> {
        self.offer(item)
    }
}

impl<T: Copy> SharedProducer<T, Conflating> {
    /// Puts an item in, or drops and counts it if the ring is full. True if it was taken.
    pub fn push(&self, item: T) -> bool {
        self.offer(item).is_ok()
    }
}

impl<T: Copy> SharedConsumer<T> {
    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        let count = &self.gauge.counts.consumer;
        let item = self.queue.pop()?;
        bump(&count.popped);
        let found = self.queue.len() as u64 + 1;
        if found > count.high_water.load(Ordering::Relaxed) {
            count.high_water.store(found, Ordering::Relaxed);
        }
        Some(item)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The ring's counters.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn a_full_lossless_ring_refuses_and_keeps_what_it_has() {
        let (mut producer, mut consumer) = one_to_one::<u32, Lossless>(2);
        assert_eq!(producer.try_push(1), Ok(()));
        assert_eq!(producer.try_push(2), Ok(()));
        assert_eq!(producer.try_push(3), Err(Full));
        assert_eq!((producer.gauge().depth(), producer.gauge().dropped(), producer.room()), (2, 1, 0));
        assert_eq!([consumer.pop(), consumer.pop(), consumer.pop()], [Some(1), Some(2), None]);
        assert_eq!(producer.try_push(3), Ok(()));
        assert_eq!(consumer.pop(), Some(3));
        assert_eq!((consumer.gauge().depth(), consumer.gauge().high_water(), consumer.gauge().taken()), (0, 2, 3));
    }

    #[test]
    fn a_full_conflating_ring_drops_the_new_and_counts_it() {
        let (mut producer, mut consumer) = one_to_one::<u32, Conflating>(2);
        assert_eq!([producer.push(1), producer.push(2), producer.push(3)], [true, true, false]);
        assert_eq!(consumer.gauge().dropped(), 1);
        assert_eq!([consumer.pop(), consumer.pop(), consumer.pop()], [Some(1), Some(2), None]);
    }

    #[test]
    fn either_end_knows_when_the_other_is_gone() {
        let (producer, mut consumer) = one_to_one::<u32, Lossless>(2);
        let mut producer = producer;
        producer.try_push(7).unwrap();
        drop(producer);
        assert!(consumer.is_abandoned());
        assert_eq!(consumer.pop(), Some(7));
        let (producer, consumer) = one_to_one::<u32, Lossless>(2);
        assert!(!producer.is_abandoned());
        drop(consumer);
        assert!(producer.is_abandoned());
    }

    #[test]
    fn nothing_is_lost_or_swapped_between_two_threads() {
        const ITEMS: u64 = 200_000;
        let (mut producer, mut consumer) = one_to_one::<u64, Lossless>(64);
        let gauge = consumer.gauge();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for item in 0..ITEMS {
                    while producer.try_push(item).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
            for expected in 0..ITEMS {
                let item = loop {
                    match consumer.pop() {
                        Some(item) => break item,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(item, expected);
            }
        });
        assert_eq!((gauge.depth(), gauge.taken()), (0, ITEMS));
        assert!(gauge.high_water() <= 64);
    }

    #[test]
    fn many_producers_keep_each_its_own_order() {
        const ITEMS: u64 = 20_000;
        let (producer, mut consumer) = many_to_one::<(usize, u64), Lossless>(32);
        std::thread::scope(|scope| {
            for who in 0..3 {
                let producer = producer.clone();
                scope.spawn(move || {
                    for item in 0..ITEMS {
                        while producer.try_push((who, item)).is_err() {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            let mut next = [0; 3];
            while next != [ITEMS; 3] {
                match consumer.pop() {
                    Some((who, item)) => {
                        assert_eq!(item, next[who]);
                        next[who] += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
        assert_eq!((consumer.gauge().depth(), consumer.gauge().taken()), (0, 3 * ITEMS));
    }

    proptest! {
        #[test]
        fn a_ring_is_a_queue_that_drops_what_does_not_fit(
            capacity in 1_usize..9,
            pushes in prop::collection::vec(any::<bool>(), 0..200),
        ) {
            let (mut one, mut one_out) = one_to_one::<usize, Conflating>(capacity);
            let (many, mut many_out) = many_to_one::<usize, Conflating>(capacity);
            let mut model = VecDeque::new();
            let mut dropped = 0;
            for (item, is_push) in pushes.into_iter().enumerate() {
                if is_push {
                    let fits = model.len() < capacity;
                    if fits { model.push_back(item) } else { dropped += 1 }
                    prop_assert_eq!((one.push(item), many.push(item)), (fits, fits));
                } else {
                    let expected = model.pop_front();
                    prop_assert_eq!((one_out.pop(), many_out.pop()), (expected, expected));
                }
                for gauge in [one.gauge(), many.gauge()] {
                    prop_assert_eq!((gauge.depth(), gauge.dropped()), (model.len() as u64, dropped));
                }
                prop_assert_eq!(one_out.is_empty(), model.is_empty());
            }
        }
    }
}
