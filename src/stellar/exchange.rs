//! The exchange arithmetic of the protocol (`src/transactions/OfferExchange.cpp`).
//!
//! The words are the protocol's own: a resting offer sells *wheat* for *sheep* at `n/d` sheep per wheat, and whoever
//! crosses it sends sheep and receives wheat. All amounts are stroops and never negative. Intermediates are 128 bits
//! wide, which no product of an amount and a price can leave.

use super::Price;

/// The fee of every pool, in basis points (`LIQUIDITY_POOL_FEE_V18`).
pub const POOL_FEE_BPS: u32 = 30;

/// Basis points in a whole.
const WHOLE_BPS: u32 = 10_000;

/// For whom an exchange is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeMode {
    /// Offer against offer: both get a price within 1 % of the one crossed, or nothing happens.
    Normal,
    /// A path payment that must deliver exactly what was asked: the resting offer may gain any rounding error.
    StrictReceive,
    /// A path payment that must send exactly what was given, if need be for nothing.
    StrictSend,
}

/// What both sides may give and take at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// Wheat that the resting offer can send.
    pub wheat_send: i64,
    /// Wheat that the crossing side can receive.
    pub wheat_receive: i64,
    /// Sheep that the crossing side can send.
    pub sheep_send: i64,
    /// Sheep that the resting offer's owner can receive.
    pub sheep_receive: i64,
}

/// The outcome of one crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Wheat that changes hands, from the resting offer to the crossing side.
    pub wheat_received: i64,
    /// Sheep that changes hands, the other way.
    pub sheep_sent: i64,
    /// Whether the resting offer is the larger one and stays in the book. The smaller is always used up.
    pub wheat_stays: bool,
}

/// Where stellar-core throws: the transaction ends with `txINTERNAL_ERROR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// A strict send reached an offer that takes nothing.
    #[error("invalid amount of sheep sent: a strict send met an offer that can take nothing")]
    NothingSent,
    /// An offer that was not adjusted before: its own rounding costs it more than 1 %.
    #[error("exceeded price error bound: the resting offer was not adjusted")]
    PriceErrorBound,
}

/// Crosses a resting offer (`exchangeV10`).
///
/// # Errors
/// Where stellar-core throws, see [`ExchangeError`]; never in [`ExchangeMode::Normal`].
pub fn exchange(price: Price, limits: ExchangeLimits, mode: ExchangeMode) -> Result<Exchange, ExchangeError> {
    let raw = exchange_without_thresholds(price, limits, mode);
    let nothing = Exchange { wheat_received: 0, sheep_sent: 0, ..raw };
    if raw.wheat_received > 0 && raw.sheep_sent > 0 {
        return match mode {
            ExchangeMode::Normal if !price_error_is_small(price, raw, false) => Ok(nothing),
            ExchangeMode::Normal => Ok(raw),
            _ if !price_error_is_small(price, raw, true) => Err(ExchangeError::PriceErrorBound),
            _ => Ok(raw),
        };
    }
    match mode {
        ExchangeMode::StrictSend if raw.sheep_sent == 0 => Err(ExchangeError::NothingSent),
        ExchangeMode::StrictSend => Ok(raw),
        ExchangeMode::Normal | ExchangeMode::StrictReceive => Ok(nothing),
    }
}

/// What of an offer can really be executed, given what its owner can send and receive (`adjustOffer`): at most
/// `max_wheat_send`, and 0 if rounding would cost either side more than 1 %. Adjusting twice changes nothing more.
#[must_use]
pub fn adjust_offer(price: Price, max_wheat_send: i64, max_sheep_receive: i64) -> i64 {
    let limits = ExchangeLimits {
        wheat_send: max_wheat_send,
        wheat_receive: i64::MAX,
        sheep_send: i64::MAX,
        sheep_receive: max_sheep_receive,
    };
    exchange(price, limits, ExchangeMode::Normal).map_or(0, |exchange| exchange.wheat_received)
}

/// What an offer reserves of its owner's balances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferLiabilities {
    /// Of the asset that it sells.
    pub selling: i64,
    /// Of room for the asset that it buys.
    pub buying: i64,
}

/// The liabilities of an offer of `amount` at `price` (`getOfferSellingLiabilities`, `getOfferBuyingLiabilities`).
#[must_use]
pub fn offer_liabilities(price: Price, amount: i64) -> OfferLiabilities {
    let limits =
        ExchangeLimits { wheat_send: amount, wheat_receive: i64::MAX, sheep_send: i64::MAX, sheep_receive: i64::MAX };
    let raw = exchange_without_thresholds(price, limits, ExchangeMode::Normal);
    OfferLiabilities { selling: raw.wheat_received, buying: raw.sheep_sent }
}

/// The sell offer as which a buy offer (`buying` at `price`, sold per bought) is entered: how much it may sell at the
/// most, as seen by liabilities (`ManageBuyOfferOpFrame::getOfferSellingLiabilities`).
#[must_use]
pub fn buy_offer_liabilities(price: Price, buy_amount: i64) -> OfferLiabilities {
    let limits = ExchangeLimits {
        wheat_send: i64::MAX,
        wheat_receive: i64::MAX,
        sheep_send: i64::MAX,
        sheep_receive: buy_amount,
    };
    let raw = exchange_without_thresholds(price.inverse(), limits, ExchangeMode::Normal);
    OfferLiabilities { selling: raw.wheat_received, buying: raw.sheep_sent }
}

/// `exchangeV10WithoutPriceErrorThresholds`.
fn exchange_without_thresholds(price: Price, limits: ExchangeLimits, mode: ExchangeMode) -> Exchange {
    let (n, d) = (wide(i64::from(price.n())), wide(i64::from(price.d())));
    let wheat_value = (wide(limits.wheat_send) * n).min(wide(limits.sheep_receive) * d);
    let sheep_value = (wide(limits.sheep_send) * d).min(wide(limits.wheat_receive) * n);
    let wheat_stays = wheat_value > sheep_value;
    let (wheat, sheep) = match (wheat_stays, mode) {
        (true, ExchangeMode::StrictSend) => (sheep_value / n, wide(limits.sheep_send.min(limits.sheep_receive))),
        (true, _) if n > d || mode == ExchangeMode::StrictReceive => {
            let wheat = sheep_value / n;
            (wheat, (wheat * n).div_ceil(d))
        }
        (true, _) => {
            let sheep = sheep_value / d;
            (sheep * d / n, sheep)
        }
        (false, _) if n > d => {
            let wheat = wheat_value / n;
            (wheat, wheat * n / d)
        }
        (false, _) => {
            let sheep = wheat_value / d;
            ((sheep * d).div_ceil(n), sheep)
        }
    };
    let (wheat_received, sheep_sent) = (narrow(wheat), narrow(sheep));
    assert!(wheat_received <= limits.wheat_receive.min(limits.wheat_send), "wheatReceive out of bounds");
    assert!(sheep_sent <= limits.sheep_receive.min(limits.sheep_send), "sheepSend out of bounds");
    Exchange { wheat_received, sheep_sent, wheat_stays }
}

/// |100·n·w − 100·d·s| ≤ n·w; with `may_favour_wheat`, any error in favour of wheat is fine (`checkPriceErrorBound`).
fn price_error_is_small(price: Price, exchange: Exchange, may_favour_wheat: bool) -> bool {
    let wheat_value = wide(i64::from(price.n())) * wide(exchange.wheat_received);
    let sheep_value = wide(i64::from(price.d())) * wide(exchange.sheep_sent);
    (may_favour_wheat && sheep_value > wheat_value) || (100 * wheat_value).abs_diff(100 * sheep_value) <= wheat_value
}

/// What a pool with reserves `reserve_in` and `reserve_out` pays for exactly `amount_in`; `None` if that is nothing, or
/// the pool cannot hold it.
#[must_use]
pub fn pool_send(reserve_in: i64, reserve_out: i64, amount_in: i64, fee_bps: u32) -> Option<i64> {
    assert!(reserve_in > 0 && reserve_out > 0 && amount_in >= 0 && fee_bps < WHOLE_BPS, "an unusable pool");
    reserve_in.checked_add(amount_in)?;
    let kept = u128::from(WHOLE_BPS - fee_bps);
    let denominator = u128::from(WHOLE_BPS) * wide(reserve_in) + kept * wide(amount_in);
    let amount_out = huge_divide(kept, wide(reserve_out) * wide(amount_in), denominator, false)?;
    (amount_out > 0).then_some(amount_out)
}

/// What a pool with reserves `reserve_in` and `reserve_out` wants for exactly `amount_out`; `None` if it has no more than
/// that, or cannot hold what it wants.
#[must_use]
pub fn pool_receive(reserve_in: i64, reserve_out: i64, amount_out: i64, fee_bps: u32) -> Option<i64> {
    assert!(reserve_in > 0 && reserve_out > 0 && amount_out >= 0 && fee_bps < WHOLE_BPS, "an unusable pool");
    if amount_out >= reserve_out {
        return None;
    }
    let denominator = wide(reserve_out - amount_out) * u128::from(WHOLE_BPS - fee_bps);
    let amount_in = huge_divide(u128::from(WHOLE_BPS), wide(reserve_in) * wide(amount_out), denominator, true)?;
    reserve_in.checked_add(amount_in)?;
    Some(amount_in)
}

/// `a·b/c`, rounded, where the product may be wider than 128 bits (`hugeDivide`); `None` if it exceeds an amount.
fn huge_divide(a: u128, b: u128, c: u128, up: bool) -> Option<i64> {
    let rest = a * (b % c);
    let rest = if up { rest.div_ceil(c) } else { rest / c };
    i64::try_from(a.checked_mul(b / c)?.checked_add(rest)?).ok()
}

/// `a·b/c` for amounts, rounded; `None` if it exceeds an amount (`bigDivide`). `c` must not be zero.
#[must_use]
pub fn mul_div(a: i64, b: i64, c: i64, up: bool) -> Option<i64> {
    let product = wide(a) * wide(b);
    let quotient = if up { product.div_ceil(wide(c)) } else { product / wide(c) };
    i64::try_from(quotient).ok()
}

/// ⌊√(a·b)⌋: the shares of a pool's first deposit.
#[must_use]
pub fn geometric_mean(a: i64, b: i64) -> i64 {
    narrow((wide(a) * wide(b)).isqrt())
}

/// An amount as the wide intermediate; amounts are never negative here.
fn wide(amount: i64) -> u128 {
    assert!(amount >= 0, "a negative amount in the exchange: {amount}");
    u128::from(amount.unsigned_abs())
}

#[expect(clippy::expect_used, reason = "every caller's comment proves the bound; core throws here")]
fn narrow(value: u128) -> i64 {
    i64::try_from(value).expect("exchanged amounts are within their limits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price() -> impl Strategy<Value = Price> {
        let side = prop_oneof![1_i32..20, 1_i32..i32::MAX, (i32::MAX - 3)..=i32::MAX];
        (side.clone(), side).prop_map(|(n, d)| Price::new(n, d).unwrap())
    }

    fn amount() -> impl Strategy<Value = i64> {
        prop_oneof![0_i64..50, 0_i64..1_000_000_000, 0_i64..=i64::MAX, (i64::MAX - 3)..=i64::MAX]
    }

    fn limits() -> impl Strategy<Value = ExchangeLimits> {
        (amount(), amount(), amount(), amount()).prop_map(|(wheat_send, wheat_receive, sheep_send, sheep_receive)| {
            ExchangeLimits { wheat_send, wheat_receive, sheep_send, sheep_receive }
        })
    }

    proptest! {
        #[test]
        fn nobody_exceeds_a_limit_and_the_one_who_stays_is_favoured(
            price in price(),
            limits in limits(),
            mode in prop_oneof![Just(ExchangeMode::Normal), Just(ExchangeMode::StrictReceive)],
        ) {
            let mut limits = limits;
            // As in core, a resting offer was adjusted before it is crossed.
            limits.wheat_send = adjust_offer(price, limits.wheat_send, limits.sheep_receive);
            let done = exchange(price, limits, mode).unwrap();
            prop_assert!(done.wheat_received <= limits.wheat_send.min(limits.wheat_receive));
            prop_assert!(done.sheep_sent <= limits.sheep_send.min(limits.sheep_receive));
            prop_assert_eq!(done.wheat_received == 0, done.sheep_sent == 0);
            let wheat_value = wide(done.wheat_received) * wide(i64::from(price.n()));
            let sheep_value = wide(done.sheep_sent) * wide(i64::from(price.d()));
            if done.wheat_stays {
                prop_assert!(sheep_value >= wheat_value);
            } else {
                prop_assert!(sheep_value <= wheat_value);
            }
        }

        #[test]
        fn a_strict_send_sends_everything_to_an_offer_that_stays(price in price(), limits in limits()) {
            let mut limits = limits;
            limits.wheat_receive = i64::MAX;
            limits.wheat_send = adjust_offer(price, limits.wheat_send, limits.sheep_receive);
            match exchange(price, limits, ExchangeMode::StrictSend) {
                Ok(done) if done.wheat_stays => prop_assert_eq!(done.sheep_sent, limits.sheep_send),
                Ok(done) => prop_assert!(done.sheep_sent > 0 && done.wheat_received <= limits.wheat_send),
                Err(error) => {
                    prop_assert_eq!(error, ExchangeError::NothingSent);
                    prop_assert!(limits.sheep_send == 0 || limits.wheat_send == 0);
                }
            }
        }

        #[test]
        fn adjusting_twice_changes_nothing(price in price(), send in amount(), receive in amount()) {
            let once = adjust_offer(price, send, receive);
            prop_assert!(once <= send);
            prop_assert_eq!(adjust_offer(price, once, receive), once);
        }

        #[test]
        fn an_adjusted_offer_is_worth_its_liabilities_within_one_percent(price in price(), amount in amount()) {
            let adjusted = adjust_offer(price, amount, i64::MAX);
            let reserved = offer_liabilities(price, adjusted);
            prop_assert_eq!(reserved.selling, adjusted);
            let value = wide(adjusted) * wide(i64::from(price.n()));
            let got = wide(reserved.buying) * wide(i64::from(price.d()));
            prop_assert!(100 * value.abs_diff(got) <= value);
        }

        #[test]
        fn a_pool_never_loses_and_its_two_questions_agree(
            x in 1_i64..=i64::MAX, y in 1_i64..=i64::MAX, amount in amount(),
        ) {
            if let Some(out) = pool_send(x, y, amount, POOL_FEE_BPS) {
                prop_assert!(out <= y);
                let before = (u128::from(x.unsigned_abs()), u128::from(y.unsigned_abs()));
                let after = (before.0 + wide(amount), before.1 - wide(out));
                prop_assert!(after.0 * after.1 >= before.0 * before.1);
                if let Some(want) = pool_receive(x, y, out, POOL_FEE_BPS) {
                    prop_assert!(want <= amount, "the same output costs no more than was paid for it");
                }
            }
        }

        #[test]
        fn huge_division_is_exact(a in 0_u128..10_001, b in 0_u128..(1 << 100), c in 1_u128..(1 << 80), up: bool) {
            let exact = if up { (a * b).div_ceil(c) } else { a * b / c };
            prop_assert_eq!(huge_divide(a, b, c, up), i64::try_from(exact).ok());
        }
    }

    #[test]
    fn the_protocols_own_examples() {
        // 1 sheep buys 0.5 wheat exactly; the larger offer stays.
        let limits = ExchangeLimits { wheat_send: 100, wheat_receive: 100, sheep_send: 100, sheep_receive: 100 };
        let done = exchange(Price::new(2, 1).unwrap(), limits, ExchangeMode::Normal).unwrap();
        assert_eq!(done, Exchange { wheat_received: 50, sheep_sent: 100, wheat_stays: false });
        // Comment before exchangeV10: at 2/3 a strict receive of 101 out of 150 is met in full.
        let limits =
            ExchangeLimits { wheat_send: 150, wheat_receive: 101, sheep_send: i64::MAX, sheep_receive: i64::MAX };
        let strict = exchange(Price::new(2, 3).unwrap(), limits, ExchangeMode::StrictReceive).unwrap();
        assert_eq!(strict, Exchange { wheat_received: 101, sheep_sent: 68, wheat_stays: true });
        let normal = exchange(Price::new(2, 3).unwrap(), limits, ExchangeMode::Normal).unwrap();
        assert_eq!(normal, Exchange { wheat_received: 100, sheep_sent: 67, wheat_stays: true });
    }

    #[test]
    fn more_than_one_percent_of_rounding_is_no_trade() {
        let price = Price::new(3, 2).unwrap();
        let limits = ExchangeLimits { wheat_send: 1, wheat_receive: 100, sheep_send: 100, sheep_receive: 100 };
        let done = exchange(price, limits, ExchangeMode::Normal).unwrap();
        assert_eq!((done.wheat_received, done.sheep_sent, done.wheat_stays), (0, 0, false));
        assert_eq!(adjust_offer(price, 1, 100), 0);
    }

    #[test]
    fn a_strict_send_to_an_empty_offer_is_cores_internal_error() {
        let limits = ExchangeLimits { wheat_send: 0, wheat_receive: i64::MAX, sheep_send: 5, sheep_receive: 5 };
        let result = exchange(Price::new(1, 1).unwrap(), limits, ExchangeMode::StrictSend);
        assert_eq!(result, Err(ExchangeError::NothingSent));
    }
}
