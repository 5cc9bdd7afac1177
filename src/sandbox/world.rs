//! The world: a ledger, the people who trade on it, and a reference price.

use super::actor::{self, Actor};
use super::engine::{Engine, EngineAccount, EngineSnapshot};
use super::ledger::{CURRENT_PROTOCOL, GenesisConfig, Ledger, RestoreError, SubmitOutcome};
use super::random::Random;
use super::reference::{Reference, ReferenceConfig, Tick};
use super::setup::{Exchange, Founding, MAX_MARKETS};
use super::state::{Identity, Kept, Notes};
use super::traders::{self, Activity, Trader, View};
use crate::events::UtcNanos;
use crate::stellar::{AccountId, Market, MarketId, NetworkId, STANDALONE_PASSPHRASE, Stroops};
use stellar_xdr::{
    LedgerCloseMeta, Limits, ReadXdr, TransactionEnvelope, TransactionResult, TransactionResultPair,
    TransactionResultResult, WriteXdr,
};

/// The deepest nesting and the longest envelope that are decoded.
const ENVELOPE_LIMITS: Limits = Limits { depth: 200, len: 128 * 1024 };
/// Markets on which the engine gets a trustline unless it asks for others: each costs it three of its thousand
/// subentries, with an offer a side.
const DEFAULT_ENGINE_MARKETS: usize = 300;

/// Mainnet's base reserve, stroops.
const BASE_RESERVE: u32 = 5_000_000;
/// Mainnet's limit.
const OPERATIONS_A_LEDGER: u32 = 1000;

/// The version of a kept world: raised when traders, keys or files mean something else.
const STATE_FORMAT: u32 = 1;

/// How far close times may run ahead of the clock, seconds.
const MAX_AHEAD_S: u64 = 1;

/// The random streams, so that what one part draws changes nothing for another.
const TRADERS_STREAM: u64 = 1;
const REFERENCE_STREAM: u64 = 2;

/// How a world is made.
#[derive(Debug)]
pub struct WorldConfig {
    /// Everything follows from it: keys, prices, what traders do.
    pub seed: u64,
    /// The network's passphrase.
    pub network_passphrase: String,
    /// How many markets, 1 to 1000: XLM/USDC, then AST0001/XLM, AST0002/XLM, …
    pub markets: usize,
    /// How much goes on there.
    pub activity: Activity,
    /// How reference prices move.
    pub reference: ReferenceConfig,
    /// Whose account the engine trades with.
    pub engine: EngineAccount,
    /// Lumens that it begins with.
    pub engine_lumens: Stroops,
    /// What it begins with of each credit that it trusts.
    pub engine_credit: Stroops,
    /// The first so many markets' credits are those that the engine gets (it has a thousand subentries at most).
    pub engine_markets: usize,
    /// Close time of the founding, all of its ledgers, seconds since 1970.
    pub founded_at_s: u64,
}

impl WorldConfig {
    /// One lively market, 10,000 XLM and 1,000 USDC for the engine.
    #[must_use]
    pub fn new(seed: u64, engine: EngineAccount) -> Self {
        Self {
            seed,
            network_passphrase: STANDALONE_PASSPHRASE.into(),
            markets: 1,
            activity: Activity::Lively,
            reference: ReferenceConfig::default(),
            engine,
            engine_lumens: Stroops(10_000 * 10_000_000),
            engine_credit: Stroops(1_000 * 10_000_000),
            engine_markets: DEFAULT_ENGINE_MARKETS,
            founded_at_s: 1_700_000_000,
        }
    }

    pub(crate) fn engine_markets(&self) -> usize {
        self.engine_markets.min(self.markets)
    }

    /// What a world that is kept must have been made with. How reference prices move may change from run to run.
    pub(crate) fn identity(&self) -> Identity {
        let of = |name: &str, value: String| (name.to_owned(), value);
        Identity::from([
            of("format", STATE_FORMAT.to_string()),
            of("seed", self.seed.to_string()),
            of("passphrase", self.network_passphrase.clone()),
            of("number of markets", self.markets.to_string()),
            of("traders", format!("{:?}", self.activity)),
            of("user account", self.engine.id().to_string()),
        ])
    }
}

/// Why a world cannot be, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The number of markets is out of range.
    #[error("{0} markets: 1 to {MAX_MARKETS} are possible")]
    Markets(usize),
    /// A transaction of the founding could not be signed.
    #[error("a transaction for the {what} could not be signed: the engine's account was given without a way to sign")]
    Unsigned {
        /// Which part of the founding.
        what: &'static str,
    },
    /// A transaction of the founding was refused or failed.
    #[error("the founding failed at the {what}: {result}")]
    Founding {
        /// Which part of the founding.
        what: &'static str,
        /// What the ledger said.
        result: String,
    },
    /// A kept ledger has an entry that no ledger can have.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The metadata could not be written.
    #[error("ledger {ledger}'s metadata cannot be written as XDR: {source}")]
    Meta {
        /// Which ledger.
        ledger: u32,
        /// Why.
        source: stellar_xdr::Error,
    },
}

/// What became of a submitted envelope, in the words of core's `/tx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It waits for the next ledger.
    Pending,
    /// It waits already.
    Duplicate,
    /// Its account has another one waiting.
    TryAgainLater,
    /// It cannot be applied; the result says why.
    Error(TransactionResult),
    /// It is no transaction envelope.
    Malformed(String),
}

/// A ledger and the people around it. Deterministic: two worlds of one configuration, called alike, are alike to the
/// last byte.
#[derive(Debug)]
pub struct World {
    ledger: Ledger,
    network: NetworkId,
    exchange: Exchange,
    traders: Vec<Box<dyn Trader>>,
    /// Whether they act after the founding.
    lively: bool,
    pub(super) reference: Reference,
    random: Random,
    engine: Engine,
    founding: Vec<Vec<u8>>,
}

impl World {
    /// Founds a world: the first ledgers open accounts, trustlines and books.
    ///
    /// # Errors
    /// If the number of markets is out of range, or a transaction of the founding fails.
    pub fn new(config: &WorldConfig) -> Result<Self, WorldError> {
        let mut world = Self::unfounded(config, Ledger::genesis)?;
        let root = Actor::new(world.ledger.root_key());
        let mut founding = Founding {
            ledger: &mut world.ledger,
            network: world.network,
            root: &root,
            exchange: &world.exchange,
            traders: &world.traders,
            reference: &world.reference,
            close_time_s: config.founded_at_s,
            metas: Vec::new(),
        };
        founding.run(config)?;
        world.founding = founding.metas;
        Ok(world)
    }

    /// A world that was founded by an earlier process, as it was kept: it goes on as if it had never stopped, but for the
    /// transactions that waited, and the counts of the engine's.
    pub(crate) fn resume(config: &WorldConfig, kept: Kept) -> Result<Self, WorldError> {
        let mut failed = None;
        let mut world = Self::unfounded(config, |genesis| {
            Ledger::restore(genesis.clone(), kept.header, kept.entries).unwrap_or_else(|error| {
                failed = Some(error);
                Ledger::genesis(genesis)
            })
        })?;
        if let Some(error) = failed {
            return Err(WorldError::Restore(error));
        }
        if let Some(notes) = kept.notes {
            world.reference.resume(&notes.reference);
            if let Ok(position) = notes.traders.parse() {
                world.random.go_on_from(position);
            }
        }
        let view = View { ledger: &world.ledger, markets: &world.exchange.markets, reference: &world.reference };
        world.traders.iter_mut().for_each(|trader| trader.resume(&view));
        world.engine.resume(&world.ledger, &world.exchange);
        Ok(world)
    }

    /// Everything but the founding.
    fn unfounded(config: &WorldConfig, ledger: impl FnOnce(GenesisConfig) -> Ledger) -> Result<Self, WorldError> {
        if !(1..=MAX_MARKETS).contains(&config.markets) {
            return Err(WorldError::Markets(config.markets));
        }
        let exchange = Exchange::new(config.seed, config.markets);
        let reference = Reference::new(config.reference, &exchange.symbols, Random::new(config.seed, REFERENCE_STREAM));
        Ok(Self {
            ledger: ledger(genesis(config)),
            network: NetworkId::from_passphrase(&config.network_passphrase),
            traders: traders::recruit(config.seed, config.markets, config.activity),
            lively: config.activity.is_lively(),
            random: Random::new(config.seed, TRADERS_STREAM),
            engine: Engine::new(config),
            founding: Vec::new(),
            exchange,
            reference,
        })
    }

    /// What is to be remembered of the world beside its ledger.
    pub(crate) fn notes(&self) -> Notes {
        Notes {
            ledger: self.ledger.header().ledger_seq,
            traders: self.random.position().to_string(),
            reference: self.reference.notes(),
        }
    }

    /// The metadata of the ledgers of the founding, from ledger 2 on, in XDR. Given once.
    pub fn take_founding(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.founding)
    }

    /// Takes a transaction envelope in XDR.
    pub fn submit(&mut self, envelope: &[u8]) -> Submission {
        let envelope = match TransactionEnvelope::from_xdr(envelope, ENVELOPE_LIMITS) {
            Ok(envelope) => envelope,
            Err(error) => return Submission::Malformed(format!("blob is no TransactionEnvelope: {error}")),
        };
        let concerns_engine = actor::concerns(&envelope, self.engine.id());
        match self.ledger.submit(envelope) {
            SubmitOutcome::Pending { hash } => {
                if concerns_engine {
                    self.engine.submitted(hash.0, self.ledger.header().ledger_seq);
                }
                Submission::Pending
            }
            SubmitOutcome::Duplicate { .. } => Submission::Duplicate,
            SubmitOutcome::TryAgainLater { .. } => Submission::TryAgainLater,
            SubmitOutcome::Error { result, .. } => Submission::Error(result),
        }
    }

    /// Lets the traders act and closes a ledger; gives its `LedgerCloseMeta` in XDR.
    ///
    /// Its close time is `now_s`, or a second after its predecessor's, as consensus wants. Only where that would run ahead
    /// of the clock by more than a second, because ledgers close so fast, they share a second: time bounds stay true.
    ///
    /// # Errors
    /// If the metadata cannot be written.
    pub fn close_ledger(&mut self, now_s: u64) -> Result<Vec<u8>, WorldError> {
        self.close(now_s).map(|closed| closed.bytes)
    }

    /// The same, with the metadata as it was before it became bytes.
    pub(crate) fn close(&mut self, now_s: u64) -> Result<Closed, WorldError> {
        if self.lively {
            self.let_traders_act();
        }
        self.engine.pay(&mut self.ledger, &self.exchange, self.network);
        let last = close_time_s(&self.ledger);
        let close_time_s = now_s.max((last + 1).min(now_s + MAX_AHEAD_S)).max(last);
        let closed = Closed::new(&mut self.ledger, close_time_s)?;
        self.engine.account_for(&closed, self.ledger.header().ledger_seq);
        Ok(closed)
    }

    /// The next tick of a reference price that is due at `now`, if one is: call it until it gives none.
    pub fn reference_tick(&mut self, now: UtcNanos) -> Option<Tick> {
        self.reference.tick(now)
    }

    /// When [`reference_tick`](Self::reference_tick) next has something.
    #[must_use]
    pub fn next_tick_due(&self) -> UtcNanos {
        self.reference.next_due()
    }

    /// Tells the traders a reference price, where someone else makes them.
    ///
    /// # Panics
    /// If there is no such market, or the price is not positive.
    pub fn set_reference(&mut self, market: MarketId, mid: f64) {
        assert!(mid.is_finite() && mid > 0.0, "{mid} is no price");
        self.reference.set_mid(usize::from(market.0), mid);
    }

    /// The middle of a market's reference price.
    #[must_use]
    pub fn reference_mid(&self, market: MarketId) -> f64 {
        self.reference.mid(usize::from(market.0))
    }

    /// The ticker's data object of a market as it is now.
    #[must_use]
    pub fn ticker(&self, market: MarketId, now: UtcNanos) -> String {
        self.reference.data(usize::from(market.0), now)
    }

    /// The account that the engine trades with.
    #[must_use]
    pub fn engine_account(&self) -> AccountId {
        self.engine.id()
    }

    /// The engine's account as of the last closed ledger.
    #[must_use]
    pub fn engine(&self) -> EngineSnapshot {
        self.engine.snapshot(&self.ledger, &self.exchange)
    }

    /// The markets; their order gives the ids.
    #[must_use]
    pub fn markets(&self) -> &[Market] {
        &self.exchange.markets
    }

    /// The reference's symbol of each market.
    #[must_use]
    pub fn symbols(&self) -> &[String] {
        &self.exchange.symbols
    }

    /// The ledger itself.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn let_traders_act(&mut self) {
        let view = View { ledger: &self.ledger, markets: &self.exchange.markets, reference: &self.reference };
        let fee = self.ledger.header().base_fee;
        let mut envelopes = Vec::new();
        for trader in &mut self.traders {
            let operations = trader.act(&view, &mut self.random);
            if !operations.is_empty() {
                let id = trader.actor().id();
                let tx = actor::transaction(id, ledger_sequence(&self.ledger, id) + 1, fee, operations);
                envelopes.extend(trader.actor().sign(self.network, tx));
            }
        }
        for envelope in envelopes {
            // A trader whose transaction is refused tries something else in the next ledger.
            let _ = self.ledger.submit(envelope);
        }
    }
}

/// A network as mainnet is today, from its first ledger on.
fn genesis(config: &WorldConfig) -> GenesisConfig {
    GenesisConfig {
        passphrase: config.network_passphrase.clone(),
        protocol: CURRENT_PROTOCOL,
        base_reserve: BASE_RESERVE,
        max_tx_set_size: OPERATIONS_A_LEDGER,
        ..GenesisConfig::default()
    }
}

/// A ledger that has just closed.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) meta: LedgerCloseMeta,
    /// The same in XDR.
    pub(crate) bytes: Vec<u8>,
}

impl Closed {
    pub(crate) fn new(ledger: &mut Ledger, close_time_s: u64) -> Result<Self, WorldError> {
        let meta = ledger.close(close_time_s, &[]).meta;
        let ledger = ledger.header().ledger_seq;
        let bytes = meta.to_xdr(Limits::none()).map_err(|source| WorldError::Meta { ledger, source })?;
        Ok(Self { meta, bytes })
    }

    /// The result of each transaction, in the order of application.
    pub(crate) fn results(&self) -> Vec<&TransactionResultPair> {
        match &self.meta {
            LedgerCloseMeta::V0(meta) => meta.tx_processing.iter().map(|tx| &tx.result).collect(),
            LedgerCloseMeta::V1(meta) => meta.tx_processing.iter().map(|tx| &tx.result).collect(),
            LedgerCloseMeta::V2(meta) => meta.tx_processing.iter().map(|tx| &tx.result).collect(),
        }
    }

    /// The first result that is no success.
    pub(crate) fn first_failure(&self) -> Option<&TransactionResult> {
        self.results().into_iter().map(|pair| &pair.result).find(|result| !succeeded(result))
    }
}

/// Whether a transaction was applied.
pub(crate) fn succeeded(result: &TransactionResult) -> bool {
    matches!(result.result, TransactionResultResult::TxSuccess(_) | TransactionResultResult::TxFeeBumpInnerSuccess(_))
}

/// The sequence number that an account consumed last; zero if there is none.
pub(crate) fn ledger_sequence(ledger: &Ledger, account: AccountId) -> i64 {
    ledger.account(&actor::account_to_xdr(account)).map_or(0, |account| account.seq_num.0)
}

/// Close time of the last ledger, seconds since 1970.
pub(crate) fn close_time_s(ledger: &Ledger) -> u64 {
    ledger.header().scp_value.close_time.0
}
