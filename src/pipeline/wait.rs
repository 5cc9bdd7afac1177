//! What a thread does while nothing comes: a value, chosen by the plan.
//!
//! A loop looks like this; `until` is the earliest of its stages' deadlines:
//!
//! ```text
//! loop {
//!     let worked = take_from_rings() | on_time_if_due();
//!     if worked { idle.reset(); continue }
//!     idle.idle(until.since(now), || rings_are_empty());              // a thread without sockets
//!
//!     let timeout = idle.poll_timeout(until.since(now), || rings_are_empty());
//!     reactor.poll(timeout, …);                                       // a thread with sockets
//!     idle.woke();
//! }
//! ```
//!
//! A parked thread must be woken by whoever puts something in its ring: [`Waker::wake`] after each push (or each batch).
//! Where the sleeper spins or yields, that is one comparison. Where it parks, it is a fence and a load, and a system
//! call only if the sleeper really sleeps. The sleeper says "I sleep", *then* looks at its rings once more, then sleeps;
//! the producer pushes, *then* looks whether someone sleeps: with a full fence between the two steps on both sides, one
//! of them sees the other (Dekker), so no wake-up is lost. Parking is bounded all the same.

use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

/// How a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitStrategy {
    /// Never gives the core away. Lowest latency; only on a core that is ours alone.
    Spin,
    /// Offers the core to others at each idle turn, and takes it back at once if nobody wants it.
    Yield,
    /// Spins for a moment, then yields for a moment, then sleeps until woken or until its next deadline.
    Park,
}

impl WaitStrategy {
    /// Its name in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Yield => "yield",
            Self::Park => "park",
        }
    }
}

/// Idle turns that a parking thread spins before it yields, and yields before it sleeps: about a microsecond of each,
/// so that a burst does not pay for sleeping between its messages.
const SPINS: u32 = 32;
const YIELDS: u32 = 8;

/// The longest sleep, however far the next deadline is: a guard, not a rhythm.
pub const LONGEST_PARK: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Bell {
    Thread(Unparker),
    Poll(Arc<mio::Waker>),
}

#[derive(Debug)]
struct Doorbell {
    asleep: CachePadded<AtomicBool>,
    rung: AtomicU64,
    bell: Bell,
}

/// The waiting side: belongs to the thread that waits.
#[derive(Debug)]
pub struct Idle {
    strategy: WaitStrategy,
    turns: u32,
    parker: Option<Parker>,
    doorbell: Arc<Doorbell>,
}

/// The waking side: each producer into the thread's rings has one.
#[derive(Clone, Debug)]
pub struct Waker {
    doorbell: Option<Arc<Doorbell>>,
}

impl Idle {
    /// For a thread that waits on rings only.
    #[must_use]
    pub fn new(strategy: WaitStrategy) -> Self {
        let parker = Parker::new();
        let bell = Bell::Thread(parker.unparker().clone());
        Self::with_bell(strategy, Some(parker), bell)
    }

    /// For a thread that waits on sockets too, in `mio`'s poll, to which `waker` belongs (the reactor has it).
    #[must_use]
    pub fn on_poll(strategy: WaitStrategy, waker: Arc<mio::Waker>) -> Self {
        Self::with_bell(strategy, None, Bell::Poll(waker))
    }

    fn with_bell(strategy: WaitStrategy, parker: Option<Parker>, bell: Bell) -> Self {
        let doorbell = Doorbell { asleep: CachePadded::new(AtomicBool::new(false)), rung: AtomicU64::new(0), bell };
        Self { strategy, turns: 0, parker, doorbell: Arc::new(doorbell) }
    }

    /// What wakes this thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { doorbell: (self.strategy == WaitStrategy::Park).then(|| Arc::clone(&self.doorbell)) }
    }

    /// The strategy.
    #[must_use]
    pub fn strategy(&self) -> WaitStrategy {
        self.strategy
    }

    /// There was work: the next idle turn is the first again.
    pub fn reset(&mut self) {
        self.turns = 0;
    }

    /// Waits a turn, at most `bound_ns`. `nothing_waits` is asked once more right before sleeping.
    ///
    /// # Panics
    /// If this is the idle of a polling thread, which waits in its poll.
    pub fn idle(&mut self, bound_ns: u64, nothing_waits: impl FnOnce() -> bool) {
        let timeout = self.poll_timeout(bound_ns, nothing_waits);
        assert!(self.parker.is_some(), "a thread with sockets waits in its poll");
        if let Some(parker) = &self.parker
            && !timeout.is_zero()
        {
            parker.park_timeout(timeout);
            self.woke();
        }
    }

    /// Waits a turn as far as that is done without sleeping, and says how long the poll may sleep, at most `bound_ns`.
    /// Call [`woke`](Self::woke) after the poll.
    pub fn poll_timeout(&mut self, bound_ns: u64, nothing_waits: impl FnOnce() -> bool) -> Duration {
        self.turns = self.turns.saturating_add(1);
        match self.strategy {
            WaitStrategy::Spin => core::hint::spin_loop(),
            WaitStrategy::Yield => std::thread::yield_now(),
            WaitStrategy::Park if self.turns <= SPINS => core::hint::spin_loop(),
            WaitStrategy::Park if self.turns <= SPINS + YIELDS => std::thread::yield_now(),
            WaitStrategy::Park => return self.prepare_to_sleep(bound_ns, nothing_waits),
        }
        Duration::ZERO
    }

    fn prepare_to_sleep(&self, bound_ns: u64, nothing_waits: impl FnOnce() -> bool) -> Duration {
        self.doorbell.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if bound_ns == 0 || !nothing_waits() {
            self.woke();
            return Duration::ZERO;
        }
        Duration::from_nanos(bound_ns).min(LONGEST_PARK)
    }

    /// The thread is awake: nobody needs to wake it.
    pub fn woke(&self) {
        if self.strategy == WaitStrategy::Park {
            self.doorbell.asleep.store(false, Ordering::Relaxed);
        }
    }

    /// How often a producer had to wake this thread.
    #[must_use]
    pub fn times_woken(&self) -> u64 {
        self.doorbell.rung.load(Ordering::Relaxed)
    }
}

impl Waker {
    /// A waker for a thread that never sleeps.
    #[must_use]
    pub const fn none() -> Self {
        Self { doorbell: None }
    }

    /// Wakes the thread if it sleeps. Call it after the push.
    pub fn wake(&self) {
        let Some(doorbell) = &self.doorbell else { return };
        fence(Ordering::SeqCst);
        if doorbell.asleep.load(Ordering::Relaxed) {
            doorbell.ring();
        }
    }
}

impl Doorbell {
    #[cold]
    fn ring(&self) {
        // Of several producers one rings.
        if !self.asleep.swap(false, Ordering::Relaxed) {
            return;
        }
        self.rung.fetch_add(1, Ordering::Relaxed);
        match &self.bell {
            Bell::Thread(unparker) => unparker.unpark(),
            // Fails only if the kernel's counter is full (then the poll is awake anyway) or out of memory, and the
            // bound on parking covers that.
            Bell::Poll(waker) => drop(waker.wake()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::ring::{Lossless, one_to_one};
    use std::time::Instant;

    const LONG_NS: u64 = 60_000_000_000;

    fn turns_until_it_would_sleep(idle: &mut Idle) -> u32 {
        (1..1_000).find(|_| !idle.poll_timeout(LONG_NS, || true).is_zero()).unwrap_or(u32::MAX)
    }

    #[test]
    fn only_park_ever_sleeps_and_only_after_spinning_and_yielding() {
        assert_eq!(turns_until_it_would_sleep(&mut Idle::new(WaitStrategy::Spin)), u32::MAX);
        assert_eq!(turns_until_it_would_sleep(&mut Idle::new(WaitStrategy::Yield)), u32::MAX);
        let mut parking = Idle::new(WaitStrategy::Park);
        assert_eq!(turns_until_it_would_sleep(&mut parking), SPINS + YIELDS + 1);
        parking.woke();
        parking.reset();
        assert_eq!(turns_until_it_would_sleep(&mut parking), SPINS + YIELDS + 1);
    }

    #[test]
    fn a_sleep_is_bounded_by_the_deadline_and_by_the_longest_park() {
        let mut idle = Idle::new(WaitStrategy::Park);
        turns_until_it_would_sleep(&mut idle);
        assert_eq!(idle.poll_timeout(LONG_NS, || true), LONGEST_PARK);
        assert_eq!(idle.poll_timeout(1_000, || true), Duration::from_micros(1));
        assert_eq!(idle.poll_timeout(0, || true), Duration::ZERO);
        assert_eq!(idle.poll_timeout(LONG_NS, || false), Duration::ZERO);
    }

    #[test]
    fn no_wake_up_is_lost_between_the_last_look_and_the_sleep() {
        // Each answer is awaited before the next question, so that the sleeper falls asleep again and again. A lost
        // wake-up would cost the longest park each time.
        const ROUNDS: u32 = 300;
        let (mut questions, mut asked) = one_to_one::<u32, Lossless>(4);
        let (mut answers, mut answered) = one_to_one::<u32, Lossless>(4);
        let mut idle = Idle::new(WaitStrategy::Park);
        let waker = idle.waker();
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut done = 0;
                while done < ROUNDS {
                    match asked.pop() {
                        Some(question) => {
                            answers.try_push(question).unwrap();
                            done += 1;
                            idle.reset();
                        }
                        None => idle.idle(LONG_NS, || asked.is_empty()),
                    }
                }
                assert!(idle.times_woken() > 0);
            });
            for round in 0..ROUNDS {
                questions.try_push(round).unwrap();
                waker.wake();
                while answered.pop().is_none() {
                    std::thread::yield_now();
                }
                if round % 3 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        // Half of all wake-ups lost would take 15 s.
        assert!(started.elapsed() < LONGEST_PARK * ROUNDS / 2);
    }

    #[test]
    fn a_polling_thread_is_woken_through_its_poll() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(9)).unwrap());
        let mut idle = Idle::on_poll(WaitStrategy::Park, waker);
        let bell = idle.waker();
        bell.wake();
        assert_eq!(idle.times_woken(), 0, "nobody wakes who is awake");
        turns_until_it_would_sleep(&mut idle);
        bell.wake();
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
        assert_eq!(events.iter().map(|event| event.token()).collect::<Vec<_>>(), [mio::Token(9)]);
        assert_eq!(idle.times_woken(), 1);
    }
}
