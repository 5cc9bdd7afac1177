//! A status as an engine in the demo would publish it after so many ledgers: the same for the same number.

use hdrhistogram::Histogram;
use stellar_connector::observe::{
    Balance, ClosedLedger, Count, Feed, Fill, Ledger, Level, Liquidity, Market, OrderCount, OwnOffer, Point,
    ProfitLoss, Program, Queue, Reference, StageLatency, Status, Transaction, TransactionState, Transactions,
    ratio_words,
};
use stellar_connector::stellar::{OfferId, Price, Side, Stroops};

/// The ledger before tick 1.
pub(crate) const FIRST_LEDGER: u32 = 1_000;

const START_S: u64 = 1_790_000_000;

/// The status after `tick` ledgers.
pub(crate) fn at(tick: u32) -> Status {
    let ticks = u64::from(tick);
    Status {
        program: Program {
            version: "0.1.0".into(),
            build: "release x86_64-unknown-linux-gnu".into(),
            mode: "demo".into(),
            network: "Standalone Network ; February 2017".into(),
            seed: Some(42),
            uptime_ms: ticks * 1000,
        },
        ledger: ledger(tick),
        feeds: feeds(),
        markets: vec![market("XLM/USDC", "XLM", "USDC", tick), market("AQUA/XLM", "AQUA", "XLM", tick + 7)],
        markets_configured: 2,
        fills: (0..tick.min(50)).map(|back| fill(tick - back)).collect(),
        balances: vec![
            balance("maker", "XLM", 10_000 * 10_000_000 + wave(tick)),
            balance("maker", "USDC", 1_000 * 10_000_000 - wave(tick) / 10),
            balance("channel-1", "XLM", 50 * 10_000_000),
        ],
        profit_loss: vec![profit("XLM/USDC", "USDC", tick), profit("AQUA/XLM", "XLM", tick)],
        transactions: transactions(tick),
        latency: vec![
            latency("feed", 3_000, tick).with_utilization(0.2),
            latency("book", 900, tick),
            latency("strategy", 450, tick),
            latency("risk", 120, tick),
            latency("execution", 31_000, tick),
        ],
        tick_to_wire: Some(latency("tick_to_wire", 36_000, tick)),
        lateness: vec![latency("first_byte_to_view", 90_000, tick), latency("close_to_view", 700_000_000, tick)],
        queues: [("feed-book", 2), ("book-strategy", 0), ("strategy-execution", 1), ("execution-reports", 0)]
            .map(|(ring, length)| Queue { ring: ring.into(), length, capacity: 4_096, dropped: 0 })
            .into(),
        signatures: Vec::new(),
        refusals: vec![Count { name: "position_limit", count: 2 }, Count { name: "stale_reference", count: 0 }],
        halted: None,
    }
}

/// A smooth motion of a few units, in stroops.
fn wave(tick: u32) -> i64 {
    i64::from(tick % 20) * 11_000_000
}

/// A number that looks drawn at random, below `below`.
fn drawn(tick: u32, salt: u32, below: u32) -> u32 {
    let mixed = (tick.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
    (mixed >> 8) % below
}

fn ledger(tick: u32) -> Ledger {
    let closed = |back: u32| ClosedLedger {
        seq: FIRST_LEDGER + tick - back,
        transactions: 8 + drawn(tick - back, 1, 30),
        failed: drawn(tick - back, 2, 5),
        own: u32::from(drawn(tick - back, 3, 3) == 0),
    };
    let recent: Vec<ClosedLedger> = (0..tick.min(60)).map(closed).collect();
    Ledger {
        seq: FIRST_LEDGER + tick,
        protocol: 27,
        close_time_s: START_S + u64::from(tick),
        age_ms: Some(400),
        transactions: recent.first().map_or(0, |ledger| ledger.transactions),
        recent,
    }
}

fn feeds() -> Vec<Feed> {
    let feed = |name: &str, endpoint: &str, up, age, detail: &str, faults| Feed {
        name: name.into(),
        endpoint: endpoint.into(),
        up,
        last_message_age_ms: age,
        detail: detail.into(),
        faults,
    };
    vec![
        feed("core", "/run/stellar/meta.pipe", true, Some(120), "ledgers in a row", vec![]),
        feed("reference", "ws://127.0.0.1:43211/v2", true, Some(35), "XLM/USD ticker", vec![]),
        feed("submission", "http://127.0.0.1:11626/tx", true, Some(900), "2 connections", vec![]),
        feed(
            "backup",
            "https://horizon.example.org",
            false,
            Some(74_000),
            "connection refused; next attempt in 8 s",
            vec![Count { name: "truncated", count: 3 }],
        ),
    ]
}

fn market(name: &str, base: &str, quote: &str, tick: u32) -> Market {
    let mid = 1_012_300 + i32::try_from(drawn(tick, 4, 400)).unwrap() + i32::try_from(tick % 37).unwrap() * 12;
    let level = |side: Side, index: i32| {
        let step = 150 + index * 120 + i32::try_from(drawn(tick, index.unsigned_abs(), 60)).unwrap();
        let price = Price::new(if side == Side::Bid { mid - step } else { mid + step }, 10_000_000).unwrap();
        let own = if matches!(index, 0 | 2 | 5) { 300 * 10_000_000 } else { 0 };
        let amount = (1_200 + i64::from(index) * 733 % 2_900) * 10_000_000;
        Level { price, amount: Stroops(amount), own_amount: Stroops(own) }
    };
    let side = |side| (0..20).map(|index| level(side, index)).collect::<Vec<_>>();
    let (bids, asks) = (side(Side::Bid), side(Side::Ask));
    let mut id = 4_611_686_018_427_387_904;
    let mut own = |side, levels: &[Level]| {
        let ours = levels.iter().filter(|level| level.own_amount > Stroops::ZERO).copied();
        let offers = ours.map(|level| {
            id += 1;
            OwnOffer { id: OfferId(id), side, price: level.price, amount: level.own_amount }
        });
        offers.collect::<Vec<_>>()
    };
    let own_offers = [own(Side::Ask, &asks), own(Side::Bid, &bids)].concat();
    let (best_bid, best_ask) = (bids[0].price, asks[0].price);
    let middle = f64::midpoint(best_bid.book_order(), best_ask.book_order());
    let fills = u64::from(tick);
    Market {
        name: name.into(),
        base: base.into(),
        quote: quote.into(),
        whole: true,
        tradable: true,
        differences: 0,
        best_bid: Some(best_bid),
        best_ask: Some(best_ask),
        spread_bp: Some((best_ask.book_order() - best_bid.book_order()) / middle * 1e4),
        reference: Some(Reference { mid: middle, age_ms: 35 }),
        bids,
        asks,
        active_offers: own_offers.len() as u64,
        own_offers,
        position: Stroops(wave(tick) - 90_000_000),
        fills,
        volume_base: Stroops(i64::from(tick) * 500_000_000),
        volume_quote: Stroops(i64::from(tick) * 50_000_000),
        orders: vec![
            OrderCount { side: Side::Bid, status: "placed", count: fills * 2 },
            OrderCount { side: Side::Ask, status: "placed", count: fills * 2 },
        ],
    }
}

fn fill(tick: u32) -> Fill {
    let base = Stroops(100_000_000 + i64::from(drawn(tick, 5, 900)) * 1_000_000);
    let quote = Stroops(base.0 * (1_010 + i64::from(drawn(tick, 6, 8))) / 10_000);
    Fill {
        ledger: FIRST_LEDGER + tick,
        time_ms: (START_S + u64::from(tick)) * 1000,
        market: if tick.is_multiple_of(5) { "AQUA/XLM" } else { "XLM/USDC" }.into(),
        side: if drawn(tick, 7, 2) == 0 { Side::Bid } else { Side::Ask },
        base,
        quote,
        price: ratio_words(quote, base),
        liquidity: if drawn(tick, 8, 9) == 0 { Liquidity::Taker } else { Liquidity::Maker },
    }
}

fn balance(account: &str, asset: &str, total: i64) -> Balance {
    let available = total - 40_000_000;
    Balance { account: account.into(), asset: asset.into(), total: Stroops(total), available: Stroops(available) }
}

fn profit(pair: &str, asset: &str, tick: u32) -> ProfitLoss {
    let realised = |tick: u32| i64::from(tick) * 90_000 - 3_000_000;
    let unrealised = |tick: u32| i64::from(drawn(tick, 9, 100)) * 20_000 - 1_000_000;
    let total = |tick: u32| Stroops(realised(tick) + unrealised(tick));
    ProfitLoss {
        pair: pair.into(),
        strategy: "market_maker".into(),
        asset: asset.into(),
        realised: Stroops(realised(tick)),
        unrealised: Stroops(unrealised(tick)),
        total: total(tick),
        history: (0..=tick).map(|t| Point { ledger: FIRST_LEDGER + t, total: total(t) }).collect(),
    }
}

fn transactions(tick: u32) -> Transactions {
    let transaction = |back: u32| {
        let number = tick - back;
        let (state, fate) = match (back, number % 6) {
            (0, _) => (TransactionState::Pending, "sent, taken by the node".to_owned()),
            (_, 3) => (TransactionState::Failed, "failed: operation 2, would cross an own offer (-8)".to_owned()),
            (_, 5) => (TransactionState::Expired, "expired: ledger 1,190 closed without it".to_owned()),
            _ => (TransactionState::Applied, "applied".to_owned()),
        };
        let ledger =
            (!matches!(state, TransactionState::Pending | TransactionState::Expired)).then_some(FIRST_LEDGER + number);
        Transaction {
            hash: format!("{:08x}{:056x}", number.wrapping_mul(2_654_435_761), number),
            market: "XLM/USDC".into(),
            ledger,
            sent_ms: (START_S + u64::from(number)) * 1000 + 640,
            operations: 6,
            fee: Stroops(if ledger.is_some() { 600 } else { 0 }),
            state,
            fate,
        }
    };
    let ticks = u64::from(tick);
    Transactions {
        submitted: ticks * 2 + 2,
        applied: ticks * 2,
        failed: 1,
        expired: 0,
        pending: 1,
        fees_paid: Stroops(i64::from(tick) * 200),
        recent: (0..tick.min(20)).map(transaction).collect(),
    }
}

fn latency(stage: &str, around_ns: u64, tick: u32) -> StageLatency {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    for index in 0..200 + tick {
        let tail = if drawn(index, 11, 60) == 0 { 12 } else { 1 };
        histogram.record(around_ns * tail + u64::from(drawn(index, 10, 1_000)) * around_ns / 1_500).unwrap();
    }
    StageLatency::from_histogram(stage, &histogram)
}
