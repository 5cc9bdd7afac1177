//! The stage that runs strategies: it keeps the reference prices, knows when quoting must stop, and says what changed.

use super::Strategy;
use crate::events::{
    BookEvent, Control, Decision, HaltReason, LedgerClosed, MonoNanos, Now, QuoteBatch, QuoteList, ReferencePrice,
    Sink, Stage, Stamped, StrategyInput,
};
use crate::stellar::{LedgerSeq, MarketId};

/// When the stage stops quoting by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrategyStageConfig {
    /// A reference price older than this is not used, nanoseconds.
    pub reference_stale_ns: u64,
    /// Quoting stops when no ledger has come for so long, nanoseconds.
    pub ledger_late_ns: u64,
}

/// Runs strategies: keeps the reference prices, knows when quoting must stop, and says what changed.
#[derive(Debug)]
pub struct StrategyStage {
    config: StrategyStageConfig,
    strategies: Vec<Box<dyn Strategy>>,
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
    /// A stage that runs these strategies, on reference symbols `0..symbols`.
    ///
    /// # Panics
    /// If a strategy follows a symbol beyond that: the configuration has checked it.
    #[must_use]
    pub fn new(config: StrategyStageConfig, strategies: Vec<Box<dyn Strategy>>, symbols: usize) -> Self {
        let mut by_symbol = vec![0..0; symbols];
        let mut followers = Vec::with_capacity(strategies.len());
        for (symbol, range) in (0_u16..).zip(by_symbol.iter_mut()) {
            let start = followers.len();
            let follows = |s: &dyn Strategy| s.reference().is_some_and(|wanted| wanted.0 == symbol);
            followers.extend((0..strategies.len()).filter(|&i| follows(strategies[i].as_ref())));
            *range = start..followers.len();
        }
        let all_known = strategies.iter().all(|s| s.reference().is_none_or(|wanted| usize::from(wanted.0) < symbols));
        assert!(all_known, "a strategy follows a reference symbol that is not configured");
        Self {
            config,
            silenced: vec![true; strategies.len()],
            market_whole: vec![true; strategies.len()],
            strategies,
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
        let strategy = &mut self.strategies[index];
        let reference = strategy.reference().and_then(|symbol| self.references[usize::from(symbol.0)]);
        let fresh = |price: &ReferencePrice| now.mono.since(price.received) <= self.config.reference_stale_ns;
        let usable = match (strategy.reference(), &reference) {
            (None, _) => true,
            (Some(_), Some(price)) => fresh(price),
            (Some(_), None) => false,
        };
        if !usable {
            self.silence(index, HaltReason::StaleReference, wire, sink);
            return;
        }
        self.quotes.clear();
        if !strategy.quote(now, reference.as_ref(), &mut self.quotes) {
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
        let symbol = self.strategies[index].reference();
        let reference = symbol.and_then(|symbol| self.references[usize::from(symbol.0)]);
        let stale = reference.map(|price| price.received.plus(self.config.reference_stale_ns + 1));
        late.into_iter().chain(stale).min()
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
            let symbol = self.strategies[index].reference();
            let reference = symbol.and_then(|symbol| self.references[usize::from(symbol.0)]);
            if reference.is_some_and(|price| now.mono.since(price.received) > self.config.reference_stale_ns) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::SymbolId;
    use crate::stellar::Stroops;
    use crate::strategy::{PureMarketMaking, PureMarketMakingConfig};

    const SECOND_NS: u64 = 1_000_000_000;

    fn stage() -> StrategyStage {
        let config = StrategyStageConfig { reference_stale_ns: 3 * SECOND_NS, ledger_late_ns: 10 * SECOND_NS };
        let maker = PureMarketMaking::new(PureMarketMakingConfig {
            market: MarketId(0),
            reference: SymbolId(0),
            bid_spread_bp: 10.0,
            ask_spread_bp: 10.0,
            order_amount: Stroops(1_000),
            order_levels: 1,
            level_spread_bp: 0.0,
            refresh_tolerance_bp: 1.0,
        })
        .unwrap();
        StrategyStage::new(config, vec![Box::new(maker)], 1)
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
}
