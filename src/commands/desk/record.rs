//! What a flight recorder's file says of the configuration: enough to make the same stages again, and no secret.

use super::super::engine::EngineParts;
use super::{DeskError, engine_parts};
use crate::config::{
    Config, Core, Exchange, ExchangeKind, Execution, Horizon, HttpAddress, Limits, Log, LogFormat, Market,
    PureMarketMaking, Rpc, SignerKind,
};
use crate::net::Endpoint;
use crate::pipeline::machine::Machine;
use crate::pipeline::placement::{Plan, PlanRequest, Spread};
use crate::signer::{LocalSigner, Signer};
use crate::stellar::{AccountId, LedgerSeq, Price, Stroops};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// The record.
#[derive(Debug, Serialize, Deserialize)]
pub struct FlightConfig {
    account: String,
    seed: u64,
    network_passphrase: String,
    trading_enabled: bool,
    starts_whole_at: Option<u32>,
    max_offers: usize,
    host: String,
    connections: u8,
    late_after_ns: u64,
    /// Whether ledgers came from core's stream.
    core_stream: bool,
    rpc: Option<Rpc>,
    horizon: Option<Horizon>,
    exchanges: Vec<Exchange>,
    fee_per_operation: u32,
    validity_ledgers: u32,
    answer_timeout_ns: u64,
    retry_after_ns: u64,
    max_attempts: u32,
    amount_tolerance_bp: u32,
    markets: Vec<FlightMarket>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FlightMarket {
    base: String,
    quote: String,
    reference: String,
    bid_spread_bp: f64,
    ask_spread_bp: f64,
    order_amount: i64,
    order_levels: u8,
    level_spread_bp: f64,
    refresh_tolerance_bp: f64,
    max_order_amount: i64,
    max_side_amount: i64,
    min_price: Option<[i32; 2]>,
    max_price: Option<[i32; 2]>,
}

/// The record is none, or of another version of this program.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not understood.
    #[error("the flight record's configuration is not understood ({0}): was it made by another version?")]
    Form(String),
    /// No stages can be made of it.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl FlightConfig {
    /// The record of a configuration, run with this seed.
    #[must_use]
    pub fn of(config: &Config, seed: u64) -> Self {
        Self {
            account: config.signer.public_key().to_string(),
            seed,
            network_passphrase: config.network_passphrase.clone(),
            trading_enabled: config.trading_enabled,
            starts_whole_at: config.starts_whole_at.map(|seq| seq.0),
            max_offers: config.max_offers,
            host: config.core.http.to_string(),
            connections: config.core.connections,
            late_after_ns: nanos(config.core.late_after),
            core_stream: config.core.meta_stream.is_some(),
            rpc: config.rpc.clone(),
            horizon: config.horizon.clone(),
            exchanges: config.exchanges.iter().map(without_key).collect(),
            fee_per_operation: config.execution.fee_per_operation,
            validity_ledgers: config.execution.validity_ledgers,
            answer_timeout_ns: nanos(config.execution.answer_timeout),
            retry_after_ns: nanos(config.execution.retry_after),
            max_attempts: config.execution.max_attempts,
            amount_tolerance_bp: config.execution.amount_tolerance_bp,
            markets: config.markets.iter().map(FlightMarket::of).collect(),
        }
    }

    /// In JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers: nothing in it can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The parts of the engine that flew, and its account. The signer among them is no one's: a replay signs nothing.
    ///
    /// # Errors
    /// If these bytes are no record.
    pub fn parts(json: &[u8]) -> Result<(EngineParts, AccountId), RecordError> {
        let record: Self = serde_json::from_slice(json).map_err(|error| RecordError::Form(error.to_string()))?;
        let account: AccountId = form(record.account.parse())?;
        let seed = record.seed;
        let config = record.config()?;
        let request = PlanRequest { spread: Spread::Fused, wait: None };
        let plan = Plan::fit(&request, &Machine::look()).map_err(DeskError::from)?;
        let mut parts = engine_parts(config, plan, seed)?;
        parts.feed.accounts = vec![account];
        Ok((parts, account))
    }

    fn config(self) -> Result<Config, RecordError> {
        let (host, port) = self.host.rsplit_once(':').unwrap_or((&self.host, "0"));
        Ok(Config {
            network_passphrase: self.network_passphrase,
            trading_enabled: self.trading_enabled,
            starts_whole_at: self.starts_whole_at.map(LedgerSeq),
            core: Core {
                meta_stream: self.core_stream.then(|| Endpoint::Unix { path: std::path::PathBuf::new() }),
                http: HttpAddress { host: host.to_owned(), port: form(port.parse())? },
                connections: self.connections,
                late_after: Duration::from_nanos(self.late_after_ns),
            },
            rpc: self.rpc,
            horizon: self.horizon,
            exchanges: self.exchanges,
            signer: LocalSigner::from_seed(&[0; 32]),
            signer_kind: SignerKind::Stock,
            max_offers: self.max_offers,
            execution: Execution {
                fee_per_operation: self.fee_per_operation,
                validity_ledgers: self.validity_ledgers,
                answer_timeout: Duration::from_nanos(self.answer_timeout_ns),
                retry_after: Duration::from_nanos(self.retry_after_ns),
                max_attempts: self.max_attempts,
                amount_tolerance_bp: self.amount_tolerance_bp,
            },
            placement: PlanRequest::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            log: Log { level: tracing::Level::INFO, format: LogFormat::Text },
            flight: None,
            markets: self.markets.into_iter().map(FlightMarket::market).collect::<Result<_, _>>()?,
        })
    }
}

/// The same, asked without a key: a replay asks nobody.
fn without_key(exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    if let ExchangeKind::CoinGecko(_, _, key_file) = &mut exchange.kind {
        *key_file = None;
    }
    exchange
}

fn form<T, E: core::fmt::Display>(parsed: Result<T, E>) -> Result<T, RecordError> {
    parsed.map_err(|error| RecordError::Form(error.to_string()))
}

impl FlightMarket {
    fn of(market: &Market) -> Self {
        let pair = |price: Price| [price.n(), price.d()];
        Self {
            base: market.assets.base.to_string(),
            quote: market.assets.quote.to_string(),
            reference: market.reference.to_string(),
            bid_spread_bp: market.strategy.bid_spread_bp,
            ask_spread_bp: market.strategy.ask_spread_bp,
            order_amount: market.strategy.order_amount.0,
            order_levels: market.strategy.order_levels,
            level_spread_bp: market.strategy.level_spread_bp,
            refresh_tolerance_bp: market.strategy.refresh_tolerance_bp,
            max_order_amount: market.limits.max_order_amount.0,
            max_side_amount: market.limits.max_side_amount.0,
            min_price: market.limits.min_price.map(pair),
            max_price: market.limits.max_price.map(pair),
        }
    }

    fn market(self) -> Result<Market, RecordError> {
        let price = |pair: Option<[i32; 2]>| pair.map(|[n, d]| form(Price::new(n, d))).transpose();
        Ok(Market {
            assets: crate::stellar::Market { base: form(self.base.parse())?, quote: form(self.quote.parse())? },
            reference: form(self.reference.parse())?,
            strategy: PureMarketMaking {
                bid_spread_bp: self.bid_spread_bp,
                ask_spread_bp: self.ask_spread_bp,
                order_amount: Stroops(self.order_amount),
                order_levels: self.order_levels,
                level_spread_bp: self.level_spread_bp,
                refresh_tolerance_bp: self.refresh_tolerance_bp,
            },
            limits: Limits {
                max_order_amount: Stroops(self.max_order_amount),
                max_side_amount: Stroops(self.max_side_amount),
                min_price: price(self.min_price)?,
                max_price: price(self.max_price)?,
            },
        })
    }
}
