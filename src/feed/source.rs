//! What every source is: a state machine over one or more connections of its own.

use super::horizon::Horizon;
use super::ledgers::Ledgers;
use super::port::Port;
use crate::events::{FeedEvent, MonoNanos, Sink, Stamped};

/// What a source works with while it is called.
pub(super) struct Tools<'a, S> {
    /// Its own connections: a leg's number is its place here. The moment of the call is in each port's `at`.
    pub(super) ports: &'a mut [Port],
    /// The chain of ledgers, which all sources share.
    pub(super) ledgers: &'a mut Ledgers,
    /// What those share that ask Horizon.
    pub(super) horizon: &'a mut Horizon,
    /// Where events go.
    pub(super) sink: &'a mut S,
}

/// A source. Of a leg that is closed or was given up it hears no bytes.
pub(super) trait Machine {
    /// A connection stands.
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>);

    /// Bytes have come, cut anywhere.
    fn bytes(&mut self, leg: usize, bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>);

    /// A connection is gone that was neither given up nor renewed by us. (The port tells `FeedDown` by itself, after.)
    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>);

    /// A deadline may have passed.
    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>);

    /// When `on_time` is wanted next.
    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos>;
}
