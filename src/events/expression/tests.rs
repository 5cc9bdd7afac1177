use super::*;
use crate::events::views::LevelView;
use bytemuck::Zeroable;
use proptest::prelude::*;

/// Prices of symbols, and one market.
#[derive(Default)]
struct World {
    prices: Vec<Option<ReferencePrice>>,
    market: Option<(MarketView, MonoNanos)>,
}

impl Inputs for World {
    fn exchange(&self, symbol: SymbolId) -> Option<ReferencePrice> {
        self.prices[usize::from(symbol.0)]
    }

    fn sdex(&self, _market: MarketId) -> Option<(MarketView, MonoNanos)> {
        self.market
    }
}

fn price(symbol: u16, mid: f64, received: u64) -> Option<ReferencePrice> {
    let received = MonoNanos(received);
    Some(ReferencePrice { symbol: SymbolId(symbol), bid: mid, ask: mid, received, ..ReferencePrice::default() })
}

fn exchange(symbol: u16, what: Quoted, stale_ns: u64) -> Step {
    Step::Exchange(SymbolId(symbol), what, stale_ns)
}

fn value_at(steps: &[Step], now: u64, world: &World) -> Option<f64> {
    Expression::new(steps.to_vec()).unwrap().value(MonoNanos(now), world).map(|value| value.price)
}

#[test]
fn each_function_does_what_it_is_called() {
    let numbers = [Step::Fixed(4.0), Step::Fixed(1.0), Step::Fixed(2.0)];
    let of = |last: Step| value_at(&[&numbers[..], &[last]].concat(), 0, &World::default());
    assert_eq!(of(Step::Max(3)), Some(4.0));
    assert_eq!(of(Step::Min(3)), Some(1.0));
    assert_eq!(of(Step::Median(3)), Some(2.0));
    assert_eq!(of(Step::Times(3)), Some(8.0));
    assert_eq!(value_at(&[Step::Fixed(4.0), Step::Fixed(1.0), Step::Median(2)], 0, &World::default()), Some(2.5));
    assert_eq!(value_at(&[Step::Fixed(4.0), Step::Invert], 0, &World::default()), Some(0.25));
}

#[test]
fn an_exchange_has_five_prices() {
    let tick =
        ReferencePrice { bid: 1.0, ask: 2.0, bid_amount: 3.0, ask_amount: 1.0, last: 1.75, ..Default::default() };
    let world = World { prices: vec![Some(tick)], market: None };
    for (what, expected) in
        [(Quoted::Mid, 1.5), (Quoted::Bid, 1.0), (Quoted::Ask, 2.0), (Quoted::Last, 1.75), (Quoted::Micro, 1.75)]
    {
        assert_eq!(value_at(&[exchange(0, what, 0)], 0, &world), Some(expected), "{what:?}");
    }
    let silent = ReferencePrice { last: 0.0, bid_amount: 0.0, ..tick };
    let world = World { prices: vec![Some(silent)], market: None };
    for what in [Quoted::Last, Quoted::Micro] {
        assert_eq!(value_at(&[exchange(0, what, 0)], 0, &world), None, "{what:?} of who does not say");
    }
}

/// Bids 2 quote at 1/2 of which half is ours, then 4 at 1/4; asks 10 base at 1, then 10 at 2.
fn market() -> MarketView {
    let mut view = MarketView::zeroed();
    view.bids[0] = LevelView { n: 1, d: 2, amount: 2, own_amount: 2 };
    view.bids[1] = LevelView { n: 1, d: 4, amount: 4, own_amount: 0 };
    view.asks[0] = LevelView { n: 1, d: 1, amount: 10, own_amount: 0 };
    view.asks[1] = LevelView { n: 2, d: 1, amount: 10, own_amount: 0 };
    (view.last_base, view.last_quote) = (4, 3);
    (view.pool_base, view.pool_quote) = (1_000, 500);
    view
}

#[test]
fn a_stellar_market_is_looked_at_without_our_own_offers() {
    let world = World { prices: Vec::new(), market: Some((market(), MonoNanos(0))) };
    let of = |what| value_at(&[Step::Sdex(MarketId(0), what, 0)], 0, &world);
    assert_eq!(of(Quoted::Bid), Some(0.25));
    assert_eq!(of(Quoted::Ask), Some(1.0));
    assert_eq!(of(Quoted::Mid), Some(0.625));
    assert_eq!(of(Quoted::Last), Some(0.75));
    // The bid buys 16, the ask sells 10: 0.25 * 10/26 + 1 * 16/26.
    assert!((of(Quoted::Micro).unwrap() - 18.5 / 26.0).abs() < 1e-12);
    // Selling 16 brings 4; buying 16 costs 10 + 12.
    assert_eq!(of(Quoted::Vwap(Stroops(16))), Some(f64::midpoint(4.0 / 16.0, 22.0 / 16.0)));
    assert_eq!(of(Quoted::Vwap(Stroops(17))), None, "the bids are not that deep");
    assert!((of(Quoted::Pool).unwrap() - 0.5).abs() < 0.001);
    assert_eq!(value_at(&[Step::Sdex(MarketId(0), Quoted::Bid, 9)], 10, &world), None, "its ledger is old");
    let empty = World { prices: Vec::new(), market: Some((MarketView::zeroed(), MonoNanos(0))) };
    for what in [Quoted::Mid, Quoted::Last, Quoted::Micro, Quoted::Vwap(Stroops(1)), Quoted::Pool] {
        assert_eq!(value_at(&[Step::Sdex(MarketId(0), what, 0)], 0, &empty), None, "{what:?}");
    }
}

#[test]
fn steps_that_make_no_single_value_are_refused() {
    let fixed = Step::Fixed(1.0);
    for steps in [
        vec![],
        vec![fixed, fixed],
        vec![Step::Invert],
        vec![fixed, Step::Max(2)],
        vec![fixed, Step::Max(0)],
        vec![Step::Fixed(0.0)],
        vec![Step::Fixed(f64::NAN)],
        vec![Step::Fixed(f64::INFINITY)],
        vec![exchange(0, Quoted::Pool, 0)],
        vec![exchange(0, Quoted::Vwap(Stroops(1)), 0)],
        vec![fixed; MAX_STEPS + 1],
    ] {
        assert_eq!(Expression::new(steps.clone()), Err(BadSteps), "{steps:?}");
    }
}

proptest! {
    /// Whatever the function, and however little the stale input would matter to it.
    #[test]
    fn one_stale_or_missing_input_makes_the_result_unusable(
        mids in proptest::collection::vec(0.001_f64..1_000.0, 1..8),
        limits in proptest::collection::vec(0_u64..1_000, 8),
        function in 0_usize..4,
        bad in 0_usize..8,
        missing: bool,
    ) {
        let count = u8::try_from(mids.len()).unwrap();
        let last = [Step::Max(count), Step::Min(count), Step::Median(count), Step::Times(count)][function];
        let mut world = World {
            prices: (0..).zip(&mids).map(|(symbol, mid)| price(symbol, *mid, 5_000)).collect(),
            market: None,
        };
        let steps: Vec<_> = (0..u16::from(count)).map(|at| exchange(at, Quoted::Mid, limits[usize::from(at)])).collect();
        let expression = Expression::new([&steps[..], &[last]].concat()).unwrap();
        let least = *limits[..mids.len()].iter().min().unwrap();
        let value = expression.value(MonoNanos(5_000 + least), &world).unwrap();
        prop_assert_eq!(value.until, MonoNanos(5_000 + least));
        prop_assert_eq!(expression.value(MonoNanos(5_001 + least), &world), None);
        let bad = bad % mids.len();
        world.prices[bad] = if missing { None } else { price(0, mids[bad], 5_000 - limits[bad] - 1) };
        prop_assert_eq!(expression.value(MonoNanos(5_000), &world), None);
    }

    #[test]
    fn the_median_lies_in_the_middle(values in proptest::collection::vec(0.001_f64..1_000.0, 1..20)) {
        let steps: Vec<_> = values.iter().map(|value| Step::Fixed(*value)).collect();
        let count = u8::try_from(values.len()).unwrap();
        let median = value_at(&[&steps[..], &[Step::Median(count)]].concat(), 0, &World::default()).unwrap();
        let below = values.iter().filter(|value| **value < median).count();
        let above = values.iter().filter(|value| **value > median).count();
        prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
    }
}
