//! What the sources that ask Horizon share.

use super::config::{FeedConfig, SourceConfig};
use super::pace::Budget;

/// Requests that may be made at once when none were for a while: Horizon's own burst is 100, and others share it.
const BURST: u64 = 50;
const HOUR_NS: u64 = 3_600_000_000_000;

/// A server's limit is of an address, whatever asks from there: so is the budget.
#[derive(Debug)]
pub(super) struct Horizon {
    pub(super) budget: Budget,
    /// Something was seen that a snapshot of everything should be compared with, as soon as can be.
    pub(super) check_wanted: bool,
}

impl Horizon {
    pub(super) fn new(config: &FeedConfig) -> Self {
        let budget = |source: &SourceConfig| match source {
            SourceConfig::HorizonSweep(sweep) => Some(sweep.requests_per_hour),
            SourceConfig::HorizonStream(stream) => Some(stream.requests_per_hour),
            _ => None,
        };
        let requests_per_hour = config.sources.iter().filter_map(budget).min().unwrap_or(1).max(1);
        Self { budget: Budget::new(HOUR_NS / u64::from(requests_per_hour), BURST), check_wanted: false }
    }
}
