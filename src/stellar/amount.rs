//! Amounts: 64-bit integers of 1e-7.

use core::fmt;
use core::str::FromStr;

/// How many [`Stroops`] make one whole unit of an asset (XLM, USDC, …).
pub const STROOPS_PER_UNIT: i64 = 10_000_000;

/// An amount of some asset in units of 1e-7, as the ledger keeps it (`int64` in `Stellar-types.x`).
///
/// Amounts that the ledger holds are never negative; differences (a position, a profit) may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Stroops(pub i64);

/// Why a decimal is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not of the form `[-]digits[.digits]`.
    #[error("'{0}' is not a decimal number: write it like 12.5")]
    NotDecimal(String),
    /// More than seven decimals.
    #[error("'{0}' has more than 7 decimals, which is the ledger's resolution")]
    TooPrecise(String),
    /// Beyond 922337203685.4775807.
    #[error("'{0}' is more than the ledger can hold (922337203685.4775807)")]
    TooLarge(String),
}

impl Stroops {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that the ledger can hold.
    pub const MAX: Self = Self(i64::MAX);

    /// So many whole units; `None` past the ledger's range.
    #[must_use]
    pub const fn from_units(units: i64) -> Option<Self> {
        match units.checked_mul(STROOPS_PER_UNIT) {
            Some(stroops) => Some(Self(stroops)),
            None => None,
        }
    }

    /// The amount in whole units, for decisions and for people, never for the wire.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a decision may be shaped by an approximation")]
    pub fn as_units_f64(self) -> f64 {
        self.0 as f64 / STROOPS_PER_UNIT as f64
    }

    /// Sum, or `None` on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Difference, or `None` on overflow.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

impl fmt::Display for Stroops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let unit = STROOPS_PER_UNIT.unsigned_abs();
        let text = format!("{}.{:07}", magnitude / unit, magnitude % unit);
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

impl FromStr for Stroops {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
            return Err(AmountError::NotDecimal(text.into()));
        }
        if fraction.len() > 7 {
            return Err(AmountError::TooPrecise(text.into()));
        }
        let too_large = || AmountError::TooLarge(text.into());
        let whole: i64 = whole.parse().map_err(|_| too_large())?;
        let fraction: i64 = format!("{fraction:0<7}").parse().map_err(|_| too_large())?;
        let magnitude = whole
            .checked_mul(STROOPS_PER_UNIT)
            .and_then(|stroops| stroops.checked_add(fraction))
            .ok_or_else(too_large)?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back(stroops in (i64::MIN + 1)..=i64::MAX) {
            prop_assert_eq!(Stroops(stroops).to_string().parse(), Ok(Stroops(stroops)));
        }
    }

    #[test]
    fn bad_decimals_are_named() {
        assert!(matches!("1.23456789".parse::<Stroops>(), Err(AmountError::TooPrecise(_))));
        assert!(matches!("99999999999999".parse::<Stroops>(), Err(AmountError::TooLarge(_))));
        for text in ["", ".", "1.", "x", "1e5", "--1", "NaN"] {
            assert!(matches!(text.parse::<Stroops>(), Err(AmountError::NotDecimal(_))), "{text}");
        }
    }
}
