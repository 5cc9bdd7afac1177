//! The desk's picture of the engine, as the status page shows it.

use super::Desk;
use crate::commands::engine::Engine;
use crate::events::views::{LevelView, OwnOfferView};
use crate::events::{FeedFault, MonoNanos};
use crate::net::{ConnSnapshot, ConnState, NetStats};
use crate::observe::{self, Status};
use crate::pipeline::clock::{Clock, SystemClock};
use crate::pipeline::ring::Gauge;
use crate::risk::Refusal;
use crate::stellar::{AccountIndex, Asset, AssetIndex, MarketId, OfferId, Price, Side, Stroops};
use std::time::Duration;

impl Desk {
    /// The engine now.
    pub(super) fn status_of(&self, engine: &Engine) -> Status {
        let latency = |at: usize| {
            let reader = &engine.latencies[at];
            observe::StageLatency::from_histogram(reader.name(), reader.total())
        };
        let refusal =
            |&refusal: &Refusal| observe::Count { name: refusal.name(), count: engine.refusals.count(refusal) };
        let shown = self.markets.len().min(Status::MAX_MARKETS);
        let offers: Vec<OwnOfferView> =
            engine.views.read(|views| views.own_offers(AccountIndex(0)).collect()).unwrap_or_default();
        Status {
            program: observe::Program {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
                mode: self.occasion.mode.to_owned(),
                network: self.network.clone(),
                seed: self.occasion.repeatable.then_some(self.occasion.seed),
                uptime_ms: millis(self.started.elapsed()),
            },
            ledger: self.ledger_status(engine),
            feeds: self.feeds(engine),
            markets: (0..shown).map(|at| self.market_status(at, engine, &offers)).collect(),
            markets_configured: self.markets.len(),
            fills: self.fills.newest_first(),
            balances: self.balances(engine),
            profit_loss: (0..shown).map(|at| self.profit_loss(at)).collect(),
            transactions: self.transaction_status(),
            latency: (0..4).map(latency).collect(),
            tick_to_wire: Some(latency(4)),
            lateness: (5..7).map(latency).collect(),
            queues: queues(engine),
            refusals: Refusal::ALL.iter().map(refusal).collect(),
            signatures: self.signatures(),
            halted: self.cancelling.map(|_| "stopping: the quotes are being cancelled".to_owned()),
        }
    }

    fn signatures(&self) -> Vec<observe::Count> {
        let Some(signing) = &self.signing else { return Vec::new() };
        let watch = signing.watch();
        let count = |name, count| observe::Count { name, count };
        vec![count("precomputed", watch.fast()), count("stock", watch.stock()), count("checked", watch.checked())]
    }

    fn ledger_status(&self, engine: &Engine) -> observe::Ledger {
        let Some(closed) = self.last else { return observe::Ledger::default() };
        observe::Ledger {
            seq: closed.seq.0,
            protocol: engine.views.read(|views| views.header().protocol).unwrap_or(0),
            close_time_s: closed.close_time_s,
            age_ms: self.last_seen.map(|seen| millis(seen.elapsed())),
            transactions: closed.transactions,
            recent: self.recent.newest_first(),
        }
    }

    fn transaction_status(&self) -> observe::Transactions {
        let tally = &self.transactions;
        observe::Transactions {
            submitted: tally.submitted,
            applied: tally.applied,
            failed: tally.failed,
            expired: tally.expired,
            pending: tally.pending(),
            fees_paid: tally.fees,
            recent: tally.recent.newest_first(),
        }
    }

    fn profit_loss(&self, at: usize) -> observe::ProfitLoss {
        let market = &self.markets[at];
        let (realised, unrealised) = market.tally.profit(self.mid(at));
        observe::ProfitLoss {
            pair: market.name.clone(),
            strategy: "pure_market_making".to_owned(),
            asset: market.quote.clone(),
            realised,
            unrealised,
            total: self.profit(at),
            history: market.tally.curve.iter().copied().collect(),
        }
    }

    fn feeds(&self, engine: &Engine) -> Vec<observe::Feed> {
        let newest = self.references.iter().flatten().map(|price| price.received).max();
        let ledger_age_ms = self.last_seen.map(|seen| millis(seen.elapsed()));
        let price_age_ms = newest.map(|received| SystemClock.mono().since(received) / 1_000_000);
        // The feed's connections come first.
        let snapshots = engine.net.iter().flat_map(NetStats::snapshots);
        let feed = |((name, at), snapshot): ((&String, usize), ConnSnapshot)| observe::Feed {
            name: name.clone(),
            endpoint: snapshot.endpoint.to_string(),
            up: snapshot.state == ConnState::Open,
            last_message_age_ms: if at < self.ledger_feeds { ledger_age_ms } else { price_age_ms },
            detail: snapshot.last_error,
            faults: u8::try_from(at).map_or_else(|_| Vec::new(), |conn| self.faults_of(conn)),
        };
        self.feed_names.iter().zip(0..).zip(snapshots).map(feed).collect()
    }

    fn faults_of(&self, conn: u8) -> Vec<observe::Count> {
        let count = |fault: FeedFault| {
            let count = self.faults.get(&(conn, fault.name())).copied().unwrap_or(0);
            observe::Count { name: fault.name(), count }
        };
        FeedFault::ALL.into_iter().map(count).filter(|fault| fault.count > 0).collect()
    }

    fn market_status(&self, at: usize, engine: &Engine, offers: &[OwnOfferView]) -> observe::Market {
        let market = &self.markets[at];
        let Ok(id) = u16::try_from(at) else { unreachable!("markets are fewer than 65536") };
        let view = engine.views.read(|views| views.market(MarketId(id))).unwrap_or_default();
        let levels = |side| view.levels(side).filter_map(|level| level_status(side, level)).collect::<Vec<_>>();
        let own = offers.iter().filter(|offer| offer.market == id);
        let (best_bid, best_ask) = (view.best(Side::Bid), view.best(Side::Ask));
        let spread = best_bid.zip(best_ask).map(|(bid, ask)| {
            let (bid, ask) = (bid.book_order(), ask.book_order());
            (ask - bid) / f64::midpoint(ask, bid) * 10_000.0
        });
        observe::Market {
            name: market.name.clone(),
            base: market.base.clone(),
            quote: market.quote.clone(),
            whole: self.whole && market.whole,
            tradable: self.whole
                && market.whole
                && self.last_seen.is_some_and(|seen| seen.elapsed() <= self.late_after),
            differences: market.differences,
            best_bid,
            best_ask,
            spread_bp: spread,
            reference: market.price.value(MonoNanos(0), &self.inputs()).map(|value| observe::Reference {
                mid: value.price,
                age_ms: value.oldest.map_or(0, |oldest| SystemClock.mono().since(oldest) / 1_000_000),
            }),
            bids: levels(Side::Bid),
            asks: levels(Side::Ask),
            active_offers: own.clone().count() as u64,
            own_offers: own.filter_map(own_offer_status).collect(),
            position: Stroops(market.tally.position.base),
            fills: market.tally.fills,
            volume_base: market.tally.volume_base,
            volume_quote: market.tally.volume_quote,
            orders: Vec::new(),
        }
    }

    fn balances(&self, engine: &Engine) -> Vec<observe::Balance> {
        let credits = || self.table.assets().iter().zip((0..).map(AssetIndex)).zip(&self.asset_names);
        let balance = |asset: &str, total: i64, available: i64| observe::Balance {
            account: self.account.clone(),
            asset: asset.to_owned(),
            total: Stroops(total),
            available: Stroops(available),
        };
        let read = engine.views.read(|views| {
            let account = views.account(AccountIndex(0));
            let spare = crate::execution::funding::spare_lumens(&account, i64::from(views.header().base_reserve));
            let lumens = balance("XLM", account.balance, spare);
            let credits = credits().filter(|((asset, _), _)| **asset != Asset::Native).map(|((_, at), name)| {
                let line = views.line(AccountIndex(0), at);
                balance(name, line.balance, line.balance - line.selling_liabilities)
            });
            [lumens].into_iter().chain(credits.take(Status::MAX_ROWS)).collect()
        });
        read.unwrap_or_default()
    }
}

fn queues(engine: &Engine) -> Vec<observe::Queue> {
    let queue = |(name, gauge): (&str, &Gauge)| observe::Queue {
        ring: name.to_owned(),
        length: gauge.depth(),
        capacity: gauge.capacity() as u64,
        dropped: gauge.dropped(),
    };
    let observer = engine.observations.gauge();
    let rings = engine.rings.iter().map(|(name, gauge)| (*name, gauge));
    rings.chain([("line-observer", &observer)]).map(queue).collect()
}

fn level_status(side: Side, level: &LevelView) -> Option<observe::Level> {
    let price = level.price()?;
    let (amount, own) = (base_of(side, level.amount, price), base_of(side, level.own_amount, price));
    Some(observe::Level { price, amount: Stroops(amount), own_amount: Stroops(own) })
}

fn own_offer_status(offer: &OwnOfferView) -> Option<observe::OwnOffer> {
    let price = offer.market_price()?;
    let amount = Stroops(base_of(offer.side(), offer.amount, price));
    Some(observe::OwnOffer { id: OfferId(offer.id), side: offer.side(), price, amount })
}

/// What an amount is in base: bids sell quote.
fn base_of(side: Side, amount: i64, price: Price) -> i64 {
    match side {
        Side::Ask => amount,
        Side::Bid => {
            let base = i128::from(amount) * i128::from(price.d()) / i128::from(price.n());
            i64::try_from(base).unwrap_or(i64::MAX)
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
