//! Prices: exact fractions of two positive 32-bit integers.

use core::cmp::Ordering;
use core::fmt;

/// A price as the ledger keeps it (`Price` in `Stellar-ledger-entries.x`): `n/d`, both positive.
///
/// Equality is of the fractions as written (2/4 is not 1/2, as on the wire); [`Price::cmp_exact`] compares values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Price {
    n: i32,
    d: i32,
}

/// Which way a price may be rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The result is at most what was asked: for a bid.
    Down,
    /// The result is at least what was asked: for an ask.
    Up,
}

/// Why two integers or a number are no price.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PriceError {
    /// Numerator or denominator is zero or negative.
    #[error("price {n}/{d} is not positive: numerator and denominator must lie in 1..=2147483647")]
    NotPositive {
        /// Numerator.
        n: i32,
        /// Denominator.
        d: i32,
    },
    /// The number is not finite, not positive, or beyond the range of 32-bit fractions.
    #[error("{0} is no price: a finite number between 1/2147483647 and 2147483647 is wanted")]
    OutOfRange(f64),
}

impl Price {
    /// `n/d`.
    ///
    /// # Errors
    /// If either is not positive.
    pub const fn new(n: i32, d: i32) -> Result<Self, PriceError> {
        if n > 0 && d > 0 { Ok(Self { n, d }) } else { Err(PriceError::NotPositive { n, d }) }
    }

    /// The numerator, at least 1.
    #[must_use]
    pub const fn n(self) -> i32 {
        self.n
    }

    /// The denominator, at least 1.
    #[must_use]
    pub const fn d(self) -> i32 {
        self.d
    }

    /// `d/n`: the same exchange seen from the other asset.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self { n: self.d, d: self.n }
    }

    /// Compares the values exactly, by cross multiplication.
    #[must_use]
    pub const fn cmp_exact(self, other: Self) -> Ordering {
        let left = self.n as i64 * other.d as i64;
        let right = other.n as i64 * self.d as i64;
        if left < right {
            Ordering::Less
        } else if left > right {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }

    /// `double(n) / double(d)`, by which stellar-core orders its book (`OfferDescriptor`, `LedgerTxnOfferSQL.cpp`):
    /// two different fractions may share it.
    #[must_use]
    pub fn book_order(self) -> f64 {
        f64::from(self.n) / f64::from(self.d)
    }

    /// The fraction nearest to `value` that is not on the wrong side of it, found by continued fractions.
    ///
    /// # Errors
    /// If `value` is not finite and positive, or no 32-bit fraction lies on the wanted side.
    pub fn approximate(value: f64, rounding: Rounding) -> Result<Self, PriceError> {
        if !value.is_finite() || value <= 0.0 {
            return Err(PriceError::OutOfRange(value));
        }
        best_fraction(value, rounding).ok_or(PriceError::OutOfRange(value))
    }
}

/// Walks the Stern–Brocot tree in whole runs (which is what a continued fraction does): `low ≤ value < high` all the
/// way down, until either side would leave 31 bits. `value` is taken as the exact binary fraction that the double is.
fn best_fraction(value: f64, rounding: Rounding) -> Option<Price> {
    const MAX: i128 = i32::MAX as i128;
    let (p, q) = exact_ratio(value)?;
    // low = a/b ≤ p/q < c/e = high; starts at 0/1 and 1/0.
    let (mut a, mut b, mut c, mut e) = (0_i128, 1_i128, 1_i128, 0_i128);
    loop {
        // How far low can move towards high: (a + k·c)/(b + k·e) ≤ p/q.
        let gap_low = p * b - q * a;
        let gap_high = q * c - p * e;
        let k = (gap_low / gap_high).min(room(a, c, MAX)).min(room(b, e, MAX));
        (a, b) = (a + k * c, b + k * e);
        if p * b == q * a {
            return fraction(a, b);
        }
        // How far high can move towards low: (c + k·a)/(e + k·b) > p/q, strictly.
        let gap_low = p * b - q * a;
        let gap_high = q * c - p * e;
        let m = ((gap_high - 1) / gap_low).min(room(c, a, MAX)).min(room(e, b, MAX));
        (c, e) = (c + m * a, e + m * b);
        if k == 0 && m == 0 {
            break;
        }
    }
    match rounding {
        Rounding::Down => fraction(a, b),
        Rounding::Up => fraction(c, e),
    }
}

/// How often `step` can be added to `from` without passing `max`.
fn room(from: i128, step: i128, max: i128) -> i128 {
    if step == 0 { i128::from(i64::MAX) } else { (max - from) / step }
}

fn fraction(n: i128, d: i128) -> Option<Price> {
    Price::new(i32::try_from(n).ok()?, i32::try_from(d).ok()?).ok()
}

/// A positive double as the fraction p/q that it exactly is; `None` if that lies outside of what a price can be near.
fn exact_ratio(value: f64) -> Option<(i128, i128)> {
    // Below 1/i32::MAX or above i32::MAX no fraction exists on one of the sides.
    if !(4.656_612_873e-10..=2_147_483_647.0).contains(&value) {
        return None;
    }
    let bits = value.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).ok()? - 1075;
    let mantissa = i128::from((bits & ((1 << 52) - 1)) | (1 << 52));
    let shift = u32::try_from(exponent.abs()).ok()?;
    let (mut p, mut q) = if exponent >= 0 { (mantissa << shift, 1) } else { (mantissa, 1_i128 << shift.min(90)) };
    // Halve what both share, which keeps every product below far from 128 bits.
    let twos = p.trailing_zeros().min(q.trailing_zeros());
    p >>= twos;
    q >>= twos;
    Some((p, q))
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&(f64::from(self.n) / f64::from(self.d)), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn approximation_never_lands_on_the_wrong_side(value in 1e-9_f64..2e9) {
            let (p, q) = exact_ratio(value).unwrap();
            if let Ok(down) = Price::approximate(value, Rounding::Down) {
                prop_assert!(i128::from(down.n()) * q <= p * i128::from(down.d()));
            }
            let up = Price::approximate(value, Rounding::Up).unwrap();
            prop_assert!(i128::from(up.n()) * q >= p * i128::from(up.d()));
        }

        #[test]
        fn approximation_is_as_near_as_a_small_search_finds(value in 1e-3_f64..1e3, d in 1_i32..2000) {
            let down = Price::approximate(value, Rounding::Down).unwrap();
            let n = (value * f64::from(d)).floor();
            if n >= 1.0 {
                let rival = n / f64::from(d);
                prop_assert!(down.book_order() >= rival - rival * 1e-15, "{down:?} is below {n}/{d}");
            }
        }

        #[test]
        fn fractions_that_fit_are_found_exactly(n in 1_i32..100_000, shift in 0_u32..16) {
            let d = 1_i32 << shift;
            let exact = Price::approximate(f64::from(n) / f64::from(d), Rounding::Up).unwrap();
            prop_assert_eq!(exact.cmp_exact(Price::new(n, d).unwrap()), Ordering::Equal);
        }
    }

    #[test]
    fn the_book_order_ties_what_exact_comparison_does_not() {
        let a = Price::new(2_147_483_647, 2_147_483_646).unwrap();
        let b = Price::new(2_147_483_646, 2_147_483_645).unwrap();
        assert_eq!(a.book_order().to_bits(), b.book_order().to_bits());
        assert_eq!(a.cmp_exact(b), Ordering::Less);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        assert!(Price::new(0, 1).is_err());
        assert!(Price::new(1, 0).is_err());
        assert!(Price::new(-1, 1).is_err());
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-11, 1e11] {
            assert!(Price::approximate(value, Rounding::Down).is_err(), "{value}");
        }
    }
}
