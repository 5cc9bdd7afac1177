//! How a world comes to be: accounts, trustlines, opening balances and a first book, all by signed transactions.

use super::actor::{self, Actor, MAX_OPERATIONS};
use super::engine::EngineAccount;
use super::ledger::{Ledger, SubmitOutcome};
use super::reference::Reference;
use super::traders::{Trader, View};
use super::world::{Closed, WorldConfig, WorldError, ledger_sequence};
use crate::stellar::{AccountId, Asset, AssetCode, Market, NetworkId, Stroops};
use std::collections::VecDeque;
use stellar_xdr::{OperationBody, TransactionEnvelope};

/// The most markets of a world.
pub(crate) const MAX_MARKETS: usize = 1000;
/// Assets of one issuer: an issuer pays out its assets in one transaction a ledger.
const ASSETS_AN_ISSUER: usize = 20;
/// What an issuer, who only pays fees, gets.
const ISSUER_LUMENS: Stroops = units(10_000);
/// What a trader gets: so much that it never runs out while someone watches.
const TRADER_LUMENS: Stroops = units(20_000_000);
pub(crate) const TRADER_CREDIT: Stroops = units(10_000_000);

const fn units(units: i64) -> Stroops {
    match Stroops::from_units(units) {
        Some(stroops) => stroops,
        None => unreachable!(),
    }
}

/// Who issues what, and what is traded for what.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) issuers: Vec<Actor>,
    pub(crate) markets: Vec<Market>,
    pub(crate) symbols: Vec<String>,
}

impl Exchange {
    /// XLM/USDC, then AST0001/XLM, AST0002/XLM, …
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        let issuers: Vec<Actor> = (0..1 + (count - 1).div_ceil(ASSETS_AN_ISSUER))
            .map(|number| Actor::derive(seed, "issuer", number))
            .collect();
        let usdc = Asset::Credit { code: AssetCode::Four(*b"USDC"), issuer: issuers[0].id() };
        let mut exchange = Self {
            issuers,
            markets: vec![Market { base: Asset::Native, quote: usdc }],
            symbols: vec!["XLM/USD".into()],
        };
        for number in 1..count {
            let name = format!("AST{number:04}");
            let mut code = [0; 12];
            code[..name.len()].copy_from_slice(name.as_bytes());
            let issuer = exchange.issuers[exchange.issuer_of(number)].id();
            let base = Asset::Credit { code: AssetCode::Twelve(code), issuer };
            exchange.markets.push(Market { base, quote: Asset::Native });
            exchange.symbols.push(format!("{name}/XLM"));
        }
        exchange
    }

    /// Who issues the asset of a market.
    pub(crate) fn issuer_of(&self, market: usize) -> usize {
        market.div_ceil(ASSETS_AN_ISSUER)
    }

    /// The asset of a market that is not XLM: every market has one.
    pub(crate) fn credit(&self, market: usize) -> &Asset {
        let Market { base, quote } = &self.markets[market];
        if *base == Asset::Native { quote } else { base }
    }
}

/// Who signs in the founding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hand<'a> {
    Actor(&'a Actor),
    Engine(&'a EngineAccount),
}

impl Hand<'_> {
    fn id(self) -> AccountId {
        match self {
            Self::Actor(actor) => actor.id(),
            Self::Engine(engine) => engine.id(),
        }
    }

    fn sign(self, network: NetworkId, tx: stellar_xdr::Transaction) -> Option<TransactionEnvelope> {
        match self {
            Self::Actor(actor) => actor.sign(network, tx),
            Self::Engine(engine) => engine.sign(network, tx),
        }
    }
}

/// What someone does in a phase of the founding, a transaction each.
type Job<'a> = (Hand<'a>, Vec<Vec<OperationBody>>);

/// Takes a ledger with nothing but a root account to one with open markets.
#[derive(Debug)]
pub(crate) struct Founding<'w> {
    pub(crate) ledger: &'w mut Ledger,
    pub(crate) network: NetworkId,
    pub(crate) root: &'w Actor,
    pub(crate) exchange: &'w Exchange,
    pub(crate) traders: &'w [Box<dyn Trader>],
    pub(crate) reference: &'w Reference,
    pub(crate) close_time_s: u64,
    /// The metadata of the ledgers that it took.
    pub(crate) metas: Vec<Vec<u8>>,
}

impl Founding<'_> {
    /// Does it all. The engine gets an account, and trustlines if it signs for them.
    pub(crate) fn run(&mut self, config: &WorldConfig) -> Result<(), WorldError> {
        self.open_accounts(config)?;
        self.open_lines(config)?;
        self.pay(config)?;
        self.open_books()
    }

    fn open_accounts(&mut self, config: &WorldConfig) -> Result<(), WorldError> {
        let issuers = self.exchange.issuers.iter().map(|issuer| actor::create_account(issuer.id(), ISSUER_LUMENS));
        let traders = self.traders.iter().map(|trader| actor::create_account(trader.actor().id(), TRADER_LUMENS));
        let engine = actor::create_account(config.engine.id(), config.engine_lumens);
        let operations: Vec<_> = issuers.chain(traders).chain([engine]).collect();
        self.apply("accounts", vec![(Hand::Actor(self.root), in_transactions(&operations))])
    }

    fn open_lines(&mut self, config: &WorldConfig) -> Result<(), WorldError> {
        let (traders, exchange) = (self.traders, self.exchange);
        let lines = |markets: &mut dyn Iterator<Item = usize>| {
            in_transactions(&markets.map(|market| actor::trust(exchange.credit(market))).collect::<Vec<_>>())
        };
        let mut jobs: Vec<Job<'_>> = traders
            .iter()
            .map(|trader| (Hand::Actor(trader.actor()), lines(&mut trader.markets().iter().copied())))
            .collect();
        if config.engine.signs() {
            jobs.push((Hand::Engine(&config.engine), lines(&mut (0..config.engine_markets()))));
        }
        self.apply("trustlines", jobs)
    }

    fn pay(&mut self, config: &WorldConfig) -> Result<(), WorldError> {
        let (traders, exchange) = (self.traders, self.exchange);
        let mut payments: Vec<Vec<OperationBody>> = vec![Vec::new(); exchange.issuers.len()];
        for trader in traders {
            for &market in trader.markets() {
                let payment = actor::pay(trader.actor().id(), exchange.credit(market), TRADER_CREDIT);
                payments[exchange.issuer_of(market)].push(payment);
            }
        }
        let engine_markets = if config.engine.signs() { config.engine_markets() } else { 0 };
        for market in 0..engine_markets {
            let payment = actor::pay(config.engine.id(), exchange.credit(market), config.engine_credit);
            payments[exchange.issuer_of(market)].push(payment);
        }
        let issuers = exchange.issuers.iter().map(Hand::Actor);
        self.apply("opening balances", issuers.zip(payments.iter().map(|payments| in_transactions(payments))).collect())
    }

    fn open_books(&mut self) -> Result<(), WorldError> {
        let view = View { ledger: self.ledger, markets: &self.exchange.markets, reference: self.reference };
        let traders = self.traders;
        let jobs = traders.iter().map(|trader| (Hand::Actor(trader.actor()), trader.open(&view))).collect();
        self.apply("opening books", jobs)
    }

    /// Applies everybody's transactions, one of each a ledger, as many ledgers as it takes.
    fn apply(&mut self, what: &'static str, jobs: Vec<Job<'_>>) -> Result<(), WorldError> {
        let mut queues: Vec<VecDeque<TransactionEnvelope>> = Vec::with_capacity(jobs.len());
        for (hand, transactions) in jobs {
            let sequence = ledger_sequence(self.ledger, hand.id());
            let fee = self.ledger.header().base_fee;
            let signed = transactions
                .into_iter()
                .zip(sequence + 1..)
                .map(|(body, sequence)| hand.sign(self.network, actor::transaction(hand.id(), sequence, fee, body)));
            queues.push(signed.collect::<Option<_>>().ok_or(WorldError::Unsigned { what })?);
        }
        while queues.iter().any(|queue| !queue.is_empty()) {
            self.submit_one_each(what, &mut queues)?;
            let closed = Closed::new(self.ledger, self.close_time_s)?;
            if let Some(result) = closed.first_failure() {
                return Err(WorldError::Founding { what, result: format!("{result:?}") });
            }
            self.metas.push(closed.bytes);
        }
        Ok(())
    }

    /// Submits the next transaction of each queue, as far as they fit a ledger.
    fn submit_one_each(
        &mut self,
        what: &'static str,
        queues: &mut [VecDeque<TransactionEnvelope>],
    ) -> Result<(), WorldError> {
        let mut room = usize::try_from(self.ledger.header().max_tx_set_size).unwrap_or(usize::MAX);
        for queue in queues {
            let Some(operations) = queue.front().map(actor::operation_count) else { continue };
            let Some(left) = room.checked_sub(operations) else { break };
            room = left;
            let Some(envelope) = queue.pop_front() else { continue };
            match self.ledger.submit(envelope) {
                SubmitOutcome::Pending { .. } => {}
                other => return Err(WorldError::Founding { what, result: format!("{other:?}") }),
            }
        }
        Ok(())
    }
}

fn in_transactions(operations: &[OperationBody]) -> Vec<Vec<OperationBody>> {
    operations.chunks(MAX_OPERATIONS).map(<[OperationBody]>::to_vec).collect()
}
