//! Snapshots from Horizon: `/offers`, liquidity pools and accounts, page by page.

use super::config::HorizonSweepConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, MonoNanos, Sink, Stamped};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct HorizonSweep {}

impl HorizonSweep {
    pub(super) fn new(_config: &HorizonSweepConfig) -> Self {
        Self {}
    }
}

impl Machine for HorizonSweep {
    fn opened(&mut self, _leg: usize, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn bytes(&mut self, _leg: usize, _bytes: &[u8], _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn closed(&mut self, _leg: usize, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn on_time(&mut self, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn deadline(&self, _ports: &[Port]) -> Option<MonoNanos> {
        None
    }
}
