//! What a feed is told at start.

use crate::events::SymbolId;
use crate::stellar::{AccountId, MarketId, MarketTable, NetworkId};
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use crate::wire::websocket::BadEndpoint;
use std::sync::Arc;

/// The most symbols of one price source: their subscription must fit what may wait to be sent.
const MAX_SYMBOLS: usize = 2048;

/// A feed's configuration.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// The network, whose id is in every transaction's hash.
    pub network: NetworkId,
    /// The markets that are looked at.
    pub markets: Arc<MarketTable>,
    /// Our accounts, channels included: whatever may be a transaction's source, pay its fee, or be an operation's
    /// source. The places in the list are the [`AccountIndex`](crate::stellar::AccountIndex)es.
    pub accounts: Vec<AccountId>,
    /// The sources, those of ledgers first. Their connections, one after the other, are the
    /// [`ConnId`](crate::events::ConnId)s.
    pub sources: Vec<SourceConfig>,
    /// The bounds.
    pub limits: FeedLimits,
}

/// A source.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// stellar-core's `METADATA_OUTPUT_STREAM`. At most one.
    CoreMeta,
    /// Stellar RPC: `getLedgers`, from one endpoint or several that race; a connection each.
    Rpc(RpcConfig),
    /// Horizon's `/offers`, pools and accounts: snapshots of the ledger; a connection a server.
    HorizonSweep(HorizonSweepConfig),
    /// Horizon's streams of order books, trades and our accounts; for each stream a connection a server.
    HorizonStream(HorizonStreamConfig),
    /// Kraken's ticker, or a server that speaks like it.
    Kraken(PriceStreamConfig),
    /// Coinbase Advanced Trade.
    Coinbase(PriceStreamConfig),
    /// Binance: one connection for the book ticker; for depth a second, which asks for its snapshot.
    Binance(BinanceConfig),
    /// CoinGecko's simple prices.
    CoinGecko(CoinGeckoConfig),
}

/// Stellar RPC.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// The endpoints, each of which has a connection: at least one.
    pub endpoints: Vec<HttpPlace>,
    /// The longest answer that is taken, bytes.
    pub max_answer_bytes: usize,
    /// How long an answer is waited for, nanoseconds.
    pub answer_timeout_ns: u64,
    /// The least time between two requests to one endpoint, nanoseconds.
    pub least_interval_ns: u64,
    /// The jitter of pauses follows from it.
    pub seed: u64,
}

/// An HTTP server, as requests name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPlace {
    /// As in the `Host` header.
    pub host: String,
    /// What stands before every path: empty, or begins with `/` and does not end with one.
    pub prefix: String,
}

/// Snapshots from Horizon.
#[derive(Clone, Debug)]
pub struct HorizonSweepConfig {
    /// Primary, then its backups: at least one. One is asked at a time.
    pub servers: Vec<HttpPlace>,
    /// How often every market is asked for, nanoseconds, as far as the budget allows.
    pub every_ns: u64,
    /// Requests an hour that may be used.
    pub requests_per_hour: u32,
    /// The jitter of pauses follows from it.
    pub seed: u64,
    /// How long an answer is waited for, nanoseconds.
    pub answer_timeout_ns: u64,
    /// How long a backup is asked before the primary is tried again, nanoseconds.
    pub return_after_ns: u64,
}

/// Streams from Horizon.
#[derive(Clone, Debug)]
pub struct HorizonStreamConfig {
    /// Primary, then its backups: at least one. Of each stream one is asked at a time.
    pub servers: Vec<HttpPlace>,
    /// The markets whose order books are heard, each with the symbol of the price that it makes.
    pub order_books: Vec<(MarketId, SymbolId)>,
    /// Whether the trades of those markets are heard as well.
    pub trades: bool,
    /// How many of our accounts, the first ones, are heard.
    pub accounts: usize,
    /// Requests an hour that may be used, together with the snapshots: a server counts a stream's opening, and every
    /// ledger on it.
    pub requests_per_hour: u32,
    /// The jitter of pauses follows from it.
    pub seed: u64,
    /// How long a stream's beginning is waited for, nanoseconds.
    pub answer_timeout_ns: u64,
    /// A stream on which not one byte came for so long is dead, nanoseconds. Horizon says nothing while nothing changes,
    /// and ends each stream after 55 s.
    pub silence_ns: u64,
    /// How long a backup is heard before the primary is tried again, nanoseconds.
    pub return_after_ns: u64,
}

/// Binance.
#[derive(Clone, Debug)]
pub struct BinanceConfig {
    /// The stream; its path is `/stream`.
    pub stream: PriceStreamConfig,
    /// For whole books: where their snapshots are asked for (`api.binance.com`). Without it the book ticker is followed.
    pub depth: Option<HttpPlace>,
}

/// CoinGecko.
#[derive(Clone, Debug)]
pub struct CoinGeckoConfig {
    /// The server: `api.coingecko.com`, `/api/v3`.
    pub server: HttpPlace,
    /// A key, sent as `x-cg-demo-api-key` (or `x-cg-pro-api-key` to the host of paying customers).
    pub api_key: Option<Secret>,
    /// Coin and currency (`stellar`, `usd`), and how we name the pair.
    pub pairs: Vec<((String, String), SymbolId)>,
    /// How often it is asked, nanoseconds.
    pub every_ns: u64,
    /// How long an answer is waited for, nanoseconds.
    pub answer_timeout_ns: u64,
    /// The jitter of pauses follows from it.
    pub seed: u64,
}

/// A word that is never shown.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A price source over a WebSocket.
#[derive(Clone, Debug)]
pub struct PriceStreamConfig {
    /// As in the `Host` header: `ws.kraken.com`, with its port if that is not the scheme's.
    pub host: String,
    /// Path and query, such as `/v2`.
    pub path: String,
    /// The symbols to subscribe to, as the server names them, and as we do.
    pub symbols: Vec<(String, SymbolId)>,
    /// Messages longer than so many bytes are a fault.
    pub max_message_bytes: usize,
    /// A server that has said nothing for so long, not even its heartbeat (which comes once a second), is given up.
    pub silence_ns: u64,
    /// Random, new at each start: the keys of the handshakes are made from it.
    pub nonce: [u8; 16],
}

/// The bounds of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLimits {
    /// The longest ledger, bytes. A longer one is a fault.
    pub max_ledger_bytes: usize,
    /// Events of one ledger for which room is set aside at start. More make the room grow, which is counted.
    pub ledger_events: usize,
    /// The most events of one ledger that are kept. A ledger with more is a fault: nothing of it is handed down.
    pub max_ledger_events: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            max_ledger_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            ledger_events: 1 << 14,
            // A ledger takes a thousand classic operations, each of which can cross a thousand offers.
            max_ledger_events: 1 << 22,
        }
    }
}

/// Why a feed cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedConfigError {
    /// The connection's number would not fit.
    #[error("the sources need {0} connections, at most 255 are possible")]
    TooManyConnections(usize),
    /// Two streams of ledgers.
    #[error("more than one core metadata stream is configured: ledgers can follow each other in one only")]
    TwoLedgerSources,
    /// The account's number would not fit.
    #[error("{0} accounts are configured, at most 65536 are possible")]
    TooManyAccounts(usize),
    /// An account twice.
    #[error("account {0} is configured twice")]
    AccountTwice(AccountId),
    /// A price source's address.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// A price source without symbols, with too many, or with one twice.
    #[error("a price source has {0}")]
    Symbols(String),
}

impl FeedConfig {
    /// How many connections the sources have together.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.sources.iter().map(SourceConfig::connections).sum()
    }

    /// How many of the connections, the first ones, bring ledgers.
    #[must_use]
    pub fn ledger_connections(&self) -> usize {
        let ledgers = self.sources.iter().take_while(|source| source.brings_ledgers());
        ledgers.map(SourceConfig::connections).sum()
    }

    pub(super) fn check(&self) -> Result<(), FeedConfigError> {
        if self.connections() > usize::from(u8::MAX) {
            return Err(FeedConfigError::TooManyConnections(self.connections()));
        }
        self.sources.iter().try_for_each(SourceConfig::check)?;
        let is_core = |source: &&SourceConfig| matches!(source, SourceConfig::CoreMeta);
        if self.sources.iter().filter(is_core).count() > 1 {
            return Err(FeedConfigError::TwoLedgerSources);
        }
        if self.accounts.len() > usize::from(u16::MAX) + 1 {
            return Err(FeedConfigError::TooManyAccounts(self.accounts.len()));
        }
        let mut sorted = self.accounts.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(FeedConfigError::AccountTwice(pair[0])),
            None => Ok(()),
        }
    }
}

impl HorizonStreamConfig {
    /// How many streams there are.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.order_books.len() * (1 + usize::from(self.trades)) + self.accounts
    }
}

impl SourceConfig {
    /// How many connections it has.
    #[must_use]
    pub fn connections(&self) -> usize {
        match self {
            Self::CoreMeta | Self::Kraken(_) | Self::Coinbase(_) | Self::CoinGecko(_) => 1,
            Self::Rpc(rpc) => rpc.endpoints.len(),
            Self::HorizonSweep(sweep) => sweep.servers.len(),
            Self::HorizonStream(stream) => stream.streams() * stream.servers.len(),
            Self::Binance(binance) => 1 + usize::from(binance.depth.is_some()),
        }
    }

    /// Whether it brings ledgers.
    #[must_use]
    pub fn brings_ledgers(&self) -> bool {
        matches!(self, Self::CoreMeta | Self::Rpc(_))
    }

    fn check(&self) -> Result<(), FeedConfigError> {
        let mut names: Vec<String> = match self {
            Self::CoreMeta | Self::Rpc(_) | Self::HorizonSweep(_) | Self::HorizonStream(_) => return Ok(()),
            Self::Kraken(PriceStreamConfig { symbols, .. })
            | Self::Coinbase(PriceStreamConfig { symbols, .. })
            | Self::Binance(BinanceConfig { stream: PriceStreamConfig { symbols, .. }, .. }) => {
                symbols.iter().map(|(name, _)| name.clone()).collect()
            }
            Self::CoinGecko(gecko) => gecko.pairs.iter().map(|((coin, money), _)| format!("{coin}/{money}")).collect(),
        };
        if names.is_empty() {
            return Err(FeedConfigError::Symbols("no symbols: name at least one, such as XLM/USD".into()));
        }
        if names.len() > MAX_SYMBOLS {
            let count = names.len();
            return Err(FeedConfigError::Symbols(format!("{count} symbols, more than the possible {MAX_SYMBOLS}")));
        }
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(FeedConfigError::Symbols(format!("the symbol {} twice", pair[0]))),
            None => Ok(()),
        }
    }
}
