//! One ledger's events, kept until the whole ledger has been checked.

use super::FeedConfig;
use super::account_states::AccountStates;
use super::accounts::OwnAccounts;
use super::ledgers::Link;
use super::own_transactions::OwnTransactions;
use super::pools::Pools;
use crate::events::{
    FeedEvent, LedgerBegin, LedgerEnd, MonoNanos, OfferChange, OwnAccount, OwnTransaction, OwnTrustLine, Trade,
    TradeVenue, TxOutcome,
};
use crate::stellar::{
    AccountIndex, AssetIndex, LedgerSeq, MarketTable, NetworkId, OfferId, Orientation, Price, SequenceNumber, Side,
    Stroops,
};
use crate::wire::ledger::{
    Change, ChangePhase, Envelope, FailedOperation, LedgerHeader, LedgerVisitor, RawAccount, RawAsset, RawClaim,
    RawOffer, RawTrustLine, RawVenue, TransactionResult, TransactionResultCode,
};
use std::sync::Arc;

/// Why a ledger that is one is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has more events than may be kept.
    TooManyEvents,
    /// A price or an amount in it is impossible.
    BadValue,
    /// Its header was not told.
    NoHeader,
}

/// Listens to the walk over a ledger.
#[derive(Debug)]
pub(super) struct Collector {
    network: NetworkId,
    markets: Arc<MarketTable>,
    accounts: OwnAccounts,
    pools: Pools,
    max_events: usize,
    first_byte: MonoNanos,
    header: Option<(LedgerBegin, Link)>,
    events: Vec<FeedEvent>,
    refused: Option<Refused>,
    transactions: u32,
    failed: u32,
    own: OwnTransactions,
    states: AccountStates,
}

impl Collector {
    pub(super) fn new(config: &FeedConfig) -> Self {
        let accounts = OwnAccounts::new(&config.accounts);
        Self {
            network: config.network,
            markets: Arc::clone(&config.markets),
            pools: Pools::new(&config.markets),
            max_events: config.limits.max_ledger_events,
            first_byte: MonoNanos::default(),
            header: None,
            events: Vec::with_capacity(config.limits.ledger_events.min(config.limits.max_ledger_events)),
            refused: None,
            transactions: 0,
            failed: 0,
            own: OwnTransactions::new(),
            states: AccountStates::new(accounts.len()),
            accounts,
        }
    }

    /// Forgets the ledger before. The first byte of the one that comes came at that moment.
    pub(super) fn begin(&mut self, first_byte: MonoNanos) {
        self.first_byte = first_byte;
        self.header = None;
        self.events.clear();
        self.refused = None;
        self.transactions = 0;
        self.failed = 0;
        self.own.clear();
        self.states.clear();
    }

    /// How much the scratch space holds: more than before means that it grew.
    pub(super) fn room(&self) -> usize {
        self.events.capacity() + self.own.room()
    }

    /// The ledger has been walked over to its end.
    pub(super) fn finish(&self) -> Result<Link, Refused> {
        match (self.refused, &self.header) {
            (Some(refused), _) => Err(refused),
            (None, Some((_, link))) => Ok(*link),
            (None, None) => Err(Refused::NoHeader),
        }
    }

    /// Tells the ledger's events: its begin, its changes in the order of the ledger, our accounts as they are at its
    /// end, its end.
    pub(super) fn for_each(&self, mut tell: impl FnMut(FeedEvent)) {
        let Some((begin, _)) = &self.header else { return };
        tell(FeedEvent::LedgerBegin(*begin));
        self.events.iter().for_each(|event| tell(*event));
        self.states.for_each(&mut tell);
        tell(FeedEvent::LedgerEnd(LedgerEnd { seq: begin.seq, transactions: self.transactions, failed: self.failed }));
    }

    fn keep(&mut self, event: FeedEvent) {
        if self.events.len() < self.max_events {
            self.events.push(event);
        } else {
            self.refused = Some(Refused::TooManyEvents);
        }
    }

    fn orientation(&self, selling: RawAsset<'_>, buying: RawAsset<'_>) -> Option<Orientation> {
        let selling = self.markets.asset(&selling.to_asset())?;
        let buying = self.markets.asset(&buying.to_asset())?;
        self.markets.orientation(selling, buying)
    }

    fn offer(&mut self, offer: &RawOffer<'_>) {
        let Some(place) = self.orientation(offer.selling, offer.buying) else { return };
        let Ok(price) = Price::new(offer.price_n, offer.price_d) else {
            self.refused = Some(Refused::BadValue);
            return;
        };
        if offer.amount < 0 {
            self.refused = Some(Refused::BadValue);
            return;
        }
        self.keep(FeedEvent::Offer(OfferChange {
            id: OfferId(offer.id),
            place,
            price,
            amount: Stroops(offer.amount),
            owner: self.accounts.find(offer.seller),
        }));
    }

    /// A removal names only owner and id. Its assets are known where the state before was told; where they are not,
    /// the id is passed on, and who never saw it passes over it.
    fn offer_gone(&mut self, id: i64, pair: Option<(RawAsset<'_>, RawAsset<'_>)>) {
        if pair.is_none_or(|(selling, buying)| self.orientation(selling, buying).is_some()) {
            self.keep(FeedEvent::OfferGone(OfferId(id)));
        }
    }

    fn own_line(&self, account: &[u8; 32], asset: Option<RawAsset<'_>>) -> Option<(AccountIndex, AssetIndex)> {
        let account = self.accounts.find(account)?;
        Some((account, self.markets.asset(&asset?.to_asset())?))
    }

    fn trust_line(&mut self, line: &RawTrustLine<'_>) {
        const AUTHORIZED_FLAG: u32 = 1;
        let Some((account, asset)) = self.own_line(line.account, line.asset) else { return };
        self.keep(FeedEvent::TrustLine(OwnTrustLine {
            account,
            asset,
            balance: Stroops(line.balance),
            limit: Stroops(line.limit),
            buying_liabilities: Stroops(line.buying_liabilities),
            selling_liabilities: Stroops(line.selling_liabilities),
            authorized: line.flags & AUTHORIZED_FLAG != 0,
        }));
    }
}

impl LedgerVisitor for Collector {
    fn header(&mut self, header: &LedgerHeader<'_>) {
        let begin = LedgerBegin {
            seq: LedgerSeq(header.seq),
            close_time_s: header.close_time_s,
            protocol: header.protocol,
            base_fee: header.base_fee,
            base_reserve: header.base_reserve,
            first_byte: self.first_byte,
        };
        let link = Link { seq: header.seq, hash: *header.hash, previous_hash: *header.previous_hash };
        self.header = Some((begin, link));
    }

    fn operation_source(&mut self, operation: u32, source: &[u8; 32]) {
        self.own.operation_source(operation, self.accounts.find(source));
    }

    fn envelope(&mut self, envelope: &Envelope<'_>) {
        let source = self.accounts.find(envelope.source);
        let fee_is_ours = envelope.fee_bump.is_some_and(|bump| self.accounts.find(bump.fee_source).is_some());
        self.own.envelope(source, fee_is_ours, || (envelope.hash(&self.network), envelope.outer_hash(&self.network)));
    }

    fn transaction(&mut self, result: &TransactionResult<'_>) {
        self.transactions += 1;
        self.failed += u32::from(!result.code.is_success());
        let Some(hash) = self.own.result(result.hash) else { return };
        // Of a fee bump the inner result says why it failed, if it came to that.
        let code = result.inner.map_or(result.code, |(_, inner)| inner);
        let outcome = match code {
            TransactionResultCode::SUCCESS => TxOutcome::Success,
            TransactionResultCode(code) => TxOutcome::Failed { code, operation: None },
        };
        let fee_charged = Stroops(result.fee_charged);
        self.keep(FeedEvent::OwnTransaction(OwnTransaction { hash, outcome, fee_charged }));
    }

    fn failed_operation(&mut self, failed: FailedOperation) {
        // It comes right after its transaction, whose event is the last that was kept.
        if !self.own.is_current() {
            return;
        }
        let place = u8::try_from(failed.operation).unwrap_or(u8::MAX);
        let code = failed.inner.unwrap_or(failed.outer - 1000);
        if let Some(FeedEvent::OwnTransaction(own)) = self.events.last_mut()
            && let TxOutcome::Failed { operation, .. } = &mut own.outcome
        {
            *operation = Some((place, code));
        }
    }

    fn claim(&mut self, operation: u32, claim: &RawClaim<'_>) {
        let venue = match claim.venue {
            RawVenue::Offer { seller, id } => {
                TradeVenue::Book { offer: OfferId(id), maker: self.accounts.find(seller) }
            }
            RawVenue::Pool(_) => TradeVenue::Pool,
        };
        let Some(place) = self.orientation(claim.sold, claim.bought) else { return };
        let (base, quote) = match place.side {
            Side::Ask => (claim.amount_sold, claim.amount_bought),
            Side::Bid => (claim.amount_bought, claim.amount_sold),
        };
        self.keep(FeedEvent::Trade(Trade {
            market: place.market,
            maker_side: place.side,
            base: Stroops(base),
            quote: Stroops(quote),
            venue,
            taker: self.own.taker(operation),
        }));
    }

    fn change(&mut self, phase: ChangePhase, change: &Change<'_>) {
        match change {
            Change::Offer(offer) => self.offer(offer),
            Change::OfferGone { id, pair, .. } => self.offer_gone(*id, *pair),
            Change::Account(account) => {
                if let Some(index) = self.accounts.find(account.account) {
                    self.states.set(index, phase, Some(own_account(index, account)));
                }
            }
            Change::AccountGone(key) => {
                if let Some(index) = self.accounts.find(key) {
                    self.states.set(index, phase, None);
                }
            }
            Change::TrustLine(line) => self.trust_line(line),
            Change::TrustLineGone { account, asset } => {
                if let Some((account, asset)) = self.own_line(account, *asset) {
                    self.keep(FeedEvent::TrustLineGone(account, asset));
                }
            }
            Change::Pool(pool) => {
                if let Some(change) = self.pools.change(pool) {
                    self.keep(FeedEvent::Pool(change));
                }
            }
            Change::PoolGone(id) => {
                if let Some(market) = self.pools.market(id) {
                    self.keep(FeedEvent::PoolGone(market));
                }
            }
        }
    }
}

fn own_account(account: AccountIndex, raw: &RawAccount<'_>) -> OwnAccount {
    OwnAccount {
        account,
        balance: Stroops(raw.balance),
        sequence: SequenceNumber(raw.sequence),
        subentries: raw.subentries,
        sponsoring: raw.sponsoring,
        sponsored: raw.sponsored,
        buying_liabilities: Stroops(raw.buying_liabilities),
        selling_liabilities: Stroops(raw.selling_liabilities),
    }
}
