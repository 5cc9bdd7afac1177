//! The stage: keeps the newest intention of each market, has at most one transaction of the account unresolved, and
//! signs the next one only when the last one's fate is known.

use super::difference::{Change, Difference};
use super::funding::{Funds, holding, spare_lumens};
use super::in_flight::{InFlight, Step};
use super::submission::{Connections, Line};
use crate::events::views::{AccountView, LineView, OwnOfferView, ViewsReader};
use crate::events::{
    ConnId, Decision, ExecutionEvent, ExecutionInput, Fate, HaltReason, LedgerClosed, MonoNanos, NetEvent, NetPort,
    Now, Outbox, OwnTransaction, QuoteBatch, QuoteList, Resolution, Sink, Stage, Stamped, Submission, SubmitAnswer,
    SubmitReport, WithheldReason,
};
use crate::signer::Signer;
use crate::stellar::transaction::{ManageSellOffer, TransactionHeader, TransactionWriter};
use crate::stellar::{
    AccountIndex, Asset, LedgerSeq, MarketId, MarketTable, NetworkId, SequenceNumber, Side, Stroops, TxHash,
};
use crate::wire::core_tx::{TxAnswer, TxRequestWriter};
use std::collections::VecDeque;
use std::sync::Arc;

/// How an [`Execution`] is set up.
#[derive(Clone, Debug)]
pub struct ExecutionConfig {
    /// The network that signatures are for.
    pub network: NetworkId,
    /// The markets.
    pub markets: Arc<MarketTable>,
    /// The account, as the views know it. The signer's key is its key.
    pub account: AccountIndex,
    /// Connections kept open to the endpoint, at least 1.
    pub connections: u8,
    /// The endpoint's name in the `Host` header.
    pub host: String,
    /// The most that is offered for an operation, stroops; the network's base fee if that is more.
    pub fee_per_operation: u32,
    /// In how many ledgers after the last closed one a transaction may apply, at least 1.
    pub validity_ledgers: u32,
    /// How long an answer is waited for, nanoseconds.
    pub answer_timeout_ns: u64,
    /// How long after `TRY_AGAIN_LATER` or a lost connection the same bytes are sent again, nanoseconds.
    pub retry_ns: u64,
    /// How often the same bytes are sent at most.
    pub max_attempts: u32,
    /// An offer whose amount differs by less, in basis points of the wanted one, stays as it is.
    pub amount_tolerance_bp: u32,
}

/// The newest intention for a market.
#[derive(Debug, Default)]
struct Intention {
    quotes: QuoteList,
    decided_on: LedgerSeq,
    wire: MonoNanos,
    /// Whether it stands in the queue of markets to look at.
    queued: bool,
}

/// What the ledger says we have, as of the last closed ledger.
#[derive(Debug)]
struct Picture {
    account: AccountView,
    base_reserve: i64,
    lines: Vec<LineView>,
    /// Sorted by market.
    offers: Vec<OwnOfferView>,
}

/// Stage 4: the newest intention of each market, and at most one transaction whose fate is unknown.
#[derive(Debug)]
pub struct Execution<S> {
    config: ExecutionConfig,
    signer: S,
    views: ViewsReader,
    intentions: Vec<Intention>,
    queue: VecDeque<MarketId>,
    picture: Picture,
    closed: Option<LedgerClosed>,
    /// Whether a ledger was missed while a transaction was unresolved: then only seeing it resolves it.
    gap: bool,
    in_flight: Option<InFlight>,
    /// After a refusal nothing is sent before the next ledger, which tells what is the case.
    wait_for_ledger: bool,
    difference: Difference,
    writer: TransactionWriter,
    request: TxRequestWriter,
    connections: Connections,
    /// The set that is coming in.
    incoming: Option<MarketId>,
    /// When the bytes came that caused what was last put into an outbox, unless it was held back.
    stamp: Option<MonoNanos>,
}

impl<S: Signer> Execution<S> {
    /// A stage that signs with `signer`.
    #[must_use]
    pub fn new(config: ExecutionConfig, signer: S, views: ViewsReader) -> Self {
        let limits = views.limits();
        let markets = config.markets.markets().len();
        let picture = Picture {
            account: AccountView::default(),
            base_reserve: 0,
            lines: vec![LineView::default(); limits.assets],
            offers: Vec::with_capacity(limits.offers_per_account),
        };
        Self {
            signer,
            views,
            intentions: (0..markets).map(|_| Intention::default()).collect(),
            queue: VecDeque::with_capacity(markets),
            picture,
            closed: None,
            gap: false,
            in_flight: None,
            wait_for_ledger: false,
            difference: Difference::new(limits.offers_per_account, config.amount_tolerance_bp),
            writer: TransactionWriter::new(config.network),
            request: TxRequestWriter::new(&config.host),
            connections: Connections::new(config.connections),
            incoming: None,
            stamp: None,
            config,
        }
    }

    /// Whether nothing is unresolved and nothing waits to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.queue.is_empty()
    }

    fn on_decision(&mut self, now: Now, input: Stamped<Decision>, sink: &mut impl Sink<ExecutionEvent>) {
        match input.event {
            Decision::QuotesBegin(batch) => self.begin(batch, input.wire),
            Decision::Quote(quote) => {
                if let Some(market) = self.incoming {
                    // The list holds as many quotes as a strategy's does.
                    let _room = self.intentions[usize::from(market.0)].quotes.push(quote);
                }
            }
            Decision::QuotesEnd(batch) => {
                self.incoming = None;
                self.enqueue(batch.market);
                self.dispatch(now, Some(batch.market), sink);
            }
            Decision::Halt(reason) => self.halt(reason),
            Decision::OwnTransaction(own) => self.on_own_transaction(own, sink),
            Decision::LedgerClosed(closed) => self.on_ledger(now, closed, sink),
        }
    }

    fn begin(&mut self, batch: QuoteBatch, wire: MonoNanos) {
        self.incoming = Some(batch.market);
        let intention = &mut self.intentions[usize::from(batch.market.0)];
        intention.quotes.clear();
        intention.decided_on = batch.decided_on;
        intention.wire = wire;
    }

    /// The operator's halt empties every market, those that no strategy speaks for included.
    fn halt(&mut self, reason: HaltReason) {
        if reason == HaltReason::Operator {
            for market in 0..self.intentions.len() {
                self.intentions[market].quotes.clear();
                #[expect(clippy::cast_possible_truncation, reason = "a market's id has 16 bits")]
                self.enqueue(MarketId(market as u16));
            }
        }
    }

    fn enqueue(&mut self, market: MarketId) {
        let intention = &mut self.intentions[usize::from(market.0)];
        if !intention.queued {
            intention.queued = true;
            self.queue.push_back(market);
        }
    }

    fn on_own_transaction(&mut self, own: OwnTransaction, sink: &mut impl Sink<ExecutionEvent>) {
        if self.in_flight.is_some_and(|flight| flight.hash == own.hash) {
            self.resolve(own.hash, Fate::Included(own.outcome), sink);
        }
    }

    fn resolve(&mut self, hash: TxHash, fate: Fate, sink: &mut impl Sink<ExecutionEvent>) {
        self.in_flight = None;
        self.gap = false;
        sink.put(ExecutionEvent::Resolved(Resolution { hash, fate }));
    }

    fn on_ledger(&mut self, now: Now, closed: LedgerClosed, sink: &mut impl Sink<ExecutionEvent>) {
        let follows = self.closed.is_none_or(|last| last.seq.next() == closed.seq);
        self.gap |= !follows && self.in_flight.is_some();
        self.closed = Some(closed);
        self.wait_for_ledger = false;
        if let Some(flight) = self.in_flight
            && !self.gap
            && flight.is_dead_after(closed.seq)
        {
            self.enqueue(flight.market);
            self.resolve(flight.hash, Fate::Expired, sink);
        }
        if self.look() {
            for market in 0..self.intentions.len() {
                #[expect(clippy::cast_possible_truncation, reason = "a market's id has 16 bits")]
                let market = MarketId(market as u16);
                let wants = !self.intentions[usize::from(market.0)].quotes.as_slice().is_empty();
                if wants || self.standing(market).next().is_some() {
                    self.enqueue(market);
                }
            }
        }
        self.dispatch(now, None, sink);
    }

    /// Copies what the ledger says we have; false if it cannot be read.
    fn look(&mut self) -> bool {
        let account = self.config.account;
        let picture = &mut self.picture;
        let read = self.views.read(|views| {
            picture.account = views.account(account);
            picture.base_reserve = i64::from(views.header().base_reserve);
            for (asset, line) in (0_u16..).zip(&mut picture.lines) {
                *line = views.line(account, crate::stellar::AssetIndex(asset));
            }
            picture.offers.clear();
            picture.offers.extend(views.own_offers(account));
        });
        picture.offers.sort_unstable_by_key(|offer| (offer.market, offer.id));
        read.is_some()
    }

    fn standing(&self, market: MarketId) -> impl Iterator<Item = &OwnOfferView> {
        let start = self.picture.offers.partition_point(|offer| offer.market < market.0);
        self.picture.offers[start..].iter().take_while(move |offer| offer.market == market.0)
    }

    fn funds(&self, market: MarketId) -> Result<Funds, WithheldReason> {
        let table = &self.config.markets;
        let of = table.market(market);
        let us = self.signer.public_key();
        let look = |asset: &Asset| {
            let index = table.asset(asset).ok_or(WithheldReason::NoTrust)?;
            let ours = asset.issuer() == Some(us);
            let line = |index: crate::stellar::AssetIndex| self.picture.lines[usize::from(index.0)];
            holding(asset, index, &self.picture.account, ours, self.picture.base_reserve, line)
        };
        Ok(Funds {
            base: look(&of.base)?,
            quote: look(&of.quote)?,
            spare_lumens: spare_lumens(&self.picture.account, self.picture.base_reserve),
            base_reserve: self.picture.base_reserve,
            sells_lumens: match (of.base, of.quote) {
                (Asset::Native, _) => Some(Side::Ask),
                (_, Asset::Native) => Some(Side::Bid),
                _ => None,
            },
        })
    }

    /// Sends the next transaction, if the slot is free and there is something to change. `fresh` is the market whose
    /// intention has come with this very event: whatever else is sent now was held back.
    fn dispatch(&mut self, now: Now, fresh: Option<MarketId>, sink: &mut impl Sink<ExecutionEvent>) {
        let Some(closed) = self.closed else { return };
        if self.in_flight.is_some() || self.wait_for_ledger || self.picture.account.exists == 0 {
            return;
        }
        while let Some(market) = self.queue.pop_front() {
            self.intentions[usize::from(market.0)].queued = false;
            if self.build(now, market, closed, fresh != Some(market), sink) {
                self.send(now, sink);
                return;
            }
        }
    }

    /// Signs the transaction that brings a market to what is wanted; false if it is there.
    fn build(
        &mut self,
        now: Now,
        market: MarketId,
        closed: LedgerClosed,
        held: bool,
        sink: &mut impl Sink<ExecutionEvent>,
    ) -> bool {
        let funds = self.funds(market);
        let start = self.picture.offers.partition_point(|offer| offer.market < market.0);
        let count = self.picture.offers[start..].iter().take_while(|offer| offer.market == market.0).count();
        let standing = &self.picture.offers[start..start + count];
        let intention = &self.intentions[usize::from(market.0)];
        let changes = self.difference.work_out(intention.quotes.as_slice(), standing, funds);
        if changes.is_empty() {
            if let Some(reason) = self.difference.withheld() {
                sink.put(ExecutionEvent::Withheld(market, reason));
            }
            return false;
        }
        let operations = u8::try_from(changes.len()).unwrap_or(u8::MAX);
        let deletions = changes.iter().filter(|change| change.is_deletion()).count();
        let header = TransactionHeader {
            source: self.signer.public_key(),
            fee: closed.base_fee.max(self.config.fee_per_operation).saturating_mul(u32::from(operations)),
            sequence: SequenceNumber(self.picture.account.sequence + 1),
            max_ledger: LedgerSeq(closed.seq.0 + 1 + self.config.validity_ledgers),
        };
        self.writer.begin(&header);
        let of = self.config.markets.market(market);
        for change in changes {
            self.writer.manage_sell_offer(&operation(of.base, of.quote, change));
        }
        let unsigned = self.writer.finish();
        let hash = unsigned.hash();
        let signature = self.signer.sign(now, &hash);
        self.request.write(unsigned.sign(&header.source, &signature));
        let flight = InFlight { hash, market, max_ledger: header.max_ledger, attempts: 0, step: Step::Connection };
        self.in_flight = Some(flight);
        sink.put(ExecutionEvent::Submitted(Submission {
            hash,
            sequence: header.sequence,
            market,
            operations,
            deletions: u8::try_from(deletions).unwrap_or(u8::MAX),
            decided_on: intention.decided_on,
            max_ledger: header.max_ledger,
            wire: intention.wire,
            held,
        }));
        self.stamp = (!held).then_some(intention.wire);
        if let Some(reason) = self.difference.withheld() {
            sink.put(ExecutionEvent::Withheld(market, reason));
        }
        true
    }

    /// Puts the signed request into a connection that stands, or waits for one.
    fn send(&mut self, now: Now, sink: &mut impl Sink<ExecutionEvent>) {
        let Some(flight) = &mut self.in_flight else { return };
        match self.connections.send(self.request.last()) {
            Some(conn) => {
                flight.attempts += 1;
                flight.step = Step::Answer(conn, now.mono.plus(self.config.answer_timeout_ns));
            }
            None => {
                self.stamp = None;
                flight.step = Step::Connection;
                let market = flight.market;
                sink.put(ExecutionEvent::Withheld(market, WithheldReason::NoConnection));
            }
        }
    }

    fn on_net(&mut self, now: Now, event: NetEvent<'_>, sink: &mut impl Sink<ExecutionEvent>) {
        match event {
            NetEvent::Opened(conn) => {
                self.connections.of(conn).line = Line::Ready;
                if self.in_flight.is_some_and(|flight| flight.step == Step::Connection) {
                    self.send(now, sink);
                }
            }
            NetEvent::Bytes(conn, bytes) => {
                let connection = self.connections.of(conn);
                if connection.line != Line::Busy {
                    return;
                }
                match connection.answer.push(bytes) {
                    Ok(None) => {}
                    Ok(Some(answer)) => self.on_answer(now, conn, Some(answer), sink),
                    Err(_) => {
                        self.connections.of(conn).reset = true;
                        self.on_answer(now, conn, None, sink);
                    }
                }
            }
            NetEvent::Closed(conn) => {
                let connection = self.connections.of(conn);
                let was_busy = connection.line == Line::Busy;
                connection.outbox.clear();
                let answer = if was_busy { connection.answer.closed().ok().flatten() } else { None };
                if was_busy {
                    self.on_answer(now, conn, answer, sink);
                }
                self.connections.of(conn).line = Line::Closed;
            }
        }
    }

    /// An endpoint has answered, or (`None`) will not. Whatever it says, only the ledger says what became of it, but
    /// for a refusal of bytes that were sent once: those have gone nowhere.
    fn on_answer(&mut self, now: Now, conn: ConnId, answer: Option<TxAnswer>, sink: &mut impl Sink<ExecutionEvent>) {
        self.connections.of(conn).line = Line::Spent;
        let Some(flight) = &mut self.in_flight else { return };
        if !matches!(flight.step, Step::Answer(asked, _) if asked == conn) {
            return;
        }
        let (hash, market, first) = (flight.hash, flight.market, flight.attempts == 1);
        let report = match answer {
            Some(TxAnswer::Pending) => SubmitAnswer::Pending,
            Some(TxAnswer::Duplicate) => SubmitAnswer::Duplicate,
            Some(TxAnswer::TryAgainLater) => SubmitAnswer::TryAgainLater,
            Some(TxAnswer::Error(code)) => SubmitAnswer::Error(code),
            Some(TxAnswer::Filtered) | None => SubmitAnswer::Unknown,
        };
        match report {
            SubmitAnswer::Pending | SubmitAnswer::Duplicate => flight.step = Step::Ledger,
            SubmitAnswer::TryAgainLater | SubmitAnswer::Unknown => {
                flight.retry(now, self.config.retry_ns, self.config.max_attempts);
            }
            SubmitAnswer::Error(_) => flight.step = Step::Ledger,
        }
        sink.put(ExecutionEvent::Answer(SubmitReport { hash, answer: report }));
        if let (SubmitAnswer::Error(code), true) = (report, first) {
            self.wait_for_ledger = true;
            self.enqueue(market);
            self.resolve(hash, Fate::Refused(code), sink);
        }
    }
}

fn operation(base: Asset, quote: Asset, change: &Change) -> ManageSellOffer {
    let (selling, buying) = match change.side {
        Side::Ask => (base, quote),
        Side::Bid => (quote, base),
    };
    let amount = Stroops(change.amount.0.max(0));
    ManageSellOffer { selling, buying, amount, price: change.own_price(), id: change.id }
}

impl<S: Signer> Stage for Execution<S> {
    type Input<'a> = ExecutionInput<'a>;
    type Output = ExecutionEvent;

    fn on_event(&mut self, now: Now, input: ExecutionInput<'_>, sink: &mut impl Sink<ExecutionEvent>) {
        match input {
            ExecutionInput::Decision(decision) => self.on_decision(now, decision, sink),
            ExecutionInput::Net(event) => self.on_net(now, event, sink),
        }
    }

    fn on_time(&mut self, now: Now, sink: &mut impl Sink<ExecutionEvent>) {
        let Some(flight) = self.in_flight else { return };
        match flight.step {
            Step::Answer(conn, at) if at <= now.mono => {
                self.connections.of(conn).reset = true;
                self.on_answer(now, conn, None, sink);
            }
            Step::Retry(at) if at <= now.mono => self.send(now, sink),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<MonoNanos> {
        self.in_flight.as_ref().and_then(InFlight::deadline)
    }
}

impl<S: Signer> NetPort for Execution<S> {
    fn connections(&self) -> u8 {
        self.connections.count()
    }

    fn outbox(&mut self, conn: ConnId) -> &mut Outbox {
        &mut self.connections.of(conn).outbox
    }

    fn take_reset(&mut self, conn: ConnId) -> bool {
        core::mem::take(&mut self.connections.of(conn).reset)
    }

    fn take_stamp(&mut self) -> Option<MonoNanos> {
        self.stamp.take()
    }
}
