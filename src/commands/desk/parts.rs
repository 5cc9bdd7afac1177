//! From a configuration to the parts of an engine.

use super::DeskError;
use super::prices::{self, Names};
use super::sources::Sources;
use crate::commands::engine::EngineParts;
use crate::config::{self, Config};
use crate::execution::ExecutionConfig;
use crate::feed::{FeedConfig, FeedLimits};
use crate::net::{ConnSettings, Endpoint};
use crate::pipeline::placement::Plan;
use crate::risk::MarketLimits;
use crate::signer::Signer;
use crate::stellar::{AccountIndex, MarketId, MarketTable, MarketTableError, NetworkId};
use crate::strategy::{PureMarketMaking, PureMarketMakingConfig, Quoter, StrategyStageConfig};
use core::time::Duration;
use std::sync::Arc;

/// The markets of a configuration.
pub(super) fn table(config: &Config) -> Result<MarketTable, MarketTableError> {
    let markets: Vec<_> = config.markets.iter().map(|market| market.assets).collect();
    MarketTable::new(&markets)
}

/// The parts of the engine that `config` describes, run by `plan`. What must differ from start to start (the jitter of
/// reconnects, the keys of WebSocket handshakes) follows from `seed`.
///
/// # Errors
/// If markets or a strategy's parameters contradict each other, which those of a [`Config`] that was read do not.
pub fn engine_parts(config: Config, plan: Plan, seed: u64) -> Result<EngineParts, DeskError> {
    let markets = Arc::new(table(&config)?);
    let network = NetworkId::from_passphrase(&config.network_passphrase);
    let symbols = prices::symbols(&config);
    let names = Names { config: &config, symbols: &symbols };
    let quoters = config.markets.iter().zip(0..).map(|(market, id)| quoter(market, MarketId(id), &names));
    let quoters = quoters.collect::<Result<_, _>>()?;
    let sources = Sources::of(&config, &symbols, seed)?;
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
        strategy: StrategyStageConfig { ledger_late_ns: nanos(config.core.late_after) },
        strategies: quoters,
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

fn quoter(market: &config::Market, id: MarketId, names: &Names<'_>) -> Result<Quoter, DeskError> {
    let wanted = &market.strategy;
    let strategy = PureMarketMaking::new(PureMarketMakingConfig {
        market: id,
        bid_spread_bp: wanted.bid_spread_bp,
        ask_spread_bp: wanted.ask_spread_bp,
        order_amount: wanted.order_amount,
        order_levels: wanted.order_levels,
        level_spread_bp: wanted.level_spread_bp,
        refresh_tolerance_bp: wanted.refresh_tolerance_bp,
    })?;
    Ok(Quoter { strategy: Box::new(strategy), price: Some(names.expression(&market.reference)?) })
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
