//! The protocol's numbers in words, for people.

use crate::events::TxOutcome;
use crate::stellar::{Price, Side, Stroops};

/// A price as a decimal: seven places, more where the price is so small that seven would hide it.
#[must_use]
pub fn price_words(price: Price) -> String {
    decimal(f64::from(price.n()) / f64::from(price.d()))
}

/// What was paid for one base in a trade, as a decimal; a dash if no base changed hands.
#[must_use]
pub fn ratio_words(quote: Stroops, base: Stroops) -> String {
    if base == Stroops::ZERO { "–".into() } else { decimal(quote.as_units_f64() / base.as_units_f64()) }
}

fn decimal(value: f64) -> String {
    let places = match value {
        v if v >= 0.01 => 7,
        v if v >= 0.000_01 => 10,
        _ => 14,
    };
    format!("{value:.places$}")
}

/// What we do on a side of a market.
pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Bid => "buy",
        Side::Ask => "sell",
    }
}

/// How a transaction ended.
#[must_use]
pub fn outcome_words(outcome: &TxOutcome) -> String {
    match *outcome {
        TxOutcome::Success => "applied".into(),
        TxOutcome::Failed { operation: Some((index, code)), .. } => {
            format!("failed: operation {}, {}", u32::from(index) + 1, operation_words(code))
        }
        TxOutcome::Failed { code, operation: None } => format!("failed: {}", transaction_words(code)),
    }
}

/// `TransactionResultCode` of `Stellar-transaction.x`.
fn transaction_words(code: i32) -> String {
    let words = match code {
        -1 => "an operation failed",
        -2 => "too early",
        -3 => "too late",
        -4 => "no operation in it",
        -5 => "wrong sequence number",
        -6 => "signatures do not suffice",
        -7 => "fee would take the account below its reserve",
        -8 => "source account does not exist",
        -9 => "fee too low",
        -10 => "a signature too many",
        -11 => "internal error of the node",
        -12 => "not supported",
        -13 => "inner transaction failed",
        -14 => "bad sponsorship",
        -15 => "sequence number too young or too near",
        -16 => "malformed",
        -17 => "footprint or Soroban data invalid",
        _ => return format!("code {code}"),
    };
    format!("{words} ({code})")
}

/// The result of a manage-offer operation (`ManageSellOfferResultCode`, `ManageBuyOfferResultCode`), or, shifted by
/// −1000, what kept the operation from running (`OperationResultCode`).
fn operation_words(code: i32) -> String {
    let words = match code {
        -1 => "malformed",
        -2 => "no trustline for what it sells",
        -3 => "no trustline for what it buys",
        -4 => "not authorised to sell",
        -5 => "not authorised to buy",
        -6 => "trustline is full",
        -7 => "underfunded",
        -8 => "would cross an own offer",
        -9 => "issuer of what it sells does not exist",
        -10 => "issuer of what it buys does not exist",
        -11 => "offer is gone",
        -12 => "reserve too low for one offer more",
        -1001 => "signatures do not suffice",
        -1002 => "source account does not exist",
        -1003 => "not supported",
        -1004 => "too many subentries",
        -1005 => "crosses too many offers",
        -1006 => "too many sponsorships",
        _ => return format!("code {code}"),
    };
    format!("{words} ({code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_prices_keep_their_digits() {
        let words = |n, d| price_words(Price::new(n, d).unwrap());
        assert_eq!(words(1, 10), "0.1000000");
        assert_eq!(words(3, 1_000_000), "0.00000300000000");
        assert_eq!(words(1, i32::MAX), "0.00000000046566");
        assert_eq!(words(i32::MAX, 1), "2147483647.0000000");
        assert_eq!(ratio_words(Stroops(1), Stroops(4)), "0.2500000");
        assert_eq!(ratio_words(Stroops(1), Stroops(0)), "–");
    }

    #[test]
    fn fates_name_the_operation_and_the_reason() {
        let failed = |code, operation| outcome_words(&TxOutcome::Failed { code, operation });
        assert_eq!(outcome_words(&TxOutcome::Success), "applied");
        assert_eq!(failed(-5, None), "failed: wrong sequence number (-5)");
        assert_eq!(failed(-1, Some((0, -7))), "failed: operation 1, underfunded (-7)");
        assert_eq!(failed(-1, Some((1, -1005))), "failed: operation 2, crosses too many offers (-1005)");
        assert_eq!(failed(-99, None), "failed: code -99", "an unknown code is shown, not hidden");
    }
}
