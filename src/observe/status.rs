//! What the page, `/status.json` and the metrics show: one plain value, published whole.

use super::latency::StageLatency;
use super::words::{price_words, side_word};
use crate::stellar::{OfferId, Price, Side, Stroops};
use serde::{Serialize, Serializer};

/// The engine at one moment, as far as people and dashboards want to see it. Amounts are printed exactly, as decimals
/// with seven places; prices as a decimal and the exact fraction. Counters count since the program's start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// What runs.
    pub program: Program,
    /// The newest ledger.
    pub ledger: Ledger,
    /// Where data come from, and where transactions go.
    pub feeds: Vec<Feed>,
    /// The configured markets, at most [`Status::MAX_MARKETS`]; the page shows the first [`Status::SHOWN_MARKETS`].
    #[serde(serialize_with = "shown")]
    pub markets: Vec<Market>,
    /// How many markets are configured, shown or not.
    pub markets_configured: usize,
    /// The last fills, newest first, at most [`Status::MAX_FILLS`].
    pub fills: Vec<Fill>,
    /// What our accounts hold.
    pub balances: Vec<Balance>,
    /// Profit and loss, one a pair and strategy, the main one first; bounded and shown like markets.
    #[serde(serialize_with = "shown")]
    pub profit_loss: Vec<ProfitLoss>,
    /// Our transactions.
    pub transactions: Transactions,
    /// Stage by stage, in the order of the line.
    pub latency: Vec<StageLatency>,
    /// From the return of the read that completed a message to the entry of the write that sent the transaction.
    pub tick_to_wire: Option<StageLatency>,
    /// How late the picture of a ledger is: from its first byte to its published view, and from its close time to that.
    pub lateness: Vec<StageLatency>,
    /// Rings between threads.
    pub queues: Vec<Queue>,
    /// What the risk gate refused.
    pub refusals: Vec<Count>,
    /// Signatures by nonces made ahead, by the stock signer because there was none, and those of the first that were
    /// checked; empty if the stock signer makes all.
    pub signatures: Vec<Count>,
    /// Why trading stopped; `None` while it goes on.
    pub halted: Option<String>,
}

/// What runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Program {
    /// Version of the crate.
    pub version: String,
    /// What was built: commit, profile, target; whatever tells two builds apart.
    pub build: String,
    /// `demo`, `run`, `replay`.
    pub mode: String,
    /// The network's passphrase.
    pub network: String,
    /// The seed of a run that can be repeated.
    pub seed: Option<u64>,
    /// Since start.
    pub uptime_ms: u64,
}

/// The newest ledger and a few before it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ledger {
    /// Its number.
    pub seq: u32,
    /// Protocol version.
    pub protocol: u32,
    /// Close time, seconds since 1970.
    pub close_time_s: u64,
    /// How long ago it arrived, by our clock; `None` before the first.
    pub age_ms: Option<u64>,
    /// Transactions in it, failed ones included.
    pub transactions: u32,
    /// The last ledgers, newest first, at most [`Status::MAX_LEDGERS`].
    pub recent: Vec<ClosedLedger>,
}

/// A ledger of the ticker.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ClosedLedger {
    /// Its number.
    pub seq: u32,
    /// Transactions in it, failed ones included.
    pub transactions: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that were ours.
    pub own: u32,
}

/// A source of data, or a way out for transactions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Feed {
    /// Its configured name, unique.
    pub name: String,
    /// Address or path.
    pub endpoint: String,
    /// Whether it stands.
    pub up: bool,
    /// Since its last message; `None` before the first.
    pub last_message_age_ms: Option<u64>,
    /// What else there is to say, in words.
    pub detail: String,
    /// Faults by kind (`FeedFault::name`), kinds that occurred or all of them.
    pub faults: Vec<Count>,
}

/// A named counter.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Count {
    /// What is counted, in the words of a metric's label: short, of a fixed set.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// A market.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Market {
    /// Unique name, as `XLM/USDC`.
    pub name: String,
    /// Code of the base asset.
    pub base: String,
    /// Code of the quote asset.
    pub quote: String,
    /// Whether its book can be trusted.
    pub whole: bool,
    /// Whether it may be quoted on: its book can be trusted, and ledgers come in time.
    pub tradable: bool,
    /// Offers and pools about which a check and the book have differed.
    pub differences: u64,
    /// Best bid.
    #[serde(serialize_with = "maybe_price")]
    pub best_bid: Option<Price>,
    /// Best ask.
    #[serde(serialize_with = "maybe_price")]
    pub best_ask: Option<Price>,
    /// Spread between them in basis points of their middle.
    pub spread_bp: Option<f64>,
    /// The price elsewhere.
    pub reference: Option<Reference>,
    /// Best first, at most [`Status::MAX_LEVELS`].
    pub bids: Vec<Level>,
    /// Best first, at most [`Status::MAX_LEVELS`].
    pub asks: Vec<Level>,
    /// Our offers, at most [`Status::MAX_OWN_OFFERS`].
    pub own_offers: Vec<OwnOffer>,
    /// How many offers of ours stand, shown or not.
    pub active_offers: u64,
    /// Base gained (or lost) since the start.
    #[serde(serialize_with = "decimal")]
    pub position: Stroops,
    /// How many fills we had.
    pub fills: u64,
    /// Base that we traded, bought and sold.
    #[serde(serialize_with = "decimal")]
    pub volume_base: Stroops,
    /// Quote that we traded, paid and received.
    #[serde(serialize_with = "decimal")]
    pub volume_quote: Stroops,
    /// Orders by side and status.
    pub orders: Vec<OrderCount>,
}

/// A reference price.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Reference {
    /// What strategies quote around.
    pub mid: f64,
    /// Since the oldest of what it is made of arrived; 0 if that is nothing but numbers.
    pub age_ms: u64,
}

/// A price level.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Level {
    /// Units of quote for one base.
    #[serde(serialize_with = "price")]
    pub price: Price,
    /// Base on offer, ours included.
    #[serde(serialize_with = "decimal")]
    pub amount: Stroops,
    /// How much of it is ours.
    #[serde(serialize_with = "decimal")]
    pub own_amount: Stroops,
}

/// An offer of ours.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OwnOffer {
    /// Its id. (A string for readers: JavaScript's numbers end at 2^53.)
    #[serde(serialize_with = "offer_id")]
    pub id: OfferId,
    /// Which side.
    #[serde(serialize_with = "side")]
    pub side: Side,
    /// Units of quote for one base.
    #[serde(serialize_with = "price")]
    pub price: Price,
    /// Base for an ask, quote for a bid: what it still sells.
    #[serde(serialize_with = "decimal")]
    pub amount: Stroops,
}

/// How many orders of a side came to a status.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OrderCount {
    /// Which side.
    #[serde(serialize_with = "side")]
    pub side: Side,
    /// `placed`, `changed`, `cancelled`, `refused`: of a fixed set.
    pub status: &'static str,
    /// How often.
    pub count: u64,
}

/// Which part we had in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Liquidity {
    /// Our offer stood in the book.
    Maker,
    /// Our operation took.
    Taker,
}

/// A trade of ours.
#[derive(Clone, Debug, Serialize)]
pub struct Fill {
    /// In which ledger.
    pub ledger: u32,
    /// The ledger's close time, milliseconds since 1970.
    pub time_ms: u64,
    /// On which market.
    pub market: String,
    /// `Bid` if we bought base.
    #[serde(serialize_with = "side")]
    pub side: Side,
    /// Base that changed hands.
    #[serde(serialize_with = "decimal")]
    pub base: Stroops,
    /// Quote that changed hands.
    #[serde(serialize_with = "decimal")]
    pub quote: Stroops,
    /// Quote for one base, as a decimal ([`ratio_words`](super::ratio_words)).
    pub price: String,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

/// What an account holds of an asset.
#[derive(Clone, Debug, Serialize)]
pub struct Balance {
    /// The account's configured name (or its `G…`), never a secret.
    pub account: String,
    /// The asset's code.
    pub asset: String,
    /// All of it.
    #[serde(serialize_with = "decimal")]
    pub total: Stroops,
    /// What is neither reserved nor promised by offers.
    #[serde(serialize_with = "decimal")]
    pub available: Stroops,
}

/// Profit and loss of a strategy on a market.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProfitLoss {
    /// The market's name.
    pub pair: String,
    /// The strategy's name.
    pub strategy: String,
    /// In which asset it is counted.
    pub asset: String,
    /// By closed trades.
    #[serde(serialize_with = "decimal")]
    pub realised: Stroops,
    /// By the position at the reference price.
    #[serde(serialize_with = "decimal")]
    pub unrealised: Stroops,
    /// Both.
    #[serde(serialize_with = "decimal")]
    pub total: Stroops,
    /// How the total came about, oldest first, at most [`Status::MAX_POINTS`].
    pub history: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// The ledger.
    pub ledger: u32,
    /// The value at its close.
    #[serde(serialize_with = "decimal")]
    pub total: Stroops,
}

/// Our transactions, counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Transactions {
    /// Sent (each once, however often it was sent again).
    pub submitted: u64,
    /// Applied.
    pub applied: u64,
    /// In a ledger, but failed.
    pub failed: u64,
    /// Known dead without ever having been in a ledger.
    pub expired: u64,
    /// Of unknown fate as yet.
    pub pending: u64,
    /// What they cost.
    #[serde(serialize_with = "decimal")]
    pub fees_paid: Stroops,
    /// The last ones, newest first, at most [`Status::MAX_TRANSACTIONS`].
    pub recent: Vec<Transaction>,
}

/// Where a transaction is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionState {
    /// On its way.
    Pending,
    /// Applied.
    Applied,
    /// In a ledger, but failed.
    Failed,
    /// Dead without having been in a ledger.
    Expired,
}

/// A transaction of ours.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// The market that it quotes on.
    pub market: String,
    /// The ledger that has it.
    pub ledger: Option<u32>,
    /// When it was sent, milliseconds since 1970.
    pub sent_ms: u64,
    /// Its operations.
    pub operations: u32,
    /// The fee that it was charged.
    #[serde(serialize_with = "decimal")]
    pub fee: Stroops,
    /// Where it is on its way.
    pub state: TransactionState,
    /// The same in words, with the reason ([`outcome_words`](super::outcome_words)).
    pub fate: String,
}

/// A ring between two threads.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Queue {
    /// Its name, as `feed-book`.
    pub ring: String,
    /// Events in it.
    pub length: u64,
    /// Events that it has room for.
    pub capacity: u64,
    /// Events that found it full and were dropped (or conflated).
    pub dropped: u64,
}

impl Status {
    /// Markets in the metrics.
    pub const MAX_MARKETS: usize = 1_024;
    /// Markets on the page, which is asked for twice a second and read by a person.
    pub const SHOWN_MARKETS: usize = 16;
    /// Levels a side.
    pub const MAX_LEVELS: usize = 20;
    /// Own offers a market.
    pub const MAX_OWN_OFFERS: usize = 50;
    /// Fills.
    pub const MAX_FILLS: usize = 50;
    /// Transactions.
    pub const MAX_TRANSACTIONS: usize = 20;
    /// Ledgers of the ticker.
    pub const MAX_LEDGERS: usize = 60;
    /// Points of a profit-and-loss curve.
    pub const MAX_POINTS: usize = 600;
    /// Everything that configuration bounds well below this: feeds, balances, stages, rings, strategies.
    pub const MAX_ROWS: usize = 256;

    /// Cuts every list to its bound, so that what is served has one too.
    pub(super) fn cut_to_bounds(&mut self) {
        self.markets_configured = self.markets_configured.max(self.markets.len());
        self.markets.truncate(Self::MAX_MARKETS);
        for market in &mut self.markets {
            market.bids.truncate(Self::MAX_LEVELS);
            market.asks.truncate(Self::MAX_LEVELS);
            market.own_offers.truncate(Self::MAX_OWN_OFFERS);
            market.orders.truncate(Self::MAX_ROWS);
        }
        for feed in &mut self.feeds {
            feed.faults.truncate(Self::MAX_ROWS);
        }
        self.feeds.truncate(Self::MAX_ROWS);
        self.fills.truncate(Self::MAX_FILLS);
        self.balances.truncate(Self::MAX_ROWS);
        self.profit_loss.truncate(Self::MAX_MARKETS);
        for line in &mut self.profit_loss {
            let surplus = line.history.len().saturating_sub(Self::MAX_POINTS);
            line.history.drain(..surplus);
        }
        self.transactions.recent.truncate(Self::MAX_TRANSACTIONS);
        self.ledger.recent.truncate(Self::MAX_LEDGERS);
        self.latency.truncate(Self::MAX_ROWS);
        self.queues.truncate(Self::MAX_ROWS);
        self.refusals.truncate(Self::MAX_ROWS);
    }
}

fn shown<T: Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().take(Status::SHOWN_MARKETS))
}

fn decimal<S: Serializer>(amount: &Stroops, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn offer_id<S: Serializer>(id: &OfferId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&id.0)
}

fn side<S: Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(side_word(*side))
}

/// A price as people read it, and as it is.
#[derive(Serialize)]
struct PriceText {
    decimal: String,
    n: i32,
    d: i32,
}

fn price<S: Serializer>(price: &Price, serializer: S) -> Result<S::Ok, S::Error> {
    PriceText { decimal: price_words(*price), n: price.n(), d: price.d() }.serialize(serializer)
}

fn maybe_price<S: Serializer>(value: &Option<Price>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => price(value, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_prices_are_printed_exactly() {
        let level = Level { price: Price::new(1, 3).unwrap(), amount: Stroops(i64::MAX), own_amount: Stroops(1) };
        let json = serde_json::to_value(level).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "price": { "decimal": "0.3333333", "n": 1, "d": 3 },
                "amount": "922337203685.4775807",
                "own_amount": "0.0000001",
            })
        );
    }
}
