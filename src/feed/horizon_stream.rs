//! Horizon's streams: order books, trades and accounts as server-sent events.

use super::config::HorizonStreamConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, MonoNanos, Sink, Stamped};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct HorizonStream {}

impl HorizonStream {
    pub(super) fn new(_config: &HorizonStreamConfig) -> Self {
        Self {}
    }
}

impl Machine for HorizonStream {
    fn opened(&mut self, _leg: usize, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn bytes(&mut self, _leg: usize, _bytes: &[u8], _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn closed(&mut self, _leg: usize, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn on_time(&mut self, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn deadline(&self, _ports: &[Port]) -> Option<MonoNanos> {
        None
    }
}
