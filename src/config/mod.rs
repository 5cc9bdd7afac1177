//! One typed configuration from file, environment and mounted secrets.
//!
//! [`Config::load`] reads all of it before anything starts. What it gives is valid: ranges are checked, endpoints and
//! prices parsed, no market is named twice, the key can sign. Whoever has a [`Config`] trusts it.
//!
//! An unknown key is refused, never ignored; each refusal says where and what ([`ConfigError`]). A setting that would do
//! nothing does not exist. A variable of the environment goes before the file. Every key is documented in one table, of
//! which [`example`] is the printed form.

mod expression;
mod failure;
mod key_file;
mod keys;
mod read;
mod source;
mod sources;
mod values;

pub use expression::{PriceExpression, REFERENCE, Term};
pub use failure::{ConfigError, Place, Problem};
pub use key_file::read_api_key;
pub use keys::example;
pub use source::Environment;
pub use values::{HttpAddress, HttpUrl, WebSocketUrl, meta_stream, parse_duration};

use crate::net::{Endpoint, Roots};
use crate::pipeline::placement::PlanRequest;
use crate::signer::LocalSigner;
use crate::stellar::{LedgerSeq, Price, Stroops};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// All that a running engine is told.
#[derive(Debug)]
pub struct Config {
    /// The network's passphrase.
    pub network_passphrase: String,
    /// Whether quotes may reach the ledger.
    pub trading_enabled: bool,
    /// The first ledger of a network of one's own; `None` where ledgers were before the stream.
    pub starts_whole_at: Option<LedgerSeq>,
    /// The stellar-core.
    pub core: Core,
    /// Stellar RPC.
    pub rpc: Option<Rpc>,
    /// Horizon.
    pub horizon: Option<Horizon>,
    /// Sources of prices, none of one name.
    pub exchanges: Vec<Exchange>,
    /// Signs for the account that trades.
    pub signer: LocalSigner,
    /// How.
    pub signer_kind: SignerKind,
    /// Offers that the books hold together, at least 1.
    pub max_offers: usize,
    /// Transactions.
    pub execution: Execution,
    /// Which cores.
    pub placement: PlanRequest,
    /// Where status page, metrics and probes listen.
    pub listen: SocketAddr,
    /// The log.
    pub log: Log,
    /// The flight recorder, if it is wanted.
    pub flight: Option<Flight>,
    /// The markets, at least one, none twice.
    pub markets: Vec<Market>,
}

/// How signatures are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignerKind {
    /// When they are asked for.
    #[default]
    Stock,
    /// With nonces made ahead: [`precomputed`](crate::signer::precomputed).
    Precomputed,
}

impl std::str::FromStr for SignerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stock" => Ok(Self::Stock),
            "precomputed" => Ok(Self::Precomputed),
            other => Err(format!("'{other}' is no signer: write stock or precomputed")),
        }
    }
}

/// The stellar-core that ledgers are read from and transactions are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its stream of ledgers; there is one, or [`Config::rpc`].
    pub meta_stream: Option<Endpoint>,
    /// Its command port.
    pub http: HttpAddress,
    /// Connections to the command port, 1 to 16.
    pub connections: u8,
    /// Quoting stops when no ledger has come for so long.
    pub late_after: Duration,
}

/// Stellar RPC, to read ledgers from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rpc {
    /// Its endpoints, at least one.
    pub endpoints: Vec<HttpUrl>,
    /// Whom to trust, where they go through TLS.
    #[serde(skip)]
    pub roots: Roots,
    /// Between two requests to one endpoint.
    pub least_interval: Duration,
    /// How long an answer is waited for.
    pub answer_timeout: Duration,
}

/// Horizon, to ask what the ledger is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// The primary, then its backups.
    pub servers: Vec<HttpUrl>,
    /// Whom to trust, where they go through TLS.
    #[serde(skip)]
    pub roots: Roots,
    /// How often each market is compared.
    pub check_every: Duration,
    /// Requests in an hour, those that servers count for streams among them.
    pub requests_per_hour: u32,
    /// How long an answer is waited for.
    pub answer_timeout: Duration,
    /// How long a backup is asked before the primary is tried again.
    pub return_after: Duration,
    /// What is heard as it happens.
    pub streams: HorizonStreams,
    /// A stream that was silent for so long is opened anew.
    pub stream_silence: Duration,
}

/// What is heard of Horizon as it happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HorizonStreams {
    /// Each market's order book, as a price.
    pub order_book: bool,
    /// Each market's trades, for the price's last one; not without the order books.
    pub trades: bool,
    /// Our account, as a witness.
    pub accounts: bool,
}

impl HorizonStreams {
    /// How many streams there are, with so many markets and one account.
    #[must_use]
    pub fn count(self, markets: usize) -> usize {
        markets * (usize::from(self.order_book) + usize::from(self.trades)) + usize::from(self.accounts)
    }
}

/// How expressions call Horizon's streams, and a market's own among them.
pub const HORIZON_REFERENCE: &str = "horizon";

/// A source of prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// How expressions call it.
    pub name: String,
    /// What it is, and where.
    pub kind: ExchangeKind,
    /// Whom to trust, if it goes through TLS.
    #[serde(skip)]
    pub roots: Roots,
    /// An older price is not used.
    pub stale_after: Duration,
    /// A connection that was silent for so long is opened anew.
    pub silent_after: Duration,
}

/// What a source of prices is, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExchangeKind {
    /// Kraken's ticker.
    Kraken(WebSocketUrl),
    /// Coinbase Advanced Trade.
    Coinbase(WebSocketUrl),
    /// Binance's book ticker.
    Binance(WebSocketUrl),
    /// Binance's whole books: the stream, and where their snapshots are.
    BinanceDepth(WebSocketUrl, HttpUrl),
    /// CoinGecko: where, how often, and the file that holds a key.
    CoinGecko(HttpUrl, Duration, Option<PathBuf>),
}

/// How transactions are made and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The most that is offered for an operation, stroops.
    pub fee_per_operation: u32,
    /// In how many ledgers a transaction may apply, at least 1.
    pub validity_ledgers: u32,
    /// How long an answer is waited for.
    pub answer_timeout: Duration,
    /// When the same bytes are sent again.
    pub retry_after: Duration,
    /// How often the same bytes are sent at most, at least 1.
    pub max_attempts: u32,
    /// By how much an amount may differ, basis points.
    pub amount_tolerance_bp: u32,
}

/// Where the last inputs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The folder, made if it is not there.
    pub folder: PathBuf,
    /// The most bytes of each of its two files.
    pub segment_bytes: usize,
}

/// The log, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// What is told, and what is worse than that.
    pub level: tracing::Level,
    /// How.
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for machines.
    Json,
}

/// A market, and what is done there.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// Its assets.
    pub assets: crate::stellar::Market,
    /// The price that is quoted around.
    pub reference: PriceExpression,
    /// What is quoted.
    pub strategy: PureMarketMaking,
    /// What no quote may pass.
    pub limits: Limits,
}

impl Market {
    /// How expressions call its book, as Horizon streams it.
    #[must_use]
    pub fn horizon_symbol(&self) -> String {
        format!("{}/{}", self.assets.base, self.assets.quote)
    }
}

/// Quotes around the reference's middle, on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PureMarketMaking {
    /// From the middle to the first bid, basis points, more than 0; that of the last level is less than 10,000.
    pub bid_spread_bp: f64,
    /// From the middle to the first ask, basis points, more than 0.
    pub ask_spread_bp: f64,
    /// Base a quote, more than 0.
    pub order_amount: Stroops,
    /// Quotes a side, 1 to 16.
    pub order_levels: u8,
    /// From level to level, basis points, at least 0.
    pub level_spread_bp: f64,
    /// How far the middle moves before quotes follow, basis points, at least 0.
    pub refresh_tolerance_bp: f64,
}

/// What no quote may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most base of a quote.
    pub max_order_amount: Stroops,
    /// The most base of a side.
    pub max_side_amount: Stroops,
    /// The lowest price.
    pub min_price: Option<Price>,
    /// The highest price.
    pub max_price: Option<Price>,
}
