//! For tests of the faces: a lively world in virtual time, and its past.

use super::chain::Chain;
use super::engine::EngineAccount;
use super::history::{History, HistoryBounds};
use super::world::{Submission, World, WorldConfig, close_time_s};
use crate::stellar::AccountId;
use crate::stellar::NetworkId;

/// A world with a past.
pub(crate) struct Fixture {
    pub(crate) world: World,
    pub(crate) history: History,
}

impl Fixture {
    /// Of this configuration, as it is after the founding.
    pub(crate) fn of(config: &WorldConfig, bounds: HistoryBounds) -> Self {
        let mut world = World::new(config).unwrap();
        let mut history = History::new(NetworkId::from_passphrase(&config.network_passphrase), bounds);
        for ledger in world.take_founding() {
            history.record_xdr(ledger);
        }
        Self { world, history }
    }

    /// Lively traders on one market, and so many ledgers of their doing.
    pub(crate) fn lively(ledgers: usize) -> Self {
        let engine = EngineAccount::without_trustlines(AccountId([7; 32]));
        let mut fixture = Self::of(&WorldConfig::new(1, engine), HistoryBounds::default());
        for _ in 0..ledgers {
            fixture.close();
        }
        fixture
    }

    /// Hands in a transaction, in XDR.
    pub(crate) fn submit(&mut self, envelope: &[u8]) -> Submission {
        self.world.submit(envelope)
    }

    /// Closes a ledger, five seconds after the last.
    pub(crate) fn close(&mut self) {
        let closed = self.world.close(close_time_s(self.world.ledger()) + 5).unwrap();
        self.history.record(&closed.meta, closed.bytes);
    }

    /// What the faces show.
    pub(crate) fn chain(&self) -> Chain<'_> {
        Chain { ledger: self.world.ledger(), history: &self.history, now_s: close_time_s(self.world.ledger()) + 1 }
    }
}
