//! A ledger of a thousand transactions in, every changed view out: from the first byte of the core stream's record to the
//! published views, beside the time that `stellar-xdr` takes to decode the same bytes.
//!
//! `cargo bench --bench ledger_in`; the goal: at most a tenth.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod ledger_market;
mod timing;

use ledger_market::{BUSY_MARKETS, busy_ledgers};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use stellar_connector::book::{BookConfig, BookLimits, BookStage};
use stellar_connector::events::views::{ViewLimits, ViewsReader, views};
use stellar_connector::events::{BookEvent, ConnId, FeedEvent, NetEvent, Now, Sink, Stage, Stamped};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, SourceConfig};
use stellar_connector::stellar::{LedgerSeq, MarketTable, NetworkId};
use stellar_connector::wire::record_mark::mark_of;
use stellar_xdr::{LedgerCloseMeta, Limits, ReadXdr, WriteXdr};
use timing::took;

/// Ledgers, of which the first ones only warm what they meet.
const LEDGERS: usize = 20;
const WARM: usize = 5;
/// Rounds over all ledgers; the best of each ledger counts, on both sides.
const ROUNDS: usize = 100;

/// Counts what the book says.
#[derive(Default)]
struct Told {
    views: u64,
    ledgers: u64,
}

impl Sink<Stamped<BookEvent>> for Told {
    fn put(&mut self, item: Stamped<BookEvent>) {
        match item.event {
            BookEvent::MarketChanged(_) => self.views += 1,
            BookEvent::LedgerClosed(_) => self.ledgers += 1,
            _ => {}
        }
    }
}

/// The book behind the feed, as in a fused line.
struct Book {
    stage: BookStage,
    told: Told,
}

impl Sink<Stamped<FeedEvent>> for Book {
    fn put(&mut self, item: Stamped<FeedEvent>) {
        self.stage.on_event(Now::default(), item, &mut self.told);
    }
}

struct Desk {
    feed: Feed,
    book: Book,
    _views: ViewsReader,
}

impl Desk {
    fn new(network: NetworkId, markets: &Arc<MarketTable>, first: LedgerSeq) -> Self {
        let count = BUSY_MARKETS;
        let room = ViewLimits { markets: count, accounts: 1, assets: count + 1, offers_per_account: 1_000 };
        let (publisher, reader) = views(room);
        let limits = BookLimits { offers: 16_384, levels_per_side: 1_024, own_offers: 1_000 };
        let config = BookConfig { ledger_sources: 1, starts_whole_at: Some(first), limits, held_per_ledger: 16 };
        let mut feed = Feed::new(&FeedConfig {
            network,
            markets: Arc::clone(markets),
            accounts: Vec::new(),
            sources: vec![SourceConfig::CoreMeta],
            limits: FeedLimits::default(),
        })
        .unwrap();
        let mut book = Book { stage: BookStage::new(config, publisher), told: Told::default() };
        feed.on_event(Now::default(), NetEvent::Opened(ConnId(0)), &mut book);
        Self { feed, book, _views: reader }
    }

    fn record(&mut self, record: &[u8]) {
        self.feed.on_event(Now::default(), NetEvent::Bytes(ConnId(0), record), &mut self.book);
    }
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let busy = busy_ledgers(LEDGERS);
    let markets = Arc::new(MarketTable::new(&busy.markets).unwrap());
    let ledgers: Vec<Vec<u8>> = busy.ledgers.iter().map(|meta| meta.to_xdr(Limits::none()).unwrap()).collect();
    let records: Vec<Vec<u8>> =
        ledgers.iter().map(|ledger| [&mark_of(ledger.len()).unwrap()[..], ledger].concat()).collect();
    let mut best = vec![(Duration::MAX, Duration::MAX); LEDGERS];
    let mut views = 0;
    // In turn, so that a slow moment of the machine strikes both.
    for _ in 0..ROUNDS {
        let mut desk = Desk::new(busy.network, &markets, LedgerSeq(busy.first));
        for (record, (ledger, best)) in records.iter().zip(ledgers.iter().zip(&mut best)) {
            best.0 = best.0.min(took(|| desk.record(black_box(record))));
            best.1 = best.1.min(took(|| LedgerCloseMeta::from_xdr(black_box(ledger), Limits::none()).unwrap()));
        }
        let told = &desk.book.told;
        assert_eq!(
            (told.ledgers, told.views),
            (LEDGERS as u64, (LEDGERS * BUSY_MARKETS) as u64),
            "every view, every ledger"
        );
        views = told.views;
    }
    let measured = &best[WARM..];
    let (ours, decode): (Duration, Duration) =
        (measured.iter().map(|(ours, _)| ours).sum(), measured.iter().map(|(_, decode)| decode).sum());
    let bytes = ledgers[WARM..].iter().map(Vec::len).sum::<usize>() / measured.len();
    let each = |time: Duration| time / u32::try_from(measured.len()).unwrap();
    println!(
        "ledgers of 1,000 transactions, {bytes} bytes and {} changed views on average: {:?} to the views, {:?} to decode",
        views / LEDGERS as u64,
        each(ours),
        each(decode)
    );
    println!(
        "ratio: a ledger of 1,000 transactions to every changed view / its decode = {:.3} (goal: at most 0.100)",
        ours.as_secs_f64() / decode.as_secs_f64()
    );
}
