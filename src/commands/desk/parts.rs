//! From a configuration to the parts of an engine.

use super::DeskError;
use super::sources::Sources;
use crate::commands::engine::EngineParts;
use crate::config::{self, Config, HORIZON_REFERENCE};
use crate::events::SymbolId;
use crate::execution::ExecutionConfig;
use crate::feed::{FeedConfig, FeedLimits};
use crate::net::{ConnSettings, Endpoint};
use crate::pipeline::placement::Plan;
use crate::risk::MarketLimits;
use crate::signer::Signer;
use crate::stellar::{AccountIndex, MarketId, MarketTable, MarketTableError, NetworkId};
use crate::strategy::{PureMarketMaking, PureMarketMakingConfig, PureMarketMakingError, Strategy, StrategyStageConfig};
use core::time::Duration;
use std::sync::Arc;

/// The markets of a configuration.
pub(super) fn table(config: &Config) -> Result<MarketTable, MarketTableError> {
    let markets: Vec<_> = config.markets.iter().map(|market| market.assets).collect();
    MarketTable::new(&markets)
}

/// The reference symbols of a configuration, each once: their places are the [`SymbolId`]s. Those that Horizon's streams
/// make of the markets' own books are among them.
pub(super) fn symbols(config: &Config) -> Vec<String> {
    let streamed = config.horizon.as_ref().is_some_and(|horizon| horizon.streams.order_book);
    let of_horizon = config.markets.iter().filter(|_| streamed).map(horizon_name);
    let mut symbols: Vec<_> = config.markets.iter().map(reference_name).chain(of_horizon).collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols
}

/// The symbol of a market's own book, as Horizon streams it.
pub(super) fn horizon_name(market: &config::Market) -> String {
    format!("{HORIZON_REFERENCE} {}/{}", market.assets.base, market.assets.quote)
}

/// Whether a symbol is a [`horizon_name`]: an exchange's has no space in it.
pub(super) fn is_horizons(symbol: &str) -> bool {
    symbol.split_once(' ').is_some_and(|(venue, _)| venue == HORIZON_REFERENCE)
}

fn reference_name(market: &config::Market) -> String {
    if market.reference == HORIZON_REFERENCE { horizon_name(market) } else { market.reference.clone() }
}

/// Where a market's symbol stands among [`symbols`].
pub(super) fn symbol_of(market: &config::Market, symbols: &[String]) -> SymbolId {
    place_of(&reference_name(market), symbols)
}

/// Where a symbol stands among [`symbols`], which it is one of.
pub(super) fn place_of(symbol: &String, symbols: &[String]) -> SymbolId {
    let at = symbols.binary_search(symbol);
    let at = at.ok().and_then(|at| u16::try_from(at).ok());
    match at {
        Some(at) => SymbolId(at),
        None => unreachable!("{symbol} is of a market, and there are fewer than 65536 symbols"),
    }
}

/// The parts of the engine that `config` describes, run by `plan`. What must differ from start to start (the jitter of
/// reconnects, the keys of WebSocket handshakes) follows from `seed`.
///
/// # Errors
/// If markets or a strategy's parameters contradict each other, which those of a [`Config`] that was read do not.
pub fn engine_parts(config: Config, plan: Plan, seed: u64) -> Result<EngineParts, DeskError> {
    let markets = Arc::new(table(&config)?);
    let network = NetworkId::from_passphrase(&config.network_passphrase);
    let symbols = symbols(&config);
    let strategies = config.markets.iter().zip(0..).map(|(market, id)| strategy(market, MarketId(id), &symbols));
    let sources = Sources::of(&config, &symbols, seed);
    Ok(EngineParts {
        feed: FeedConfig {
            network,
            markets: Arc::clone(&markets),
            accounts: vec![config.signer.public_key()],
            sources: sources.sources,
            limits: FeedLimits::default(),
        },
        offers: config.max_offers,
        starts_whole_at: config.starts_whole_at,
        strategy: StrategyStageConfig {
            reference_stale_ns: nanos(config.reference.stale_after),
            ledger_late_ns: nanos(config.core.late_after),
        },
        strategies: strategies.collect::<Result<_, _>>()?,
        symbols: symbols.len(),
        limits: config.markets.iter().map(|market| limits(&market.limits)).collect(),
        trading_enabled: config.trading_enabled,
        execution: execution(&config, network, markets),
        connections: sources.connections.into_iter().chain(submitting(&config)).collect(),
        seed,
        plan,
        signer: config.signer,
    })
}

fn strategy(
    market: &config::Market,
    id: MarketId,
    symbols: &[String],
) -> Result<Box<dyn Strategy>, PureMarketMakingError> {
    let wanted = &market.strategy;
    let strategy = PureMarketMaking::new(PureMarketMakingConfig {
        market: id,
        reference: symbol_of(market, symbols),
        bid_spread_bp: wanted.bid_spread_bp,
        ask_spread_bp: wanted.ask_spread_bp,
        order_amount: wanted.order_amount,
        order_levels: wanted.order_levels,
        level_spread_bp: wanted.level_spread_bp,
        refresh_tolerance_bp: wanted.refresh_tolerance_bp,
    })?;
    Ok(Box::new(strategy))
}

fn limits(limits: &config::Limits) -> MarketLimits {
    let config::Limits { max_order_amount, max_side_amount, min_price, max_price } = *limits;
    MarketLimits { max_order_amount, max_side_amount, min_price, max_price }
}

fn execution(config: &Config, network: NetworkId, markets: Arc<MarketTable>) -> ExecutionConfig {
    let wanted = &config.execution;
    ExecutionConfig {
        network,
        markets,
        account: AccountIndex(0),
        connections: config.core.connections,
        host: config.core.http.to_string(),
        fee_per_operation: wanted.fee_per_operation,
        validity_ledgers: wanted.validity_ledgers,
        answer_timeout_ns: nanos(wanted.answer_timeout),
        retry_ns: nanos(wanted.retry_after),
        max_attempts: wanted.max_attempts,
        amount_tolerance_bp: wanted.amount_tolerance_bp,
    }
}

/// Execution's connections.
fn submitting(config: &Config) -> impl Iterator<Item = ConnSettings> {
    let http = &config.core.http;
    let core = Endpoint::Tcp { host: http.host.clone(), port: http.port };
    (0..config.core.connections).map(move |_| ConnSettings::answers_once(core.clone()))
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
