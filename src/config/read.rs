//! From keys to a [`Config`].

use super::failure::{ConfigError, Lines, Place, Problem, holds_secret};
use super::source::{Environment, Node, Source};
use super::values::{self, amount, basis_points, flag, integer, parse_duration, price};
use super::{
    Config, Core, Execution, Flight, HORIZON_REFERENCE, Limits, Log, LogFormat, Market, PriceExpression,
    PureMarketMaking, REFERENCE, Term, key_file, sources,
};
use crate::pipeline::placement::PlanRequest;
use crate::stellar::{Asset, LedgerSeq, MarketTable, Stroops};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tracing::Level;

/// The longest file, bytes: the most markets there can be fit several times.
const MAX_FILE_BYTES: u64 = 16 << 20;

impl Config {
    /// Reads a file, what the environment says beside it, and the secret.
    ///
    /// # Errors
    /// The first thing that is wrong, and where it stands.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let unreadable = |error| Place::file(path).refuse(Problem::Unreadable(error));
        let file = File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(Place::file(path).refuse(Problem::TooLong(MAX_FILE_BYTES)));
        }
        Self::parse(&path.display().to_string(), &text, environment)
    }

    /// Reads a text as the file of this name. The secret is still read from where it is.
    ///
    /// # Errors
    /// The first thing that is wrong, and where it stands.
    pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let lines = Lines::of(text);
        let source = Source { file: name, text, lines: &lines, environment };
        let parsed = source.parse()?;
        let root = Node::root(source, parsed.get_ref())?;
        let network_passphrase = root.get("network", network)?;
        let config = Self {
            trading_enabled: root.get("trading_enabled", flag)?,
            starts_whole_at: starts_whole_at(&root, &network_passphrase)?,
            network_passphrase,
            rpc: sources::rpc(&root.section("rpc")?)?,
            horizon: sources::horizon(&root.section("horizon")?)?,
            exchanges: sources::exchanges(&root)?,
            core: core(&root)?,
            max_offers: root.section("book")?.get("max_offers", integer(1..=1 << 24))?,
            execution: execution(&root.section("execution")?)?,
            placement: root.section("placement")?.get("plan", str::parse::<PlanRequest>)?,
            listen: listen(&root.section("observe")?, environment)?,
            flight: flight(&root.section("flight")?)?,
            log: log(&root.section("log")?)?,
            markets: markets(&root)?,
            signer: key_file::read(&root.section("account")?, environment)?,
            signer_kind: root.section("account")?.get("signer", str::parse)?,
        };
        sources::check_streams(&root.section("horizon")?, config.horizon.as_ref(), &config.markets)?;
        check_expressions(&root, &config)?;
        Ok(config)
    }
}

/// Whether every name in the markets' expressions is one that is configured.
fn check_expressions(root: &Node<'_>, config: &Config) -> Result<(), ConfigError> {
    for (node, market) in root.sections("market")?.iter().zip(&config.markets) {
        let mut unknown = None;
        market.reference.term.visit(&mut |term| unknown = unknown.take().or_else(|| unknown_name(term, config)));
        if let Some(why) = unknown {
            return Err(node.place_of("reference").refuse_value("reference", why));
        }
    }
    Ok(())
}

fn unknown_name(term: &Term, config: &Config) -> Option<String> {
    match term {
        Term::Exchange { exchange, symbol, .. } if exchange == HORIZON_REFERENCE => {
            let heard = config.horizon.as_ref().is_some_and(|horizon| horizon.streams.order_book);
            let known = heard && config.markets.iter().any(|market| market.horizon_symbol() == *symbol);
            let how = "name it in a [[market]], and order_book among the streams of [horizon]";
            (!known).then(|| format!("wants {symbol} as Horizon streams it, which is not configured: {how}"))
        }
        Term::Exchange { exchange, symbol, .. } => {
            let known = config.exchanges.iter().any(|known| known.name == *exchange);
            let how = if exchange == REFERENCE { "url in [reference]" } else { "it in an [[exchange]]" };
            (!known).then(|| format!("wants {symbol} of the exchange {exchange}, which is not configured: name {how}"))
        }
        Term::Sdex { assets: wanted, .. } => {
            let known = |market: &Market| market.assets == *wanted;
            let crate::stellar::Market { base, quote } = wanted;
            let why = "which is not configured as written: name it in a [[market]], or turn the assets and invert";
            (!config.markets.iter().any(known)).then(|| format!("wants the market {base}/{quote}, {why}"))
        }
        _ => None,
    }
}

fn network(text: &str) -> Result<String, String> {
    // A passphrase is shown on the status page.
    if holds_secret(text) { Err("holds what may be a secret key".into()) } else { values::network(text) }
}

fn starts_whole_at(root: &Node<'_>, passphrase: &str) -> Result<Option<LedgerSeq>, ConfigError> {
    const KEY: &str = "starts_whole_at";
    let first = root.maybe(KEY, integer(1..=u64::from(u32::MAX)))?.map(LedgerSeq);
    if first.is_some() && values::is_shared(passphrase) {
        let why = "is for a network of one's own only: this one has ledgers that others made";
        return Err(root.place_of(KEY).refuse_value(KEY, why));
    }
    Ok(first)
}

fn core(root: &Node<'_>) -> Result<Core, ConfigError> {
    let node = &root.section("core")?;
    let meta_stream = node.maybe("meta_stream", values::meta_stream)?;
    if meta_stream.is_none() && sources::rpc(&root.section("rpc")?)?.is_none() {
        let why = "ledgers come from nowhere: name core's meta_stream, or the url of [rpc], or both";
        return Err(node.place().refuse_value("meta_stream", why));
    }
    Ok(Core {
        meta_stream,
        http: node.get("http", values::http_address)?,
        connections: node.get("connections", integer(1..=16))?,
        late_after: node.get("late_after", parse_duration)?,
    })
}

fn execution(node: &Node<'_>) -> Result<Execution, ConfigError> {
    Ok(Execution {
        fee_per_operation: node.get("fee_per_operation", integer(100..=10_000_000))?,
        validity_ledgers: node.get("validity_ledgers", integer(1..=100))?,
        answer_timeout: node.get("answer_timeout", parse_duration)?,
        retry_after: node.get("retry_after", parse_duration)?,
        max_attempts: node.get("max_attempts", integer(1..=1_000))?,
        amount_tolerance_bp: node.get("amount_tolerance_bp", integer(0..=10_000))?,
    })
}

fn flight(node: &Node<'_>) -> Result<Option<Flight>, ConfigError> {
    let folder: Option<PathBuf> = node.maybe("folder", str::parse)?;
    let segment_mib: usize = node.get("segment_mib", integer(1..=4_096))?;
    Ok(folder.map(|folder| Flight { folder, segment_bytes: segment_mib << 20 }))
}

fn listen(node: &Node<'_>, environment: &Environment) -> Result<SocketAddr, ConfigError> {
    let wanted = |text: &str| format!("'{text}' is no address and port: write it like 127.0.0.1:8000");
    let mut listen: SocketAddr = node.get("listen", |text| text.parse().map_err(|_| wanted(text)))?;
    if let Some(host) = environment.get("METRICS_HOST")? {
        let ip: Result<IpAddr, _> = values::ip_address(&host.text);
        listen.set_ip(ip.map_err(|why| host.place.refuse_value("listen", why))?);
    }
    if let Some(port) = environment.get("METRICS_PORT")? {
        let number = integer(0..=u64::from(u16::MAX))(&port.text);
        listen.set_port(number.map_err(|why| port.place.refuse_value("listen", why))?);
    }
    Ok(listen)
}

fn log(node: &Node<'_>) -> Result<Log, ConfigError> {
    let level = |text: &str| match text.to_ascii_uppercase().as_str() {
        "ERROR" => Ok(Level::ERROR),
        "WARN" => Ok(Level::WARN),
        "INFO" => Ok(Level::INFO),
        "DEBUG" => Ok(Level::DEBUG),
        "TRACE" => Ok(Level::TRACE),
        _ => Err(format!("'{text}' is no level: write ERROR, WARN, INFO, DEBUG or TRACE")),
    };
    let format = |text: &str| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("'{text}' is no format: write text or json")),
    };
    Ok(Log { level: node.get("level", level)?, format: node.get("format", format)? })
}

fn markets(root: &Node<'_>) -> Result<Vec<Market>, ConfigError> {
    let nodes = root.sections("market")?;
    if nodes.is_empty() {
        let why = "no market is configured: write at least one [[market]]";
        return Err(root.place().refuse_value("market", why));
    }
    if nodes.len() > MarketTable::MAX_MARKETS {
        let why = format!("{} markets are configured, at most {} are possible", nodes.len(), MarketTable::MAX_MARKETS);
        return Err(root.place().refuse_value("market", why));
    }
    let mut seen = BTreeMap::new();
    let mut markets = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let market = market(node)?;
        let crate::stellar::Market { base, quote } = market.assets;
        let place = node.place_of("base");
        if let Some(first) = seen.insert((base.min(quote), base.max(quote)), place.clone()) {
            let why = format!(
                "{base}/{quote} is named twice (the opposite orientation counts too), first at {first}: keep one"
            );
            return Err(place.refuse_value("market", why));
        }
        markets.push(market);
    }
    Ok(markets)
}

fn market(node: &Node<'_>) -> Result<Market, ConfigError> {
    let base: Asset = node.get("base", str::parse)?;
    let quote: Asset = node.get("quote", str::parse)?;
    if base == quote {
        return Err(node.place_of("quote").refuse_value("quote", format!("{quote} is the base as well")));
    }
    let strategy = strategy(&node.section("strategy")?)?;
    let limits = limits(&node.section("limits")?, &strategy)?;
    let assets = crate::stellar::Market { base, quote };
    Ok(Market { assets, reference: node.get("reference", str::parse::<PriceExpression>)?, strategy, limits })
}

fn strategy(node: &Node<'_>) -> Result<PureMarketMaking, ConfigError> {
    node.get("kind", |text| match text {
        "pure_market_making" => Ok(()),
        other => Err(format!("'{other}' is no strategy: write pure_market_making")),
    })?;
    let strategy = PureMarketMaking {
        bid_spread_bp: node.get("bid_spread_bp", basis_points(true))?,
        ask_spread_bp: node.get("ask_spread_bp", basis_points(true))?,
        order_amount: node.get("order_amount", amount)?,
        order_levels: node.get("order_levels", integer(1..=16))?,
        level_spread_bp: node.get("level_spread_bp", basis_points(false))?,
        refresh_tolerance_bp: node.get("refresh_tolerance_bp", basis_points(false))?,
    };
    let deepest_bp = strategy.bid_spread_bp + strategy.level_spread_bp * f64::from(strategy.order_levels - 1);
    if deepest_bp >= 10_000.0 {
        let why =
            format!("the last bid would stand {deepest_bp} basis points below the middle: less than 10000 is wanted");
        return Err(node.place_of("bid_spread_bp").refuse_value("bid_spread_bp", why));
    }
    Ok(strategy)
}

fn limits(node: &Node<'_>, strategy: &PureMarketMaking) -> Result<Limits, ConfigError> {
    let limits = Limits {
        max_order_amount: node.get("max_order_amount", amount)?,
        max_side_amount: node.get("max_side_amount", amount)?,
        min_price: node.maybe("min_price", price)?,
        max_price: node.maybe("max_price", price)?,
    };
    let side = strategy.order_amount.0.saturating_mul(i64::from(strategy.order_levels));
    // A limit that the strategy always runs into is a mistake, and it would show as a market that is never quoted.
    for (key, limit, wanted) in [
        ("max_order_amount", limits.max_order_amount, strategy.order_amount),
        ("max_side_amount", limits.max_side_amount, Stroops(side)),
    ] {
        if wanted > limit {
            let why =
                format!("the strategy wants to offer {wanted}, more than this limit of {limit}: change one of them");
            return Err(node.place_of(key).refuse_value(key, why));
        }
    }
    if let (Some(min), Some(max)) = (limits.min_price, limits.max_price)
        && min.cmp_exact(max).is_gt()
    {
        return Err(node.place_of("max_price").refuse_value("max_price", "is below min_price: no price passes"));
    }
    Ok(limits)
}
