//! The engine as the world knows it: an account, what it is owed, and what became of its transactions.

use super::actor;
use super::ledger::{Ledger, SubmitOutcome};
use super::setup::Exchange;
use super::world::{Closed, WorldConfig, close_time_s, ledger_sequence, succeeded};
use crate::stellar::{AccountId, Asset, LedgerSeq, MarketId, NetworkId, OfferId, Price, SequenceNumber, Side, Stroops};
use rustc_hash::FxHashMap;
use stellar_xdr::{OfferEntry, TransactionEnvelope};

/// How many ledgers a submitted transaction is remembered that is in none of them.
const FORGET_AFTER_LEDGERS: u32 = 16;

/// The account that the engine trades with.
///
/// Its key stays with the engine. To have its trustlines opened in the founding, it hands over a way to sign; without
/// one, it is paid as soon as it has opened them itself.
pub struct EngineAccount {
    id: AccountId,
    sign: Option<SignHash>,
}

/// Signs a transaction's hash.
type SignHash = Box<dyn Fn(&[u8; 32]) -> [u8; 64] + Send>;

impl std::fmt::Debug for EngineAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineAccount").field("id", &self.id.to_string()).field("signs", &self.signs()).finish()
    }
}

impl EngineAccount {
    /// An account that opens its trustlines by itself.
    #[must_use]
    pub fn without_trustlines(id: AccountId) -> Self {
        Self { id, sign: None }
    }

    /// An account whose trustlines are opened in the founding; `sign` is used for nothing else.
    #[must_use]
    pub fn with_trustlines(id: AccountId, sign: impl Fn(&[u8; 32]) -> [u8; 64] + Send + 'static) -> Self {
        Self { id, sign: Some(Box::new(sign)) }
    }

    /// The account.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.id
    }

    pub(crate) fn signs(&self) -> bool {
        self.sign.is_some()
    }

    pub(crate) fn sign(&self, network: NetworkId, tx: stellar_xdr::Transaction) -> Option<TransactionEnvelope> {
        actor::with_signature(network, tx, self.id, self.sign.as_ref()?)
    }
}

/// The engine's account as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSnapshot {
    /// The last closed ledger.
    pub ledger: LedgerSeq,
    /// Its close time, seconds since 1970.
    pub close_time_s: u64,
    /// The sequence number that it consumed last.
    pub sequence: SequenceNumber,
    /// Lumens, the reserve included.
    pub lumens: Stroops,
    /// Credits that it trusts, in the order of the markets.
    pub credits: Vec<(Asset, Stroops)>,
    /// Its offers on the world's markets, by id.
    pub offers: Vec<EngineOffer>,
    /// Transactions in which it was the source of the whole or of an operation, and which succeeded.
    pub applied: u64,
    /// Those that were in a ledger and failed.
    pub failed: u64,
}

/// An offer of the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineOffer {
    /// Its id.
    pub id: OfferId,
    /// Where.
    pub market: MarketId,
    /// Which side.
    pub side: Side,
    /// Units of quote for one base.
    pub price: Price,
    /// What it still sells: base for an ask, quote for a bid.
    pub amount: Stroops,
}

/// What the world keeps of the engine.
#[derive(Debug)]
pub(crate) struct Engine {
    id: AccountId,
    credit: Stroops,
    /// Markets whose credit it has not been paid yet.
    unpaid: Vec<usize>,
    /// Its submitted transactions by hash, with the ledger after which they were submitted.
    submitted: FxHashMap<[u8; 32], u32>,
    applied: u64,
    failed: u64,
}

impl Engine {
    /// The engine after the founding, in which it was paid if it could be.
    pub(crate) fn new(config: &WorldConfig) -> Self {
        Self {
            id: config.engine.id(),
            credit: config.engine_credit,
            unpaid: if config.engine.signs() { Vec::new() } else { (0..config.engine_markets()).collect() },
            submitted: FxHashMap::default(),
            applied: 0,
            failed: 0,
        }
    }

    /// Its account.
    pub(crate) fn id(&self) -> AccountId {
        self.id
    }

    /// Takes it that whoever has a trustline in a kept ledger was paid.
    pub(crate) fn resume(&mut self, ledger: &Ledger, exchange: &Exchange) {
        let id = actor::account_to_xdr(self.id);
        self.unpaid.retain(|&market| ledger.trustline(&id, &actor::line_to_xdr(exchange.credit(market))).is_none());
    }

    /// Remembers a transaction of its own.
    pub(crate) fn submitted(&mut self, hash: [u8; 32], ledger: u32) {
        self.submitted.insert(hash, ledger);
    }

    /// Counts what a ledger did with its transactions.
    pub(crate) fn account_for(&mut self, closed: &Closed, ledger: u32) {
        for pair in closed.results() {
            if self.submitted.remove(&pair.transaction_hash.0).is_some() {
                if succeeded(&pair.result) {
                    self.applied += 1;
                } else {
                    self.failed += 1;
                }
            }
        }
        self.submitted.retain(|_, submitted| *submitted + FORGET_AFTER_LEDGERS > ledger);
    }

    /// Pays it the opening balance of every credit for which it has opened a trustline by now.
    pub(crate) fn pay(&mut self, ledger: &mut Ledger, exchange: &Exchange, network: NetworkId) {
        for (number, issuer) in exchange.issuers.iter().enumerate() {
            let mut due = self.due(ledger, exchange, number);
            due.truncate(actor::MAX_OPERATIONS);
            if due.is_empty() {
                continue;
            }
            let payments = due.iter().map(|&market| actor::pay(self.id, exchange.credit(market), self.credit));
            let (sequence, fee) = (ledger_sequence(ledger, issuer.id()) + 1, ledger.header().base_fee);
            let tx = actor::transaction(issuer.id(), sequence, fee, payments.collect());
            let Some(envelope) = issuer.sign(network, tx) else { continue };
            if let SubmitOutcome::Pending { .. } = ledger.submit(envelope) {
                self.unpaid.retain(|market| !due.contains(market));
            }
        }
    }

    /// The markets whose credit an issuer owes it and can pay.
    fn due(&self, ledger: &Ledger, exchange: &Exchange, issuer: usize) -> Vec<usize> {
        let id = actor::account_to_xdr(self.id);
        let trusts = |market: usize| ledger.trustline(&id, &actor::line_to_xdr(exchange.credit(market))).is_some();
        let of_issuer = self.unpaid.iter().copied().filter(|&market| exchange.issuer_of(market) == issuer);
        of_issuer.filter(|&market| trusts(market)).collect()
    }

    /// The account as the ledger has it.
    pub(crate) fn snapshot(&self, ledger: &Ledger, exchange: &Exchange) -> EngineSnapshot {
        let id = actor::account_to_xdr(self.id);
        let credits = (0..exchange.markets.len()).filter_map(|market| {
            let asset = exchange.credit(market);
            let line = ledger.trustline(&id, &actor::line_to_xdr(asset))?;
            Some((*asset, Stroops(line.balance)))
        });
        let offers = ledger.offers_of(&id);
        let mut offers: Vec<_> = offers.into_iter().filter_map(|offer| engine_offer(&offer, exchange)).collect();
        offers.sort_by_key(|offer| offer.id);
        EngineSnapshot {
            ledger: LedgerSeq(ledger.header().ledger_seq),
            close_time_s: close_time_s(ledger),
            sequence: SequenceNumber(ledger_sequence(ledger, self.id)),
            lumens: Stroops(ledger.account(&id).map_or(0, |account| account.balance)),
            credits: credits.collect(),
            offers,
            applied: self.applied,
            failed: self.failed,
        }
    }
}

fn engine_offer(offer: &OfferEntry, exchange: &Exchange) -> Option<EngineOffer> {
    let price = Price::new(offer.price.n, offer.price.d).ok()?;
    exchange.markets.iter().zip(0_u16..).find_map(|(market, number)| {
        let (base, quote) = (actor::asset_to_xdr(&market.base), actor::asset_to_xdr(&market.quote));
        let (side, price) = if (&offer.selling, &offer.buying) == (&base, &quote) {
            (Side::Ask, price)
        } else if (&offer.selling, &offer.buying) == (&quote, &base) {
            (Side::Bid, price.inverse())
        } else {
            return None;
        };
        let (id, amount) = (OfferId(offer.offer_id), Stroops(offer.amount));
        Some(EngineOffer { id, market: MarketId(number), side, price, amount })
    })
}
