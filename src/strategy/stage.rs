//! The stage that runs strategies: it keeps the reference prices, knows when quoting must stop, and says what changed.

use super::Strategy;
use crate::events::views::{MarketView, ViewsReader};
use crate::events::{
    BookEvent, Control, Decision, Expression, HaltReason, Inputs, LedgerClosed, MonoNanos, Now, QuoteBatch, QuoteList,
    ReferencePrice, Sink, Stage, Stamped, StrategyInput, SymbolId, Value,
};
use crate::stellar::{LedgerSeq, MarketId};

/// When the stage stops quoting by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrategyStageConfig {
    /// Quoting stops when no ledger has come for so long, nanoseconds.
    pub ledger_late_ns: u64,
}

/// A strategy, and the price that it quotes around.
#[derive(Debug)]
pub struct Quoter {
    /// The strategy.
    pub strategy: Box<dyn Strategy>,
    /// The price. While it has no value the strategy is asked for no quotes; `None` if it needs no price.
    pub price: Option<Expression>,
}

/// Runs strategies: keeps the reference prices, knows when quoting must stop, and says what changed.
#[derive(Debug)]
pub struct StrategyStage {
    config: StrategyStageConfig,
    strategies: Vec<Box<dyn Strategy>>,
    /// Per strategy: what it quotes around.
    prices: Vec<Option<Expression>>,
    /// Per strategy: after this moment its price is stale.
    until: Vec<MonoNanos>,
    views: ViewsReader,
    /// Which strategies follow a symbol: `by_symbol[symbol]` is a range of `followers`.
    by_symbol: Vec<core::ops::Range<usize>>,
    followers: Vec<usize>,
    references: Vec<Option<ReferencePrice>>,
    /// Per strategy: whether execution has been told to show nothing.
    silenced: Vec<bool>,
    /// Per strategy: whether the book of its market is whole.
    market_whole: Vec<bool>,
    quotes: QuoteList,
    ledger: LedgerSeq,
    ledger_seen: Option<MonoNanos>,
    whole: bool,
    stopped: bool,
    deadline: Option<MonoNanos>,
}

impl StrategyStage {
    /// A stage that runs these strategies, on reference symbols `0..symbols` and the markets of these views.
    ///
    /// # Panics
    /// If a price is made of a symbol beyond that: the configuration has checked it.
    #[must_use]
    pub fn new(config: StrategyStageConfig, quoters: Vec<Quoter>, symbols: usize, views: ViewsReader) -> Self {
        let (strategies, prices): (Vec<_>, Vec<_>) =
            quoters.into_iter().map(|Quoter { strategy, price }| (strategy, price)).unzip();
        let mut by_symbol = vec![0..0; symbols];
        let mut followers = Vec::with_capacity(strategies.len());
        for (symbol, range) in (0_u16..).zip(by_symbol.iter_mut()) {
            let start = followers.len();
            let follows = |price: &Expression| price.symbols().any(|wanted| wanted.0 == symbol);
            followers.extend((0..prices.len()).filter(|&i| prices[i].as_ref().is_some_and(follows)));
            *range = start..followers.len();
        }
        let mut wanted = prices.iter().flatten().flat_map(Expression::symbols);
        assert!(
            wanted.all(|symbol| usize::from(symbol.0) < symbols),
            "a price is made of a symbol that is not configured"
        );
        drop(wanted);
        Self {
            config,
            silenced: vec![true; strategies.len()],
            market_whole: vec![true; strategies.len()],
            until: vec![MonoNanos(u64::MAX); strategies.len()],
            strategies,
            prices,
            views,
            by_symbol,
            followers,
            references: vec![None; symbols],
            quotes: QuoteList::default(),
            ledger: LedgerSeq(0),
            ledger_seen: None,
            whole: false,
            stopped: false,
            deadline: None,
        }
    }

    /// Asks one strategy and passes on what it wants, if that is new.
    fn evaluate(&mut self, index: usize, now: Now, wire: MonoNanos, sink: &mut impl Sink<Stamped<Decision>>) {
        if !self.market_whole[index] {
            self.silence(index, HaltReason::BookNotWhole, wire, sink);
            return;
        }
        let price = match &self.prices[index] {
            None => None,
            Some(expression) => match expression.value(now.mono, &self.inputs()) {
                Some(Value { price, until, .. }) => {
                    self.until[index] = until;
                    Some(price)
                }
                None => {
                    self.silence(index, HaltReason::StaleReference, wire, sink);
                    return;
                }
            },
        };
        self.quotes.clear();
        if !self.strategies[index].quote(now, price, &mut self.quotes) {
            return;
        }
        let batch = QuoteBatch { market: self.strategies[index].market(), decided_on: self.ledger };
        self.silenced[index] = false;
        self.deadline = self.deadline.into_iter().chain(self.deadline_of(index)).min();
        sink.put(Stamped { wire, event: Decision::QuotesBegin(batch) });
        for quote in self.quotes.as_slice() {
            sink.put(Stamped { wire, event: Decision::Quote(*quote) });
        }
        sink.put(Stamped { wire, event: Decision::QuotesEnd(batch) });
    }

    fn inputs(&self) -> Known<'_> {
        Known { references: &self.references, views: &self.views, ledger_seen: self.ledger_seen }
    }

    /// Tells execution, once, that a strategy's market is to show nothing.
    fn silence(&mut self, index: usize, why: HaltReason, wire: MonoNanos, sink: &mut impl Sink<Stamped<Decision>>) {
        if self.silenced[index] {
            return;
        }
        self.silenced[index] = true;
        self.strategies[index].forget();
        let batch = QuoteBatch { market: self.strategies[index].market(), decided_on: self.ledger };
        sink.put(Stamped { wire, event: Decision::Halt(why) });
        sink.put(Stamped { wire, event: Decision::QuotesBegin(batch) });
        sink.put(Stamped { wire, event: Decision::QuotesEnd(batch) });
    }

    /// When what this strategy shows must be taken down if nothing new is heard.
    fn deadline_of(&self, index: usize) -> Option<MonoNanos> {
        if self.silenced[index] {
            return None;
        }
        let late = self.ledger_seen.map(|seen| seen.plus(self.config.ledger_late_ns + 1));
        let stale = MonoNanos(self.until[index].0.saturating_add(1));
        late.into_iter().chain([stale]).min()
    }

    fn silence_all(&mut self, why: HaltReason, wire: MonoNanos, sink: &mut impl Sink<Stamped<Decision>>) {
        for index in 0..self.strategies.len() {
            self.silence(index, why, wire, sink);
        }
    }

    /// The book of one market, or of all, is whole from now on, or no longer.
    fn on_market_whole(
        &mut self,
        market: Option<MarketId>,
        whole: bool,
        wire: MonoNanos,
        sink: &mut impl Sink<Stamped<Decision>>,
    ) {
        for index in 0..self.strategies.len() {
            if market.is_none_or(|market| self.strategies[index].market() == market) {
                self.market_whole[index] = whole;
                if !whole {
                    self.silence(index, HaltReason::BookNotWhole, wire, sink);
                }
            }
        }
    }

    fn may_quote(&self, now: Now) -> bool {
        let ledger_in_time = self.ledger_seen.is_some_and(|seen| now.mono.since(seen) <= self.config.ledger_late_ns);
        self.whole && !self.stopped && ledger_in_time
    }

    fn on_reference(
        &mut self,
        now: Now,
        wire: MonoNanos,
        price: ReferencePrice,
        sink: &mut impl Sink<Stamped<Decision>>,
    ) {
        let symbol = usize::from(price.symbol.0);
        self.references[symbol] = Some(price);
        if self.may_quote(now) {
            for at in self.by_symbol[symbol].clone() {
                self.evaluate(self.followers[at], now, wire, sink);
            }
        }
    }

    fn on_ledger(&mut self, now: Now, wire: MonoNanos, closed: LedgerClosed, sink: &mut impl Sink<Stamped<Decision>>) {
        self.ledger = closed.seq;
        self.ledger_seen = Some(now.mono);
        if self.may_quote(now) {
            for index in 0..self.strategies.len() {
                self.evaluate(index, now, wire, sink);
            }
        }
        sink.put(Stamped { wire, event: Decision::LedgerClosed(closed) });
    }

    fn on_book(&mut self, now: Now, input: Stamped<BookEvent>, sink: &mut impl Sink<Stamped<Decision>>) {
        let wire = input.wire;
        match input.event {
            BookEvent::ReferencePrice(price) => self.on_reference(now, wire, price, sink),
            BookEvent::LedgerClosed(closed) => self.on_ledger(now, wire, closed, sink),
            BookEvent::OwnTransaction(own) => sink.put(Stamped { wire, event: Decision::OwnTransaction(own) }),
            BookEvent::Fill(fill) => {
                for strategy in self.strategies.iter_mut().filter(|s| s.market() == fill.market) {
                    strategy.on_fill(&fill);
                }
            }
            BookEvent::Whole(whole) => {
                self.whole = whole;
                if !whole {
                    self.silence_all(HaltReason::BookNotWhole, wire, sink);
                }
            }
            BookEvent::MarketWhole(market, whole) => self.on_market_whole(Some(market), whole, wire, sink),
            BookEvent::MarketsLost => self.on_market_whole(None, false, wire, sink),
            BookEvent::MarketChanged(_) | BookEvent::Difference(_) | BookEvent::Feed(..) | BookEvent::Fault(..) => {}
        }
    }
}

impl Stage for StrategyStage {
    type Input<'a> = StrategyInput;
    type Output = Stamped<Decision>;

    fn on_event(&mut self, now: Now, input: StrategyInput, sink: &mut impl Sink<Self::Output>) {
        match input {
            StrategyInput::Book(event) => self.on_book(now, event, sink),
            StrategyInput::Control(Control::CancelAll) => {
                self.silence_all(HaltReason::Operator, now.mono, sink);
                self.stopped = true;
            }
            StrategyInput::Report(_) => {}
        }
    }

    fn on_time(&mut self, now: Now, sink: &mut impl Sink<Self::Output>) {
        if !self.may_quote(now) {
            self.silence_all(HaltReason::LedgerLate, now.mono, sink);
        }
        for index in 0..self.strategies.len() {
            if now.mono > self.until[index] {
                self.silence(index, HaltReason::StaleReference, now.mono, sink);
            }
        }
        self.deadline = (0..self.strategies.len()).filter_map(|index| self.deadline_of(index)).min();
    }

    /// The earliest moment at which something that is shown may have to be taken down. It is lowered when something is
    /// shown and worked out anew only in [`on_time`](Stage::on_time), so that a tick costs the same with one market as
    /// with a thousand; at worst `on_time` is called once for nothing.
    fn next_deadline(&self) -> Option<MonoNanos> {
        self.deadline
    }
}

/// What prices are made of, as the stage knows it.
struct Known<'a> {
    references: &'a [Option<ReferencePrice>],
    views: &'a ViewsReader,
    ledger_seen: Option<MonoNanos>,
}

impl Inputs for Known<'_> {
    fn exchange(&self, symbol: SymbolId) -> Option<ReferencePrice> {
        self.references[usize::from(symbol.0)]
    }

    fn sdex(&self, market: MarketId) -> Option<(MarketView, MonoNanos)> {
        let seen = self.ledger_seen?;
        let (header, view) = self.views.read(|views| (views.header(), views.market(market)))?;
        (header.whole == 1 && view.whole == 1).then_some((view, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::views::{LevelView, ViewLimits, ViewsHeader, views};
    use crate::events::{Quoted, Step};
    use crate::stellar::Stroops;
    use crate::strategy::{PureMarketMaking, PureMarketMakingConfig};

    const SECOND_NS: u64 = 1_000_000_000;

    fn stage() -> StrategyStage {
        stage_on(Expression::mid_of(SymbolId(0), 3 * SECOND_NS))
    }

    fn stage_on(price: Expression) -> StrategyStage {
        let config = StrategyStageConfig { ledger_late_ns: 10 * SECOND_NS };
        let maker = PureMarketMaking::new(PureMarketMakingConfig {
            market: MarketId(0),
            bid_spread_bp: 10.0,
            ask_spread_bp: 10.0,
            order_amount: Stroops(1_000),
            order_levels: 1,
            level_spread_bp: 0.0,
            refresh_tolerance_bp: 1.0,
        })
        .unwrap();
        let (_, reader) = views(ViewLimits { markets: 1, accounts: 1, assets: 1, offers_per_account: 1 });
        let quoter = Quoter { strategy: Box::new(maker), price: Some(price) };
        StrategyStage::new(config, vec![quoter], 2, reader)
    }

    fn at(seconds: u64) -> Now {
        Now { mono: MonoNanos(seconds * SECOND_NS), ..Now::default() }
    }

    fn say(stage: &mut StrategyStage, seconds: u64, event: BookEvent) -> Vec<Decision> {
        let mut out = Vec::new();
        let now = at(seconds);
        stage.on_event(now, StrategyInput::Book(Stamped { wire: now.mono, event }), &mut out);
        out.into_iter().map(|stamped: Stamped<Decision>| stamped.event).collect()
    }

    fn ledger(seq: u32) -> BookEvent {
        let closed = LedgerClosed {
            seq: LedgerSeq(seq),
            close_time_s: 0,
            base_fee: 100,
            base_reserve: 5_000_000,
            transactions: 0,
            first_byte: MonoNanos(0),
        };
        BookEvent::LedgerClosed(closed)
    }

    fn price(seconds: u64, mid: f64) -> BookEvent {
        let received = at(seconds).mono;
        BookEvent::ReferencePrice(ReferencePrice {
            symbol: SymbolId(0),
            bid: mid,
            ask: mid,
            received,
            ..ReferencePrice::default()
        })
    }

    fn quotes(decisions: &[Decision]) -> usize {
        decisions.iter().filter(|decision| matches!(decision, Decision::Quote(_))).count()
    }

    #[test]
    fn nothing_is_quoted_before_the_book_is_whole_and_a_ledger_has_closed() {
        let mut stage = stage();
        assert!(say(&mut stage, 1, price(1, 0.1)).is_empty());
        assert_eq!(quotes(&say(&mut stage, 1, ledger(2))), 0);
        say(&mut stage, 1, BookEvent::Whole(true));
        assert_eq!(quotes(&say(&mut stage, 2, ledger(3))), 2);
        assert_eq!(quotes(&say(&mut stage, 2, price(2, 0.2))), 2);
    }

    #[test]
    fn quotes_are_taken_down_once_when_the_reference_grows_stale_and_come_back_with_it() {
        let mut stage = stage();
        say(&mut stage, 1, BookEvent::Whole(true));
        say(&mut stage, 1, price(1, 0.1));
        say(&mut stage, 1, ledger(2));
        assert_eq!(stage.next_deadline(), Some(MonoNanos(4 * SECOND_NS + 1)));
        let mut out = Vec::new();
        stage.on_time(at(5), &mut out);
        assert_eq!(out[0].event, Decision::Halt(HaltReason::StaleReference));
        assert!(matches!(out[1..], [_, _]), "one empty set");
        assert_eq!(stage.next_deadline(), None);
        assert_eq!(quotes(&say(&mut stage, 6, price(6, 0.1))), 2);
    }

    #[test]
    fn quotes_are_taken_down_when_the_book_is_not_whole_or_ledgers_are_late() {
        let mut stage = stage();
        say(&mut stage, 1, BookEvent::Whole(true));
        say(&mut stage, 1, price(1, 0.1));
        say(&mut stage, 1, ledger(2));
        let down = say(&mut stage, 2, BookEvent::Whole(false));
        assert_eq!(down[0], Decision::Halt(HaltReason::BookNotWhole));
        say(&mut stage, 2, BookEvent::Whole(true));
        assert_eq!(quotes(&say(&mut stage, 11, price(11, 0.1))), 2);
        let mut out = Vec::new();
        stage.on_time(at(12), &mut out);
        assert_eq!(out[0].event, Decision::Halt(HaltReason::LedgerLate));
    }

    #[test]
    fn a_market_that_is_not_whole_shows_nothing_until_it_is() {
        let mut stage = stage();
        say(&mut stage, 1, BookEvent::Whole(true));
        say(&mut stage, 1, price(1, 0.1));
        assert_eq!(quotes(&say(&mut stage, 1, ledger(2))), 2);
        assert!(say(&mut stage, 2, BookEvent::MarketWhole(MarketId(7), false)).is_empty(), "another market's");
        let down = say(&mut stage, 2, BookEvent::MarketWhole(MarketId(0), false));
        assert_eq!(down[0], Decision::Halt(HaltReason::BookNotWhole));
        assert_eq!(quotes(&say(&mut stage, 2, price(2, 0.2))), 0);
        assert_eq!(quotes(&say(&mut stage, 2, ledger(3))), 0);
        say(&mut stage, 3, BookEvent::MarketWhole(MarketId(0), true));
        assert_eq!(quotes(&say(&mut stage, 3, price(3, 0.3))), 2);
        assert_eq!(say(&mut stage, 3, BookEvent::MarketsLost)[0], Decision::Halt(HaltReason::BookNotWhole));
        assert_eq!(quotes(&say(&mut stage, 3, price(3, 0.4))), 0);
    }

    #[test]
    fn after_the_operator_stops_it_nothing_is_quoted_again() {
        let mut stage = stage();
        say(&mut stage, 1, BookEvent::Whole(true));
        say(&mut stage, 1, price(1, 0.1));
        say(&mut stage, 1, ledger(2));
        let mut out = Vec::new();
        stage.on_event(at(2), StrategyInput::Control(Control::CancelAll), &mut out);
        assert_eq!(out[0].event, Decision::Halt(HaltReason::Operator));
        assert_eq!(quotes(&say(&mut stage, 2, price(2, 0.3))), 0);
        assert_eq!(quotes(&say(&mut stage, 2, ledger(3))), 0);
    }

    #[test]
    fn quotes_on_a_price_of_several_go_when_the_first_of_them_is_stale() {
        let of = |symbol, seconds| Step::Exchange(SymbolId(symbol), Quoted::Mid, seconds * SECOND_NS);
        let price_of = |symbol, seconds, mid| match price(seconds, mid) {
            BookEvent::ReferencePrice(price) => {
                BookEvent::ReferencePrice(ReferencePrice { symbol: SymbolId(symbol), ..price })
            }
            _ => unreachable!(),
        };
        let mut stage = stage_on(Expression::new(vec![of(0, 8), of(1, 2), Step::Max(2)]).unwrap());
        say(&mut stage, 1, BookEvent::Whole(true));
        say(&mut stage, 1, ledger(2));
        assert!(say(&mut stage, 1, price_of(0, 1, 0.3)).is_empty(), "one of two is no price");
        assert_eq!(quotes(&say(&mut stage, 1, price_of(1, 1, 0.1))), 2);
        assert!(say(&mut stage, 2, price_of(1, 2, 0.2)).is_empty(), "the greater one has not moved");
        let mut out = Vec::new();
        stage.on_time(at(4), &mut out);
        assert!(out.is_empty(), "the nearer limit is 2 s, and the last price of it was at 2 s");
        assert_eq!(stage.next_deadline(), Some(MonoNanos(4 * SECOND_NS + 1)));
        stage.on_time(at(5), &mut out);
        assert_eq!(out[0].event, Decision::Halt(HaltReason::StaleReference), "though it would not have mattered");
        assert!(say(&mut stage, 6, price_of(0, 6, 0.4)).is_empty());
        assert_eq!(quotes(&say(&mut stage, 6, price_of(1, 6, 0.1))), 2);
    }

    #[test]
    fn a_price_of_a_book_is_of_the_ledger_that_closed_and_only_while_the_book_is_whole() {
        let (mut writer, reader) = views(ViewLimits { markets: 1, accounts: 1, assets: 1, offers_per_account: 1 });
        let mut stage = stage_on(Expression::new(vec![Step::Sdex(MarketId(0), Quoted::Mid, 20 * SECOND_NS)]).unwrap());
        stage.views = reader;
        let mut publish = |whole, n| {
            let mut view = MarketView { whole, ..MarketView::default() };
            view.bids[0] = LevelView { n, d: 10, amount: 1, own_amount: 0 };
            view.asks[0] = LevelView { n: n + 2, d: 10, amount: 1, own_amount: 0 };
            writer.publish(|publication| {
                publication.header(&ViewsHeader { whole: 1, ..ViewsHeader::default() });
                publication.market(MarketId(0), &view);
            });
        };
        say(&mut stage, 1, BookEvent::Whole(true));
        publish(1, 1);
        assert_eq!(quotes(&say(&mut stage, 1, ledger(2))), 2);
        publish(1, 3);
        assert_eq!(quotes(&say(&mut stage, 2, ledger(3))), 2);
        publish(0, 4);
        let down = say(&mut stage, 3, ledger(4));
        assert_eq!(down[0], Decision::Halt(HaltReason::StaleReference));
    }
}
