//! What happened: closed ledgers, the newest so many, found by number, hash, account and place.
//!
//! This is what Horizon and Stellar RPC keep in databases. Here it is in memory and bounded: once the bound is reached,
//! the oldest ledger goes, and whoever asks for it is told that history begins later (Horizon's 410, RPC's
//! `oldestLedger`).

mod changes;
mod claims;
mod effects;
mod index;
mod participants;
mod places;
mod read;
mod record;
mod sponsors;
mod toid;
mod trades;

pub(crate) use changes::changes;
pub(crate) use effects::{
    Effect, EffectKind, Money, Pool, Sponsored, TradeEffect, asset_of, pool_delta, strict_receive_sent,
};
pub(crate) use places::{Between, Scope};
pub(crate) use record::{LedgerRecord, TransactionRecord, account_of};
pub(crate) use toid::Toid;
pub(crate) use trades::{Party, Side, Trade};

use crate::stellar::NetworkId;
use places::Involved;
use read::read;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stellar_xdr::{Hash, LedgerCloseMeta, Limits, ReadXdr};
use trades::Trades;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBounds {
    /// Ledgers.
    pub max_ledgers: usize,
    /// Bytes of their `LedgerCloseMeta` in XDR; what is decoded from it takes several times that.
    pub max_bytes: usize,
}

impl Default for HistoryBounds {
    /// A day of five-second ledgers, or 64 MiB of them.
    fn default() -> Self {
        Self { max_ledgers: 17_280, max_bytes: 64 << 20 }
    }
}

/// Closed ledgers.
#[derive(Debug)]
pub(crate) struct History {
    network: NetworkId,
    bounds: HistoryBounds,
    ledgers: VecDeque<LedgerRecord>,
    bytes: usize,
    by_hash: FxHashMap<Hash, Toid>,
    trades: Trades,
    involved: Involved,
}

impl History {
    /// An empty one.
    pub(crate) fn new(network: NetworkId, bounds: HistoryBounds) -> Self {
        Self {
            network,
            bounds,
            ledgers: VecDeque::new(),
            bytes: 0,
            by_hash: FxHashMap::default(),
            trades: Trades::default(),
            involved: Involved::default(),
        }
    }

    /// Adds the ledger that closed after the last one; `xdr` is `meta` in XDR.
    ///
    /// # Panics
    /// If it does not follow.
    pub(crate) fn record(&mut self, meta: &LedgerCloseMeta, xdr: Vec<u8>) {
        let record = read(meta, xdr, self.network);
        if let Some(last) = self.ledgers.back() {
            assert_eq!(record.seq(), last.seq() + 1, "a ledger is missing in the history");
        }
        for tx in &record.transactions {
            self.by_hash.insert(tx.hash.clone(), tx.id);
            if let Some(inner) = &tx.inner_hash {
                self.by_hash.insert(inner.clone(), tx.id);
            }
        }
        self.trades.record(&record);
        self.involved.record(&record);
        self.bytes += record.meta.len();
        self.ledgers.push_back(record);
        while self.ledgers.len() > self.bounds.max_ledgers.max(1)
            || (self.bytes > self.bounds.max_bytes && self.ledgers.len() > 1)
        {
            self.forget_oldest();
        }
    }

    /// The same from XDR alone, which the ledger itself wrote.
    ///
    /// # Panics
    /// If it is no `LedgerCloseMeta`, or does not follow.
    pub(crate) fn record_xdr(&mut self, xdr: Vec<u8>) {
        match LedgerCloseMeta::from_xdr(&xdr, Limits::none()) {
            Ok(meta) => self.record(&meta, xdr),
            Err(error) => panic!("the ledger wrote metadata that cannot be read: {error}"),
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.ledgers.pop_front() else { return };
        self.bytes -= oldest.meta.len();
        self.trades.forget_until(oldest.seq());
        self.involved.forget(&oldest);
        for tx in &oldest.transactions {
            for hash in [Some(&tx.hash), tx.inner_hash.as_ref()].into_iter().flatten() {
                // The same transaction may be inside of a younger fee bump.
                if self.by_hash.get(hash) == Some(&tx.id) {
                    self.by_hash.remove(hash);
                }
            }
        }
    }

    /// How much it keeps.
    pub(crate) fn bounds(&self) -> HistoryBounds {
        self.bounds
    }

    /// Every ledger that is kept, oldest first.
    pub(crate) fn ledgers(&self) -> impl DoubleEndedIterator<Item = &LedgerRecord> + ExactSizeIterator {
        self.ledgers.iter()
    }

    /// The oldest one that is kept.
    pub(crate) fn oldest(&self) -> Option<&LedgerRecord> {
        self.ledgers.front()
    }

    /// The last closed one.
    pub(crate) fn newest(&self) -> Option<&LedgerRecord> {
        self.ledgers.back()
    }

    /// A ledger by its number.
    pub(crate) fn ledger(&self, seq: u32) -> Option<&LedgerRecord> {
        let first = self.oldest()?.seq();
        self.ledgers.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// A transaction by its place, or by that of one of its operations.
    pub(crate) fn transaction_at(&self, id: Toid) -> Option<(&LedgerRecord, &TransactionRecord)> {
        let ledger = self.ledger(id.ledger())?;
        let index = usize::try_from(id.transaction().checked_sub(1)?).ok()?;
        ledger.transactions.get(index).map(|tx| (ledger, tx))
    }

    /// A transaction by its hash, or by that of the transaction inside of its fee bump.
    pub(crate) fn transaction(&self, hash: &Hash) -> Option<(&LedgerRecord, &TransactionRecord)> {
        self.transaction_at(*self.by_hash.get(hash)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixture::Fixture;

    #[test]
    fn every_transaction_is_found_by_its_hash_and_its_place() {
        let fixture = Fixture::lively(10);
        let history = &fixture.history;
        let mut found = 0;
        for ledger in history.ledgers() {
            assert_eq!(history.ledger(ledger.seq()).map(|ledger| ledger.seq()), Some(ledger.seq()));
            for tx in &ledger.transactions {
                assert_eq!(history.transaction(&tx.hash).map(|(_, found)| found.id), Some(tx.id));
                assert_eq!(history.transaction_at(tx.id.at(1)).map(|(_, found)| &found.hash), Some(&tx.hash));
                found += 1;
            }
        }
        assert!(found > 10, "{found}");
        assert_eq!(history.newest().map(LedgerRecord::seq), Some(fixture.chain().latest()));
    }

    #[test]
    fn the_oldest_ledgers_go_when_the_bound_is_reached_and_are_not_found_any_more() {
        let engine = crate::sandbox::EngineAccount::without_trustlines(crate::stellar::AccountId([7; 32]));
        let bounds = HistoryBounds { max_ledgers: 3, max_bytes: usize::MAX };
        let mut fixture = Fixture::of(&crate::sandbox::WorldConfig::new(1, engine), bounds);
        let gone = fixture.history.newest().map(|ledger| ledger.seq()).unwrap();
        let hash = fixture.history.newest().unwrap().transactions[0].hash.clone();
        (0..3).for_each(|_| fixture.close());
        assert_eq!(fixture.history.ledgers().len(), 3);
        assert!(fixture.history.ledger(gone).is_none());
        assert!(fixture.history.transaction(&hash).is_none());
    }
}
