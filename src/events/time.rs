//! Time as it is handed to a stage. No stage asks a clock.

/// Monotonic time in nanoseconds since an arbitrary start; differences are durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct MonoNanos(pub u64);

impl MonoNanos {
    /// Time from `earlier` to here in nanoseconds, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many nanoseconds later.
    #[must_use]
    pub const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// Time since 1970 in nanoseconds, UTC. It may jump; only what the outside means by a date may depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct UtcNanos(pub u64);

impl UtcNanos {
    /// Whole seconds since 1970, as ledgers count.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

/// The moment of an event, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// For durations and deadlines.
    pub mono: MonoNanos,
    /// For what the outside means by a date.
    pub utc: UtcNanos,
}

/// A connection of the network room, as the stage that uses it knows it: an index given by configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ConnId(pub u8);

/// A source of time, held by whoever drives stages and sockets.
pub trait Clock {
    /// The moment, on both clocks.
    fn now(&self) -> Now;

    /// The moment on the monotonic clock alone, for stamps and deadlines.
    fn mono(&self) -> MonoNanos {
        self.now().mono
    }
}
