//! What of Horizon's records travels on streams: a trade's price, and how far an account has come.

use super::tape::TapeReader;
use crate::stellar::{LedgerSeq, SequenceNumber};
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};

/// Why a record is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HorizonRecordError {
    /// Not JSON, or not UTF-8, or nested too deep.
    #[error("the record is not JSON")]
    NotJson,
    /// A field that is missing or cannot be.
    #[error("the record's {0} is missing or cannot be")]
    Bad(&'static str),
}

/// How far an account has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountMark {
    /// The ledger that last changed it.
    pub modified_in: LedgerSeq,
    /// Its sequence number after that.
    pub sequence: SequenceNumber,
}

/// Reads records. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct HorizonRecordParser(TapeReader);

impl core::fmt::Debug for HorizonRecordParser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HorizonRecordParser")
    }
}

impl Default for HorizonRecordParser {
    fn default() -> Self {
        Self(TapeReader::new())
    }
}

impl HorizonRecordParser {
    /// The price of a trade, counter for one of base: finite and positive.
    ///
    /// # Errors
    /// If the message is no trade.
    pub fn trade_price(&mut self, message: &[u8]) -> Result<f64, HorizonRecordError> {
        self.read(message, |record| {
            let bad = HorizonRecordError::Bad("price");
            let price = record.get("price").ok_or(bad)?;
            let price = price.as_object().ok_or(bad)?;
            // Words, because they may have 64 bits; older servers wrote numbers.
            let term = |name| number(&price, name).filter(|term| *term > 0).ok_or(bad);
            #[expect(clippy::cast_precision_loss, reason = "a price that shapes decisions")]
            let ratio = term("n")? as f64 / term("d")? as f64;
            Ok(ratio)
        })
    }

    /// How far an account has come.
    ///
    /// # Errors
    /// If the message is no account.
    pub fn account(&mut self, message: &[u8]) -> Result<AccountMark, HorizonRecordError> {
        self.read(message, |record| {
            let sequence = number(record, "sequence").filter(|sequence| *sequence >= 0);
            let modified_in = number(record, "last_modified_ledger").and_then(|ledger| u32::try_from(ledger).ok());
            Ok(AccountMark {
                modified_in: LedgerSeq(modified_in.ok_or(HorizonRecordError::Bad("last_modified_ledger"))?),
                sequence: SequenceNumber(sequence.ok_or(HorizonRecordError::Bad("sequence"))?),
            })
        })
    }

    fn read<T>(
        &mut self,
        message: &[u8],
        read: impl FnOnce(&Object<'_, '_>) -> Result<T, HorizonRecordError>,
    ) -> Result<T, HorizonRecordError> {
        let object = |value: Value<'_, '_>| read(&value.as_object().ok_or(HorizonRecordError::Bad("object"))?);
        self.0.read(message, object).ok_or(HorizonRecordError::NotJson)?
    }
}

/// A whole number, written as one or as a word.
fn number(object: &Object<'_, '_>, name: &str) -> Option<i64> {
    let value = object.get(name)?;
    match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.as_i64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_has_its_price_in_words_or_numbers() {
        let mut parser = HorizonRecordParser::default();
        for price in [r#"{"n":"1","d":"4"}"#, r#"{"n":1,"d":4}"#] {
            let trade = format!(r#"{{"id":"1-0","price":{price},"base_amount":"1.0000000"}}"#);
            assert_eq!(parser.trade_price(trade.as_bytes()), Ok(0.25));
        }
        for price in [r#"{"n":"0","d":"4"}"#, r#"{"n":"1","d":"-4"}"#, r#"{"n":"x","d":"4"}"#, r#"{"n":"1"}"#, "1"] {
            let trade = format!(r#"{{"price":{price}}}"#);
            assert_eq!(parser.trade_price(trade.as_bytes()), Err(HorizonRecordError::Bad("price")), "{price}");
        }
        assert_eq!(parser.trade_price(b"\"byebye\""), Err(HorizonRecordError::Bad("object")));
        assert_eq!(parser.trade_price(b"{"), Err(HorizonRecordError::NotJson));
    }

    #[test]
    fn an_account_has_its_sequence_and_the_ledger_that_changed_it() {
        let mut parser = HorizonRecordParser::default();
        let mark = AccountMark { modified_in: LedgerSeq(7), sequence: SequenceNumber(4_294_967_297) };
        assert_eq!(parser.account(br#"{"sequence":"4294967297","last_modified_ledger":7}"#), Ok(mark));
        let bad = [r#"{"sequence":"4294967297"}"#, r#"{"sequence":"-1","last_modified_ledger":7}"#];
        for account in bad.map(str::as_bytes) {
            assert!(matches!(parser.account(account), Err(HorizonRecordError::Bad(_))));
        }
    }
}
