//! The ledger itself: state, transactions, closing.
//!
//! A [`Ledger`] does in one process, in memory, what stellar-core does for everything classic: the same results, the same
//! changes, the same errors, which recordings of the real one are replayed to prove (`stellar-connector conformance`).
//! Protocols 17 to 27 are known.
//!
//! What it does not have: contracts (their operations get the protocol's own `opNOT_SUPPORTED`), consensus (whoever holds
//! the ledger closes it, at the time they say), and a bucket list (the header's bucket list hash chains headers and results
//! instead; every other hash is real).
//!
//! ```
//! use stellar_connector::sandbox::ledger::{CURRENT_PROTOCOL, GenesisConfig, Ledger, first_upgrades};
//!
//! let mut ledger = Ledger::genesis(GenesisConfig::default());
//! ledger.close(1_700_000_000, &first_upgrades());
//! assert_eq!(ledger.header().ledger_version, CURRENT_PROTOCOL);
//! ```

mod apply;
mod assets;
mod close;
mod crossing;
pub(crate) mod entries;
mod frame;
mod genesis;
mod header;
mod holdings;
mod keys;
mod lanes;
mod means;
mod mempool;
mod offers;
mod operations;
mod outcome;
mod owned;
mod quote;
pub mod replay;
mod signatures;
mod sponsorship;
mod store;
mod submission;
mod tx_set;
mod upgrades;
mod validity;

use ed25519_dalek::SigningKey;
use stellar_xdr::{
    AccountEntry, AccountId, Asset, Hash, LedgerCloseMeta, LedgerEntry, LedgerEntryData, LedgerHeader, LedgerKey,
    LedgerUpgrade, LiquidityPoolEntry, OfferEntry, PoolId, StellarValue, StellarValueExt, TimePoint,
    TransactionEnvelope, TrustLineAsset, TrustLineEntry, UpgradeType,
};

use crate::stellar::NetworkId;

use frame::Frame;
use lanes::Lanes;
use mempool::Mempool;
use store::{Key, Store, offer_in};

pub(crate) use assets::pool_id;
pub(crate) use assets::pool_id_of;
pub(crate) use frame::account_of;
pub(crate) use tx_set::{SetTransaction, transactions_of};

pub use genesis::{GenesisConfig, account_id, root_key};
pub use submission::SubmitOutcome;

/// The newest protocol that this ledger knows, which mainnet runs.
pub const CURRENT_PROTOCOL: u32 = 27;

/// What the second ledger of a new sandbox upgrades to: the current protocol, a base reserve of 0.5 XLM, 1000 operations a
/// ledger.
#[must_use]
pub fn first_upgrades() -> [LedgerUpgrade; 3] {
    [LedgerUpgrade::Version(CURRENT_PROTOCOL), LedgerUpgrade::MaxTxSetSize(1000), LedgerUpgrade::BaseReserve(5_000_000)]
}

/// A ledger that was just closed.
#[derive(Clone, Debug)]
pub struct ClosedLedger {
    /// The ledger's hash, which is its header's.
    pub hash: Hash,
    /// All that happened in it, as stellar-core would stream it: version 2 from protocol 23, before that the version that
    /// was current then.
    pub meta: LedgerCloseMeta,
    /// How many transactions still wait.
    pub still_waiting: usize,
}

/// An entry that a ledger cannot be restored with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {0:?} is none that this ledger can hold: was it written by another version?")]
pub struct RestoreError(pub Box<LedgerKey>);

/// Whether an entry is of a kind that this ledger has, and well-formed where its arithmetic relies on it.
fn is_classic(entry: &LedgerEntry) -> bool {
    match &entry.data {
        LedgerEntryData::Offer(offer) => offer.price.n > 0 && offer.price.d > 0 && offer.amount > 0,
        LedgerEntryData::Account(_)
        | LedgerEntryData::Trustline(_)
        | LedgerEntryData::Data(_)
        | LedgerEntryData::ClaimableBalance(_)
        | LedgerEntryData::LiquidityPool(_) => true,
        _ => false,
    }
}

/// A Stellar ledger in one process.
#[derive(Clone, Debug)]
pub struct Ledger {
    config: GenesisConfig,
    network: NetworkId,
    store: Store,
    mempool: Mempool,
}

impl Ledger {
    /// A new network's ledger 1.
    #[must_use]
    pub fn genesis(config: GenesisConfig) -> Self {
        let store = genesis::genesis(&config);
        let network = NetworkId::from_passphrase(&config.passphrase);
        Self { config, network, store, mempool: Mempool::default() }
    }

    /// A ledger from the header and the entries of another ([`Ledger::header`], [`Ledger::entries`]). Nothing waits in it.
    ///
    /// # Errors
    /// The first entry that only contracts have, or whose price or assets no ledger can hold.
    pub fn restore(
        config: GenesisConfig,
        header: LedgerHeader,
        entries: impl IntoIterator<Item = LedgerEntry>,
    ) -> Result<Self, RestoreError> {
        let mut store = Store::new(header);
        for entry in entries {
            if !is_classic(&entry) {
                return Err(RestoreError(Box::new(entry.to_key())));
            }
            store.restore(entry);
        }
        let network = NetworkId::from_passphrase(&config.passphrase);
        Ok(Self { config, network, store, mempool: Mempool::default() })
    }

    /// Hands in a transaction for the next ledger.
    pub fn submit(&mut self, envelope: TransactionEnvelope) -> SubmitOutcome {
        let mut frame = Frame::new(envelope, &self.network.0);
        // As core's `/tx` does: an envelope of the old form is taken as the new one.
        frame.was_v0 = false;
        let lanes = self.lanes();
        submission::submit(&mut self.store, &mut self.mempool, frame, lanes, self.config.close_time_slack_s)
    }

    /// A ledger's limits.
    fn lanes(&self) -> Lanes {
        Lanes::new(self.store.header.max_tx_set_size, self.config.max_dex_operations)
    }

    /// Closes the next ledger with what waits, then applies `upgrades`; what the protocol does not allow of them is left
    /// out. `close_time_s` is in Unix seconds; a time before the last ledger's is taken as that. Consensus wants it to grow by
    /// a second at least; here, ledgers that close faster than that share a second: a close time that runs ahead of the
    /// clock would make everybody's time bounds too late.
    pub fn close(&mut self, close_time_s: u64, upgrades: &[LedgerUpgrade]) -> ClosedLedger {
        let protocol = self.store.header.ledger_version;
        let close_time_s = close_time_s.max(self.store.header.scp_value.close_time.0);
        let picked = self.pick(close_time_s);
        let set = tx_set::build(protocol, header::header_hash(&self.store.header), &picked);
        let set_hash = set.hash();
        let upgrades = upgrades::allowed(&self.store.header, CURRENT_PROTOCOL, upgrades);
        let ordered = tx_set::in_apply_order(picked, &set_hash);
        let scp_value = StellarValue {
            tx_set_hash: set_hash,
            close_time: TimePoint(close_time_s),
            upgrades: header::vec_m(upgrades.iter().map(encode_upgrade).collect()),
            ext: StellarValueExt::Basic,
        };
        let applied = close::apply_ledger(&mut self.store, scp_value, &ordered);
        let bucket_hash = close::stand_in_bucket_hash(&self.store);
        close::seal(&mut self.store, bucket_hash);
        self.mempool.ledger_closed(ordered.iter().map(|priced| &priced.frame));
        self.drop_invalid(self.config.close_time_slack_s);
        ClosedLedger {
            hash: header::header_hash(&self.store.header),
            meta: close::meta(&self.store, protocol, set, applied),
            still_waiting: self.mempool.len(),
        }
    }

    /// Picks what goes into the next ledger; what became invalid since it was handed in is dropped.
    fn pick(&mut self, close_time_s: u64) -> Vec<tx_set::Priced> {
        self.drop_invalid(close_time_s - self.store.header.scp_value.close_time.0);
        let header = &self.store.header;
        let candidates = self.mempool.frames().filter(|frame| !frame.is_first_of(header.ledger_seq + 1));
        let mut picked = lanes::pick(candidates.cloned().collect(), &self.lanes(), header.base_fee);
        if self.store.protocol() < tx_set::GENERALIZED_FROM {
            // A set of the old form says nothing about fees: they follow from what is in it.
            let frames = picked.iter().map(|priced| &priced.frame);
            let base_fee = tx_set::legacy_base_fee(frames, header.base_fee, header.max_tx_set_size);
            picked.iter_mut().for_each(|priced| priced.base_fee = Some(base_fee));
        }
        picked
    }

    /// Drops what waits and cannot be in the next ledger if that closes so long after the last, and refuses it for a while.
    fn drop_invalid(&mut self, slack_s: u64) {
        self.store.header.ledger_seq += 1;
        let seq = self.store.header.ledger_seq;
        // Core leaves these out of the next ledger without a judgement: they may be in the one after it.
        let judged = self.mempool.frames().filter(|frame| !frame.is_first_of(seq));
        let invalid = submission::invalid(&self.store, judged, slack_s);
        self.store.header.ledger_seq -= 1;
        invalid.iter().for_each(|source| self.mempool.drop_of(source));
    }

    // Queries.

    /// The header of the last closed ledger.
    #[must_use]
    pub fn header(&self) -> &LedgerHeader {
        &self.store.header
    }

    /// The hash of the last closed ledger.
    #[must_use]
    pub fn hash(&self) -> Hash {
        header::header_hash(&self.store.header)
    }

    /// The network's passphrase.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.config.passphrase
    }

    /// The network's id.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The key of the account that has all coins at first.
    #[must_use]
    pub fn root_key(&self) -> SigningKey {
        root_key(self.network)
    }

    /// An account.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&AccountEntry> {
        self.store.account(id)
    }

    /// An account's trust line, for a credit or for pool shares.
    #[must_use]
    pub fn trustline(&self, account: &AccountId, asset: &TrustLineAsset) -> Option<&TrustLineEntry> {
        self.store.line(&Key::TrustLine(account.clone(), asset.clone()))
    }

    /// Offers that sell `selling` for `buying`, in the order in which they would be crossed.
    pub fn offers(&self, selling: &Asset, buying: &Asset) -> impl Iterator<Item = OfferEntry> + '_ {
        self.store.offers().in_book_order(selling, buying)
    }

    /// Every pair of assets that has offers: sold, bought.
    pub fn pairs(&self) -> impl Iterator<Item = (&Asset, &Asset)> {
        self.store.offers().pairs()
    }

    /// How many offers there are.
    #[must_use]
    pub fn num_offers(&self) -> usize {
        self.store.offers().len()
    }

    /// An account's offers, by id.
    #[must_use]
    pub fn offers_of(&self, account: &AccountId) -> Vec<OfferEntry> {
        self.store.offers().ids_of(account).iter().filter_map(|id| self.offer(*id)).collect()
    }

    /// An offer.
    #[must_use]
    pub fn offer(&self, id: i64) -> Option<OfferEntry> {
        self.store.entry(&Key::Offer(id)).map(|entry| offer_in(&entry).clone())
    }

    /// An offer as an entry, with when it was last modified and who sponsors it.
    pub(crate) fn offer_entry(&self, id: i64) -> Option<LedgerEntry> {
        self.store.entry(&Key::Offer(id))
    }

    /// Ids of an account's offers, ascending.
    pub(crate) fn offer_ids_of(&self, account: &AccountId) -> &[i64] {
        self.store.offers().ids_of(account)
    }

    /// Ids of all offers, in no order.
    pub(crate) fn offer_ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.store.offers().owners().flat_map(|(_, ids)| ids.iter().copied())
    }

    /// An account's trust lines, pool shares included, in no order.
    pub(crate) fn lines_of(&self, account: &AccountId) -> impl Iterator<Item = LedgerEntry> + '_ {
        self.store.owned().lines_of(account).filter_map(|key| self.store.entry(&key))
    }

    /// An account's data entries, in no order.
    pub(crate) fn data_of(&self, account: &AccountId) -> impl Iterator<Item = LedgerEntry> + '_ {
        self.store.owned().data_of(account).filter_map(|key| self.store.entry(&key))
    }

    /// Every entry that is no offer, in no order.
    pub(crate) fn entries_but_offers(&self) -> impl Iterator<Item = &LedgerEntry> {
        self.store.entries_but_offers()
    }

    /// A liquidity pool.
    #[must_use]
    pub fn pool(&self, id: &PoolId) -> Option<&LiquidityPoolEntry> {
        self.store.pool(id)
    }

    /// The pool of two assets, in either order.
    #[must_use]
    pub fn pool_of(&self, x: &Asset, y: &Asset) -> Option<&LiquidityPoolEntry> {
        self.store.pool(&pool_id(x, y))
    }

    /// Any entry, with when it was last modified and who sponsors it; `None` also for what only contracts have.
    #[must_use]
    pub fn entry(&self, key: &LedgerKey) -> Option<LedgerEntry> {
        let entry = self.store.entry(&Key::from_ledger_key(key)?)?;
        (entry.to_key() == *key).then_some(entry)
    }

    /// Every entry, offers included, in no order: with the header, all of a ledger's state.
    pub fn entries(&self) -> impl Iterator<Item = LedgerEntry> + '_ {
        self.store.entries()
    }
}

#[expect(clippy::expect_used, reason = "an upgrade's XDR has at most 44 bytes of the 128 that are allowed")]
fn encode_upgrade(upgrade: &LedgerUpgrade) -> UpgradeType {
    UpgradeType(header::xdr_bytes(upgrade).try_into().expect("an upgrade fits"))
}

#[cfg(test)]
mod tests;
